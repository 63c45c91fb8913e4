/** What must hold whatever happens, checked at every step of the head and not only at the end. */
import * as Either from "effect/Either"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Node from "../../src/schema/Node.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import * as FileMerge from "./FileMerge.ts"
import type { File, Files } from "./FileMerge.ts"

/** One state of the vault that the registry has named. */
export interface Head {
  readonly revision: bigint
  readonly node: string
  readonly files: Files
  /** Who put it there, and what that writer was publishing. */
  readonly by: number
  readonly attempt: Files
}

/** Nothing that was checked once has to be read again: what is durable stays so, and bytes never change their hash. */
interface Known {
  readonly nodes: Map<string, Node.Node>
  readonly leaves: Set<string>
}

export class Model {
  readonly heads: Array<Head> = []
  /** Each writer's files as the head's history last took them in, whether or not the writer was told. */
  readonly landed: Array<Files>
  /** The first thing that was not as it must be. */
  problem: string | undefined
  readonly #durable: (hash: Hash.Hash) => Uint8Array | undefined
  readonly #known: Known = { nodes: new Map(), leaves: new Set() }

  /** `durable` gives what a power cut would leave of a blob. */
  constructor(writers: number, durable: (hash: Hash.Hash) => Uint8Array | undefined) {
    this.landed = Array.from({ length: writers }, () => FileMerge.empty)
    this.#durable = durable
  }

  fail(problem: string): void {
    this.problem ??= problem
  }

  /** The registry keeps `bytes` from now on, put there by a writer that publishes `attempt`. */
  stored(bytes: Uint8Array, by: number, attempt: Files | undefined): void {
    const before = this.heads.at(-1)
    const head = Either.gen(this, function* () {
      const entry = yield* Either.mapLeft(
        RegistryEntry.fromBytes(CheapCrypto.primitives, bytes),
        (error) => `the registry holds no valid entry: ${error.message}`
      )
      const name = `revision ${entry.revision} by writer ${by}`
      if (before !== undefined && entry.revision <= before.revision)
        return yield* Either.left(`${name} took the place of revision ${before.revision}`)
      if (attempt === undefined) return yield* Either.left(`${name} was stored by a writer that publishes nothing`)
      const node = yield* this.#published(entry.hash, name)
      const predecessor = before?.node
      if (predecessor !== undefined && !node.history.some(({ hash }) => Hash.toHex(hash) === predecessor))
        return yield* Either.left(`${name} does not name the head before it (${predecessor.slice(0, 8)}) in its history`)
      const files = new Map<string, File>()
      if (!Bytes.equals(node.root, Hash.zero)) yield* this.#collect(node.root, name, files)
      const landed = this.landed[by] ?? FileMerge.empty
      const wrong = FileMerge.problem(landed, attempt, before?.files ?? FileMerge.empty, files)
      if (wrong !== undefined) return yield* Either.left(`${name}: ${wrong}`)
      const head: Head = { revision: entry.revision, node: Hash.toHex(entry.hash), files, by, attempt }
      return head
    })
    if (Either.isLeft(head)) return this.fail(head.left)
    this.heads.push(head.right)
    this.landed[by] = head.right.attempt
  }

  /** A writer was told that `attempt` is part of the head's history as the snapshot `node`. */
  acknowledged(by: number, attempt: Files, outcome: "published" | "unchanged", node: string): void {
    const head = this.heads.findLast((one) => one.node === node)
    const name = `writer ${by} was told that ${node.slice(0, 8)} has its files`
    if (head === undefined) return this.fail(`${name}, and it never was a head`)
    if (outcome === "published") {
      if (head.by !== by || head.attempt !== attempt) this.fail(`${name}, and it is another publication`)
      return
    }
    const landed = this.landed[by] ?? FileMerge.empty
    const wrong = FileMerge.problem(landed, attempt, head.files, head.files)
    if (wrong !== undefined) return this.fail(`${name}, and it has not: ${wrong}`)
    this.landed[by] = attempt
  }

  #read(hash: Hash.Hash, what: string): Either.Either<Uint8Array, string> {
    const bytes = this.#durable(hash)
    const short = Hash.toHex(hash).slice(0, 8)
    if (bytes === undefined) return Either.left(`${what} ${short} would not survive a power cut`)
    return Bytes.equals(CheapCrypto.primitives.blake3(bytes), hash)
      ? Either.right(bytes)
      : Either.left(`${what} ${short} has other bytes than its name says`)
  }

  #published(hash: Hash.Hash, name: string): Either.Either<TransparentNode.TransparentNode, string> {
    return Either.flatMap(this.#read(hash, `${name}: its published node`), (sealed) => {
      const plain = CheapCrypto.opened(sealed)
      if (plain === undefined) return Either.left(`${name}: its published node cannot be opened`)
      return Either.mapLeft(TransparentNode.decode(plain), (error) => `${name}: ${error.message}`)
    })
  }

  #node(hash: Hash.Hash, name: string): Either.Either<Node.Node, string> {
    const hex = Hash.toHex(hash)
    const known = this.#known.nodes.get(hex)
    if (known !== undefined) return Either.right(known)
    const node = Either.flatMap(this.#read(hash, `${name}: the tree node`), (bytes) =>
      Either.mapLeft(Node.decode(bytes), (error) => `${name}: ${error.message}`)
    )
    if (Either.isRight(node)) this.#known.nodes.set(hex, node.right)
    return node
  }

  /** Adds the files of the tree below `hash`, none of whose blobs may be missing. */
  #collect(hash: Hash.Hash, name: string, files: Map<string, File>): Either.Either<void, string> {
    const node = this.#node(hash, name)
    if (Either.isLeft(node)) return Either.left(node.left)
    for (const [key, { content, semantic }] of node.right.entries) {
      if (content === undefined) return Either.left(`${name}: ${key} has no content`)
      if (content.structural === "link") {
        const below = this.#collect(content.hash, name, files)
        if (Either.isLeft(below)) return below
        continue
      }
      const hex = Hash.toHex(content.hash)
      if (!this.#known.leaves.has(hex)) {
        const leaf = this.#read(content.hash, `${name}: the content of ${key},`)
        if (Either.isLeft(leaf)) return Either.left(leaf.left)
        this.#known.leaves.add(hex)
      }
      const mtime = (semantic?.timestamp ?? 0) * 1000 + (semantic?.timestampSubsecNanos ?? 0) / 1_000_000
      files.set(key, { content: hex, mtime })
    }
    return Either.void
  }
}
