import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as BlobStoreCached from "../../src/layers/BlobStoreCached.ts"
import * as BlobStoreFallback from "../../src/layers/BlobStoreFallback.ts"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as BlobStoreVerified from "../../src/layers/BlobStoreVerified.ts"
import * as CryptoPortable from "../../src/layers/CryptoPortable.ts"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import { BlobStoreError, type Service } from "../../src/services/BlobStore.ts"
import { Crypto } from "../../src/services/Crypto.ts"
import { ObjectStore } from "../../src/services/ObjectStore.ts"
import * as BlobStoreConformance from "../conformance/BlobStore.ts"
import { temporaryFolder } from "../support/folders.ts"

const { blobOf } = BlobStoreConformance

const over = (objects: Layer.Layer<ObjectStore>) =>
  BlobStoreObjects.layer.pipe(Layer.provideMerge(objects), Layer.provideMerge(CryptoPortable.layer))
const files = (hardLinks: boolean) =>
  Layer.scoped(
    ObjectStore,
    Effect.flatMap(temporaryFolder, (directory) => ObjectStoreFs.make({ directory, hardLinks }))
  )
const memory = over(ObjectStoreMemory.layer())
const unreachable: Service = {
  name: "unreachable",
  has: () => failing,
  get: () => failing,
  put: () => failing,
  list: Stream.fromEffect(Effect.suspend(() => failing)),
  remove: () => failing,
  sync: Effect.suspend(() => failing)
}
const failing = new BlobStoreError({ reason: "Unavailable", store: "unreachable", blob: "any", detail: "no route" })

const empty = Effect.gen(function* () {
  const { primitives } = yield* Crypto
  return BlobStoreObjects.fromObjects(yield* ObjectStoreMemory.make({ name: "second" }), primitives)
})

BlobStoreConformance.suite("memory", memory)
BlobStoreConformance.suite("files", over(files(true)))
BlobStoreConformance.suite("files without hard links", over(files(false)))
BlobStoreConformance.suite("cached", BlobStoreCached.layer({ maxBytes: 1 << 20 }).pipe(Layer.provideMerge(memory)))
BlobStoreConformance.suite("verified", BlobStoreVerified.layer.pipe(Layer.provideMerge(memory)))
BlobStoreConformance.suite(
  "with a fallback that has nothing",
  Layer.unwrapEffect(Effect.map(empty, (second) => BlobStoreFallback.layer(second))).pipe(Layer.provideMerge(memory))
)

const two = Effect.gen(function* () {
  const { primitives } = yield* Crypto
  const objects = yield* ObjectStoreMemory.make({ name: "first" })
  const first = BlobStoreObjects.fromObjects(objects, primitives)
  return { objects, first, second: yield* empty, primitives }
})
const live = <E>(text: string, effect: Effect.Effect<void, E, Crypto>) =>
  it.effect(text, () => Effect.provide(effect, CryptoPortable.layer))
const hello = blobOf("hello")

describe("a cached blob store", () => {
  live(
    "answers reads from memory, but never that it has a blob, and uploads what was removed behind it",
    Effect.gen(function* () {
      const { first } = yield* two
      const cached = yield* BlobStoreCached.cached(first, { maxBytes: 1000 })
      yield* cached.put(hello.hash, hello.bytes)
      yield* cached.get(hello.hash)
      yield* first.remove(hello.hash)
      assert.deepStrictEqual(yield* cached.get(hello.hash), hello.bytes)
      assert.isFalse(yield* cached.has(hello.hash))
      yield* cached.put(hello.hash, hello.bytes)
      assert.isTrue(yield* first.has(hello.hash))
    })
  )

  live(
    "keeps no more bytes than it may, forgets the one read longest ago, and gives out copies",
    Effect.gen(function* () {
      const { first } = yield* two
      const cached = yield* BlobStoreCached.cached(first, { maxBytes: 250 })
      const blobs = ["a", "b", "c"].map((letter) => blobOf(letter.repeat(100)))
      const huge = blobOf("h".repeat(251))
      for (const { bytes, hash } of [...blobs, huge]) yield* first.put(hash, bytes)
      const [a, b, c] = blobs
      for (const blob of [a!, b!, a!, c!, huge]) (yield* cached.get(blob.hash)).fill(0)
      for (const { hash } of [...blobs, huge]) yield* first.remove(hash)
      assert.deepStrictEqual(yield* cached.get(a!.hash), a!.bytes)
      assert.deepStrictEqual(yield* cached.get(c!.hash), c!.bytes)
      assert.strictEqual((yield* Effect.flip(cached.get(b!.hash))).reason, "Missing")
      assert.strictEqual((yield* Effect.flip(cached.get(huge.hash))).reason, "Missing")
    })
  )
})

describe("a blob store with a fallback", () => {
  live(
    "reads from the others what the first misses, has damaged or cannot give",
    Effect.gen(function* () {
      const { first, objects, second } = yield* two
      yield* second.put(hello.hash, hello.bytes)
      const both = BlobStoreFallback.withFallback(first, unreachable, second)
      assert.deepStrictEqual(yield* both.get(hello.hash), hello.bytes)
      yield* objects.put(StorePath.blob(objects.features, hello.hash), new Uint8Array(5))
      assert.deepStrictEqual(yield* both.get(hello.hash), hello.bytes)
      assert.deepStrictEqual(yield* BlobStoreFallback.withFallback(unreachable, second).get(hello.hash), hello.bytes)
    })
  )

  live(
    "has, keeps and syncs in the first alone",
    Effect.gen(function* () {
      const { first, second } = yield* two
      yield* second.put(hello.hash, hello.bytes)
      const both = BlobStoreFallback.withFallback(first, second)
      assert.isFalse(yield* both.has(hello.hash))
      yield* both.put(hello.hash, hello.bytes)
      assert.isTrue(yield* first.has(hello.hash))
      const other = blobOf("other")
      yield* both.put(other.hash, other.bytes)
      assert.isFalse(yield* second.has(other.hash))
      const broken = BlobStoreFallback.withFallback(unreachable, second)
      for (const use of [Effect.asVoid(broken.has(hello.hash)), broken.put(hello.hash, hello.bytes), broken.sync]) {
        assert.strictEqual((yield* Effect.flip(use)).reason, "Unavailable")
      }
    })
  )

  live(
    "tells the first's failure with the others' in it, and says Missing only if every store said something final",
    Effect.gen(function* () {
      const { first, second } = yield* two
      const missing = yield* Effect.flip(BlobStoreFallback.withFallback(first, second).get(hello.hash))
      assert.deepStrictEqual([missing.reason, missing.store], ["Missing", "first"])
      assert.include(missing.detail, "second: ")
      const perhaps = yield* Effect.flip(BlobStoreFallback.withFallback(first, unreachable).get(hello.hash))
      assert.deepStrictEqual([perhaps.reason, perhaps.store], ["Unavailable", "first"])
      assert.include(perhaps.detail, "unreachable: no route")
    })
  )
})

describe("a verified blob store", () => {
  live(
    "neither gives out nor keeps bytes that are not the blob's, whatever is below it",
    Effect.gen(function* () {
      const { first, primitives } = yield* two
      const other = blobOf("other")
      const lying = BlobStoreVerified.verified({ ...first, get: () => Effect.succeed(other.bytes) }, primitives)
      assert.strictEqual((yield* Effect.flip(lying.get(hello.hash))).reason, "Damaged")
      assert.strictEqual((yield* Effect.flip(lying.put(hello.hash, other.bytes))).reason, "Damaged")
      assert.isFalse(yield* first.has(hello.hash))
      assert.deepStrictEqual(yield* lying.get(other.hash), other.bytes)
    })
  )
})
