/**
 * What can still be read of a tree that is damaged.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as KeyOrder from "../fs5/KeyOrder.ts"
import type { KeyedEntry, KeyRange } from "../fs5/ReadableLayer.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import * as TreeReader from "../fs5/TreeReader.ts"

/** Whether the error is about this one blob, so that everything beside it can go on. @since 0.1.0 @category guards */
export const isDamage = (error: TreeError): boolean =>
  error._tag === "DamagedTree" ||
  error.reason === "Missing" ||
  error.reason === "Damaged" ||
  error.reason === "Unreadable"

/** An entry, or a run of keys whose node cannot be read. @since 0.1.0 @category models */
export type Item =
  | { readonly _tag: "Entry"; readonly keyed: KeyedEntry }
  /** Everything from `from` on, up to `until` or the end; empty for the first key that there is. */
  | { readonly _tag: "Lost"; readonly from: string; readonly until: string | undefined; readonly error: TreeError }

/**
 * The entries in `range` in key order, tombstones included; a damaged node is an item and the scan goes on behind it. A store
 * that cannot be reached ends it. Holds one node of each level at a time.
 *
 * @since 0.1.0
 * @category reading
 */
export const scan = (snapshot: Snapshot.Snapshot, range?: KeyRange): Stream.Stream<Item, TreeError> =>
  Stream.suspend(() => {
    if (snapshot.isEmpty) return Stream.empty
    const stack: Array<{ readonly node: TreeReader.TreeNode; next: number; ahead: number }> = []
    let started = false

    const enter = (node: TreeReader.TreeNode): Chunk.Chunk<Item> => {
      if (node.node.header.level === 0)
        return Chunk.unsafeFromArray(
          KeyOrder.within(TreeReader.entriesOf(node), range).map((keyed): Item => ({ _tag: "Entry", keyed }))
        )
      const next = range?.from === undefined ? 0 : Math.max(0, KeyOrder.lastAtMost(node.node.entries, range.from))
      stack.push({ node, next, ahead: next })
      return Chunk.empty()
    }

    const visit = (
      read: Effect.Effect<TreeReader.TreeNode, TreeError>,
      from: string,
      until: string | undefined
    ): Effect.Effect<Chunk.Chunk<Item>, Option.Option<TreeError>> =>
      Effect.flatMap(Effect.either(read), (node) => {
        if (Either.isRight(node)) return Effect.succeed(enter(node.right))
        const error = node.left
        return isDamage(error)
          ? Effect.succeed(Chunk.of<Item>({ _tag: "Lost", from, until, error }))
          : Effect.fail(Option.some(error))
      })

    const step: Effect.Effect<Chunk.Chunk<Item>, Option.Option<TreeError>> = Effect.suspend(() => {
      if (!started) {
        started = true
        return visit(TreeReader.readRoot(snapshot.pipeline, Snapshot.rootOf(snapshot)), "", undefined)
      }
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const { node } = top
        const index = top.next++
        const link = node.node.entries[index]
        if (link !== undefined && KeyOrder.isBefore(link[0], range?.until)) {
          const child = visit(
            TreeReader.readChild(node, index),
            link[0],
            node.node.entries[index + 1]?.[0] ?? node.until
          )
          if (index < top.ahead) return child
          top.ahead = index + TreeReader.aheadNodes
          return Effect.zipRight(TreeReader.readAhead(node, index, { until: range?.until }), child)
        }
        stack.pop()
      }
      return Effect.fail(Option.none())
    })
    return Stream.repeatEffectChunkOption(step)
  })
