import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Mending from "../../src/fs5/Mending.ts"
import * as BlobStoreCached from "../../src/layers/BlobStoreCached.ts"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as BlobStoreVerified from "../../src/layers/BlobStoreVerified.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import type { Service } from "../../src/services/BlobStore.ts"
import { primitives } from "../support/primitives.ts"

const good = Bytes.fromUtf8("as it was stored")
const hash = primitives.blake3(good)

/** A store in which the blob has rotted without changing its length, and which tells what is done to it. */
const rotten = Effect.gen(function* () {
  const done: Array<string> = []
  const objects = yield* ObjectStoreMemory.make()
  const path = StorePath.blob(objects.features, hash)
  yield* objects.put(path, Bytes.fromUtf8("as it was stOred"))
  const told = {
    ...objects,
    put: (at: string, bytes: Uint8Array) =>
      Effect.zipRight(
        Effect.sync(() => done.push("put")),
        objects.put(at, bytes)
      ),
    remove: (at: string) =>
      Effect.zipRight(
        Effect.sync(() => done.push("remove")),
        objects.remove(at)
      )
  }
  return { blobs: BlobStoreObjects.fromObjects(told, primitives), done }
})

describe("Mending", () => {
  it.effect("a damaged blob is written over in one step, through every decorator", () =>
    Effect.gen(function* () {
      const through: ReadonlyArray<(inner: Service) => Effect.Effect<Service>> = [
        Effect.succeed,
        (inner) => BlobStoreCached.cached(inner, { maxBytes: 1000 }),
        (inner) => Effect.succeed(BlobStoreVerified.verified(inner, primitives))
      ]
      for (const decorate of through) {
        const { blobs, done } = yield* rotten
        const store = yield* decorate(blobs)
        assert.strictEqual((yield* Effect.flip(store.get(hash))).reason, "Damaged")
        yield* Mending.put(store, hash, good)
        assert.deepStrictEqual(done, ["put"])
        assert.deepStrictEqual(yield* store.get(hash), good)
        yield* Mending.put(store, hash, good)
        assert.deepStrictEqual(done, ["put"], "one that is whole is left alone")
      }
    })
  )

  it.effect("at whatever step one mender stands still, the blob is there, and another one mends it for both", () =>
    Effect.gen(function* () {
      for (let steps = 0; steps < 5; steps++) {
        const { blobs } = yield* rotten
        const latch = yield* Effect.makeLatch(false)
        let left = steps
        const step = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.suspend(() => (left-- > 0 ? effect : Effect.zipRight(latch.await, effect)))
        const { replace } = blobs
        assert.isDefined(replace)
        const slow: Service = {
          ...blobs,
          has: (at) => step(blobs.has(at)),
          get: (at) => step(blobs.get(at)),
          put: (at, bytes) => step(blobs.put(at, bytes)),
          remove: (at) => step(blobs.remove(at)),
          replace: (at, bytes) => step(replace(at, bytes))
        }
        const first = yield* Effect.fork(Mending.put(slow, hash, good))
        yield* Effect.yieldNow()
        assert.isTrue(yield* blobs.has(hash), `absent after ${steps} steps`)
        yield* Mending.put(blobs, hash, good)
        yield* latch.open
        yield* Fiber.join(first)
        assert.deepStrictEqual(yield* blobs.get(hash), good)
      }
    })
  )

  it.effect("a store that cannot replace is mended all the same, and bytes that are not the blob's are refused", () =>
    Effect.gen(function* () {
      const { blobs, done } = yield* rotten
      const { replace: _, ...older } = blobs
      yield* Mending.put(older, hash, good)
      assert.deepStrictEqual(done, ["remove", "put"])
      const { blobs: again } = yield* rotten
      const verified = BlobStoreVerified.verified(again, primitives)
      const error = yield* Effect.flip(verified.replace!(hash, Bytes.fromUtf8("something else")))
      assert.strictEqual(error.reason, "Damaged")
    })
  )
})
