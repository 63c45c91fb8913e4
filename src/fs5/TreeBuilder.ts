/**
 * Building a prolly tree level by level from entries that arrive in key order (docs/format/fs5.md §10).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../schema/Bytes.ts"
import type { Node, NodeEntry, NodeKind } from "../schema/Node.ts"
import type { Primitives } from "../schema/Primitives.ts"
import type { Pipeline, WrittenNode } from "./Pipeline.ts"
import type { KeyedEntry } from "./ReadableLayer.ts"
import { DamagedTree, type TreeError } from "./TreeError.ts"

/** A node with fewer entries is closed only by the end of its level. @since 0.1.0 @category constants */
export const minimumEntries = 4

/** The mask of namespaces by default and of chunk trees always: 64 entries expected. @since 0.1.0 @category constants */
export const defaultMask = 0x3f

/** Nodes of one batch that are encoded and written at the same time. */
const writesInFlight = 4

/** Whether a node may end with `key` (docs/format/fs5.md §10). @since 0.1.0 @category predicates */
export const isBoundary = (primitives: Primitives, key: string, mask: number): boolean => {
  const hash = primitives.blake3(Bytes.fromUtf8(key))
  const word = hash[0]! | (hash[1]! << 8) | (hash[2]! << 16) | (hash[3]! << 24)
  return (word & mask) === 0
}

/** A written node with what its link says of it. @since 0.1.0 @category models */
export interface TreeLink extends WrittenNode {
  /** The sum of the entries' content sizes. */
  readonly size: bigint
  readonly level: number
}

/** The entry that stands for a written node in the level above (docs/format/fs5.md §3.1). @since 0.1.0 @category constructors */
export const linkEntry = (link: TreeLink): NodeEntry => ({
  content: {
    structural: "link",
    hash: link.hash,
    size: link.size,
    plaintextHash: link.plaintextHash,
    storedBlocks: BigInt(link.storedLength)
  }
})

/** The sum of the content sizes of `entries`; an entry without content counts 0. @since 0.1.0 @category accessors */
export const totalSize = (entries: ReadonlyArray<KeyedEntry>): bigint => {
  let size = 0n
  for (const [, entry] of entries) if (entry.content !== undefined) size += entry.content.size
  return size
}

/**
 * One tree under construction, with one open node per level, for one fiber; after a failure it must not be used further.
 *
 * @since 0.1.0
 * @category models
 */
export interface TreeBuilder {
  /** Appends an entry to level 0; a key that does not ascend is `DamagedTree` `Inconsistent`. */
  readonly push: (key: string, entry: NodeEntry) => Effect.Effect<void, TreeError>
  /** Appends many; the same as pushing one after the other, without an effect per entry. */
  readonly pushAll: (entries: ReadonlyArray<KeyedEntry>) => Effect.Effect<void, TreeError>
  /**
   * Appends a finished subtree, whose root has level `level - 1` and is linked by `entry`, to level `level`.
   *
   * Every level below `level` must have no open node (`isAligned`), and the subtree must be what building its entries
   * here would give: on every level but the last of the tree it ends in a closing boundary key.
   */
  readonly pushLink: (level: number, key: string, entry: NodeEntry) => Effect.Effect<void, TreeError>
  /** Whether no level below `level` has an open node, so that a subtree may be appended there. */
  readonly isAligned: (level: number) => boolean
  /** Closes all levels; the root, or nothing when no entry was pushed. */
  readonly finish: Effect.Effect<{ readonly link: TreeLink } | undefined, TreeError>
}

interface Level {
  /** The entries of the open node. */
  open: Array<KeyedEntry>
  /** Everything that ever came in. */
  entered: number
  lastKey: string | undefined
  /** The newest link that came in from a node written here; nothing when it was carried over. */
  lastLink: TreeLink | undefined
}

const inconsistent = (detail: string) => new DamagedTree({ reason: "Inconsistent", blob: "", detail })

/** A builder that writes its nodes through `pipeline`. @since 0.1.0 @category constructors */
export const make = (pipeline: Pipeline, options: { readonly kind: NodeKind; readonly mask: number }): TreeBuilder => {
  const { kind, mask } = options
  const levels: Array<Level> = []

  const levelAt = (index: number): Level => {
    while (levels.length <= index) levels.push({ open: [], entered: 0, lastKey: undefined, lastLink: undefined })
    return levels[index]!
  }

  /** Adds to the open node; answers the node's entries when that closed it. */
  const append = (level: Level, keyed: KeyedEntry): ReadonlyArray<KeyedEntry> | DamagedTree | undefined => {
    const key = keyed[0]
    if (level.lastKey !== undefined && Bytes.compareUtf8(level.lastKey, key) >= 0) {
      return inconsistent(`tree keys must ascend: ${JSON.stringify(key)} came after ${JSON.stringify(level.lastKey)}`)
    }
    level.lastKey = key
    level.entered++
    level.open.push(keyed)
    if (level.open.length < minimumEntries || !isBoundary(pipeline.primitives, key, mask)) return undefined
    const closed = level.open
    level.open = []
    return closed
  }

  const write = (index: number, entries: ReadonlyArray<KeyedEntry>): Effect.Effect<TreeLink, TreeError> => {
    const node: Node = { header: { level: index, kind }, entries }
    return Effect.map(pipeline.writeNode(node), (written) => ({ ...written, size: totalSize(entries), level: index }))
  }

  /** Writes closed nodes of a level, in order, and hands their links to the level above. */
  const raise = (index: number, closed: ReadonlyArray<ReadonlyArray<KeyedEntry>>): Effect.Effect<void, TreeError> =>
    Effect.flatMap(
      Effect.forEach(closed, (entries) => write(index, entries), { concurrency: writesInFlight }),
      (links) => {
        const above = levelAt(index + 1)
        above.lastLink = links[links.length - 1]
        return appendAll(
          index + 1,
          links.map((link, at) => [closed[at]![0]![0], linkEntry(link)] as const)
        )
      }
    )

  const appendAll = (index: number, entries: ReadonlyArray<KeyedEntry>): Effect.Effect<void, TreeError> =>
    Effect.suspend(() => {
      const level = levelAt(index)
      const closed: Array<ReadonlyArray<KeyedEntry>> = []
      for (const keyed of entries) {
        const result = append(level, keyed)
        if (result instanceof DamagedTree) return Effect.fail(result)
        if (result !== undefined) closed.push(result)
      }
      return closed.length === 0 ? Effect.void : raise(index, closed)
    })

  const isAligned = (index: number): boolean => levels.slice(0, index).every((level) => level.open.length === 0)

  /** The root below a carried-over link: a tree's root is never a node with a single link. */
  const settle = (entry: NodeEntry, level: number): Effect.Effect<TreeLink, TreeError> =>
    Effect.gen(function* () {
      let content = entry.content
      let at = level
      while (content?.structural === "link") {
        const node: Node = yield* pipeline.readNode(content)
        if (node.header.level !== at || node.header.kind !== kind) {
          return yield* inconsistent(
            `a ${node.header.kind} node of level ${node.header.level} is linked as level ${at}`
          )
        }
        const only = node.entries.length === 1 && at > 0 ? node.entries[0] : undefined
        if (only === undefined) {
          return {
            hash: content.hash,
            plaintextHash: content.plaintextHash ?? content.hash,
            storedLength: Number(content.storedBlocks ?? 0n),
            size: totalSize(node.entries),
            level: at
          }
        }
        content = only[1].content
        at--
      }
      return yield* inconsistent("a carried-over subtree is not a link to a node")
    })

  const finish = Effect.gen(function* () {
    for (let index = 0; index < levels.length; index++) {
      const level = levels[index]!
      const only = level.open[0]
      if (index > 0 && index === levels.length - 1 && level.entered === 1 && only !== undefined) {
        return { link: level.lastLink ?? (yield* settle(only[1], index - 1)) }
      }
      if (level.open.length === 0) continue
      const closed = level.open
      level.open = []
      yield* raise(index, [closed])
    }
    return undefined
  })

  return {
    push: (key, entry) => appendAll(0, [[key, entry]]),
    pushAll: (entries) => appendAll(0, entries),
    pushLink: (level, key, entry) =>
      Effect.suspend(() => {
        if (level < 1 || entry.content?.structural !== "link") {
          return Effect.fail(inconsistent(`only a link can be carried over, and only to level 1 or above (${level})`))
        }
        if (!isAligned(level)) {
          return Effect.fail(inconsistent(`a subtree cannot follow an open node below level ${level}`))
        }
        levelAt(level).lastLink = undefined
        return appendAll(level, [[key, entry]])
      }),
    isAligned,
    finish
  }
}
