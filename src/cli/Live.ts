/**
 * The layers that the verbs run on: the embedded store and registry in the user's data folder. Nothing is made on disk
 * before something is written, and nothing heavy is loaded before it is used.
 *
 * @since 0.1.0
 */
import { realpathSync } from "node:fs"
import { chmod } from "node:fs/promises"
import { hostname } from "node:os"
import { basename, dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CryptoAuto from "../layers/CryptoAuto.ts"
import * as IdentityStateObjectStore from "../layers/IdentityStateObjectStore.ts"
import * as KeyringObjectStore from "../layers/KeyringObjectStore.ts"
import * as LocalTreeNode from "../layers/LocalTreeNode.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as PlacesEmbedded from "../layers/PlacesEmbedded.ts"
import * as RegistryLazy from "../layers/RegistryLazy.ts"
import * as SealerWorkers from "../layers/SealerWorkers.ts"
import * as VaultStateObjectStore from "../layers/VaultStateObjectStore.ts"
import type * as Identity from "../programs/Identity.ts"
import type * as Vault from "../programs/Vault.ts"
import { BlobStore } from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import * as DeviceList from "../services/DeviceList.ts"
import * as Envelope from "../services/Envelope.ts"
import * as ObjectStore from "../services/ObjectStore.ts"
import { Places } from "../services/Places.ts"
import * as Registry from "../services/Registry.ts"
import * as VaultSettings from "../services/VaultSettings.ts"
import * as Argv from "./Argv.ts"
import * as ConfigChoice from "./ConfigChoice.ts"
import * as EmbeddedStore from "./EmbeddedStore.ts"
import * as Home from "./Home.ts"
import * as Installation from "./Installation.ts"

const home = Home.mine

/** Cairn's own folders: never backed up, never restored into. @since 0.1.0 @category constants */
export const own: ReadonlyArray<string> = [home.data, join(home.config, "keys"), home.cache]

/** The path without links, as far as it exists. */
const real = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    // what does not exist yet has no links: only what is above it can
    const above = dirname(path)
    return above === path ? path : join(real(above), basename(path))
  }
}

const isWithin = (folders: ReadonlyArray<string>, path: string): boolean => {
  const asked = real(resolve(path))
  return folders.some((folder) => asked === real(folder) || asked.startsWith(`${real(folder)}/`))
}

const privateObjects = (directory: string) => ObjectStoreFs.make({ directory, private: true })

// a chunk of this very program that cannot be loaded is a broken installation, which no verb can mend
const loaded = <A>(load: () => Promise<A>) => Effect.promise(load)

const open = Effect.fnUntraced(function* (kind: Installation.RegistryKind) {
  if (kind === "files") {
    const layer = yield* loaded(() => import("../layers/RegistryObjectStore.ts"))
    return yield* layer.make(yield* ObjectStore.ObjectStore, { name: "local" })
  }
  const layer = yield* loaded(() => import("../layers/RegistryLmdb.ts"))
  const directory = join(home.data, "registry")
  const made = yield* layer.make({ directory, name: "local" })
  // nothing is lost where this fails: the data folder above is made for its owner alone
  yield* Effect.ignore(Effect.tryPromise(() => chmod(directory, 0o700)))
  return made
})

/** The registry that this home was made with; which one that is, is written once and never changes by itself. */
const registry = Layer.scoped(
  Registry.Registry,
  Effect.gen(function* () {
    const wanted = yield* Installation.wanted(process.env.CAIRN_REGISTRY)
    return yield* Installation.registry(yield* privateObjects(home.data), { name: "local", wanted, open })
  })
)

const objects = Layer.scoped(
  ObjectStore.ObjectStore,
  ObjectStoreFs.make({ directory: join(home.data, "store"), name: "local", private: true })
)

const blobs = EmbeddedStore.layer({
  data: privateObjects(home.data),
  index: join(home.data, "index"),
  setting: process.env.CAIRN_STORE
})

const keyring = Layer.unwrapScoped(Effect.map(privateObjects(join(home.config, "keys")), KeyringObjectStore.layer))
const records = privateObjects(join(home.data, "vaults"))
const state = Layer.unwrapScoped(Effect.map(records, VaultStateObjectStore.layer))

/** The fastest cryptography of this machine, or what CAIRN_CRYPTO asks for. @since 0.1.0 @category layers */
export const cryptography = Layer.mapError(CryptoAuto.layerConfig, (error) =>
  error._tag === "CryptoUnavailable"
    ? error
    : new Argv.Usage({ problem: `CAIRN_CRYPTO is "${process.env.CAIRN_CRYPTO}"; it can be "auto" or "portable"` })
)

const envelope = Layer.effect(
  Envelope.Envelope,
  Effect.map(Effect.cached(loaded(() => import("../layers/EnvelopeAge.ts"))), (module) => {
    const age = Effect.map(module, (layer) => layer.make())
    return Envelope.Envelope.of({
      seal: (recipients, plaintext) => Effect.flatMap(age, (made) => made.seal(recipients, plaintext)),
      open: (identities, ciphertext) => Effect.flatMap(age, (made) => made.open(identities, ciphertext)),
      generateIdentity: Effect.flatMap(age, (made) => made.generateIdentity),
      recipientOf: (identity) => Effect.flatMap(age, (made) => made.recipientOf(identity))
    })
  })
)

const kind = Effect.scoped(Effect.flatMap(privateObjects(home.data), Installation.chosen))

/** The kind and place of the registry, for people. @since 0.1.0 @category accessors */
export const registryName = Effect.gen(function* () {
  // that of a configuration is called so, this device's own `local`
  if ((yield* Registry.Registry).name === "default") return "[registry.default] of the configuration"
  switch (yield* kind) {
    case "lmdb":
      return `LMDB in ${join(home.data, "registry")}`
    case "files":
      return `files in ${join(home.data, "store", "registry")}`
    case undefined:
      return "none yet, the first backup makes it"
  }
})

/** The configuration file that this run goes by, if there is one. @since 0.1.0 @category accessors */
export const configuration = Effect.map(ConfigChoice.Choice, ({ option }) => {
  const { file, isThere } = ConfigChoice.chosen(option, process.env, home)
  return isThere ? file : undefined
})

/** Why the registry is made of files, where it is. @since 0.1.0 @category accessors */
export const registryNotes = Effect.flatMap(kind, (chosen) =>
  chosen === "files" ? Effect.map(Installation.lmdbProblem, (problem) => [problem]) : Effect.succeed([])
)

/** The embedded store as a place: its blobs, and entries in files beside them. */
const place = Effect.gen(function* () {
  const kept = yield* ObjectStore.ObjectStore
  const crypto = yield* Crypto
  const beside = yield* Effect.cached(
    Effect.flatMap(
      loaded(() => import("../layers/RegistryObjectStore.ts")),
      (layer) => layer.make(kept, { name: kept.name })
    ).pipe(Effect.provideService(Crypto, crypto))
  )
  return { blobs: yield* BlobStore, registry: RegistryLazy.make(kept.name, beside) }
})

const places = Layer.effect(Places, Effect.map(place, PlacesEmbedded.make))

const settings = Layer.effect(
  VaultSettings.VaultSettings,
  Effect.map(place, ({ registry: ownRegistry }) => ({
    ...VaultSettings.none,
    settings: (vault: string) =>
      Effect.map(VaultSettings.none.settings(vault), (counting) => ({ ...counting, ownRegistry }))
  }))
)

/** The layers that a configuration has a say in, as they are without one. */
const embedded = Layer.mergeAll(keyring, state, registry, places, settings)

const configured = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { isQuiet, option } = yield* ConfigChoice.Choice
    const { file, isNamed, isThere } = ConfigChoice.chosen(option, process.env, home)
    if (!isThere && !isNamed) return embedded
    const config = yield* loaded(() => import("./LiveConfig.ts"))
    return config.layer(yield* config.load(file, isQuiet), { home, keyring, registry, records, place })
  })
)

/** What is remembered of the identity that this device belongs to. */
const identityState = Layer.unwrapScoped(
  Effect.map(privateObjects(join(home.data, "identity")), IdentityStateObjectStore.layer)
)

/** Whom everything is sealed for, asked when something is. */
const deviceList = Layer.effect(
  DeviceList.DeviceList,
  Effect.map(Effect.context<Identity.Requirements | Vault.Requirements>(), (context) => ({
    recipients: loaded(() => import("../programs/Identity.ts")).pipe(
      Effect.flatMap((program) => program.recipients()),
      Effect.mapError(
        (error) =>
          new DeviceList.DeviceListError({
            reason: "reason" in error && error.reason === "Unreachable" ? "Unreachable" : "Unusable",
            detail: error.message
          })
      ),
      Effect.provide(context)
    ),
    upkeep: loaded(() => import("../programs/IdentityUpkeep.ts")).pipe(
      Effect.flatMap((program) => program.run(hostname())),
      // nothing is lost: what is not listed yet is listed by the next run, and the caller is told
      Effect.catchAll((error) => Effect.succeed([error.message])),
      Effect.provide(context)
    )
  }))
)

/** Everything that a verb asks for. @since 0.1.0 @category layers */
export const layer = Layer.mergeAll(deviceList, SealerWorkers.layerConfig, LocalTreeNode.layer).pipe(
  Layer.provideMerge(configured),
  Layer.provideMerge(identityState),
  Layer.provideMerge(blobs),
  Layer.provideMerge(Layer.mergeAll(objects, envelope, cryptography))
)

/** Cairn's own folders, those of the configuration among them. @since 0.1.0 @category accessors */
export const ownFolders = Effect.map(VaultSettings.VaultSettings, (settings) => {
  const folders = [...own, ...settings.own]
  return { own: folders, isOwn: (path: string) => isWithin(folders, path) }
})
