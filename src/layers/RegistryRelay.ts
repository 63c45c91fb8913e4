/**
 * The registry of a relay: the relay compares and swaps, and every entry that it gives is verified here.
 *
 * @since 0.1.0
 */
import * as Sse from "@effect/experimental/Sse"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { Primitives } from "../schema/Primitives.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as RelayApi from "../schema/RelayApi.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import { Crypto } from "../services/Crypto.ts"
import * as Registry from "../services/Registry.ts"
import * as RegistryRules from "./RegistryRules.ts"
import * as RelayClient from "./RelayClient.ts"

const reasons = {
  NotFound: "Unavailable",
  Denied: "Denied",
  Full: "Refused",
  Damaged: "Corrupt",
  Refused: "Refused",
  Unsupported: "Unsupported",
  Unavailable: "Unavailable"
} as const

const InfoText = Schema.parseJson(RelayApi.Info)
const EntriesText = Schema.parseJson(RelayApi.Entries)
/** Named by errors that are of no one entry. */
const anyKey: StreamKey.StreamKey = { _tag: "Local", id: new Uint8Array(32) }
const bestFirst = Order.reverse(RegistryEntry.Order)
/** An event carries an entry of at most some 1 MiB, in hex. */
const maxEventSize = 4 * 1024 * 1024
const reconnectAfter = Duration.seconds(5)

/** The registry of `client`'s relay. @since 0.1.0 @category constructors */
export const fromClient = (client: RelayClient.Client, primitives: Primitives): Registry.Service => {
  const rules = RegistryRules.make(client.name, primitives)
  const path = (key: StreamKey.StreamKey) => `/registry/${StreamKey.toHex(key)}`
  const failed = (key: StreamKey.StreamKey) => (failure: RelayClient.Failure) =>
    rules.error(reasons[failure.reason], key, failure.detail)
  const place = `what relay ${client.name} gives`
  const fromHex = (key: StreamKey.StreamKey, hex: string) =>
    Either.flatMap(
      Either.mapLeft(Bytes.fromHex(hex), (problem) => rules.error("Corrupt", key, `${place}: ${problem.message}`)),
      (bytes) => rules.decode(key, bytes, place)
    )
  const etagOf = (entry: RegistryEntry.RegistryEntry): string =>
    `"${Hash.toHex(primitives.blake3(RegistryEntry.toBytes(entry)))}"`

  const entries: Registry.Service["entries"] = Effect.fnUntraced(function* (key) {
    // a relay keeps only what is signed
    if (key._tag !== "Vault") return []
    const { body } = yield* Effect.mapError(client.send(HttpClientRequest.get(`${path(key)}/entries`)), failed(key))
    const decoded = yield* Effect.mapError(Schema.decodeUnknown(EntriesText)(Bytes.toUtf8(body)), () =>
      rules.error("Unavailable", key, `${place} is no list of entries`)
    )
    const held = yield* Effect.forEach(decoded.entries, (hex) => fromHex(key, hex))
    return held.sort(bestFirst)
  })

  const swap = Effect.fnUntraced(function* (
    { bytes, entry }: RegistryRules.Admitted,
    over: ReadonlyArray<RegistryEntry.RegistryEntry>
  ) {
    const { key } = entry
    const precondition = over.length === 0 ? { "if-none-match": "*" } : { "if-match": over.map(etagOf).join(", ") }
    const request = HttpClientRequest.put(path(key)).pipe(
      HttpClientRequest.setHeaders(precondition),
      HttpClientRequest.bodyUint8Array(bytes)
    )
    // a lost answer is asked for again: the same entry again is stored
    const { body, status } = yield* Effect.mapError(client.send(request, [409]), failed(key))
    if (status !== 409) return rules.stored()
    return rules.lost(yield* rules.decode(key, body, place))
  })

  const supported = Effect.gen(function* () {
    const { body } = yield* Effect.mapError(client.send(HttpClientRequest.get("/info")), failed(anyKey))
    const info = yield* Effect.mapError(Schema.decodeUnknown(InfoText)(Bytes.toUtf8(body)), () =>
      rules.error("Unavailable", anyKey, `${place} does not say what it is`)
    )
    if (info.registry === false)
      return yield* rules.error("Unsupported", anyKey, `relay ${client.name}: it keeps blobs alone, and no entries`)
  })

  /** Entries newer than `known` for as long as one connection lasts. */
  const connection = (key: StreamKey.StreamKey, known: bigint) =>
    Stream.unwrapScoped(
      client.stream(
        HttpClientRequest.get(`${path(key)}/changes`, known < 0n ? {} : { headers: { "last-event-id": `${known}` } })
      )
    ).pipe(
      Stream.mapError(failed(key)),
      Stream.decodeText(),
      Stream.pipeThroughChannel(Sse.makeChannel({ maxEventSize })),
      Stream.mapEffect(({ data }) => fromHex(key, data))
    )

  return Registry.Registry.of({
    name: client.name,
    entries,
    set: (entry, over) => Effect.flatMap(rules.admit(entry), (admitted) => swap(admitted, over)),
    supported,
    changes: (key) => {
      let known = -1n
      const connected = Stream.suspend(() => connection(key, known)).pipe(
        Stream.tap(({ revision }) =>
          Effect.sync(() => {
            if (revision > known) known = revision
          })
        ),
        // a connection that ends or breaks is made anew from what is known; what cannot get better ends it
        Stream.catchAll((error) => (error.reason === "Unavailable" ? Stream.empty : Stream.fail(error)))
      )
      const resumed = Stream.concat(
        connected,
        Stream.suspend(() => Stream.drain(Stream.fromEffect(Effect.sleep(reconnectAfter))))
      )
      return RegistryRules.onlyRising(Stream.forever(resumed))
    }
  })
}

/** The registry of the relay at a URL. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (options: RelayClient.Options) {
  const { primitives } = yield* Crypto
  return fromClient(yield* RelayClient.make(options), primitives)
})

/** @since 0.1.0 @category layers */
export const layer = (options: RelayClient.Options) => Layer.effect(Registry.Registry, make(options))
