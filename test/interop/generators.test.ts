import { blake3 } from "@noble/hashes/blake3.js"
import { describe, expect, it } from "vitest"
import { generate } from "./generators.ts"
import { load, named, number, objects, text, toHex } from "./vectors.ts"

describe("generators", () => {
  it.each(named(objects(load("cdc.json").cases)).filter(([, value]) => number(value.length) <= 300_000))(
    "%s has the listed length and hash",
    (_, value) => {
      const bytes = generate(value.input)
      expect(bytes.length).toBe(number(value.length))
      expect(toHex(blake3(bytes))).toBe(text(value.blake3))
    }
  )

  it.each(
    objects(load("hash.json").blake3).map((value) => [JSON.stringify(value.input).slice(0, 100), value] as const)
  )("%s has the listed length and hash", (_, value) => {
    const bytes = generate(value.input)
    expect(bytes.length).toBe(number(value.length))
    expect(toHex(blake3(bytes))).toBe(text(value.blake3))
  })

  it("refuses a kind that it does not know", () => {
    expect(() => generate({ kind: "perlin" })).toThrow("unknown generator kind")
  })
})
