/**
 * Where the versions go that cannot stand at their own path.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../schema/Bytes.ts"
import type * as Hash from "../schema/Hash.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as Batches from "./Batches.ts"
import * as ConflictName from "./ConflictName.ts"
import * as ContentId from "./ContentId.ts"
import * as MergeRule from "./MergeRule.ts"
import type { KeyedEntry } from "./ReadableLayer.ts"
import * as Snapshot from "./Snapshot.ts"
import * as TreeEdit from "./TreeEdit.ts"
import { DamagedTree, type TreeError } from "./TreeError.ts"

/** A version that lost its path; its entry reads in the merged tree. @since 0.1.0 @category models */
export interface Displaced {
  readonly key: string
  readonly entry: NodeEntry
  /** Whose version it is. */
  readonly side: "ours" | "theirs"
  /** `changed`: another version stands at the path. `folder`: a folder does, and the entry at `key` is to be moved. */
  readonly reason: "changed" | "folder"
}

/** A version that stands beside its path since this merge. @since 0.1.0 @category models */
export interface Conflict {
  /** Where it stood. */
  readonly path: string
  /** Where it stands now. */
  readonly copy: string
  readonly contentId: Hash.Hash
  /** Whose version it is. */
  readonly side: "ours" | "theirs"
  /** What took its path: another version of the file, a folder, or a conflict copy with a smaller content id. */
  readonly reason: "changed" | "folder" | "name"
}

interface Mover {
  readonly key: string
  readonly version: MergeRule.Version & { readonly contentId: Hash.Hash }
  readonly side: Conflict["side"]
  readonly reason: Conflict["reason"]
}

const gone: NodeEntry = { tombstone: {} }

/**
 * `tree` with every displaced version beside its path, and what was moved; versions that stand there already are not.
 *
 * Of two with one name the smaller content id has the shorter name, and names that `base` had are never given away, so that
 * the order of merges leaves no trace. A copy that came since `base` with the content that now keeps the path itself is
 * taken away, and so is a file to which a user gave such a name and that very content: the trees are the same byte for
 * byte, however they came about. Its content is at the path. Holds all of `displaced`.
 *
 * @since 0.1.0
 * @category merging
 */
export const place = Effect.fnUntraced(function* (
  tree: Snapshot.Snapshot,
  base: Snapshot.Snapshot,
  displaced: ReadonlyArray<Displaced>,
  options: { readonly mask: number }
): Effect.fn.Return<
  { readonly root: Snapshot.Snapshot | undefined; readonly conflicts: ReadonlyArray<Conflict> },
  TreeError
> {
  const changes = new Map<string, NodeEntry>()
  const conflicts: Array<Conflict> = []

  const identify = (key: string, entry: NodeEntry) =>
    Effect.map(ContentId.of(tree.pipeline, key, entry), (contentId) => ({ entry, contentId }))

  const at = Effect.fnUntraced(function* (key: string) {
    const entry = changes.get(key) ?? (yield* tree.get(key))
    return entry === undefined || entry.tombstone !== undefined ? undefined : yield* identify(key, entry)
  })

  const isFolder = (within: Snapshot.Snapshot, name: string) =>
    ContentId.isDirectory(name)
      ? Effect.succeed(false)
      : Effect.map(Snapshot.first(within, { from: `${name}/`, until: `${name}0` }), (found) => found !== undefined)

  /**
   * Whether the name is not for copies: a folder has it, or the base had it. What the base had may be edited or deleted by
   * another writer, before us or after us, and a copy under its name would be deleted with it.
   */
  const isTaken = Effect.fnUntraced(function* (name: string) {
    if ((yield* base.get(name)) !== undefined) return true
    return (yield* isFolder(tree, name)) || (yield* isFolder(base, name))
  })

  const nameOf = (key: string, contentId: Hash.Hash, attempt: number) => {
    const name = ConflictName.of(key, contentId, attempt)
    const detail = `both sides changed ${JSON.stringify(key)}, whose path is too long for a conflict copy beside it`
    return name === undefined
      ? Effect.fail(new DamagedTree({ reason: "Unsupported", blob: "", detail }))
      : Effect.succeed(name)
  }

  const settle = Effect.fnUntraced(function* (first: Mover): Effect.fn.Return<void, TreeError> {
    let mover = first
    let attempt = 0
    while (true) {
      const { key, reason, side, version } = mover
      const name = yield* nameOf(key, version.contentId, attempt++)
      if (yield* isTaken(name)) continue
      const occupant = yield* at(name)
      if (occupant !== undefined && MergeRule.sameContent(name, occupant, version) === true) {
        if (MergeRule.isPreferred(version.entry, occupant.entry)) changes.set(name, version.entry)
        return
      }
      if (occupant !== undefined) {
        const yields =
          ConflictName.isOwn(name, occupant.contentId) && Bytes.compare(version.contentId, occupant.contentId) < 0
        if (!yields) continue
      }
      changes.set(name, version.entry)
      conflicts.push({ path: key, copy: name, contentId: version.contentId, side, reason })
      if (occupant === undefined) return
      mover = { key: name, version: occupant, side, reason: "name" }
    }
  })

  /** Takes away the copy of what keeps the path at `key`. */
  const join = Effect.fnUntraced(function* (key: string): Effect.fn.Return<void, TreeError> {
    const winner = yield* at(key)
    if (winner === undefined) return
    for (let attempt = 0; ; attempt++) {
      const name = ConflictName.of(key, winner.contentId, attempt)
      if (name === undefined || name === key) return
      if (yield* isTaken(name)) continue
      const copy = yield* at(name)
      if (copy === undefined) return
      if (MergeRule.sameContent(name, copy, winner) !== true) continue
      if (MergeRule.compareTime(copy.entry, winner.entry) <= 0) changes.set(name, gone)
      return
    }
  })

  for (const { key, reason } of displaced) if (reason === "folder") changes.set(key, gone)
  const movers = yield* Effect.forEach(displaced, ({ entry, key, reason, side }) =>
    Effect.map(identify(key, entry), (version): Mover => ({ key, version, side, reason }))
  )
  // neither the order of the sides nor that of reading decides who gets a name
  movers.sort((a, b) => Bytes.compareUtf8(a.key, b.key) || Bytes.compare(a.version.contentId, b.version.contentId))
  yield* Effect.forEach(movers, settle, { discard: true })
  const contested = new Set(displaced.flatMap(({ key, reason }) => (reason === "changed" ? [key] : [])))
  yield* Effect.forEach(contested, join, { discard: true })

  const ordered: ReadonlyArray<KeyedEntry> = [...changes].sort(([a], [b]) => Bytes.compareUtf8(a, b))
  const root = yield* TreeEdit.editBatches(tree, () => Batches.of(ordered), options)
  return { root, conflicts }
})
