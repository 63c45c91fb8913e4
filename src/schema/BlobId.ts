/**
 * A blob's hash and size as one identifier (docs/format/core.md §3).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Equivalence from "effect/Equivalence"
import * as Order from "effect/Order"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"
import * as Multibase from "./Multibase.ts"
import { blake3Tag } from "./Multihash.ts"

/** @since 0.1.0 @category models */
export interface BlobId {
  readonly hash: Hash.Hash
  /** Bytes, up to 2^64 − 1. */
  readonly size: bigint
}

const magic = 0x5b
const defaultType = 0x82
const minLength = 3 + Hash.length
const maxLength = minLength + 8

/** @since 0.1.0 @category constructors */
export const make = (hash: Hash.Hash, size: bigint): Either.Either<BlobId, FormatError> =>
  size >= 0n && size <= Bytes.maxU64
    ? Either.right({ hash, size })
    : Either.left(new FormatError({ format: "blob id", at: "size", problem: `${size} is not in 0..${Bytes.maxU64}` }))

/** 35 to 43 bytes: `5b 82 1e`, the hash, the size little-endian without trailing zero bytes. @since 0.1.0 @category conversions */
export const toBytes = (id: BlobId): Uint8Array => {
  const size = Bytes.fromU64BE(id.size).reverse()
  let used = size.length
  while (used > 0 && size[used - 1] === 0) used--
  return Bytes.concat(Uint8Array.of(magic, defaultType, blake3Tag), id.hash, size.subarray(0, used))
}

/**
 * The identifier in `bytes`. Trailing zero bytes of the size are accepted, so several byte strings can mean the same
 * identifier: compare with {@link equals}, never the bytes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromBytes = (bytes: Uint8Array): Either.Either<BlobId, FormatError> => {
  const fail = (at: number, problem: string) =>
    Either.left(new FormatError({ format: "blob id", at: `byte ${at}`, problem }))
  if (bytes.length < minLength) return fail(bytes.length, `expected at least ${minLength} bytes, got ${bytes.length}`)
  for (const [at, [name, expected]] of markers.entries()) {
    const got = bytes[at] ?? 0
    if (got !== expected) return fail(at, `expected the ${name} byte ${hexByte(expected)}, got ${hexByte(got)}`)
  }
  if (bytes.length > maxLength) return fail(maxLength, `expected at most ${maxLength} bytes, got ${bytes.length}`)
  let size = 0n
  for (let at = bytes.length - 1; at >= minLength; at--) size = (size << 8n) | BigInt(bytes[at] ?? 0)
  return Either.map(Hash.fromBytes(new Uint8Array(bytes.subarray(3, minLength))), (hash) => ({ hash, size }))
}

const markers = [
  ["magic", magic],
  ["blob type", defaultType],
  ["multihash", blake3Tag]
] as const
const hexByte = (value: number) => value.toString(16).padStart(2, "0")

/** Multibase text, `blob…` in the canonical base32. @since 0.1.0 @category conversions */
export const toText = (id: BlobId, encoding: Multibase.Encoding = "base32"): string =>
  Multibase.encode(encoding, toBytes(id))

/** The identifier of a text in any encoding that {@link Multibase.decode} reads. @since 0.1.0 @category conversions */
export const fromText = (text: string): Either.Either<BlobId, FormatError> =>
  Either.flatMap(Multibase.decode(text), fromBytes)

/** By hash, then by size. @since 0.1.0 @category comparing */
export const order: Order.Order<BlobId> = Order.combine(
  Order.mapInput(Bytes.compare, (id: BlobId) => id.hash),
  Order.mapInput(Order.bigint, (id: BlobId) => id.size)
)

/** Same hash and same size. @since 0.1.0 @category comparing */
export const equals: Equivalence.Equivalence<BlobId> = Equivalence.make(
  (a, b) => a.size === b.size && Bytes.equals(a.hash, b.hash)
)
