import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Batches from "../../src/fs5/Batches.ts"
import * as CarriedLeaves from "../../src/fs5/CarriedLeaves.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import type { KeyedEntry } from "../../src/fs5/ReadableLayer.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import * as TreeReader from "../../src/fs5/TreeReader.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import { countingStore, primitives } from "./trees.ts"

const entry = (index: number, version = 1): KeyedEntry => [
  `folder/${String(index * 7).padStart(7, "0")}`,
  { content: { structural: "leaf", hash: Hash.zero, size: BigInt(version) } }
]

const mask = TreeBuilder.defaultMask
const count = 3000

const make = Effect.gen(function* () {
  const store = countingStore()
  const context = TraversalContext.vaultRoot({
    leaf: new Uint8Array(32).fill(1),
    node: new Uint8Array(32).fill(2),
    recovery: new Uint8Array(32).fill(3)
  })
  const fresh = () => Pipeline.make({ primitives, blobs: store.service, context, cache: NodeCache.make() })
  const full = Effect.fnUntraced(function* (entries: ReadonlyArray<KeyedEntry>) {
    const builder = TreeBuilder.make(fresh(), { kind: "namespace", mask })
    yield* builder.pushAll(entries)
    return (yield* builder.finish)?.link
  })
  const first = (yield* full(Array.from({ length: count }, (_, index) => entry(index))))!
  store.reset()
  /** The tree of the entries that `change` makes of the first tree's, pushed `batch` at a time. */
  const again = Effect.fnUntraced(function* (
    change: (entries: ReadonlyArray<KeyedEntry>) => ReadonlyArray<KeyedEntry>,
    batch: number
  ) {
    const pipeline = fresh()
    const carried = CarriedLeaves.make(pipeline, first, mask)
    const entries = change(Chunk.toReadonlyArray(yield* Stream.runCollect(Batches.toStream(() => carried.entries))))
    const builder = TreeBuilder.make(pipeline, { kind: "namespace", mask })
    const puts: Array<string> = []
    store.beforePut = Effect.sync(() => puts.push(""))
    for (let at = 0; at < entries.length; at += batch) yield* carried.pushAll(builder, entries.slice(at, at + batch))
    const root = (yield* builder.finish)?.link
    store.beforePut = Effect.void
    return { entries, puts: puts.length, root }
  })
  return { again, first, fresh, full, store }
})

const sameRoot = (a: TreeBuilder.TreeLink | undefined, b: TreeBuilder.TreeLink | undefined) =>
  assert.strictEqual(a && Hash.toHex(a.hash), b && Hash.toHex(b.hash))

describe("leaves of an earlier tree", () => {
  it.effect("are carried over where nothing changed: hardly a node is encoded", () =>
    Effect.gen(function* () {
      const { again, first } = yield* make
      const { puts, root } = yield* again((entries) => entries, 1024)
      sameRoot(root, first)
      assert.isAtMost(puts, 8)
    })
  )

  it.effect("give the root of a full build, whatever changed and however the entries come", () =>
    Effect.gen(function* () {
      const { again, full } = yield* make
      const changes: ReadonlyArray<(entries: ReadonlyArray<KeyedEntry>) => ReadonlyArray<KeyedEntry>> = [
        (entries) => entries.map((each, at) => (at % 500 === 3 ? entry(at, 2) : each)),
        (entries) => entries.filter((_, at) => at % 97 !== 5),
        (entries) =>
          entries.flatMap((each, at) => (at % 211 === 0 ? [each, [`${each[0]}+`, each[1]] as const] : [each])),
        (entries) => entries.slice(0, 700),
        (entries) => entries.slice(1),
        (entries) => [...entries, entry(count, 5)],
        // equal, but other objects: read again by somebody
        (entries) => entries.map(([key, value], at) => (at % 3 === 0 ? ([key, { ...value }] as const) : [key, value])),
        () => []
      ]
      for (const change of changes) {
        for (const batch of [1, 50, 333, 5000]) {
          const { entries, root } = yield* again(change, batch)
          sameRoot(root, yield* full(entries))
        }
      }
    })
  )

  it.effect("are written again where the store has lost them", () =>
    Effect.gen(function* () {
      const { again, first, store } = yield* make
      const { entries } = yield* again((all) => all, 1024)
      const lost = [...store.blobs.keys()].filter((name) => name !== Hash.toHex(first.hash))
      const { root } = yield* again((all) => {
        for (const name of lost) store.blobs.delete(name)
        return all
      }, 1024)
      sameRoot(root, first)
      assert.strictEqual(entries.length, count)
      for (const name of lost) assert.isTrue(store.blobs.has(name))
    })
  )
})

describe("reading ahead", () => {
  it.effect("whoever wants the first entry alone does not fetch the others, who wants all fetches many at once", () =>
    Effect.gen(function* () {
      const { first, fresh } = yield* make
      const fetched: Array<number> = []
      const pipeline: Pipeline.Pipeline = {
        ...fresh(),
        prefetchNodes: (links) => Effect.sync(() => void fetched.push(links.length))
      }
      assert.isTrue(Option.isSome(yield* Stream.runHead(TreeReader.scan(pipeline, first))))
      assert.deepStrictEqual(fetched, [])
      assert.strictEqual(yield* Stream.runCount(TreeReader.scan(pipeline, first)), count)
      assert.isAbove(Math.max(...fetched), 10)
    })
  )
})
