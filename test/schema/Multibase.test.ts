import { assert, describe, it } from "@effect/vitest"
import { base32, base58flickr, base64 } from "@scure/base"
import * as FastCheck from "effect/FastCheck"
import * as Multibase from "../../src/schema/Multibase.ts"
import { refusal, right } from "../support/either.ts"

const encodings = FastCheck.constantFrom<Multibase.Encoding>("base16", "base32", "base58btc", "base64url")
const bytes = FastCheck.uint8Array({ maxLength: 60 })

/** Big-endian digits by plain arithmetic on one number, leading zero bytes as leading zero digits. */
const positional = (alphabet: string, input: Uint8Array): string => {
  const zeros = input.findIndex((byte) => byte !== 0)
  let value = input.reduce((total, byte) => total * 256n + BigInt(byte), 0n)
  let out = ""
  for (; value > 0n; value /= BigInt(alphabet.length)) out = alphabet[Number(value % BigInt(alphabet.length))] + out
  return alphabet.charAt(0).repeat(zeros < 0 ? input.length : zeros) + out
}

/** Digits cut from the text of all bits. */
const bitwise = (alphabet: string, width: number, input: Uint8Array): string =>
  (
    [...input]
      .map((byte) => byte.toString(2).padStart(8, "0"))
      .join("")
      .match(new RegExp(`.{1,${width}}`, "g")) ?? []
  )
    .map((bits) => alphabet[Number.parseInt(bits.padEnd(width, "0"), 2)])
    .join("")

describe("Multibase", () => {
  it("what each of our encodings writes reads back", () => {
    FastCheck.assert(
      FastCheck.property(bytes, encodings, (input, encoding) => {
        assert.deepStrictEqual(right(Multibase.decode(Multibase.encode(encoding, input))), input)
      })
    )
  })

  it("the other encodings read what independent encoders write", () => {
    const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyz"
    FastCheck.assert(
      FastCheck.property(bytes, (input) => {
        const texts = [
          `0${bitwise("01", 1, input)}`,
          `7${bitwise("01234567", 3, input)}`,
          `9${positional("0123456789", input)}`,
          `k${positional(alphanumeric, input)}`,
          `K${positional(alphanumeric, input).toUpperCase()}`,
          `v${bitwise(alphanumeric.slice(0, 32), 5, input)}`,
          `V${bitwise(alphanumeric.slice(0, 32), 5, input).toUpperCase()}`,
          `h${bitwise("ybndrfg8ejkmcpqxot1uwisza345h769", 5, input)}`,
          `C${base32.encode(input)}`,
          `c${base32.encode(input).toLowerCase()}`,
          `M${base64.encode(input)}`,
          `m${base64.encode(input).replaceAll("=", "")}`,
          `Z${base58flickr.encode(input)}`,
          `z${positional("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", input)}`
        ]
        for (const text of texts) assert.deepStrictEqual(right(Multibase.decode(text)), input, text)
      })
    )
  })

  const refused: ReadonlyArray<readonly [text: string, why: string]> = [
    ["", "no prefix"],
    ["\0abc", "identity"],
    ["🚀🚀", "emoji"],
    ["x41", "unknown prefix"],
    ["b=", "padding in an unpadded encoding"],
    ["bmf", "left-over bits that are not zero"],
    ["b1", "digit outside the alphabet"],
    ["ba", "a single digit that makes no byte"],
    ["cme", "padding missing"],
    ["f0", "half a byte"],
    ["z0", "digit outside the alphabet"],
    ["9-1", "sign"],
    ["hm🚀", "foreign character"],
    ["00000000", "seven bits"]
  ]
  for (const [text, why] of refused) {
    it(`${JSON.stringify(text)} is refused: ${why}`, () => {
      assert.match(refusal(Multibase.decode(text)).at, /^character \d+$/)
    })
  }

  it("letters that upper-casing would turn into digits of base32 are refused", () => {
    assert.strictEqual("ı".toUpperCase(), "I")
    assert.strictEqual("ſ".toUpperCase(), "S")
    for (const text of ["bıe", "bſa", "bm e"]) refusal(Multibase.decode(text))
  })

  it("a hostile length is refused before any work", () => {
    refusal(Multibase.decode(`z${"2".repeat(10_000_000)}`))
  })

  it("no text makes the reader throw", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.constantFrom(..."079fFbBcCvVtThkKzZmMuUx"), FastCheck.string(), (prefix, rest) => {
        Multibase.decode(prefix + rest)
      })
    )
  })
})
