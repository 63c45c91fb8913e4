/**
 * Blobs under their BLAKE3 hash (docs/format/core.md §15.2).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Hash } from "../schema/Hash.ts"

/**
 * A blob could not be read or kept.
 *
 * - `Missing`: the store answers that it does not have it.
 * - `Damaged`: its bytes do not hash to its name.
 * - `Unreadable`: the medium does not give back its bytes; other blobs may be fine.
 * - `Full`, `Denied`: it could not be written.
 * - `Unavailable`: the store failed; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class BlobStoreError extends Schema.TaggedError<BlobStoreError>()("BlobStoreError", {
  reason: Schema.Literal("Missing", "Damaged", "Unreadable", "Full", "Denied", "Unavailable"),
  store: Schema.String,
  /** The blob's hash in hex, or what was being done when no single blob was meant. */
  blob: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `store ${this.store}: blob ${this.blob}: ${this.detail}`
  }
}

/** Where a blob lies in a larger object. @since 0.1.0 @category models */
export interface Location {
  /** What {@link Bulk.read} calls the object. */
  readonly object: string
  readonly offset: number
  readonly length: number
}

/** Reading many blobs with few reads, from objects in which they lie side by side. @since 0.1.0 @category models */
export interface Bulk {
  /** For each blob where it lies; nothing where only `get` can tell, or where looking failed. */
  readonly locate: (hashes: ReadonlyArray<Hash>) => Effect.Effect<ReadonlyArray<Location | undefined>>
  /**
   * Bytes of an object in a buffer that nobody else has, *not verified*: who asks holds each blob against its hash, and asks
   * `get` for one that is not what it should be. That is where other copies are tried and where errors are told.
   */
  readonly read: (object: string, offset: number, length: number) => Effect.Effect<Uint8Array, BlobStoreError>
  /**
   * The file of this machine in which the object's bytes are, where objects are files: as `read`, without the bytes going
   * through this thread.
   */
  readonly file?: (object: string) => string
}

/** Ways to keep blobs that are cheaper than `put`. @since 0.1.0 @category models */
export interface Batch {
  /** The `put` of the service that these belong to. */
  readonly put: Service["put"]
  /** As `put`; whether the blob was here already. */
  readonly putNew: (hash: Hash, bytes: Uint8Array) => Effect.Effect<boolean, BlobStoreError>
  /**
   * As `put` for many at once, far cheaper than one by one. What it keeps of the bytes it copies: their memory is the caller's
   * again when this returns.
   */
  readonly putAll: (
    blobs: ReadonlyArray<{ readonly hash: Hash; readonly stored: Uint8Array }>
  ) => Effect.Effect<void, BlobStoreError>
}

/** @since 0.1.0 @category models */
export interface Service {
  /** What people call this store. */
  readonly name: string
  /** Whether the blob is here; one that is, is durable after the next `sync`. */
  readonly has: (hash: Hash) => Effect.Effect<boolean, BlobStoreError>
  /** Its length in bytes, or nothing when it is not here; a store that would have to read it for that lacks this. */
  readonly size?: (hash: Hash) => Effect.Effect<number | undefined, BlobStoreError>
  /** The blob's bytes, verified against `hash`. */
  readonly get: (hash: Hash) => Effect.Effect<Uint8Array, BlobStoreError>
  /** Keeps `bytes`, whose hash the caller has computed, unless they are here already. Durable after `sync`. */
  readonly put: (hash: Hash, bytes: Uint8Array) => Effect.Effect<void, BlobStoreError>
  /** What is cheaper than `put`, for who asks {@link batchOf}. */
  readonly batch?: Batch
  /**
   * Keeps `bytes` in place of what is here under `hash`, in one step: nobody ever finds the blob absent because of it, not
   * even after a crash. For a blob that has rotted; a store that lacks it can only remove and put. Durable after `sync`.
   */
  readonly replace?: (hash: Hash, bytes: Uint8Array) => Effect.Effect<void, BlobStoreError>
  /** For stores that keep many blobs in one object; others are asked for one blob after the other. */
  readonly bulk?: Bulk
  /** Every blob's hash, in no particular order. */
  readonly list: Stream.Stream<Hash, BlobStoreError>
  /** Removes the blob; one that is not there is success. */
  readonly remove: (hash: Hash) => Effect.Effect<void, BlobStoreError>
  /** The barrier: when this returns, every blob put or found through this value before survives a power cut. */
  readonly sync: Effect.Effect<void, BlobStoreError>
}

/** @since 0.1.0 @category services */
export class BlobStore extends Context.Tag("cairn/BlobStore")<BlobStore, Service>() {}

/**
 * What is cheaper than the service's `put`; nothing for one that was made of another by replacing `put`, which must not be passed by.
 *
 * @since 0.1.0
 * @category accessors
 */
export const batchOf = ({ batch, put }: Service): Batch | undefined => (batch?.put === put ? batch : undefined)
