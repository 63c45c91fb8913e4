/**
 * Small pure helpers over byte arrays and the orders the formats use.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { FormatError } from "./FormatError.ts"

const encoder = new TextEncoder()
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The UTF-8 bytes of `text`. @since 0.1.0 @category conversions */
export const fromUtf8 = (text: string): Uint8Array => encoder.encode(text)

/** The text that `bytes` are in UTF-8, or nothing when they are not valid UTF-8. @since 0.1.0 @category conversions */
export const toUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    // TextDecoder has no other way to say "invalid"; the answer is the undefined
    return undefined
  }
}

const hexDigits = Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0))
const shortHex = new Array<number>(64)

/** Lower-case hex. @since 0.1.0 @category conversions */
export const toHex = (bytes: Uint8Array): string => {
  // a hash's, which is made all the time and kept as a key: one flat string where joining leaves a chain of 32
  if (bytes.length !== 32) return Encoding.encodeHex(bytes)
  for (let i = 0; i < 32; i++) {
    shortHex[i * 2] = hexDigits[bytes[i]! >> 4]!
    shortHex[i * 2 + 1] = hexDigits[bytes[i]! & 15]!
  }
  return String.fromCharCode(...shortHex)
}

/** The bytes of a hex text, optionally of exactly `length` bytes. @since 0.1.0 @category conversions */
export const fromHex = (text: string, length?: number): Either.Either<Uint8Array, FormatError> => {
  const fail = (problem: string) => Either.left(new FormatError({ format: "hex text", at: "byte 0", problem }))
  const decoded = Encoding.decodeHex(text)
  if (Either.isLeft(decoded)) return fail("has a character that is not a hex digit, or an odd number of them")
  return length !== undefined && decoded.right.length !== length
    ? fail(`expected ${length} bytes, got ${decoded.right.length}`)
    : Either.right(decoded.right)
}

/** One array holding all parts in order. @since 0.1.0 @category combinators */
export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Same length and same bytes (not constant time: never for secrets of an attacker's choosing). @since 0.1.0 @category comparing */
export const equals = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Unsigned lexicographic order, a prefix first. @since 0.1.0 @category comparing */
export const compare = (a: Uint8Array, b: Uint8Array): -1 | 0 | 1 => {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference < 0 ? -1 : 1
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1
}

/**
 * The order of two texts by their UTF-8 bytes, which is the order of tree keys (docs/format/fs5.md §4).
 *
 * JavaScript's own order compares UTF-16 units and differs where a surrogate meets a unit of U+E000 or above.
 *
 * @since 0.1.0
 * @category comparing
 */
export const compareUtf8 = (a: string, b: string): -1 | 0 | 1 => {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    let x = a.charCodeAt(i)
    let y = b.charCodeAt(i)
    if (x === y) continue
    // lift surrogates above the rest of the basic plane, as their code points are
    if (x >= 0xd800 && y >= 0xd800) {
      x = x >= 0xe000 ? x - 0x800 : x + 0x2000
      y = y >= 0xe000 ? y - 0x800 : y + 0x2000
    }
    return x < y ? -1 : 1
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1
}

/** A 64-bit unsigned value as 8 big-endian bytes. @since 0.1.0 @category conversions */
export const fromU64BE = (value: bigint): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, value)
  return out
}

/** The largest value of an unsigned 64-bit field. @since 0.1.0 @category constants */
export const maxU64 = 0xffff_ffff_ffff_ffffn
