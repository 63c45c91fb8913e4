/**
 * A blob store whose reads go on to others when it fails (docs/format/core.md §15.4).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BlobStore, BlobStoreError, type Service } from "../services/BlobStore.ts"

/**
 * `primary`, with `get` answered by the first of `others` that can where it cannot. Everything else, `has` before all, is
 * the primary's alone: presence elsewhere never stands for presence here.
 *
 * When all fail the error is the primary's, with the others' in its detail; but a blob is `Missing` or `Damaged` only if
 * no other store was `Unavailable`, for that one may have it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withFallback = (primary: Service, ...others: ReadonlyArray<Service>): Service => ({
  ...primary,
  get: (hash) =>
    Effect.catchAll(primary.get(hash), (first) => {
      const next = (at: number, failures: ReadonlyArray<BlobStoreError>): Effect.Effect<Uint8Array, BlobStoreError> => {
        const other = others[at]
        if (other !== undefined) return Effect.catchAll(other.get(hash), (error) => next(at + 1, [...failures, error]))
        const mayBeThere = failures.some((error) => error.reason === "Unavailable")
        return new BlobStoreError({
          reason: mayBeThere ? "Unavailable" : first.reason,
          store: first.store,
          blob: first.blob,
          detail: [first.detail, ...failures.map((error) => `${error.store}: ${error.detail}`)].join("; ")
        })
      }
      return next(0, [])
    })
})

/** Falls back from the blob store of the environment to `others`. @since 0.1.0 @category layers */
export const layer = (...others: ReadonlyArray<Service>): Layer.Layer<BlobStore, never, BlobStore> =>
  Layer.effect(
    BlobStore,
    Effect.map(BlobStore, (primary) => withFallback(primary, ...others))
  )
