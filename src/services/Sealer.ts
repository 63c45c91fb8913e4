/**
 * Batches of chunks to stored blobs, on however many cores there are.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Hash } from "../schema/Hash.ts"
import type { ContentRef, NodeEntry } from "../schema/Node.ts"
import type { TraversalContext } from "../schema/TraversalContext.ts"

/**
 * Chunks could not be made into blobs.
 *
 * - `WrongKey`: the context has no usable key in the slot that it names.
 * - `Unsupported`: the context asks for something that is not written.
 * - `Unavailable`: the worker that did it is gone; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class SealError extends Schema.TaggedError<SealError>()("SealError", {
  reason: Schema.Literal("WrongKey", "Unsupported", "Unavailable"),
  detail: Schema.String
}) {
  override get message() {
    return `chunks could not be encoded: ${this.detail}`
  }
}

/** A chunk's blob, not stored yet, and the leaf entry that names it, without semantic. @since 0.1.0 @category models */
export interface SealedChunk {
  readonly entry: NodeEntry & { readonly content: ContentRef }
  readonly hash: Hash
  readonly stored: Uint8Array
}

/** @since 0.1.0 @category models */
export interface Service {
  /**
   * Each chunk as a leaf under `context`, in order (docs/format/fs5.md §6.1, §6.2). The chunks are given away with the whole
   * buffers that they lie in: they may have moved to another thread. The blobs may share a buffer too.
   */
  readonly seal: (
    context: TraversalContext,
    chunks: ReadonlyArray<Uint8Array>
  ) => Effect.Effect<ReadonlyArray<SealedChunk>, SealError>
}

/** @since 0.1.0 @category services */
export class Sealer extends Context.Tag("cairn/Sealer")<Sealer, Service>() {}
