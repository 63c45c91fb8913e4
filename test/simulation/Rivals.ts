/**
 * What must hold where several registries each have a head: writers that could not see each other may both be told that
 * they succeeded, and then both changes must survive.
 */
import * as Either from "effect/Either"
import * as Hash from "../../src/schema/Hash.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import type { Files } from "./FileMerge.ts"
import * as FileMerge from "./FileMerge.ts"
import { HeadReader, type Read } from "./HeadReader.ts"

interface Head extends Read {
  readonly node: string
  readonly revision: bigint
}

interface Attempt {
  readonly by: number
  readonly files: Files
}

export class Rivals {
  /** The first thing that was not as it must be. */
  problem: string | undefined
  /** How often an entry was stored beside one that it was not built on. */
  rivals = 0
  readonly #reader: HeadReader
  readonly #needed: number
  /** Whether nobody but one writer ever writes below a folder. */
  readonly #isOwn: boolean
  readonly #heads: Array<Head | undefined>
  /** Everything that was ever stored anywhere, by its node. */
  readonly #attempts = new Map<string, Attempt>()
  readonly #acknowledged = new Map<string, number>()
  readonly #last = new Map<number, Files>()

  constructor(options: {
    readonly registries: number
    /** How many of them must have an entry before it is acknowledged. */
    readonly needed: number
    readonly isOwn: boolean
    /** What a power cut would leave of a blob. */
    readonly durable: (hash: Hash.Hash) => Uint8Array | undefined
  }) {
    this.#reader = new HeadReader(options.durable)
    this.#needed = options.needed
    this.#isOwn = options.isOwn
    this.#heads = Array.from({ length: options.registries }, () => undefined)
  }

  get heads(): number {
    return this.#attempts.size
  }

  get nodes(): Iterable<string> {
    return this.#attempts.keys()
  }

  /** Every blob that a head has ever needed. */
  get blobs(): ReadonlyArray<Hash.Hash> {
    return [...this.#reader.blobs.values()]
  }

  fail(problem: string): void {
    this.problem ??= problem
  }

  /** One registry keeps `bytes` from now on, put there by a writer that publishes `attempt`. */
  stored(registry: number, bytes: Uint8Array, by: number, attempt: Files | undefined): void {
    const before = this.#heads[registry]
    const head = Either.gen(this, function* () {
      const entry = yield* Either.mapLeft(
        RegistryEntry.fromBytes(CheapCrypto.primitives, bytes),
        (error) => `registry ${registry} holds no valid entry: ${error.message}`
      )
      const name = `revision ${entry.revision} by writer ${by} in registry ${registry}`
      if (attempt === undefined) return yield* Either.left(`${name} was stored by a writer that publishes nothing`)
      const read = yield* this.#reader.read(entry.hash, name)
      if (before !== undefined && entry.revision <= before.revision)
        return yield* Either.left(`${name} took the place of revision ${before.revision}`)
      if (before !== undefined && !read.history.has(before.node))
        return yield* Either.left(`${name} took the place of ${before.node.slice(0, 8)}, which it was not built on`)
      const node = Hash.toHex(entry.hash)
      if (!this.#attempts.has(node)) this.#attempts.set(node, { by, files: attempt })
      return { ...read, node, revision: entry.revision }
    })
    if (Either.isLeft(head)) {
      this.fail(head.left)
      return
    }
    this.#heads[registry] = head.right
    for (const other of this.#heads)
      if (other !== undefined && !knows(other, head.right.node) && !knows(head.right, other.node)) this.rivals++
  }

  /** A writer was told that `attempt` is in the history of whatever is published as `node`. */
  acknowledged(by: number, attempt: Files, outcome: "published" | "unchanged", node: string): void {
    const name = `writer ${by} was told that ${node.slice(0, 8)} has its files`
    const stored = this.#attempts.get(node)
    if (stored === undefined) this.fail(`${name}, and it never was a head`)
    else if (outcome === "published" && stored.files !== attempt) this.fail(`${name}, and it is another publication`)
    const having = this.#heads.filter((head) => head !== undefined && knows(head, node)).length
    if (having < this.#needed) this.fail(`${name}, and ${having} registries know of it where ${this.#needed} must`)
    this.#acknowledged.set(node, by)
    this.#last.set(by, attempt)
  }

  /** Everybody is done, and `node` was published after that on everything that all registries hold. */
  end(node: string): void {
    const final = this.#heads.find((head) => head?.node === node)
    if (final === undefined) {
      this.fail(`${node.slice(0, 8)} was published last, and no registry has it`)
      return
    }
    for (const [acknowledged, by] of this.#acknowledged)
      if (!knows(final, acknowledged))
        this.fail(`what writer ${by} was told of as ${acknowledged.slice(0, 8)} is not in the last head's history`)
    if (this.#isOwn) for (const [by, files] of this.#last) this.#compare(by, files, final.files)
  }

  /** What a writer was told last is there; and nothing else, unless it published what it was never told of. */
  #compare(by: number, files: Files, merged: Files): void {
    const isUnsure = [...this.#attempts].some(
      ([node, attempt]) => attempt.by === by && !this.#acknowledged.has(node) && attempt.files !== files
    )
    const beside = new Map<string, Set<string>>()
    for (const [key, { content }] of merged) {
      const path = FileMerge.original(key)
      beside.set(path, (beside.get(path) ?? new Set()).add(content))
      const isMine = [...files.keys()][0]?.split("/")[0] === key.split("/")[0]
      if (isMine && !isUnsure && files.get(key)?.content !== content)
        this.fail(`${key} should not be there: writer ${by} was told last of another state of its folder`)
    }
    for (const [path, { content }] of files)
      if (beside.get(path)?.has(content) !== true)
        this.fail(`${path} of writer ${by}, who was told that it is kept, is neither there nor a conflict copy`)
  }
}

const knows = (head: Head, node: string) => head.node === node || head.history.has(node)
