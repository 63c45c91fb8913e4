/**
 * What differs between two trees, without reading what does not (docs/format/fs5.md §12.3).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as Batches from "./Batches.ts"
import { contextEquals, entryEquals } from "./EntryEquality.ts"
import * as KeyOrder from "./KeyOrder.ts"
import type { KeyRange } from "./ReadableLayer.ts"
import * as Snapshot from "./Snapshot.ts"
import type { TreeError } from "./TreeError.ts"
import * as TreeReader from "./TreeReader.ts"

/** A key whose entries are not the same; at least one of them is there. @since 0.1.0 @category models */
export interface Difference {
  readonly key: string
  readonly before?: NodeEntry
  readonly after?: NodeEntry
}

/** The next thing of one tree: a subtree not read yet, or an entry. */
interface Position {
  readonly key: string
  /** The level of the subtree's root; -1 for an entry. */
  readonly level: number
  readonly entry: NodeEntry
  readonly within: TreeReader.TreeNode
}

/** A walk over one tree that goes around subtrees or into them. */
const side = (
  snapshot: Snapshot.Snapshot,
  range: KeyRange | undefined,
  onNode?: (node: TreeReader.TreeNode) => void
) => {
  const stack: Array<{ readonly node: TreeReader.TreeNode; next: number }> = []
  const push = (node: TreeReader.TreeNode) => {
    onNode?.(node)
    const from = range?.from
    const next =
      from === undefined
        ? 0
        : node.node.header.level === 0
          ? KeyOrder.countBefore(node.node.entries, from)
          : Math.max(0, KeyOrder.lastAtMost(node.node.entries, from))
    stack.push({ node, next })
  }
  const peek = (): Position | undefined => {
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const at = top.node.node.entries[top.next]
      if (at !== undefined && KeyOrder.isBefore(at[0], range?.until)) {
        return { key: at[0], level: top.node.node.header.level - 1, entry: at[1], within: top.node }
      }
      stack.pop()
    }
    return undefined
  }
  const advance = () => {
    const top = stack.at(-1)
    if (top !== undefined) top.next++
  }
  /** Reads the subtree at the current position, which is then its first child or entry. */
  const descend = Effect.suspend(() => {
    const top = stack.at(-1)
    return top === undefined ? Effect.void : Effect.map(TreeReader.readChild(top.node, top.next++), push)
  })
  const start = snapshot.isEmpty
    ? Effect.void
    : Effect.map(TreeReader.readRoot(snapshot.pipeline, Snapshot.rootOf(snapshot)), push)
  return { peek, advance, descend, start }
}

const sameSubtree = (a: Position, b: Position): boolean => {
  const left = a.entry.content
  const right = b.entry.content
  return (
    left !== undefined &&
    right !== undefined &&
    Bytes.equals(left.hash, right.hash) &&
    contextEquals(a.within.override, b.within.override) &&
    contextEquals(a.entry.childContext, b.entry.childContext)
  )
}

const inOneBatch = 1024

/**
 * Every key in `range` whose entries differ between `before` and `after`, in key order.
 *
 * Subtrees whose links name the same blob are never read, at whatever depth they are; memory grows with the depth, not
 * with the trees. Entries are compared as they are encoded: the same entry below two different contexts is the same.
 * `onNode` is told of every node of `after` that is read, all of those among them that `before` has not.
 *
 * @since 0.1.0
 * @category comparing
 */
export const differences = (
  before: Snapshot.Snapshot,
  after: Snapshot.Snapshot,
  range?: KeyRange,
  onNode?: (node: TreeReader.TreeNode) => void
): Batches.Batches<Difference, TreeError> => {
  if (Bytes.equals(before.hash, after.hash)) return { next: Effect.succeed(undefined) }
  const a = side(before, range)
  const b = side(after, range, onNode)
  let started = false

  /** Compares what is in memory; answers the reading to be done next, or nothing at the end of both trees. */
  const compare = (out: Array<Difference>): Effect.Effect<unknown, TreeError> | undefined => {
    while (out.length < inOneBatch) {
      const left = a.peek()
      const right = b.peek()
      if (left === undefined && right === undefined) return undefined
      const order = left === undefined ? 1 : right === undefined ? -1 : Bytes.compareUtf8(left.key, right.key)
      if (left !== undefined && right !== undefined && order === 0) {
        if (left.level !== right.level) return left.level > right.level ? a.descend : b.descend
        if (left.level >= 0) {
          if (!sameSubtree(left, right)) return Effect.all([a.descend, b.descend], { concurrency: 2 })
        } else {
          const was = TreeReader.entryOf(left.within, left.entry)
          const is = TreeReader.entryOf(right.within, right.entry)
          if (!entryEquals(was, is)) out.push({ key: left.key, before: was, after: is })
        }
        a.advance()
        b.advance()
      } else if (left !== undefined && order < 0) {
        // what begins at a smaller key cannot come later on the other side, so nothing equal is missed
        if (left.level >= 0) return a.descend
        out.push({ key: left.key, before: TreeReader.entryOf(left.within, left.entry) })
        a.advance()
      } else if (right !== undefined) {
        if (right.level >= 0) return b.descend
        out.push({ key: right.key, after: TreeReader.entryOf(right.within, right.entry) })
        b.advance()
      }
    }
    return Effect.void
  }

  const next: Batches.Batches<Difference, TreeError>["next"] = Effect.suspend(() => {
    if (!started) {
      started = true
      // what is empty takes no reading, so that there is nothing to do at the same time
      return Effect.as(
        Effect.all([a.start, b.start], { concurrency: before.isEmpty || after.isEmpty ? 1 : 2, discard: true }),
        []
      )
    }
    const out: Array<Difference> = []
    const reading = compare(out)
    if (reading === undefined) return Effect.succeed(out.length === 0 ? undefined : out)
    return Effect.as(reading, out)
  })
  return { next }
}

/** `differences` as a stream. @since 0.1.0 @category comparing */
export const diff = (
  before: Snapshot.Snapshot,
  after: Snapshot.Snapshot,
  range?: KeyRange
): Stream.Stream<Difference, TreeError> => Batches.toStream(() => differences(before, after, range))
