/**
 * The layers that the verbs run on: the embedded store and registry in the user's data folder.
 *
 * @since 0.1.0
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BlobStoreObjects from "../layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../layers/CryptoAuto.ts"
import * as EnvelopeAge from "../layers/EnvelopeAge.ts"
import * as KeyringObjectStore from "../layers/KeyringObjectStore.ts"
import * as LocalTreeNode from "../layers/LocalTreeNode.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as RegistryLmdb from "../layers/RegistryLmdb.ts"
import * as RegistryObjectStore from "../layers/RegistryObjectStore.ts"
import * as SealerInline from "../layers/SealerInline.ts"
import * as VaultStateObjectStore from "../layers/VaultStateObjectStore.ts"
import * as ObjectStore from "../services/ObjectStore.ts"
import * as Registry from "../services/Registry.ts"
import * as Home from "./Home.ts"
import * as Installation from "./Installation.ts"

/** Where this user's files are. @since 0.1.0 @category constants */
export const home = Home.fromEnvironment(process.env)

const privateObjects = (directory: string) => ObjectStoreFs.make({ directory, private: true })

const installation = Effect.flatMap(privateObjects(home.data), (data) =>
  Installation.registryKind(data, process.env.CAIRN_REGISTRY)
)

/** The registry that this home was made with; which one that is, is written once and never changes by itself. */
const registry = Layer.scoped(
  Registry.Registry,
  Effect.gen(function* () {
    const objects = yield* ObjectStore.ObjectStore
    return (yield* installation) === "lmdb"
      ? yield* RegistryLmdb.make({ directory: join(home.data, "registry"), name: "local" })
      : yield* RegistryObjectStore.make(objects, { name: "local" })
  })
)

const objects = Layer.scoped(
  ObjectStore.ObjectStore,
  ObjectStoreFs.make({ directory: join(home.data, "store"), name: "local", private: true })
)

const keyring = Layer.unwrapScoped(Effect.map(privateObjects(join(home.config, "keys")), KeyringObjectStore.layer))
const state = Layer.unwrapScoped(Effect.map(privateObjects(join(home.data, "vaults")), VaultStateObjectStore.layer))

/** The kind and place of the registry, for people. @since 0.1.0 @category accessors */
export const registryName = Effect.scoped(
  Effect.map(installation, (kind) =>
    kind === "lmdb" ? `LMDB in ${join(home.data, "registry")}` : `files in ${join(home.data, "store", "registry")}`
  )
)

/** Why the registry is made of files, where it is. @since 0.1.0 @category accessors */
export const registryNotes = Effect.scoped(
  Effect.flatMap(installation, (kind) =>
    kind === "files" ? Effect.map(Installation.lmdbProblem, (problem) => [problem]) : Effect.succeed([])
  )
)

/** Everything that a verb asks for. @since 0.1.0 @category layers */
export const layer = Layer.mergeAll(
  keyring,
  state,
  registry,
  BlobStoreObjects.layer,
  SealerInline.layer,
  LocalTreeNode.layer
).pipe(Layer.provideMerge(Layer.mergeAll(objects, EnvelopeAge.layer(), CryptoAuto.layerConfig)))
