/**
 * Stores by name from a record of how to open each.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as BlobStore from "../services/BlobStore.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import type * as Registry from "../services/Registry.ts"
import { type Service, Stores, UnknownStore } from "../services/Stores.ts"
import { openOnce } from "./internal/openOnce.ts"

/** One opened store: its blobs, and its objects if it has paths. @since 0.1.0 @category models */
export interface Opened {
  readonly blobs: BlobStore.Service
  readonly objects?: ObjectStore.Service
  /** The entries kept beside them, in the folder `prefix` where there are folders. */
  readonly registry?: (prefix: string) => Effect.Effect<Registry.Service, { readonly message: string }>
}

/** The folder of entries where nothing else is said (docs/format/core.md §9.3). @since 0.1.0 @category constants */
export const registryPrefix = "registry"

/** How a store is opened; `message` of the error says why it could not be. @since 0.1.0 @category models */
export type Open = Effect.Effect<Opened, { readonly message: string }, Scope.Scope>

/**
 * Opens each store when it is first asked for, once however many ask, and closes it with the scope. One that could not be
 * opened is tried again by whoever asks next.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (record: Readonly<Record<string, Open>>): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const names = Object.keys(record)
    const slots = new Map(
      Object.entries(record).map(([name, open]) => {
        const once = openOnce(
          scope,
          Effect.mapError(
            open,
            (error) => new UnknownStore({ reason: "NotOpened", store: name, detail: `not opened: ${error.message}` })
          )
        )
        return [name, once] as const
      })
    )

    const registries = new Map<string, Registry.Service>()

    const opened = (name: string) =>
      slots.get(name) ??
      new UnknownStore({
        reason: "NotConfigured",
        store: name,
        detail:
          names.length === 0
            ? "no store is configured; add one first"
            : `no store is called that; there are ${names.join(", ")}`
      })

    return {
      names,
      blobs: (name) => Effect.map(opened(name), ({ blobs }) => blobs),
      objects: (name) =>
        Effect.flatMap(opened(name), ({ objects }) =>
          objects === undefined
            ? new UnknownStore({
                reason: "NotObjects",
                store: name,
                detail: "it keeps blobs only; choose a store with paths for this"
              })
            : Effect.succeed(objects)
        ),
      registry: (name, prefix = registryPrefix) =>
        Effect.flatMap(opened(name), ({ registry }) => {
          const refused = (detail: string) => new UnknownStore({ reason: "NoRegistry", store: name, detail })
          if (registry === undefined)
            return refused("no entries are kept beside its blobs; choose another store for this")
          const key = JSON.stringify([name, prefix])
          const before = registries.get(key)
          if (before !== undefined) return Effect.succeed(before)
          return registry(prefix).pipe(
            Effect.mapError(({ message }) => refused(message)),
            // of two that ask at once both get what the first one made
            Effect.map((made) => registries.get(key) ?? made),
            Effect.tap((made) => Effect.sync(() => registries.set(key, made)))
          )
        })
    }
  })

/** @since 0.1.0 @category layers */
export const layer = (record: Readonly<Record<string, Open>>): Layer.Layer<Stores> => Layer.scoped(Stores, make(record))
