import { assert, describe, it } from "@effect/vitest"
import { blake3 } from "@noble/hashes/blake3.js"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Pack from "../../src/schema/Pack.ts"
import * as PackCatalogue from "../../src/schema/PackCatalogue.ts"

const hashOf = (bytes: Uint8Array) => Hash.unsafeFromBytes(blake3(bytes))
const filled = (byte: number) => Hash.unsafeFromBytes(new Uint8Array(32).fill(byte))
const fromHex = (text: string) => Either.getOrThrow(Bytes.fromHex(text))
const example = [
  { hash: filled(2), bytes: new Uint8Array(4096).fill(0xb) },
  { hash: filled(3), bytes: new Uint8Array(7).fill(0xc) },
  { hash: filled(1), bytes: new Uint8Array(100).fill(0xa) }
]

const blobs = FastCheck.uniqueArray(FastCheck.uint8Array({ maxLength: 300 }), {
  selector: (bytes) => Bytes.toHex(bytes),
  maxLength: 40
}).map((all) => all.map((bytes) => ({ hash: hashOf(bytes), bytes })))

/** The header read word by word as the table in the format's description says, by other code than ours. */
const readByTable = (pack: Buffer) => {
  const count = pack.readUInt32LE(12)
  const offset = (i: number) => pack.readUInt32LE(16 + 16 * i + 12)
  return Array.from({ length: count }, (_, i) => ({
    prefix: pack.toString("hex", 16 + 16 * i, 28 + 16 * i),
    bytes: pack.subarray(offset(i), i + 1 < count ? offset(i + 1) : pack.readUInt32LE(16 + 16 * count))
  }))
}

describe("packs", () => {
  it("the example of the format's description is made byte for byte", () => {
    const pack = Pack.encode(example)
    const header =
      `53352e70726f5b500000000103000000${"01".repeat(12)}00100000${"02".repeat(12)}64100000` +
      `${"03".repeat(12)}642000006b200000`
    assert.strictEqual(Bytes.toHex(pack.subarray(0, 68)), header)
    assert.isTrue(pack.subarray(68, 4096).every((byte) => byte === 0))
    assert.strictEqual(pack.length, 8299)
    assert.deepStrictEqual([...new Set(pack.subarray(4096, 4196))], [0xa])
    assert.deepStrictEqual([...new Set(pack.subarray(4196, 8292))], [0xb])
    assert.deepStrictEqual([...new Set(pack.subarray(8292))], [0xc])
  })

  it("what is packed is found where the format's table says, whatever it is", () => {
    FastCheck.assert(
      FastCheck.property(blobs, (all) => {
        const sorted = all.toSorted((a, b) => Bytes.compare(a.hash, b.hash))
        const pack = Pack.encode(all)
        const read = readByTable(Buffer.from(pack))
        assert.deepStrictEqual(
          read.map(({ bytes, prefix }) => [prefix, bytes.toString("hex")]),
          sorted.map(({ bytes, hash }) => [Bytes.toHex(hash.subarray(0, 12)), Bytes.toHex(bytes)])
        )
        const decoded = Either.getOrThrow(Pack.decode(pack.subarray(0, Pack.headerLength(all.length))))
        assert.strictEqual(decoded.length, pack.length)
        assert.deepStrictEqual(
          decoded.members.map((member) => Bytes.toHex(pack.subarray(member.offset, member.offset + member.length))),
          sorted.map(({ bytes }) => Bytes.toHex(bytes))
        )
      })
    )
  })

  it("two blobs that a header cannot tell apart are refused", () => {
    const other = filled(1)
    other[31] = 9
    assert.throws(() => Pack.encode([...example, { hash: other, bytes: new Uint8Array(1) }]), RangeError)
  })

  it("a header that lies is refused, naming the place", () => {
    const pack = Pack.encode(example)
    const changed = (at: number, hex: string) => {
      const bytes = pack.slice(0, 68)
      bytes.set(fromHex(hex), at)
      return bytes
    }
    const cases: ReadonlyArray<readonly [string, Uint8Array, string]> = [
      ["cut short", pack.slice(0, 15), "byte 15"],
      ["no member", pack.slice(0, 67), "byte 67"],
      ["magic", changed(0, "54"), "byte 0"],
      ["version", changed(11, "02"), "byte 11"],
      ["a count that needs gigabytes", changed(12, "ffffff0f"), "byte 12"],
      ["a count above the bytes", changed(12, "04000000"), "byte 68"],
      ["equal prefixes", changed(32, "01".repeat(12)), "byte 32"],
      ["falling prefixes", changed(48, "00".repeat(12)), "byte 48"],
      ["first blob in the header", changed(28, "00000000"), "byte 28"],
      ["falling offsets", changed(44, "00000000"), "byte 28"],
      ["an end before the blobs", changed(64, "ff0f0000"), "byte 64"],
      ["an end before the last blob", changed(64, "00200000"), "byte 44"]
    ]
    for (const [name, bytes, at] of cases) {
      const decoded = Pack.decode(bytes)
      assert.isTrue(Either.isLeft(decoded), name)
      if (Either.isLeft(decoded)) assert.strictEqual(decoded.left.at, at, name)
    }
  })

  it("any bytes are a header or a failure, never a crash, and a header is inside of its pack", () => {
    const head = Pack.encode(example).slice(0, 68)
    const mutated = FastCheck.array(FastCheck.tuple(FastCheck.nat(67), FastCheck.nat(255)), { maxLength: 6 }).map(
      (changes) => {
        const bytes = head.slice()
        for (const [at, value] of changes) bytes[at] = value
        return bytes
      }
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(mutated, FastCheck.uint8Array({ maxLength: 200 })), (bytes) => {
        const decoded = Pack.decode(bytes)
        if (Either.isLeft(decoded)) return
        for (const { length, offset } of decoded.right.members) {
          assert.isAtLeast(offset, Pack.headerLength(decoded.right.members.length))
          assert.isAtMost(offset + length, decoded.right.length)
        }
      }),
      { numRuns: 500 }
    )
  })
})

describe("catalogues", () => {
  const entry = FastCheck.tuple(blobs, FastCheck.nat(255)).map(
    ([all, byte]): PackCatalogue.Entry => ({
      pack: filled(byte),
      ...Pack.layout(all.map(({ bytes, hash }) => ({ hash, length: bytes.length })))
    })
  )

  it("the one of the example is these bytes", () => {
    const layout = Pack.layout([{ hash: filled(1), length: 100 }])
    assert.strictEqual(
      Bytes.toHex(PackCatalogue.encode([{ pack: filled(9), ...layout }])),
      `436169726e506b0101000000${"09".repeat(32)}6410000001000000${"01".repeat(32)}0010000064000000`
    )
  })

  it("what is written is read", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(entry, { maxLength: 4 }), (entries) => {
        const decoded = Either.getOrThrow(PackCatalogue.decode(PackCatalogue.encode(entries)))
        assert.deepStrictEqual(decoded, entries)
      })
    )
  })

  it("what is cut short, longer, or claims more than it has is refused", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(entry, { minLength: 1, maxLength: 3 }), FastCheck.nat(), (entries, cut) => {
        const bytes = PackCatalogue.encode(entries)
        assert.isTrue(Either.isLeft(PackCatalogue.decode(bytes.subarray(0, cut % bytes.length))))
        assert.isTrue(Either.isLeft(PackCatalogue.decode(Bytes.concat(bytes, new Uint8Array(1)))))
        const lying = bytes.slice()
        lying.fill(0xff, 8, 12)
        assert.isTrue(Either.isLeft(PackCatalogue.decode(lying)))
      })
    )
  })

  it("a blob outside of its pack is refused", () => {
    const layout = Pack.layout([{ hash: filled(1), length: 100 }])
    const bytes = PackCatalogue.encode([{ pack: filled(9), members: layout.members, length: layout.length - 1 }])
    assert.isTrue(Either.isLeft(PackCatalogue.decode(bytes)))
  })
})
