/**
 * The stores of a configuration, each opened when it is first asked for.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Config } from "../schema/Config.ts"
import type * as ConfigStore from "../schema/ConfigStore.ts"
import { Crypto } from "../services/Crypto.ts"
import { type Service, Stores } from "../services/Stores.ts"
import * as BlobStoreObjects from "./BlobStoreObjects.ts"
import * as ObjectStoreFs from "./ObjectStoreFs.ts"
import * as ObjectStoreMemory from "./ObjectStoreMemory.ts"
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
  /** How the packed layout of a folder is opened; refused when absent. */
  readonly openPacked?: (options: { readonly name: string; readonly directory: string }) => StoresFromRecord.Open
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

/** How each store is opened. @since 0.1.0 @category constructors */
export const record = Effect.fnUntraced(function* (options: Options) {
  const { primitives } = yield* Crypto
  const plain = <E, R>(objects: Effect.Effect<Parameters<typeof BlobStoreObjects.fromObjects>[0], E, R>) =>
    Effect.map(objects, (opened) => ({ objects: opened, blobs: BlobStoreObjects.fromObjects(opened, primitives) }))
  const open = (name: string, store: ConfigStore.ConfigStore): StoresFromRecord.Open => {
    switch (store.type) {
      case "local": {
        const directory = options.resolve(store.base_path)
        if (store.layout === "plain") return plain(ObjectStoreFs.make({ directory, name }))
        return (
          options.openPacked?.({ name, directory }) ??
          new StoreUnsupported({ detail: 'layout = "packed" cannot be used here; choose layout = "plain"' })
        )
      }
      case "memory":
        return plain(ObjectStoreMemory.make({ name }))
      case "s3":
        return plain(s3(name, store, options))
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
