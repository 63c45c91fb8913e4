import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as MapLayer from "../../src/fs5/MapLayer.ts"
import type { KeyedEntry } from "../../src/fs5/ReadableLayer.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as WritableOverlay from "../../src/fs5/WritableOverlay.ts"
import {
  applied,
  build,
  collect,
  countingStore,
  entry,
  key,
  numbered,
  pipelineOver,
  rootOf,
  sorted,
  tombstone
} from "./trees.ts"

const live = (entries: ReadonlyArray<KeyedEntry>) => entries.filter(([, found]) => found.tombstone === undefined)

/** An overlay over the tree of `count` entries, and what holds its blobs. */
const setup = Effect.fnUntraced(function* (count: number) {
  const store = countingStore()
  const pipeline = pipelineOver(store)
  const base = yield* build(pipeline, numbered(count))
  store.reset()
  const overlay = yield* WritableOverlay.make({ base, pipeline })
  return { store, pipeline, base, overlay }
})

/** Lets a flush run up to its first write; `release` lets it go on. */
const hold = Effect.fnUntraced(function* (store: ReturnType<typeof countingStore>) {
  const reached = yield* Deferred.make<void>()
  const release = yield* Deferred.make<void>()
  store.beforePut = Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(release))
  return { reached: Deferred.await(reached), release: Deferred.succeed(release, undefined) }
})

describe("WritableOverlay", () => {
  it.effect("behaves as a map through any sequence of writes, deletions and flushes", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.constantFrom(0, 1, 5, 200),
          FastCheck.array(FastCheck.tuple(FastCheck.nat(230), FastCheck.integer({ min: -4, max: 9 })), {
            maxLength: 25
          }),
          (count, steps) =>
            Effect.gen(function* () {
              const { overlay, pipeline } = yield* setup(count)
              let model = numbered(count)
              for (const [index, value] of steps) {
                const name = key(index)
                if (value === 9) {
                  const flushed = yield* overlay.flush
                  const expected = yield* build(pipeline, model)
                  assert.strictEqual(rootOf(flushed), rootOf(expected))
                  assert.strictEqual(yield* overlay.pendingLength, 0)
                } else if (value < 0) {
                  yield* overlay.delete(name)
                  model = applied(model, [[name, tombstone]])
                } else {
                  yield* overlay.put(name, entry(1000 + value))
                  model = applied(model, [[name, entry(1000 + value)]])
                }
                assert.deepStrictEqual(yield* overlay.get(name), model.get(name))
              }
              assert.deepStrictEqual(live(yield* collect(overlay.scan())), sorted(model))
              const range = { from: key(20), until: key(150) }
              assert.deepStrictEqual(
                live(yield* collect(overlay.scan(range))),
                sorted(model).filter(([name]) => name >= range.from && name < range.until)
              )
              assert.deepStrictEqual(yield* overlay.get(key(7)), model.get(key(7)))
            }).pipe(Effect.runPromise)
        ),
        { numRuns: 30 }
      )
    )
  )

  it.effect("a tombstone hides the base, and is raw until it is flushed away", () =>
    Effect.gen(function* () {
      const { overlay } = yield* setup(10)
      yield* overlay.delete(key(3), { timestamp: 5 })
      assert.isUndefined(yield* overlay.get(key(3)))
      assert.deepStrictEqual(yield* overlay.getRaw(key(3)), { tombstone: { timestamp: 5 } })
      assert.strictEqual(yield* overlay.pendingLength, 1)
      assert.deepStrictEqual((yield* overlay.diffLayer).entries, [[key(3), { tombstone: { timestamp: 5 } }]])
      const flushed = yield* overlay.flush
      assert.isUndefined(yield* flushed.getRaw(key(3)))
      assert.isUndefined(yield* overlay.getRaw(key(3)))
      assert.strictEqual((yield* collect(overlay.scan())).length, 9)
    })
  )

  it.effect("flushing away the last entry leaves the empty tree, which is written to again", () =>
    Effect.gen(function* () {
      const { overlay } = yield* setup(1)
      yield* overlay.delete(key(0))
      assert.isTrue((yield* overlay.flush).isEmpty)
      yield* overlay.put("x", entry(1))
      assert.deepStrictEqual(yield* collect((yield* overlay.flush).scan()), [["x", entry(1)]])
    })
  )

  it.effect("a base that is no tree becomes one", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const base = MapLayer.make(numbered(50))
      const overlay = yield* WritableOverlay.make({ base, pipeline })
      yield* overlay.put("x", entry(1))
      const flushed = yield* overlay.flush
      const expected = yield* build(pipeline, new Map([...numbered(50), ["x", entry(1)]]))
      assert.strictEqual(rootOf(flushed), rootOf(expected))
      assert.isTrue(Snapshot.is(yield* overlay.base))
    })
  )

  it.effect("one write to a large tree flushes a path of nodes", () =>
    Effect.gen(function* () {
      const { overlay, store } = yield* setup(20_000)
      yield* overlay.put(key(12_345), entry(1))
      yield* overlay.flush
      assert.isAtMost(store.writes.length, 4)
      store.reset()
      yield* overlay.put(key(12_345), entry(1))
      yield* overlay.flush
      assert.deepStrictEqual(store.writes, [])
    })
  )

  it.effect("what is written during a flush is not in its tree, stays readable, and is in the next one", () =>
    Effect.gen(function* () {
      const { overlay, pipeline, store } = yield* setup(100)
      yield* overlay.put(key(1), entry(1001))
      yield* overlay.put(key(2), entry(1002))
      const held = yield* hold(store)
      const running = yield* Effect.fork(overlay.flush)
      yield* held.reached
      yield* overlay.put(key(2), entry(2002))
      yield* overlay.put("new", entry(2003))
      yield* overlay.delete(key(5))
      // what is being flushed and what came since are seen together
      assert.deepStrictEqual(yield* overlay.get(key(1)), entry(1001))
      assert.deepStrictEqual(yield* overlay.get(key(2)), entry(2002))
      assert.isUndefined(yield* overlay.get(key(5)))
      assert.strictEqual(yield* overlay.pendingLength, 4)
      assert.strictEqual(live(yield* collect(overlay.scan())).length, 100)
      yield* held.release
      const first = yield* Fiber.join(running)
      const one: ReadonlyArray<KeyedEntry> = [
        [key(1), entry(1001)],
        [key(2), entry(1002)]
      ]
      assert.strictEqual(rootOf(first), rootOf(yield* build(pipeline, applied(numbered(100), one))))
      assert.strictEqual(yield* overlay.pendingLength, 3)
      assert.deepStrictEqual(yield* overlay.get(key(2)), entry(2002))
      const two: ReadonlyArray<KeyedEntry> = [...one, [key(2), entry(2002)], ["new", entry(2003)], [key(5), tombstone]]
      const second = yield* overlay.flush
      assert.strictEqual(rootOf(second), rootOf(yield* build(pipeline, applied(numbered(100), two))))
    })
  )

  it.effect("a flush that fails gives its writes back without undoing newer ones", () =>
    Effect.gen(function* () {
      const { base, overlay, pipeline, store } = yield* setup(100)
      yield* overlay.put(key(1), entry(1001))
      yield* overlay.put(key(2), entry(1002))
      const held = yield* hold(store)
      const running = yield* Effect.fork(Effect.flip(overlay.flush))
      yield* held.reached
      yield* overlay.put(key(2), entry(2002))
      store.broken = "put"
      yield* held.release
      const error = yield* Fiber.join(running)
      assert.strictEqual(error.reason, "Unavailable")
      assert.strictEqual(yield* overlay.base, base)
      assert.deepStrictEqual((yield* overlay.diffLayer).entries, [
        [key(1), entry(1001)],
        [key(2), entry(2002)]
      ])
      store.broken = "nothing"
      store.beforePut = Effect.void
      const expected = applied(numbered(100), (yield* overlay.diffLayer).entries)
      assert.strictEqual(rootOf(yield* overlay.flush), rootOf(yield* build(pipeline, expected)))
    })
  )

  it.effect("a flush that is interrupted gives its writes back", () =>
    Effect.gen(function* () {
      const { overlay, store } = yield* setup(100)
      yield* overlay.put(key(1), entry(1001))
      const held = yield* hold(store)
      const running = yield* Effect.fork(overlay.flush)
      yield* held.reached
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual((yield* overlay.diffLayer).entries, [[key(1), entry(1001)]])
      assert.deepStrictEqual(yield* overlay.get(key(1)), entry(1001))
      store.beforePut = Effect.void
      assert.deepStrictEqual(yield* (yield* overlay.flush).get(key(1)), entry(1001))
    })
  )

  it.effect("flushes at the same time run one after the other and lose nothing", () =>
    Effect.gen(function* () {
      const { overlay, pipeline } = yield* setup(300)
      const write = (index: number) =>
        Effect.zipRight(overlay.put(`w${key(index)}`, entry(index)), Effect.zipRight(Effect.yieldNow(), overlay.flush))
      yield* Effect.forEach(
        Array.from({ length: 40 }, (_, index) => index),
        write,
        { concurrency: "unbounded", discard: true }
      )
      const model = new Map([
        ...numbered(300),
        ...Array.from({ length: 40 }, (_, index) => [`w${key(index)}`, entry(index)] as const)
      ])
      assert.strictEqual(yield* overlay.pendingLength, 0)
      assert.strictEqual(rootOf(yield* overlay.flush), rootOf(yield* build(pipeline, model)))
    })
  )

  it.effect("a scan sees the changes as they were when it began", () =>
    Effect.gen(function* () {
      const { overlay } = yield* setup(2000)
      yield* overlay.put("aaa", entry(1))
      const seen = yield* collect(
        overlay.scan().pipe(
          Stream.rechunk(100),
          Stream.tap(() => overlay.put(key(1500), entry(9999))),
          Stream.tap(() => overlay.delete(key(1600)))
        )
      )
      assert.deepStrictEqual(seen, [["aaa", entry(1)], ...sorted(numbered(2000))])
      assert.isUndefined(yield* overlay.get(key(1600)))
    })
  )

  it.effect("taken changes are gone from the overlay", () =>
    Effect.gen(function* () {
      const { overlay } = yield* setup(10)
      yield* overlay.put("b", entry(1))
      yield* overlay.put("a", entry(2))
      assert.deepStrictEqual((yield* overlay.take).entries, [
        ["a", entry(2)],
        ["b", entry(1)]
      ])
      assert.strictEqual(yield* overlay.pendingLength, 0)
      assert.isUndefined(yield* overlay.get("a"))
    })
  )
})
