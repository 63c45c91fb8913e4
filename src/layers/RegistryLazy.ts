/**
 * A registry that is opened by whoever asks first.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as StreamKey from "../schema/StreamKey.ts"
import * as Registry from "../services/Registry.ts"

/** The registry `name` as `opened` gives it, each time it is asked; where that fails it is `Unavailable`. @since 0.1.0 @category constructors */
export const make = (
  name: string,
  opened: Effect.Effect<Registry.Service, { readonly message: string }>
): Registry.Service => {
  const asked = (key: StreamKey.StreamKey) =>
    Effect.mapError(
      opened,
      ({ message }) =>
        new Registry.RegistryError({
          reason: "Unavailable",
          registry: name,
          key: StreamKey.toHex(key),
          detail: `not opened: ${message}`
        })
    )
  return {
    name,
    entries: (key) => Effect.flatMap(asked(key), (registry) => registry.entries(key)),
    set: (entry, over) => Effect.flatMap(asked(entry.key), (registry) => registry.set(entry, over)),
    confirm: (entry, over) =>
      Effect.flatMap(
        asked(entry.key),
        // one that has nothing to confirm keeps what was read in it
        (registry) => registry.confirm?.(entry, over) ?? Effect.succeed(Registry.SetOutcome.Stored({ verdicts: [] }))
      ),
    changes: (key) => Stream.unwrap(Effect.map(asked(key), (registry) => registry.changes(key)))
  }
}
