/**
 * Ed25519 public keys (docs/format/core.md §7.1).
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"

/** 32 bytes of an Ed25519 public key, not checked to be a point: `Primitives.ed25519Verify` does that. @since 0.1.0 @category models */
export type PublicKey = Uint8Array & Brand.Brand<"PublicKey">

/** In bytes. @since 0.1.0 @category constants */
export const length = 32

/** Whether `bytes` have the length of a public key. @since 0.1.0 @category guards */
export const is = (bytes: Uint8Array): bytes is PublicKey => bytes.length === length

/** The public key that `bytes` are, or why they are none. @since 0.1.0 @category constructors */
export const fromBytes = (bytes: Uint8Array): Either.Either<PublicKey, FormatError> =>
  is(bytes)
    ? Either.right(bytes)
    : Either.left(
        new FormatError({
          format: "public key",
          at: "byte 0",
          problem: `expected ${length} bytes, got ${bytes.length}`
        })
      )

/** For bytes that have the right length by construction; throws on any other. @since 0.1.0 @category constructors */
export const unsafeFromBytes = (bytes: Uint8Array): PublicKey => Either.getOrThrow(fromBytes(bytes))

/** The public key of 64 hex digits. @since 0.1.0 @category conversions */
export const fromHex = (text: string): Either.Either<PublicKey, FormatError> =>
  Either.flatMap(Bytes.fromHex(text, length), fromBytes)

/** 64 lower-case hex digits. @since 0.1.0 @category conversions */
export const toHex = (value: PublicKey): string => Bytes.toHex(value)
