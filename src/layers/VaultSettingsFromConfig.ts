/**
 * The settings of vaults from a configuration.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Config } from "../schema/Config.ts"
import * as ConfigTask from "../schema/ConfigTask.ts"
import * as BlobStore from "../services/BlobStore.ts"
import * as Places from "../services/Places.ts"
import type * as Registry from "../services/Registry.ts"
import * as Stores from "../services/Stores.ts"
import { type Service, VaultSettings, VaultSettingsError } from "../services/VaultSettings.ts"
import * as VaultState from "../services/VaultState.ts"
import { withFallback } from "./BlobStoreFallback.ts"
import { withMirrors } from "./BlobStoreMirrored.ts"
import { identities } from "./IdentityFile.ts"
import * as RegistryLazy from "./RegistryLazy.ts"

/** @since 0.1.0 @category models */
export interface Options {
  readonly config: Config
  /** The absolute form of a path of the configuration. */
  readonly resolve: (path: string) => string
}

const selectionOf = (source: Config["source"][string]) =>
  new VaultState.Selection({
    exclude: [...(source.skip_hidden ? [".*"] : []), ...source.exclude],
    ignoreFiles: source.respect_ignore_files,
    excludeCaches: !source.include_caches,
    oneFileSystem: source.one_file_system
  })

const registryOf = (places: Places.Service, name: string): Registry.Service =>
  RegistryLazy.make(
    name,
    Effect.map(places.open(name), ({ registry }) => registry)
  )

/** What keeps vaults, as the rest of this device has it. @since 0.1.0 @category models */
export interface Kept {
  /** The stores by name. */
  readonly stores: Stores.Service
  /** This device's own, which is asked last for what an older run kept there. */
  readonly embedded: BlobStore.Service
  /** The places of the configuration, and this device's own, which is the last. */
  readonly places?: Places.Service
}

/** @since 0.1.0 @category constructors */
export const make = ({ config, resolve }: Options, { embedded, places, stores }: Kept): Service => {
  const vaultOf = (name: string) => (Object.hasOwn(config.vault, name) ? config.vault[name] : undefined)

  /** The vault's recipients, and the keys of every task that publishes it: who may read does not depend on which task ran last. */
  const readersOf = (name: string) => {
    const ofTasks = Object.values(config.task).flatMap((task) =>
      (task.type === "backup" || task.type === "publish") && task.vault === name ? task.keys : []
    )
    return [...new Set([...(vaultOf(name)?.recipients ?? []), ...ofTasks])]
  }

  const settings = Effect.fnUntraced(function* (name: string) {
    const vault = vaultOf(name)
    const open = (store: string) =>
      Effect.mapError(
        stores.blobs(store),
        ({ message }) => new VaultSettingsError({ reason: "Store", vault: name, detail: message })
      )
    const named = vault?.blob_stores ?? []
    const fallback = config.default_store === undefined ? [] : [config.default_store]
    const keeping = named.length === 0 ? fallback : named
    const opened = yield* Effect.forEach(keeping, open)
    const own = places?.names.at(-1)
    const [primary, ...mirrors] = opened
    const key = vault?.key === undefined ? undefined : config.key[vault.key]
    const identityFile = key?.identity_file
    return {
      ...(primary === undefined ? {} : { blobs: withFallback(withMirrors(primary, ...mirrors), embedded) }),
      stores: opened,
      registries:
        places === undefined
          ? []
          : keeping.filter((place) => places.names.includes(place)).map((place) => registryOf(places, place)),
      ...(keeping.length > 0 || places === undefined || own === undefined
        ? {}
        : { ownRegistry: registryOf(places, own) }),
      metaTargets: yield* Effect.forEach(vault?.meta_targets ?? [], open),
      recipients: readersOf(name).flatMap((reader) => config.key[reader]?.public_key ?? []),
      ...(key === undefined ? {} : { keyRecipient: key.public_key }),
      identities:
        identityFile === undefined
          ? []
          : yield* Effect.mapError(
              identities(resolve(identityFile)),
              ({ message }) => new VaultSettingsError({ reason: "Identity", vault: name, detail: message })
            )
    }
  })

  const sources = (name: string) =>
    (vaultOf(name)?.sources ?? []).flatMap((source) => {
      const table = config.source[source]
      if (table === undefined) return []
      return table.paths.map((path) => ({ source, path: resolve(path), selection: selectionOf(table) }))
    })

  return {
    names: Object.keys(config.vault),
    withSources: Object.keys(config.vault).filter((name) => sources(name).length > 0),
    sources,
    approveAbove: (name) => {
      const share = vaultOf(name)?.approve_above
      return share === undefined ? undefined : ConfigTask.parseShare(share)
    },
    settings,
    own: [
      ...Object.values(config.store).flatMap((store) => (store.type === "local" ? [resolve(store.base_path)] : [])),
      ...Object.values(config.vault).flatMap(({ root_path }) => (root_path === undefined ? [] : [resolve(root_path)]))
    ]
  }
}

/** @since 0.1.0 @category layers */
export const layer = (
  options: Options
): Layer.Layer<VaultSettings, never, Stores.Stores | BlobStore.BlobStore | Places.Places> =>
  Layer.effect(
    VaultSettings,
    Effect.map(Effect.all([Stores.Stores, BlobStore.BlobStore, Places.Places]), ([stores, embedded, places]) =>
      make(options, { stores, embedded, places })
    )
  )
