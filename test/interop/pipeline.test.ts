import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as BlobCodec from "../../src/fs5/BlobCodec.ts"
import * as FileExport from "../../src/fs5/FileExport.ts"
import * as FileImport from "../../src/fs5/FileImport.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Node from "../../src/schema/Node.ts"
import type { BlobPipeline } from "../../src/schema/TraversalContext.ts"
import { countingStore } from "../fs5/trees.ts"
import { implementations, primitives } from "../support/primitives.ts"
import { generate } from "./generators.ts"
import * as nodeJson from "./nodeJson.ts"
import {
  big,
  boolean,
  hex,
  isAbsent,
  type Json,
  type JsonObject,
  list,
  load,
  named,
  number,
  object,
  objects,
  text,
  toHex,
  untested
} from "./vectors.ts"

const vectors = load("pipeline")
const golden = load("fs5-vectors")

/** Finds and makes the listed inputs, each once. */
const inputs = (of: Json | undefined) => {
  const made = new Map<string, Uint8Array>()
  const listed = new Map(objects(of).map((value) => [text(value.name), value] as const))
  return (name: string): Uint8Array => {
    const known = made.get(name)
    if (known !== undefined) return known
    const bytes = generate(object(listed.get(name), name).input)
    assert.strictEqual(toHex(primitives.blake3(bytes)), text(listed.get(name)?.blake3))
    made.set(name, bytes)
    return bytes
  }
}

const input = inputs(vectors.inputs)
const file = inputs(vectors.import_files)

const blobPipeline = (json: Json | undefined): BlobPipeline | undefined =>
  json === null || json === undefined ? undefined : nodeJson.context({ leaf: json }).leaf

const pipelines = new Map(
  objects(vectors.pipelines).map((value) => [text(value.name), blobPipeline(value.pipeline)] as const)
)

const keys = new Map(objects(vectors.keys).map((value) => [number(value.slot), hex(value.key)] as const))

const right = <A, E>(either: Either.Either<A, E>): A => Either.getOrThrowWith(either, (error) => error)

it("no list of pipeline.json goes unchecked", () => {
  const tested = ["keys", "inputs", "pipelines", "zstd_frames", "cases", "encode_errors", "decode_cases"]
  assert.deepStrictEqual(untested(vectors, [...tested, "import_files", "import_contexts", "imports"]), [])
})

describe("zstd frames", () => {
  it.each(objects(vectors.zstd_frames).map((value) => [text(value.input), number(value.level), value] as const))(
    "%s at level %i",
    (name, level, value) => {
      const frame = primitives.zstdCompress(level, input(name))
      assert.strictEqual(frame.length, number(value.length))
      assert.strictEqual(toHex(primitives.blake3(frame)), text(value.blake3))
      if (typeof value.frame === "string") assert.strictEqual(toHex(frame), value.frame)
      assert.isTrue(Bytes.equals(right(primitives.zstdDecompress(frame, input(name).length)), input(name)))
    }
  )
})

describe("blobs", () => {
  it.each(
    objects(vectors.cases).map((value) => [text(value.input), text(value.pipeline), text(value.kdf), value] as const)
  )("%s through %s as %s", (name, pipelineName, kdfName, value) => {
    const kdf = kdfName === "leaf" ? "leaf" : "meta"
    assert.include(["leaf", "meta"], kdfName)
    assert.isTrue(pipelines.has(pipelineName))
    const pipeline = pipelines.get(pipelineName)
    const plaintext = input(name)
    const blob = right(BlobCodec.encode(primitives, pipeline, kdf, keys, plaintext))
    assert.strictEqual(toHex(blob.hash), text(value.stored_blake3))
    assert.strictEqual(blob.stored.length, number(value.stored_length))
    assert.strictEqual(blob.blocks, big(value.stored_blocks))
    assert.strictEqual(blob.skipped, boolean(value.compression_skipped))
    assert.strictEqual(toHex(blob.plaintextHash), toHex(primitives.blake3(plaintext)))
    if (typeof value.stored === "string") assert.strictEqual(toHex(blob.stored), value.stored)
    if (typeof value.chacha_key === "string") {
      const master = keys.get(pipeline?.encryption?.slot ?? -1) ?? new Uint8Array(0)
      const isDerived = pipeline?.encryption?.strategy === "deterministic_chacha20"
      const used = isDerived ? BlobCodec.deriveKey(primitives, kdf, master, blob.plaintextHash) : master
      assert.strictEqual(toHex(used), value.chacha_key)
    }
    if (kdf === "leaf") {
      const read = blob.skipped ? { ...pipeline, ...BlobCodec.skipMarker.leaf } : pipeline
      const expected = { hash: blob.hash, plaintextHash: blob.plaintextHash, size: BigInt(plaintext.length) }
      const back = BlobCodec.decodeLeaf(primitives, read, keys, expected, blob.stored)
      assert.strictEqual(Either.isRight(back) && Bytes.equals(back.right, plaintext), boolean(value.decodes_back))
    }
  })

  it.each(named(objects(vectors.encode_errors)))("refuses %s", (_, value) => {
    const pipeline = blobPipeline(value.pipeline)
    const result = (available: BlobCodec.Keys) =>
      BlobCodec.encode(primitives, pipeline, "leaf", available, Bytes.fromUtf8("x"))
    const isRefused = (blob: ReturnType<typeof result>) => Either.isLeft(blob) && blob.left.reason === "WrongKey"
    assert.isTrue(isRefused(result(undefined)), "without keys")
    assert.isTrue(isRefused(result(new Map())), "without any key")
    // a slot that is listed can only be meant without keys
    const slot = pipeline?.encryption?.slot ?? -1
    assert.strictEqual(isRefused(result(keys)), !keys.has(slot), "with the listed keys")
  })

  it.each(named(objects(vectors.decode_cases)))("decoding: %s", (_, value) => {
    const stored = hex(value.stored)
    const size = big(value.plaintext_size)
    const hash = value.plaintext_hash
    const expected = { size, ...(!isAbsent(hash) && { plaintextHash: Hash.unsafeFromBytes(hex(hash)) }) }
    const pipeline = blobPipeline(value.pipeline)
    const result = BlobCodec.decodeLeaf(primitives, pipeline, keys, expected, stored)
    // more content than its entry says is a bomb to us, where the reference takes it
    const isCompressed = (pipeline?.compression?._tag ?? "Uncompressed") !== "Uncompressed"
    if (isCompressed && !isAbsent(value.length) && big(value.length) > size) {
      assert.isTrue(Either.isLeft(result))
      const all = BlobCodec.decodeLeaf(primitives, pipeline, keys, { ...expected, size: big(value.length) }, stored)
      assert.strictEqual(toHex(primitives.blake3(right(all))), text(value.blake3))
      return
    }
    assert.strictEqual(Either.isRight(result), boolean(value.ok), String(Either.getLeft(result)))
    if (Either.isRight(result)) {
      assert.strictEqual(result.right.length, number(value.length))
      assert.strictEqual(toHex(primitives.blake3(result.right)), text(value.blake3))
    }
  })
})

const bytesOf = (chunks: Iterable<Uint8Array>) => Bytes.concat(...chunks)

describe("imported files", () => {
  const contexts = new Map(
    objects(vectors.import_contexts).map((value) => [text(value.name), nodeJson.context(value.context)] as const)
  )
  // the native primitives: some files are large, and the cases above are for the portable ones
  const native = new Map(implementations).get("native") ?? primitives
  const sealer = SealerInline.make(native)
  const concatenationHash = (hashes: ReadonlyArray<Uint8Array>) => toHex(primitives.blake3(Bytes.concat(...hashes)))

  it.effect.each(
    objects(vectors.imports).map((value) => ({ title: `${text(value.file)}, ${text(value.context)}`, value }))
  )("$title", ({ value }: { value: JsonObject }) =>
    Effect.gen(function* () {
      const bytes = file(text(value.file))
      const context = contexts.get(text(value.context))
      if (context === undefined) throw new Error(`no context ${text(value.context)}`)
      const blobs = countingStore().service
      const pipeline = Pipeline.make({ primitives: native, blobs, context, cache: NodeCache.make() })
      const reads: Array<Uint8Array> = []
      for (let at = 0; at < bytes.length; at += 1_000_003) reads.push(bytes.subarray(at, at + 1_000_003))
      const entry = yield* FileImport.importFile(pipeline, sealer, Stream.fromIterable(reads))

      assert.deepStrictEqual(entry, nodeJson.entry(value.entry))
      const node: Node.Node = { header: { level: 0, kind: "namespace" }, entries: [["f", entry]] }
      assert.strictEqual(toHex(Node.encode(node)), text(value.node_with_entry_f_cbor))

      let level = yield* Effect.map(
        entry.content?.structural === "link" ? Effect.asSome(pipeline.readNode(entry.content)) : Effect.succeedNone,
        (root) => (root._tag === "Some" ? [{ hash: entry.content?.hash ?? Hash.zero, node: root.value }] : [])
      )
      for (const listed of objects(value.levels).toReversed()) {
        assert.deepStrictEqual(
          level.map(({ node }) => node.header.level),
          level.map(() => number(listed.level))
        )
        assert.strictEqual(level.length, number(listed.nodes))
        assert.strictEqual(
          level.reduce((sum, { node }) => sum + node.entries.length, 0),
          number(listed.entries)
        )
        assert.strictEqual(concatenationHash(level.map(({ hash }) => hash)), text(listed.node_hashes_blake3))
        assert.strictEqual(
          concatenationHash(level.map(({ node }) => Node.encode(node))),
          text(listed.cbor_concatenation_blake3)
        )
        if (listed.entries_per_node !== undefined && listed.entries_per_node !== null) {
          assert.deepStrictEqual(
            level.map(({ node }) => node.entries.length),
            list(listed.entries_per_node).map((count) => number(count))
          )
        }
        if (number(listed.level) > 0) {
          level = yield* Effect.forEach(
            level.flatMap(({ node }) => node.entries),
            ([, link]) => {
              const content = link.content
              if (content === undefined) throw new Error("a link without content")
              return Effect.map(pipeline.readNode(content), (node) => ({ hash: content.hash, node }))
            }
          )
        }
      }

      if (number(value.chunk_count) > 0) {
        const chunks = level.flatMap(({ node }) => node.entries)
        assert.strictEqual(chunks.length, number(value.chunk_count))
        assert.strictEqual(
          concatenationHash(chunks.map(([, chunk]) => chunk.content?.hash ?? Hash.zero)),
          text(value.chunk_hashes_blake3)
        )
        if (!isAbsent(value.chunks)) {
          assert.deepStrictEqual(
            chunks.map(([, { childContext, content }]) => [
              String(content?.size),
              toHex(content?.hash ?? Hash.zero),
              content?.storedBlocks === undefined ? null : String(content.storedBlocks),
              childContext !== undefined
            ]),
            list(value.chunks).map((chunk) => [...list(chunk)])
          )
        }
      }

      const back = yield* Stream.runCollect(FileExport.exportFile(pipeline, entry))
      assert.isTrue(Bytes.equals(bytesOf(back), bytes))
    })
  )
})

describe("golden values of the format's description", () => {
  const kdf = object(golden.kdf)

  it("derives leaf and meta keys", () => {
    const plaintextHash = Hash.unsafeFromBytes(hex(kdf.plaintext_hash))
    const derived = (of: BlobCodec.Kdf) => toHex(BlobCodec.deriveKey(primitives, of, hex(kdf.master), plaintextHash))
    assert.strictEqual(derived("leaf"), text(kdf.leaf_key))
    assert.strictEqual(derived("meta"), text(kdf.meta_key))
    assert.strictEqual(
      toHex(BlobCodec.deriveKey(primitives, "leaf", hex(kdf.master), primitives.blake3(Bytes.fromUtf8("hello")))),
      text(kdf["leaf_key_for_blake3(hello)_master_11"])
    )
  })

  it("starts the keystream at block 0", () => {
    const listed = object(golden.chacha20_keystream_first64)
    const zeros = new Uint8Array(64)
    assert.strictEqual(toHex(primitives.chacha20(new Uint8Array(32), zeros)), text(listed.key_00x32))
  })

  const split = new Map([
    [0x10, new Uint8Array(32).fill(0x2a)],
    [0x11, new Uint8Array(32).fill(0x2b)]
  ])
  const vaultLeaf: BlobPipeline = {
    compression: { _tag: "Zstd" },
    paddingBlock: 4096,
    encryption: { strategy: "deterministic_chacha20", slot: 0x10 },
    skipWhenUnhelpful: true
  }
  const plaintexts: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["hello", Bytes.fromUtf8("hello")],
    ["empty", new Uint8Array(0)],
    ["hw80", Bytes.fromUtf8("hello world! ".repeat(80))],
    ["zeros16384", new Uint8Array(16_384)]
  ]
  it.each(plaintexts)("stores %s under a vault's leaf pipeline", (name, plaintext) => {
    const listed = object(object(golden.stored_blobs_ctx_tctx_split)[name])
    const blob = right(BlobCodec.encode(primitives, vaultLeaf, "leaf", split, plaintext))
    assert.strictEqual(blob.stored.length, number(listed.len))
    assert.strictEqual(toHex(blob.stored.subarray(0, 32)), text(listed.first32))
  })

  it.each(
    Object.entries(object(golden.skip_when_unhelpful_zeros_no_padding)).filter(([name]) => name.startsWith("n="))
  )("zeros without padding, %s: a tie is a skip", (name, result) => {
    const pipeline: BlobPipeline = { compression: { _tag: "Zstd" }, skipWhenUnhelpful: true }
    const blob = right(BlobCodec.encode(primitives, pipeline, "leaf", undefined, new Uint8Array(Number(name.slice(2)))))
    assert.strictEqual(`${blob.skipped ? "skipped" : "kept"}, stored ${blob.stored.length}`, text(result))
  })
})
