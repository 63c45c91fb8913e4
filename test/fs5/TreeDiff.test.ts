import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import { contextEquals, entryEquals } from "../../src/fs5/EntryEquality.ts"
import type { KeyedEntry, KeyRange } from "../../src/fs5/ReadableLayer.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as TreeDiff from "../../src/fs5/TreeDiff.ts"
import * as TreeEdit from "../../src/fs5/TreeEdit.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Node from "../../src/schema/Node.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import {
  applied,
  build,
  collect,
  countingStore,
  entry,
  key,
  numbered,
  pipelineOver,
  sorted,
  through,
  tombstone
} from "./trees.ts"

type Model = ReadonlyMap<string, Node.NodeEntry>

const expected = (before: Model, after: Model, range: KeyRange = {}) =>
  sorted(new Map([...before, ...after]))
    .filter(
      ([name]) =>
        (range.from === undefined || Bytes.compareUtf8(name, range.from) >= 0) &&
        (range.until === undefined || Bytes.compareUtf8(name, range.until) < 0) &&
        before.get(name)?.content?.size !== after.get(name)?.content?.size
    )
    .map(([name]) => {
      const was = before.get(name)
      const is = after.get(name)
      return { key: name, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }
    })

const check = Effect.fnUntraced(function* (
  before: Model,
  after: Model,
  masks: readonly [number, number],
  range?: KeyRange
) {
  const pipeline = pipelineOver(countingStore())
  const a = yield* build(pipeline, before, masks[0])
  const b = yield* build(pipeline, after, masks[1])
  assert.deepStrictEqual(yield* collect(TreeDiff.diff(a, b, range)), expected(before, after, range))
})

const changed = (model: Model, edits: ReadonlyArray<readonly [number, number]>) =>
  applied(
    model,
    edits.map(([index, value]): KeyedEntry => [key(index), value < 0 ? tombstone : entry(100_000 + value)])
  )

describe("TreeDiff", () => {
  it.effect.each([
    [3, 3],
    [7, 7],
    [63, 63],
    [3, 63],
    [63, 7]
  ] as const)("finds what differs between random trees of masks %j", (masks) =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.constantFrom(0, 1, 3, 5, 60, 300, 700),
          FastCheck.array(FastCheck.tuple(FastCheck.nat(800), FastCheck.integer({ min: -5, max: 5 })), {
            maxLength: 20
          }),
          FastCheck.option(FastCheck.tuple(FastCheck.nat(800), FastCheck.nat(800))),
          (size, edits, bounds) =>
            Effect.runPromise(
              check(
                numbered(size),
                changed(numbered(size), edits),
                masks,
                bounds === null ? undefined : { from: key(bounds[0]), until: key(bounds[1]) }
              )
            )
        ),
        { numRuns: 25 }
      )
    )
  )

  it.effect("trees of quite different heights, disjoint trees, a tree and nothing", () =>
    Effect.gen(function* () {
      const low = numbered(900)
      const high = new Map([...low].map(([name, value]) => [`z${name}`, value] as const))
      const cases: ReadonlyArray<readonly [Model, Model]> = [
        [numbered(3), low],
        [low, new Map([...low].slice(890))],
        [low, high],
        [high, low],
        [low, new Map([...low, ...high])],
        [new Map(), low],
        [low, new Map()],
        [new Map(), new Map()]
      ]
      for (const [a, b] of cases) yield* check(a, b, [7, 7])
    })
  )

  it.effect("equal trees are not read at all", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const tree = yield* build(pipelineOver(store), numbered(1000))
      store.reset()
      const fresh = through(tree, pipelineOver(store))
      assert.deepStrictEqual(yield* collect(TreeDiff.diff(fresh, fresh)), [])
      assert.deepStrictEqual(store.reads, [])
    })
  )

  it.effect("few changes in 20,000 entries read only the nodes that differ, in each tree once", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const a = yield* build(pipelineOver(store), numbered(20_000))
      const isOld = new Set(store.blobs.keys())
      const edits = [
        [17, 1],
        [9_000, -1],
        [25_000, 2]
      ] as const
      const b = yield* build(pipelineOver(store), changed(numbered(20_000), edits))
      const isNew = new Set([...store.blobs.keys()].filter((hash) => !isOld.has(hash)))
      store.reset()
      const pipeline = pipelineOver(store)
      const found = yield* collect(TreeDiff.diff(through(a, pipeline), through(b, pipeline)))
      assert.deepStrictEqual(
        found.map((each) => each.key),
        [key(17), key(9_000), key(25_000)]
      )
      const ofB = store.reads.filter((hash) => isNew.has(hash))
      assert.strictEqual(ofB.length, isNew.size)
      assert.isAtMost(store.reads.length - ofB.length, isNew.size + 3)
      assert.isAtMost(store.reads.length, 20)
    })
  )

  it.effect("a range reads only what is in it", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const a = yield* build(pipelineOver(store), numbered(20_000))
      const every = numbered(20_000)
      for (const [name, { content }] of every) every.set(name, entry(Number(content?.size) + 1))
      const b = yield* build(pipelineOver(store), every)
      store.reset()
      const pipeline = pipelineOver(store)
      const range = { from: key(5_000), until: key(5_010) }
      const found = yield* collect(TreeDiff.diff(through(a, pipeline), through(b, pipeline), range))
      assert.strictEqual(found.length, 10)
      assert.isAtMost(store.reads.length, 10)
      assert.strictEqual((yield* collect(Stream.take(TreeDiff.diff(a, b), 3))).length, 3)
    })
  )

  it.effect("what differs, applied to the older tree, gives the newer", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const a = yield* build(pipeline, numbered(3000))
      const model = changed(
        numbered(3000),
        Array.from({ length: 80 }, (_, index) => [index * 41, (index % 5) - 1] as const)
      )
      const b = yield* build(pipeline, model)
      const changes = Stream.map(
        TreeDiff.diff(a, b),
        ({ after, key }): KeyedEntry => [key, after === undefined ? tombstone : after]
      )
      const edited = yield* TreeEdit.edit(a, changes)
      assert.deepStrictEqual(edited?.hash, b.hash)
    })
  )

  it.effect("the same blobs under different contexts of links differ where the entries do", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const tree = yield* build(pipeline, numbered(1000), 7)
      const root = yield* pipeline.readNode({ hash: tree.hash })
      const childContext: TraversalContext.TraversalContext = { leaf: { paddingBlock: 2 } }
      const entries = root.entries.map(
        ([name, link], index): KeyedEntry => [name, index === 1 ? { ...link, childContext } : link]
      )
      const written = yield* pipeline.writeNode({ header: root.header, entries })
      const other = Snapshot.make({ hash: written.hash, plaintextHash: written.plaintextHash, pipeline })
      const from = entries[1]![0]
      const until = entries[2]?.[0]
      const inIt = (yield* collect(tree.scan({ from, ...(until !== undefined && { until }) }))).map(([name]) => name)
      const found = yield* collect(TreeDiff.diff(tree, other))
      assert.isNotEmpty(inIt)
      assert.deepStrictEqual(
        found.map((each) => each.key),
        inIt
      )
      assert.deepStrictEqual(found[0]?.after?.childContext, childContext)
      assert.deepStrictEqual((yield* other.get(from))?.childContext, childContext)
    })
  )
})

describe("EntryEquality", () => {
  const hash = entry(1).content!.hash
  const samples: ReadonlyArray<Node.NodeEntry> = [
    {},
    entry(1),
    entry(2),
    tombstone,
    { tombstone: {} },
    { semantic: {} },
    { semantic: { timestamp: 0 } },
    { semantic: { unix: {} } },
    { semantic: { unix: { extendedAttributes: [] } } },
    { semantic: { unix: { extendedAttributes: [{ name: "a" }] } } },
    { semantic: { unix: { extendedAttributes: [{ name: "a", value: new Uint8Array([1]) }] } } },
    { semantic: { unix: { extendedAttributes: [{ name: "a", value: new Uint8Array([2]) }] } } },
    { content: { structural: "leaf", hash, size: 1n } },
    { content: { structural: "link", hash, size: 1n } },
    { content: { structural: "leaf", hash, size: 1n, plaintextHash: hash } },
    { childContext: {} },
    { childContext: { keys: new Map() } },
    { childContext: { keys: new Map([[1, hash]]) } },
    { childContext: { keys: new Map([[2, hash]]) } },
    { childContext: { leaf: { compression: { _tag: "Zstd" } } } },
    { childContext: { leaf: { compression: { _tag: "ZstdLevel", level: 1 } } } }
  ]
  const encoded = (value: Node.NodeEntry) =>
    Bytes.toHex(Node.encode({ header: { level: 0, kind: "namespace" }, entries: [["", value]] }))

  it("entries are equal exactly when they encode to the same bytes", () => {
    for (const a of samples) {
      for (const b of samples) assert.strictEqual(entryEquals(a, structuredClone(b)), encoded(a) === encoded(b))
    }
    assert.isFalse(entryEquals({}, undefined))
    assert.isTrue(entryEquals(undefined, undefined))
  })

  it("the order of keys in a context does not count", () => {
    const a = {
      keys: new Map([
        [1, hash],
        [2, hash]
      ])
    } as const
    const b = {
      keys: new Map([
        [2, hash],
        [1, hash]
      ])
    } as const
    assert.isTrue(contextEquals(a, b))
    assert.isFalse(contextEquals(a, TraversalContext.plain))
  })
})
