/**
 * A place by where it is, for a machine without a configuration: a folder, a relay's URL, or what another device tells of a
 * store.
 *
 * @since 0.1.0
 */
import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as ConfigStore from "../schema/ConfigStore.ts"
import * as PortableStore from "../schema/PortableStore.ts"
import { Crypto } from "../services/Crypto.ts"
import { UnknownStore } from "../services/Stores.ts"
import * as BlobStorePacked from "./BlobStorePacked.ts"
import * as ObjectStoreWindows from "./ObjectStoreWindows.ts"
import * as PackIndexMemory from "./PackIndexMemory.ts"
import * as PlacesFromConfig from "./PlacesFromConfig.ts"
import * as StoresFromConfig from "./StoresFromConfig.ts"

/**
 * Where a place is.
 *
 * - `Folder`: a folder of this machine, in either layout.
 * - `Relay`: a relay, with a token where something is to be written.
 * - `Told`: what `Place.portable` of another device gave.
 *
 * @since 0.1.0
 * @category models
 */
export type Address = Data.TaggedEnum<{
  Folder: { readonly path: string }
  Relay: { readonly url: string; readonly token?: Redacted.Redacted<string> | undefined }
  Told: { readonly name: string; readonly json: Redacted.Redacted<string> }
}>

/** @since 0.1.0 @category constructors */
export const Address = Data.taggedEnum<Address>()

/** A URL is a relay's, anything else a folder's path. @since 0.1.0 @category constructors */
export const parse = (text: string, token?: Redacted.Redacted<string>): Address =>
  /^https?:\/\//i.test(text) ? Address.Relay({ url: text, token }) : Address.Folder({ path: resolve(text) })

const notOpened = (store: string, detail: string) => new UnknownStore({ reason: "NotOpened", store, detail })

/** One that is not there would look like one in which nothing was ever kept. */
const expectFolder = (name: string, directory: string) =>
  Effect.tryPromise({
    try: () => stat(directory),
    catch: (cause) => notOpened(name, cause instanceof Error ? cause.message : "it cannot be read")
  }).pipe(
    Effect.filterOrFail(
      (status) => status.isDirectory(),
      () => notOpened(name, "it is no folder")
    ),
    Effect.mapError((error) => notOpened(name, `${error.detail}; if it is on a drive or a share, connect that first`))
  )

/** The name of a place that has none yet. */
const nameOf = (address: Exclude<Address, { readonly _tag: "Told" }>): string =>
  address._tag === "Folder" ? address.path : address.url.replace(/^[a-z]+:\/\//i, "").replace(/\/.*$/, "")

const tableOf = (
  address: Address
): Effect.Effect<readonly [name: string, store: ConfigStore.ConfigStore], UnknownStore> => {
  switch (address._tag) {
    case "Folder":
      return Effect.succeed([
        nameOf(address),
        { type: "local", base_path: resolve(address.path), layout: "packed" }
      ] as const)
    case "Relay":
      return Effect.succeed([
        nameOf(address),
        { type: "relay", url: address.url, ...(address.token === undefined ? {} : { token: address.token }) }
      ] as const)
    case "Told":
      return Effect.map(
        Effect.mapError(PortableStore.fromJson(address.json), ({ message }) => notOpened(address.name, message)),
        (store) => [address.name, store] as const
      )
  }
}

/** Opens the place until the scope ends. A folder has to be there; nothing is made in it before something is written. @since 0.1.0 @category constructors */
export const open = Effect.fn("PlaceFromAddress.open")(function* (address: Address) {
  const { primitives } = yield* Crypto
  const [name, store] = yield* tableOf(address)
  if (store.type === "local") yield* expectFolder(name, store.base_path)
  const options = { resolve, environment: process.env }
  const stores = yield* StoresFromConfig.make({
    ...options,
    stores: { [name]: store },
    // packs are read where there are some; what is written is a file for each blob, which every reader finds
    openPacked: ({ objects }) =>
      Effect.flatMap(PackIndexMemory.make(), (index) =>
        BlobStorePacked.make({
          objects: ObjectStoreWindows.windowed(objects),
          index,
          primitives,
          isPacking: Effect.succeed(false)
        })
      )
  })
  return yield* PlacesFromConfig.place(name, store, stores, options)
})
