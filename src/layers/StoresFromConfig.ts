/**
 * The stores of a configuration, each opened when it is first asked for.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Config } from "../schema/Config.ts"
import type * as ConfigStore from "../schema/ConfigStore.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import { type Service, Stores } from "../services/Stores.ts"
import * as BlobStoreObjects from "./BlobStoreObjects.ts"
import * as ObjectStoreFs from "./ObjectStoreFs.ts"
import * as ObjectStoreMemory from "./ObjectStoreMemory.ts"
import * as RegistryObjectStore from "./RegistryObjectStore.ts"
import * as SecretSource from "./SecretSource.ts"
import * as StoresFromRecord from "./StoresFromRecord.ts"

/** A store that is configured cannot be used by this program. @since 0.1.0 @category errors */
export class StoreUnsupported extends Data.TaggedError("StoreUnsupported")<{ readonly detail: string }> {
  override get message() {
    return this.detail
  }
}

/** @since 0.1.0 @category models */
export interface Options extends SecretSource.Options {
  readonly stores: Config["store"]
  /** The packed layout over the objects of a folder or bucket; refused when absent. */
  readonly openPacked?: (options: {
    readonly name: string
    readonly objects: ObjectStore.Service
  }) => Effect.Effect<BlobStore.Service, { readonly message: string }, Scope.Scope>
}

const s3 = (name: string, store: typeof ConfigStore.S3.Type, options: Options) =>
  Effect.gen(function* () {
    // a chunk of this very program that cannot be loaded is a broken installation
    const layer = yield* Effect.promise(() => import("./ObjectStoreS3.ts"))
    const { access_key, secret_key, session_token } = store
    const read = (secret: typeof access_key) =>
      secret === undefined ? Effect.succeed(undefined) : SecretSource.read(secret, options)
    const accessKey = yield* read(access_key)
    const secretKey = yield* read(secret_key)
    if ((accessKey === undefined) !== (secretKey === undefined))
      return yield* new StoreUnsupported({
        detail: "it has only one of access_key and secret_key; give both, or neither to take them from the environment"
      })
    return yield* layer.make({
      name,
      bucket: store.bucket_name,
      endpoint: store.endpoint,
      region: store.region,
      addressing: store.addressing,
      folder: store.prefix,
      ...(accessKey === undefined || secretKey === undefined
        ? {}
        : {
            credentials: {
              accessKey: Redacted.value(accessKey),
              secretKey,
              sessionToken: yield* read(session_token)
            }
          })
    })
  })

/** The linked files of a table. @since 0.1.0 @category constructors */
export const openLinks = (
  name: string,
  store: typeof ConfigStore.LocalLinks.Type,
  { resolve }: Pick<SecretSource.Options, "resolve">
) =>
  Effect.gen(function* () {
    const { primitives } = yield* Crypto
    // a chunk of this very program that cannot be loaded is a broken installation
    const layer = yield* Effect.promise(() => import("./BlobStoreLinks.ts"))
    const objects = yield* ObjectStoreFs.make({ directory: resolve(store.path), name, private: true })
    return layer.make({ objects, primitives })
  })

/** The relay of a table. @since 0.1.0 @category constructors */
export const openRelay = (name: string, store: typeof ConfigStore.Relay.Type, options: SecretSource.Options) =>
  Effect.gen(function* () {
    // a chunk of this very program that cannot be loaded is a broken installation
    const layer = yield* Effect.promise(() => import("./StoreRelay.ts"))
    return yield* layer.open({
      name,
      url: store.url,
      token: store.token === undefined ? undefined : yield* SecretSource.read(store.token, options),
      ...(store.timeout_secs === undefined ? {} : { timeout: Duration.seconds(store.timeout_secs) })
    })
  })

/** How each store is opened. @since 0.1.0 @category constructors */
export const record = Effect.fnUntraced(function* (options: Options) {
  const crypto = yield* Crypto
  const { primitives } = crypto
  /** With entries beside the objects: a bucket compares and swaps by itself, a folder by claims. */
  const withRegistry = (name: string, objects: ObjectStore.Service, blobs: BlobStore.Service) => ({
    objects,
    blobs,
    registry: (prefix: string) =>
      Effect.provideService(RegistryObjectStore.make(objects, { name, prefix }), Crypto, crypto)
  })
  const plain = <E, R>(name: string, objects: Effect.Effect<ObjectStore.Service, E, R>) =>
    Effect.map(objects, (opened) => withRegistry(name, opened, BlobStoreObjects.fromObjects(opened, primitives)))
  const packed = <E extends { readonly message: string }, R>(
    name: string,
    objects: Effect.Effect<ObjectStore.Service, E, R>
  ) =>
    Effect.gen(function* () {
      if (options.openPacked === undefined)
        return yield* new StoreUnsupported({ detail: 'layout = "packed" cannot be used here; choose layout = "plain"' })
      const opened = yield* objects
      return withRegistry(name, opened, yield* options.openPacked({ name, objects: opened }))
    })
  const open = (name: string, store: ConfigStore.ConfigStore): StoresFromRecord.Open => {
    switch (store.type) {
      case "local": {
        const directory = options.resolve(store.base_path)
        if (store.layout === "plain") return plain(name, ObjectStoreFs.make({ directory, name }))
        return packed(name, ObjectStoreFs.make({ directory, name, private: true }))
      }
      case "local_links":
        return Effect.map(Effect.provideService(openLinks(name, store, options), Crypto, crypto), (blobs) => ({
          blobs
        }))
      case "memory":
        return plain(name, ObjectStoreMemory.make({ name }))
      case "s3":
        return store.layout === "packed"
          ? packed(name, s3(name, store, options))
          : plain(name, s3(name, store, options))
      case "relay":
        return Effect.provideService(openRelay(name, store, options), Crypto, crypto)
      default:
        return new StoreUnsupported({
          detail: `a store of type ${store.type} cannot be used here; \`cairn config check\` says what can`
        })
    }
  }
  return Object.fromEntries(Object.entries(options.stores).map(([name, store]) => [name, open(name, store)]))
})

/** The stores by name; those that nobody asks for are never opened. @since 0.1.0 @category constructors */
export const make = (options: Options): Effect.Effect<Service, never, Crypto | Scope.Scope> =>
  Effect.flatMap(record(options), StoresFromRecord.make)

/** @since 0.1.0 @category layers */
export const layer = (options: Options): Layer.Layer<Stores, never, Crypto> => Layer.scoped(Stores, make(options))
