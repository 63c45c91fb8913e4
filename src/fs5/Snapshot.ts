/**
 * One tree as a layer (docs/format/fs5.md §11, §14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { ContentRef, NodeEntry, NodeKind } from "../schema/Node.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { KeyedEntry, KeyRange, ReadableLayer } from "./ReadableLayer.ts"
import { defaultMask } from "./TreeBuilder.ts"
import type { TreeError } from "./TreeError.ts"
import * as TreeReader from "./TreeReader.ts"

/** A tree that never changes, read through a pipeline. @since 0.1.0 @category models */
export interface Snapshot extends ReadableLayer {
  readonly _tag: "Snapshot"
  /** Zero for the tree without entries. */
  readonly hash: Hash.Hash
  readonly plaintextHash: Hash.Hash | undefined
  /** What its nodes must be; anything when absent. */
  readonly kind: NodeKind | undefined
  readonly pipeline: Pipeline
  readonly isEmpty: boolean
  /** The tree below an entry that links to one, under the entry's own context. */
  readonly child: (entry: NodeEntry & { readonly content: ContentRef }, kind?: NodeKind) => Snapshot
}

/** The tree with that root; a root of 32 zero bytes is the empty one. Nothing is read yet. @since 0.1.0 @category constructors */
export const make = (options: {
  readonly hash: Hash.Hash
  readonly plaintextHash?: Hash.Hash | undefined
  readonly kind?: NodeKind | undefined
  readonly pipeline: Pipeline
}): Snapshot => {
  const { hash, kind, pipeline, plaintextHash } = options
  const isEmpty = Bytes.equals(hash, Hash.zero)
  const root: TreeReader.Root = {
    hash,
    ...(plaintextHash !== undefined && { plaintextHash }),
    ...(kind !== undefined && { kind })
  }
  const getRaw: Snapshot["getRaw"] = (key) =>
    isEmpty ? Effect.succeed(undefined) : TreeReader.get(pipeline, root, key)
  return {
    _tag: "Snapshot",
    hash,
    plaintextHash,
    kind,
    pipeline,
    isEmpty,
    getRaw,
    get: (key) => Effect.map(getRaw(key), (found) => (found?.tombstone === undefined ? found : undefined)),
    scan: (range) => (isEmpty ? Stream.empty : TreeReader.scan(pipeline, root, range)),
    chunkMask: isEmpty
      ? Effect.succeed(defaultMask)
      : Effect.map(TreeReader.readRoot(pipeline, root), ({ node }) => {
          const chunking = node.header.build?.metaChunking
          return chunking === undefined ? defaultMask : (chunking.expectedEntriesPerNode - 1) >>> 0
        }),
    child: (entry, kind) =>
      make({
        hash: entry.content.hash,
        plaintextHash: entry.content.plaintextHash,
        kind,
        pipeline: pipeline.within(entry.childContext)
      })
  }
}

/** The tree without entries; it is not stored anywhere. @since 0.1.0 @category constructors */
export const empty = (pipeline: Pipeline, kind?: NodeKind): Snapshot => make({ hash: Hash.zero, kind, pipeline })

/** Whether a layer is a tree. @since 0.1.0 @category guards */
export const is = (layer: ReadableLayer): layer is Snapshot => "_tag" in layer && layer._tag === "Snapshot"

/** Where the tree begins, for `TreeReader`. @since 0.1.0 @category conversions */
export const rootOf = (snapshot: Snapshot): TreeReader.Root => ({
  hash: snapshot.hash,
  ...(snapshot.plaintextHash !== undefined && { plaintextHash: snapshot.plaintextHash }),
  ...(snapshot.kind !== undefined && { kind: snapshot.kind })
})

/** The first entry in `range`, a tombstone too. @since 0.1.0 @category reading */
export const first = Effect.fnUntraced(function* (
  snapshot: Snapshot,
  range?: KeyRange
): Effect.fn.Return<KeyedEntry | undefined, TreeError> {
  if (snapshot.isEmpty) return undefined
  const { next } = TreeReader.batches(snapshot.pipeline, rootOf(snapshot), range)
  let batch = yield* next
  while (batch?.length === 0) batch = yield* next
  return batch?.[0]
})

/** What the tree's nodes are; a namespace where an empty tree does not say. @since 0.1.0 @category reading */
export const kindOf = (snapshot: Snapshot): Effect.Effect<NodeKind, TreeError> =>
  snapshot.kind !== undefined || snapshot.isEmpty
    ? Effect.succeed(snapshot.kind ?? "namespace")
    : Effect.map(TreeReader.readRoot(snapshot.pipeline, rootOf(snapshot)), ({ node }) => node.header.kind)
