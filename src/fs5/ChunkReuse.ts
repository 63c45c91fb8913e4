/**
 * Which chunks of a file's earlier version can stand in its new one as they are (docs/format/fs5.md §8).
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import type { ContentRef, NodeEntry } from "../schema/Node.ts"
import type * as TraversalContext from "../schema/TraversalContext.ts"
import * as FileExport from "./FileExport.ts"
import type { Pipeline } from "./Pipeline.ts"
import { mapAhead } from "./ReadAhead.ts"
import type { TreeError } from "./TreeError.ts"

/** The entry of a chunk. @since 0.1.0 @category models */
export type LeafEntry = NodeEntry & { readonly content: ContentRef }

/** Questions to the store that are on their way at the same time. */
const requestsInFlight = 8

/** An earlier version of a file, and the pipeline of the tree that it is in. @since 0.1.0 @category models */
export interface PreviousFile {
  readonly pipeline: Pipeline
  readonly entry: NodeEntry
}

/** Whether both contexts store leaves in the same way and under the same key. */
const sameLeafEncoding = (a: TraversalContext.TraversalContext, b: TraversalContext.TraversalContext): boolean => {
  const [one, other] = [a.leaf, b.leaf]
  if (one === undefined || other === undefined) return one === other
  const level = (pipeline: TraversalContext.BlobPipeline) =>
    pipeline.compression?._tag === "ZstdLevel" ? pipeline.compression.level : undefined
  const key = (context: TraversalContext.TraversalContext) =>
    context.keys?.get(context.leaf?.encryption?.slot ?? -1) ?? new Uint8Array(0)
  return (
    one.compression?._tag === other.compression?._tag &&
    level(one) === level(other) &&
    one.paddingBlock === other.paddingBlock &&
    one.skipWhenUnhelpful === other.skipWhenUnhelpful &&
    one.encryption?.strategy === other.encryption?.strategy &&
    one.encryption?.slot === other.encryption?.slot &&
    Bytes.equals(key(a), key(b))
  )
}

/** Whether a chunk's context is what importing gives: none, or that its compression was skipped. */
const isOwnContext = (context: TraversalContext.TraversalContext | undefined): boolean =>
  context === undefined ||
  (context.keys === undefined &&
    context.node === undefined &&
    context.chunking === undefined &&
    context.leaf?.compression?._tag === "Uncompressed" &&
    context.leaf.paddingBlock === undefined &&
    context.leaf.encryption === undefined &&
    context.leaf.skipWhenUnhelpful === undefined)

/**
 * The chunks of an earlier version that was stored as `pipeline` would store them; none where it was not.
 *
 * @since 0.1.0
 * @category reading
 */
export const reusableChunks = (
  pipeline: Pipeline,
  previous: PreviousFile | undefined
): Stream.Stream<FileExport.PlacedChunk, TreeError> => {
  // one leaf is not worth it, and its entry's context does not say which part of it is the leaf's own
  if (previous === undefined || previous.entry.content?.structural !== "link") return Stream.empty
  const before = previous.pipeline.within(previous.entry.childContext)
  return sameLeafEncoding(pipeline.context, before.context)
    ? FileExport.chunks(previous.pipeline, previous.entry)
    : Stream.empty
}

/**
 * Hands out the elements of a stream in portions, shorter ones once it has ended or failed.
 *
 * @since 0.1.0
 * @category reading
 */
export const portions = <A, E>(
  stream: Stream.Stream<A, E>
): Effect.Effect<(count: number) => Effect.Effect<ReadonlyArray<A>>, never, Scope.Scope> =>
  Effect.map(Stream.toPull(stream), (pull) => {
    let ready: Array<A> = []
    let ended = false
    const take = (count: number): Effect.Effect<ReadonlyArray<A>> =>
      Effect.suspend(() => {
        if (ready.length >= count || ended) {
          const taken = ready.slice(0, count)
          ready = ready.slice(count)
          return Effect.succeed(taken)
        }
        return Effect.matchEffect(pull, {
          onSuccess: (more) => {
            ready = ready.concat(Chunk.toArray(more))
            return take(count)
          },
          // the end, or an earlier version that is damaged or out of reach: nothing is lost, its chunks are encoded again
          onFailure: () => {
            ended = true
            return take(count)
          }
        })
      })
    return take
  })

/**
 * `candidate`, if it is `chunk` as importing would encode it and the store has its blob.
 *
 * @since 0.1.0
 * @category reading
 */
export const reuse = (
  pipeline: Pipeline,
  chunk: Uint8Array,
  candidate: LeafEntry | undefined
): Effect.Effect<LeafEntry | undefined, TreeError> => {
  const plaintextHash = pipeline.context.leaf === undefined ? candidate?.content.hash : candidate?.content.plaintextHash
  return candidate !== undefined &&
    plaintextHash !== undefined &&
    candidate.content.size === BigInt(chunk.length) &&
    isOwnContext(candidate.childContext) &&
    Bytes.equals(pipeline.primitives.blake3(chunk), plaintextHash)
    ? Effect.map(pipeline.blobs.has(candidate.content.hash), (there) => (there ? candidate : undefined))
    : Effect.succeed(undefined)
}

/**
 * How many leading chunks of an earlier version can stand as they are, under fixed chunks of `length` bytes.
 *
 * @since 0.1.0
 * @category reading
 */
export const leadingChunks = (
  pipeline: Pipeline,
  chunks: Stream.Stream<FileExport.PlacedChunk, TreeError>,
  length: bigint
): Effect.Effect<bigint> =>
  mapAhead(chunks, requestsInFlight, ({ entry }) =>
    entry.content.size === length && isOwnContext(entry.childContext)
      ? pipeline.blobs.has(entry.content.hash)
      : Effect.succeed(false)
  ).pipe(
    Stream.takeWhile((there) => there),
    Stream.runCount,
    Effect.map(BigInt),
    // an earlier version that cannot be read: nothing is lost, the whole file is read
    Effect.catchAll(() => Effect.succeed(0n))
  )
