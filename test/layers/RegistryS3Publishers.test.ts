// ten machines with the keys of one device, each with its own records and its own line to the bucket
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll } from "vitest"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreS3 from "../../src/layers/ObjectStoreS3.ts"
import * as RegistryObjectStore from "../../src/layers/RegistryObjectStore.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import * as Registry from "../../src/services/Registry.ts"
import { backup, latest, make, mapping, primitives } from "../support/programs.ts"
import * as Rivals from "../support/rivals.ts"
import { badLine, Double, type Fault, options } from "../support/s3Double.ts"
import * as Moto from "../support/s3Moto.ts"

const publishers = 10

const publish = (name: string, bucket: Effect.Effect<ObjectStoreS3.Options>) =>
  it.live(name, () =>
    Effect.gen(function* () {
      const given = yield* bucket
      /** Runs an effect on the bucket, over a connection of its own. */
      const connected = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.gen(function* () {
          const objects = yield* ObjectStoreS3.make(given)
          const registry = yield* RegistryObjectStore.make(objects)
          return yield* effect.pipe(
            Effect.provideService(Registry.Registry, registry),
            Effect.provideService(BlobStore.BlobStore, BlobStoreObjects.fromObjects(objects, primitives))
          )
        }).pipe(Effect.provide(CryptoAuto.layer()))

      const names = Array.from({ length: publishers }, (_, index) => `flow-${index}`)
      const world = yield* make(Object.fromEntries(names.map((each) => [`/${each}/${each}.txt`, `by ${each}`])))
      const acknowledged: Array<string> = []
      const publisher = (each: string) =>
        Effect.gen(function* () {
          const home = yield* Rivals.home(world)
          // whoever was overtaken too often says so, and is run again
          yield* connected(backup(mapping(`/${each}`))).pipe(Rivals.at(home), Effect.retry({ times: 5 }))
          acknowledged.push(each)
        })
      const found = yield* Effect.provide(
        Effect.gen(function* () {
          yield* connected(Vault.ensure("docs"))
          yield* Effect.forEach(names, publisher, { concurrency: "unbounded", discard: true })
          return yield* connected(latest)
        }),
        world.layer
      )
      assert.sameMembers(acknowledged, names)
      const expected = names.flatMap((each) => [
        [`${each}/`, ""],
        [`${each}/${each}.txt`, `by ${each}`]
      ])
      assert.deepStrictEqual(found, Object.fromEntries(expected))
    })
  )

describe("ten publishers of one vault in a bucket", () => {
  publish(
    "nothing acknowledged is lost over a line that loses, delays and doubles requests",
    Effect.sync(() => {
      const double = new Double()
      const faults = badLine(4)
      let entries = 0
      double.fault = (request): Fault | undefined =>
        request.key.startsWith("registry/") && request.method === "PUT" && entries++ % 3 === 0 ? "late" : faults()
      return options(double)
    })
  )
})

describe.runIf(Moto.isHere && process.env.CAIRN_TEST_LONG === "1")(
  "ten publishers of one vault in another S3 (moto)",
  () => {
    let moto: Moto.Moto
    beforeAll(async () => {
      moto = await Moto.start()
    })
    afterAll(() => moto.stop())

    publish(
      "nothing acknowledged is lost",
      Effect.suspend(() => Moto.bucket(moto))
    )
  }
)
