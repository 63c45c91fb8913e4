/**
 * A registry in a bucket, or any store that replaces an object only if it is still what was read.
 *
 * The entry of a key is the object `registry/<key>` with the wire bytes, as the reference keeps it. A write reads it,
 * decides, and replaces exactly what it read (`If-Match`), or makes it where there was none (`If-None-Match: *`); if
 * something else is there by then, it reads and decides again. A lost answer is found out the same way: what is there is
 * then the very entry, or one that was built on it. Another program that overwrites the object without asking is noticed
 * by every later write.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import { Crypto } from "../services/Crypto.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as Registry from "../services/Registry.ts"
import * as RegistryRules from "./RegistryRules.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** What people call it; the store's name when absent. */
  readonly name?: string
  /** The folder of the entries; `registry` when absent, as in the reference (docs/format/core.md §9.3). */
  readonly prefix?: string
  /** How often `changes` looks; 5 seconds when absent. */
  readonly pollEvery?: Duration.DurationInput
}

/** Where such a registry can be. @since 0.1.0 @category models */
export type Place = Pick<ObjectStore.Service, "name"> & { readonly versions: ObjectStore.Versions }

// how often a write may be told that something else is there while it reads the very same object
const mostContradictions = 6

/** A registry in the objects of `place`. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (place: Place, options: Options = {}) {
  const { primitives } = yield* Crypto
  const { name = place.name, prefix = "registry", pollEvery = Duration.seconds(5) } = options
  const rules = RegistryRules.make(name, primitives)
  const pathOf = (key: StreamKey.StreamKey) => `${prefix}/${StreamKey.toHex(key)}`

  const failed = (key: StreamKey.StreamKey) => (error: ObjectStore.ObjectStoreError) => {
    const { reason } = error
    return rules.error(
      reason === "Full" || reason === "Denied" || reason === "Unsupported"
        ? reason
        : reason === "BadPath"
          ? "Denied"
          : "Unavailable",
      key,
      error.message
    )
  }

  const look = Effect.fnUntraced(function* (key: StreamKey.StreamKey) {
    const path = pathOf(key)
    const found = yield* Effect.mapError(place.versions.read(path), failed(key))
    if (found === undefined) return undefined
    return { version: found.version, entry: yield* rules.decode(key, found.bytes, path) }
  })

  const swap = Effect.fnUntraced(function* (
    { bytes, entry }: RegistryRules.Admitted,
    over: ReadonlyArray<RegistryEntry.RegistryEntry>
  ) {
    const { key } = entry
    const pause = yield* Schedule.driver(contradicted)
    let refused: string | undefined
    // goes round again only when another writer was faster, so somebody always gets ahead
    for (let first = true; ; first = false) {
      const held = yield* look(key)
      const decision = RegistryRules.decide(held?.entry, entry, over)
      if (decision === "same") return rules.stored()
      if (decision === "lost" && held !== undefined) return rules.lost(held.entry)
      // a cache in between, or a service that compares other tags than it gives
      if (!first && held?.version === refused) {
        yield* Effect.mapError(pause.next(undefined), () =>
          rules.error(
            "Unavailable",
            key,
            `${pathOf(key)} cannot be replaced: the store refuses the version that it shows; nothing was changed`
          )
        )
      }
      if (yield* Effect.mapError(place.versions.replace(pathOf(key), bytes, held?.version), failed(key))) {
        return rules.stored()
      }
      refused = held?.version
    }
  })

  const entries: Registry.Service["entries"] = (key) =>
    Effect.map(look(key), (held) => (held === undefined ? [] : [held.entry]))

  return Registry.Registry.of({
    name,
    entries,
    set: (entry, over) => Effect.flatMap(rules.admit(entry), (admitted) => swap(admitted, over)),
    ...(place.versions.supported === undefined
      ? {}
      : { supported: Effect.mapError(place.versions.supported, failed(anyKey)) }),
    changes: (key) => RegistryRules.rising(Stream.tick(pollEvery), entries(key))
  })
})

/** Named by errors that are of no one entry. */
const anyKey: StreamKey.StreamKey = { _tag: "Local", id: new Uint8Array(32) }

const contradicted = Schedule.exponential("20 millis").pipe(
  Schedule.jitteredWith({ min: 0, max: 1 }),
  Schedule.intersect(Schedule.recurs(mostContradictions))
)

/** @since 0.1.0 @category layers */
export const layer = (place: Place, options: Options = {}): Layer.Layer<Registry.Registry, never, Crypto> =>
  Layer.effect(Registry.Registry, make(place, options))
