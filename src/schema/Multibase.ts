/**
 * Texts whose first character names the encoding of the rest (docs/format/core.md §3).
 *
 * @since 0.1.0
 */
import {
  type BytesCoder,
  base16,
  base32,
  base32hex,
  base32hexnopad,
  base32nopad,
  base36,
  base58,
  base58flickr,
  base64,
  base64nopad,
  base64url,
  base64urlnopad
} from "@scure/base"
import * as Either from "effect/Either"
import { FormatError } from "./FormatError.ts"

/** The encodings that this project writes. @since 0.1.0 @category models */
export type Encoding = "base16" | "base32" | "base58btc" | "base64url"

const writers: { readonly [K in Encoding]: (bytes: Uint8Array) => string } = {
  base16: (bytes) => `f${base16.encode(bytes).toLowerCase()}`,
  base32: (bytes) => `b${base32nopad.encode(bytes).toLowerCase()}`,
  base58btc: (bytes) => `z${base58.encode(bytes)}`,
  base64url: (bytes) => `u${base64urlnopad.encode(bytes)}`
}

/** `bytes` as multibase text with its prefix. @since 0.1.0 @category conversions */
export const encode = (encoding: Encoding, bytes: Uint8Array): string => writers[encoding](bytes)

/** Digits of `bits` bits each, most significant first; left-over bits must be zero and fewer than a digit. */
const powerOfTwo =
  (alphabet: string, bits: number) =>
  (text: string): Uint8Array => {
    const out = new Uint8Array(Math.floor((text.length * bits) / 8))
    let [held, heldBits, at] = [0, 0, 0]
    for (const character of text) {
      const digit = alphabet.indexOf(character)
      if (digit < 0) throw new RangeError("unknown digit")
      held = (held << bits) | digit
      heldBits += bits
      if (heldBits >= 8) {
        heldBits -= 8
        out[at++] = held >> heldBits
        held &= (1 << heldBits) - 1
      }
    }
    if (heldBits >= bits || held !== 0) throw new RangeError("left-over bits")
    return out
  }

/** The whole text as one decimal number, each leading zero digit a leading zero byte. */
const decimal = (text: string): Uint8Array => {
  if (!/^[0-9]*$/.test(text)) throw new RangeError("unknown digit")
  const zeros = /^0*/.exec(text)?.[0].length ?? 0
  const bytes: Array<number> = []
  for (let rest = BigInt(text.slice(zeros) || 0); rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn))
  return Uint8Array.from([...bytes, ...new Array<number>(zeros).fill(0)].reverse())
}

const exact = (coder: BytesCoder) => coder.decode
const foldingUp = (coder: BytesCoder) => (text: string) => coder.decode(text.toUpperCase())
const foldingDown = (coder: BytesCoder) => (text: string) => coder.decode(text.toLowerCase())
const base32z = powerOfTwo("ybndrfg8ejkmcpqxot1uwisza345h769", 5)

const readers: ReadonlyMap<string, (text: string) => Uint8Array> = new Map([
  ["0", powerOfTwo("01", 1)],
  ["7", powerOfTwo("01234567", 3)],
  ["9", decimal],
  ["f", foldingUp(base16)],
  ["F", foldingUp(base16)],
  ["b", foldingUp(base32nopad)],
  ["B", foldingUp(base32nopad)],
  ["c", foldingUp(base32)],
  ["C", foldingUp(base32)],
  ["v", foldingUp(base32hexnopad)],
  ["V", foldingUp(base32hexnopad)],
  ["t", foldingUp(base32hex)],
  ["T", foldingUp(base32hex)],
  ["h", base32z],
  ["k", foldingDown(base36)],
  ["K", foldingDown(base36)],
  ["z", exact(base58)],
  ["Z", exact(base58flickr)],
  ["m", exact(base64nopad)],
  ["M", exact(base64)],
  ["u", exact(base64urlnopad)],
  ["U", exact(base64url)]
])

/** The longest text that is read: identifiers are short, and bases that are no power of two cost the square. */
const maxLength = 1024

/**
 * The bytes of a multibase text of at most 1024 characters.
 *
 * Reads the prefixes `0 7 9 f F b B c C v V t T h k K z Z m M u U`; base16, base32, base32hex and base36 in either case,
 * padding only where the prefix says so, left-over bits only if zero. Identity and emoji are refused.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = (text: string): Either.Either<Uint8Array, FormatError> => {
  const fail = (at: string, problem: string) => Either.left(new FormatError({ format: "multibase text", at, problem }))
  const prefix = text.charAt(0)
  if (prefix === "") return fail("character 0", "the text is empty, a prefix character is expected")
  const read = readers.get(prefix)
  if (read === undefined) return fail("character 0", `no known encoding has the prefix ${JSON.stringify(prefix)}`)
  if (text.length > maxLength) return fail(`character ${maxLength}`, `longer than ${maxLength} characters`)
  // upper-casing maps some letters outside ASCII into the alphabets
  const foreign = /[^!-~]/.exec(text)
  if (foreign !== null) return fail(`character ${foreign.index}`, "a character that no encoding uses")
  return Either.try({
    try: () => read(text.slice(1)),
    catch: () =>
      new FormatError({
        format: "multibase text",
        at: "character 1",
        problem: `not what the prefix ${JSON.stringify(prefix)} announces (unknown digit, wrong padding or left-over bits)`
      })
  })
}
