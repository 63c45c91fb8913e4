/**
 * FS5 tree nodes and their CBOR (docs/format/fs5.md §2 to §4).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import * as Cbor from "./Cbor.ts"
import { cell, type Draft, type DraftField, field } from "./CborReader.ts"
import type { FormatError } from "./FormatError.ts"
import type { Hash } from "./Hash.ts"
import * as SemanticMetaCodec from "./SemanticMeta.ts"
import {
  type FileChunkingStrategy,
  fileChunkingCodec,
  type MetaChunkingStrategy,
  metaChunkingCodec,
  type TraversalContext,
  codec as traversalContextCodec
} from "./TraversalContext.ts"

/** What a node's entries are. @since 0.1.0 @category models */
export type NodeKind = "namespace" | "bytestream" | "transparent"

/** Tree-shape policy in a node header (docs/format/fs5.md §5.1). @since 0.1.0 @category models */
export interface BuildContext {
  readonly metaChunking?: MetaChunkingStrategy
  readonly fileChunking?: FileChunkingStrategy
  readonly compressionSkipThreshold?: number
}

/** @since 0.1.0 @category models */
export interface NodeHeader {
  /** 0 for a node of entries, 1 and above for a node of links. */
  readonly level: number
  readonly kind: NodeKind
  readonly build?: BuildContext
}

/** Where an entry's bytes are; `size` and `storedBlocks` mean different things per kind of entry (docs/format/fs5.md §3.1). @since 0.1.0 @category models */
export interface ContentRef {
  readonly structural: "leaf" | "link"
  /** The hash of the stored blob. */
  readonly hash: Hash
  readonly size: bigint
  readonly plaintextHash?: Hash
  readonly storedBlocks?: bigint
}

/** @since 0.1.0 @category models */
export type FileType = "regular" | "directory" | "symlink" | "block_device" | "char_device" | "fifo" | "socket"

/** @since 0.1.0 @category models */
export interface ExtendedAttribute {
  readonly name: string
  readonly value?: Uint8Array
}

/** What the file system said of a file. @since 0.1.0 @category models */
export interface UnixMetadata {
  readonly fileType?: FileType
  /** The full `st_mode`, type bits included. */
  readonly permissions?: number
  readonly uid?: number
  readonly gid?: number
  /** Seconds. */
  readonly ctime?: bigint
  readonly user?: string
  readonly group?: string
  readonly inode?: bigint
  readonly deviceId?: bigint
  readonly nlink?: bigint
  readonly extendedAttributes?: ReadonlyArray<ExtendedAttribute>
}

/** @since 0.1.0 @category models */
export interface WebArchiveMetadata {
  readonly ipAddress: string
  readonly requestHttpVersion: number
  readonly requestHeaders: ReadonlyArray<readonly [name: string, value: string]>
  readonly responseHttpVersion: number
  readonly responseStatusCode: number
  readonly responseStatusReason: string
  readonly responseHeaders: ReadonlyArray<readonly [name: string, value: string]>
}

/** @since 0.1.0 @category models */
export interface SemanticMeta {
  /** Modification time, Unix seconds, 32 bits. */
  readonly timestamp?: number
  readonly timestampSubsecNanos?: number
  readonly mediaType?: string
  readonly unix?: UnixMetadata
  readonly warc?: WebArchiveMetadata
}

/** A deletion marker. @since 0.1.0 @category models */
export interface Tombstone {
  /** Unix seconds. */
  readonly timestamp?: number
  readonly timestampSubsecNanos?: number
}

/** One named thing in a tree; without content and tombstone it is metadata only, as a directory is. @since 0.1.0 @category models */
export interface NodeEntry {
  readonly content?: ContentRef
  readonly semantic?: SemanticMeta
  readonly childContext?: TraversalContext
  readonly tombstone?: Tombstone
}

/** A node: entries strictly ascending by the UTF-8 bytes of their keys. @since 0.1.0 @category models */
export interface Node {
  readonly header: NodeHeader
  readonly entries: ReadonlyArray<readonly [key: string, entry: NodeEntry]>
}

/** The text that every node starts with. @since 0.1.0 @category constants */
export const magic = "S5.pro"

/** The longest key that is read or written, in UTF-8 bytes. @since 0.1.0 @category constants */
export const maxKeyLength = 65_536

/** The most entries that are read or written; a node of the default tree has 64 on average. @since 0.1.0 @category constants */
export const maxEntries = 1_048_576

const buildContext: Cbor.Codec<BuildContext> = {
  write: (writer, build) =>
    writer.struct((field) => {
      field(0, build.metaChunking, metaChunkingCodec.write)
      field(1, build.fileChunking, fileChunkingCodec.write)
      field(2, build.compressionSkipThreshold, Cbor.u8.write)
    }),
  read: (reader) => {
    const metaChunking = cell("meta_chunking", metaChunkingCodec.read)
    const fileChunking = cell("file_chunking", fileChunkingCodec.read)
    const threshold = cell("compression_skip_threshold", Cbor.u8.read)
    reader.struct("BuildContext", [metaChunking, fileChunking, threshold])
    return {
      ...(metaChunking.value !== undefined && { metaChunking: metaChunking.value }),
      ...(fileChunking.value !== undefined && { fileChunking: fileChunking.value }),
      ...(threshold.value !== undefined && { compressionSkipThreshold: threshold.value })
    }
  }
}

const nodeKind = Cbor.indexEnum<NodeKind>("NodeKind", ["namespace", "bytestream", "transparent"])

const header: Cbor.Codec<NodeHeader> = {
  write: (writer, value) =>
    writer.struct((field) => {
      field(0, value.level, Cbor.u8.write)
      field(1, value.kind, nodeKind.write)
      field(2, value.build, buildContext.write)
    }),
  read: (reader) => {
    const level = cell("level", Cbor.u8.read)
    const kind = cell("kind", nodeKind.read)
    const build = cell("build", buildContext.read)
    reader.struct("NodeHeader", [level, kind, build])
    return {
      level: reader.required(level),
      kind: reader.required(kind),
      ...(build.value !== undefined && { build: build.value })
    }
  }
}

const structural = Cbor.indexEnum<ContentRef["structural"]>("ContentRef.structural", ["leaf", "link"])

const contentFields: ReadonlyArray<DraftField<Draft<ContentRef>>> = [
  field("ContentRef.structural", "structural", structural.read),
  field("ContentRef.hash", "hash", Cbor.hash.read),
  field("ContentRef.size", "size", Cbor.u64.read),
  field("ContentRef.plaintext_hash", "plaintextHash", Cbor.hash.read),
  field("ContentRef.stored_blocks", "storedBlocks", Cbor.u64.read)
]

const isContentRef = (draft: Draft<ContentRef>): draft is ContentRef =>
  draft.structural !== undefined && draft.hash !== undefined && draft.size !== undefined

const contentRef: Cbor.Codec<ContentRef> = {
  write: (writer, content) =>
    writer.struct((field) => {
      field(0, content.structural, structural.write)
      field(1, content.hash, Cbor.hash.write)
      field(2, content.size, Cbor.u64.write)
      field(3, content.plaintextHash, Cbor.hash.write)
      field(4, content.storedBlocks, Cbor.u64.write)
    }),
  read: (reader) => {
    const content: Draft<ContentRef> = reader.draft(contentFields, {})
    if (isContentRef(content)) return content
    const missing = content.structural === undefined ? "structural" : content.hash === undefined ? "hash" : "size"
    throw reader.error(`lacks the field "${missing}"`)
  }
}

const tombstoneFields: ReadonlyArray<DraftField<Draft<Tombstone>>> = [
  field("Tombstone.timestamp", "timestamp", Cbor.u32.read),
  field("Tombstone.timestamp_subsec_nanos", "timestampSubsecNanos", Cbor.u32.read)
]

const tombstone: Cbor.Codec<Tombstone> = {
  write: (writer, value) =>
    writer.struct((field) => {
      field(0, value.timestamp, Cbor.u32.write)
      field(1, value.timestampSubsecNanos, Cbor.u32.write)
    }),
  read: (reader) => reader.draft(tombstoneFields, {})
}

const entryFields: ReadonlyArray<DraftField<Draft<NodeEntry>>> = [
  field("NodeEntry.content", "content", contentRef.read),
  field("NodeEntry.semantic", "semantic", SemanticMetaCodec.codec.read),
  field("NodeEntry.child_context", "childContext", traversalContextCodec.read),
  field("NodeEntry.tombstone", "tombstone", tombstone.read)
]

/** One entry without its key. @since 0.1.0 @category codecs */
export const entryCodec: Cbor.Codec<NodeEntry> = {
  write: (writer, entry) =>
    writer.struct((field) => {
      field(0, entry.content, contentRef.write)
      field(1, entry.semantic, SemanticMetaCodec.codec.write)
      field(2, entry.childContext, traversalContextCodec.write)
      field(3, entry.tombstone, tombstone.write)
    }),
  read: (reader) => reader.draft(entryFields, {})
}

type Entries = Node["entries"]

const isAscending = (entries: Entries): boolean => {
  let before: string | undefined
  for (const [key] of entries) {
    if (before !== undefined && Bytes.compareUtf8(before, key) >= 0) return false
    before = key
  }
  return true
}

const sorted = (entries: Entries): Entries => [...entries].sort(([a], [b]) => Bytes.compareUtf8(a, b))

const entriesCodec: Cbor.Codec<Entries> = {
  write: (writer, entries) => {
    if (entries.length > maxEntries)
      throw new RangeError(`a node of ${entries.length} entries, more than ${maxEntries}`)
    const ordered = isAscending(entries) ? entries : sorted(entries)
    writer.map(ordered.length)
    let before: string | undefined
    for (const [key, entry] of ordered) {
      if (key === before) throw new RangeError(`a node with two entries "${key}"`)
      // no UTF-16 unit takes more than 3 bytes, so only long keys are measured
      if (key.length * 3 > maxKeyLength && Bytes.fromUtf8(key).length > maxKeyLength)
        throw new RangeError(`a key of more than ${maxKeyLength} bytes`)
      writer.text(key)
      entryCodec.write(writer, entry)
      before = key
    }
  },
  read: (reader) => {
    const entries: Array<readonly [string, NodeEntry]> = []
    reader.eachPair(() => {
      entries.push([reader.text(maxKeyLength), entryCodec.read(reader)])
    }, maxEntries)
    // a Map keeps the last of equal keys
    return isAscending(entries) ? entries : sorted([...new Map(entries)])
  }
}

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<Node> = {
  write: (writer, node) => {
    writer.array(3)
    writer.text(magic)
    header.write(writer, node.header)
    entriesCodec.write(writer, node.entries)
  },
  read: (reader) => {
    const start = reader.offset
    const found = cell("magic", Cbor.text.read)
    const head = cell("header", header.read)
    const entries = cell("entries", entriesCodec.read)
    reader.arrayStruct("Node", [found, head, entries])
    if (reader.required(found) !== magic) throw reader.error(`does not start with the text "${magic}"`, start)
    return { header: reader.required(head), entries: reader.required(entries) }
  }
}

/**
 * The CBOR of a node, byte for byte the reference's; its BLAKE3 is the node's plaintext hash.
 *
 * Two entries with one key, numbers out of range and keys without UTF-8 form are defects (`RangeError`).
 *
 * @since 0.1.0
 * @category conversions
 */
export const encode = (node: Node): Uint8Array => Cbor.encode(codec, node)

/**
 * The node that `bytes` are, its entries sorted and the last of equal keys kept (docs/format/fs5.md §2.2).
 *
 * Zeros behind the node are allowed, as padding. Refused, although the reference reads them: another magic, other bytes
 * behind the node, unknown variants (docs/format/fs5.md §2.3).
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = (bytes: Uint8Array): Either.Either<Node, FormatError> =>
  Cbor.decode(codec, bytes, { format: "node", padding: "zeros" })
