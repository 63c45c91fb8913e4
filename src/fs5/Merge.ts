/**
 * Merging two trees that come from one: a publication, a pull, the flush of a mount.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as Batches from "./Batches.ts"
import * as ConflictCopies from "./ConflictCopies.ts"
import * as ContentId from "./ContentId.ts"
import * as ContextPin from "./ContextPin.ts"
import { contextEquals } from "./EntryEquality.ts"
import * as MergeRule from "./MergeRule.ts"
import type { KeyedEntry } from "./ReadableLayer.ts"
import * as Snapshot from "./Snapshot.ts"
import * as TreeDiff from "./TreeDiff.ts"
import * as TreeEdit from "./TreeEdit.ts"
import type { TreeError } from "./TreeError.ts"
import * as TreeExtent from "./TreeExtent.ts"

/** @since 0.1.0 @category models */
export interface Sides {
  /**
   * What both sides come from: nothing where there is no such tree, `unreadable` where there is one that is lost. Both mean
   * that nothing is deleted and that what differs stands side by side, as conflicts.
   */
  readonly base: Snapshot.Snapshot | "unreadable" | undefined
  readonly ours: Snapshot.Snapshot
  /** The tree that ours is merged onto: the result is stored in its store, under its context. */
  readonly theirs: Snapshot.Snapshot
}

/** @since 0.1.0 @category models */
export interface Merged {
  /** Nothing where no entry is left. */
  readonly root: Snapshot.Snapshot | undefined
  /** What stands beside its path since this merge, by key; a copy that one of the sides had already is not in it. */
  readonly conflicts: ReadonlyArray<ConflictCopies.Conflict>
}

interface Trees {
  readonly base: Snapshot.Snapshot
  readonly ours: Snapshot.Snapshot
  readonly theirs: Snapshot.Snapshot
  /** Whether ours is stored under another context. */
  readonly isForeign: boolean
}

/** One key in the three trees. */
interface Triple {
  readonly base: NodeEntry | undefined
  readonly ours: NodeEntry | undefined
  readonly theirs: NodeEntry | undefined
  /** Which trees differ from the base here. */
  readonly differs: "ours" | "theirs" | "both"
}

/** A file in the merged tree that a later key may prove to be a folder of the other side. */
interface OpenFile {
  readonly key: string
  readonly triple: Triple
  readonly entry: NodeEntry
  readonly side: "ours" | "theirs"
  isDisplaced: boolean
}

const live = (entry: NodeEntry | undefined): NodeEntry | undefined =>
  entry?.tombstone === undefined ? entry : undefined

const inOneBatch = 1024

/** Every key that differs from the base on a side and that ours can have to do with, in key order. */
const triples = ({ base, ours, theirs }: Trees): Batches.Batches<readonly [string, Triple], TreeError> => {
  const mine = Batches.cursor(TreeDiff.differences(base, ours))
  let others: Batches.Cursor<TreeDiff.Difference, TreeError> | undefined
  const open = Effect.map(TreeExtent.around([base, ours]), (ranges) => {
    others = Batches.cursor(Batches.concat(ranges.map((range) => TreeDiff.differences(base, theirs, range))))
    return others
  })

  /** The next key that is known to be the smallest of both sides. */
  const take = (other: Batches.Cursor<TreeDiff.Difference, TreeError>): readonly [string, Triple] | undefined => {
    const our = mine.peek()
    const their = other.peek()
    if ((our === undefined && !mine.isDone()) || (their === undefined && !other.isDone())) return undefined
    const order = our === undefined ? 1 : their === undefined ? -1 : Bytes.compareUtf8(our.key, their.key)
    const before = live((order <= 0 ? our : their)?.before)
    if (order <= 0) mine.advance()
    if (order >= 0) other.advance()
    if (our !== undefined && order < 0)
      return [our.key, { base: before, ours: live(our.after), theirs: before, differs: "ours" }]
    if (their === undefined) return undefined
    return order > 0
      ? [their.key, { base: before, ours: before, theirs: live(their.after), differs: "theirs" }]
      : [their.key, { base: before, ours: live(our?.after), theirs: live(their.after), differs: "both" }]
  }

  return {
    next: Effect.gen(function* () {
      const other = others ?? (yield* open)
      yield* mine.fill
      yield* other.fill
      if (mine.isDone() && other.isDone()) return undefined
      const out: Array<readonly [string, Triple]> = []
      for (let next = take(other); next !== undefined; next = out.length < inOneBatch ? take(other) : undefined)
        out.push(next)
      return out
    })
  }
}

/** The entry with its content id, which takes reading only for chunked files. */
const identify = (
  snapshot: Snapshot.Snapshot,
  key: string,
  entry: NodeEntry | undefined
): Effect.Effect<MergeRule.Version | undefined, TreeError> =>
  entry === undefined
    ? Effect.succeed(undefined)
    : Effect.map(ContentId.of(snapshot.pipeline, key, entry), (contentId) => ({ entry, contentId }))

/** Like `identify`; where the chunk tree is lost, with an id that no content has. */
const identifyBase = (base: Snapshot.Snapshot, key: string, entry: NodeEntry | undefined) =>
  identify(base, key, entry).pipe(
    // with nothing to compare to, both sides count as changed: they stand side by side and nothing is deleted
    Effect.catchIf(
      (error) => error.reason !== "Unavailable",
      () => Effect.succeed(entry && { entry, contentId: Hash.zero })
    )
  )

const decide = Effect.fnUntraced(function* (
  { isForeign, ours, theirs, ...trees }: Trees,
  key: string,
  triple: Triple
): Effect.fn.Return<MergeRule.Decision, TreeError> {
  const base = yield* identifyBase(trees.base, key, triple.base)
  const side = (snapshot: Snapshot.Snapshot, entry: NodeEntry | undefined) =>
    // what is stored as it was needs no reading, and not even to be there
    base && entry && MergeRule.sameContent(key, base, { entry }) === true
      ? Effect.succeed({ entry, contentId: base.contentId })
      : identify(snapshot, key, entry)
  const sides = { ours: side(ours, triple.ours), theirs: side(theirs, triple.theirs) }
  const versions = { base, ...(yield* Effect.all(sides, { concurrency: 2 })) }
  const decision = MergeRule.decide(key, versions, isForeign)
  return decision ?? (yield* Effect.dieMessage("a merge was not decided although all content ids are known"))
})

/** The decision that takes no reading, which most do not. */
const decideAtOnce = (trees: Trees, key: string, triple: Triple): MergeRule.Decision | undefined => {
  if (triple.differs === "theirs") return { keep: "theirs", displaces: false }
  if (triple.differs === "ours" && !trees.isForeign) return { keep: "ours", displaces: false }
  const { primitives } = trees.theirs.pipeline
  const version = (entry: NodeEntry | undefined): MergeRule.Version | undefined =>
    entry && { entry, contentId: ContentId.immediate(primitives, key, entry) }
  const versions = { base: version(triple.base), ours: version(triple.ours), theirs: version(triple.theirs) }
  return MergeRule.decide(key, versions, trees.isForeign)
}

const gone: NodeEntry = { tombstone: {} }

/** Takes decisions in key order, and finds which files have a folder of the other side in their place. */
const collector = (trees: Trees) => {
  const displaced: Array<ConflictCopies.Displaced> = []
  // each one's key begins with that of the one before, so that there are few
  const open: Array<OpenFile> = []
  const from = trees.ours.pipeline.context
  const to = trees.theirs.pipeline.context
  const enter = (entry: NodeEntry, side: "ours" | "theirs") =>
    side === "ours" ? ContextPin.pin(from, to, entry) : entry

  const place = (key: string, triple: Triple, file: Omit<OpenFile, "isDisplaced">) => {
    for (let top = open.at(-1); top !== undefined && !key.startsWith(top.key); top = open.at(-1)) open.pop()
    for (const above of open) {
      if (above.isDisplaced || key[above.key.length] !== "/") continue
      const isInOurs = above.triple.ours !== undefined && triple.ours !== undefined
      const isInTheirs = above.triple.theirs !== undefined && triple.theirs !== undefined
      // a side that has a file and a folder of one name is left as it is
      if (isInOurs || isInTheirs) continue
      above.isDisplaced = true
      displaced.push({ key: above.key, entry: above.entry, side: above.side, reason: "folder" })
    }
    if (!ContentId.isDirectory(key)) open.push({ ...file, isDisplaced: false })
  }

  /** Answers the change that theirs needs at the key, if any. */
  const take = (key: string, triple: Triple, { displaces, keep }: MergeRule.Decision): KeyedEntry | undefined => {
    const side = keep === "ours" ? "theirs" : "ours"
    const loser = triple[side]
    if (displaces && loser !== undefined) {
      displaced.push({ key, entry: enter(loser, side), side, reason: "changed" })
    }
    const kept = triple[keep]
    if (kept === undefined) return keep === "ours" && triple.theirs !== undefined ? [key, gone] : undefined
    const entry = enter(kept, keep)
    place(key, triple, { key, triple, entry, side: keep })
    return keep === "ours" ? [key, entry] : undefined
  }
  return { displaced, take }
}

/** The changes that make the merged tree of theirs, and after they were run what finds no place in it. */
const unite = (trees: Trees) => {
  let displaced: ReadonlyArray<ConflictCopies.Displaced> = []
  const changes = (): Batches.Batches<KeyedEntry, TreeError> => {
    const collected = collector(trees)
    displaced = collected.displaced
    const differing = triples(trees)
    return {
      next: Effect.gen(function* () {
        const batch = yield* differing.next
        if (batch === undefined) return undefined
        const out: Array<KeyedEntry> = []
        for (const [key, triple] of batch) {
          const decision = decideAtOnce(trees, key, triple) ?? (yield* decide(trees, key, triple))
          const change = collected.take(key, triple, decision)
          if (change !== undefined) out.push(change)
        }
        return out
      })
    }
  }
  return { changes, displaced: () => displaced }
}

const sameTree = (a: Snapshot.Snapshot, b: Snapshot.Snapshot) => Bytes.equals(a.hash, b.hash)

/**
 * The tree that holds what both sides made of `base`, by one rule for every path (`MergeRule.decide`).
 *
 * A version that loses its path to another one, or to a folder, stands beside it as a conflict copy (`ConflictName.of`).
 * Where both trees are stored under one context the sides may be swapped: the root is the same. It is the same too in
 * whatever order writers with one change each are merged, and merging it with one of the sides again changes nothing. A
 * directory that is deleted on one side, and in which the other made something, remains by what is in it; its own entry
 * goes by the rule, like any other.
 *
 * Reads what differs between the base and each side, of theirs only between the first and the last key of the two others,
 * and the chunk trees of files that both sides changed; nodes of the result that theirs has not are written. Memory grows
 * with the depth of the trees and the number of conflicts. Entries of ours are carried over as
 * they are and their blobs must be in the store of theirs; under another context they are pinned (`ContextPin.pin`). `mask`
 * is what the trees are cut by where they do not say it.
 *
 * @since 0.1.0
 * @category merging
 */
export const threeWay = Effect.fn("Merge.threeWay")(function* (
  sides: Sides,
  options?: { readonly mask?: number }
): Effect.fn.Return<Merged, TreeError> {
  const { ours, theirs } = sides
  const base = sides.base === undefined || sides.base === "unreadable" ? Snapshot.empty(theirs.pipeline) : sides.base
  const whole = (tree: Snapshot.Snapshot): Merged => ({ root: tree.isEmpty ? undefined : tree, conflicts: [] })
  if (sameTree(ours, theirs) || sameTree(ours, base)) return whole(theirs)
  const isForeign = !contextEquals(ours.pipeline.context, theirs.pipeline.context)
  if (sameTree(theirs, base) && !isForeign && ours.pipeline.blobs === theirs.pipeline.blobs) return whole(ours)

  const mask = options?.mask ?? (yield* theirs.isEmpty ? ours.chunkMask : theirs.chunkMask)
  const united = unite({ base, ours, theirs, isForeign })
  const root = yield* TreeEdit.editBatches(theirs, united.changes, { mask })
  const displaced = united.displaced()
  if (displaced.length === 0) return { root, conflicts: [] }
  return yield* ConflictCopies.place(root ?? Snapshot.empty(theirs.pipeline), base, displaced, { mask })
})
