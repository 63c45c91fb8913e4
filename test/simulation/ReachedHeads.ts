/** Every head that some order of the writers' calls leads to, and what must hold of it. */
import * as Either from "effect/Either"
import * as Hash from "../../src/schema/Hash.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import type { Node } from "./Automaton.ts"
import { runOf } from "./Automaton.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import type { Files } from "./FileMerge.ts"
import * as FileMerge from "./FileMerge.ts"
import type { Told } from "./Gates.ts"
import { HeadReader } from "./HeadReader.ts"

/** One entry that the registry has held, after those before it. */
export interface Head {
  readonly id: number
  readonly entry: RegistryEntry.RegistryEntry
  readonly node: string
  readonly files: Files
  readonly before: Head | undefined
  readonly by: number
  readonly attempt: Files
}

/** What was not as it must be; thrown. */
export class Problem {
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

export class ReachedHeads {
  readonly #reader: HeadReader
  readonly #heads = new Map<string, Head>()

  constructor(blobs: ReadonlyMap<string, Uint8Array>) {
    this.#reader = new HeadReader((hash) => blobs.get(Hash.toHex(hash)))
  }

  get size(): number {
    return this.#heads.size
  }

  /** The head after `before`, looked at when it comes up for the first time. */
  moved(
    before: Head | undefined,
    by: number,
    entry: RegistryEntry.RegistryEntry,
    attempt: Files,
    writer: Node | undefined
  ): Head {
    const key = `${before?.id ?? 0} ${Hash.toHex(entry.hash)} ${entry.revision}`
    const known = this.#heads.get(key)
    const name = `revision ${entry.revision} by writer ${by}`
    if (Either.isLeft(RegistryEntry.verify(CheapCrypto.primitives, entry))) throw new Problem(`${name} is not signed`)
    if (before !== undefined && entry.revision <= before.entry.revision)
      throw new Problem(`${name} took the place of revision ${before.entry.revision}`)
    const read = known === undefined ? this.#reader.read(entry.hash, name) : undefined
    if (read !== undefined && Either.isLeft(read)) throw new Problem(read.left)
    if (before !== undefined && read !== undefined && !read.right.history.has(before.node))
      throw new Problem(`${name} does not name the head before it in its history`)
    const files = known?.files ?? read?.right.files ?? FileMerge.empty
    this.#hold(this.#bases(before, by, writer), attempt, before?.files ?? FileMerge.empty, files, name)
    if (known !== undefined) return known
    const head: Head = { id: this.#heads.size + 1, entry, node: Hash.toHex(entry.hash), files, before, by, attempt }
    this.#heads.set(key, head)
    return head
  }

  #hold(bases: ReadonlyArray<Files>, attempt: Files, theirs: Files, merged: Files, name: string): void {
    let wrong: string | undefined
    for (const base of bases) {
      wrong = FileMerge.problem(base, attempt, theirs, merged)
      if (wrong === undefined) return
    }
    throw new Problem(`${name}: ${wrong}`)
  }

  /** What a writer may rightly take for its base: what it last got into the head's history, or found there since. */
  #bases(head: Head | undefined, by: number, node: Node | undefined): ReadonlyArray<Files> {
    let landed = head
    while (landed !== undefined && landed.by !== by) landed = landed.before
    const recorded = node?.disk.recorded
    const isLater = recorded !== undefined && recorded.revision > (landed?.entry.revision ?? 0n)
    return [landed?.attempt ?? FileMerge.empty, ...(isLater ? [recorded.files] : [])]
  }

  /** A writer was told that its files are in the history of `now`. */
  hear(now: Head | undefined, node: Node, told: Told): void {
    const name = `${runOf(node.start)} was told that ${told.node.slice(0, 8)} has its files`
    let head = now
    while (head !== undefined && head.node !== told.node) head = head.before
    if (head === undefined) throw new Problem(`${name}, and it is not in the head's history`)
    const { writer } = node.start
    if (told.outcome === "unchanged") {
      this.#hold(this.#bases(head, writer, node), told.attempt, head.files, head.files, name)
      return
    }
    if (head.by !== writer) throw new Problem(`${name}, and it is another writer's`)
    if (!FileMerge.equal(head.attempt, told.attempt)) throw new Problem(`${name}, and it has others`)
  }
}
