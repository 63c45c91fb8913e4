import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as MapLayer from "../../src/fs5/MapLayer.ts"
import * as MergedView from "../../src/fs5/MergedView.ts"
import type { KeyedEntry, ReadableLayer } from "../../src/fs5/ReadableLayer.ts"
import { DamagedTree } from "../../src/fs5/TreeError.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import { build, collect, countingStore, entry, numbered, pipelineOver, sorted, through, tombstone } from "./trees.ts"

type Model = ReadonlyMap<string, NodeEntry>

const models = FastCheck.array(
  FastCheck.array(FastCheck.tuple(FastCheck.string({ unit: "grapheme", maxLength: 2 }), FastCheck.nat(9)), {
    maxLength: 20
  }).map((entries): Model => new Map(entries.map(([name, value]) => [name, value < 3 ? tombstone : entry(value)]))),
  { maxLength: 4 }
)

/** The first layer's entries over the second's, and so on. */
const united = (layers: ReadonlyArray<Model>): Model => new Map([...layers].reverse().flatMap((layer) => [...layer]))

/** The layer in chunks of `size`, dying when it is polled after its end or its failure. */
const guarded = (model: Model, size: number, failAfter?: number): ReadableLayer => {
  const layer = MapLayer.make(model)
  return {
    ...layer,
    scan: (range) =>
      Stream.unwrap(
        Effect.map(collect(layer.scan(range)), (entries) => {
          let at = 0
          let isOver = false
          const over = (failure: Option.Option<DamagedTree>) => {
            isOver = true
            return Effect.fail(failure)
          }
          return Stream.fromPull(
            Effect.succeed(
              Effect.suspend(() => {
                if (isOver) return Effect.dieMessage("an exhausted stream was polled")
                if (failAfter !== undefined && at >= failAfter) {
                  return over(Option.some(new DamagedTree({ reason: "NotDecodable", blob: "", detail: "made to" })))
                }
                if (at >= entries.length) return over(Option.none())
                const chunk = Chunk.fromIterable(entries.slice(at, at + size))
                at += size
                return Effect.succeed(chunk)
              })
            )
          )
        })
      )
  }
}

describe("MergedView", () => {
  it.effect("is the union in which the first layer is strongest, tombstones included", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          models,
          FastCheck.integer({ min: 1, max: 3 }),
          FastCheck.tuple(
            FastCheck.string({ unit: "grapheme", maxLength: 2 }),
            FastCheck.string({ unit: "grapheme", maxLength: 2 })
          ),
          (layers, size, [from, until]) =>
            Effect.gen(function* () {
              const view = MergedView.make(layers.map((layer) => guarded(layer, size)))
              const model = united(layers)
              assert.deepStrictEqual(yield* collect(view.scan()), sorted(model))
              assert.deepStrictEqual(
                yield* collect(view.scan({ from, until })),
                sorted(model).filter(
                  ([name]) => Bytes.compareUtf8(name, from) >= 0 && Bytes.compareUtf8(name, until) < 0
                )
              )
              for (const name of [...model.keys(), from, until]) {
                const found = model.get(name)
                assert.deepStrictEqual(yield* view.getRaw(name), found)
                assert.deepStrictEqual(yield* view.get(name), found?.tombstone === undefined ? found : undefined)
              }
            }).pipe(Effect.runPromise)
        ),
        { numRuns: 150 }
      )
    )
  )

  it.effect("nesting does not matter, and one layer is itself", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(models, FastCheck.nat(4), (layers, split) =>
          Effect.gen(function* () {
            const maps = layers.map((layer) => MapLayer.make(layer))
            const nested = MergedView.make([MergedView.make(maps.slice(0, split)), MergedView.make(maps.slice(split))])
            assert.deepStrictEqual(yield* collect(nested.scan()), yield* collect(MergedView.make(maps).scan()))
            for (const map of maps) {
              assert.deepStrictEqual(yield* collect(MergedView.make([map]).scan()), map.entries)
            }
          }).pipe(Effect.runPromise)
        ),
        { numRuns: 80 }
      )
    )
  )

  it.effect("a scan ends at the first failure and gives nothing after it", () =>
    Effect.gen(function* () {
      const good = numbered(10)
      const view = MergedView.make([guarded(good, 2), guarded(good, 1, 4)])
      const seen: Array<KeyedEntry> = []
      const error = yield* Effect.flip(
        Stream.runForEach(view.scan(), (keyed) =>
          Effect.sync(() => {
            seen.push(keyed)
          })
        )
      )
      assert.strictEqual(error.reason, "NotDecodable")
      assert.deepStrictEqual(seen, sorted(good).slice(0, seen.length))
      assert.isAtMost(seen.length, 4)
    })
  )

  it.effect("layers whose keys do not ascend are an error, not a wrong order", () =>
    Effect.gen(function* () {
      const wrong: ReadableLayer = {
        ...MapLayer.make([]),
        scan: () => Stream.fromIterable([["b", entry(1)] as const, ["a", entry(2)] as const])
      }
      const error = yield* Effect.flip(collect(MergedView.make([wrong, MapLayer.make([])]).scan()))
      assert.strictEqual(error.reason, "Inconsistent")
    })
  )

  it.effect("a tombstone in a layer hides the tree below; the mask is the first layer's", () =>
    Effect.gen(function* () {
      const tree = yield* build(pipelineOver(countingStore()), numbered(2000))
      const [gone] = [...numbered(2000).keys()].slice(777)
      const view = MergedView.make([MapLayer.make([[gone!, tombstone]], 7), tree])
      assert.isUndefined(yield* view.get(gone!))
      assert.deepStrictEqual(yield* view.getRaw(gone!), tombstone)
      const live = (yield* collect(view.scan())).filter(([, found]) => found.tombstone === undefined)
      assert.strictEqual(live.length, 1999)
      assert.strictEqual(yield* view.chunkMask, 7)
      assert.strictEqual(yield* MergedView.make([]).chunkMask, 63)
      assert.deepStrictEqual(yield* collect(MergedView.make([]).scan()), [])
    })
  )

  it.effect("a scan that is not finished reads no further than it was asked to", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const built = yield* build(pipelineOver(store), numbered(20_000))
      store.reset()
      const fresh = through(built, pipelineOver(store))
      yield* Stream.runDrain(Stream.take(MergedView.make([MapLayer.make([]), fresh]).scan(), 10))
      assert.isAtMost(store.reads.length, 4)
    })
  )
})

describe("MapLayer", () => {
  it.effect("sorts by UTF-8 bytes and keeps the last of equal keys", () =>
    Effect.gen(function* () {
      const layer = MapLayer.make([
        ["\u{10000}", entry(1)],
        ["\uffff", entry(2)],
        ["a", entry(3)],
        ["a", entry(4)],
        ["b", tombstone]
      ])
      assert.deepStrictEqual(layer.entries, [
        ["a", entry(4)],
        ["b", tombstone],
        ["\uffff", entry(2)],
        ["\u{10000}", entry(1)]
      ])
      assert.deepStrictEqual(yield* collect(layer.scan({ from: "b", until: "\u{10000}" })), layer.entries.slice(1, 3))
      assert.isUndefined(yield* layer.get("b"))
      assert.deepStrictEqual(yield* layer.getRaw("b"), tombstone)
      assert.isUndefined(yield* layer.getRaw("c"))
    })
  )
})
