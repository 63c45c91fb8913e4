import { createServer, type Server } from "node:http"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { blake3 } from "@noble/hashes/blake3.js"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as BlobStoreRelay from "../../src/layers/BlobStoreRelay.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as RegistryRelay from "../../src/layers/RegistryRelay.ts"
import * as RelayClient from "../../src/layers/RelayClient.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import type * as BlobStore from "../../src/services/BlobStore.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as ObjectStore from "../../src/services/ObjectStore.ts"
import * as BlobStoreSuite from "../conformance/BlobStore.ts"
import * as RegistrySuite from "../conformance/Registry.ts"
import { patiently } from "../support/programs.ts"
import { entryOf, key } from "../support/registry.ts"
import * as Relay from "../support/relay.ts"

RegistrySuite.suite(
  "relay",
  Effect.gen(function* () {
    const bytes = new Map<string, Uint8Array>()
    const relay = yield* Relay.start(yield* RegistryMemory.make({ bytes }))
    return {
      onlySigned: true,
      registry: yield* Effect.provide(RegistryRelay.make(relay.client), Relay.http),
      plant: (of, planted) => Effect.sync(() => bytes.set(StreamKey.toHex(of), planted)),
      raw: (of) => Effect.sync(() => bytes.get(StreamKey.toHex(of)))
    }
  })
)

BlobStoreSuite.suite(
  "relay",
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const relay = yield* Relay.start(yield* RegistryMemory.make())
      return Layer.merge(
        Layer.provide(BlobStoreRelay.layer(relay.client), Relay.http),
        Layer.succeed(ObjectStore.ObjectStore, relay.objects)
      )
    })
  ).pipe(Layer.provide(CryptoAuto.layer()))
)

const hex = (bytes: Uint8Array) => Bytes.toHex(blake3(bytes))
const hello = new Uint8Array(Bytes.fromUtf8("hello"))

describe("a relay over HTTP", () => {
  const fact = (
    text: string,
    options: Relay.Options,
    check: (
      relay: Relay.Running,
      ask: (path: string, init?: RequestInit & { readonly token?: boolean }) => Effect.Effect<Response>
    ) => Effect.Effect<void>
  ) =>
    it.scopedLive(text, () =>
      Effect.gen(function* () {
        const relay = yield* Relay.start(yield* RegistryMemory.make(), options)
        yield* check(relay, (path, { token = true, ...init } = {}) =>
          Effect.promise(() =>
            fetch(`${relay.url}${path}`, {
              ...init,
              headers: {
                ...(token ? { authorization: `Bearer ${Redacted.value(relay.secret)}` } : {}),
                ...(init.body === undefined ? {} : { "content-type": "application/octet-stream" }),
                ...init.headers
              }
            })
          )
        )
      }).pipe(Effect.provide(CryptoAuto.layer()))
    )
  const text = (response: Response) => Effect.promise(() => response.text())

  fact("a write takes a token that it knows; a token that was taken away is none", {}, (relay, ask) =>
    Effect.gen(function* () {
      const put = { method: "PUT", body: hello }
      assert.strictEqual((yield* ask(`/blobs/${hex(hello)}`, { ...put, token: false })).status, 401)
      assert.strictEqual(
        (yield* ask(`/blobs/${hex(hello)}`, { ...put, headers: { authorization: "Bearer other" } })).status,
        401
      )
      assert.strictEqual((yield* ask("/blobs", { token: false })).status, 401)
      assert.strictEqual((yield* ask(`/blobs/${hex(hello)}`, { method: "DELETE", token: false })).status, 401)
      assert.strictEqual((yield* ask(`/blobs/${hex(hello)}`, put)).status, 201)
      yield* Effect.orDie(relay.tokens.remove("laptop"))
      assert.strictEqual((yield* ask(`/blobs/${hex(hello)}`, put)).status, 401)
      assert.strictEqual((yield* ask(`/blobs/${hex(hello)}`, { token: false })).status, 200, "reads are open")
    })
  )

  fact("a body that is not the blob of its path is refused, and nothing is kept of it", {}, (_, ask) =>
    Effect.gen(function* () {
      const other = hex(Bytes.fromUtf8("other"))
      assert.strictEqual((yield* ask(`/blobs/${other}`, { method: "PUT", body: hello })).status, 400)
      for (const path of [other, hex(hello)]) assert.strictEqual((yield* ask(`/blobs/${path}`)).status, 404)
    })
  )

  fact("ranges, validators and immutable caching are those of HTTP", {}, (_, ask) =>
    Effect.gen(function* () {
      yield* ask(`/blobs/${hex(hello)}`, { method: "PUT", body: hello })
      const part = function* (range: string) {
        const response = yield* ask(`/blobs/${hex(hello)}`, { headers: { range } })
        return [response.status, yield* text(response), response.headers.get("content-range")]
      }
      assert.deepStrictEqual(yield* part("bytes=1-2"), [206, "el", "bytes 1-2/5"])
      assert.deepStrictEqual(yield* part("bytes=3-"), [206, "lo", "bytes 3-4/5"])
      assert.deepStrictEqual(yield* part("bytes=-2"), [206, "lo", "bytes 3-4/5"])
      assert.deepStrictEqual(yield* part("bytes=1-900"), [206, "ello", "bytes 1-4/5"])
      assert.deepStrictEqual(yield* part("bytes=5-"), [416, "", "bytes */5"])
      assert.deepStrictEqual(yield* part("bytes=-0"), [416, "", "bytes */5"])
      assert.deepStrictEqual(yield* part("bytes=2-1"), [416, "", "bytes */5"])
      assert.deepStrictEqual(yield* part("chapters=1-2"), [200, "hello", null])
      const whole = yield* ask(`/blobs/${hex(hello)}`, { headers: { origin: "https://page.example" } })
      assert.strictEqual(whole.headers.get("cache-control"), "public, max-age=31536000, immutable")
      assert.strictEqual(whole.headers.get("access-control-allow-origin"), "*")
      const known = yield* ask(`/blobs/${hex(hello)}`, {
        headers: { "if-none-match": whole.headers.get("etag") ?? "" }
      })
      assert.strictEqual(known.status, 304)
    })
  )

  fact("a large blob comes in parts, whole and by ranges, and its length is told without it", {}, (_, ask) =>
    Effect.gen(function* () {
      const large = new Uint8Array(300_001).map((_, index) => index % 251)
      const path = `/blobs/${hex(large)}`
      yield* ask(path, { method: "PUT", body: large })
      const bytes = function* (range?: string) {
        const response = yield* ask(path, range === undefined ? {} : { headers: { range } })
        const body = new Uint8Array(yield* Effect.promise(() => response.arrayBuffer()))
        return [response.status, response.headers.get("content-length"), body] as const
      }
      assert.deepStrictEqual(yield* bytes(), [200, "300001", large])
      assert.deepStrictEqual(yield* bytes("bytes=1000-199999"), [206, "199000", large.slice(1000, 200_000)])
      assert.deepStrictEqual(yield* bytes("bytes=-70000"), [206, "70000", large.slice(-70_000)])
      const head = yield* ask(path, { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.headers.get("content-length")], [200, "300001"])
    })
  )

  fact(
    "limits of size, rate and total hold, each with its own status",
    {
      maxBlobBytes: 1000,
      token: { maxTotalBytes: 2000, requestsPerSecond: 0.5 }
    },
    (_, ask) =>
      Effect.gen(function* () {
        const put = (bytes: Uint8Array<ArrayBuffer>) => ask(`/blobs/${hex(bytes)}`, { method: "PUT", body: bytes })
        const full = (fill: number) => new Uint8Array(1000).fill(fill)
        assert.strictEqual((yield* put(new Uint8Array(1001))).status, 413)
        assert.strictEqual((yield* put(full(1))).status, 201)
        assert.strictEqual((yield* put(full(2))).status, 201)
        assert.strictEqual((yield* put(full(3))).status, 403, "the total")
        // a burst is ten seconds' worth: five requests
        let last: Response | undefined
        for (let more = 0; more < 4; more++) last = yield* put(full(1))
        assert.strictEqual(last?.status, 429)
        assert.isAbove(Number(last?.headers.get("retry-after")), 0)
      })
  )

  fact(
    "the total counts an entry under a new key, and none that takes the place of another",
    { token: { maxTotalBytes: 400 } },
    (relay, ask) =>
      Effect.gen(function* () {
        const put = (entry: RegistryEntry.RegistryEntry, over?: string) =>
          ask(`/registry/${StreamKey.toHex(entry.key)}`, {
            method: "PUT",
            body: new Uint8Array(RegistryEntry.toBytes(entry)),
            headers: over === undefined ? {} : { "if-match": over }
          })
        const length = RegistryEntry.toBytes(entryOf(1n, "a")).length
        assert.isTrue(length > 134 && length <= 200)
        let tag: string | undefined
        for (let revision = 1n; revision < 6n; revision++) {
          const answer = yield* put(entryOf(revision, `${revision}`), tag)
          assert.strictEqual(answer.status, 200)
          tag = answer.headers.get("etag") ?? undefined
        }
        assert.strictEqual(yield* Effect.orDie(relay.tokens.used("laptop")), length)
        assert.strictEqual((yield* put(entryOf(1n, "a", 7, 1))).status, 200)
        assert.strictEqual((yield* put(entryOf(1n, "a", 7, 2))).status, 403)
        assert.strictEqual(yield* Effect.orDie(relay.tokens.used("laptop")), 2 * length)
      })
  )

  it.scopedLive("a blob counts, also when its writer hangs up before the answer", () =>
    Effect.gen(function* () {
      const { primitives } = yield* Crypto.Crypto
      const inner = BlobStoreObjects.fromObjects(yield* ObjectStoreMemory.make(), primitives)
      const [begun, goOn] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const slow: BlobStore.Service = {
        ...inner,
        // as a write to a disk is, which goes on to its end
        put: (hash, bytes) =>
          Effect.uninterruptible(
            Deferred.succeed(begun, undefined).pipe(
              Effect.zipRight(Deferred.await(goOn)),
              Effect.zipRight(inner.put(hash, bytes))
            )
          )
      }
      const lines: Array<string> = []
      const options = { blobs: slow, log: (line: string) => lines.push(line) }
      const relay = yield* Relay.start(yield* RegistryMemory.make(), options)
      const hangUp = new AbortController()
      const asking = yield* Effect.fork(
        Effect.promise(() =>
          fetch(`${relay.url}/blobs/${hex(hello)}`, {
            method: "PUT",
            body: hello,
            headers: { authorization: `Bearer ${Redacted.value(relay.secret)}` },
            signal: hangUp.signal
          }).catch(() => undefined)
        )
      )
      yield* Deferred.await(begun)
      hangUp.abort()
      yield* Fiber.join(asking)
      // the relay hears of it on the same loop, some rounds later
      for (let round = 0; round < 100; round++)
        yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
      yield* Deferred.succeed(goOn, undefined)
      yield* Effect.repeat(Effect.sleep("5 millis"), {
        until: () => lines.some((line) => line.includes("/blobs/:name"))
      })
      assert.strictEqual(yield* relay.tokens.used("laptop"), hello.length)
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )

  fact(
    "a token lets in no more than 64 others, however many ask at once",
    { token: { mayDelegate: true } },
    (relay, ask) =>
      Effect.gen(function* () {
        const answers = yield* Effect.forEach(
          Array.from({ length: 90 }, (_, at) => at),
          (at) =>
            ask("/tokens", {
              method: "POST",
              body: JSON.stringify({ name: `device-${at}` }),
              headers: { "content-type": "application/json" }
            }),
          { concurrency: 30 }
        )
        assert.strictEqual(answers.filter(({ status }) => status === 200).length, 64)
        assert.strictEqual(answers.filter(({ status }) => status === 403).length, 26)
        assert.lengthOf(yield* Effect.orDie(relay.tokens.list), 65)
      })
  )

  fact("append-only keeps what is there", { appendOnly: true }, (_, ask) =>
    Effect.gen(function* () {
      yield* ask(`/blobs/${hex(hello)}`, { method: "PUT", body: hello })
      assert.strictEqual((yield* ask(`/blobs/${hex(hello)}`, { method: "DELETE" })).status, 403)
      assert.strictEqual(yield* text(yield* ask(`/blobs/${hex(hello)}`)), "hello")
    })
  )

  fact("only signed entries under their own keys are kept", {}, (_, ask) =>
    Effect.gen(function* () {
      const bytes = new Uint8Array(RegistryEntry.toBytes(entryOf(1n, "a")))
      const forged = bytes.slice()
      forged[forged.length - 1]! ^= 1
      const at = (of: StreamKey.StreamKey) => `/registry/${StreamKey.toHex(of)}`
      const put = (path: string, body: Uint8Array<ArrayBuffer>) => ask(path, { method: "PUT", body })
      assert.strictEqual((yield* put(at(key), forged)).status, 400)
      assert.strictEqual((yield* put(at(entryOf(1n, "a", 7, 8).key), bytes)).status, 400, "another key")
      assert.strictEqual((yield* put(at({ _tag: "Local", id: new Uint8Array(32) }), bytes)).status, 400)
      assert.strictEqual((yield* ask(at(key))).status, 404)
      assert.strictEqual((yield* put(at(key), bytes)).status, 200)
      const other = new Uint8Array(RegistryEntry.toBytes(entryOf(2n, "b")))
      const lost = yield* put(at(key), other)
      assert.strictEqual(lost.status, 409, "it was not built on what is there")
      assert.deepStrictEqual(new Uint8Array(yield* Effect.promise(() => lost.arrayBuffer())), bytes)
    })
  )

  it.scopedLive("the log tells routes, statuses and the token's name, and no secret, key or hash", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const relay = yield* Relay.start(yield* RegistryMemory.make(), { log: (line) => lines.push(line) })
      const blobs = yield* Effect.provide(BlobStoreRelay.make(relay.client), Relay.http)
      const { bytes, hash } = BlobStoreSuite.blobOf("hello")
      yield* blobs.put(hash, bytes)
      const response = yield* Effect.promise(() => fetch(`${relay.url}/registry/${StreamKey.toHex(key)}`))
      assert.match(response.headers.get("x-request-id") ?? "", /^[0-9a-f]{16}$/)
      const log = lines.join("\n")
      assert.include(log, '"/blobs/:name"')
      assert.include(log, '"laptop"')
      assert.include(log, response.headers.get("x-request-id") ?? "none")
      for (const secret of [Redacted.value(relay.secret), hex(hello), StreamKey.toHex(key)])
        assert.notInclude(log, secret)
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )

  it.scopedLive("malformed requests by the hundred are 4xx, and it still serves", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.start(yield* RegistryMemory.make())
      const authorization = `Bearer ${Redacted.value(relay.secret)}`
      const paths = [
        "/blobs/zz",
        "/blobs/..%2f..%2fetc",
        "/registry/00",
        `/registry/${"f".repeat(4000)}`,
        "/nothing",
        "/blobs/%00"
      ]
      const statuses = yield* Effect.forEach(
        Array.from({ length: 300 }, (_, index) => paths[index % paths.length]!),
        (path, index) =>
          Effect.promise(() =>
            fetch(`${relay.url}${path}`, {
              method: ["GET", "PUT", "DELETE"][index % 3]!,
              headers: { authorization, range: "bytes=9999999999999999999-", "if-match": "x" },
              ...(index % 3 === 1 ? { body: new Uint8Array(index) } : {})
            }).then(async (response) => {
              await response.arrayBuffer()
              return response.status
            })
          ),
        { concurrency: 20 }
      )
      assert.deepStrictEqual(
        statuses.filter((status) => status < 400 || status >= 500),
        []
      )
      assert.strictEqual(yield* Effect.promise(() => fetch(`${relay.url}/health`).then(({ status }) => status)), 200)
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )

  it.scopedLive("a relay that lies about a blob is found out", () =>
    Effect.gen(function* () {
      const { hash } = BlobStoreSuite.blobOf("hello")
      const { primitives } = yield* Crypto.Crypto
      const { size: _, ...honest } = BlobStoreObjects.fromObjects(yield* ObjectStoreMemory.make(), primitives)
      const lying: BlobStore.Service = {
        ...honest,
        has: () => Effect.succeed(true),
        get: () => Effect.succeed(Bytes.fromUtf8("other"))
      }
      const relay = yield* Relay.start(yield* RegistryMemory.make(), { blobs: lying })
      const blobs = yield* Effect.provide(BlobStoreRelay.make(relay.client), Relay.http)
      assert.strictEqual((yield* Effect.flip(blobs.get(hash))).reason, "Damaged")
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )

  it.effect("a relay that is away is waited for once, and not by each of many requests", () =>
    Effect.gen(function* () {
      let asked = 0
      const away = HttpClient.make((request) =>
        Effect.suspend(() => {
          asked += 1
          return new HttpClientError.RequestError({ request, reason: "Transport", description: "no route" })
        })
      )
      const blobs = yield* Effect.provideService(
        BlobStoreRelay.make({ url: "https://relay.invalid" }),
        HttpClient.HttpClient,
        away
      )
      const { hash } = BlobStoreSuite.blobOf("hello")
      const ask = Effect.gen(function* () {
        const before = asked
        const error = yield* patiently(Effect.flip(blobs.get(hash)))
        assert.strictEqual(error.reason, "Unavailable")
        return asked - before
      })
      assert.strictEqual(yield* ask, 8)
      assert.strictEqual(yield* ask, 2)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* ask, 8)
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )

  it.effect("an answer in a great many tiny parts is read like any other", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array(130_000).map((_, at) => at % 253)
      const tiny = HttpClient.make((request) =>
        Effect.sync(() => {
          let at = 0
          const body = new ReadableStream<Uint8Array>({
            pull: (controller) => {
              for (let more = 0; more < 10_000 && at < bytes.length; more++) controller.enqueue(bytes.slice(at, ++at))
              if (at === bytes.length) controller.close()
            }
          })
          return HttpClientResponse.fromWeb(request, new Response(body))
        })
      )
      const client = yield* Effect.provideService(
        RelayClient.make({ url: "https://relay.invalid" }),
        HttpClient.HttpClient,
        tiny
      )
      const { body } = yield* client.send(HttpClientRequest.get("/blobs/x"))
      assert.isTrue(Bytes.equals(body, bytes))
    })
  )

  it.scopedLive("a relay that answers without end is left, and memory is not", () =>
    Effect.gen(function* () {
      const part = new Uint8Array(1024 * 1024)
      let sent = 0
      const server = yield* Effect.acquireRelease(
        Effect.async<Server>((resume) => {
          const made = createServer((_, response) => {
            const more = () => {
              while (!response.destroyed && response.write(part)) sent += 1
            }
            response.on("drain", more)
            more()
          }).listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
        }),
        (made) => Effect.sync(() => made.closeAllConnections())
      )
      const address = server.address()
      const port = typeof address === "object" ? address?.port : undefined
      const url = `http://127.0.0.1:${port}`
      const blobs = yield* Effect.provide(BlobStoreRelay.make({ url, attempts: 1 }), Relay.http)
      const error = yield* Effect.flip(blobs.get(BlobStoreSuite.blobOf("hello").hash))
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.detail, "more than 134217728 bytes")
      assert.isBelow(sent, 300)
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )
})
