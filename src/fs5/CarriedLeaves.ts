/**
 * Leaf nodes of an earlier tree that a new one can have as they are.
 *
 * Building a tree again from entries that did not change gives the same nodes: encoding them only to find that out costs more
 * than everything else about an unchanged entry.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Batches from "./Batches.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { KeyedEntry } from "./ReadableLayer.ts"
import * as TreeBuilder from "./TreeBuilder.ts"
import type { TreeError } from "./TreeError.ts"
import * as TreeReader from "./TreeReader.ts"

/** The entries of an earlier tree, and what is known of the leaves they came from. @since 0.1.0 @category models */
export interface CarriedLeaves {
  /** All of them in key order, to be read once; a tree in which they are not is `DamagedTree`. */
  readonly entries: Batches.Batches<KeyedEntry, TreeError>
  /**
   * As `builder.pushAll`; where the entries of a whole leaf stand among them, each the very object that `entries` gave, the
   * leaf is carried over by its link. The root is the same either way.
   */
  readonly pushAll: (
    builder: TreeBuilder.TreeBuilder,
    entries: ReadonlyArray<KeyedEntry>
  ) => Effect.Effect<void, TreeError>
}

interface Leaf {
  readonly link: KeyedEntry
  readonly entries: ReadonlyArray<KeyedEntry>
}

/** The tree at `root`, which was built with `mask` by a builder of this program. @since 0.1.0 @category constructors */
export const make = (pipeline: Pipeline, root: TreeReader.Root, mask: number): CarriedLeaves => {
  const byFirst = new WeakMap<KeyedEntry, Leaf>()

  const onLeaf = ({ node, override, until }: TreeReader.TreeNode, link: KeyedEntry) => {
    const first = node.entries[0]
    const last = node.entries[node.entries.length - 1]
    const isClosed =
      first !== undefined &&
      last !== undefined &&
      // the last leaf of a tree may end anywhere
      until !== undefined &&
      node.entries.length >= TreeBuilder.minimumEntries &&
      TreeBuilder.isBoundary(pipeline.primitives, last[0], mask)
    if (isClosed && override === undefined && link[1].childContext === undefined && node.header.build === undefined)
      byFirst.set(first, { link, entries: node.entries })
  }

  const isHere = (leaf: Leaf, entries: ReadonlyArray<KeyedEntry>, from: number): boolean =>
    from + leaf.entries.length <= entries.length && leaf.entries.every((entry, at) => entries[from + at] === entry)

  return {
    entries: TreeReader.batches(pipeline, root, undefined, onLeaf),
    pushAll: Effect.fnUntraced(function* (builder, entries) {
      let pending = 0
      for (let at = 0; at < entries.length; at++) {
        const leaf = byFirst.get(entries[at]!)
        if (leaf === undefined || !isHere(leaf, entries, at)) continue
        if (at > pending) yield* builder.pushAll(entries.slice(pending, at))
        pending = at
        const [key, link] = leaf.link
        // a store that has lost it gets it again
        if (link.content === undefined || !builder.isAligned(1) || !(yield* pipeline.blobs.has(link.content.hash)))
          continue
        yield* builder.pushLink(1, key, link)
        // the new tree has it too: who compares the two reads neither
        pipeline.forgetNode(link.content)
        at += leaf.entries.length - 1
        pending = at + 1
      }
      if (pending < entries.length) yield* builder.pushAll(pending === 0 ? entries : entries.slice(pending))
    })
  }
}
