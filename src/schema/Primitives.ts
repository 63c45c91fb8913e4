/**
 * The synchronous cryptography that pure code takes as an argument.
 *
 * Every implementation gives the same bytes, down to the zstd frames (docs/format/fs5.md §6.6); `services/Crypto.ts`
 * is its tag.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { FormatError } from "./FormatError.ts"
import type { Hash } from "./Hash.ts"

/** A BLAKE3 hash that is fed piece by piece. @since 0.1.0 @category models */
export interface Hasher {
  readonly update: (bytes: Uint8Array) => void
  /** The hash of everything fed so far; the hasher must not be used afterwards. */
  readonly digest: () => Hash
}

/** @since 0.1.0 @category models */
export interface Primitives {
  /** BLAKE3-256. */
  readonly blake3: (bytes: Uint8Array) => Hash
  /** A fresh incremental BLAKE3-256. */
  readonly hasher: () => Hasher
  /** BLAKE3 in derive-key mode, 32 bytes out (docs/format/core.md §13). */
  readonly deriveKey: (context: string, material: Uint8Array) => Uint8Array
  /** The Ed25519 public key, 32 bytes, of a 32-byte seed. */
  readonly ed25519PublicKey: (seed: Uint8Array) => Uint8Array
  /** The deterministic RFC 8032 signature, 64 bytes. */
  readonly ed25519Sign: (seed: Uint8Array, message: Uint8Array) => Uint8Array
  /** Strict verification: no small-order keys or nonces, no cofactor (docs/format/core.md §7.5). Never throws. */
  readonly ed25519Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
  /** ChaCha20 (IETF) with nonce zero and counter zero over `bytes`, into a new array (docs/format/fs5.md §6.1). */
  readonly chacha20: (key: Uint8Array, bytes: Uint8Array) => Uint8Array
  /** The same into the beginning of `out`, which shares no byte with `bytes`; a `RangeError` where it is shorter. */
  readonly chacha20Into?: (key: Uint8Array, bytes: Uint8Array, out: Uint8Array) => void
  /** One streaming zstd frame without size or checksum, the reference's bytes (docs/format/fs5.md §6.6). */
  readonly zstdCompress: (level: number, bytes: Uint8Array) => Uint8Array
  /** The same where the frame is looked at before the next call of any of these functions for zstd, which may overwrite it. */
  readonly zstdCompressOnce?: Primitives["zstdCompress"]
  /**
   * The content of the one zstd frame at the start of `bytes`; what follows the frame is ignored. More than `limit` bytes
   * of content is an error, found before that much memory is taken.
   */
  readonly zstdDecompress: (bytes: Uint8Array, limit: number) => Either.Either<Uint8Array, FormatError>
  /**
   * The same where the content is looked at before the next call of any of these functions for zstd, which may overwrite it,
   * and its buffer is not given away.
   */
  readonly zstdDecompressOnce?: Primitives["zstdDecompress"]
}
