import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import type { Pipeline } from "../../src/fs5/Pipeline.ts"
import type { KeyedEntry } from "../../src/fs5/ReadableLayer.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import type { TreeError } from "../../src/fs5/TreeError.ts"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import type * as Node from "../../src/schema/Node.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import {
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

const names = (entries: ReadonlyArray<KeyedEntry>) => entries.map(([name]) => name)

/** Writes a node as it is, whatever it says, and links to it by its first key. */
const put = (
  pipeline: Pipeline,
  level: number,
  entries: ReadonlyArray<KeyedEntry>,
  header?: Partial<Node.NodeHeader>
) =>
  Effect.map(pipeline.writeNode({ header: { level, kind: "namespace", ...header }, entries }), (written) => {
    const link = TreeBuilder.linkEntry({ ...written, size: TreeBuilder.totalSize(entries), level })
    return { snapshot: Snapshot.make({ ...written, pipeline }), link, keyed: [entries[0]?.[0] ?? "", link] as const }
  })

describe("Snapshot", () => {
  it.effect.each([3, 7, 63])("get and scan answer as a map does, mask %i", (mask) =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.uniqueArray(FastCheck.string({ unit: "grapheme", maxLength: 4 }), { maxLength: 120 }),
          FastCheck.array(FastCheck.string({ unit: "grapheme", maxLength: 4 }), { minLength: 2, maxLength: 8 }),
          (keys, probes) =>
            Effect.gen(function* () {
              const model = new Map(
                keys.map((name, index) => [name, index % 7 === 3 ? tombstone : entry(index)] as const)
              )
              const tree = yield* build(pipelineOver(countingStore()), model, mask)
              const wanted = sorted(model)
              assert.deepStrictEqual(yield* collect(tree.scan()), wanted)
              for (const probe of [...probes, ...keys.slice(0, 10), "", "\u{10ffff}\u{10ffff}"]) {
                assert.deepStrictEqual(yield* tree.getRaw(probe), model.get(probe))
                const live = model.get(probe)
                assert.deepStrictEqual(yield* tree.get(probe), live?.tombstone === undefined ? live : undefined)
              }
              for (let index = 1; index < probes.length; index++) {
                const from = probes[index - 1]!
                const until = probes[index]!
                assert.deepStrictEqual(
                  names(yield* collect(tree.scan({ from, until }))),
                  names(
                    wanted.filter(([name]) => Bytes.compareUtf8(name, from) >= 0 && Bytes.compareUtf8(name, until) < 0)
                  )
                )
                assert.deepStrictEqual(
                  names(yield* collect(tree.scan({ until }))),
                  names(wanted.filter(([name]) => Bytes.compareUtf8(name, until) < 0))
                )
              }
            }).pipe(Effect.runPromise)
        ),
        { numRuns: 25 }
      )
    )
  )

  it.effect("a key is found with one node of each level, a short range with little more", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const built = yield* build(pipelineOver(store), numbered(20_000))
      store.reset()
      assert.deepStrictEqual(yield* through(built, pipelineOver(store)).get(key(12_345)), entry(12_345))
      assert.isAtMost(store.reads.length, 3)
      store.reset()
      const range = { from: key(7_000), until: key(7_050) }
      assert.strictEqual((yield* collect(through(built, pipelineOver(store)).scan(range))).length, 50)
      assert.isAtMost(store.reads.length, 6)
      store.reset()
      yield* Stream.runDrain(Stream.take(through(built, pipelineOver(store)).scan(), 10))
      assert.isAtMost(store.reads.length, 4, "a scan that is not finished reads no further")
    })
  )

  it.effect("the empty snapshot has nothing and loads nothing", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const tree = Snapshot.empty(pipelineOver(store))
      assert.isTrue(tree.isEmpty)
      assert.isUndefined(yield* tree.get("a"))
      assert.deepStrictEqual(yield* collect(tree.scan()), [])
      assert.strictEqual(yield* tree.chunkMask, 63)
      assert.deepStrictEqual(store.reads, [])
    })
  )

  it.effect("the mask comes from the root's header, and an unreadable root has none", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const pipeline = pipelineOver(store)
      for (const [expected, mask] of [
        [8, 7],
        [1, 0],
        [0, 0xffffffff]
      ] as const) {
        const build = { metaChunking: { _tag: "ProllyBlake3", expectedEntriesPerNode: expected } } as const
        const { snapshot } = yield* put(pipeline, 0, [["a", entry(1)]], { build })
        assert.strictEqual(yield* snapshot.chunkMask, mask)
      }
      const { snapshot } = yield* put(pipeline, 0, [["a", entry(1)]])
      assert.strictEqual(yield* snapshot.chunkMask, 63)
      store.blobs.clear()
      const error = yield* Effect.flip(through(snapshot, pipelineOver(store)).chunkMask)
      assert.strictEqual(error.reason, "Missing")
    })
  )

  it.effect("the tree below an entry is read under the entry's context", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const master = new Uint8Array(32).fill(7)
      const inner = TraversalContext.singleMaster(master)
      const chunks = yield* build(pipelineOver(store, inner), [["0000000000000000", entry(1)]])
      const outer = pipelineOver(store)
      const file = {
        content: { structural: "link", hash: chunks.hash, size: 1n, plaintextHash: chunks.plaintextHash! },
        childContext: inner
      } as const
      const tree = yield* build(outer, [
        ["file", file],
        ["plain", entry(5)]
      ])
      assert.deepStrictEqual(yield* collect(tree.child(file).scan()), [["0000000000000000", entry(1)]])
      const wrongKind = yield* Effect.flip(collect(tree.child(file, "bytestream").scan()))
      assert.strictEqual(wrongKind.reason, "Inconsistent")
      const walked = yield* collect(TreeWalk.nodes(outer, { hash: tree.hash }))
      assert.deepStrictEqual(
        walked.map((each) => [each._tag, each.path, Bytes.toHex(each.hash)]),
        [
          ["Node", [], Bytes.toHex(tree.hash)],
          ["Node", ["file"], Bytes.toHex(chunks.hash)],
          ["Leaf", ["file", "0000000000000000"], Bytes.toHex(entry(1).content!.hash)],
          ["Leaf", ["plain"], Bytes.toHex(entry(5).content!.hash)]
        ]
      )
    })
  )

  it.effect("a walk reaches every stored node and leaf once, and goes on beside a broken node", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const tree = yield* build(pipelineOver(store), numbered(1000), 7)
      const walked = yield* collect(TreeWalk.nodes(pipelineOver(store), { hash: tree.hash }))
      const hashes = (tag: string) => walked.flatMap((each) => (each._tag === tag ? [Bytes.toHex(each.hash)] : []))
      assert.deepStrictEqual(hashes("Node").sort(), [...store.blobs.keys()].sort())
      assert.deepStrictEqual(
        hashes("Leaf"),
        [...numbered(1000).values()].map(({ content }) => Bytes.toHex(content!.hash))
      )
      const lost = walked.find((each) => each._tag === "Node" && each.level === 0)!
      const lostEntries = lost._tag === "Node" ? lost.length : 0
      store.blobs.delete(Bytes.toHex(lost.hash))
      const inspected = yield* collect(TreeWalk.inspect(pipelineOver(store), { hash: tree.hash }))
      const broken = inspected.filter((each) => each._tag === "Unreadable")
      assert.deepStrictEqual(
        broken.map((each) => each.hash),
        [lost.hash]
      )
      assert.strictEqual(inspected.length, walked.length - lostEntries)
      const error = yield* Effect.flip(collect(TreeWalk.nodes(pipelineOver(store), { hash: tree.hash })))
      assert.strictEqual(error.reason, "Missing")
      const skipped = yield* collect(
        TreeWalk.nodes(pipelineOver(store), { hash: tree.hash }, { skip: (hash) => Bytes.equals(hash, lost.hash) })
      )
      assert.strictEqual(skipped.length, walked.length - lostEntries - 1)
    })
  )

  const leaf = (pipeline: Pipeline, ...indices: ReadonlyArray<number>) =>
    put(
      pipeline,
      0,
      indices.map((index) => [key(index), entry(index)])
    )

  const malformed: ReadonlyArray<
    readonly [name: string, make: (pipeline: Pipeline) => Effect.Effect<Snapshot.Snapshot, TreeError>]
  > = [
    ["without entries", (pipeline) => Effect.map(put(pipeline, 0, []), ({ snapshot }) => snapshot)],
    [
      "whose root has a single link",
      (pipeline) =>
        Effect.gen(function* () {
          const { keyed } = yield* leaf(pipeline, 1, 2)
          return (yield* put(pipeline, 1, [keyed])).snapshot
        })
    ],
    [
      "with a leaf entry in a node of links",
      (pipeline) =>
        Effect.gen(function* () {
          const { keyed } = yield* leaf(pipeline, 1, 2)
          return (yield* put(pipeline, 1, [keyed, [key(5), entry(5)]])).snapshot
        })
    ],
    [
      "with a link of another key than its node's first",
      (pipeline) =>
        Effect.gen(function* () {
          const a = yield* leaf(pipeline, 1, 2)
          const b = yield* leaf(pipeline, 5, 6)
          return (yield* put(pipeline, 1, [a.keyed, [key(4), b.link]])).snapshot
        })
    ],
    [
      "with nodes that overlap",
      (pipeline) =>
        Effect.gen(function* () {
          const a = yield* leaf(pipeline, 1, 7)
          const b = yield* leaf(pipeline, 5, 8)
          return (yield* put(pipeline, 1, [a.keyed, b.keyed])).snapshot
        })
    ],
    [
      "with a level left out",
      (pipeline) =>
        Effect.gen(function* () {
          const a = yield* leaf(pipeline, 1, 2)
          const b = yield* leaf(pipeline, 5, 6)
          return (yield* put(pipeline, 2, [a.keyed, b.keyed])).snapshot
        })
    ],
    [
      "with a node of another kind",
      (pipeline) =>
        Effect.gen(function* () {
          const a = yield* leaf(pipeline, 1, 2)
          const b = yield* put(pipeline, 0, [[key(5), entry(5)]], { kind: "bytestream" })
          return (yield* put(pipeline, 1, [a.keyed, b.keyed])).snapshot
        })
    ],
    [
      "that is too high",
      (pipeline) =>
        Effect.gen(function* () {
          const a = yield* leaf(pipeline, 1, 2)
          const b = yield* leaf(pipeline, 5, 6)
          return (yield* put(pipeline, 33, [a.keyed, b.keyed])).snapshot
        })
    ]
  ]

  it.effect.each(malformed)("a tree %s is refused", ([, make]) =>
    Effect.gen(function* () {
      const store = countingStore()
      const tree = through(yield* make(pipelineOver(store)), pipelineOver(store))
      const scanned = yield* Effect.flip(collect(tree.scan()))
      assert.strictEqual(scanned.reason, "Inconsistent")
      const walked = yield* Effect.flip(collect(TreeWalk.nodes(tree.pipeline, { hash: tree.hash })))
      assert.strictEqual(walked.reason, "Inconsistent")
    })
  )
})
