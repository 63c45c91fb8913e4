/**
 * Plaintext to stored blob and back: compression, padding, encryption (docs/format/fs5.md §6).
 *
 * Deterministic encryption takes its key from the master and the plaintext's hash only, and all encryption starts its
 * keystream at zero. One plaintext stored in two encodings under one slot, or two blobs under one explicit key, would be
 * a two-time pad: nothing here can see that, so whoever chooses pipelines gives a changed pipeline a new slot.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "../schema/Bytes.ts"
import { Reader } from "../schema/CborReader.ts"
import { FormatError } from "../schema/FormatError.ts"
import * as Hash from "../schema/Hash.ts"
import type { ContentRef, NodeEntry } from "../schema/Node.ts"
import type { Primitives } from "../schema/Primitives.ts"
import type { BlobPipeline, TraversalContext } from "../schema/TraversalContext.ts"
import { DamagedTree } from "./TreeError.ts"

/** The two kinds of blobs, by the name that their key derivation has. @since 0.1.0 @category models */
export type Kdf = "leaf" | "meta"

/** The slots of a context. @since 0.1.0 @category models */
export type Keys = ReadonlyMap<number, Uint8Array> | undefined

/** The largest content of a node blob that is decompressed, in bytes. @since 0.1.0 @category constants */
export const maximumNodeLength = 64 * 1024 * 1024

/** The largest padding block that is written, in bytes: a context may come from others. @since 0.1.0 @category constants */
export const maximumPaddingBlock = 64 * 1024 * 1024

/** No format field can name a longer leaf: chunk sizes have 32 bits. */
const maximumLeafLength = 0xffff_ffff

/** What a plaintext became. @since 0.1.0 @category models */
export interface EncodedBlob {
  /** The name of the stored blob. */
  readonly hash: Hash.Hash
  readonly stored: Uint8Array
  readonly plaintextHash: Hash.Hash
  /** The stored length in padding blocks, rounded up; in bytes where there are no blocks. */
  readonly blocks: bigint
  /** Whether compression did not help and was left out (docs/format/fs5.md §6.1, step 4). */
  readonly skipped: boolean
}

/** What the parent says of a blob. @since 0.1.0 @category models */
export interface Expected {
  readonly hash?: Hash.Hash
  readonly plaintextHash?: Hash.Hash
  /** The plaintext's length; absent or 0 where it is not known. */
  readonly size?: bigint
}

const kdfContext = { leaf: "s5/fs/v2/encrypt/leaf", meta: "s5/fs/v2/encrypt/meta" } as const

const damaged = (reason: DamagedTree["reason"], detail: string, hash?: Hash.Hash) =>
  Either.left(new DamagedTree({ reason, blob: hash === undefined ? "" : Hash.toHex(hash), detail }))

/**
 * The ChaCha20 key of one blob under deterministic encryption (docs/format/fs5.md §6.1, step 6).
 *
 * @since 0.1.0
 * @category keys
 */
export const deriveKey = (primitives: Primitives, kdf: Kdf, master: Uint8Array, plaintextHash: Hash.Hash): Uint8Array =>
  primitives.deriveKey(kdfContext[kdf], Bytes.concat(master, plaintextHash))

/** The key of a blob, nothing where it is not encrypted, or why there is no key. */
const blobKey = (
  primitives: Primitives,
  pipeline: BlobPipeline,
  kdf: Kdf,
  keys: Keys,
  expected: Expected
): Either.Either<Uint8Array | undefined, DamagedTree> => {
  const encryption = pipeline.encryption
  if (encryption === undefined || encryption.strategy === "plaintext") return Either.right(undefined)
  const master = keys?.get(encryption.slot)
  const slot = `0x${encryption.slot.toString(16).padStart(2, "0")}`
  if (master === undefined) {
    return damaged("WrongKey", `its key is in slot ${slot}, which this context does not have`, expected.hash)
  }
  if (master.length !== 32) {
    return damaged("WrongKey", `the key in slot ${slot} has ${master.length} bytes instead of 32`, expected.hash)
  }
  if (encryption.strategy === "explicit_key_chacha20") return Either.right(master)
  return expected.plaintextHash === undefined
    ? damaged("WrongKey", "it is encrypted, but its parent has no plaintext hash to derive the key with", expected.hash)
    : Either.right(deriveKey(primitives, kdf, master, expected.plaintextHash))
}

const compressionLevel = (pipeline: BlobPipeline): number | undefined => {
  switch (pipeline.compression?._tag) {
    case "Zstd":
      return 1
    case "ZstdLevel":
      return pipeline.compression.level
    default:
      return undefined
  }
}

/** What padding is made in; longer ones take memory of their own. */
const scratch = new Uint8Array(256 * 1024)

/** Not zeroed, and the same again at the next call. */
const scratchOf = (length: number): Uint8Array =>
  length <= scratch.length ? scratch.subarray(0, length) : new Uint8Array(length)

/**
 * The stored form of `plaintext`; without a pipeline it is stored as it is.
 *
 * A missing key is `WrongKey`, a padding block above `maximumPaddingBlock` is `Unsupported`. `stored` may be `plaintext`
 * itself. `plaintextHash` is that of `plaintext`, where the caller has it; what is encrypted lies in `room`, if there is one.
 *
 * @since 0.1.0
 * @category conversions
 */
export const encode = (
  primitives: Primitives,
  pipeline: BlobPipeline | undefined,
  kdf: Kdf,
  keys: Keys,
  plaintext: Uint8Array,
  plaintextHash: Hash.Hash = primitives.blake3(plaintext),
  room?: (length: number) => Uint8Array
): Either.Either<EncodedBlob, DamagedTree> => {
  if (pipeline === undefined) {
    const blocks = BigInt(plaintext.length)
    return Either.right({ hash: plaintextHash, stored: plaintext, plaintextHash, blocks, skipped: false })
  }

  const block = Math.max(pipeline.paddingBlock ?? 1, 1)
  if (block > maximumPaddingBlock) {
    return damaged(
      "Unsupported",
      `the context pads blobs to ${block} bytes; at most ${maximumPaddingBlock} are written`
    )
  }
  const key = blobKey(primitives, pipeline, kdf, keys, { plaintextHash })
  if (Either.isLeft(key)) return Either.left(key.left)

  const padded = (length: number) => Math.ceil(length / block) * block
  const level = compressionLevel(pipeline)
  // what is encrypted is new memory anyway: until then nobody else looks at it
  const isNew = key.right !== undefined
  const compress = (isNew && primitives.zstdCompressOnce) || primitives.zstdCompress
  const compressed = level === undefined ? plaintext : compress(level, plaintext)
  const skipped =
    pipeline.skipWhenUnhelpful === true && plaintext.length > 0 && padded(compressed.length) >= padded(plaintext.length)
  const content = skipped ? plaintext : compressed

  const length = padded(content.length)
  let stored = content
  if (length > content.length) {
    stored = isNew ? scratchOf(length) : new Uint8Array(length)
    stored.set(content)
    stored.fill(0, content.length)
  }
  if (key.right !== undefined && room !== undefined && primitives.chacha20Into !== undefined) {
    const out = room(length)
    primitives.chacha20Into(key.right, stored, out)
    stored = out
  } else if (key.right !== undefined) stored = primitives.chacha20(key.right, stored)
  return Either.right({
    hash: stored === plaintext ? plaintextHash : primitives.blake3(stored),
    stored,
    plaintextHash,
    blocks: BigInt(length / block),
    skipped
  })
}

/** `stored` without its encryption. */
const decrypt = (
  primitives: Primitives,
  pipeline: BlobPipeline,
  kdf: Kdf,
  keys: Keys,
  expected: Expected,
  stored: Uint8Array
): Either.Either<Uint8Array, DamagedTree> =>
  Either.map(blobKey(primitives, pipeline, kdf, keys, expected), (key) =>
    key === undefined ? stored : primitives.chacha20(key, stored)
  )

/** What bytes that do not decode most likely mean: under encryption, another key. */
const mismatch = (pipeline: BlobPipeline | undefined): DamagedTree["reason"] =>
  (pipeline?.encryption?.strategy ?? "plaintext") === "plaintext" ? "NotDecodable" : "WrongKey"

/** The content of the frame at the start of `bytes`. */
const decompress = (
  primitives: Primitives,
  pipeline: BlobPipeline,
  bytes: Uint8Array,
  limit: number,
  hash: Hash.Hash | undefined
): Either.Either<Uint8Array, DamagedTree> =>
  Either.orElse(primitives.zstdDecompress(bytes, limit), (error) => damaged(mismatch(pipeline), error.message, hash))

const verified = (
  primitives: Primitives,
  pipeline: BlobPipeline | undefined,
  expected: Expected,
  plaintext: Uint8Array
): Either.Either<Uint8Array, DamagedTree> =>
  expected.plaintextHash === undefined || Bytes.equals(primitives.blake3(plaintext), expected.plaintextHash)
    ? Either.right(plaintext)
    : damaged(
        mismatch(pipeline),
        `its plaintext is not the one that the tree promises, ${Hash.toHex(expected.plaintextHash)}`,
        expected.hash
      )

/**
 * The plaintext of a stored leaf (docs/format/fs5.md §6.3).
 *
 * The stored bytes' own hash is the caller's to check. Where no plaintext hash is given, the length is not checked either:
 * a shorter plaintext than `size` is accepted, as in the reference, a longer one is cut when it is not compressed and
 * refused when it is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decodeLeaf = (
  primitives: Primitives,
  pipeline: BlobPipeline | undefined,
  keys: Keys,
  expected: Expected,
  stored: Uint8Array
): Either.Either<Uint8Array, DamagedTree> => {
  if (pipeline === undefined) return verified(primitives, pipeline, expected, stored)
  const decrypted = decrypt(primitives, pipeline, "leaf", keys, expected, stored)
  if (Either.isLeft(decrypted)) return decrypted
  const size = expected.size ?? 0n
  let plaintext = decrypted.right
  if (compressionLevel(pipeline) !== undefined) {
    const limit = Number(size > BigInt(maximumLeafLength) ? BigInt(maximumLeafLength) : size)
    const content = decompress(primitives, pipeline, plaintext, limit, expected.hash)
    if (Either.isLeft(content)) return content
    plaintext = content.right
  } else if (size > 0n && BigInt(plaintext.length) > size) {
    plaintext = plaintext.subarray(0, Number(size))
  }
  return verified(primitives, pipeline, expected, plaintext)
}

/** `bytes` up to the end of the one CBOR item at their start. */
const oneItem = (bytes: Uint8Array): Either.Either<Uint8Array, FormatError> => {
  const reader = new Reader(bytes, "node")
  try {
    reader.skip()
    return Either.right(bytes.subarray(0, reader.offset))
  } catch (error) {
    if (error instanceof FormatError) return Either.left(error)
    throw error
  }
}

/**
 * The CBOR of a stored node, without its padding (docs/format/fs5.md §6.4, §6.5).
 *
 * The stored bytes' own hash is the caller's to check. More than `maximumNodeLength` bytes are `NotDecodable`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decodeNode = (
  primitives: Primitives,
  pipeline: BlobPipeline | undefined,
  keys: Keys,
  expected: Omit<Expected, "size">,
  stored: Uint8Array
): Either.Either<Uint8Array, DamagedTree> => {
  if (pipeline === undefined) return verified(primitives, pipeline, expected, stored)
  const decrypted = decrypt(primitives, pipeline, "meta", keys, expected, stored)
  if (Either.isLeft(decrypted)) return decrypted
  if (compressionLevel(pipeline) !== undefined) {
    return Either.flatMap(
      decompress(primitives, pipeline, decrypted.right, maximumNodeLength, expected.hash),
      (plaintext) => verified(primitives, pipeline, expected, plaintext)
    )
  }
  // only the CBOR itself says where the padding begins, and the plaintext hash is over the CBOR
  const item = oneItem(decrypted.right)
  if (Either.isRight(item)) return verified(primitives, pipeline, expected, item.right)
  return damaged(mismatch(pipeline), item.left.message, expected.hash)
}

/** A leaf's blob and the entry that names it. @since 0.1.0 @category models */
export interface EncodedLeaf {
  /** Without semantic; with a child context where compression was skipped. */
  readonly entry: NodeEntry & { readonly content: ContentRef }
  readonly hash: Hash.Hash
  readonly stored: Uint8Array
}

/** What an entry whose leaf was not compressed says to its reader (docs/format/fs5.md §6.2). @since 0.1.0 @category constants */
export const skipMarker: TraversalContext = { leaf: { compression: { _tag: "Uncompressed" } } }

/** The leaf that `blob`, made of `size` bytes under `context`, is (docs/format/fs5.md §3.1). @since 0.1.0 @category constructors */
export const leafOf = (context: TraversalContext, size: bigint, blob: EncodedBlob): EncodedLeaf => ({
  entry: {
    content: {
      structural: "leaf",
      hash: blob.hash,
      size,
      ...(context.leaf !== undefined && { plaintextHash: blob.plaintextHash, storedBlocks: blob.blocks })
    },
    ...(blob.skipped && { childContext: skipMarker })
  },
  hash: blob.hash,
  stored: blob.stored
})

/**
 * `plaintext` as a leaf under `context` (docs/format/fs5.md §3.1, §6.2).
 *
 * @since 0.1.0
 * @category conversions
 */
export const encodeLeaf = (
  primitives: Primitives,
  context: TraversalContext,
  plaintext: Uint8Array,
  plaintextHash?: Hash.Hash
): Either.Either<EncodedLeaf, DamagedTree> =>
  Either.map(encode(primitives, context.leaf, "leaf", context.keys, plaintext, plaintextHash), (blob) =>
    leafOf(context, BigInt(plaintext.length), blob)
  )

/** Whether the entry's child context says nothing but that the leaf was not compressed. @since 0.1.0 @category guards */
export const isSkipMarker = (child: TraversalContext): boolean => {
  const { chunking, keys, leaf, node } = child
  return (
    keys === undefined &&
    node === undefined &&
    chunking === undefined &&
    leaf !== undefined &&
    leaf.compression?._tag === "Uncompressed" &&
    leaf.encryption === undefined &&
    leaf.paddingBlock === undefined &&
    leaf.skipWhenUnhelpful === undefined
  )
}

/**
 * The plaintext of a leaf that lies under `context`, as long as its entry says (docs/format/fs5.md §6.3).
 *
 * A size of 0 says nothing. The stored bytes' own hash is the caller's to check.
 *
 * @since 0.1.0
 * @category conversions
 */
export const openLeaf = (
  primitives: Primitives,
  context: TraversalContext,
  content: ContentRef,
  stored: Uint8Array
): Either.Either<Uint8Array, DamagedTree> =>
  Either.filterOrLeft(
    decodeLeaf(primitives, context.leaf, context.keys, content, stored),
    (plaintext) => content.size === 0n || BigInt(plaintext.length) === content.size,
    (plaintext) =>
      new DamagedTree({
        reason: "Inconsistent",
        blob: Hash.toHex(content.hash),
        detail: `it has ${plaintext.length} bytes where its entry says ${content.size}`
      })
  )
