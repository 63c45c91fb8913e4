/** What must hold whatever happens, checked at every step of the head and not only at the end. */
import * as Either from "effect/Either"
import * as Hash from "../../src/schema/Hash.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import type { Files } from "./FileMerge.ts"
import * as FileMerge from "./FileMerge.ts"
import { HeadReader } from "./HeadReader.ts"

/** One state of the vault that the registry has named. */
export interface Head {
  readonly revision: bigint
  readonly node: string
  readonly files: Files
  /** Who put it there, and what that writer was publishing. */
  readonly by: number
  readonly attempt: Files
}

export class Model {
  readonly heads: Array<Head> = []
  /**
   * What each writer may rightly take for its base: its files as the head's history last took them in, whether or not it
   * was told, and after that what it found to be in the head already and may have written down.
   */
  readonly #bases: Array<ReadonlyArray<Files>>
  /** The first thing that was not as it must be. */
  problem: string | undefined
  readonly #reader: HeadReader

  /** Whether all writers are runs of one source, of which each starts from what it finds recorded. */
  readonly #isOneSource: boolean

  /** `durable` gives what a power cut would leave of a blob. */
  constructor(writers: number, durable: (hash: Hash.Hash) => Uint8Array | undefined, isOneSource = false) {
    this.#isOneSource = isOneSource
    this.#bases = Array.from({ length: writers }, () => [FileMerge.empty])
    this.#reader = new HeadReader(durable)
  }

  /** Every blob that a head has ever needed. */
  get blobs(): ReadonlyArray<Hash.Hash> {
    return [...this.#reader.blobs.values()]
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
      const { files, history } = yield* this.#reader.read(entry.hash, name)
      const predecessor = before?.node
      if (predecessor !== undefined && !history.has(predecessor))
        return yield* Either.left(
          `${name} does not name the head before it (${predecessor.slice(0, 8)}) in its history`
        )
      const wrong = this.#wrong(by, attempt, before?.files ?? FileMerge.empty, files)
      if (wrong !== undefined) return yield* Either.left(`${name}: ${wrong}`)
      const head: Head = { revision: entry.revision, node: Hash.toHex(entry.hash), files, by, attempt }
      return head
    })
    if (Either.isLeft(head)) this.fail(head.left)
    else {
      this.heads.push(head.right)
      this.#base(by, head.right.attempt)
    }
  }

  /** A writer was told that `attempt` is part of the head's history as the snapshot `node`. */
  acknowledged(by: number, attempt: Files, outcome: "published" | "unchanged", node: string): void {
    const head = this.heads.findLast((one) => one.node === node)
    const name = `writer ${by} was told that ${node.slice(0, 8)} has its files`
    if (head === undefined) this.fail(`${name}, and it never was a head`)
    else if (outcome === "published") {
      if (head.by !== by || head.attempt !== attempt) this.fail(`${name}, and it is another publication`)
    } else {
      const wrong = this.#wrong(by, attempt, head.files, head.files)
      if (wrong !== undefined) this.fail(`${name}, and it has not: ${wrong}`)
      this.#base(by, attempt)
    }
  }

  /** A writer begins to write down that `attempt` is part of the snapshot `node`; it may die before it is told. */
  recording(by: number, attempt: Files | undefined, node: string): void {
    const head = this.heads.findLast((one) => one.node === node)
    const bases = this.#bases[by]
    if (head === undefined || attempt === undefined || bases === undefined || bases.includes(attempt)) return
    if (this.#wrong(by, attempt, head.files, head.files) === undefined) this.#bases[by] = [...bases, attempt]
  }

  #base(by: number, attempt: Files): void {
    // a run may have begun when any state that was there before was the last
    this.#bases[by] = this.#isOneSource ? [...(this.#bases[by] ?? []), attempt] : [attempt]
  }

  /** What is wrong with a merge whatever the writer's base was. */
  #wrong(by: number, attempt: Files, theirs: Files, merged: Files): string | undefined {
    let wrong: string | undefined
    for (const base of this.#bases[by] ?? []) {
      wrong = FileMerge.problem(base, attempt, theirs, merged)
      if (wrong === undefined) return undefined
    }
    return wrong
  }
}
