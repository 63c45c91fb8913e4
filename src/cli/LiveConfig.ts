/**
 * What a configuration file changes in the layers that verbs run on; loaded only where there is one.
 *
 * @since 0.1.0
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as BlobStorePacked from "../layers/BlobStorePacked.ts"
import * as ConfigFile from "../layers/ConfigFile.ts"
import * as KeyringFromConfig from "../layers/KeyringFromConfig.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as ObjectStoreRouted from "../layers/ObjectStoreRouted.ts"
import * as ObjectStoreWindows from "../layers/ObjectStoreWindows.ts"
import * as PackIndexAuto from "../layers/PackIndexAuto.ts"
import type * as PlacesEmbedded from "../layers/PlacesEmbedded.ts"
import * as PlacesFromConfig from "../layers/PlacesFromConfig.ts"
import * as RegistryFromConfig from "../layers/RegistryFromConfig.ts"
import * as StoresFromConfig from "../layers/StoresFromConfig.ts"
import * as VaultSettingsFromConfig from "../layers/VaultSettingsFromConfig.ts"
import * as VaultStateObjectStore from "../layers/VaultStateObjectStore.ts"
import * as Problem from "../schema/ConfigProblem.ts"
import type { Primitives } from "../schema/Primitives.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import type { Envelope } from "../services/Envelope.ts"
import * as Keyring from "../services/Keyring.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import type { Places } from "../services/Places.ts"
import * as Registry from "../services/Registry.ts"
import { Stores } from "../services/Stores.ts"
import type { VaultSettings } from "../services/VaultSettings.ts"
import type * as VaultState from "../services/VaultState.ts"
import * as Console from "./Console.ts"
import type { Home } from "./Home.ts"

/** What counts where the configuration says nothing. @since 0.1.0 @category models */
export interface Embedded<E> {
  readonly home: Home
  readonly keyring: Layer.Layer<Keyring.Keyring, never, Crypto | Envelope>
  readonly registry: Layer.Layer<Registry.Registry, E, Crypto | ObjectStore.ObjectStore>
  /** The records of vaults, by vault. */
  readonly records: Effect.Effect<ObjectStore.Service, never, Scope.Scope>
  /** The embedded store as a place. */
  readonly place: Effect.Effect<PlacesEmbedded.Embedded, never, Crypto | ObjectStore.ObjectStore | BlobStore.BlobStore>
}

/** Everything that a configuration has a say in. @since 0.1.0 @category models */
export type Provided = Keyring.Keyring | Registry.Registry | VaultState.VaultState | VaultSettings | Places | Stores

/** How stores of packs are opened, their indexes in the data folder. @since 0.1.0 @category constructors */
export const openPacked =
  (home: Pick<Home, "data">, primitives: Primitives) =>
  ({ name, objects }: { readonly name: string; readonly objects: ObjectStore.Service }) =>
    Effect.flatMap(PackIndexAuto.make({ directory: join(home.data, "indexes", name), private: true }), (index) =>
      // a pack that the index names is looked for before it counts, so a folder that was exchanged does not look full
      BlobStorePacked.make({ objects: ObjectStoreWindows.windowed(objects), index, primitives })
    )

/** The stores of a configuration, for a verb that needs nothing else. @since 0.1.0 @category constructors */
export const openStores = ({ config, resolve }: Pick<ConfigFile.Loaded, "config" | "resolve">, home: Home) =>
  Effect.flatMap(Crypto, ({ primitives }) =>
    StoresFromConfig.make({
      stores: config.store,
      resolve,
      environment: process.env,
      openPacked: openPacked(home, primitives)
    })
  )

/** The configured layers, over the embedded ones where nothing is configured. @since 0.1.0 @category layers */
export const layer = <E>(
  loaded: ConfigFile.Loaded,
  embedded: Embedded<E>
): Layer.Layer<Provided, E, Crypto | Envelope | ObjectStore.ObjectStore | BlobStore.BlobStore> => {
  const { config, resolve } = loaded
  const options = { config, resolve, environment: process.env }

  const keyring = Layer.effect(
    Keyring.Keyring,
    Effect.flatMap(Keyring.Keyring, (keys) => KeyringFromConfig.withIdentity(keys, options))
  ).pipe(Layer.provide(embedded.keyring))

  const state = Layer.unwrapScoped(
    Effect.gen(function* () {
      const routes = new Map<string, ObjectStore.Service>()
      for (const [name, { root_path }] of Object.entries(config.vault)) {
        if (root_path === undefined) continue
        routes.set(name, yield* ObjectStoreFs.make({ directory: resolve(root_path), private: true }))
      }
      const records = yield* embedded.records
      return VaultStateObjectStore.layer(routes.size === 0 ? records : ObjectStoreRouted.withRoutes(records, routes))
    })
  )

  const registry = Object.hasOwn(config.registry, "default")
    ? Layer.scoped(
        Registry.Registry,
        Effect.gen(function* () {
          const made = yield* RegistryFromConfig.make({
            registries: config.registry,
            stores: yield* Stores,
            resolve,
            directory: join(embedded.home.data, "registry")
          })
          // there is one called `default`, as was looked at above
          return made ?? (yield* Effect.dieMessage("[registry.default] is gone"))
        })
      )
    : embedded.registry

  const places = Layer.unwrapEffect(Effect.map(embedded.place, (place) => PlacesFromConfig.layer(options, place)))

  return Layer.mergeAll(keyring, state, registry, VaultSettingsFromConfig.layer({ config, resolve })).pipe(
    Layer.provideMerge(places),
    Layer.provideMerge(
      Layer.unwrapEffect(
        Effect.map(Crypto, ({ primitives }) =>
          StoresFromConfig.layer({
            ...options,
            stores: config.store,
            openPacked: openPacked(embedded.home, primitives)
          })
        )
      )
    )
  )
}

/** Reads the configuration, and tells of secrets that stand in it. @since 0.1.0 @category programs */
export const load = Effect.fnUntraced(function* (file: string, isQuiet: boolean) {
  const loaded = yield* ConfigFile.load(file)
  const secrets = loaded.warnings.filter(({ problem }) => problem.startsWith("this secret"))
  if (!isQuiet) yield* Effect.forEach(secrets, (warning) => Console.complain(Problem.show(warning)), { discard: true })
  return loaded
})
