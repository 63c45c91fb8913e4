import { createHash } from "node:crypto"
import * as Either from "effect/Either"
import { assert, describe, expect, it } from "vitest"
import * as Chunker from "../../src/fs5/Chunker.ts"
import * as GearScan from "../../src/fs5/GearScan.ts"
import { halves } from "../../src/fs5/GearTable.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { primitives } from "../support/primitives.ts"
import { generate } from "./generators.ts"
import { hex, type Json, list, load, named, number, object, objects, text, toHex, untested, whole } from "./vectors.ts"

const vectors = load("cdc")
const golden = object(load("fs5-vectors").cdc_chunk_lengths, "cdc_chunk_lengths")

const numbers = (value: Json | undefined) => list(value).map((item) => number(item))

const cut = (chunker: Chunker.Chunker, bytes: Uint8Array, read = bytes.length): ReadonlyArray<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += read) chunks.push(...chunker.push(bytes.subarray(at, at + read)))
  const rest = chunker.finish()
  return rest === undefined ? chunks : [...chunks, rest]
}

const lengths = (chunks: ReadonlyArray<Uint8Array>) => chunks.map((chunk) => chunk.length)

const fast = GearScan.makeFast()

const implementations: ReadonlyArray<readonly [string, GearScan.Scan]> = [
  ...(fast === undefined ? [] : [["WebAssembly", fast] as const]),
  ["JavaScript", GearScan.portable]
]

const tableBytes = () => {
  const bytes = new Uint8Array(2048)
  const view = new DataView(bytes.buffer)
  for (let byte = 0; byte < 256; byte++) {
    view.setInt32(byte * 8, halves.low[byte] ?? 0, true)
    view.setInt32(byte * 8 + 4, halves.high[byte] ?? 0, true)
  }
  return bytes
}

it("no list of cdc.json goes unchecked, and its constants are ours", () => {
  assert.deepStrictEqual(untested(vectors, ["gear_table", "rolling", "cases", "fixed"]), [])
  assert.strictEqual(number(vectors.minimum), Chunker.minimumLength)
  assert.strictEqual(number(vectors.maximum), Chunker.maximumLength)
  assert.strictEqual(text(vectors.mask), "ffff000000000000")
})

/** The seed whose bytes "rolling" hashes is only in the text of the rule. */
const rollingSeed = Number(
  /rolling: the hash over the first bytes of xorshift32 seed (\d+)/.exec(text(vectors.rule))?.[1] ?? 2
)

describe("the gear table", () => {
  it("is the listed one", () => {
    const listed = list(vectors.gear_table).map((value) => text(value))
    const bytes = tableBytes()
    const view = new DataView(bytes.buffer)
    expect(listed).toEqual(
      Array.from({ length: 256 }, (_, byte) =>
        view
          .getBigUint64(byte * 8, true)
          .toString(16)
          .padStart(16, "0")
      )
    )
    expect(toHex(primitives.blake3(bytes))).toBe(text(vectors.gear_table_le_blake3))
  })

  it("has the digest that the format's description gives", () => {
    expect(createHash("sha256").update(tableBytes()).digest("hex")).toBe(
      "e1d3936666d7ae7a977c958e9afcc75f90aaca758ce5fbe4ece61dffefe1912c"
    )
  })
})

it("WebAssembly is there", () => {
  expect(fast).toBeDefined()
})

describe.each(implementations)("content-defined chunking in %s", (_, scan) => {
  it.each(objects(vectors.rolling).map((value) => [number(value.bytes_hashed), text(value.hash), value] as const))(
    "hashes %i bytes as listed",
    (count, hash, value) => {
      const state = { high: 0, low: 0 }
      const described = value.input ?? { kind: "xorshift32", seed: value.seed ?? rollingSeed, length: count }
      const bytes = generate(described).subarray(0, count)
      expect(scan(state, bytes, 0, count, count)).toBe(-1)
      const half = (value: number) => (value >>> 0).toString(16).padStart(8, "0")
      expect(half(state.high) + half(state.low)).toBe(hash)
    }
  )

  it.each(named(objects(vectors.cases)))("cuts %s as listed", (_, value) => {
    const bytes = generate(value.input)
    expect(bytes.length).toBe(whole(value.length))
    expect(toHex(primitives.blake3(bytes))).toBe(text(value.blake3))
    const chunks = cut(Chunker.contentDefined(scan), bytes, 1_048_576)
    expect(lengths(chunks)).toEqual(numbers(value.chunk_lengths))
    expect(chunks.length).toBe(number(value.count))
    expect(chunks.filter((chunk) => chunk.length === Chunker.maximumLength).length).toBe(
      number(value.of_maximum_length)
    )
    const hashes = chunks.map((chunk) => primitives.blake3(chunk))
    expect(toHex(primitives.blake3(Bytes.concat(...hashes)))).toBe(text(value.chunk_hashes_blake3))
    if (value.first_chunk_blake3 !== undefined) {
      expect(hashes[0] === undefined ? null : toHex(hashes[0])).toBe(value.first_chunk_blake3)
    }
  })

  const u64 = (value: bigint) => BigInt.asUintN(64, value)
  const splitmix64 = (length: number, seed: bigint) => {
    const out = new DataView(new ArrayBuffer(Math.ceil(length / 8) * 8))
    let state = seed
    for (let at = 0; at < out.byteLength; at += 8) {
      state = u64(state + 0x9e3779b97f4a7c15n)
      let z = state
      z = u64((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
      z = u64((z ^ (z >> 27n)) * 0x94d049bb133111ebn)
      out.setBigUint64(at, z ^ (z >> 31n), true)
    }
    return new Uint8Array(out.buffer, 0, length)
  }
  const lcg = (length: number, seed: bigint) => {
    let state = seed
    return Uint8Array.from({ length }, () => {
      state = u64(state * 6364136223846793005n + 1n)
      return Number((state >> 33n) & 0xffn)
    })
  }

  it.each([
    ["splitmix64(1000000,0) end offsets (published Xet vector)", () => splitmix64(1_000_000, 0n)],
    ["1000000 x 0x3b end offsets (published Xet vector)", () => new Uint8Array(1_000_000).fill(0x3b)]
  ] as const)("%s", (name, input) => {
    let end = 0
    const ends = cut(Chunker.contentDefined(scan), input()).map((chunk) => (end += chunk.length))
    expect(ends).toEqual(numbers(golden[name]))
  })

  it.each([
    ["pr(307200)", () => Uint8Array.from({ length: 307_200 }, (_, i) => Math.imul(i, 2654435761) >>> 24)],
    ["mod251(524288)", () => Uint8Array.from({ length: 524_288 }, (_, i) => i % 251)],
    ["zeros(1048576)", () => new Uint8Array(1_048_576)],
    ["lcg(262144,0xDEADBEEF)", () => lcg(262_144, 0xdeadbeefn)],
    ["lcg(1048576,1)", () => lcg(1_048_576, 1n)]
  ] as const)("%s", (name, input) => {
    expect(lengths(cut(Chunker.contentDefined(scan), input()))).toEqual(numbers(golden[name]))
  })

  it.each([
    ["lcg(n,1) for n=8191,8192,8193", [8191, 8192, 8193]],
    ["lcg(n,1) for n=131071,131072,131073", [131_071, 131_072, 131_073]]
  ] as const)("%s", (name, sizes) => {
    expect(sizes.map((size) => lengths(cut(Chunker.contentDefined(scan), lcg(size, 1n))))).toEqual(golden[name])
  })
})

describe("fixed chunking", () => {
  it.each(
    objects(vectors.fixed).map(
      (value) => [JSON.stringify(value.input).slice(0, 80), number(value.chunk_size), value] as const
    )
  )("cuts %s at %i as listed", (_, chunkSize, value) => {
    const bytes = generate(value.input)
    const strategy =
      chunkSize === Chunker.wholeFileLength ? { _tag: "None" as const } : { _tag: "Fixed" as const, chunkSize }
    for (const read of [1 + (bytes.length >> 3), 97_003]) {
      const chunks = cut(Either.getOrThrow(Chunker.make(strategy)), bytes, read)
      expect(lengths(chunks)).toEqual(numbers(value.chunk_lengths))
      expect(Bytes.equals(Bytes.concat(...chunks), bytes)).toBe(true)
    }
  })
})

it("hex of the table's first and last constant", () => {
  expect(toHex(tableBytes().subarray(0, 8).reverse())).toBe(toHex(hex("b088d3a9e840f559")))
  expect(toHex(tableBytes().subarray(2040).reverse())).toBe("63c7a906c1dd187b")
})
