/**
 * What strict Ed25519 verification refuses before any curve arithmetic (docs/format/core.md §7.5).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "../schema/Bytes.ts"

/** The order of the base point. @since 0.1.0 @category constants */
export const order = 0x1000_0000_0000_0000_0000_0000_0000_0000_14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3edn

// Every y, little-endian, whose points have an order that divides 8; the last two are 0 and 1 written unreduced. Either
// sign bit decodes: where x is 0 the lax decoders that we have to agree with ignore it.
const smallOrderY = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
].map((text) => Either.getOrThrow(Bytes.fromHex(text, 32)))

/** Whether 32 bytes encode, canonically or not, a point of order 1, 2, 4 or 8. @since 0.1.0 @category guards */
export const isSmallOrder = (encoded: Uint8Array): boolean =>
  smallOrderY.some((y) => {
    if ((encoded[31]! & 0x7f) !== y[31]) return false
    for (let i = 0; i < 31; i++) if (encoded[i] !== y[i]) return false
    return true
  })

/** The unsigned little-endian value of bytes. @since 0.1.0 @category conversions */
export const fromLittleEndian = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return value
}

/**
 * Whether the lengths are right, neither key nor nonce point is of small order, and S is below the group order; what is
 * left to check is the cofactorless equation.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPlausible = (publicKey: Uint8Array, signature: Uint8Array): boolean =>
  publicKey.length === 32 &&
  signature.length === 64 &&
  !isSmallOrder(publicKey) &&
  !isSmallOrder(signature.subarray(0, 32)) &&
  fromLittleEndian(signature.subarray(32)) < order
