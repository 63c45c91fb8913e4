import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as ObjectStoreWindows from "../../src/layers/ObjectStoreWindows.ts"
import type { Service } from "../../src/services/ObjectStore.ts"

/** A store that counts its reads, with an object of 1,000 bytes. */
const make = Effect.gen(function* () {
  const memory = yield* ObjectStoreMemory.make()
  const content = new Uint8Array(1000).map((_, at) => (at * 7) ^ (at >> 3))
  yield* memory.put("pack", content)
  const reads: Array<string> = []
  const inner: Service = {
    ...memory,
    get: (path, range) =>
      Effect.zipRight(
        Effect.sync(() => reads.push(`${path} ${range?.offset}+${range?.length}`)),
        Effect.zipRight(Effect.yieldNow(), memory.get(path, range))
      )
  }
  return { content, memory, reads, store: ObjectStoreWindows.windowed(inner, { windowLength: 100, windows: 3 }) }
})

describe("an object store read through windows", () => {
  it.effect("gives the bytes that the store has, for any order of ranges", () =>
    Effect.gen(function* () {
      const { content, store } = yield* make
      const ranges = FastCheck.sample(FastCheck.record({ offset: FastCheck.nat(1100), length: FastCheck.nat(130) }), {
        numRuns: 500,
        seed: 1
      })
      yield* Effect.forEach(
        ranges,
        (range) =>
          Effect.map(store.get("pack", range), (bytes) =>
            assert.deepStrictEqual(bytes, content.slice(range.offset, range.offset + range.length))
          ),
        { concurrency: 5 }
      )
    })
  )

  it.effect("reads a window once for all ranges in it", () =>
    Effect.gen(function* () {
      const { reads, store } = yield* make
      for (let offset = 0; offset < 1000; offset += 10) yield* store.get("pack", { offset, length: 10 })
      assert.deepStrictEqual(reads, ["pack 0+10", ...Array.from({ length: 10 }, (_, at) => `pack ${at * 100}+100`)])
    })
  )

  it.effect("reads a window once for all who ask at the same time", () =>
    Effect.gen(function* () {
      const { reads, store } = yield* make
      yield* store.get("pack", { offset: 0, length: 1 })
      yield* Effect.forEach([10, 20, 30, 40], (offset) => store.get("pack", { offset, length: 10 }), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(reads, ["pack 0+1", "pack 0+100"])
    })
  )

  it.effect("reads far apart ranges as they are asked for", () =>
    Effect.gen(function* () {
      const { reads, store } = yield* make
      for (const offset of [0, 500, 800, 250]) yield* store.get("pack", { offset, length: 5 })
      assert.deepStrictEqual(reads, ["pack 0+5", "pack 500+5", "pack 800+5", "pack 250+5"])
    })
  )

  it.effect("forgets what is put anew and reads that failed; who interrupts one takes it from nobody else", () =>
    Effect.gen(function* () {
      const { store } = yield* make
      const range = { offset: 0, length: 4 }
      yield* store.get("pack", range)
      yield* store.get("pack", range)
      yield* store.put("pack", Uint8Array.of(1, 2, 3, 4, 5))
      assert.deepStrictEqual(yield* store.get("pack", range), Uint8Array.of(1, 2, 3, 4))
      yield* store.remove("pack")
      assert.strictEqual((yield* Effect.flip(store.get("pack", range))).reason, "NotFound")
      assert.strictEqual((yield* Effect.flip(store.get("pack", range))).reason, "NotFound")
      yield* store.put("pack", Uint8Array.of(9, 9, 9, 9))
      yield* store.get("pack", range)
      const first = yield* Effect.fork(store.get("pack", range))
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(store.get("pack", range))
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(yield* Fiber.join(second), Uint8Array.of(9, 9, 9, 9))
    })
  )

  it.effect("is not stopped for others by who is interrupted at any step", () =>
    Effect.gen(function* () {
      for (let step = 0; step < 60; step++) {
        const { content, store } = yield* make
        yield* store.get("pack", { offset: 0, length: 4 })
        const range = { offset: 4, length: 4 }
        let steps = 0
        const pausing = Scheduler.make(
          (task, priority) => Scheduler.defaultScheduler.scheduleTask(task, priority),
          () => (steps++ === step ? 0 : false)
        )
        const first = yield* Effect.fork(Effect.withScheduler(store.get("pack", range), pausing))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(first)
        const second = yield* Effect.fork(store.get("pack", range))
        for (let round = 0; round < 100; round++) yield* Effect.yieldNow()
        const answer = yield* Fiber.poll(second)
        assert.deepStrictEqual(answer, Option.some(Exit.succeed(content.slice(4, 8))), `interrupted at step ${step}`)
      }
    })
  )
})
