import { assert, describe, it } from "@effect/vitest"
import { ed25519 } from "@noble/curves/ed25519.js"
import * as FastCheck from "effect/FastCheck"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as LegacyStreamKey from "../../src/schema/LegacyStreamKey.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import { refusal, right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"

const seed = new Uint8Array(32).fill(7)
const hash = Hash.unsafeFromBytes(new Uint8Array(32).fill(8))
const entry = right(LegacyStreamKey.sign(primitives, seed, { revision: 0x0102n, hash }))
const wire = LegacyStreamKey.toBytes(entry)
const read = (bytes: Uint8Array) => right(LegacyStreamKey.parse(bytes))

describe("entries of M3's plain Ed25519 keys", () => {
  it("the layout and what is signed are those of docs/format/core.md §21, built here by hand", () => {
    const publicKey = ed25519.getPublicKey(seed)
    const revision = new Uint8Array([0, 0, 0, 0, 0, 0, 1, 2])
    const input = Bytes.concat(Uint8Array.of(0x5c, 0x01), publicKey, revision, Uint8Array.of(0x1e), hash)
    const expected = Bytes.concat(Uint8Array.of(0x5c, 0x01), publicKey, revision, hash, ed25519.sign(input, seed))
    assert.deepStrictEqual(wire, expected)
    assert.strictEqual(wire.length, 138)
    assert.deepStrictEqual(LegacyStreamKey.toStorageKey(entry.publicKey), Bytes.concat(Uint8Array.of(1), publicKey))
  })

  it("they read back and verify; the v3 readers refuse them and their keys", () => {
    assert.deepStrictEqual(right(LegacyStreamKey.verify(primitives, read(wire))), entry)
    assert.isTrue(LegacyStreamKey.LegacyEntry.is(entry))
    assert.match(refusal(RegistryEntry.parse(wire)).message, /unknown key type 01/)
    refusal(StreamKey.fromStorageKey(LegacyStreamKey.toStorageKey(entry.publicKey)))
  })

  it("one flipped bit anywhere is refused", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.nat({ max: wire.length * 8 - 1 }), (bit) => {
        const flipped = new Uint8Array(wire)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        const message = LegacyStreamKey.parse(flipped)
        if (message._tag === "Right") refusal(LegacyStreamKey.verify(primitives, message.right))
        else assert.isBelow(bit >> 3, 2)
      }),
      { numRuns: 60 }
    )
  })

  it("data, which the signature does not cover, is accepted only if it hashes to the signed hash", () => {
    const data = new Uint8Array(10).fill(9)
    const withData = right(LegacyStreamKey.sign(primitives, seed, { revision: 1n, hash: primitives.blake3(data) }))
    const bytes = Bytes.concat(LegacyStreamKey.toBytes(withData), data)
    const verified = right(LegacyStreamKey.verify(primitives, read(bytes)))
    assert.deepStrictEqual(verified.data, data)
    assert.deepStrictEqual(LegacyStreamKey.toBytes(verified), bytes)
    const forged = Bytes.concat(LegacyStreamKey.toBytes(withData), new Uint8Array(10))
    assert.strictEqual(refusal(LegacyStreamKey.verify(primitives, read(forged))).at, "data")
  })

  it("cuts, too much data, other types and revisions beyond 64 bits are refused", () => {
    refusal(LegacyStreamKey.parse(wire.subarray(0, 137)))
    refusal(LegacyStreamKey.parse(new Uint8Array()))
    refusal(LegacyStreamKey.parse(Bytes.concat(wire, new Uint8Array(1025))))
    refusal(LegacyStreamKey.parse(Bytes.concat(Uint8Array.of(0), wire.subarray(1))))
    refusal(LegacyStreamKey.sign(primitives, seed, { revision: 2n ** 64n, hash }))
  })
})
