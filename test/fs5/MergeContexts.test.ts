import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ContentId from "../../src/fs5/ContentId.ts"
import * as ContextPin from "../../src/fs5/ContextPin.ts"
import * as FileExport from "../../src/fs5/FileExport.ts"
import * as FileImport from "../../src/fs5/FileImport.ts"
import * as Merge from "../../src/fs5/Merge.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import type * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import { generate } from "../interop/generators.ts"
import { implementations, primitives as portable } from "../support/primitives.ts"
import { folder } from "./mergeModel.ts"
import { build, type CountingStore, collect, countingStore, rootOf } from "./trees.ts"

const primitives = new Map(implementations).get("native") ?? portable
const sealer = SealerInline.make(primitives)

const secret = (byte: number) => new Uint8Array(32).fill(byte)
const vault = TraversalContext.vaultRoot({ leaf: secret(1), node: secret(2), recovery: secret(3) })
const others = TraversalContext.vaultRoot({ leaf: secret(4), node: secret(5), recovery: secret(6), paddingBlock: 4096 })
/** The same vault after its leaf pipeline was changed and got a new slot. */
const renewed: TraversalContext.TraversalContext = {
  ...vault,
  keys: new Map([...(vault.keys ?? []), [0x20, secret(7)]]),
  leaf: { encryption: { strategy: "deterministic_chacha20", slot: 0x20 }, paddingBlock: 512 }
}

const pipelineOver = (store: CountingStore, context: TraversalContext.TraversalContext) =>
  Pipeline.make({ primitives, blobs: store.service, context, cache: NodeCache.make() })

const small = generate({ kind: "text", seed: 1, length: 3000 })
const large = generate({ kind: "xorshift32", seed: 2, length: 600_000 })
const edited = Bytes.concat(large.subarray(0, 300_000), Uint8Array.of(1, 2, 3), large.subarray(300_003))

const write = (pipeline: Pipeline.Pipeline, bytes: Uint8Array, mtime = 100, options?: FileImport.Options) =>
  FileImport.importFile(pipeline, sealer, Stream.succeed(bytes), { semantic: { timestamp: mtime }, ...options })

const read = Effect.fnUntraced(function* (snapshot: Snapshot.Snapshot | undefined, store: CountingStore) {
  const out: Record<string, Uint8Array> = {}
  if (snapshot === undefined) return out
  const pipeline = pipelineOver(store, snapshot.pipeline.context)
  for (const [key, entry] of yield* collect(snapshot.scan())) {
    if (entry.content === undefined) continue
    out[key] = Bytes.concat(...(yield* Stream.runCollect(FileExport.exportFile(pipeline, entry))))
  }
  return out
})

const expectBytes = (found: Record<string, Uint8Array>, expected: Record<string, Uint8Array>) => {
  assert.deepStrictEqual(Object.keys(found), Object.keys(expected))
  for (const [key, bytes] of Object.entries(expected)) assert.isTrue(Bytes.equals(found[key]!, bytes), key)
}

describe("ContentId", () => {
  it.effect("of a file is the hash of its bytes, under every context", () =>
    Effect.gen(function* () {
      for (const context of [TraversalContext.plain, vault, others, renewed]) {
        const pipeline = pipelineOver(countingStore(), context)
        const entry = yield* write(pipeline, small)
        assert.deepStrictEqual(yield* ContentId.of(pipeline, "a", entry), primitives.blake3(small))
      }
    })
  )

  it.effect("of a chunked file is the hash of its chunks' offsets and hashes, under every context", () =>
    Effect.gen(function* () {
      const ids = new Set<string>()
      const roots = new Set<string>()
      for (const context of [TraversalContext.plain, vault, others, renewed].map((each) => ({
        ...each,
        chunking: TraversalContext.defaultChunking
      }))) {
        const pipeline = pipelineOver(countingStore(), context)
        const entry = yield* write(pipeline, large)
        assert.strictEqual(entry.content?.structural, "link")
        roots.add(Hash.toHex(entry.content!.plaintextHash!))
        ids.add(Hash.toHex(yield* ContentId.of(pipeline, "a", entry)))
        const list: Array<Uint8Array> = []
        for (const chunk of yield* collect(FileExport.chunks(pipeline, entry))) {
          const offset = Buffer.alloc(8)
          offset.writeBigUInt64BE(chunk.offset)
          const from = Number(chunk.offset)
          list.push(offset, primitives.blake3(large.subarray(from, from + Number(chunk.entry.content.size))))
        }
        assert.isAbove(list.length, 8)
        assert.isTrue(ids.has(Hash.toHex(primitives.blake3(Bytes.concat(...list)))))
      }
      assert.strictEqual(ids.size, 1)
      assert.isAbove(roots.size, 2, "the root nodes differ")
    })
  )
})

/** `base`, `ours` and `theirs` from one file each, every side with its own context. */
const merge = Effect.fnUntraced(function* (
  store: CountingStore,
  base: readonly [TraversalContext.TraversalContext, Record<string, Uint8Array>] | undefined,
  ours: readonly [TraversalContext.TraversalContext, Record<string, Uint8Array>, mtime?: number],
  theirs: readonly [TraversalContext.TraversalContext, Record<string, Uint8Array>, mtime?: number]
) {
  const tree = Effect.fnUntraced(function* ([context, files, mtime]: readonly [
    TraversalContext.TraversalContext,
    Record<string, Uint8Array>,
    mtime?: number
  ]) {
    const pipeline = pipelineOver(store, context)
    const entries: Array<readonly [string, NodeEntry]> = [["d/", folder()]]
    for (const [key, bytes] of Object.entries(files)) entries.push([key, yield* write(pipeline, bytes, mtime)])
    return yield* build(pipeline, entries)
  })
  const trees = { base: base && (yield* tree(base)), ours: yield* tree(ours), theirs: yield* tree(theirs) }
  return { trees, merged: yield* Merge.threeWay(trees) }
})

describe("merging chunked files", () => {
  it.effect("under another slot is no change: an edit on the other side is the only one, a deletion holds", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const { merged } = yield* merge(
        store,
        [vault, { a: large, b: large }],
        [renewed, { a: large, b: large }],
        [vault, { a: edited }]
      )
      assert.deepStrictEqual(merged.conflicts, [])
      expectBytes(yield* read(merged.root, store), { a: edited })
    })
  )

  it.effect("edited to the same bytes under two contexts is one edit", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const { merged, trees } = yield* merge(
        store,
        [vault, { a: large }],
        [renewed, { a: edited }],
        [vault, { a: edited }]
      )
      assert.deepStrictEqual(merged.conflicts, [])
      assert.strictEqual(rootOf(merged.root), rootOf(trees.theirs))
    })
  )

  it.effect("edited in two ways both are there, and read under the other's context", () =>
    Effect.gen(function* () {
      for (const context of [vault, renewed, others, TraversalContext.plain]) {
        const store = countingStore()
        const { merged } = yield* merge(
          store,
          [vault, { a: small }],
          [context, { a: large, z: small }, 300],
          [vault, { a: edited, y: edited }, 200]
        )
        assert.strictEqual(merged.conflicts.length, 1)
        const { contentId, copy, side } = merged.conflicts[0]!
        assert.strictEqual(side, "theirs")
        assert.strictEqual(copy, `a (conflict ${Hash.toHex(contentId).slice(0, 8)})`)
        expectBytes(yield* read(merged.root, store), { a: large, [copy]: edited, y: edited, z: small })
        assert.isTrue(merged.root?.pipeline.context === vault)
      }
    })
  )

  it.effect(
    "in one context reads chunk trees only where they differ, and finds one file under two slots the same",
    () =>
      Effect.gen(function* () {
        const store = countingStore()
        const pipeline = pipelineOver(store, vault)
        const override: TraversalContext.TraversalContext = {
          keys: new Map([[0x30, secret(8)]]),
          leaf: {
            compression: { _tag: "Uncompressed" },
            encryption: { strategy: "deterministic_chacha20", slot: 0x30 }
          }
        }
        const first = yield* write(pipeline, large, 100)
        const again = yield* write(pipeline, large, 200, { override })
        const changed = yield* write(pipeline, edited, 50)
        const trees = yield* Effect.forEach(
          [{ a: first, c: first }, { a: again, c: again }, { a: changed }],
          (entries) => build(pipeline, Object.entries(entries))
        )
        const { conflicts, root } = yield* Merge.threeWay({ base: trees[0], ours: trees[1]!, theirs: trees[2]! })
        assert.deepStrictEqual(conflicts, [])
        expectBytes(yield* read(root, store), { a: edited })

        store.blobs.delete(Hash.toHex(first.content!.hash))
        const fresh = pipelineOver(store, vault)
        const touched = yield* build(fresh, [["a", { ...first, semantic: { timestamp: 300 } }]])
        const same = yield* Merge.threeWay({
          base: yield* build(fresh, [["a", first]]),
          ours: touched,
          theirs: yield* build(fresh, [["a", changed]])
        })
        assert.deepStrictEqual((yield* collect(same.root!.scan()))[0]?.[1], changed)
      })
  )

  it.effect("whose chunk trees in the base are lost stand side by side; a store that fails is an error", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const pipeline = pipelineOver(store, vault)
      const first = yield* write(pipeline, large, 100)
      const second = yield* write(pipeline, edited, 200)
      const third = yield* write(pipeline, Bytes.concat(edited.subarray(3), Uint8Array.of(9, 9, 9)), 300)
      const build1 = (entries: Record<string, NodeEntry>) => build(pipeline, Object.entries(entries))
      const base = yield* build1({ a: first, b: first })
      const ours = yield* build1({ a: second })
      const theirs = yield* build1({ a: third, b: second })
      store.blobs.delete(Hash.toHex(first.content!.hash))
      const over = (snapshot: Snapshot.Snapshot, through: Pipeline.Pipeline) => ({ ...snapshot, pipeline: through })
      const fresh = pipelineOver(store, vault)
      const { conflicts, root } = yield* Merge.threeWay({
        base: over(base, fresh),
        ours: over(ours, fresh),
        theirs: over(theirs, fresh)
      })
      assert.deepStrictEqual(
        conflicts.map(({ path }) => path),
        ["a"]
      )
      assert.deepStrictEqual(
        (yield* collect(root!.scan())).map(([key]) => key),
        ["a", conflicts[0]!.copy, "b"]
      )
      store.broken = "get"
      const broken = pipelineOver(store, vault)
      const error = yield* Effect.flip(
        Merge.threeWay({ base: over(base, broken), ours: over(ours, broken), theirs: over(theirs, broken) })
      )
      assert.strictEqual(error.reason, "Unavailable")
    })
  )
})

describe("ContextPin", () => {
  it.effect("an entry reads the same after it moved, whatever the two contexts are", () =>
    Effect.gen(function* () {
      const contexts = [TraversalContext.plain, vault, others, renewed, TraversalContext.singleMaster(secret(9))]
      const store = countingStore()
      for (const from of contexts) {
        for (const bytes of [
          small,
          large,
          new Uint8Array(0),
          generate({ kind: "xorshift32", seed: 3, length: 2000 })
        ]) {
          const entry = yield* write(
            pipelineOver(store, { ...from, chunking: TraversalContext.defaultChunking }),
            bytes
          )
          for (const to of contexts) {
            const pinned = ContextPin.pin(from, to, entry)
            const parts = yield* Stream.runCollect(FileExport.exportFile(pipelineOver(store, to), pinned))
            assert.isTrue(Bytes.equals(Bytes.concat(...parts), bytes))
            if (from === to) assert.strictEqual(pinned, entry)
            assert.deepStrictEqual(pinned.content, entry.content)
            assert.isFalse(pinned.childContext?.keys?.has(TraversalContext.keySlot.recovery) ?? false)
            assert.deepStrictEqual(ContextPin.pin(to, from, pinned).content, entry.content)
          }
        }
      }
    })
  )

  it.effect("only keys that are missing are written down: none between two slots of one vault", () =>
    Effect.gen(function* () {
      const old = yield* write(pipelineOver(countingStore(), vault), small)
      const pinned = ContextPin.pin(vault, renewed, old)
      assert.isUndefined(pinned.childContext?.keys)
      assert.deepStrictEqual(pinned.childContext?.leaf?.encryption, { strategy: "deterministic_chacha20", slot: 0x10 })
      const young = yield* write(pipelineOver(countingStore(), renewed), small)
      assert.deepStrictEqual([...(ContextPin.pin(renewed, vault, young).childContext?.keys ?? [])], [[0x20, secret(7)]])
      assert.strictEqual(ContextPin.pin(vault, others, folder()).childContext, undefined)
      const reordered = {
        ...vault,
        keys: new Map([...(vault.keys ?? [])].reverse()),
        chunking: { _tag: "None" } as const
      }
      assert.strictEqual(ContextPin.pin(vault, reordered, old), old)
    })
  )
})
