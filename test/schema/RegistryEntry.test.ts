import { assert, describe, it } from "@effect/vitest"
import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { refusal, right } from "../support/either.ts"
import { implementations, primitives } from "../support/primitives.ts"

const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte)
const hashOf = (byte: number) => Hash.unsafeFromBytes(filled(32, byte))
const vaultIdOf = (byte: number) => VaultId.unsafeFromBytes(filled(16, byte))
const hex = (text: string) => right(Bytes.fromHex(text))
const localKey = (byte: number) => right(StreamKey.local(filled(32, byte)))
const entryAt = (revision: bigint, hash: number) =>
  right(RegistryEntry.sign(primitives, filled(32, 1), { vaultId: vaultIdOf(2), revision, hash: hashOf(hash) }))
const read = (wire: Uint8Array) => RegistryEntry.fromBytes(primitives, wire)

describe("the golden messages of docs/format/core.md §7.6", () => {
  it("V1: without data", () => {
    const entry = right(
      RegistryEntry.sign(primitives, filled(32, 0xaa), {
        vaultId: vaultIdOf(0xbb),
        revision: 0x0102030405060708n,
        hash: hashOf(0xcc)
      })
    )
    const wire = RegistryEntry.toBytes(entry)
    assert.strictEqual(
      Bytes.toHex(wire),
      `5cede734ea6c2b6257de72355e472aa05a4c487e6b463c029ed306df2f01b5636b58${"bb".repeat(16)}0102030405060708211e${"cc".repeat(32)}53f7bb7fb0841b3d3893dec518c2196ceff87c99d6414bc507386d482cc8e657164c1c6da8804f60a5ecbdf4c879f90152b1964546e75cfeadb8beb6cf0be301`
    )
    assert.strictEqual(wire.length, 156)
    assert.strictEqual(
      Bytes.toHex(primitives.blake3(wire)),
      "59e5969b8b6885fc279fc4a50d9091500b4fcda3ed272d3a470cc40c624171a7"
    )
    assert.isTrue(RegistryEntry.equals(right(read(wire)), entry))
  })

  it("V2: with 4 bytes of data", () => {
    const entry = right(
      RegistryEntry.sign(primitives, filled(32, 0x2a), {
        vaultId: vaultIdOf(0xcd),
        revision: 0xdeadbeefn,
        hash: hashOf(0xab),
        data: Uint8Array.of(1, 2, 3, 4)
      })
    )
    const wire = RegistryEntry.toBytes(entry)
    assert.strictEqual(wire.length, 160)
    assert.strictEqual(wire[58], 0x25)
    assert.strictEqual(
      Bytes.toHex(entry.signature),
      "bba434e0e400bdd3b33829ad43e0ee97ecf95a1dbab09b46be64d38777c437b6decb04b12501e658e400a4fa4a46c9e90dcf9092265797b62d42ef4212d0eb0d"
    )
    assert.deepStrictEqual(right(read(wire)), entry)
  })

  it("V3: with 64 bytes of data", () => {
    const entry = right(
      RegistryEntry.sign(primitives, filled(32, 0x11), {
        vaultId: vaultIdOf(0x22),
        revision: 7n,
        hash: hashOf(0x33),
        data: filled(64, 0x55)
      })
    )
    const wire = RegistryEntry.toBytes(entry)
    assert.strictEqual(wire.length, 220)
    assert.strictEqual(wire[58], 0x61)
    assert.strictEqual(
      Bytes.toHex(entry.signature),
      "d89e1c736b9a03cbfd705c65f5f2d8fb46d560477791535b8e84f124fe866ed83cdd647938fbec4f9f88f572a81a951e909de2165f8c4ebfd5b88a729e304002"
    )
  })

  it("L1: a stream message of a local key", () => {
    const entry = right(RegistryEntry.make({ type: "stream", key: localKey(7), revision: 999n, hash: hashOf(0x55) }))
    const wire = hex(`0000${"07".repeat(32)}00000000000003e7${"55".repeat(32)}`)
    assert.strictEqual(Bytes.toHex(RegistryEntry.toBytes(entry)), Bytes.toHex(wire))
    assert.deepStrictEqual(right(read(wire)), entry)
  })
})

describe("RegistryEntry", () => {
  const signedWire = FastCheck.record({
    seed: FastCheck.uint8Array({ minLength: 32, maxLength: 32 }),
    vaultId: FastCheck.uint8Array({ minLength: 16, maxLength: 16 }).map(VaultId.unsafeFromBytes),
    revision: FastCheck.bigInt({ min: 0n, max: Bytes.maxU64 }),
    hash: FastCheck.uint8Array({ minLength: 32, maxLength: 32 }).map(Hash.unsafeFromBytes),
    data: FastCheck.uint8Array({ maxLength: 222 })
  }).map(({ seed, ...content }) => RegistryEntry.toBytes(right(RegistryEntry.sign(primitives, seed, content))))

  it("what is signed reads back; one flipped bit anywhere, a cut or an addition is refused", () => {
    FastCheck.assert(
      FastCheck.property(signedWire, FastCheck.nat(), (wire, random) => {
        assert.deepStrictEqual(RegistryEntry.toBytes(right(read(wire))), wire)
        const flipped = new Uint8Array(wire)
        flipped[(random >> 3) % wire.length]! ^= 1 << (random & 7)
        refusal(read(flipped))
        refusal(read(wire.subarray(0, random % wire.length)))
        refusal(read(Bytes.concat(wire, Uint8Array.of(random & 255))))
      }),
      { numRuns: 60 }
    )
  })

  it("no bytes make the reader throw", () => {
    const start = FastCheck.constantFrom("5ced", "00ed", "5c00", "5c03", "0000", "0003", "5c01", "01ed", "")
    FastCheck.assert(
      FastCheck.property(start, FastCheck.uint8Array({ maxLength: 400 }), (start, rest) => {
        const message = RegistryEntry.parse(Bytes.concat(hex(start), rest))
        if (Either.isRight(message)) RegistryEntry.verify(primitives, message.right)
      })
    )
  })

  it("a vault's message whose type is changed to stream, which replays an old head, is refused when parsed", () => {
    const wire = RegistryEntry.toBytes(entryAt(1n, 1))
    wire[0] = RegistryEntry.typeByte.stream
    assert.strictEqual(refusal(RegistryEntry.parse(wire)).at, "type")
    const forged = { ...entryAt(1n, 1), type: "stream" } as const
    assert.strictEqual(refusal(RegistryEntry.verify(primitives, forged)).at, "type")
  })

  it("the old registry byte 01 is refused", () => {
    const wire = RegistryEntry.toBytes(entryAt(1n, 1))
    wire[0] = 1
    assert.strictEqual(refusal(RegistryEntry.parse(wire)).at, "byte 0")
  })

  it("a look-alike of an entry is none, by its type and when asked", () => {
    const entry = entryAt(1n, 1)
    const lookAlike = { ...entry, revision: 2n }
    // @ts-expect-error only verify, sign and make give an entry
    const taken: RegistryEntry.RegistryEntry = lookAlike
    assert.isFalse(RegistryEntry.RegistryEntry.is(taken))
    assert.isTrue(RegistryEntry.RegistryEntry.is(entry))
  })

  it("a verified entry does not change with the buffers that it was made from", () => {
    const wire = RegistryEntry.toBytes(entryAt(5n, 6))
    const message = right(RegistryEntry.parse(wire))
    const before = new Uint8Array(wire)
    const entry = right(RegistryEntry.verify(primitives, message))
    wire.fill(0)
    message.signature.fill(0)
    message.hash.fill(0)
    assert.deepStrictEqual(RegistryEntry.toBytes(entry), before)
  })

  it("a revision outside 64 bits is refused, by signing too", () => {
    const content = { vaultId: vaultIdOf(1), hash: hashOf(1) }
    for (const revision of [-1n, 2n ** 64n]) {
      assert.strictEqual(
        refusal(RegistryEntry.sign(primitives, filled(32, 1), { ...content, revision })).at,
        "revision"
      )
      const local = { type: "registry", key: localKey(1), revision, hash: hashOf(1) } as const
      assert.strictEqual(refusal(RegistryEntry.make(local)).at, "revision")
    }
  })

  it("a signature by another key than the one named is refused", () => {
    const other = PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(filled(32, 9)))
    const forged = { ...entryAt(1n, 1), key: StreamKey.vault(other, vaultIdOf(2)) }
    assert.strictEqual(refusal(RegistryEntry.verify(primitives, forged)).at, "signature")
  })

  it("a pin holds 1 MiB of data and not a byte more; 2000 bytes are too many for a local key only", () => {
    const pin = StreamKey.blake3HashPin(hashOf(1))
    const content = { type: "registry", revision: 1n, hash: hashOf(2) } as const
    const full = right(RegistryEntry.make({ ...content, key: pin, data: filled(1_048_576, 3) }))
    assert.strictEqual(right(read(RegistryEntry.toBytes(full))).data?.length, 1_048_576)
    assert.strictEqual(refusal(RegistryEntry.make({ ...content, key: pin, data: filled(1_048_577, 3) })).at, "data")
    assert.strictEqual(
      refusal(RegistryEntry.parse(Bytes.concat(RegistryEntry.toBytes(full), Uint8Array.of(0)))).at,
      "data"
    )
    right(RegistryEntry.make({ ...content, key: pin, data: filled(2000, 3) }))
    assert.strictEqual(refusal(RegistryEntry.make({ ...content, key: localKey(1), data: filled(2000, 3) })).at, "data")
  })

  it("a local id of another length than 32 is refused, not thrown over", () => {
    const message = {
      type: "registry",
      key: { _tag: "Local", id: filled(31, 1) },
      revision: 1n,
      hash: hashOf(1),
      signature: new Uint8Array()
    } as const
    assert.strictEqual(refusal(RegistryEntry.verify(primitives, message)).at, "key")
    refusal(StreamKey.local(filled(31, 1)))
  })

  it("data that does not hash to the entry's hash is told from data that does", () => {
    const data = filled(40, 4)
    const content = { type: "registry", key: StreamKey.blake3HashPin(hashOf(1)), revision: 1n } as const
    const good = right(RegistryEntry.make({ ...content, hash: primitives.blake3(data), data }))
    const bad = right(RegistryEntry.make({ ...content, hash: hashOf(2), data }))
    assert.isTrue(RegistryEntry.dataMatchesHash(primitives, good))
    assert.isFalse(RegistryEntry.dataMatchesHash(primitives, bad))
    assert.isFalse(RegistryEntry.dataMatchesHash(primitives, entryAt(1n, 1)))
  })
})

describe("the two orders of docs/format/core.md §8", () => {
  it("sorting puts the higher revision last and, at one revision, the smaller hash", () => {
    const [a, b, c] = [entryAt(100n, 2), entryAt(101n, 1), entryAt(100n, 1)]
    assert.deepStrictEqual([a, b, c].sort(RegistryEntry.Order), [a, c, b])
    assert.strictEqual(RegistryEntry.Order(a, entryAt(100n, 2)), 0)
  })

  const existing = entryAt(10n, 2)
  const table: ReadonlyArray<
    readonly [what: string, entry: RegistryEntry.RegistryEntry, order: number, stored: boolean]
  > = [
    ["higher revision, larger hash", entryAt(11n, 3), 1, true],
    ["higher revision, smaller hash", entryAt(11n, 1), 1, true],
    ["same revision and hash", entryAt(10n, 2), 0, true],
    ["same revision, smaller hash", entryAt(10n, 1), 1, false],
    ["same revision, larger hash", entryAt(10n, 3), -1, false],
    ["lower revision", entryAt(9n, 1), -1, false]
  ]
  for (const [what, entry, order, stored] of table) {
    it(`${what}: compares as ${order}, ${stored ? "is stored" : "is not stored"}`, () => {
      assert.strictEqual(RegistryEntry.Order(entry, existing), order)
      assert.strictEqual(RegistryEntry.shouldStore(entry, existing), stored)
    })
  }

  it("a stream message is stored over anything", () => {
    const stream = right(RegistryEntry.make({ type: "stream", key: localKey(1), revision: 0n, hash: hashOf(1) }))
    assert.isTrue(RegistryEntry.shouldStore(stream, entryAt(10n, 1)))
    assert.isTrue(RegistryEntry.shouldStore(stream, undefined))
  })

  it("revisions beyond 2^53 are told apart", () => {
    assert.strictEqual(RegistryEntry.Order(entryAt(2n ** 53n + 1n, 9), entryAt(2n ** 53n, 1)), 1)
    assert.isFalse(RegistryEntry.shouldStore(entryAt(2n ** 64n - 2n, 1), entryAt(2n ** 64n - 1n, 1)))
  })
})

const order = ed25519.Point.Fn.ORDER
const littleEndian = (value: bigint) => filled(32, 0).map((_, i) => Number((value >> BigInt(8 * i)) & 255n))
const fromLittleEndian = (bytes: Uint8Array) => bytes.reduceRight((total, byte) => total * 256n + BigInt(byte), 0n)

/** A vault's wire with any bytes for key and signature. */
const wireOf = (publicKey: Uint8Array, signature: Uint8Array) => {
  const wire = RegistryEntry.toBytes(entryAt(3n, 4))
  wire.set(publicKey, 2)
  wire.set(signature, 92)
  return wire
}
const signedBytes = (publicKey: Uint8Array) =>
  Bytes.concat(
    Bytes.fromUtf8("s5-reg-v3:"),
    publicKey,
    filled(16, 2),
    Bytes.fromU64BE(3n),
    Uint8Array.of(0x1e),
    filled(32, 4)
  )
const challenge = (nonce: Uint8Array, publicKey: Uint8Array) =>
  fromLittleEndian(sha512(Bytes.concat(nonce, publicKey, signedBytes(publicKey)))) % order

/** Every 32 bytes that decode, canonically or not, to a point whose order divides 8. */
const smallOrderEncodings = (() => {
  const found = new Set<string>()
  const prime = 2n ** 255n - 19n
  for (const canonical of ED25519_TORSION_SUBGROUP) {
    const y = fromLittleEndian(hex(canonical)) & ((1n << 255n) - 1n)
    for (const written of [y, y + prime]) {
      if (written >> 255n === 0n)
        for (const sign of [0n, 1n]) found.add(Bytes.toHex(littleEndian(written | (sign << 255n))))
    }
  }
  return [...found]
})()

for (const [name, crypto] of implementations) {
  describe(`strict Ed25519 by ${name}`, () => {
    const verdict = (publicKey: Uint8Array, signature: Uint8Array) =>
      RegistryEntry.fromBytes(crypto, wireOf(publicKey, signature))

    it("the identity as key and nonce with S = 0, which others take for a signature of anything, is refused", () => {
      const identity = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))
      refusal(verdict(identity, Bytes.concat(identity, filled(32, 0))))
    })

    it("every encoding of a small-order key is refused, though the equation can hold", () => {
      assert.isAtLeast(smallOrderEncodings.length, 14)
      for (const encoded of smallOrderEncodings) {
        for (const nonce of smallOrderEncodings) {
          refusal(verdict(hex(encoded), Bytes.concat(hex(nonce), filled(32, 0))))
        }
      }
    })

    it("a small-order key is refused even with a nonce of full order that satisfies the equation", () => {
      // [S]B − [k]A = R for A the identity: any S with R = [S]B
      const identity = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))
      const nonce = ed25519.Point.BASE.multiply(12345n).toBytes()
      refusal(verdict(identity, Bytes.concat(nonce, littleEndian(12345n))))
    })

    it("a small-order nonce under an honest key is refused, though the equation holds", () => {
      // R = identity and S = k·a satisfy [S]B − [k]A = R: the signer can make this
      const { scalar, publicKey } = secretScalar(7)
      const identity = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))
      const s = (challenge(identity, publicKey) * scalar) % order
      refusal(verdict(publicKey, Bytes.concat(identity, littleEndian(s))))
    })

    it("S + L is refused where S is a signature", () => {
      const entry = entryAt(3n, 4)
      const s = fromLittleEndian(entry.signature.subarray(32))
      const nonce = entry.signature.subarray(0, 32)
      if (entry.key._tag !== "Vault") throw new Error("not a vault's entry")
      right(verdict(entry.key.publicKey, Bytes.concat(nonce, littleEndian(s))))
      refusal(verdict(entry.key.publicKey, Bytes.concat(nonce, littleEndian(s + order))))
      refusal(verdict(entry.key.publicKey, Bytes.concat(nonce, littleEndian(order))))
    })

    it("a key with a small-order part, whose signature holds only times the cofactor, is refused", () => {
      const { scalar, publicKey } = secretScalar(8)
      for (const torsion of ED25519_TORSION_SUBGROUP) {
        const mixed = ed25519.Point.fromBytes(publicKey).add(ed25519.Point.fromHex(torsion)).toBytes()
        for (let r = 1000n; r < 1004n; r++) {
          const nonce = ed25519.Point.BASE.multiply(r).toBytes()
          const k = challenge(nonce, mixed)
          const signature = Bytes.concat(nonce, littleEndian((r + k * scalar) % order))
          // the library's own check multiplies by the cofactor and takes them all
          assert.isTrue(ed25519.verify(signature, signedBytes(mixed), mixed, { zip215: true }))
          const holds = ed25519.Point.fromHex(torsion)
            .multiplyUnsafe(k % 8n)
            .is0()
          assert.strictEqual(Either.isRight(verdict(mixed, signature)), holds)
        }
      }
    })

    it("bytes that are no point of the curve are refused, as key and as nonce", () => {
      const off = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 2 : 0))
      assert.throws(() => ed25519.Point.fromBytes(off, true))
      const entry = entryAt(3n, 4)
      if (entry.key._tag !== "Vault") throw new Error("not a vault's entry")
      refusal(verdict(off, entry.signature))
      refusal(verdict(entry.key.publicKey, Bytes.concat(off, entry.signature.subarray(32))))
    })
  })
}

function secretScalar(byte: number) {
  const digest = sha512(filled(32, byte)).subarray(0, 32)
  digest[0]! &= 248
  digest[31]! = (digest[31]! & 127) | 64
  const scalar = fromLittleEndian(digest) % order
  const publicKey = ed25519.Point.BASE.multiply(scalar).toBytes()
  assert.deepStrictEqual(publicKey, primitives.ed25519PublicKey(filled(32, byte)))
  return { scalar, publicKey }
}
