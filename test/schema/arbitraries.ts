/** Arbitrary values of the FS5 structures, for property tests. */
import * as fc from "fast-check"
import * as Hash from "../../src/schema/Hash.ts"
import type { ContentRef, ExtendedAttribute, FileType, Node, NodeEntry, UnixMetadata } from "../../src/schema/Node.ts"
import type {
  BlobPipeline,
  CompressionStrategy,
  EncryptionStrategy,
  FileChunkingStrategy,
  TraversalContext
} from "../../src/schema/TraversalContext.ts"

const u8 = fc.integer({ min: 0, max: 0xff })
const u32 = fc.oneof(fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 0xffff_ffff), fc.nat())
const u64 = fc.oneof(
  fc.constantFrom(0n, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
)
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** Any well-formed text, with characters on both sides of the surrogates often. */
export const unicode = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: fc.constantFrom("a", "/", "-", "\u{e9}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{1f600}") })
)

export const hash = bytes(32).map(Hash.unsafeFromBytes)

const compression: fc.Arbitrary<CompressionStrategy> = fc.oneof(
  fc.constant<CompressionStrategy>({ _tag: "Uncompressed" }),
  fc.constant<CompressionStrategy>({ _tag: "Zstd" }),
  fc.record({ _tag: fc.constant("ZstdLevel" as const), level: fc.integer({ min: -128, max: 127 }) })
)

const pipeline: fc.Arbitrary<BlobPipeline> = fc.record(
  {
    compression,
    paddingBlock: u32,
    encryption: fc.record({
      strategy: fc.constantFrom<EncryptionStrategy>("plaintext", "deterministic_chacha20", "explicit_key_chacha20"),
      slot: u8
    }),
    skipWhenUnhelpful: fc.boolean()
  },
  { requiredKeys: [] }
)

const chunking: fc.Arbitrary<FileChunkingStrategy> = fc.oneof(
  fc.constant<FileChunkingStrategy>({ _tag: "None" }),
  fc.record({ _tag: fc.constant("Fixed" as const), chunkSize: u32 }),
  fc.record({
    _tag: fc.constant("DataCdc" as const),
    params: fc.record({ minSize: u32, averageSize: u32, maxSize: u32 })
  })
)

export const context: fc.Arbitrary<TraversalContext> = fc.record(
  {
    keys: fc.array(fc.tuple(u8, bytes(32)), { maxLength: 4 }).map((keys) => new Map(keys)),
    leaf: pipeline,
    node: pipeline,
    chunking
  },
  { requiredKeys: [] }
)

const content: fc.Arbitrary<ContentRef> = fc.record(
  {
    structural: fc.constantFrom("leaf" as const, "link" as const),
    hash,
    size: u64,
    plaintextHash: hash,
    storedBlocks: u64
  },
  { requiredKeys: ["structural", "hash", "size"] }
)

const attribute: fc.Arbitrary<ExtendedAttribute> = fc.record(
  { name: unicode, value: fc.uint8Array({ maxLength: 40 }) },
  { requiredKeys: ["name"] }
)

const unix: fc.Arbitrary<UnixMetadata> = fc.record(
  {
    fileType: fc.constantFrom<FileType>(
      "regular",
      "directory",
      "symlink",
      "block_device",
      "char_device",
      "fifo",
      "socket"
    ),
    permissions: u32,
    uid: u32,
    gid: u32,
    ctime: u64,
    user: unicode,
    group: unicode,
    inode: u64,
    deviceId: u64,
    nlink: u64,
    extendedAttributes: fc.array(attribute, { maxLength: 3 })
  },
  { requiredKeys: [] }
)

const headers = fc.array(fc.tuple(unicode, unicode), { maxLength: 2 })

export const entry: fc.Arbitrary<NodeEntry> = fc.record(
  {
    content,
    semantic: fc.record(
      {
        timestamp: u32,
        timestampSubsecNanos: u32,
        mediaType: unicode,
        unix,
        warc: fc.record({
          ipAddress: unicode,
          requestHttpVersion: u8,
          requestHeaders: headers,
          responseHttpVersion: u8,
          responseStatusCode: fc.integer({ min: 0, max: 0xffff }),
          responseStatusReason: unicode,
          responseHeaders: headers
        })
      },
      { requiredKeys: [] }
    ),
    childContext: context,
    tombstone: fc.record({ timestamp: u32, timestampSubsecNanos: u32 }, { requiredKeys: [] })
  },
  { requiredKeys: [] }
)

/** A node with distinct keys in any order. */
export const node: fc.Arbitrary<Node> = fc.record({
  header: fc.record(
    {
      level: u8,
      kind: fc.constantFrom("namespace" as const, "bytestream" as const, "transparent" as const),
      build: fc.record(
        {
          metaChunking: fc.record({ _tag: fc.constant("ProllyBlake3" as const), expectedEntriesPerNode: u32 }),
          fileChunking: chunking,
          compressionSkipThreshold: u8
        },
        { requiredKeys: [] }
      )
    },
    { requiredKeys: ["level", "kind"] }
  ),
  entries: fc.uniqueArray(fc.tuple(unicode, entry), { selector: ([key]) => key, maxLength: 8 })
})
