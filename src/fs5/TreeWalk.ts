/**
 * Everything that a tree reaches, for verifying and collecting (docs/format/fs5.md §11).
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Hash } from "../schema/Hash.ts"
import type { ContentRef, NodeEntry, NodeKind } from "../schema/Node.ts"
import type { Pipeline } from "./Pipeline.ts"
import { DamagedTree, type TreeError } from "./TreeError.ts"
import * as TreeReader from "./TreeReader.ts"

/** A node that was read and is what its link says. @since 0.1.0 @category models */
export interface ReachedNode {
  readonly _tag: "Node"
  readonly hash: Hash
  readonly level: number
  readonly kind: NodeKind
  /** The number of its entries. */
  readonly length: number
  /** The keys of the entries whose trees it is in, outermost first; none for the tree itself. */
  readonly path: ReadonlyArray<string>
}

/** A leaf blob that an entry names; it was not read. @since 0.1.0 @category models */
export interface ReachedLeaf {
  readonly _tag: "Leaf"
  readonly hash: Hash
  readonly entry: NodeEntry & { readonly content: ContentRef }
  /** What reads the entry's bytes. */
  readonly pipeline: Pipeline
  /** The keys from the tree to the entry, its own last. */
  readonly path: ReadonlyArray<string>
}

/** A node that could not be read, or is not what its link says; what is below it stays unknown. @since 0.1.0 @category models */
export interface Unreadable {
  readonly _tag: "Unreadable"
  readonly hash: Hash
  readonly error: TreeError
  readonly path: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export type Reached = ReachedNode | ReachedLeaf

/** @since 0.1.0 @category models */
export interface Options {
  /** Whether to leave out the subtree whose root has that hash; nothing when absent. */
  readonly skip?: (hash: Hash) => boolean
}

const maxNesting = 32

interface Frame {
  readonly node: TreeReader.TreeNode
  readonly path: ReadonlyArray<string>
  next: number
  /** The first entry whose node was not read ahead. */
  ahead: number
}

interface Pending {
  readonly hash: Hash
  readonly path: ReadonlyArray<string>
  readonly read: Effect.Effect<TreeReader.TreeNode, TreeError>
}

/**
 * Every node and leaf blob that the tree reaches, parents first and in key order, through links of entries into the trees
 * of chunked files; a node that cannot be read is an item and the walk goes on beside it.
 *
 * A blob that is reached twice comes twice, unless `skip` says otherwise. Holds one node of each level at a time.
 *
 * @since 0.1.0
 * @category reading
 */
export const inspect = (
  pipeline: Pipeline,
  root: TreeReader.Root,
  options?: Options
): Stream.Stream<Reached | Unreadable> =>
  Stream.suspend(() => {
    const stack: Array<Frame> = []
    let pending: Pending | undefined = { hash: root.hash, path: [], read: TreeReader.readRoot(pipeline, root) }

    /** Goes on in memory up to the next node to be read, or to the end. */
    const proceed = (out: Array<Reached | Unreadable>): Pending | undefined => {
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const { node, path } = top
        const index = top.next++
        const found = node.node.entries[index]
        if (found === undefined) {
          stack.pop()
          continue
        }
        const [key, entry] = found
        const { content } = entry
        if (content === undefined) continue
        if (content.structural === "leaf") {
          const leaf = { ...entry, content }
          out.push({ _tag: "Leaf", hash: content.hash, entry: leaf, pipeline: node.pipeline, path: [...path, key] })
          continue
        }
        if (options?.skip?.(content.hash) === true) continue
        const ahead = index < top.ahead ? Effect.void : TreeReader.readAhead(node, index, { skip: options?.skip })
        if (index >= top.ahead) top.ahead = index + TreeReader.aheadNodes
        if (node.node.header.level > 0)
          return { hash: content.hash, path, read: Effect.zipRight(ahead, TreeReader.readChild(node, index)) }
        const inner = [...path, key]
        const within = node.pipeline.within(entry.childContext)
        const read =
          inner.length > maxNesting
            ? Effect.fail(new DamagedTree({ reason: "Inconsistent", blob: "", detail: "trees nested too deeply" }))
            : Effect.zipRight(ahead, TreeReader.readRoot(within, content))
        return { hash: content.hash, path: inner, read }
      }
      return undefined
    }

    const step = Effect.suspend(() => {
      const reading = pending
      if (reading === undefined) return Effect.fail(Option.none())
      return Effect.map(Effect.either(reading.read), (result) => {
        const out: Array<Reached | Unreadable> = []
        const { hash, path } = reading
        if (Either.isLeft(result)) out.push({ _tag: "Unreadable", hash, error: result.left, path })
        else {
          const { entries, header } = result.right.node
          out.push({ _tag: "Node", hash, level: header.level, kind: header.kind, length: entries.length, path })
          stack.push({ node: result.right, path, next: 0, ahead: 0 })
        }
        pending = proceed(out)
        return Chunk.unsafeFromArray(out)
      })
    })
    return Stream.repeatEffectChunkOption(step)
  })

/** As `inspect`, but ends with the error of the first node that cannot be read. @since 0.1.0 @category reading */
export const nodes = (
  pipeline: Pipeline,
  root: TreeReader.Root,
  options?: Options
): Stream.Stream<Reached, TreeError> =>
  Stream.mapEffect(inspect(pipeline, root, options), (reached) =>
    reached._tag === "Unreadable" ? Effect.fail(reached.error) : Effect.succeed(reached)
  )
