import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as BlobCodec from "../../src/fs5/BlobCodec.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { Node } from "../../src/schema/Node.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import { generate } from "../interop/generators.ts"
import { countingStore, entry as leafEntry, pipelineOver, primitives } from "./trees.ts"

const key = (byte: number) => new Uint8Array(32).fill(byte)
const keys = new Map([
  [0x0e, key(1)],
  [0x10, key(2)],
  [0x11, key(3)],
  [0x13, key(4)]
])

const compressions: ReadonlyArray<TraversalContext.CompressionStrategy | undefined> = [
  undefined,
  { _tag: "Uncompressed" },
  { _tag: "Zstd" },
  { _tag: "ZstdLevel", level: 3 }
]

const pipelines: ReadonlyArray<TraversalContext.BlobPipeline | undefined> = [
  undefined,
  ...compressions.flatMap((compression) =>
    [undefined, 1, 1000, 4096].flatMap((paddingBlock) =>
      (["none", "plaintext", "deterministic_chacha20", "explicit_key_chacha20"] as const).flatMap((strategy) =>
        [undefined, false, true].map((skip) => ({
          ...(compression !== undefined && { compression }),
          ...(paddingBlock !== undefined && { paddingBlock }),
          ...(strategy !== "none" && {
            encryption: { strategy, slot: strategy === "explicit_key_chacha20" ? 0x13 : 0x10 }
          }),
          ...(skip !== undefined && { skipWhenUnhelpful: skip })
        }))
      )
    )
  )
]

const sizes = [0, 1, 999, 1000, 1001, 4095, 4096, 4097, 8191, 8192, 131_073]

const plaintexts = sizes.flatMap((length) => [
  generate({ kind: "xorshift32", seed: length + 1, length }),
  generate({ kind: "text", seed: length + 1, length })
])

const encode = (context: TraversalContext.TraversalContext, plaintext: Uint8Array) =>
  Either.getOrThrowWith(BlobCodec.encodeLeaf(primitives, context, plaintext), (error) => error)

const decode = (
  context: TraversalContext.TraversalContext,
  leaf: BlobCodec.EncodedLeaf,
  stored: Uint8Array = leaf.stored
) => {
  const effective = TraversalContext.merge(context, leaf.entry.childContext ?? {})
  return BlobCodec.decodeLeaf(primitives, effective.leaf, effective.keys, leaf.entry.content, stored)
}

const contextOf = (leaf: TraversalContext.BlobPipeline | undefined): TraversalContext.TraversalContext => ({
  keys,
  ...(leaf !== undefined && { leaf })
})

describe("leaf blobs", () => {
  it("come back from every combination of compression, padding, encryption and skipping", () => {
    for (const pipeline of pipelines) {
      const context = contextOf(pipeline)
      const block = Math.max(pipeline?.paddingBlock ?? 1, 1)
      for (const plaintext of plaintexts) {
        const leaf = encode(context, plaintext)
        const back = decode(context, leaf)
        assert.isTrue(Either.isRight(back) && Bytes.equals(back.right, plaintext), JSON.stringify(pipeline))
        assert.strictEqual(leaf.stored.length % block, 0)
        assert.strictEqual(leaf.entry.content.storedBlocks !== undefined, pipeline !== undefined)
        assert.strictEqual(leaf.entry.content.plaintextHash !== undefined, pipeline !== undefined)
        if (pipeline?.skipWhenUnhelpful === true && plaintext.length > 0) {
          const unpacked = Math.ceil(plaintext.length / block) * block
          assert.isAtMost(leaf.stored.length, unpacked)
          assert.strictEqual(leaf.entry.childContext !== undefined, leaf.stored.length === unpacked)
        } else {
          assert.isUndefined(leaf.entry.childContext)
        }
      }
    }
  }, 60_000)

  const vault = TraversalContext.vaultRoot({ leaf: key(0x2a), node: key(0x2b), recovery: key(0xc8) })

  it("a flipped bit changes the stored hash, and is never accepted as plaintext unless it only touched padding", () => {
    const leaves = [plaintexts[7], plaintexts[13]].map((plaintext) => encode(vault, plaintext ?? new Uint8Array(9)))
    fc.assert(
      fc.property(fc.constantFrom(...leaves), fc.nat(), (leaf, position) => {
        const damaged = leaf.stored.slice()
        const at = position % (damaged.length * 8)
        damaged[at >> 3] = (damaged[at >> 3] ?? 0) ^ (1 << (at & 7))
        assert.isFalse(Bytes.equals(primitives.blake3(damaged), leaf.hash))
        const back = decode(vault, leaf, damaged)
        const plaintext = decode(vault, leaf)
        if (Either.isRight(back)) {
          assert.isTrue(Either.isRight(plaintext) && Bytes.equals(back.right, plaintext.right))
        }
      })
    )
  })

  it("another master never gives an accepted plaintext", () => {
    for (const plaintext of plaintexts.filter((bytes) => bytes.length > 0)) {
      const leaf = encode(vault, plaintext)
      const other = { ...vault, keys: new Map([[TraversalContext.keySlot.leaf, key(0x2c)]]) }
      const back = decode(other, leaf)
      assert.isTrue(Either.isLeft(back) && back.left.reason === "WrongKey")
    }
  })

  it("can be read with their own key in place of the master", () => {
    const plaintext = generate({ kind: "text", seed: 3, length: 20_000 })
    const leaf = encode(vault, plaintext)
    const plaintextHash = primitives.blake3(plaintext)
    const shallow: TraversalContext.TraversalContext = {
      keys: new Map([[0x13, BlobCodec.deriveKey(primitives, "leaf", key(0x2a), plaintextHash)]]),
      leaf: { ...vault.leaf, encryption: { strategy: "explicit_key_chacha20", slot: 0x13 } }
    }
    const back = decode(shallow, leaf)
    assert.isTrue(Either.isRight(back) && Bytes.equals(back.right, plaintext))
  })

  it("a frame with more content than the entry says is refused", () => {
    const pipeline: TraversalContext.BlobPipeline = { compression: { _tag: "Zstd" } }
    const stored = primitives.zstdCompress(1, new Uint8Array(50_000_000))
    const back = BlobCodec.decodeLeaf(primitives, pipeline, undefined, { size: 1000n }, stored)
    assert.isTrue(Either.isLeft(back) && back.left.reason === "NotDecodable")
  })

  it("a padding block that would fill the memory is refused", () => {
    const result = BlobCodec.encode(primitives, { paddingBlock: 0xffff_ffff }, "leaf", undefined, new Uint8Array(1))
    assert.isTrue(Either.isLeft(result) && result.left.reason === "Unsupported")
  })

  it("errors name the slot and never the key", () => {
    const leaf = encode(vault, Bytes.fromUtf8("hello"))
    const back = decode({ ...vault, keys: new Map() }, leaf)
    assert.isTrue(Either.isLeft(back) && back.left.message.includes("slot 0x10"))
    const short = decode({ ...vault, keys: new Map([[0x10, key(0x2a).subarray(1)]]) }, leaf)
    assert.isTrue(Either.isLeft(short) && !short.left.message.includes("2a2a"))
  })
})

describe("node blobs", () => {
  const node: Node = {
    header: { level: 0, kind: "namespace" },
    // sizes of 0 let the CBOR end in a zero byte, where padding begins
    entries: [
      ["a", leafEntry(1)],
      ["b", { content: { structural: "leaf", hash: Hash.zero, size: 0n } }]
    ]
  }

  for (const [index, nodePipeline] of pipelines.entries()) {
    if (nodePipeline?.skipWhenUnhelpful === true) continue
    it.effect(`come back through pipeline ${index} (${JSON.stringify(nodePipeline)})`, () =>
      Effect.gen(function* () {
        const store = countingStore()
        const context = { keys, ...(nodePipeline !== undefined && { node: nodePipeline }) }
        const written = yield* pipelineOver(store, context).writeNode(node)
        const link = { hash: written.hash, plaintextHash: written.plaintextHash }
        const reader = pipelineOver(store, context)
        assert.deepStrictEqual(yield* reader.readNode(link), node)
        const lie = { ...link, plaintextHash: primitives.blake3(new Uint8Array(1)) }
        const error = yield* Effect.flip(reader.readNode(lie))
        assert.include(["WrongKey", "NotDecodable"], error.reason)
      })
    )
  }

  it.effect("a node pipeline that skips is refused", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore(), { node: { skipWhenUnhelpful: true } })
      const error = yield* Effect.flip(pipeline.writeNode(node))
      assert.strictEqual(error.reason, "Unsupported")
    })
  )

  it.effect("a node in the cache is still uploaded, and read without the store", () =>
    Effect.gen(function* () {
      const cache = NodeCache.make()
      const [first, second] = [countingStore(), countingStore()]
      const over = (blobs: typeof first.service) => Pipeline.make({ primitives, blobs, context: {}, cache })
      const link = yield* over(first.service).writeNode(node)
      yield* over(second.service).writeNode(node)
      assert.deepStrictEqual(second.writes, [Hash.toHex(link.hash)])
      assert.deepStrictEqual(yield* over(second.service).readNode(link), node)
      assert.deepStrictEqual(second.reads, [])
    })
  )

  it.effect("a store that answers other bytes is found out", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const link = yield* pipelineOver(store).writeNode(node)
      store.blobs.set(Hash.toHex(link.hash), Bytes.fromUtf8("something else"))
      const error = yield* Effect.flip(pipelineOver(store).readNode(link))
      assert.strictEqual(error.reason, "Damaged")
    })
  )
})

describe("leaves in a store", () => {
  it.effect("a leaf that is not as long as its entry says is refused", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const written = yield* pipeline.writeLeaf(Bytes.fromUtf8("hello"))
      const content = written.content
      if (content === undefined) throw new Error("no content")
      const error = yield* Effect.flip(pipeline.readLeaf({ content: { ...content, size: 6n } }))
      assert.strictEqual(error.reason, "Inconsistent")
    })
  )
})
