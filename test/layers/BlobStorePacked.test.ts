import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as PackIndexAuto from "../../src/layers/PackIndexAuto.ts"
import * as PackIndexLmdb from "../../src/layers/PackIndexLmdb.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import { BlobStore } from "../../src/services/BlobStore.ts"
import { ObjectStore } from "../../src/services/ObjectStore.ts"
import { PackIndex } from "../../src/services/PackIndex.ts"
import * as BlobStoreConformance from "../conformance/BlobStore.ts"
import { temporaryFolder } from "../support/folders.ts"

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
