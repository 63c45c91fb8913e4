/**
 * No registry: it has no entry and keeps none, where a place is for blobs alone.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as StreamKey from "../schema/StreamKey.ts"
import * as Registry from "../services/Registry.ts"

/** Nothing is there, and every write is `Unsupported` with that detail. @since 0.1.0 @category constructors */
export const make = (options: { readonly name: string; readonly detail: string }): Registry.Service => ({
  name: options.name,
  entries: () => Effect.succeed([]),
  set: ({ key }) =>
    new Registry.RegistryError({
      reason: "Unsupported",
      registry: options.name,
      key: StreamKey.toHex(key),
      detail: options.detail
    }),
  changes: () => Stream.empty
})
