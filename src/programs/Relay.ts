/**
 * A relay: what {@link RelayApi} promises, over any blob store and registry. Several relays over one bucket are one relay,
 * for they keep nothing but what is in there.
 *
 * @since 0.1.0
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as RelayApi from "../schema/RelayApi.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import * as BlobStore from "../services/BlobStore.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Registry from "../services/Registry.ts"
import * as RelayTokens from "../services/RelayTokens.ts"
import * as RelayLimits from "./RelayLimits.ts"

/** @since 0.1.0 @category models */
export interface Options {
  readonly version: string
  /** The largest blob, in bytes; 64 MiB when absent. */
  readonly maxBlobBytes?: number
  /** Nothing is ever removed. */
  readonly appendOnly?: boolean
  /** Bytes of bodies and blobs in memory at once; 256 MiB when absent. */
  readonly memoryBytes?: number
}

/** How a request is told of in the log; the token's name is put in once it is known. @since 0.1.0 @category services */
export class RequestLog extends Context.Reference<RequestLog>()("cairn/RelayRequest", {
  defaultValue: (): { token: string | undefined; bytes: number } => ({ token: undefined, bytes: 0 })
}) {}

const mebibyte = 1024 * 1024
/** The largest entry: a pin's inline data and what stands around it (docs/format/core.md §7). */
const maxEntryBytes = mebibyte + 1024
const heartbeatEvery = Duration.seconds(15)

/** The permits of the memory semaphore are of this size. */
const permitBytes = 64 * 1024

const unavailable = (error: { readonly message: string }) => new RelayApi.StoreFailed({ detail: error.message })

const blobFailed = (error: BlobStore.BlobStoreError) =>
  error.reason === "Missing"
    ? new RelayApi.NotHere({ detail: "there is no such blob" })
    : error.reason === "Damaged" || error.reason === "Unreadable"
      ? new RelayApi.Damaged({ detail: error.message })
      : unavailable(error)

const registryFailed = (error: Registry.RegistryError) =>
  error.reason === "Corrupt" ? new RelayApi.Damaged({ detail: error.message }) : unavailable(error)

const quoted = (hex: string): string => `"${hex}"`

/** The inclusive range that a `Range` header asks of `size` bytes: all, a part, or none that there is. */
const rangeOf = (header: string | undefined, size: number): { from: number; to: number } | "all" | "none" => {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? []
  if (first === undefined || last === undefined || (first === "" && last === "")) return "all"
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1)
  return from > to || (first === "" && Number(last) === 0) ? "none" : { from, to }
}

const make = Effect.fnUntraced(function* (options: Options) {
  const blobs = yield* BlobStore.BlobStore
  const registry = yield* Registry.Registry
  const tokens = yield* RelayTokens.RelayTokens
  const { primitives } = yield* Crypto.Crypto
  const { appendOnly = false, maxBlobBytes = 64 * mebibyte, memoryBytes = 256 * mebibyte } = options
  const permits = Math.max(1, Math.ceil(Math.max(memoryBytes, maxBlobBytes) / permitBytes))
  const memory = yield* Effect.makeSemaphore(permits)
  const requests = new Map<string, RelayLimits.Bucket>()
  const traffic = new Map<string, RelayLimits.Bucket>()

  /** Runs with room for `bytes` of memory. */
  const withMemory = (bytes: number) => memory.withPermits(Math.min(permits, Math.ceil(bytes / permitBytes)))

  const slow = Effect.fnUntraced(function* (
    buckets: Map<string, RelayLimits.Bucket>,
    name: string,
    rate: number | undefined,
    amount: number
  ) {
    if (rate === undefined) return
    const { bucket, wait } = RelayLimits.take(buckets.get(name), rate, amount, yield* Clock.currentTimeMillis)
    buckets.set(name, bucket)
    if (wait === 0) return
    const seconds = Math.ceil(wait)
    yield* HttpApp.appendPreResponseHandler((_, response) =>
      Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", `${seconds}`))
    )
    return yield* new RelayApi.TooFast({ detail: "slower, please: this token's rate is used up", retryAfter: seconds })
  })

  /** The token that a request shows, once its rates allow a body of `bytes`. */
  const authorize = Effect.fnUntraced(function* (bytes: number) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const shown = /^Bearer (\S{1,256})$/i.exec(request.headers.authorization ?? "")?.[1]
    if (shown === undefined)
      return yield* new RelayApi.Unauthorized({ detail: "a write needs a token, as `Authorization: Bearer TOKEN`" })
    const hash = Bytes.toHex(primitives.blake3(Bytes.fromUtf8(shown)))
    const token = yield* Effect.mapError(tokens.byHash(hash), unavailable)
    if (token === undefined)
      return yield* new RelayApi.Unauthorized({ detail: "this relay does not know the token, or no longer" })
    const log = yield* RequestLog
    log.token = token.name
    log.bytes = bytes
    yield* slow(requests, token.name, token.requestsPerSecond, 1)
    yield* slow(traffic, token.name, token.bytesPerSecond, bytes)
    if (token.maxTotalBytes !== undefined && bytes > 0) {
      const used = yield* Effect.mapError(tokens.used(token.name), unavailable)
      if (used + bytes > token.maxTotalBytes)
        return yield* new RelayApi.Forbidden({
          detail: `this token may write ${token.maxTotalBytes} bytes in all, and has written ${used}`
        })
    }
    return token
  })

  /** The length that the request says its body has. */
  const announced = Effect.fnUntraced(function* (limit: number) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const text = request.headers["content-length"]
    const length = text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
    if (length === undefined) return yield* new RelayApi.BadRequest({ detail: "a body needs its Content-Length" })
    if (length > limit)
      return yield* new RelayApi.TooLarge({ detail: `${length} bytes are more than this relay takes`, limit })
    return length
  })

  /** The body, of the announced length. */
  const body = Effect.fnUntraced(function* (length: number) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const buffer = yield* Effect.mapError(
      HttpServerRequest.withMaxBodySize(request.arrayBuffer, Option.some(length)),
      () => new RelayApi.BadRequest({ detail: "the body could not be read whole" })
    )
    if (buffer.byteLength !== length)
      return yield* new RelayApi.BadRequest({ detail: `the body has ${buffer.byteLength} bytes, not ${length}` })
    return new Uint8Array(buffer)
  })

  const hashOf = (hex: string) =>
    Either.mapLeft(Hash.fromHex(hex), (problem) => new RelayApi.BadRequest({ detail: problem.message }))

  const keyOf = (hex: string) =>
    Either.flatMap(Bytes.fromHex(hex, hex.length / 2), StreamKey.fromStorageKey).pipe(
      Either.mapLeft((problem) => new RelayApi.BadRequest({ detail: problem.message })),
      Either.filterOrLeft(
        (key) => key._tag === "Vault",
        () => new RelayApi.BadRequest({ detail: "a relay keeps signed entries only, those of vaults" })
      )
    )

  const etagOf = (entry: RegistryEntry.RegistryEntry): string =>
    Hash.toHex(primitives.blake3(RegistryEntry.toBytes(entry)))

  const immutable = (hash: string) => ({
    etag: quoted(hash),
    "cache-control": "public, max-age=31536000, immutable",
    "accept-ranges": "bytes"
  })

  const aboutLayer = HttpApiBuilder.group(RelayApi.RelayApi, "about", (handlers) =>
    handlers
      .handle("health", () =>
        Effect.all([blobs.has(Hash.zero), registry.entries({ _tag: "Local", id: new Uint8Array(Hash.length) })]).pipe(
          Effect.mapBoth({ onFailure: unavailable, onSuccess: () => ({ status: "ok" as const }) })
        )
      )
      .handle("info", () =>
        Effect.succeed({ relay: "cairn" as const, version: options.version, maxBlobBytes, appendOnly })
      )
  )

  const blobsLayer = HttpApiBuilder.group(RelayApi.RelayApi, "blobs", (handlers) =>
    handlers
      .handleRaw("getBlob", ({ path }) =>
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const hash = yield* hashOf(path.hash)
          const headers = immutable(path.hash)
          if (request.headers["if-none-match"]?.includes(headers.etag) === true)
            return HttpServerResponse.empty({ status: 304, headers })
          const bytes = yield* Effect.mapError(blobs.get(hash), blobFailed)
          const range = rangeOf(request.headers.range, bytes.length)
          if (range === "none")
            return HttpServerResponse.empty({
              status: 416,
              headers: { ...headers, "content-range": `bytes */${bytes.length}` }
            })
          if (range === "all")
            return HttpServerResponse.uint8Array(bytes, { headers, contentType: "application/octet-stream" })
          return HttpServerResponse.uint8Array(bytes.subarray(range.from, range.to + 1), {
            status: 206,
            contentType: "application/octet-stream",
            headers: { ...headers, "content-range": `bytes ${range.from}-${range.to}/${bytes.length}` }
          })
        }).pipe(withMemory(Math.min(maxBlobBytes, mebibyte)))
      )
      .handleRaw("headBlob", ({ path }) =>
        Effect.gen(function* () {
          const hash = yield* hashOf(path.hash)
          if (!(yield* Effect.mapError(blobs.has(hash), blobFailed)))
            return yield* new RelayApi.NotHere({ detail: "there is no such blob" })
          return HttpServerResponse.empty({ status: 200, headers: immutable(path.hash) })
        })
      )
      .handleRaw("putBlob", ({ path }) =>
        Effect.gen(function* () {
          const hash = yield* hashOf(path.hash)
          const length = yield* announced(maxBlobBytes)
          const token = yield* authorize(length)
          yield* Effect.gen(function* () {
            const bytes = yield* body(length)
            const found = Hash.toHex(primitives.blake3(bytes))
            if (found !== path.hash)
              return yield* new RelayApi.BadRequest({ detail: `the body's hash is ${found}, not the one in the path` })
            const isNew = !(yield* blobs.has(hash))
            yield* Effect.zipRight(blobs.put(hash, bytes), blobs.sync)
            if (isNew) yield* tokens.use(token.name, length)
          }).pipe(
            withMemory(length),
            Effect.catchTags({
              BlobStoreError: (error) => unavailable(error),
              RelayTokensError: (error) => unavailable(error)
            })
          )
          return HttpServerResponse.empty({ status: 201, headers: { etag: quoted(path.hash) } })
        })
      )
      .handleRaw("deleteBlob", ({ path }) =>
        Effect.gen(function* () {
          const hash = yield* hashOf(path.hash)
          yield* authorize(0)
          if (appendOnly) return yield* new RelayApi.Forbidden({ detail: "this relay is append-only" })
          yield* Effect.mapError(blobs.remove(hash), unavailable)
          return HttpServerResponse.empty({ status: 204 })
        })
      )
      .handleRaw("listBlobs", () =>
        Effect.map(authorize(0), () =>
          HttpServerResponse.stream(
            Stream.map(blobs.list, (hash) => Bytes.fromUtf8(`${Hash.toHex(hash)}\n`)),
            { contentType: "text/plain" }
          )
        )
      )
  )

  const current = (entry: RegistryEntry.RegistryEntry, status: number) =>
    HttpServerResponse.uint8Array(RegistryEntry.toBytes(entry), {
      status,
      contentType: "application/octet-stream",
      headers: { etag: quoted(etagOf(entry)), "cache-control": "no-store" }
    })

  const registryLayer = HttpApiBuilder.group(RelayApi.RelayApi, "registry", (handlers) =>
    handlers
      .handleRaw("getEntry", ({ path }) =>
        Effect.gen(function* () {
          const key = yield* keyOf(path.key)
          const [newest] = yield* Effect.mapError(registry.entries(key), registryFailed)
          return newest === undefined
            ? yield* new RelayApi.NotHere({ detail: "nothing is published under this key" })
            : current(newest, 200)
        })
      )
      .handle("getEntries", ({ path }) =>
        Effect.gen(function* () {
          const key = yield* keyOf(path.key)
          const held = yield* Effect.mapError(registry.entries(key), registryFailed)
          return { entries: held.map((entry) => Bytes.toHex(RegistryEntry.toBytes(entry))) }
        })
      )
      .handleRaw("putEntry", ({ path }) =>
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const key = yield* keyOf(path.key)
          const length = yield* announced(maxEntryBytes)
          yield* authorize(length)
          const entry = yield* Either.mapLeft(
            RegistryEntry.fromBytes(primitives, yield* body(length)),
            (problem) => new RelayApi.BadRequest({ detail: problem.message })
          )
          if (!StreamKey.equals(entry.key, key))
            return yield* new RelayApi.BadRequest({ detail: "the entry is of another key than the path" })
          const named = new Set(request.headers["if-match"]?.match(/[0-9a-f]{64}/g) ?? [])
          const held = named.size === 0 ? [] : yield* Effect.mapError(registry.entries(key), registryFailed)
          const outcome = yield* Effect.mapError(
            registry.set(
              entry,
              held.filter((each) => named.has(etagOf(each)))
            ),
            (error) =>
              error.reason === "Refused" ? new RelayApi.BadRequest({ detail: error.message }) : registryFailed(error)
          )
          return outcome._tag === "Lost" ? current(outcome.current, 409) : current(entry, 200)
        })
      )
      .handleRaw("changes", ({ path }) =>
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const key = yield* keyOf(path.key)
          const last = request.headers["last-event-id"]
          const known = last !== undefined && /^\d{1,20}$/.test(last) ? BigInt(last) : -1n
          const events = registry.changes(key).pipe(
            Stream.filter(({ revision }) => revision > known),
            Stream.map(
              (entry) => `id: ${entry.revision}\nevent: entry\ndata: ${Bytes.toHex(RegistryEntry.toBytes(entry))}\n\n`
            )
          )
          // a connection that is gone is only noticed by writing to it
          const heartbeat = Stream.as(Stream.tick(heartbeatEvery), ": still here\n\n")
          return HttpServerResponse.stream(
            Stream.map(Stream.merge(events, heartbeat, { haltStrategy: "left" }), Bytes.fromUtf8),
            { contentType: "text/event-stream", headers: { "cache-control": "no-store" } }
          )
        })
      )
  )

  return HttpApiBuilder.api(RelayApi.RelayApi).pipe(
    Layer.provide(Layer.mergeAll(aboutLayer, blobsLayer, registryLayer))
  )
})

/**
 * The relay's handlers over the blob store, registry and tokens of the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options) => Layer.unwrapEffect(make(options))

/** A new secret for a device, and what the relay keeps of it. @since 0.1.0 @category programs */
export const issueToken = Effect.fn("Relay.issueToken")(function* (
  token: Omit<ConstructorParameters<typeof RelayTokens.Token>[0], "hash">
) {
  const { primitives, randomBytes } = yield* Crypto.Crypto
  const tokens = yield* RelayTokens.RelayTokens
  const secret = `cairn_${Bytes.toHex(yield* randomBytes(32))}`
  const hash = Bytes.toHex(primitives.blake3(Bytes.fromUtf8(secret)))
  const isNew = yield* tokens.create(new RelayTokens.Token({ ...token, hash }))
  return isNew ? Redacted.make(secret) : undefined
})
