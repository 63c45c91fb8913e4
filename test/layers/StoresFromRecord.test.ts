import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoPortable from "../../src/layers/CryptoPortable.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as StoresFromRecord from "../../src/layers/StoresFromRecord.ts"
import { Crypto } from "../../src/services/Crypto.ts"

/** A store that writes down when it is opened and closed, and whose opening fails the first `failures` times. */
const observed = Effect.fnUntraced(function* (failures: number) {
  const { primitives } = yield* Crypto
  const events: Array<string> = []
  let left = failures
  const open: StoresFromRecord.Open = Effect.gen(function* () {
    yield* Effect.acquireRelease(
      Effect.sync(() => events.push("open")),
      () => Effect.sync(() => events.push("close"))
    )
    yield* Effect.yieldNow()
    if (left-- > 0) return yield* Effect.fail({ message: "the drive is not plugged in" })
    const objects = yield* ObjectStoreMemory.make()
    return { objects, blobs: BlobStoreObjects.fromObjects(objects, primitives) }
  })
  return { events, open }
})

const fact = <E>(text: string, effect: Effect.Effect<void, E, Crypto>) =>
  it.effect(text, () => Effect.provide(effect, CryptoPortable.layer))

describe("stores by name", () => {
  fact(
    "are opened when first asked for, once, and closed with the scope",
    Effect.gen(function* () {
      const used = yield* observed(0)
      const unused = yield* observed(0)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const stores = yield* StoresFromRecord.make({ used: used.open, unused: unused.open })
          assert.deepStrictEqual(stores.names, ["used", "unused"])
          assert.deepStrictEqual(used.events, [])
          const all = yield* Effect.all(
            Array.from({ length: 20 }, () => stores.objects("used")),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(new Set(all).size, 1)
          assert.strictEqual(yield* stores.blobs("used"), yield* stores.blobs("used"))
          assert.deepStrictEqual(used.events, ["open"])
        })
      )
      assert.deepStrictEqual(used.events, ["open", "close"])
      assert.deepStrictEqual(unused.events, [])
    })
  )

  fact(
    "that could not be opened leave nothing open and are tried again",
    Effect.scoped(
      Effect.gen(function* () {
        const { events, open } = yield* observed(1)
        const stores = yield* StoresFromRecord.make({ usb: open })
        const error = yield* Effect.flip(stores.blobs("usb"))
        assert.strictEqual(error.reason, "NotOpened")
        assert.include(error.message, "the drive is not plugged in")
        assert.deepStrictEqual(events, ["open", "close"])
        yield* stores.blobs("usb")
        assert.deepStrictEqual(events, ["open", "close", "open"])
      })
    )
  )

  fact(
    "whose first opener was interrupted open for the next",
    Effect.scoped(
      Effect.gen(function* () {
        const { events, open } = yield* observed(0)
        let block = true
        const stores = yield* StoresFromRecord.make({
          slow: Effect.tap(open, () => Effect.suspend(() => (block ? Effect.never : Effect.void)))
        })
        const opener = yield* Effect.fork(stores.blobs("slow"))
        while (events.length === 0) yield* Effect.yieldNow()
        block = false
        yield* Fiber.interrupt(opener)
        assert.deepStrictEqual(events, ["open", "close"])
        yield* stores.blobs("slow")
        assert.deepStrictEqual(events, ["open", "close", "open"])
      })
    )
  )

  fact(
    "that are not there, or keep no objects, are told apart",
    Effect.scoped(
      Effect.gen(function* () {
        const { open } = yield* observed(0)
        const stores = yield* StoresFromRecord.make({ packs: Effect.map(open, ({ blobs }) => ({ blobs })) })
        const unknown = yield* Effect.flip(stores.blobs("pakcs"))
        assert.strictEqual(unknown.reason, "NotConfigured")
        assert.include(unknown.message, "there are packs")
        assert.strictEqual((yield* Effect.flip(stores.objects("packs"))).reason, "NotObjects")
        assert.strictEqual((yield* Effect.flip(stores.objects("constructor"))).reason, "NotConfigured")
      })
    )
  )
})
