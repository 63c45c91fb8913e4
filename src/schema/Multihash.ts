/**
 * A hash with the one-byte tag of its kind before it (docs/format/core.md §3 and §7.3).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"

/** The tag of BLAKE3-256, the only one in use. @since 0.1.0 @category constants */
export const blake3Tag = 0x1e

/** Tag and hash together, in bytes. @since 0.1.0 @category constants */
export const length = 1 + Hash.length

/** `1e` and the hash. @since 0.1.0 @category conversions */
export const toBytes = (hash: Hash.Hash): Uint8Array => Bytes.concat(Uint8Array.of(blake3Tag), hash)

/** The hash of exactly 33 bytes that begin with `1e`. @since 0.1.0 @category conversions */
export const fromBytes = (bytes: Uint8Array): Either.Either<Hash.Hash, FormatError> => {
  const fail = (problem: string) => Either.left(new FormatError({ format: "multihash", at: "byte 0", problem }))
  if (bytes.length !== length) return fail(`expected ${length} bytes, got ${bytes.length}`)
  if (bytes[0] !== blake3Tag) return fail(`expected the BLAKE3 tag 1e, got ${Bytes.toHex(bytes.subarray(0, 1))}`)
  return Hash.fromBytes(bytes.slice(1))
}
