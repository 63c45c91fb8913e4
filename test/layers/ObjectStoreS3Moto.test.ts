import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterAll, beforeAll } from "vitest"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreS3 from "../../src/layers/ObjectStoreS3.ts"
import * as RegistryS3 from "../../src/layers/RegistryS3.ts"
import * as StoreTest from "../../src/programs/StoreTest.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import { ObjectStore } from "../../src/services/ObjectStore.ts"
import * as BlobStoreConformance from "../conformance/BlobStore.ts"
import * as ObjectStoreConformance from "../conformance/ObjectStore.ts"
import * as RegistryConformance from "../conformance/Registry.ts"
import * as Moto from "../support/s3Moto.ts"

describe.runIf(Moto.isHere)("another S3 (moto)", () => {
  let moto: Moto.Moto
  beforeAll(async () => {
    moto = await Moto.start()
  })
  afterAll(() => moto.stop())

  const objects = Effect.flatMap(
    Effect.suspend(() => Moto.bucket(moto)),
    ObjectStoreS3.make
  )
  const store = Layer.effect(ObjectStore, objects)

  ObjectStoreConformance.suite("moto", store, 1010)
  BlobStoreConformance.suite(
    "moto",
    BlobStoreObjects.layer.pipe(Layer.provideMerge(store), Layer.provide(CryptoAuto.layer()))
  )
  RegistryConformance.suite(
    "moto",
    Effect.gen(function* () {
      const bucket = yield* objects
      return {
        registry: yield* RegistryS3.make(bucket, { pollEvery: 5 }),
        plant: (key: StreamKey.StreamKey, bytes: Uint8Array) => bucket.put(StreamKey.registryPath(key), bytes),
        raw: (key: StreamKey.StreamKey) =>
          Effect.map(bucket.versions.read(StreamKey.registryPath(key)), (found) => found?.bytes)
      }
    })
  )

  it.live("is found fit for everything, big objects in parts", () =>
    Effect.gen(function* () {
      const options = yield* Moto.bucket(moto)
      const bucket = yield* ObjectStoreS3.make({ ...options, partsAbove: 5 << 20, partSize: 5 << 20 })
      const report = yield* StoreTest.run(bucket, { bigBytes: 11 << 20 })
      assert.deepStrictEqual(
        report.findings.filter(({ outcome }) => outcome !== "kept"),
        []
      )
      assert.isTrue(report.fitness.every(({ fit }) => fit))
      assert.deepStrictEqual(report.left, [])
    })
  )
})
