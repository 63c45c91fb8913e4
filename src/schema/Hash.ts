/**
 * BLAKE3-256 hashes (docs/format/core.md §2).
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"

/** 32 bytes of BLAKE3; ordered bytewise. @since 0.1.0 @category models */
export type Hash = Uint8Array & Brand.Brand<"Hash">

/** The length of a hash in bytes. @since 0.1.0 @category constants */
export const length = 32

/** Whether `bytes` have a hash's length. @since 0.1.0 @category guards */
export const is = (bytes: Uint8Array): bytes is Hash => bytes.length === length

/** The hash that `bytes` are, or why they are none. @since 0.1.0 @category constructors */
export const fromBytes = (bytes: Uint8Array): Either.Either<Hash, FormatError> =>
  is(bytes)
    ? Either.right(bytes)
    : Either.left(
        new FormatError({ format: "hash", at: "byte 0", problem: `expected ${length} bytes, got ${bytes.length}` })
      )

/** For bytes that are a hash by construction; throws on any other length. @since 0.1.0 @category constructors */
export const unsafeFromBytes = (bytes: Uint8Array): Hash => (is(bytes) ? bytes : Either.getOrThrow(fromBytes(bytes)))

/** The hash of 64 hex digits. @since 0.1.0 @category conversions */
export const fromHex = (text: string): Either.Either<Hash, FormatError> =>
  Either.flatMap(Bytes.fromHex(text, length), fromBytes)

/** 64 lower-case hex digits. @since 0.1.0 @category conversions */
export const toHex = (hash: Hash): string => Bytes.toHex(hash)

/** The first 5 bytes as 10 hex digits, for people. @since 0.1.0 @category conversions */
export const toShort = (hash: Hash): string => Bytes.toHex(hash.subarray(0, 5))

/** 32 zero bytes: the root of an empty snapshot (docs/format/fs5.md §1). @since 0.1.0 @category constants */
export const zero: Hash = unsafeFromBytes(new Uint8Array(length))
