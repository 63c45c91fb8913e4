/**
 * A registry in this process's memory.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as StreamKey from "../schema/StreamKey.ts"
import { Crypto } from "../services/Crypto.ts"
import * as Registry from "../services/Registry.ts"
import * as RegistryRules from "./RegistryRules.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** What people call it; `memory` when absent. */
  readonly name?: string
  /** Where the wire bytes are kept, under the storage key in hex; a map of its own when absent. */
  readonly bytes?: Map<string, Uint8Array>
}

/** A registry over a map; whoever shares the map shares the entries. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const { primitives } = yield* Crypto
  const name = options.name ?? "memory"
  const bytes = options.bytes ?? new Map<string, Uint8Array>()
  const rules = RegistryRules.make(name, primitives)
  // one waiting signal is enough: it says "look again", not what there is to see
  const changed = yield* PubSub.sliding<void>(1)

  const read = (key: StreamKey.StreamKey) => {
    const found = bytes.get(StreamKey.toHex(key))
    return found === undefined ? Either.right(undefined) : rules.decode(key, found, `the entry in ${name}`)
  }

  const entries: Registry.Service["entries"] = (key) =>
    Effect.suspend(() => Either.map(read(key), (stored) => (stored === undefined ? [] : [stored])))

  // no step of this can be interleaved with another fiber: from reading to writing it is one synchronous function
  const swap = (...[given, over]: Parameters<Registry.Service["set"]>) =>
    Either.gen(function* () {
      const { entry, bytes: wire } = yield* rules.admit(given)
      const stored = yield* read(entry.key)
      const decision = RegistryRules.decide(stored, entry, over)
      if (decision === "write") bytes.set(StreamKey.toHex(entry.key), wire)
      return decision === "lost" && stored !== undefined ? rules.lost(stored) : rules.stored()
    })

  return Registry.Registry.of({
    name,
    entries,
    set: (entry, over) =>
      Effect.zipLeft(
        Effect.suspend(() => swap(entry, over)),
        PubSub.publish(changed, undefined)
      ),
    changes: (key) =>
      Stream.unwrapScoped(
        Effect.map(Stream.fromPubSub(changed, { scoped: true }), (later) =>
          RegistryRules.rising(Stream.concat(Stream.void, later), entries(key))
        )
      )
  })
})

/** @since 0.1.0 @category layers */
export const layer = (options: Options = {}): Layer.Layer<Registry.Registry, never, Crypto> =>
  Layer.effect(Registry.Registry, make(options))
