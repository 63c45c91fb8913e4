import { assert, describe, it } from "@effect/vitest"
import { blake3 } from "@noble/hashes/blake3.js"
import * as FastCheck from "effect/FastCheck"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Outboard from "../../src/schema/Outboard.ts"

const ramp = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251)
const blobOf = (bytes: Uint8Array) => ({
  hash: Hash.unsafeFromBytes(blake3(bytes)),
  size: bytes.length,
  outboard: Outboard.outboard(bytes)
})
const groups = (bytes: Uint8Array) =>
  Array.from({ length: Math.max(1, Math.ceil(bytes.length / Outboard.groupSize)) }, (_, i) =>
    bytes.subarray(i * Outboard.groupSize, (i + 1) * Outboard.groupSize)
  )

describe("Outboard", () => {
  it("the outboards of the specification", () => {
    assert.strictEqual(Outboard.outboard(ramp(65536)).length, 0)
    assert.strictEqual(
      Bytes.toHex(Outboard.outboard(ramp(65537))),
      "88da791e722ac59740d9a44402e384ad99f1c79d4bab7449a0c2da1fafb91fb741051b85efd33b8dbb1238447c3a385c5cdc0d8ff092fa1feb5441078786ccba"
    )
    assert.strictEqual(
      Bytes.toHex(Outboard.outboard(ramp(131073))),
      "9776ca1d775bf31fe48f4a16b59664dee3fc44930de332ba401db785580d3a8f4627a3d546e81cc2b58827f0ea376cee43e887b1e700ffb29422ef4e9c5ed5bb" +
        "88da791e722ac59740d9a44402e384ad99f1c79d4bab7449a0c2da1fafb91fb7b95e6f9f78dc8d0fc3b4cad524c9d921e84626eb2d72702d00809341b0f08771"
    )
    for (const [bytes, hash] of [
      [ramp(1048576), "26405a36b6383d8117878ea021b5a0da6883cd4928dee9d1621e5a99574b5e24"],
      [new Uint8Array(1048576), "a4ffc6ee8182d7f313a752313de8cfcb318d4734b02e832f208bfb5242702eeb"]
    ] as const) {
      const outboard = Outboard.outboard(bytes)
      assert.strictEqual(outboard.length, 960)
      assert.strictEqual(Bytes.toHex(blake3(outboard)), hash)
    }
  })

  it("every group checks against the hash of an independent BLAKE3, at every kind of length", () => {
    for (const length of [
      0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 65535, 65536, 65537, 131072, 131073, 200_000, 458_753
    ]) {
      const bytes = ramp(length)
      const blob = blobOf(bytes)
      for (const [index, group] of groups(bytes).entries()) {
        assert.isTrue(Outboard.verifyGroup(blob, index, group), `group ${index} of ${length}`)
      }
    }
  })

  it("one flipped bit in a group, the hash or the outboard on its path is found", () => {
    const bytes = ramp(5 * 65536 + 77)
    const blob = blobOf(bytes)
    const parts = groups(bytes)
    const flipped = (source: Uint8Array, bit: number) => {
      const copy = new Uint8Array(source)
      copy[(bit >> 3) % copy.length]! ^= 1 << (bit & 7)
      return copy
    }
    FastCheck.assert(
      FastCheck.property(FastCheck.nat({ max: parts.length - 1 }), FastCheck.nat(), (index, bit) => {
        const group = parts[index]!
        assert.isFalse(Outboard.verifyGroup(blob, index, flipped(group, bit)))
        const hash = Hash.unsafeFromBytes(flipped(blob.hash, bit))
        assert.isFalse(Outboard.verifyGroup({ ...blob, hash }, index, group))
        // the first pair is the root, on the path of every group
        const outboard = Bytes.concat(flipped(blob.outboard.subarray(0, 64), bit), blob.outboard.subarray(64))
        assert.isFalse(Outboard.verifyGroup({ ...blob, outboard }, index, group))
      }),
      { numRuns: 30 }
    )
  })

  it("a group in another's place, a cut group, a wrong size and an index outside are refused", () => {
    const bytes = new Uint8Array(4 * 65536)
    const blob = blobOf(bytes)
    const other = blobOf(ramp(4 * 65536))
    const group = bytes.subarray(0, 65536)
    assert.isTrue(Outboard.verifyGroup(blob, 2, group))
    assert.isFalse(Outboard.verifyGroup(other, 1, groups(ramp(4 * 65536))[0]!))
    assert.isFalse(Outboard.verifyGroup(blob, 2, group.subarray(1)))
    assert.isFalse(Outboard.verifyGroup({ ...blob, size: blob.size - 1 }, 3, group.subarray(1)))
    assert.isFalse(Outboard.verifyGroup({ ...blob, size: blob.size + 1 }, 2, group))
    assert.isFalse(Outboard.verifyGroup({ ...blob, outboard: blob.outboard.subarray(64) }, 2, group))
    for (const index of [-1, 4, 0.5, Number.NaN, 2 ** 60]) assert.isFalse(Outboard.verifyGroup(blob, index, group))
  })
})
