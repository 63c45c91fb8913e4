/**
 * Several blob stores that hold the same: written to all of them, read from the first that can (docs/format/node.md §1.6).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Service } from "../services/BlobStore.ts"
import { withFallback } from "./BlobStoreFallback.ts"

/**
 * `primary` with `mirrors` beside it. A blob is present when all have it, and durable when all have synced; what one of them
 * refuses fails as a whole, and the next writer fills the gap. Listed is what the primary has.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withMirrors = (primary: Service, ...mirrors: ReadonlyArray<Service>): Service => {
  const all = [primary, ...mirrors]
  const together = <E>(run: (store: Service) => Effect.Effect<void, E>) =>
    Effect.forEach(all, run, { concurrency: "unbounded", discard: true })
  const replacing = all.flatMap(({ replace }) => (replace === undefined ? [] : [replace]))
  const { replace: _, ...base } = withFallback(primary, ...mirrors)
  return {
    ...base,
    has: (hash) => Effect.every(all, (store) => store.has(hash)),
    put: (hash, bytes) => together((store) => store.put(hash, bytes)),
    remove: (hash) => together((store) => store.remove(hash)),
    sync: together((store) => store.sync),
    ...(replacing.length < all.length
      ? {}
      : {
          replace: (hash, bytes) =>
            Effect.forEach(replacing, (replace) => replace(hash, bytes), { concurrency: "unbounded", discard: true })
        })
  }
}
