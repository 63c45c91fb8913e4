/** Several relays over one bucket are one relay, and one relay serves many clients. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { vi } from "vitest"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as BlobStoreRelay from "../../src/layers/BlobStoreRelay.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreS3 from "../../src/layers/ObjectStoreS3.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as RegistryNone from "../../src/layers/RegistryNone.ts"
import * as RegistryObjectStore from "../../src/layers/RegistryObjectStore.ts"
import * as RegistryRelay from "../../src/layers/RegistryRelay.ts"
import type * as RelayClient from "../../src/layers/RelayClient.ts"
import * as RelayTokensObjectStore from "../../src/layers/RelayTokensObjectStore.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import { noise } from "../e2e/cairn.ts"
import { entryOf, key, wire } from "../support/registry.ts"
import * as Relay from "../support/relay.ts"
import { badLine, Double, options } from "../support/s3Double.ts"

const clients = (given: RelayClient.Options) =>
  Effect.all([BlobStoreRelay.make(given), RegistryRelay.make(given)]).pipe(Effect.provide(Relay.http))

/** A relay over the bucket, on a connection of its own. */
const over = Effect.fnUntraced(function* (double: Double, token?: Relay.Options["token"]) {
  const { primitives } = yield* Crypto.Crypto
  const objects = yield* ObjectStoreS3.make(options(double))
  const relay = yield* Relay.start(yield* RegistryObjectStore.make(objects), {
    blobs: BlobStoreObjects.fromObjects(objects, primitives),
    tokens: yield* RelayTokensObjectStore.make(objects, { prefix: "relay/" }),
    ...(token === undefined ? {} : { token })
  })
  return relay
})

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

describe("relays over one bucket", () => {
  const writers = 8

  it.live("compare and swap as one: of writers at both each is acknowledged once, and none is lost", () =>
    Effect.gen(function* () {
      const double = new Double()
      double.fault = badLine(3)
      const [a, b] = [yield* over(double, { name: "a" }), yield* over(double, { name: "b" })]
      // what one relay gave out serves at the other
      const lines = [
        { url: a.url, token: b.secret },
        { url: b.url, token: a.secret }
      ]
      const acknowledged = yield* Effect.forEach(
        Array.from({ length: writers }, (_, index) => index),
        Effect.fnUntraced(function* (writer) {
          const [, registry] = yield* clients({ ...lines[writer % 2]!, name: `writer ${writer}` })
          for (;;) {
            const held = yield* registry.entries(key)
            const revision = (held[0]?.revision ?? 0n) + 1n
            const entry = entryOf(revision, `${writer}`)
            if ((yield* registry.set(entry, held))._tag === "Stored") return [revision, wire(entry)] as const
          }
        }),
        { concurrency: "unbounded" }
      )
      const revisions = acknowledged.map(([revision]) => revision)
      assert.strictEqual(new Set(revisions).size, writers)
      const [, registry] = yield* clients(lines[0]!)
      const [held] = yield* registry.entries(key)
      assert.strictEqual(held?.revision, BigInt(writers))
      assert.strictEqual(wire(held!), acknowledged.find(([revision]) => revision === held?.revision)?.[1])
    }).pipe(Effect.scoped, Effect.provide(CryptoAuto.layer()))
  )

  it.live("have the same blobs and count the same total", () =>
    Effect.gen(function* () {
      const { primitives } = yield* Crypto.Crypto
      const double = new Double()
      const a = yield* over(double, { name: "shared", maxTotalBytes: 1000 })
      const b = yield* over(double, { name: "other" })
      const [left] = yield* clients({ url: a.url, token: a.secret })
      const [right] = yield* clients({ url: b.url, token: a.secret })
      const blob = (fill: number) => {
        const bytes = new Uint8Array(100).fill(fill)
        return [primitives.blake3(bytes), bytes] as const
      }
      const fills = Array.from({ length: 10 }, (_, index) => index)
      yield* Effect.forEach(fills, (fill) => (fill % 2 === 0 ? left : right).put(...blob(fill)), { concurrency: 5 })
      for (const [fill, store] of fills.flatMap((each) => [[each, left] as const, [each, right] as const]))
        assert.deepStrictEqual(yield* store.get(blob(fill)[0]), blob(fill)[1])
      assert.strictEqual(yield* a.tokens.used("shared"), 1000)
      for (const store of [left, right])
        assert.strictEqual((yield* Effect.flip(store.put(...blob(11)))).reason, "Denied")
    }).pipe(Effect.scoped, Effect.provide(CryptoAuto.layer()))
  )
})

describe("a relay over a bucket that does not heed conditions", () => {
  for (const conditions of ["ignored", "create-only", "unsupported"] as const)
    it.live(`(${conditions}) takes blobs, and says once and for all that it keeps no entries`, () =>
      Effect.gen(function* () {
        const { primitives } = yield* Crypto.Crypto
        const double = new Double()
        double.conditions = conditions
        const objects = yield* ObjectStoreS3.make(options(double))
        const relay = yield* Relay.start(yield* RegistryObjectStore.make(objects), {
          blobs: BlobStoreObjects.fromObjects(objects, primitives)
        })
        const [blobs, registry] = yield* clients(relay.client)
        const bytes = Bytes.fromUtf8("hello")
        yield* blobs.put(primitives.blake3(bytes), bytes)
        const began = Date.now()
        const error = yield* Effect.flip(registry.set(entryOf(1n, "a"), []))
        assert.strictEqual(error.reason, "Unsupported")
        assert.include(error.message, "another place for the registry")
        // a relay that is away is asked again for half a minute
        assert.isBelow(Date.now() - began, 10_000)
        assert.deepStrictEqual(yield* registry.entries(key), [])
      }).pipe(Effect.scoped, Effect.provide(CryptoAuto.layer()))
    )

  it.live("keeps blobs alone where it was told so, and its clients learn that before they bring anything", () =>
    Effect.gen(function* () {
      const none = RegistryNone.make({ name: "none", detail: "blobs alone" })
      const relay = yield* Relay.start(none, { blobsOnly: true })
      const [, registry] = yield* clients(relay.client)
      assert.strictEqual((yield* Effect.flip(registry.supported ?? Effect.void)).reason, "Unsupported")
      assert.strictEqual((yield* Effect.flip(registry.set(entryOf(1n, "a"), []))).reason, "Unsupported")
      assert.deepStrictEqual(yield* registry.entries(key), [])
      const [, other] = yield* clients((yield* Relay.start(yield* RegistryMemory.make())).client)
      yield* other.supported ?? Effect.die("it is known")
    }).pipe(Effect.scoped, Effect.provide(CryptoAuto.layer()))
  )
})

describe("a relay under load", () => {
  it.live("of 200 clients at once none meets an error, and what each was told is kept", () =>
    Effect.gen(function* () {
      const { primitives } = yield* Crypto.Crypto
      const relay = yield* Relay.start(yield* RegistryMemory.make())
      const shared = noise("shared", 100_000)
      const one = Effect.fnUntraced(function* (client: number) {
        const [blobs, registry] = yield* clients({ ...relay.client, name: `client ${client}`, attempts: 1 })
        const mine = (client % 10 === 0 ? [noise(`${client} large`, 80_000), shared] : [noise(client, 2000)]).map(
          (bytes) => [primitives.blake3(bytes), new Uint8Array(bytes)] as const
        )
        for (const [hash, bytes] of mine) {
          yield* blobs.put(hash, bytes)
          if (!Bytes.equals(yield* blobs.get(hash), bytes)) return yield* Effect.fail({ message: "other bytes" })
        }
        const entry = entryOf(1n, `${client}`, 7, client % 256)
        const outcome = yield* registry.set(entry, [])
        const [held] = yield* registry.entries(entry.key)
        if (held === undefined) return yield* Effect.fail({ message: "an entry is not there" })
        if (outcome._tag === "Stored" && wire(held) !== wire(entry)) return yield* Effect.fail({ message: "another" })
      })
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, index) => index),
        (client) => Effect.either(one(client)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        outcomes.filter(Either.isLeft).map(({ left }) => left.message),
        []
      )
    }).pipe(Effect.scoped, Effect.provide(CryptoAuto.layer()))
  )

  it.live("clients that are held back by their rate are told when to come again, and get there", () =>
    Effect.gen(function* () {
      const { primitives } = yield* Crypto.Crypto
      const relay = yield* Relay.start(yield* RegistryMemory.make(), { token: { requestsPerSecond: 1 } })
      // a burst of ten, and then no more than the rate
      const statuses = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, index) => new Uint8Array([index, index >> 8])),
        (bytes) =>
          Effect.promise(() =>
            fetch(`${relay.url}/blobs/${Bytes.toHex(primitives.blake3(bytes))}`, {
              method: "PUT",
              headers: { authorization: `Bearer ${Redacted.value(relay.secret)}` },
              body: bytes
            }).then(({ headers, status }) => [status, headers.get("retry-after")] as const)
          ),
        { concurrency: 40 }
      )
      const refused = statuses.filter(([status]) => status !== 201)
      assert.isAbove(refused.length, 0)
      for (const [status, after] of refused) assert.deepStrictEqual([status, after], [429, "1"])
      assert.isAtLeast(statuses.length - refused.length, 10)
      const bytes = Bytes.fromUtf8("after a while")
      const [blobs] = yield* clients(relay.client)
      yield* blobs.put(primitives.blake3(bytes), bytes)
    }).pipe(Effect.scoped, Effect.provide(CryptoAuto.layer()))
  )
})
