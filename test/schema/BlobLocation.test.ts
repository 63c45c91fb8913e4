import { blake3 } from "@noble/hashes/blake3.js"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import * as BlobLocation from "../../src/schema/BlobLocation.ts"
import * as Bytes from "../../src/schema/Bytes.ts"

const filled = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
const repeated = (unit: string, times = 32) => unit.repeat(times)

const goldens: ReadonlyArray<readonly [string, BlobLocation.BlobLocation, string]> = [
  ["inline bytes", { _tag: "IdentityRawBinary", bytes: Uint8Array.of(1, 2, 3, 4, 5) }, "8200450102030405"],
  [
    "an address",
    { _tag: "Url", url: "https://example.com/blob" },
    "8201781868747470733a2f2f6578616d706c652e636f6d2f626c6f62"
  ],
  ["an endpoint", { _tag: "Iroh", host: filled(42), partial: true }, `8204829820${repeated("182a")}f5`],
  ["a BLAKE3 hash", { _tag: "Multihash", function: "blake3", digest: filled(0xcc) }, `82181e5820${repeated("cc")}`],
  ["a SHA-1 hash", { _tag: "Multihash", function: "sha1", digest: filled(0xaa, 20) }, `821154${repeated("aa", 20)}`],
  ["an MD5 hash", { _tag: "Multihash", function: "md5", digest: filled(0xdd, 16) }, `8218d550${repeated("dd", 16)}`],
  [
    "an encrypted location",
    {
      _tag: "EncryptionXChaCha20Poly1305",
      inner: { _tag: "Multihash", function: "blake3", digest: filled(0xee) },
      key: filled(0xff),
      blockSize: 65_536n
    },
    `8218e28382181e5820${repeated("ee")}5820${repeated("ff")}1a00010000`
  ],
  [
    "a compressed location",
    {
      _tag: "Compression",
      algorithm: "zstd",
      inner: { _tag: "Url", url: "https://example.com/compressed" }
    },
    "8218c28201781e68747470733a2f2f6578616d706c652e636f6d2f636f6d70726573736564"
  ]
]

const siaFile: BlobLocation.BlobLocation = {
  _tag: "SiaFile",
  file: {
    size: 1_048_576n,
    slabSize: 4096,
    minShards: 10,
    hosts: new Map([
      [
        0,
        {
          hostKey: "ed25519:abc123",
          siamuxAddresses: ["127.0.0.1:9981"],
          ephemeralAccountPrivateKey: filled(0x11)
        }
      ]
    ]),
    fileEncryptionKey: filled(0x22),
    slabs: [
      {
        slabEncryptionKey: filled(0x33),
        shardRoots: new Map([
          [1, filled(0xbb)],
          [0, filled(0xaa)]
        ])
      }
    ]
  }
}

const nested = (depth: number): BlobLocation.BlobLocation =>
  depth === 1 ? { _tag: "Url", url: "x" } : { _tag: "Compression", algorithm: "brotli", inner: nested(depth - 1) }

describe("BlobLocation", () => {
  it.each(goldens)("%s is written and read as in docs/format/core.md §6.2", (_, location, hex) => {
    expect(Bytes.toHex(BlobLocation.encode(location))).toBe(hex)
    expect(Either.getOrThrow(BlobLocation.decode(Either.getOrThrow(Bytes.fromHex(hex))))).toEqual(location)
  })

  it("a Sia file has the golden length and hash", () => {
    const bytes = BlobLocation.encode(siaFile)
    expect(bytes.length).toBe(286)
    expect(Bytes.toHex(blake3(bytes))).toBe("3699bb35c89f7eda79dc430d9608e5385ea8f0f69f07001dfe9c4a5d18d98f36")
    expect(Either.getOrThrow(BlobLocation.decode(bytes))).toEqual(siaFile)
  })

  it("an endpoint without the flag is a whole one", () => {
    const bytes = Either.getOrThrow(Bytes.fromHex(`8204819820${repeated("182a")}`))
    expect(Either.getOrThrow(BlobLocation.decode(bytes))).toEqual({ _tag: "Iroh", host: filled(42), partial: false })
  })

  it("16 locations inside each other are read, 17 are refused", () => {
    expect(Either.getOrThrow(BlobLocation.decode(BlobLocation.encode(nested(16))))).toEqual(nested(16))
    expect(() => BlobLocation.encode(nested(17))).toThrow(RangeError)
    const deeper = Bytes.concat(Uint8Array.of(0x82, 0x18, 0xcb), BlobLocation.encode(nested(16)))
    expect(Either.flip(BlobLocation.decode(deeper)).pipe(Either.getOrThrow).problem).toContain("nested")
  })

  it("a bomb of nested heads is refused without exhausting the stack", () => {
    const bomb = new Uint8Array(300_000)
    for (let at = 0; at < bomb.length; at += 3) bomb.set([0x82, 0x18, 0xc2], at)
    expect(Either.isLeft(BlobLocation.decode(bomb))).toBe(true)
  })

  it.each([
    ["an unknown variant", "820500"],
    ["no field", "8100"],
    ["no variant", "80"],
    ["an indefinite array", "9f0040ff"],
    ["a hash of the wrong length", `82181e581f${repeated("cc", 31)}`],
    ["an endpoint as a byte string", `8204825820${repeated("2a")}f5`],
    ["blocks of no bytes", `8218e28382004058${"20"}${repeated("ff")}00`],
    ["bytes behind the end", "82004000"]
  ])("%s is refused", (_, hex) => {
    expect(Either.isLeft(BlobLocation.decode(Either.getOrThrow(Bytes.fromHex(hex))))).toBe(true)
  })

  it("surplus items of a variant are skipped", () => {
    const bytes = Either.getOrThrow(Bytes.fromHex("8400414182010200"))
    expect(Either.getOrThrow(BlobLocation.decode(bytes))).toEqual({
      _tag: "IdentityRawBinary",
      bytes: Uint8Array.of(0x41)
    })
  })
})
