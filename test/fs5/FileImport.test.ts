import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as FileExport from "../../src/fs5/FileExport.ts"
import * as FileImport from "../../src/fs5/FileImport.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import type { TreeError } from "../../src/fs5/TreeError.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { Node, NodeEntry } from "../../src/schema/Node.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import type * as Sealer from "../../src/services/Sealer.ts"
import { generate } from "../interop/generators.ts"
import { implementations, primitives as portable } from "../support/primitives.ts"
import { type CountingStore, countingStore } from "./trees.ts"

/** The native ones: there is much to compress here. */
const primitives = new Map(implementations).get("native") ?? portable

const pipelineOver = (store: CountingStore, context: TraversalContext.TraversalContext = TraversalContext.plain) =>
  Pipeline.make({ primitives, blobs: store.service, context, cache: NodeCache.make() })

const sealer = SealerInline.make(primitives)

const key = (byte: number) => new Uint8Array(32).fill(byte)
const vault = TraversalContext.vaultRoot({ leaf: key(0x2a), node: key(0x2b), recovery: key(0xc8) })
const fixed = (chunkSize: number): TraversalContext.TraversalContext => ({ chunking: { _tag: "Fixed", chunkSize } })

const noise = (seed: number, length: number) => generate({ kind: "xorshift32", seed, length })

/** One buffer for all reads, as a file reader has. */
const inReads = (bytes: Uint8Array, length: number): Stream.Stream<Uint8Array> =>
  Stream.suspend(() => {
    const buffer = new Uint8Array(length)
    return Stream.unfold(0, (at) => {
      if (at >= bytes.length) return Option.none()
      const part = bytes.subarray(at, at + length)
      buffer.set(part)
      return Option.some([buffer.subarray(0, part.length), at + length] as const)
    })
  })

const imported = (pipeline: Pipeline.Pipeline, bytes: Uint8Array, options?: FileImport.Options) =>
  FileImport.importFile(pipeline, sealer, inReads(bytes, 250_000), options)

const exported = (pipeline: Pipeline.Pipeline, entry: NodeEntry) =>
  Effect.map(Stream.runCollect(FileExport.exportFile(pipeline, entry)), (parts) => Bytes.concat(...parts))

/** A sealer that counts the chunks it is given. */
const counting = () => {
  const counted = { chunks: 0 }
  const service: Sealer.Service = {
    ...sealer,
    seal: (context, chunks) =>
      Effect.suspend(() => {
        counted.chunks += chunks.length
        return sealer.seal(context, chunks)
      })
  }
  return { counted, service }
}

const contentOf = (entry: NodeEntry) => {
  if (entry.content === undefined) throw new Error("no content")
  return entry.content
}

describe("importing", () => {
  it.effect("the entry depends neither on concurrency nor on the size of reads", () =>
    Effect.gen(function* () {
      const bytes = Bytes.concat(noise(1, 1_500_000), generate({ kind: "text", seed: 2, length: 200_000 }))
      const entries = yield* Effect.forEach(
        [
          [1, 65_536],
          [16, 1_000_000],
          [3, 4097]
        ] as const,
        ([concurrency, read]) =>
          FileImport.importFile(pipelineOver(countingStore(), vault), sealer, inReads(bytes, read), { concurrency })
      )
      assert.strictEqual(entries[0]?.content?.structural, "link")
      assert.deepStrictEqual(entries[1], entries[0])
      assert.deepStrictEqual(entries[2], entries[0])
    })
  )

  it.effect("an override is merged for the import, stored with the entry, and joined by the skip marker", () =>
    Effect.gen(function* () {
      const override: TraversalContext.TraversalContext = {
        leaf: { compression: { _tag: "Zstd" }, skipWhenUnhelpful: true },
        ...fixed(1_048_576)
      }
      const store = countingStore()
      const pipeline = pipelineOver(store, vault)
      const small = yield* imported(pipeline, noise(3, 4096), { override, semantic: { timestamp: 7 } })
      assert.deepStrictEqual(small.childContext, {
        leaf: { compression: { _tag: "Uncompressed" }, skipWhenUnhelpful: true },
        chunking: { _tag: "Fixed", chunkSize: 1_048_576 }
      })
      assert.deepStrictEqual(small.semantic, { timestamp: 7 })
      const large = yield* imported(pipeline, noise(4, 1_500_000), { override })
      assert.deepStrictEqual(large.childContext, override)
      assert.strictEqual(contentOf(large).storedBlocks, undefined)
      const reader = pipelineOver(store, vault)
      assert.isTrue(Bytes.equals(yield* exported(reader, small), noise(3, 4096)))
      assert.isTrue(Bytes.equals(yield* exported(reader, large), noise(4, 1_500_000)))
    })
  )

  it.effect("an override of the node pipeline and its key can be read back", () =>
    Effect.gen(function* () {
      const override: TraversalContext.TraversalContext = {
        keys: new Map([[0x40, key(9)]]),
        node: { compression: { _tag: "Uncompressed" }, encryption: { strategy: "deterministic_chacha20", slot: 0x40 } }
      }
      const store = countingStore()
      const entry = yield* imported(pipelineOver(store, vault), noise(5, 400_000), { override })
      assert.isTrue(Bytes.equals(yield* exported(pipelineOver(store, vault), entry), noise(5, 400_000)))
    })
  )

  it.effect("a context without the key is a typed error", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore(), { ...vault, keys: new Map() })
      const error = yield* Effect.flip(imported(pipeline, noise(1, 10)))
      assert.strictEqual(error._tag === "SealError" && error.reason, "WrongKey")
    })
  )
})

describe("importing with an earlier version", () => {
  const before = noise(6, 1_600_000)
  const after = before.slice()
  after.fill(0, 800_000, 800_500)

  const both = Effect.fnUntraced(function* (
    context: TraversalContext.TraversalContext,
    change?: (store: CountingStore, entry: NodeEntry) => void,
    oldContext = context
  ) {
    const store = countingStore()
    const previous = {
      pipeline: pipelineOver(store, oldContext),
      entry: yield* imported(pipelineOver(store, oldContext), before)
    }
    change?.(store, previous.entry)
    const { counted, service } = counting()
    const pipeline = pipelineOver(store, context)
    const entry = yield* FileImport.importFile(pipeline, service, inReads(after, 250_000), { previous })
    const full = yield* imported(pipelineOver(countingStore(), context), after)
    assert.deepStrictEqual(entry, full)
    assert.isTrue(Bytes.equals(yield* exported(pipelineOver(store, context), entry), after))
    return counted.chunks
  })

  for (const [name, context] of [
    ["a vault", vault],
    ["a plain tree", TraversalContext.plain],
    ["fixed chunks", { ...vault, ...fixed(60_000) }]
  ] as const) {
    it.effect(`gives the same entry in ${name}, and encodes only what changed`, () =>
      Effect.gen(function* () {
        assert.isAtMost(yield* both(context), 12)
        assert.isAbove(yield* both(context, (store) => store.blobs.clear()), 12)
      })
    )
  }

  it.effect("chunks in another encoding, or under another key, are not reused", () =>
    Effect.gen(function* () {
      const uncompressed = { ...vault, leaf: { ...vault.leaf, compression: { _tag: "Uncompressed" as const } } }
      assert.isAbove(yield* both(vault, undefined, uncompressed), 20)
      const other = { ...vault, keys: new Map([...(vault.keys ?? []), [0x10, key(0x77)] as const]) }
      assert.isAbove(yield* both(vault, undefined, other), 20)
    })
  )

  it.effect("a chunk whose blob is gone is stored again", () =>
    Effect.gen(function* () {
      const gone = yield* both(vault, (store, entry) => {
        const root = Hash.toHex(contentOf(entry).hash)
        // the chunk tree's nodes are small, its leaves are not
        for (const [name, blob] of store.blobs) if (name !== root && blob.length > 20_000) store.blobs.delete(name)
      })
      assert.isAbove(gone, 20)
    })
  )
})

describe("importing what was appended", () => {
  const size = 100_000
  const context = { ...vault, ...fixed(size) }
  const all = noise(8, 1_234_567)

  const appended = Effect.fnUntraced(function* (oldLength: number, newLength: number, forget = false) {
    const store = countingStore()
    const previous = {
      pipeline: pipelineOver(store, context),
      entry: yield* imported(pipelineOver(store, context), all.subarray(0, oldLength))
    }
    if (forget) store.blobs.clear()
    const reads: Array<number> = []
    const file = {
      size: BigInt(newLength),
      readFrom: (offset: bigint) => {
        reads.push(Number(offset))
        return inReads(all.subarray(Number(offset), newLength), 33_333)
      }
    }
    const entry = yield* FileImport.importAppended(pipelineOver(store, context), sealer, file, { previous })
    const full = yield* imported(pipelineOver(countingStore(), context), all.subarray(0, newLength))
    assert.deepStrictEqual(entry, full)
    assert.isTrue(Bytes.equals(yield* exported(pipelineOver(store, context), entry), all.subarray(0, newLength)))
    return reads
  })

  it.effect("is the same as importing everything, and reads the tail only", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* appended(450_000, 1_234_567), [400_000])
      assert.deepStrictEqual(yield* appended(500_000, 500_000), [500_000])
      assert.deepStrictEqual(yield* appended(500_000, 1_000_000), [500_000])
    })
  )

  it.effect("reads everything where nothing can be kept", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* appended(0, 250_000), [0])
      assert.deepStrictEqual(yield* appended(50_000, 250_000), [0])
      assert.deepStrictEqual(yield* appended(100_000, 250_000), [0])
      assert.deepStrictEqual(yield* appended(450_000, 100_000), [0])
      assert.deepStrictEqual(yield* appended(450_000, 399_999), [0])
      assert.deepStrictEqual(yield* appended(450_000, 1_000_000, true), [0])
    })
  )
})

describe("exporting", () => {
  const bytes = noise(11, 9_000_000)
  const chunked = fixed(10_000)

  it.effect("a range touches only its chunks and equals the slice", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const entry = yield* imported(pipelineOver(store, chunked), bytes)
      for (const [offset, length] of [
        [0, 1],
        [9_999, 2],
        [4_321_000, 25_000],
        [8_990_000, 99_999],
        [9_000_000, 10],
        [77, 0]
      ] as const) {
        store.reset()
        const range = { offset: BigInt(offset), length: BigInt(length) }
        const parts = yield* Stream.runCollect(FileExport.exportRange(pipelineOver(store, chunked), entry, range))
        assert.isTrue(Bytes.equals(Bytes.concat(...parts), bytes.subarray(offset, offset + length)))
        assert.isAtMost(store.reads.length, 10)
      }
    })
  )

  it.effect("trees of several levels keep the rules of the chunk tree", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const pipeline = pipelineOver(store, fixed(16))
      const entry = yield* imported(pipeline, bytes.subarray(0, 220_000))
      const check = (content: NonNullable<NodeEntry["content"]>, last: boolean): Effect.Effect<void, TreeError> =>
        Effect.gen(function* () {
          const node = yield* pipeline.readNode(content)
          const boundary = (at: number) => TreeBuilder.isBoundary(primitives, node.entries[at]?.[0] ?? "", 0x3f)
          assert.strictEqual(TreeBuilder.totalSize(node.entries), content.size)
          if (!last) {
            assert.isAtLeast(node.entries.length, 4)
            assert.isTrue(boundary(node.entries.length - 1))
          }
          for (let at = 3; at < node.entries.length - 1; at++) assert.isFalse(boundary(at))
          if (node.header.level === 0) return
          for (const [at, [, link]] of node.entries.entries()) {
            yield* check(contentOf(link), last && at === node.entries.length - 1)
          }
        })
      const root = yield* pipeline.readNode(contentOf(entry))
      assert.isAtLeast(root.header.level, 2)
      yield* check(contentOf(entry), true)
      assert.isTrue(Bytes.equals(yield* exported(pipelineOver(store, fixed(16)), entry), bytes.subarray(0, 220_000)))
    })
  )

  /** A file entry over a hand-made node, as a hostile or broken writer could make it. */
  const forged = Effect.fnUntraced(function* (change: (node: Node) => Node, size = (of: bigint) => of) {
    const store = countingStore()
    const pipeline = pipelineOver(store, fixed(1000))
    const entry = yield* imported(pipeline, bytes.subarray(0, 3000))
    const node = yield* pipeline.readNode(contentOf(entry))
    const written = yield* pipeline.writeNode(change(node))
    const lie: NodeEntry = {
      content: {
        structural: "link",
        hash: written.hash,
        plaintextHash: written.plaintextHash,
        size: size(contentOf(entry).size)
      }
    }
    return yield* Effect.flip(exported(pipelineOver(store, fixed(1000)), lie))
  })

  const resized = (node: Node, by: bigint): Node => ({
    ...node,
    entries: node.entries.map(([name, entry]) => [
      name,
      { ...entry, content: { ...contentOf(entry), size: contentOf(entry).size + by } }
    ])
  })

  const lies: ReadonlyArray<readonly [string, (node: Node) => Node, ((size: bigint) => bigint)?]> = [
    ["another total size than its chunks have", (node) => node, (size) => size + 1n],
    ["a chunk left out", (node) => ({ ...node, entries: node.entries.filter((_, at) => at !== 1) }), () => 2000n],
    ["the first chunk left out", (node) => ({ ...node, entries: node.entries.slice(1) }), () => 2000n],
    ["chunks longer than they are", (node) => resized(node, 1n), (size) => size + 3n],
    ["chunks of no length", (node) => resized(node, -1000n), () => 0n],
    ["a namespace in place of chunks", (node) => ({ ...node, header: { level: 0, kind: "namespace" } })],
    ["links at level 0 and chunks above", (node) => ({ ...node, header: { level: 1, kind: "bytestream" } })],
    ["a level without end", (node) => ({ ...node, header: { level: 255, kind: "bytestream" } })],
    ["no chunks at all", (node) => ({ ...node, entries: [] }), () => 0n],
    [
      "keys that are no offsets",
      (node) => ({ ...node, entries: node.entries.map(([name, entry]) => [name.toUpperCase().slice(1), entry]) })
    ]
  ]

  for (const [name, change, size] of lies) {
    it.effect(`${name}: refused`, () =>
      Effect.gen(function* () {
        const error = yield* forged(change, size)
        assert.strictEqual(error.reason, "Inconsistent", error.message)
      })
    )
  }

  it.effect("an entry without content has no bytes", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(exported(pipelineOver(countingStore()), { semantic: {} }))
      assert.strictEqual(error.reason, "Inconsistent")
    })
  )
})

describe("a tree builder", () => {
  const leaf = (size: number): NodeEntry => ({ content: { structural: "leaf", hash: Hash.zero, size: BigInt(size) } })

  it.effect("refuses keys that do not ascend", () =>
    Effect.gen(function* () {
      const builder = TreeBuilder.make(pipelineOver(countingStore()), { kind: "namespace", mask: 0x3f })
      yield* builder.push("b", leaf(1))
      for (const name of ["a", "b"]) {
        const error = yield* Effect.flip(builder.push(name, leaf(1)))
        assert.strictEqual(error.reason, "Inconsistent")
      }
    })
  )

  it.effect("has no tree without entries", () =>
    Effect.gen(function* () {
      const builder = TreeBuilder.make(pipelineOver(countingStore()), { kind: "namespace", mask: 0x3f })
      assert.isUndefined(yield* builder.finish)
    })
  )
})
