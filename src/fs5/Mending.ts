/**
 * Writing blobs over what has rotted.
 *
 * A store does not read what it has before it answers that a blob is there already: a bit that turned would stay, and
 * whatever is published on it could not be read. Where the store can, the damaged blob is replaced in one step: one that
 * was removed first would be absent for as long as a mender that was killed in between does not come back, and a second
 * mender that has put it already would lose it again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Hash from "../schema/Hash.ts"
import { type BlobStoreError, batchOf, type Service } from "../services/BlobStore.ts"

/**
 * As `blobs.put`, but a blob that is there already is read, and replaced if it is damaged.
 *
 * @since 0.1.0
 * @category writing
 */
export const put = (blobs: Service, hash: Hash.Hash, bytes: Uint8Array): Effect.Effect<void, BlobStoreError> => {
  const write = blobs.put(hash, bytes)
  const replace =
    blobs.replace === undefined
      ? // nobody may be left without the blob because this was interrupted in between
        Effect.uninterruptible(Effect.zipRight(blobs.remove(hash), write))
      : blobs.replace(hash, bytes)
  const mend = blobs.get(hash).pipe(
    Effect.asVoid,
    Effect.catchAll((error) => {
      if (error.reason === "Missing") return write
      // one that is damaged is no loss to anybody
      return error.reason === "Damaged" || error.reason === "Unreadable" ? replace : Effect.fail(error)
    })
  )
  const batch = batchOf(blobs)
  return batch === undefined
    ? Effect.flatMap(blobs.has(hash), (present) => (present ? mend : write))
    : Effect.flatMap(batch.putNew(hash, bytes), (was) => (was ? mend : Effect.void))
}

/** `blobs`, where every put is a {@link put}. @since 0.1.0 @category combinators */
export const mending = (blobs: Service): Service => ({ ...blobs, put: (hash, bytes) => put(blobs, hash, bytes) })
