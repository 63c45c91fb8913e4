/**
 * Changing a tree (docs/format/fs5.md §12).
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import type { NodeKind } from "../schema/Node.ts"
import * as Batches from "./Batches.ts"
import { contextEquals } from "./EntryEquality.ts"
import * as KeyOrder from "./KeyOrder.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { KeyedEntry, ReadableLayer } from "./ReadableLayer.ts"
import * as Snapshot from "./Snapshot.ts"
import * as SortedStreams from "./SortedStreams.ts"
import * as TreeBuilder from "./TreeBuilder.ts"
import * as TreeDiff from "./TreeDiff.ts"
import type { TreeError } from "./TreeError.ts"
import * as TreeReader from "./TreeReader.ts"

/** A node of the base is not what building its entries with the mask would give, so that it cannot be carried over. */
class ShapeDiffers extends Data.TaggedError("ShapeDiffers") {}

const inOneBatch = 1024

/**
 * Feeds `entries` to the builder with the changes before `until` spliced in: a change takes the place of the entry with its
 * key, a tombstone removes it.
 */
const splice = Effect.fnUntraced(function* (
  builder: TreeBuilder.TreeBuilder,
  changes: SortedStreams.Cursor,
  entries: ReadonlyArray<KeyedEntry>,
  until: string | undefined
): Effect.fn.Return<void, TreeError> {
  let at = 0
  while (true) {
    yield* changes.fill
    const out: Array<KeyedEntry> = []
    let change = changes.peek()
    let isOpen = change !== undefined && KeyOrder.isBefore(change[0], until)
    while (change !== undefined && isOpen && out.length < inOneBatch) {
      const entry = entries[at]
      const order = entry === undefined ? 1 : Bytes.compareUtf8(entry[0], change[0])
      if (entry !== undefined && order < 0) {
        out.push(entry)
        at++
        continue
      }
      if (order === 0) at++
      if (change[1].tombstone === undefined) out.push(change)
      changes.advance()
      change = changes.peek()
      isOpen = change !== undefined && KeyOrder.isBefore(change[0], until)
    }
    if (!isOpen && (change !== undefined || changes.isDone())) {
      for (; at < entries.length; at++) out.push(entries[at]!)
      return yield* builder.pushAll(out)
    }
    yield* builder.pushAll(out)
  }
})

const toSnapshot = Effect.fnUntraced(function* (
  builder: TreeBuilder.TreeBuilder,
  pipeline: Pipeline,
  kind: NodeKind | undefined
): Effect.fn.Return<Snapshot.Snapshot | undefined, TreeError> {
  const finished = yield* builder.finish
  return finished === undefined
    ? undefined
    : Snapshot.make({ hash: finished.link.hash, plaintextHash: finished.link.plaintextHash, kind, pipeline })
})

/** What changes a tree, from its first change on each time that it is asked for. */
type Changes = Effect.Effect<SortedStreams.Cursor, never, Scope.Scope>

/** All entries of a layer. */
const read = (layer: ReadableLayer): Effect.Effect<Batches.Batches<KeyedEntry, TreeError>, never, Scope.Scope> =>
  !Snapshot.is(layer)
    ? Batches.fromStream(layer.scan())
    : Effect.succeed(
        layer.isEmpty ? { next: Effect.succeed(undefined) } : TreeReader.batches(layer.pipeline, Snapshot.rootOf(layer))
      )

/** Reads the whole base and builds the result anew (docs/format/fs5.md §12.1). */
const rebuild = Effect.fnUntraced(function* (
  base: ReadableLayer,
  changes: Changes,
  target: { readonly pipeline: Pipeline; readonly mask: number; readonly kind: NodeKind }
): Effect.fn.Return<Snapshot.Snapshot | undefined, TreeError> {
  const builder = TreeBuilder.make(target.pipeline, target)
  yield* Effect.scoped(
    Effect.gen(function* () {
      const cursor = yield* changes
      const { next } = yield* read(base)
      for (let entries = yield* next; entries !== undefined; entries = yield* next) {
        const last = entries.at(-1)
        // changes after this batch's last key wait for the next one
        if (last !== undefined) yield* splice(builder, cursor, entries, `${last[0]}\0`)
      }
      yield* splice(builder, cursor, [], undefined)
    })
  )
  return yield* toSnapshot(builder, target.pipeline, target.kind)
})

/** Whether `node` is what the builder makes of its entries, as far as can be seen from it alone. */
const hasShape = (pipeline: Pipeline, { node, override, until }: TreeReader.TreeNode, mask: number): boolean => {
  if (node.header.build !== undefined || override !== undefined) return false
  const last = node.entries.length - 1
  // only the last node of a level may end anywhere
  if (until !== undefined && last + 1 < TreeBuilder.minimumEntries) return false
  for (let index = TreeBuilder.minimumEntries - 1; index <= last; index++) {
    const isBoundary = TreeBuilder.isBoundary(pipeline.primitives, node.entries[index]![0], mask)
    if (index < last ? isBoundary : until !== undefined && !isBoundary) return false
  }
  return node.header.level === 0 || node.entries.every(([, entry]) => entry.childContext === undefined)
}

/** Goes down only where changes are or nodes came out of step, and carries over every other subtree by its link. */
const carryOver = Effect.fnUntraced(function* (
  base: Snapshot.Snapshot,
  root: TreeReader.TreeNode,
  changes: Changes,
  mask: number
): Effect.fn.Return<Snapshot.Snapshot | undefined, TreeError | ShapeDiffers> {
  const pipeline = base.pipeline
  const { kind } = root.node.header
  const builder = TreeBuilder.make(pipeline, { kind, mask })
  return yield* Effect.scoped(
    Effect.gen(function* () {
      if (!hasShape(pipeline, root, mask)) return yield* new ShapeDiffers()
      const cursor = yield* changes
      yield* cursor.fill
      if (cursor.isDone()) return base
      const visit = Effect.fnUntraced(function* (
        at: TreeReader.TreeNode
      ): Effect.fn.Return<void, TreeError | ShapeDiffers> {
        if (!hasShape(pipeline, at, mask)) return yield* new ShapeDiffers()
        const { entries, header } = at.node
        if (header.level === 0) return yield* splice(builder, cursor, entries, at.until)
        for (let index = 0; index < entries.length; index++) {
          const [key, link] = entries[index]!
          const until = entries[index + 1]?.[0] ?? at.until
          yield* cursor.fill
          const change = cursor.peek()
          const isTouched = change !== undefined && KeyOrder.isBefore(change[0], until)
          if (isTouched || !builder.isAligned(header.level)) yield* visit(yield* TreeReader.readChild(at, index))
          else yield* builder.pushLink(header.level, key, link)
        }
      })
      yield* visit(root)
      return yield* toSnapshot(builder, pipeline, kind)
    })
  )
})

/**
 * `base` with `changes` applied: a live entry takes the place of the one at its key, a tombstone deletes; nothing when no
 * entry is left.
 *
 * `changes` ascend by key and may be run twice. The root is the one that building the resulting entries anew gives
 * (docs/format/fs5.md §12.2), but only the nodes on the way to the changes, and those that come out differently, are read
 * and written; memory grows with the depth. `mask` is what the base was cut by, where its header does not say it; a base
 * with a node that it cannot have cut is rebuilt.
 *
 * @since 0.1.0
 * @category editing
 */
export const edit = Effect.fn("TreeEdit.edit")(function* (
  base: Snapshot.Snapshot,
  changes: Stream.Stream<KeyedEntry, TreeError>,
  options?: { readonly mask?: number }
): Effect.fn.Return<Snapshot.Snapshot | undefined, TreeError> {
  return yield* apply(base, SortedStreams.cursor(changes), options)
})

/** `edit` with changes that come in batches; `changes` may be asked for them twice. @since 0.1.0 @category editing */
export const editBatches = (
  base: Snapshot.Snapshot,
  changes: () => Batches.Batches<KeyedEntry, TreeError>,
  options?: { readonly mask?: number }
): Effect.Effect<Snapshot.Snapshot | undefined, TreeError> =>
  apply(
    base,
    Effect.sync(() => SortedStreams.cursorOf(changes())),
    options
  )

const apply = Effect.fnUntraced(function* (
  base: Snapshot.Snapshot,
  changes: Changes,
  options: { readonly mask?: number } | undefined
): Effect.fn.Return<Snapshot.Snapshot | undefined, TreeError> {
  const mask = options?.mask ?? (yield* base.chunkMask)
  const { pipeline } = base
  if (base.isEmpty) return yield* rebuild(base, changes, { pipeline, mask, kind: yield* Snapshot.kindOf(base) })
  const root = yield* TreeReader.readRoot(pipeline, Snapshot.rootOf(base))
  return yield* carryOver(base, root, changes, mask).pipe(
    Effect.catchTag("ShapeDiffers", () => rebuild(base, changes, { pipeline, mask, kind: root.node.header.kind }))
  )
})

/** Whether nodes written through one pipeline stand in a tree written through the other as they are. */
const sharesNodes = (a: Pipeline, b: Pipeline): boolean =>
  a === b || (a.blobs === b.blobs && contextEquals(a.context, b.context))

/**
 * The tree of `base` with everything in `changes` applied, which wins at every key; its tombstones delete and are not
 * kept. Nothing when no entry is left.
 *
 * This is the reference's merge (docs/format/fs5.md §12.1): no times are compared, so that of two trees the keys are
 * united. Where `base` is a tree of the same pipeline and mask, only what differs is read.
 *
 * @since 0.1.0
 * @category editing
 */
export const mergeAndPersist = Effect.fn("TreeEdit.mergeAndPersist")(function* (options: {
  readonly base: ReadableLayer
  readonly changes: ReadableLayer
  readonly pipeline: Pipeline
  /** The base's when absent. */
  readonly mask?: number
}): Effect.fn.Return<Snapshot.Snapshot | undefined, TreeError> {
  const { base, changes, pipeline } = options
  const baseMask = yield* base.chunkMask
  const mask = options.mask ?? baseMask
  if (!Snapshot.is(base) || mask !== baseMask || !sharesNodes(base.pipeline, pipeline)) {
    const kind = Snapshot.is(base) ? yield* Snapshot.kindOf(base) : "namespace"
    return yield* rebuild(base, SortedStreams.cursor(changes.scan()), { pipeline, mask, kind })
  }
  const differing =
    Snapshot.is(changes) && !base.isEmpty
      ? Stream.filterMap(TreeDiff.diff(base, changes), ({ after, key }) =>
          after === undefined ? Option.none() : Option.some<KeyedEntry>([key, after])
        )
      : changes.scan()
  return yield* edit(base, differing, { mask })
})
