/**
 * A relay: what {@link RelayApi} promises, over any blob store and registry. Several relays over one bucket are one relay,
 * for they keep nothing but what is in there.
 *
 * @since 0.1.0
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as RelayApi from "../schema/RelayApi.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import * as BlobStore from "../services/BlobStore.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Registry from "../services/Registry.ts"
import * as RelayAccess from "./RelayAccess.ts"
import { answer, immutable, partBytes, quoted, rangeOf } from "./RelayAnswer.ts"
import * as RelayMemory from "./RelayMemory.ts"

/** @since 0.1.0 @category models */
export interface Options {
  readonly version: string
  /** The largest blob, in bytes; 64 MiB when absent. */
  readonly maxBlobBytes?: number
  /** Nothing is ever removed. */
  readonly appendOnly?: boolean
  /** It is told to those who ask that no entries are kept. */
  readonly blobsOnly?: boolean
  /** Bytes of bodies in memory at once, and as many of answers; 128 MiB when absent. */
  readonly memoryBytes?: number
}

const mebibyte = 1024 * 1024
/** The largest entry: those of vaults have at most 222 bytes of inline data (docs/format/core.md §7, §20). */
const maxEntryBytes = 1024
const heartbeatEvery = Duration.seconds(15)
const maxDelegationBytes = 4096
const decodeDelegation = Schema.decodeUnknown(Schema.parseJson(RelayApi.Delegation))
/** Room for all answers that are no larger. */
const smallRoom = 16 * mebibyte
/** The most streams of changes that are open at once. */
const mostStreams = 512

const unavailable = (error: { readonly message: string }) => new RelayApi.StoreFailed({ detail: error.message })

const blobFailed = (error: BlobStore.BlobStoreError) =>
  error.reason === "Missing"
    ? new RelayApi.NotHere({ detail: "there is no such blob" })
    : error.reason === "Damaged" || error.reason === "Unreadable"
      ? new RelayApi.Damaged({ detail: error.message })
      : unavailable(error)

const registryFailed = (error: Registry.RegistryError) =>
  error.reason === "Corrupt" ? new RelayApi.Damaged({ detail: error.message }) : unavailable(error)

const writeFailed = (error: Registry.RegistryError) =>
  error.reason === "Refused"
    ? new RelayApi.BadRequest({ detail: error.message })
    : error.reason === "Unsupported"
      ? new RelayApi.Unsupported({ detail: error.detail })
      : registryFailed(error)

/** A write with its count: whoever hangs up meanwhile has written it all the same. Time limits within go on to hold. */
const toItsEnd = <A, E>(write: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  // a child would be interrupted with its parent, however long that waits
  Effect.uninterruptible(Effect.flatMap(Effect.forkDaemon(Effect.interruptible(write)), Fiber.join))

const make = Effect.fnUntraced(function* (options: Options) {
  const blobs = yield* BlobStore.BlobStore
  const registry = yield* Registry.Registry
  const access = yield* RelayAccess.make
  const { primitives } = yield* Crypto.Crypto
  const { appendOnly = false, maxBlobBytes = 64 * mebibyte, memoryBytes = 128 * mebibyte } = options
  const room = Math.max(memoryBytes, maxBlobBytes)
  const reading = yield* RelayMemory.make(room)
  const small = yield* RelayMemory.make(smallRoom)
  const writing = yield* RelayMemory.make(room)
  const open = { streams: 0 }
  /** Counts a stream for as long as it is read. */
  const counted = <A, E>(stream: Stream.Stream<A, E>) =>
    Stream.acquireRelease(
      Effect.sync(() => {
        open.streams += 1
      }),
      () =>
        Effect.sync(() => {
          open.streams -= 1
        })
    ).pipe(Stream.flatMap(() => stream))

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

  /** The body, of the announced length, in one piece of memory. */
  const body = Effect.fnUntraced(function* (length: number) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const bytes = new Uint8Array(length)
    const failed = (problem: string) => new RelayApi.BadRequest({ detail: problem })
    const got = yield* request.stream.pipe(
      Stream.mapError(() => failed("the body could not be read whole")),
      Stream.runFoldEffect(0, (at, part) => {
        if (at + part.length > length) return failed(`the body has more than ${length} bytes`)
        bytes.set(part, at)
        return Effect.succeed(at + part.length)
      })
    )
    return got === length ? bytes : yield* failed(`the body has ${got} bytes, not ${length}`)
  })

  const sizeOf = (hash: Hash.Hash) =>
    blobs.size === undefined ? Effect.succeed(undefined) : Effect.mapError(blobs.size(hash), blobFailed)

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

  const aboutLayer = HttpApiBuilder.group(RelayApi.RelayApi, "about", (handlers) =>
    handlers
      .handle("health", () =>
        Effect.all([blobs.has(Hash.zero), registry.entries({ _tag: "Local", id: new Uint8Array(Hash.length) })]).pipe(
          Effect.mapBoth({ onFailure: unavailable, onSuccess: () => ({ status: "ok" as const }) })
        )
      )
      .handle("info", () =>
        Effect.succeed({
          relay: "cairn" as const,
          version: options.version,
          maxBlobBytes,
          appendOnly,
          registry: options.blobsOnly !== true
        })
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
          const known = blobs.size === undefined ? maxBlobBytes : yield* sizeOf(hash)
          if (known === undefined) return yield* new RelayApi.NotHere({ detail: "there is no such blob" })
          // a small one is out of our hands at once, and never waits for large ones; room for those is given back when the
          // request is over
          const getting = Effect.mapError(blobs.get(hash), blobFailed)
          const bytes = yield* known > partBytes
            ? Effect.zipRight(reading.take(known), getting)
            : Effect.scoped(Effect.zipRight(small.take(known), getting))
          const range = rangeOf(request.headers.range, bytes.length)
          if (range === "none")
            return HttpServerResponse.empty({
              status: 416,
              headers: { ...headers, "content-range": `bytes */${bytes.length}` }
            })
          if (range === "all") return answer(bytes, { headers })
          return answer(bytes.subarray(range.from, range.to + 1), {
            status: 206,
            headers: { ...headers, "content-range": `bytes ${range.from}-${range.to}/${bytes.length}` }
          })
        })
      )
      .handleRaw("headBlob", ({ path }) =>
        Effect.gen(function* () {
          const hash = yield* hashOf(path.hash)
          if (!(yield* Effect.mapError(blobs.has(hash), blobFailed)))
            return yield* new RelayApi.NotHere({ detail: "there is no such blob" })
          const size = yield* sizeOf(hash)
          return HttpServerResponse.empty({
            status: 200,
            headers: { ...immutable(path.hash), ...(size === undefined ? {} : { "content-length": `${size}` }) }
          })
        })
      )
      .handleRaw("putBlob", ({ path }) =>
        Effect.gen(function* () {
          const hash = yield* hashOf(path.hash)
          const length = yield* announced(maxBlobBytes)
          const chain = yield* access.authorize(length)
          yield* Effect.gen(function* () {
            const isNew = !(yield* blobs.has(hash))
            // what is here already costs nobody anything: a write whose answer was lost is sent again
            if (isNew) yield* access.reserve(chain, length)
            yield* writing.take(length)
            const bytes = yield* body(length)
            const found = Hash.toHex(primitives.blake3(bytes))
            if (found !== path.hash)
              return yield* new RelayApi.BadRequest({ detail: `the body's hash is ${found}, not the one in the path` })
            const kept = Effect.zipRight(blobs.put(hash, bytes), blobs.sync)
            yield* toItsEnd(isNew ? Effect.zipRight(kept, access.count(chain, length)) : kept)
          }).pipe(
            Effect.scoped,
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
          yield* access.authorize(0)
          if (appendOnly) return yield* new RelayApi.Forbidden({ detail: "this relay is append-only" })
          yield* Effect.mapError(blobs.remove(hash), unavailable)
          return HttpServerResponse.empty({ status: 204 })
        })
      )
      .handleRaw("listBlobs", () =>
        Effect.map(access.authorize(0), () =>
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
          const chain = yield* access.authorize(length)
          yield* writing.take(length)
          const entry = yield* Either.mapLeft(
            RegistryEntry.fromBytes(primitives, yield* body(length)),
            (problem) => new RelayApi.BadRequest({ detail: problem.message })
          )
          if (!StreamKey.equals(entry.key, key))
            return yield* new RelayApi.BadRequest({ detail: "the entry is of another key than the path" })
          const named = new Set(request.headers["if-match"]?.match(/[0-9a-f]{64}/g) ?? [])
          const held = yield* Effect.mapError(registry.entries(key), registryFailed)
          // one that takes the place of another takes no more room
          const isNew = held.length === 0
          if (isNew) yield* access.reserve(chain, length)
          const set = Effect.mapError(
            registry.set(
              entry,
              held.filter((each) => named.has(etagOf(each)))
            ),
            writeFailed
          )
          const outcome = yield* toItsEnd(
            Effect.tap(set, ({ _tag }) =>
              isNew && _tag === "Stored" ? Effect.mapError(access.count(chain, length), unavailable) : Effect.void
            )
          )
          return outcome._tag === "Lost" ? current(outcome.current, 409) : current(entry, 200)
        }).pipe(Effect.scoped)
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
          if (open.streams >= mostStreams)
            return yield* new RelayApi.StoreFailed({ detail: "too many follow changes at once; come again later" })
          return HttpServerResponse.stream(
            Stream.merge(events, heartbeat, { haltStrategy: "left" }).pipe(Stream.map(Bytes.fromUtf8), counted),
            { contentType: "text/event-stream", headers: { "cache-control": "no-store" } }
          )
        })
      )
  )

  const tokensLayer = HttpApiBuilder.group(RelayApi.RelayApi, "tokens", (handlers) =>
    handlers
      .handleRaw("delegate", () =>
        Effect.gen(function* () {
          const length = yield* announced(maxDelegationBytes)
          const chain = yield* access.authorize(0)
          const asked = yield* Effect.mapError(
            decodeDelegation(Bytes.toUtf8(yield* body(length))),
            () => new RelayApi.BadRequest({ detail: "the body is not what a new token needs: a name at least" })
          )
          const { secret, token } = yield* access.delegate(chain, asked)
          const { expiresAt, maxTotalBytes, name } = token
          return HttpServerResponse.unsafeJson(
            { name, token: Redacted.value(secret), expiresAt, maxTotalBytes } satisfies typeof RelayApi.Delegated.Type,
            { headers: { "cache-control": "no-store" } }
          )
        })
      )
      .handle("listTokens", () =>
        Effect.gen(function* () {
          const chain = yield* access.authorize(0)
          const below = yield* access.letIn(chain)
          return {
            name: chain[0].name,
            tokens: below.map(({ device, expiresAt, hash, name }) => ({ id: hash, name, device, expiresAt }))
          }
        })
      )
      .handle("withdraw", ({ path }) =>
        Effect.gen(function* () {
          const chain = yield* access.authorize(0)
          if (appendOnly)
            return yield* new RelayApi.Forbidden({
              detail:
                "this relay is append-only, and takes nothing away for a token; `cairn serve token remove NAME` at the relay does"
            })
          return { withdrawn: yield* access.withdraw(chain, path.id) }
        })
      )
  )

  return HttpApiBuilder.api(RelayApi.RelayApi).pipe(
    Layer.provide(Layer.mergeAll(aboutLayer, blobsLayer, registryLayer, tokensLayer))
  )
})

/**
 * The relay's handlers over the blob store, registry and tokens of the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options) => Layer.unwrapEffect(make(options))
