/**
 * Identifiers of vaults (docs/format/core.md §7.1).
 *
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"

/** 16 bytes that name a vault; with the signer's public key they name its stream. @since 0.1.0 @category models */
export type VaultId = Uint8Array & Brand.Brand<"VaultId">

/** In bytes. @since 0.1.0 @category constants */
export const length = 16

/** Whether `bytes` have the length of a vault id. @since 0.1.0 @category guards */
export const is = (bytes: Uint8Array): bytes is VaultId => bytes.length === length

/** The vault id that `bytes` are, or why they are none. @since 0.1.0 @category constructors */
export const fromBytes = (bytes: Uint8Array): Either.Either<VaultId, FormatError> =>
  is(bytes)
    ? Either.right(bytes)
    : Either.left(
        new FormatError({ format: "vault id", at: "byte 0", problem: `expected ${length} bytes, got ${bytes.length}` })
      )

/** For bytes that have the right length by construction; throws on any other. @since 0.1.0 @category constructors */
export const unsafeFromBytes = (bytes: Uint8Array): VaultId => Either.getOrThrow(fromBytes(bytes))

/** The vault id of 32 hex digits. @since 0.1.0 @category conversions */
export const fromHex = (text: string): Either.Either<VaultId, FormatError> =>
  Either.flatMap(Bytes.fromHex(text, length), fromBytes)

/** 32 lower-case hex digits. @since 0.1.0 @category conversions */
export const toHex = (value: VaultId): string => Bytes.toHex(value)
