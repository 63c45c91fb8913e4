import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as BlobId from "../../src/schema/BlobId.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Multihash from "../../src/schema/Multihash.ts"
import { refusal, right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"

const idOf = (text: string, size: bigint) => right(BlobId.make(primitives.blake3(Bytes.fromUtf8(text)), size))
const hash = FastCheck.uint8Array({ minLength: 32, maxLength: 32 }).map(Hash.unsafeFromBytes)
const blobId = FastCheck.tuple(hash, FastCheck.bigInt({ min: 0n, max: Bytes.maxU64 })).map(([hash, size]) =>
  right(BlobId.make(hash, size))
)

describe("BlobId", () => {
  const goldens: ReadonlyArray<readonly [text: string, size: bigint, length: number, base32: string]> = [
    ["test", 0n, 35, "blobb4sdyzicclrzz7jbh67w2ed7iix3lfzdlux7cufg7lmpdf5igamqv"],
    ["test", 1n, 36, "blobb4sdyzicclrzz7jbh67w2ed7iix3lfzdlux7cufg7lmpdf5igamqvae"],
    ["test", 255n, 36, "blobb4sdyzicclrzz7jbh67w2ed7iix3lfzdlux7cufg7lmpdf5igamqv74"],
    ["test", 256n, 37, "blobb4sdyzicclrzz7jbh67w2ed7iix3lfzdlux7cufg7lmpdf5igamqvaaaq"],
    ["test", 2n ** 64n - 1n, 43, "blobb4sdyzicclrzz7jbh67w2ed7iix3lfzdlux7cufg7lmpdf5igamqv7777777777776"],
    ["hello", 12345n, 37, "blobb52upcy63hbucsjpejeof4wguxm2qn34mctvxrkdoscgfmjfgoiapheya"]
  ]
  for (const [text, size, length, base32] of goldens) {
    it(`${text} of ${size} bytes is ${base32}`, () => {
      const id = idOf(text, size)
      assert.strictEqual(BlobId.toBytes(id).length, length)
      assert.strictEqual(BlobId.toText(id), base32)
      assert.deepStrictEqual(right(BlobId.fromText(base32)), id)
    })
  }

  it("the other encodings are those of the specification", () => {
    const id = idOf("hello", 12345n)
    assert.strictEqual(BlobId.toText(id, "base58btc"), "z44t3pCdjQgychmr42CW32AeNsaLy8DX4HeBfjh7BubhTtTLkHv7")
    assert.strictEqual(BlobId.toText(id, "base64url"), "uW4Ie6o8WPbOGgpJeRJHF5Y1Ls1Bu-MFOt4qG6QjFYkpnIA85MA")
  })

  it("every identifier reads back from bytes and text", () => {
    FastCheck.assert(
      FastCheck.property(blobId, (id) => {
        assert.deepStrictEqual(right(BlobId.fromBytes(BlobId.toBytes(id))), id)
        assert.deepStrictEqual(right(BlobId.fromText(BlobId.toText(id))), id)
      })
    )
  })

  it("no bytes make the reader throw, and what it accepts it writes back at most as long", () => {
    const prefixed = FastCheck.uint8Array({ maxLength: 50 }).map((rest) =>
      Bytes.concat(Uint8Array.of(0x5b, 0x82, 0x1e), rest)
    )
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(prefixed, FastCheck.uint8Array({ maxLength: 60 })), (bytes) => {
        const result = BlobId.fromBytes(bytes)
        const fits =
          bytes.length >= 35 && bytes.length <= 43 && bytes[0] === 0x5b && bytes[1] === 0x82 && bytes[2] === 0x1e
        assert.strictEqual(result._tag === "Right", fits)
        if (result._tag === "Right") assert.isAtMost(BlobId.toBytes(result.right).length, bytes.length)
      })
    )
  })

  it("what is read does not change with the buffer that it was read from", () => {
    const buffer = BlobId.toBytes(idOf("hello", 5n))
    const id = right(BlobId.fromBytes(buffer))
    buffer.fill(0)
    assert.isTrue(BlobId.equals(id, idOf("hello", 5n)))
  })

  it("a size that does not fit 64 bits is refused", () => {
    assert.strictEqual(refusal(BlobId.make(Hash.zero, 2n ** 64n)).at, "size")
    assert.strictEqual(refusal(BlobId.make(Hash.zero, -1n)).at, "size")
  })

  it("the order is by hash, then by size as a number", () => {
    const low = Hash.unsafeFromBytes(new Uint8Array(32).fill(1))
    const high = Hash.unsafeFromBytes(new Uint8Array(32).fill(2))
    const sorted = [right(BlobId.make(low, 255n)), right(BlobId.make(low, 256n)), right(BlobId.make(high, 0n))]
    assert.deepStrictEqual([...sorted].reverse().sort(BlobId.order), sorted)
  })
})

describe("Multihash", () => {
  it("another tag and another length are refused", () => {
    const bytes = Multihash.toBytes(Hash.zero)
    assert.strictEqual(bytes.length, Multihash.length)
    refusal(Multihash.fromBytes(bytes.subarray(1)))
    refusal(Multihash.fromBytes(Bytes.concat(bytes, new Uint8Array(1))))
    bytes[0] = 0x12
    assert.include(refusal(Multihash.fromBytes(bytes)).message, "12")
  })
})
