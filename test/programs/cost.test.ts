/** What a change of a large vault costs, counted in nodes: it follows from what changed, not from what exists. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Merge from "../../src/fs5/Merge.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import type { KeyedEntry } from "../../src/fs5/ReadableLayer.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import * as TreeEdit from "../../src/fs5/TreeEdit.ts"
import type { TreeError } from "../../src/fs5/TreeError.ts"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
import * as Publish from "../../src/programs/Publish.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import { countingStore, primitives } from "../fs5/trees.ts"
import * as World from "../support/programs.ts"

const entry = (version: number): NodeEntry => ({
  content: { structural: "leaf", hash: Hash.zero, size: BigInt(version), plaintextHash: Hash.zero },
  semantic: { timestamp: 1_700_000_000 + version }
})

const keyAt = (folder: string, index: number) => `${folder}/${String(index).padStart(8, "0")}`

/** A tree of `count` entries; those that `versions` names differ. */
const build = (
  pipeline: Pipeline.Pipeline,
  folder: string,
  count: number,
  versions: ReadonlyMap<number, number> = new Map()
): Effect.Effect<Snapshot.Snapshot, TreeError> =>
  Effect.gen(function* () {
    const builder = TreeBuilder.make(pipeline, { kind: "namespace", mask: TreeBuilder.defaultMask })
    for (let from = 0; from < count; from += 1024)
      yield* builder.pushAll(
        Array.from({ length: Math.min(1024, count - from) }, (_, at): KeyedEntry => {
          const index = from + at
          return [keyAt(folder, index), entry(versions.get(index) ?? 1)]
        })
      )
    const { link } = Option.getOrThrow(Option.fromNullable(yield* builder.finish))
    return Snapshot.make({ hash: link.hash, plaintextHash: link.plaintextHash, kind: "namespace", pipeline })
  })

const nodesOf = (tree: Snapshot.Snapshot) =>
  TreeWalk.nodes(tree.pipeline, Snapshot.rootOf(tree)).pipe(
    Stream.filter((reached) => reached._tag === "Node"),
    Stream.map(({ hash }) => Hash.toHex(hash)),
    Stream.runCollect,
    Effect.map((all) => new Set(Chunk.toReadonlyArray(all)))
  )

const publish = (vault: Vault.Vault, folder: string, base: Snapshot.Snapshot | undefined, ours: Snapshot.Snapshot) =>
  Publish.publish(vault, {
    folder,
    base: base === undefined ? undefined : Snapshot.rootOf(base),
    ours: Snapshot.rootOf(ours),
    scannedAt: 0,
    files: 0,
    bytes: 0
  })

describe("one changed entry in a vault of 25,000", () => {
  it.effect("is built, merged and published with at most 60 blobs read and 30 written", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* Effect.gen(function* () {
        const first = yield* Vault.ensure("docs")
        const base = yield* build(first.pipeline, "a", 20_000)
        yield* publish(first, "a", undefined, base)
        // what another source put there, so that there is something to merge with
        yield* publish(first, "b", undefined, yield* build(first.pipeline, "b", 5_000))

        const vault = yield* Vault.open("docs")
        let [reads, writes] = [0, 0]
        world.faults.get = Effect.sync(() => {
          reads += 1
        })
        world.faults.put = Effect.sync(() => {
          writes += 1
        })
        const before = Snapshot.make({ ...Snapshot.rootOf(base), pipeline: vault.pipeline })
        const after = yield* TreeEdit.edit(before, Stream.succeed([keyAt("a", 12_345), entry(2)]))
        const { outcome } = yield* publish(vault, "a", before, after!)
        assert.strictEqual(outcome, "published")
        assert.isAtMost(reads, 60)
        assert.isAtMost(writes, 30)
        const head = yield* World.head
        const found = yield* Vault.snapshot(vault, head.root).get(keyAt("a", 12_345))
        assert.strictEqual(found?.content?.size, 2n)
      }).pipe(Effect.provide(world.layer))
    })
  )
})

describe("merging two trees of 15,000 entries that differ in 1,000 keys", () => {
  it.effect("reads at most four times the nodes that differ", () =>
    Effect.gen(function* () {
      const count = 15_000
      const store = countingStore()
      const key = (byte: number) => new Uint8Array(32).fill(byte)
      const context = TraversalContext.vaultRoot({ leaf: key(1), node: key(2), recovery: key(3) })
      const fresh = () => Pipeline.make({ primitives, blobs: store.service, context, cache: NodeCache.make() })
      const versions = (from: number, step: number) =>
        new Map(Array.from({ length: 500 }, (_, at) => [(from + at * step) % count, 2] as const))
      const base = yield* build(fresh(), "a", count)
      // one side changes a run of neighbours, the other what is spread over a third of the tree
      const ours = yield* build(fresh(), "a", count, versions(1000, 1))
      const theirs = yield* build(fresh(), "a", count, versions(8_000, 10))
      const known = yield* nodesOf(base)
      const changed = [...(yield* nodesOf(ours)), ...(yield* nodesOf(theirs))].filter((hash) => !known.has(hash))
      assert.isAtLeast(known.size, 200)
      assert.isBelow(changed.length, known.size)

      const pipeline = fresh()
      const over = (tree: Snapshot.Snapshot) => Snapshot.make({ ...Snapshot.rootOf(tree), pipeline })
      store.reset()
      const { conflicts, root } = yield* Merge.threeWay({ base: over(base), ours: over(ours), theirs: over(theirs) })
      assert.deepStrictEqual(conflicts, [])
      assert.isAtMost(store.reads.length, 4 * changed.length)
      const all = yield* build(fresh(), "a", count, new Map([...versions(1000, 1), ...versions(8_000, 10)]))
      assert.strictEqual(Hash.toHex(root!.hash), Hash.toHex(all.hash))
    })
  )
})
