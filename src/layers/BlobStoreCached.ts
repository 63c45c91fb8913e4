/**
 * A blob store that remembers what was read from it lately.
 *
 * Only `get` is answered from memory. What is remembered is no proof that the store has the blob: `has` and `put` always
 * ask it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Hash from "../schema/Hash.ts"
import { BlobStore, type Service } from "../services/BlobStore.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** The most blob bytes that are kept in memory; a larger blob is not kept at all. */
  readonly maxBytes: number
}

/** `inner` with a memory of its own, the blobs read longest ago forgotten first. @since 0.1.0 @category combinators */
export const cached = (inner: Service, options: Options): Effect.Effect<Service> =>
  Effect.sync(() => {
    // a Map keeps the order of insertion: the first key is the one used longest ago
    const kept = new Map<string, Uint8Array>()
    let total = 0

    const forget = (key: string) => {
      total -= kept.get(key)?.length ?? 0
      kept.delete(key)
    }
    const keep = (key: string, bytes: Uint8Array) => {
      forget(key)
      if (bytes.length > options.maxBytes) return
      kept.set(key, bytes)
      total += bytes.length
      for (const oldest of kept.keys()) {
        if (total <= options.maxBytes) break
        forget(oldest)
      }
    }

    const { replace } = inner
    return {
      ...inner,
      ...(replace !== undefined && {
        replace: (hash: Hash.Hash, bytes: Uint8Array) =>
          Effect.zipRight(
            Effect.sync(() => forget(Hash.toHex(hash))),
            replace(hash, bytes)
          )
      }),
      // copies on both sides: nobody can change what others will read
      get: (hash) =>
        Effect.suspend(() => {
          const key = Hash.toHex(hash)
          const hit = kept.get(key)
          if (hit === undefined) {
            return Effect.tap(inner.get(hash), (bytes) => Effect.sync(() => keep(key, new Uint8Array(bytes))))
          }
          kept.delete(key)
          kept.set(key, hit)
          return Effect.succeed(hit.slice())
        }),
      remove: (hash) =>
        Effect.zipRight(
          Effect.sync(() => forget(Hash.toHex(hash))),
          inner.remove(hash)
        )
    }
  })

/** Caches over the blob store of the environment. @since 0.1.0 @category layers */
export const layer = (options: Options): Layer.Layer<BlobStore, never, BlobStore> =>
  Layer.effect(
    BlobStore,
    Effect.flatMap(BlobStore, (inner) => cached(inner, options))
  )
