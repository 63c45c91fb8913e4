/**
 * A relay as a store: its blobs and its entries over one client.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { Crypto } from "../services/Crypto.ts"
import * as BlobStoreRelay from "./BlobStoreRelay.ts"
import * as RegistryRelay from "./RegistryRelay.ts"
import * as RelayClient from "./RelayClient.ts"
import { registryPrefix } from "./StoresFromRecord.ts"

/** A relay keeps its entries where it wants to. @since 0.1.0 @category errors */
export class NoPrefix extends Data.TaggedError("NoPrefix")<{ readonly prefix: string }> {
  override get message() {
    return `a relay has no folders, so entries cannot be kept in one called ${this.prefix}; leave prefix out`
  }
}

/** The relay at a URL; nothing is sent before it is used. @since 0.1.0 @category constructors */
export const open = Effect.fnUntraced(function* (options: RelayClient.Options) {
  const { primitives } = yield* Crypto
  const client = yield* RelayClient.make(options).pipe(Effect.provide(FetchHttpClient.layer))
  const registry = RegistryRelay.fromClient(client, primitives)
  return {
    client,
    blobs: BlobStoreRelay.fromClient(client, primitives),
    registry: (prefix: string) => (prefix === registryPrefix ? Effect.succeed(registry) : new NoPrefix({ prefix }))
  }
})
