/**
 * Blobs as objects, under the paths of docs/format/core.md §4.
 *
 * No outboards are written; nobody needs them for reading (docs/format/core.md §5).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { Primitives } from "../schema/Primitives.ts"
import * as StorePath from "../schema/StorePath.ts"
import { BlobStore, BlobStoreError, type Service } from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import { ObjectStore, type ObjectStoreError, type Service as Objects } from "../services/ObjectStore.ts"

/** A store that knows the length of a blob without reading it. @since 0.1.0 @category models */
export interface Sized extends Service {
  readonly size: NonNullable<Service["size"]>
}

const reasons = {
  NotFound: "Missing",
  BadPath: "Unavailable",
  Full: "Full",
  Denied: "Denied",
  Unsupported: "Denied",
  Unreadable: "Unreadable",
  Unavailable: "Unavailable"
} as const

/**
 * The blobs in `objects`.
 *
 * `has` does not read the blob, but takes an empty object for a blob only if it is the empty blob's: empty files are what
 * a power cut leaves of a writer that does not flush. `put` replaces an object of the wrong length, for the same reason.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromObjects = (objects: Objects, primitives: Primitives): Sized => {
  const path = (hash: Hash.Hash) => StorePath.blob(objects.features, hash)
  const emptyBlob = primitives.blake3(new Uint8Array(0))

  const failed = (blob: string) => (error: ObjectStoreError) =>
    new BlobStoreError({
      reason: reasons[error.reason],
      store: objects.name,
      blob,
      detail: error.reason === "NotFound" ? "the store does not have it" : error.detail
    })

  const size = (hash: Hash.Hash) =>
    objects.size(path(hash)).pipe(
      Effect.map((found) => (found === 0 && !Bytes.equals(hash, emptyBlob) ? undefined : found)),
      Effect.mapError(failed(Hash.toHex(hash)))
    )

  return {
    name: objects.name,
    size,
    has: (hash) => Effect.map(size(hash), (found) => found !== undefined),
    get: (hash) =>
      objects.get(path(hash)).pipe(
        Effect.mapError(failed(Hash.toHex(hash))),
        Effect.filterOrFail(
          (bytes) => Bytes.equals(primitives.blake3(bytes), hash),
          (bytes) =>
            new BlobStoreError({
              reason: "Damaged",
              store: objects.name,
              blob: Hash.toHex(hash),
              detail: `its ${bytes.length} bytes are not the ones that were stored; restore ${path(hash)} from another copy`
            })
        )
      ),
    put: (hash, bytes) =>
      objects.size(path(hash)).pipe(
        Effect.flatMap((size) => (size === bytes.length ? Effect.void : objects.put(path(hash), bytes))),
        Effect.mapError(failed(Hash.toHex(hash)))
      ),
    replace: (hash, bytes) => Effect.mapError(objects.put(path(hash), bytes), failed(Hash.toHex(hash))),
    list: objects.list("blob3/").pipe(
      // what has no blob's path is no blob, whoever put it there
      Stream.filterMap((found) => Option.flatten(Either.getRight(StorePath.hashOfBlob(objects.features, found)))),
      Stream.mapError(failed("list"))
    ),
    remove: (hash) => Effect.mapError(objects.remove(path(hash)), failed(Hash.toHex(hash))),
    sync: Effect.mapError(objects.sync, failed("sync"))
  }
}

/** The blobs in the object store of the environment. @since 0.1.0 @category constructors */
export const make: Effect.Effect<Service, never, ObjectStore | Crypto> = Effect.gen(function* () {
  const objects = yield* ObjectStore
  const { primitives } = yield* Crypto
  return fromObjects(objects, primitives)
})

/** @since 0.1.0 @category layers */
export const layer: Layer.Layer<BlobStore, never, ObjectStore | Crypto> = Layer.effect(BlobStore, make)
