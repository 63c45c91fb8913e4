/**
 * Batches of chunks to stored blobs, on however many cores there are.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Hash } from "../schema/Hash.ts"
import type { ContentRef, ExtendedAttribute, NodeEntry } from "../schema/Node.ts"
import type { TraversalContext } from "../schema/TraversalContext.ts"
import type { FileOrder, ListedFile, Note } from "./LocalTree.ts"

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

/** A leaf blob as it was read, and what the tree says of it. @since 0.1.0 @category models */
export interface StoredLeaf {
  readonly content: ContentRef
  /** Whether its entry says that it was not compressed, and nothing else (docs/format/fs5.md §6.2). */
  readonly isSkipped: boolean
  /** Not verified yet. */
  readonly stored: Uint8Array
}

/** A leaf that is what the tree says, down to the hash of its plaintext. @since 0.1.0 @category models */
export interface OpenedLeaf {
  /** The plaintext's length. */
  readonly length: number
  /** The plaintext; nothing where it was only to be verified. It may share its buffer with others. */
  readonly bytes: Uint8Array | undefined
}

/** A leaf blob in a file of this machine, and what the tree says of it. @since 0.1.0 @category models */
export interface FiledLeaf extends Omit<StoredLeaf, "stored"> {
  readonly file: string
  readonly offset: number
  readonly length: number
}

/** Bytes of a file that were cut into chunks. @since 0.1.0 @category models */
export interface Cut {
  /** Views of buffers that nobody else has. */
  readonly chunks: ReadonlyArray<Uint8Array>
  /** The chunks' hashes, where they are known. */
  readonly hashes?: ReadonlyArray<Hash>
}

/** A file that was read as it was listed, and cut. @since 0.1.0 @category models */
export interface GatheredFile extends Cut {
  readonly attributes: ReadonlyArray<ExtendedAttribute>
}

/** Part of a file, cut. @since 0.1.0 @category models */
export interface GatheredPart extends Cut {
  /** Where the last chunk ends and the next part begins, in bytes; the file's end may come sooner than it was thought to. */
  readonly next: number
  readonly isEnd: boolean
}

/**
 * Making and opening leaves without bringing files or blobs to the calling thread. To open: each is read from its file, held against its hash, opened and
 * held against its plaintext's hash and length, as `unseal` does, and the plaintext goes where it belongs. Neighbours in a
 * file are read together when they come one after the other. The caller bounds what one call is about.
 *
 * @since 0.1.0
 * @category models
 */
export interface Filed {
  /** Whether each leaf is what the tree says; one that is not, or that could not be read, is looked at by itself. */
  readonly verify: (
    context: TraversalContext,
    leaves: ReadonlyArray<FiledLeaf>
  ) => Effect.Effect<ReadonlyArray<boolean>>
  /**
   * Writes each leaf at its position into a file that this process holds open and that reads as zeros there; long runs of
   * zeros are left out. Whether each was verified and written. Not interruptible: nobody writes any more when this is over.
   */
  readonly fill: (
    context: TraversalContext,
    leaves: ReadonlyArray<FiledLeaf>,
    descriptor: number,
    positions: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<boolean>>
  /**
   * Makes the files that a target ordered, each of the leaves whose numbers it has: its notes, or nothing for one that was not
   * made, because of a leaf or because the file system did not take it. Not interruptible.
   */
  readonly make: (
    context: TraversalContext,
    leaves: ReadonlyArray<FiledLeaf>,
    orders: ReadonlyArray<{ readonly order: FileOrder; readonly leaves: ReadonlyArray<number> }>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Note> | undefined>>
  /**
   * Reads small files, each as it was listed, and cuts them as `context` says; extended attributes only where they are asked for.
   * Nothing stands for one that is not as it was listed, changed meanwhile, or cannot be read: who wants to know why reads it by
   * itself. The caller bounds their sum.
   */
  readonly gather: (
    context: TraversalContext,
    files: ReadonlyArray<ListedFile>,
    options: { readonly attributes: boolean }
  ) => Effect.Effect<ReadonlyArray<GatheredFile | undefined>>
  /**
   * Reads `length` bytes from `offset` on, where a chunk begins, of a file that this process holds open, and cuts them; with
   * `isEnd` the last chunk ends where they do. Only for chunks that are far shorter than `length`. Nothing where it could not be
   * read. Not interruptible: nobody reads any more when this is over.
   */
  readonly gatherPart: (
    context: TraversalContext,
    descriptor: number,
    part: { readonly offset: number; readonly length: number; readonly isEnd: boolean }
  ) => Effect.Effect<GatheredPart | undefined>
  /** Tells that so many bytes will come: what takes time to start is started. */
  readonly expect: (bytes: number) => Effect.Effect<void>
}

/** @since 0.1.0 @category models */
export interface Service {
  /**
   * Each chunk as a leaf under `context`, in order (docs/format/fs5.md §6.1, §6.2). The chunks are given away with the whole
   * buffers that they lie in: they may have moved to another thread. The blobs may share a buffer too. `hashes` are those of
   * the chunks, where the caller has them: they are not made again.
   */
  readonly seal: (
    context: TraversalContext,
    chunks: ReadonlyArray<Uint8Array>,
    hashes?: ReadonlyArray<Hash>
  ) => Effect.Effect<ReadonlyArray<SealedChunk>, SealError>
  /** Takes the memory of blobs at which nobody looks any more, to use it again. */
  readonly recycle?: (blobs: ReadonlyArray<SealedChunk>) => void
  /**
   * The way back (docs/format/fs5.md §6.3), in order: each blob is held against its hash, opened under `context` and held
   * against its plaintext's hash and length. Nothing stands for one that is not what the tree says, or that could not be
   * looked at: who wants to know reads it by itself. The bytes are given away with their buffers. With `verifyOnly` no
   * plaintext is answered.
   */
  readonly unseal: (
    context: TraversalContext,
    leaves: ReadonlyArray<StoredLeaf>,
    options?: { readonly verifyOnly?: boolean }
  ) => Effect.Effect<ReadonlyArray<OpenedLeaf | undefined>>
  /** Where blobs and files can be read and written by the threads that open them. */
  readonly filed?: Filed
}

/** @since 0.1.0 @category services */
export class Sealer extends Context.Tag("cairn/Sealer")<Sealer, Service>() {}
