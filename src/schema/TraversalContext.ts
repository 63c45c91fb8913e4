/**
 * What a reader needs to decode a tree: keys and how blobs are encoded (docs/format/fs5.md §5).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Cbor from "./Cbor.ts"
import { cell, type Draft, type DraftField, field } from "./CborReader.ts"
import type { FormatError } from "./FormatError.ts"

/** @since 0.1.0 @category models */
export type CompressionStrategy =
  | { readonly _tag: "Uncompressed" }
  /** zstd level 1. */
  | { readonly _tag: "Zstd" }
  | { readonly _tag: "ZstdLevel"; readonly level: number }

/** @since 0.1.0 @category models */
export type EncryptionStrategy = "plaintext" | "deterministic_chacha20" | "explicit_key_chacha20"

/** How one kind of blob is stored; an absent field is inherited from the parent context. @since 0.1.0 @category models */
export interface BlobPipeline {
  readonly compression?: CompressionStrategy
  /** Bytes are padded with zeros to a multiple of this. */
  readonly paddingBlock?: number
  readonly encryption?: { readonly strategy: EncryptionStrategy; readonly slot: number }
  readonly skipWhenUnhelpful?: boolean
}

/** @since 0.1.0 @category models */
export interface DataCdcParams {
  readonly minSize: number
  readonly averageSize: number
  readonly maxSize: number
}

/** @since 0.1.0 @category models */
export type FileChunkingStrategy =
  | { readonly _tag: "None" }
  | { readonly _tag: "Fixed"; readonly chunkSize: number }
  | { readonly _tag: "DataCdc"; readonly params: DataCdcParams }

/** @since 0.1.0 @category models */
export interface MetaChunkingStrategy {
  readonly _tag: "ProllyBlake3"
  readonly expectedEntriesPerNode: number
}

/** @since 0.1.0 @category models */
export interface TraversalContext {
  /** Key slot (0 to 255) to 32 bytes, slots ascending when encoded. */
  readonly keys?: ReadonlyMap<number, Uint8Array>
  readonly leaf?: BlobPipeline
  readonly node?: BlobPipeline
  readonly chunking?: FileChunkingStrategy
}

/** The numbers of the key slots in use (docs/format/fs5.md §1). @since 0.1.0 @category constants */
export const keySlot = {
  /** One master for leaf and node blobs, the older and simpler shape. */
  singleMaster: 0x0e,
  /** Master of leaf blobs. */
  leaf: 0x10,
  /** Master of node blobs. */
  node: 0x11,
  /** Names the vault; no pipeline may refer to it. */
  recovery: 0x12,
  /** The key of one blob, inlined in its entry by a shallow copy. */
  explicitLeaf: 0x13
} as const

/** The bytes that new vaults pad blobs to a multiple of. @since 0.1.0 @category constants */
export const defaultPaddingBlock = 1024

/** Content-defined chunking as the reference describes it; a chunker ignores the sizes (docs/format/fs5.md §3.1). @since 0.1.0 @category constants */
export const defaultChunking: FileChunkingStrategy = {
  _tag: "DataCdc",
  params: { minSize: 8192, averageSize: 65536, maxSize: 131072 }
}

/** The context that says nothing: the identity of `merge` on both sides. @since 0.1.0 @category constructors */
export const empty: TraversalContext = {}

/** The context of a tree without keys and transforms. @since 0.1.0 @category constructors */
export const plain: TraversalContext = empty

/** A plain context whose 32-byte `recovery` secret names the vault. @since 0.1.0 @category constructors */
export const plainWithRecovery = (recovery: Uint8Array): TraversalContext => ({
  keys: new Map([[keySlot.recovery, recovery]])
})

const encrypted = (slot: number, paddingBlock: number): BlobPipeline => ({
  compression: { _tag: "Zstd" },
  paddingBlock,
  encryption: { strategy: "deterministic_chacha20", slot }
})

/** One 32-byte master for everything, padded as the reference does; not for new vaults. @since 0.1.0 @category constructors */
export const singleMaster = (master: Uint8Array, paddingBlock = 4096): TraversalContext => ({
  keys: new Map([[keySlot.singleMaster, master]]),
  leaf: { ...encrypted(keySlot.singleMaster, paddingBlock), skipWhenUnhelpful: true },
  node: encrypted(keySlot.singleMaster, paddingBlock),
  chunking: defaultChunking
})

/** The context of a new vault from three independent random 32-byte secrets. @since 0.1.0 @category constructors */
export const vaultRoot = (options: {
  readonly leaf: Uint8Array
  readonly node: Uint8Array
  readonly recovery: Uint8Array
  /** Bytes; 1024 when absent. */
  readonly paddingBlock?: number
}): TraversalContext => {
  const paddingBlock = options.paddingBlock ?? defaultPaddingBlock
  return {
    keys: new Map([
      [keySlot.leaf, options.leaf],
      [keySlot.node, options.node],
      [keySlot.recovery, options.recovery]
    ]),
    leaf: { ...encrypted(keySlot.leaf, paddingBlock), skipWhenUnhelpful: true },
    // a skipped node could not be read back: nothing in a link can say that it was skipped
    node: encrypted(keySlot.node, paddingBlock),
    chunking: defaultChunking
  }
}

const mergePipelines = (parent: BlobPipeline | undefined, child: BlobPipeline | undefined): BlobPipeline | undefined =>
  parent === undefined || child === undefined ? (child ?? parent) : { ...parent, ...child }

/**
 * The context that holds below an entry with context `child` in a tree with context `parent` (docs/format/fs5.md §5.2).
 *
 * Keys are joined by slot and pipelines field by field; the child wins where it says something. Associative, with `empty`
 * as identity.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge = (parent: TraversalContext, child: TraversalContext): TraversalContext => {
  const keys =
    parent.keys === undefined || child.keys === undefined
      ? (child.keys ?? parent.keys)
      : new Map([...parent.keys, ...child.keys])
  const leaf = mergePipelines(parent.leaf, child.leaf)
  const node = mergePipelines(parent.node, child.node)
  const chunking = child.chunking ?? parent.chunking
  return {
    ...(keys !== undefined && { keys }),
    ...(leaf !== undefined && { leaf }),
    ...(node !== undefined && { node }),
    ...(chunking !== undefined && { chunking })
  }
}

const zstdLevel = Cbor.soleField("ZstdLevel", "level", Cbor.i8)

const compression: Cbor.Codec<CompressionStrategy> = {
  write: (writer, strategy) => {
    switch (strategy._tag) {
      case "Uncompressed":
        writer.unitVariant(0)
        break
      case "Zstd":
        writer.unitVariant(1)
        break
      case "ZstdLevel":
        writer.variant(3, strategy.level, zstdLevel.write)
        break
    }
  },
  read: (reader) =>
    reader.variant((variant, at) => {
      switch (variant) {
        case 0:
          reader.skip()
          return { _tag: "Uncompressed" }
        case 1:
          reader.skip()
          return { _tag: "Zstd" }
        case 3:
          return { _tag: "ZstdLevel", level: zstdLevel.read(reader) }
        default:
          throw Cbor.unknownVariant(reader, "CompressionStrategy", variant, at)
      }
    })
}

const padding = Cbor.soleField("PaddingStrategy", "block_size", Cbor.u32)

const encryption = Cbor.pair(
  Cbor.indexEnum<EncryptionStrategy>("EncryptionStrategy", [
    "plaintext",
    "deterministic_chacha20",
    "explicit_key_chacha20"
  ]),
  Cbor.u8
)

const pipelineFields: ReadonlyArray<DraftField<Draft<BlobPipeline>>> = [
  field("BlobPipeline.compression", "compression", compression.read),
  field("BlobPipeline.padding", "paddingBlock", padding.read),
  field("BlobPipeline.encryption", "encryption", (reader) => {
    const [strategy, slot] = encryption.read(reader)
    return { strategy, slot }
  }),
  field("BlobPipeline.skip_when_unhelpful", "skipWhenUnhelpful", Cbor.boolean.read)
]

const pipeline: Cbor.Codec<BlobPipeline> = {
  write: (writer, value) =>
    writer.struct((field) => {
      field(0, value.compression, compression.write)
      field(1, value.paddingBlock, padding.write)
      field(2, value.encryption && ([value.encryption.strategy, value.encryption.slot] as const), encryption.write)
      field(3, value.skipWhenUnhelpful, Cbor.boolean.write)
    }),
  read: (reader) => reader.draft(pipelineFields, {})
}

const gearhash = Cbor.indexEnum("CdcAlgorithm", ["gearhash"])

const cdcParams: Cbor.Codec<DataCdcParams> = {
  write: (writer, params) =>
    writer.struct((field) => {
      field(0, "gearhash", gearhash.write)
      field(1, params.minSize, Cbor.u32.write)
      field(2, params.averageSize, Cbor.u32.write)
      field(3, params.maxSize, Cbor.u32.write)
    }),
  read: (reader) => {
    const algorithm = cell("algorithm", gearhash.read)
    const minSize = cell("min_size", Cbor.u32.read)
    const averageSize = cell("avg_size", Cbor.u32.read)
    const maxSize = cell("max_size", Cbor.u32.read)
    reader.struct("DataCdcParams", [algorithm, minSize, averageSize, maxSize])
    reader.required(algorithm)
    return {
      minSize: reader.required(minSize),
      averageSize: reader.required(averageSize),
      maxSize: reader.required(maxSize)
    }
  }
}

const fixed = Cbor.soleField("Fixed", "chunk_size", Cbor.u32)
const dataCdc = Cbor.soleField("DataCdc", "params", cdcParams)

/** @since 0.1.0 @category codecs */
export const fileChunkingCodec: Cbor.Codec<FileChunkingStrategy> = {
  write: (writer, strategy) => {
    switch (strategy._tag) {
      case "None":
        writer.unitVariant(0)
        break
      case "Fixed":
        writer.variant(1, strategy.chunkSize, fixed.write)
        break
      case "DataCdc":
        writer.variant(2, strategy.params, dataCdc.write)
        break
    }
  },
  read: (reader) =>
    reader.variant((variant, at) => {
      switch (variant) {
        case 0:
          reader.skip()
          return { _tag: "None" }
        case 1:
          return { _tag: "Fixed", chunkSize: fixed.read(reader) }
        case 2:
          return { _tag: "DataCdc", params: dataCdc.read(reader) }
        default:
          throw Cbor.unknownVariant(reader, "FileChunkingStrategy", variant, at)
      }
    })
}

const prolly = Cbor.soleField("ProllyBlake3", "expected_entries_per_node", Cbor.u32)

/** @since 0.1.0 @category codecs */
export const metaChunkingCodec: Cbor.Codec<MetaChunkingStrategy> = {
  write: (writer, strategy) => writer.variant(1, strategy.expectedEntriesPerNode, prolly.write),
  read: (reader) =>
    reader.variant((variant, at) => {
      if (variant === 1) return { _tag: "ProllyBlake3", expectedEntriesPerNode: prolly.read(reader) }
      throw Cbor.unknownVariant(reader, "MetaChunkingStrategy", variant, at)
    })
}

const keys = Cbor.u8Map(Cbor.key)

const fields: ReadonlyArray<DraftField<Draft<TraversalContext>>> = [
  field("TraversalContext.keys", "keys", keys.read),
  field("TraversalContext.leaf", "leaf", pipeline.read),
  field("TraversalContext.node", "node", pipeline.read),
  field("TraversalContext.chunking", "chunking", fileChunkingCodec.read)
]

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<TraversalContext> = {
  write: (writer, context) =>
    writer.struct((field) => {
      field(0, context.keys, keys.write)
      field(1, context.leaf, pipeline.write)
      field(2, context.node, pipeline.write)
      field(3, context.chunking, fileChunkingCodec.write)
    }),
  read: (reader) => reader.draft(fields, {})
}

/** The CBOR of a context. @since 0.1.0 @category conversions */
export const encode = (context: TraversalContext): Uint8Array => Cbor.encode(codec, context)

/**
 * The context that `bytes` are.
 *
 * Unknown variants are refused where the reference reads them as an absent field, which would inherit another
 * encoding than the one that was written (docs/format/fs5.md §2.3).
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = (bytes: Uint8Array): Either.Either<TraversalContext, FormatError> =>
  Cbor.decode(codec, bytes, { format: "traversal context" })
