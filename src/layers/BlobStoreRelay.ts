/**
 * The blobs of a relay. Whatever it answers is checked against the hash: the relay need not be trusted.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { Primitives } from "../schema/Primitives.ts"
import { BlobStore, BlobStoreError, type Service } from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import * as RelayClient from "./RelayClient.ts"

const reasons = {
  NotFound: "Missing",
  Denied: "Denied",
  Full: "Full",
  Damaged: "Damaged",
  Refused: "Unavailable",
  Unsupported: "Denied",
  Unavailable: "Unavailable"
} as const

const path = (hash: Hash.Hash): string => `/blobs/${Hash.toHex(hash)}`

/** The blobs that `client`'s relay keeps. A blob that it took is durable there before it answers. @since 0.1.0 @category constructors */
export const fromClient = (client: RelayClient.Client, primitives: Primitives): Service => {
  const error = (reason: BlobStoreError["reason"], blob: string, detail: string) =>
    new BlobStoreError({ reason, store: client.name, blob, detail })
  const failed = (blob: string) => (failure: RelayClient.Failure) =>
    error(reasons[failure.reason], blob, failure.detail)

  const has = (hash: Hash.Hash) =>
    client.send(HttpClientRequest.head(path(hash)), [404]).pipe(
      Effect.map(({ status }) => status !== 404),
      Effect.mapError(failed(Hash.toHex(hash)))
    )

  return {
    name: client.name,
    has,
    get: (hash) =>
      client.send(HttpClientRequest.get(path(hash))).pipe(
        Effect.mapError(failed(Hash.toHex(hash))),
        Effect.filterOrFail(
          ({ body }) => Bytes.equals(primitives.blake3(body), hash),
          ({ body }) =>
            error("Damaged", Hash.toHex(hash), `the relay gives ${body.length} bytes that are not the blob's`)
        ),
        Effect.map(({ body }) => body)
      ),
    // sent even if it is there, for only the relay can tell whether what it has is whole
    put: (hash, bytes) =>
      client
        .send(HttpClientRequest.bodyUint8Array(HttpClientRequest.put(path(hash)), bytes))
        .pipe(Effect.asVoid, Effect.mapError(failed(Hash.toHex(hash)))),
    list: Stream.unwrapScoped(client.stream(HttpClientRequest.get("/blobs"))).pipe(
      Stream.mapError(failed("list")),
      Stream.decodeText(),
      Stream.splitLines,
      Stream.mapEffect((line) =>
        Either.mapLeft(Hash.fromHex(line), () => error("Unavailable", "list", "the relay's listing is none"))
      )
    ),
    remove: (hash) =>
      Effect.mapError(Effect.asVoid(client.send(HttpClientRequest.del(path(hash)))), failed(Hash.toHex(hash))),
    sync: Effect.void
  }
}

/** The blobs of the relay at a URL. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (options: RelayClient.Options) {
  const { primitives } = yield* Crypto
  return fromClient(yield* RelayClient.make(options), primitives)
})

/** @since 0.1.0 @category layers */
export const layer = (options: RelayClient.Options) => Layer.effect(BlobStore, make(options))
