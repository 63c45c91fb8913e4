import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Mending from "../../src/fs5/Mending.ts"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as PackIndexAuto from "../../src/layers/PackIndexAuto.ts"
import * as PackIndexLmdb from "../../src/layers/PackIndexLmdb.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as Hash from "../../src/schema/Hash.ts"
import { BlobStore, batchOf } from "../../src/services/BlobStore.ts"
import { ObjectStore } from "../../src/services/ObjectStore.ts"
import { PackIndex } from "../../src/services/PackIndex.ts"
import * as BlobStoreConformance from "../conformance/BlobStore.ts"
import { noise } from "../e2e/cairn.ts"
import { temporaryFolder } from "../support/folders.ts"
import { primitives } from "../support/primitives.ts"

const files = Layer.scoped(
  ObjectStore,
  Effect.flatMap(temporaryFolder, (directory) => ObjectStoreFs.make({ directory }))
)
const lmdb = Layer.scoped(
  PackIndex,
  Effect.flatMap(temporaryFolder, (directory) =>
    Effect.orDie(PackIndexLmdb.make({ directory: join(directory, "a/b") }))
  )
)
const auto = Layer.scoped(
  PackIndex,
  Effect.flatMap(temporaryFolder, (directory) => PackIndexAuto.make({ directory: join(directory, "index") }))
)

const over = (objects: Layer.Layer<ObjectStore>, index: Layer.Layer<PackIndex>, packSize: number) =>
  BlobStorePacked.layer({ packSize }).pipe(
    Layer.provideMerge(Layer.mergeAll(objects, index, Layer.orDie(CryptoAuto.layer())))
  )

/** Every put is behind a barrier. */
const syncing = Layer.effect(
  BlobStore,
  Effect.map(BlobStore, (inner) => ({
    ...inner,
    put: (hash: Parameters<typeof inner.put>[0], bytes: Uint8Array) =>
      Effect.zipRight(inner.put(hash, bytes), inner.sync)
  }))
)

const memory = ObjectStoreMemory.layer()
const combinations: ReadonlyArray<readonly [string, Layer.Layer<ObjectStore>, Layer.Layer<PackIndex>, number]> = [
  ["files, index in LMDB", files, lmdb, 300_000],
  ["files, index in LMDB, small packs", files, auto, 1000],
  ["files, index in memory", files, PackIndexMemory.layer, 300_000],
  ["memory, index in LMDB", memory, auto, 300_000],
  ["memory, index in memory, small packs", memory, PackIndexMemory.layer, 1000]
]
for (const [name, objects, index, packSize] of combinations) {
  const packed = over(objects, index, packSize)
  BlobStoreConformance.suite(`packed, ${name}`, packed, { packed: true })
  BlobStoreConformance.suite(`packed, ${name}, each put behind a barrier`, syncing.pipe(Layer.provideMerge(packed)), {
    packed: true
  })
}

describe("many blobs at once", () => {
  const blobOf = (seed: number, length = 300) => {
    const bytes = new Uint8Array(noise(seed, length))
    return { hash: primitives.blake3(bytes), bytes }
  }
  /** Small ones for several packs, one that no pack takes, and one twice. */
  const all = [...Array.from({ length: 30 }, (_, at) => blobOf(at + 1)), blobOf(50, 5000), blobOf(7), blobOf(60)]

  const made = Effect.fnUntraced(function* (isPacking = true) {
    const [objects, index] = [yield* ObjectStore, yield* PackIndex]
    return yield* BlobStorePacked.make({
      objects,
      index,
      primitives,
      packSize: 2000,
      isPacking: Effect.succeed(isPacking)
    })
  })

  for (const isPacking of [true, false])
    it.scopedLive(`are as they were when each had been put by itself${isPacking ? "" : ", nothing being packed"}`, () =>
      Effect.gen(function* () {
        const store = yield* made(isPacking)
        // held and in the index already
        yield* store.put(all[3]!.hash, all[3]!.bytes)
        yield* store.sync
        yield* store.put(all[5]!.hash, all[5]!.bytes)
        // of a Buffer `slice` is no copy
        const lent = all.map(({ bytes, hash }) => ({ hash, stored: Buffer.from(bytes) }))
        yield* batchOf(store)!.putAll(lent)
        // the memory is the caller's again
        for (const { stored } of lent) stored.fill(0)
        for (const { bytes, hash } of all) assert.deepStrictEqual(yield* store.get(hash), bytes)
        yield* store.sync
        const again = yield* made()
        for (const { bytes, hash } of all) assert.deepStrictEqual(yield* again.get(hash), bytes)
        const names = new Set(all.map(({ hash }) => Hash.toHex(hash)))
        const listed = Array.from(yield* Stream.runCollect(again.list), Hash.toHex)
        assert.deepStrictEqual(listed.sort(), [...names].sort())
      }).pipe(
        Effect.provide(
          Layer.mergeAll(ObjectStoreMemory.layer(), PackIndexMemory.layer, Layer.orDie(CryptoAuto.layer()))
        )
      )
    )

  it.scopedLive("are no matter of a store whose put was replaced, and a mending one mends", () =>
    Effect.gen(function* () {
      const store = yield* made()
      const { bytes, hash } = blobOf(1)
      assert.isDefined(batchOf(store))
      assert.isDefined(batchOf({ ...store, name: "other" }))
      assert.isUndefined(batchOf({ ...store, put: (hash, bytes) => store.put(hash, bytes) }))
      assert.isUndefined(batchOf(Mending.mending(store)))
      assert.deepStrictEqual(
        [yield* batchOf(store)!.putNew(hash, bytes), yield* batchOf(store)!.putNew(hash, bytes)],
        [false, true]
      )
    }).pipe(
      Effect.provide(Layer.mergeAll(ObjectStoreMemory.layer(), PackIndexMemory.layer, Layer.orDie(CryptoAuto.layer())))
    )
  )
})
