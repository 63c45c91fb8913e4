import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as MapLayer from "../../src/fs5/MapLayer.ts"
import type { KeyedEntry, ReadableLayer } from "../../src/fs5/ReadableLayer.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import * as TreeEdit from "../../src/fs5/TreeEdit.ts"
import type { TreeError } from "../../src/fs5/TreeError.ts"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
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
  primitives,
  rootOf,
  sorted,
  through,
  tombstone
} from "./trees.ts"

const streamOf = (changes: Iterable<KeyedEntry>) => Stream.fromIterable(sorted(changes))

/** The layer without what makes it a tree, so that everything is read. */
const opaque = ({ chunkMask, get, getRaw, scan }: ReadableLayer): ReadableLayer => ({ chunkMask, get, getRaw, scan })

const encrypted = TraversalContext.singleMaster(new Uint8Array(32).fill(0x2a))

/** Edits the tree of `model` in both ways and builds the result; all three roots must be one. */
const check = Effect.fnUntraced(function* (
  model: ReadonlyMap<string, ReturnType<typeof entry>>,
  changes: ReadonlyMap<string, ReturnType<typeof entry>>,
  mask: number,
  context?: TraversalContext.TraversalContext
) {
  const store = countingStore()
  const pipeline = pipelineOver(store, context)
  const base = yield* build(pipeline, model, mask)
  const edited = yield* TreeEdit.edit(base, streamOf(changes), { mask })
  const whole = yield* TreeEdit.mergeAndPersist({
    base: opaque(base),
    changes: MapLayer.make(changes),
    pipeline,
    mask
  })
  const expected = yield* build(pipelineOver(countingStore(), context), applied(model, changes), mask)
  assert.strictEqual(rootOf(edited), rootOf(expected), "only what changed")
  assert.strictEqual(rootOf(whole), rootOf(expected), "everything")
  assert.strictEqual(edited === undefined, expected.isEmpty)
  // the result stands on its own in the store
  if (edited !== undefined) {
    const reread = yield* collect(through(edited, pipelineOver(store, context)).scan())
    assert.deepStrictEqual(
      reread.map(([name]) => name),
      sorted(applied(model, changes)).map(([name]) => name)
    )
  }
  return edited
})

const boundaries = (count: number, mask: number) =>
  Array.from({ length: count }, (_, index) => index).filter((index) =>
    TreeBuilder.isBoundary(primitives, key(index), mask)
  )

const change = (index: number, value: number) => [key(index), value < 0 ? tombstone : entry(1_000_000 + value)] as const

describe.each([3, 7, 63])("TreeEdit with mask %i", (mask) => {
  const sizes = [0, 1, 3, 4, 5, 20, 100, 400, 1500]

  it.effect.each(sizes)("random edits of %i entries give the root of the final entries", (size) =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          // even numbers are in the base, so that odd ones are new between them
          FastCheck.array(FastCheck.tuple(FastCheck.nat(size * 2 + 6), FastCheck.integer({ min: -5, max: 5 })), {
            maxLength: 24
          }),
          FastCheck.nat(10),
          (edits, shift) => {
            const model = new Map(Array.from({ length: size }, (_, i) => [key(i * 2 + 4), entry(i)] as const))
            const changes = new Map(edits.map(([index, value]) => change(index, value + (shift === 0 ? 0 : 1))))
            return Effect.runPromise(Effect.asVoid(check(model, changes, mask)))
          }
        ),
        { numRuns: size > 200 ? 5 : 15 }
      )
    )
  )

  it.effect.each(sizes)("a run of deletions in %i entries gives the root of the rest", (size) =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(FastCheck.nat(size + 2), FastCheck.nat(size + 2), (a, b) => {
          const changes = new Map<string, ReturnType<typeof entry>>()
          for (let index = Math.min(a, b); index <= Math.max(a, b); index++) changes.set(key(index), tombstone)
          return Effect.runPromise(Effect.asVoid(check(numbered(size), changes, mask)))
        }),
        { numRuns: size > 200 ? 4 : 10 }
      )
    )
  )

  it.effect("boundary keys that come and go move the cuts as a new build does", () =>
    Effect.gen(function* () {
      const count = mask === 63 ? 1000 : 300
      const cuts = boundaries(count, mask)
      assert.isAbove(cuts.length, 5)
      const model = numbered(count)
      const without = new Map(model)
      for (const index of cuts) without.delete(key(index))
      for (const index of cuts.slice(0, 5)) yield* check(model, new Map([change(index, -1)]), mask)
      for (const index of cuts.slice(-2)) yield* check(model, new Map([change(index, -1)]), mask)
      for (const index of cuts.slice(0, 5)) yield* check(without, new Map([change(index, 1)]), mask)
      yield* check(model, new Map(cuts.map((index) => change(index, -1))), mask)
      yield* check(without, new Map(cuts.map((index) => change(index, 1))), mask)
    })
  )

  it.effect("new smallest and greatest keys, with and without the old ones", () =>
    Effect.gen(function* () {
      for (const size of [1, 4, 5, 300]) {
        const model = numbered(size)
        yield* check(model, new Map([["", entry(1)]]), mask)
        yield* check(model, new Map([["zzz", entry(1)]]), mask)
        yield* check(
          model,
          new Map([
            ["", entry(1)],
            ["zzz", entry(2)]
          ]),
          mask
        )
        yield* check(model, new Map([["", entry(1)], change(0, -1), change(size - 1, -1), ["zzz", entry(2)]]), mask)
        yield* check(model, new Map(Array.from({ length: 200 }, (_, i) => [`a${key(i)}`, entry(i)] as const)), mask)
        yield* check(model, new Map(Array.from({ length: 200 }, (_, i) => [`z${key(i)}`, entry(i)] as const)), mask)
      }
    })
  )

  it.effect("a leaf node that drops below four entries joins its neighbour", () =>
    Effect.gen(function* () {
      const model = numbered(600)
      const cuts = boundaries(600, mask)
      for (let at = 1; at < Math.min(cuts.length, 6); at++) {
        const from = cuts[at - 1]! + 1
        for (const keep of [0, 1, 2, 3]) {
          const changes = new Map<string, ReturnType<typeof entry>>()
          for (let index = from; index <= cuts[at]! - keep; index++) changes.set(key(index), tombstone)
          yield* check(model, changes, mask)
        }
      }
    })
  )

  it.effect("all keys changed, all deleted, all but one deleted", () =>
    Effect.gen(function* () {
      for (const size of [1, 5, 600]) {
        const model = numbered(size)
        const every = (value: number) => new Map(Array.from({ length: size }, (_, index) => change(index, value)))
        yield* check(model, every(7), mask)
        assert.isUndefined(yield* check(model, every(-1), mask))
        for (const index of [0, size >> 1, size - 1]) {
          const most = every(-1)
          most.delete(key(index))
          yield* check(model, most, mask)
          yield* check(model, new Map([...every(-1), change(index, 3)]), mask)
        }
        // the last node of a level may have a single link: alone it must not become a root
        for (let left = 1; left < Math.min(size, 40); left += 5) {
          yield* check(model, new Map([...every(-1)].slice(0, size - left)), mask)
        }
      }
    })
  )

  it.effect("an edit applied twice is applied once", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const base = yield* build(pipelineOver(store), numbered(800), mask)
      const changes = new Map([change(3, 1), change(400, -1), change(5000, 2)])
      const once = yield* TreeEdit.edit(base, streamOf(changes), { mask })
      assert.isDefined(once)
      store.reset()
      const twice = yield* TreeEdit.edit(once!, streamOf(changes), { mask })
      assert.strictEqual(rootOf(twice), rootOf(once))
      assert.deepStrictEqual(store.writes, [])
    })
  )

  it.effect("a sequence of edits leaves no trace of its order", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      let model = new Map<string, ReturnType<typeof entry>>()
      let tree: Snapshot.Snapshot | undefined
      for (let round = 0; round < 8; round++) {
        const changes = new Map(
          Array.from({ length: 70 }, (_, i) => change((i * 37 + round * 211) % 900, (i + round) % 3 === 0 ? -1 : round))
        )
        tree = yield* TreeEdit.edit(tree ?? Snapshot.empty(pipeline), streamOf(changes), { mask })
        model = applied(model, changes)
        assert.strictEqual(rootOf(tree), rootOf(yield* build(pipeline, model, mask)))
      }
    })
  )
})

describe("TreeEdit", () => {
  it.effect("encrypted trees are edited to the root of a new build", () =>
    Effect.gen(function* () {
      const changes = new Map([change(3, 1), change(250, -1), change(900, 2)])
      yield* check(numbered(500), changes, 7, encrypted)
      yield* check(numbered(500), changes, 63, encrypted)
    })
  )

  it.effect("every node of an edited tree has its place: levels, kinds, first keys, sizes, cuts", () =>
    Effect.gen(function* () {
      const mask = 7
      const pipeline = pipelineOver(countingStore())
      const base = yield* build(pipeline, numbered(1500), mask)
      const changes = new Map(Array.from({ length: 60 }, (_, i) => change(i * 31, i % 2 === 0 ? -1 : i)))
      const edited = yield* TreeEdit.edit(base, streamOf(changes), { mask })
      assert.isDefined(edited)
      const root = yield* pipeline.readNode({ hash: edited!.hash })
      const total = sorted(applied(numbered(1500), changes)).reduce((sum, [, e]) => sum + (e.content?.size ?? 0n), 0n)
      const visit: (node: typeof root, isLast: boolean) => Effect.Effect<bigint, TreeError> = Effect.fnUntraced(
        function* (node: typeof root, isLast: boolean) {
          const names = node.entries.map(([name]) => name)
          const cuts = names.map((name, at) => at >= 3 && TreeBuilder.isBoundary(primitives, name, mask))
          assert.isFalse(cuts.slice(0, -1).includes(true), "an earlier cut")
          if (!isLast) assert.isTrue(cuts.at(-1), "the end of a node that is not the last")
          if (node.header.level === 0) return node.entries.reduce((sum, [, e]) => sum + (e.content?.size ?? 0n), 0n)
          let size = 0n
          for (const [at, [name, link]] of node.entries.entries()) {
            const child = yield* pipeline.readNode(link.content!)
            assert.strictEqual(child.entries[0]?.[0], name)
            assert.strictEqual(child.header.level, node.header.level - 1)
            assert.strictEqual(child.header.kind, node.header.kind)
            const below = yield* visit(child, isLast && at === node.entries.length - 1)
            assert.strictEqual(link.content?.size, below)
            size += below
          }
          return size
        }
      )
      assert.strictEqual(yield* visit(root, true), total)
    })
  )

  it.effect("one changed key in 20,000 reads and writes one path", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const base = yield* build(pipelineOver(store), numbered(20_000))
      const expected = yield* build(pipelineOver(countingStore()), applied(numbered(20_000), [change(12_345, 1)]))
      store.reset()
      const edited = yield* TreeEdit.edit(through(base, pipelineOver(store)), streamOf([change(12_345, 1)]))
      assert.strictEqual(rootOf(edited), rootOf(expected))
      assert.isAtMost(store.reads.length, 4, "reads")
      assert.isAtMost(store.writes.length, 4, "writes")
    })
  )

  it.effect("deleting and inserting in 20,000 reads a few nodes of each level", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const model = numbered(20_000, 2)
      const base = yield* build(pipelineOver(store), model)
      const cuts = boundaries(40_000, 63)
      const single = [
        change(cuts.find((index) => index % 2 === 0 && index > 9000)!, -1),
        change(cuts.find((index) => index % 2 === 1 && index > 9000)!, 1),
        change(0, -1),
        change(39_998, -1),
        change(50_000, 1),
        change(7_001, 1)
      ]
      for (const one of single) {
        store.reset()
        const edited = yield* TreeEdit.edit(through(base, pipelineOver(store)), streamOf([one]))
        assert.isAtMost(store.reads.length, 12, `reads of ${one[0]}`)
        assert.isAtMost(store.writes.length, 12, `writes of ${one[0]}`)
        const expected = yield* build(pipelineOver(countingStore()), applied(model, [one]))
        assert.strictEqual(rootOf(edited), rootOf(expected))
      }
    })
  )

  it.effect("two far changes in an 800-key tree of mask 7 read at most 12 leaf nodes", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const base = yield* build(pipelineOver(store), numbered(800), 7)
      const reached = yield* collect(TreeWalk.nodes(pipelineOver(store), { hash: base.hash }))
      const leaves = new Set(
        reached.flatMap((each) =>
          each._tag === "Node" && each.level === 0 ? [Buffer.from(each.hash).toString("hex")] : []
        )
      )
      store.reset()
      yield* TreeEdit.edit(through(base, pipelineOver(store)), streamOf([change(40, 1), change(700, -1)]), { mask: 7 })
      assert.isAtMost(store.reads.filter((hash) => leaves.has(hash)).length, 12)
      store.reset()
      yield* TreeEdit.edit(through(base, pipelineOver(store)), streamOf([change(300, 1)]), { mask: 7 })
      assert.isAtMost(store.writes.length, 8)
    })
  )

  it.effect("no changes give the base back and write nothing", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const base = yield* build(pipelineOver(store), numbered(1000))
      store.reset()
      const edited = yield* TreeEdit.edit(base, Stream.empty)
      assert.strictEqual(rootOf(edited), rootOf(base))
      assert.deepStrictEqual(store.writes, [])
      assert.isUndefined(yield* TreeEdit.edit(Snapshot.empty(base.pipeline), Stream.empty))
      assert.isUndefined(yield* TreeEdit.edit(Snapshot.empty(base.pipeline), streamOf([change(1, -1)])))
    })
  )

  it.effect("a tree that was cut by another mask than the one asked for is rebuilt", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const model = numbered(1000)
      const base = yield* build(pipeline, model, 63)
      for (const changes of [MapLayer.make([change(500, 1)]), MapLayer.make([])]) {
        const merged = yield* TreeEdit.mergeAndPersist({ base, changes, pipeline, mask: 7 })
        const expected = yield* build(pipeline, applied(model, changes.entries), 7)
        assert.strictEqual(rootOf(merged), rootOf(expected))
      }
      // one that was cut by mask 7 without saying so is found out by its nodes
      const unsaid = yield* build(pipeline, model, 7)
      const edited = yield* TreeEdit.edit(unsaid, streamOf([change(500, 1)]))
      assert.strictEqual(rootOf(edited), rootOf(yield* build(pipeline, applied(model, [change(500, 1)]), 63)))
    })
  )

  it.effect("a base whose header says its mask is rebuilt by it, without the header, as in the reference", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const plain = yield* build(pipeline, numbered(500), 7)
      const root = yield* pipeline.readNode({ hash: plain.hash })
      const build7 = { metaChunking: { _tag: "ProllyBlake3", expectedEntriesPerNode: 8 } } as const
      const written = yield* pipeline.writeNode({ header: { ...root.header, build: build7 }, entries: root.entries })
      const base = Snapshot.make({ hash: written.hash, plaintextHash: written.plaintextHash, pipeline })
      const edited = yield* TreeEdit.edit(base, streamOf([change(100, 1)]))
      assert.strictEqual(rootOf(edited), rootOf(yield* build(pipeline, applied(numbered(500), [change(100, 1)]), 7)))
      assert.strictEqual(rootOf(yield* TreeEdit.edit(base, Stream.empty)), rootOf(plain))
    })
  )

  it.effect("a base under other keys is rebuilt under the keys of the result", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const base = yield* build(pipelineOver(store), numbered(300))
      const pipeline = pipelineOver(store, encrypted)
      const changes = MapLayer.make([change(3, 1)])
      const merged = yield* TreeEdit.mergeAndPersist({ base, changes, pipeline })
      const expected = yield* build(pipeline, applied(numbered(300), changes.entries))
      assert.strictEqual(rootOf(merged), rootOf(expected))
    })
  )

  it.effect("a base in another store is copied, not linked to", () =>
    Effect.gen(function* () {
      const base = yield* build(pipelineOver(countingStore()), numbered(300))
      const pipeline = pipelineOver(countingStore())
      const merged = yield* TreeEdit.mergeAndPersist({ base, changes: MapLayer.make([change(3, 1)]), pipeline })
      assert.strictEqual(
        (yield* collect(through(merged!, pipelineOver(countingStore())).scan()).pipe(Effect.either))._tag,
        "Left"
      )
      assert.strictEqual((yield* collect(merged!.scan())).length, 300)
    })
  )

  it.effect("of two trees the changing side wins and the keys are united", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const pipeline = pipelineOver(store)
      const common = numbered(20_000)
      const mine = applied(common, [change(5, -1), change(100, 1), change(200, 1), change(30_000, 1)])
      const theirs = applied(common, [change(7, -1), change(100, 2), change(9_000, 2), change(30_001, 2)])
      const base = yield* build(pipeline, mine)
      const changes = yield* build(pipeline, theirs)
      const expected = yield* build(pipelineOver(countingStore()), new Map([...mine, ...theirs]))
      store.reset()
      const fresh = pipelineOver(store)
      const merged = yield* TreeEdit.mergeAndPersist({
        base: through(base, fresh),
        changes: through(changes, fresh),
        pipeline: fresh
      })
      assert.strictEqual(rootOf(merged), rootOf(expected))
      assert.isAtMost(store.reads.length, 40)
      assert.isAtMost(store.writes.length, 20)
    })
  )

  it.effect("changes out of order are refused", () =>
    Effect.gen(function* () {
      const base = yield* build(pipelineOver(countingStore()), numbered(10))
      for (const changes of [
        [change(5, 1), change(4, 1)],
        [change(5, 1), change(5, 1)]
      ]) {
        const error = yield* Effect.flip(TreeEdit.edit(base, Stream.fromIterable(changes)))
        assert.strictEqual(error._tag === "DamagedTree" && error.reason, "Inconsistent")
      }
    })
  )

  it.effect("an unreadable root is an error, not an empty tree", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const base = yield* build(pipelineOver(store), numbered(10))
      store.blobs.clear()
      const error = yield* Effect.flip(TreeEdit.edit(through(base, pipelineOver(store)), streamOf([change(1, 1)])))
      assert.strictEqual(error.reason, "Missing")
    })
  )
})
