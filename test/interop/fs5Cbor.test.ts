import { blake3 } from "@noble/hashes/blake3.js"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Node from "../../src/schema/Node.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import { hex, list, load, number, object, text, toHex } from "./vectors.ts"

const file = load("fs5-vectors.json")
const cbor = object(file.cbor, "cbor")

const filled = (byte: number) => new Uint8Array(32).fill(byte)
const hash = (byte: number) => Hash.unsafeFromBytes(filled(byte))

const single = TraversalContext.singleMaster(filled(0x2a), 4096)
const split = TraversalContext.vaultRoot({
  leaf: filled(0x2a),
  node: filled(0x2b),
  recovery: filled(0xc8),
  paddingBlock: 4096
})

const leaf5: Node.ContentRef = { structural: "leaf", hash: hash(0xaa), size: 5n }
const directory: Node.NodeEntry = {
  semantic: { timestamp: 1_700_000_000, timestampSubsecNanos: 0, unix: { fileType: "directory" } }
}
const skipped: TraversalContext.TraversalContext = { leaf: { compression: { _tag: "Uncompressed" } } }
const build: Node.BuildContext = {
  metaChunking: { _tag: "ProllyBlake3", expectedEntriesPerNode: 64 },
  fileChunking: TraversalContext.defaultChunking,
  compressionSkipThreshold: 90
}

const nodeOf = (entry: Node.NodeEntry): Node.Node => ({
  header: { level: 0, kind: "namespace" },
  entries: [["k", entry]]
})
const headerOf = (header: Node.NodeHeader): Node.Node => ({ header, entries: [] })

/** A structure inside the smallest node that holds it: bytes before it, bytes after it, and what the node is. */
type Expectation = readonly [before: string, after: string, node: Node.Node]

const whole = (node: Node.Node): Expectation => ["", "", node]
const inEntry = (entry: Node.NodeEntry): Expectation => ["836653352e70726fa200000100a1616b", "", nodeOf(entry)]
const inside = (path: string, entry: Node.NodeEntry, after = ""): Expectation => [
  `${inEntry(entry)[0]}${path}`,
  after,
  nodeOf(entry)
]
const content = (value: Node.ContentRef) => inside("a100", { content: value })
const semantic = (value: Node.SemanticMeta) => inside("a101", { semantic: value })
const unix = (value: Node.UnixMetadata) => inside("a101a103", { semantic: { unix: value } })
const warc = (value: Node.WebArchiveMetadata) => inside("a101a104", { semantic: { warc: value } })
const context = (value: TraversalContext.TraversalContext) => inside("a102", { childContext: value })
const pipeline = (value: TraversalContext.BlobPipeline) => inside("a102a101", { childContext: { leaf: value } })
const compression = (value: TraversalContext.CompressionStrategy) =>
  inside("a102a101a100", { childContext: { leaf: { compression: value } } })
const encryption = (strategy: TraversalContext.EncryptionStrategy) =>
  inside("a102a101a10282", { childContext: { leaf: { encryption: { strategy, slot: 0x0e } } } }, "0e")
const chunking = (value: TraversalContext.FileChunkingStrategy) =>
  inside("a102a103", { childContext: { chunking: value } })
const header = (value: Node.NodeHeader): Expectation => ["836653352e70726f", "a0", headerOf(value)]
const builds = (path: string, value: Node.BuildContext): Expectation => [
  `836653352e70726fa30000010002${path}`,
  "a0",
  headerOf({ level: 0, kind: "namespace", build: value })
]

const expectations: { readonly [name: string]: Expectation } = {
  empty_node: whole(headerOf({ level: 0, kind: "namespace" })),
  content_leaf_plain: content(leaf5),
  content_leaf_enc: content({
    structural: "leaf",
    hash: hash(0xaa),
    size: 300n,
    plaintextHash: hash(0xbb),
    storedBlocks: 1n
  }),
  content_link_file: content({
    structural: "link",
    hash: hash(0xcc),
    size: 100_000n,
    plaintextHash: hash(0xdd)
  }),
  entry_leaf_plain: inEntry({ content: leaf5 }),
  tombstone_entry: inEntry({ tombstone: { timestamp: 1_700_000_000 } }),
  tombstone_empty: inEntry({ tombstone: {} }),
  entry_all_none: inEntry({}),
  entry_dir_sync: inEntry(directory),
  unix_full: unix({
    fileType: "regular",
    permissions: 0o100644,
    uid: 1000,
    gid: 100,
    ctime: 1_700_000_001n,
    user: "alice",
    group: "users",
    inode: 42n,
    deviceId: 2049n,
    nlink: 1n,
    extendedAttributes: [
      { name: "user.k", value: Uint8Array.of(0, 1, 255) },
      { name: "user.none" },
      { name: "user.empty", value: new Uint8Array() }
    ]
  }),
  semantic_media: semantic({ mediaType: "text/plain" }),
  semantic_default: semantic({}),
  warc: warc({
    ipAddress: "1.2.3.4",
    requestHttpVersion: 1,
    requestHeaders: [["a", "b"]],
    responseHttpVersion: 2,
    responseStatusCode: 200,
    responseStatusReason: "OK",
    responseHeaders: []
  }),
  compr_uncompressed: compression({ _tag: "Uncompressed" }),
  compr_zstd: compression({ _tag: "Zstd" }),
  compr_level9: compression({ _tag: "ZstdLevel", level: 9 }),
  "compr_level-5": compression({ _tag: "ZstdLevel", level: -5 }),
  enc_plain: encryption("plaintext"),
  enc_det: encryption("deterministic_chacha20"),
  enc_explicit: encryption("explicit_key_chacha20"),
  pad4096: inside("a102a101a101", { childContext: { leaf: { paddingBlock: 4096 } } }),
  chunk_none: chunking({ _tag: "None" }),
  chunk_fixed: chunking({ _tag: "Fixed", chunkSize: 65_536 }),
  chunk_cdc: chunking(TraversalContext.defaultChunking),
  meta_chunk64: builds("a100", { metaChunking: { _tag: "ProllyBlake3", expectedEntriesPerNode: 64 } }),
  build_ctx: builds("", build),
  header_default: header({ level: 0, kind: "namespace" }),
  header_l2_bs: header({ level: 2, kind: "bytestream" }),
  pipeline_leaf_split: pipeline(split.leaf ?? {}),
  pipeline_empty: pipeline({}),
  pipeline_skipfalse: pipeline({ skipWhenUnhelpful: false }),
  tctx_default: context(TraversalContext.plain),
  tctx_single: context(single),
  tctx_split: context(split),
  entry_skip_override: inEntry({ content: leaf5, childContext: skipped }),
  node_three: whole({
    header: { level: 0, kind: "namespace" },
    entries: [
      ["a/", directory],
      ["a/x", { content: leaf5 }],
      ["b.txt", { content: { structural: "leaf", hash: hash(0xbb), size: 7n } }]
    ]
  }),
  transparent: whole({
    header: { level: 0, kind: "transparent" },
    entries: [
      [
        "",
        {
          content: { structural: "link", hash: hash(1), size: 0n, plaintextHash: hash(2) },
          childContext: split
        }
      ]
    ]
  })
}

/** Entries of imported files: their hashes come from the pipeline, so only reading and writing again is looked at here. */
const isImport = (name: string) => name.startsWith("import_") || name === "vault_file_entry"

describe("cbor", () => {
  it.each(Object.keys(cbor))("%s", (name) => {
    const item = object(cbor[name], name)
    const bytes = hex(item.hex)
    expect(bytes.length).toBe(number(item.len))
    expect(toHex(blake3(bytes))).toBe(text(item.blake3))
    if (isImport(name)) {
      const wrapped = Bytes.concat(hex(inEntry({})[0]), bytes)
      const node = Either.getOrThrow(Node.decode(wrapped))
      expect(node.entries[0]?.[1].content?.hash).toHaveLength(32)
      expect(toHex(Node.encode(node))).toBe(toHex(wrapped))
      return
    }
    const expectation = expectations[name]
    if (expectation === undefined) throw new Error(`nothing is known about the structure ${name}`)
    const [before, after, node] = expectation
    const wrapped = `${before}${toHex(bytes)}${after}`
    expect(toHex(Node.encode(node))).toBe(wrapped)
    expect(Either.getOrThrow(Node.decode(hex(wrapped)))).toEqual(node)
  })

  it("contexts alone have the same bytes as in an entry", () => {
    expect(toHex(TraversalContext.encode(split))).toBe(text(object(cbor.tctx_split).hex))
    expect(toHex(TraversalContext.encode(single))).toBe(text(object(cbor.tctx_single).hex))
    expect(Either.getOrThrow(TraversalContext.decode(hex(object(cbor.tctx_split).hex)))).toEqual(split)
  })

  it("the transparent node of the reference is what we make", () => {
    const made = TransparentNode.make({ root: hash(1), plaintextHash: hash(2), context: split, history: [] })
    const bytes = hex(object(cbor.transparent).hex)
    expect(toHex(TransparentNode.encode(made))).toBe(toHex(bytes))
    expect(Either.getOrThrow(TransparentNode.decode(bytes))).toEqual(made)
  })
})

describe("small_vault", () => {
  const vault = object(file.small_vault, "small_vault")

  it("its root node is read and written again unchanged", () => {
    const bytes = hex(vault.root_cbor_hex)
    expect(toHex(blake3(bytes))).toBe(text(vault.root_plaintext_hash))
    const node = Either.getOrThrow(Node.decode(bytes))
    expect(node.entries.map(([key]) => key)).toEqual(["docs/", "docs/hello.txt", "link"])
    expect(toHex(Node.encode(node))).toBe(toHex(bytes))
  })

  it("its transparent node has the reference's hash", () => {
    const bytes = TransparentNode.encode(
      TransparentNode.make({
        root: Hash.unsafeFromBytes(hex(vault.root)),
        plaintextHash: Hash.unsafeFromBytes(hex(vault.root_plaintext_hash)),
        context: split,
        history: []
      })
    )
    expect(bytes.length).toBe(number(vault.transparent_node_len))
    expect(toHex(blake3(bytes))).toBe(text(vault.transparent_node_blake3))
  })
})

describe("key_order", () => {
  const order = object(file.key_order, "key_order")
  const ordered = list(order.keys_in_order).map((key) => text(key))

  it("entries are written in the order of their UTF-8 bytes, however they are given", () => {
    const entries = [...ordered].reverse().map((key) => [key, {}] as const)
    const bytes = Node.encode({ header: { level: 0, kind: "namespace" }, entries })
    expect(toHex(bytes)).toBe(text(order.hex))
    expect(toHex(blake3(bytes))).toBe(text(order.root))
    expect(Either.getOrThrow(Node.decode(bytes)).entries.map(([key]) => key)).toEqual(ordered)
  })
})
