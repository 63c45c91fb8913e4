/** A relay on a port of this machine that the system chose. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Redacted from "effect/Redacted"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import type * as RelayClient from "../../src/layers/RelayClient.ts"
import * as RelayServerNode from "../../src/layers/RelayServerNode.ts"
import * as RelayTokensObjectStore from "../../src/layers/RelayTokensObjectStore.ts"
import type * as Relay from "../../src/programs/Relay.ts"
import * as RelayAccess from "../../src/programs/RelayAccess.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import type * as ObjectStore from "../../src/services/ObjectStore.ts"
import * as Registry from "../../src/services/Registry.ts"
import * as RelayTokens from "../../src/services/RelayTokens.ts"

export interface Options extends Partial<Relay.Options> {
  readonly blobs?: BlobStore.Service
  readonly tokens?: RelayTokens.Service
  readonly token?: Partial<Omit<ConstructorParameters<typeof RelayTokens.Token>[0], "hash">>
  /** Takes each line of the log. */
  readonly log?: (line: string) => void
}

export interface Running {
  readonly url: string
  readonly secret: Redacted.Redacted<string>
  readonly client: RelayClient.Options
  readonly objects: ObjectStore.Service
  readonly tokens: RelayTokens.Service
}

/** Starts a relay over a registry and memory; it ends with the scope. */
export const start = Effect.fnUntraced(function* (registry: Registry.Service, options: Options = {}) {
  const crypto = yield* Crypto.Crypto
  const objects = yield* ObjectStoreMemory.make()
  const {
    blobs = BlobStoreObjects.fromObjects(objects, crypto.primitives),
    log,
    token,
    tokens = yield* RelayTokensObjectStore.make(yield* ObjectStoreMemory.make()),
    ...relay
  } = options
  const environment = Layer.mergeAll(
    Layer.succeed(Registry.Registry, registry),
    Layer.succeed(BlobStore.BlobStore, blobs),
    Layer.succeed(RelayTokens.RelayTokens, tokens),
    Layer.succeed(Crypto.Crypto, crypto)
  )
  const logger = Logger.replace(
    Logger.defaultLogger,
    Logger.map(Logger.jsonLogger, (line) => log?.(line))
  )
  const server = yield* Layer.build(
    RelayServerNode.layer({ port: 0, version: "test", ...relay }).pipe(
      Layer.provide(environment),
      Layer.provide(logger)
    )
  )
  const { address } = Context.get(server, HttpServer.HttpServer)
  const url = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
  const secret = yield* Effect.provideService(
    RelayAccess.issue({ name: "laptop", ...token }),
    RelayTokens.RelayTokens,
    tokens
  ).pipe(Effect.flatMap(Effect.fromNullable), Effect.orDie)
  const running: Running = { url, secret, client: { url, token: secret }, objects, tokens }
  return running
})

export const http = FetchHttpClient.layer
