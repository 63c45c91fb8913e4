/** The suite that every layer of `Crypto` passes. */

import { assert, layer } from "@effect/vitest"
import { chacha20 as nobleChaCha20 } from "@noble/ciphers/chacha.js"
import { ED25519_TORSION_SUBGROUP, ed25519 as nobleEd25519 } from "@noble/curves/ed25519.js"
import { blake3 as nobleBlake3 } from "@noble/hashes/blake3.js"
import { sha512 } from "@noble/hashes/sha2.js"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import type * as Layer from "effect/Layer"
import * as Ed25519Strict from "../../src/layers/Ed25519Strict.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { Crypto } from "../../src/services/Crypto.ts"

const hex = (text: string) => Either.getOrThrow(Bytes.fromHex(text))
const plain = (bytes: Uint8Array) => {
  assert.strictEqual(Object.getPrototypeOf(bytes), Uint8Array.prototype, "a plain Uint8Array")
  return Bytes.toHex(bytes)
}
const bytesOf = (maxLength: number) => FastCheck.uint8Array({ maxLength })
const key32 = FastCheck.uint8Array({ minLength: 32, maxLength: 32 })

const littleEndian32 = (value: bigint) => {
  const out = new Uint8Array(32)
  for (let i = 0, rest = value; i < 32; i++, rest >>= 8n) out[i] = Number(rest & 255n)
  return out
}
const prime = 2n ** 255n - 19n

/** Every 32-byte text that decodes to a point of order 1, 2, 4 or 8: the eight points, in every way to write them. */
export const smallOrderEncodings: ReadonlyArray<string> = (() => {
  const found = new Set<string>()
  for (const encoded of ED25519_TORSION_SUBGROUP) {
    const bytes = hex(encoded)
    const y = Ed25519Strict.fromLittleEndian(Uint8Array.from(bytes, (byte, i) => (i === 31 ? byte & 0x7f : byte)))
    for (const written of [y, y + prime]) {
      if (written >= 2n ** 255n) continue
      for (const sign of [0n, 1n]) found.add(Bytes.toHex(littleEndian32(written | (sign << 255n))))
    }
  }
  return [...found].sort()
})()

/** A frame of raw blocks with a window byte, as any encoder may write. */
const rawFrame = (...blocks: ReadonlyArray<Uint8Array>) =>
  Bytes.concat(
    hex("28b52ffd0048"),
    ...blocks.flatMap((block, i) => {
      const header = (block.length << 3) | (i === blocks.length - 1 ? 1 : 0)
      return [Uint8Array.of(header & 255, (header >> 8) & 255, header >> 16), block]
    })
  )

/** `count` RLE blocks of 128 KiB each: 4 bytes that unfold to 131072. */
const bomb = (count: number) => {
  const out = new Uint8Array(6 + count * 4)
  out.set(hex("28b52ffd0048"))
  for (let i = 0; i < count; i++) {
    const header = (131072 << 3) | 2 | (i === count - 1 ? 1 : 0)
    out.set([header & 255, (header >> 8) & 255, header >> 16, 0], 6 + i * 4)
  }
  return out
}

export const suite = <E>(name: string, live: Layer.Layer<Crypto, E>) =>
  layer(live)(`Crypto: ${name}`, (it) => {
    const primitives = Effect.map(Crypto, (crypto) => crypto.primitives)

    it.effect("BLAKE3 and its derive-key mode are those of an independent implementation", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        for (const length of [0, 1, 63, 64, 65, 1023, 1024, 1025, 4096, 16384, 16385, 100_000]) {
          const bytes = Uint8Array.from({ length }, (_, i) => i % 251)
          assert.strictEqual(plain(crypto.blake3(bytes)), Bytes.toHex(nobleBlake3(bytes)))
        }
        FastCheck.assert(
          FastCheck.property(bytesOf(3000), FastCheck.fullUnicodeString({ maxLength: 20 }), (bytes, context) => {
            assert.strictEqual(plain(crypto.blake3(bytes)), Bytes.toHex(nobleBlake3(bytes)))
            assert.strictEqual(
              plain(crypto.deriveKey(context, bytes)),
              Bytes.toHex(nobleBlake3(bytes, { context: Bytes.fromUtf8(context) }))
            )
          }),
          { numRuns: 50 }
        )
      })
    )

    it.effect("hashers that are fed in turns do not disturb each other, nor a hash at once between them", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const feed = FastCheck.array(FastCheck.tuple(FastCheck.nat({ max: 3 }), bytesOf(2500)), { maxLength: 20 })
        FastCheck.assert(
          FastCheck.property(feed, (steps) => {
            const hashers = [0, 1, 2, 3].map(() => crypto.hasher())
            const abandoned = crypto.hasher()
            const fed: Array<Uint8Array> = hashers.map(() => new Uint8Array(0))
            for (const [which, bytes] of steps) {
              hashers[which]!.update(bytes)
              abandoned.update(bytes)
              fed[which] = Bytes.concat(fed[which]!, bytes)
              assert.strictEqual(plain(crypto.blake3(bytes)), Bytes.toHex(nobleBlake3(bytes)))
            }
            for (const [which, hasher] of hashers.entries()) {
              assert.strictEqual(plain(hasher.digest()), Bytes.toHex(nobleBlake3(fed[which]!)))
              // nothing of what it was fed stays behind for the next
              assert.strictEqual(plain(crypto.hasher().digest()), Bytes.toHex(nobleBlake3(new Uint8Array(0))))
            }
          }),
          { numRuns: 30 }
        )
      })
    )

    it.effect("ChaCha20 starts at counter 0 with nonce 0, into a new array", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        // RFC 8439 A.1, test vector 1
        assert.strictEqual(
          plain(crypto.chacha20(new Uint8Array(32), new Uint8Array(64))),
          "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        )
        FastCheck.assert(
          FastCheck.property(key32, bytesOf(700), (key, bytes) => {
            const before = Bytes.toHex(bytes)
            const sealed = crypto.chacha20(key, bytes)
            assert.strictEqual(plain(sealed), Bytes.toHex(nobleChaCha20(key, new Uint8Array(12), bytes)))
            assert.strictEqual(plain(crypto.chacha20(key, sealed)), before)
            assert.strictEqual(Bytes.toHex(bytes), before)
          })
        )
      })
    )

    it.effect("Ed25519 signs as RFC 8032 says, and verifies what it signed and nothing else", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        // RFC 8032 §7.1, test 3
        const seed = hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
        assert.strictEqual(
          plain(crypto.ed25519PublicKey(seed)),
          "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
        )
        assert.strictEqual(
          plain(crypto.ed25519Sign(seed, hex("af82"))),
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        )
        FastCheck.assert(
          FastCheck.property(key32, bytesOf(200), FastCheck.nat({ max: 511 }), (seed, message, bit) => {
            const key = crypto.ed25519PublicKey(seed)
            const signature = crypto.ed25519Sign(seed, message)
            assert.strictEqual(plain(key), Bytes.toHex(nobleEd25519.getPublicKey(seed)))
            assert.strictEqual(plain(signature), Bytes.toHex(nobleEd25519.sign(message, seed)))
            assert.isTrue(crypto.ed25519Verify(key, message, signature))
            const flip = (bytes: Uint8Array, at: number) => {
              const flipped = bytes.slice()
              flipped[at >> 3]! ^= 1 << (at & 7)
              return flipped
            }
            assert.isFalse(crypto.ed25519Verify(key, message, flip(signature, bit)))
            assert.isFalse(crypto.ed25519Verify(flip(key, bit % 256), message, signature))
            assert.isFalse(crypto.ed25519Verify(key, Bytes.concat(message, Uint8Array.of(0)), signature))
          }),
          { numRuns: 20 }
        )
      })
    )

    it.effect("more keys than are remembered sign and verify alike", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const message = Bytes.fromUtf8("many")
        const seeds = Array.from({ length: 70 }, (_, i) => new Uint8Array(32).fill(i))
        const first = seeds.map((seed) => Bytes.toHex(crypto.ed25519Sign(seed, message)))
        const again = seeds.map((seed) => Bytes.toHex(crypto.ed25519Sign(seed, message)))
        assert.deepStrictEqual(again, first)
        assert.strictEqual(new Set(first).size, 70)
      })
    )

    it.effect("a public key of small order verifies nothing, however it is written", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        assert.strictEqual(smallOrderEncodings.length, 14)
        const base = nobleEd25519.Point.BASE.toBytes()
        for (const encoding of smallOrderEncodings) {
          const key = hex(encoding)
          assert.isTrue(Ed25519Strict.isSmallOrder(key))
          // S = 0, R = the key itself: with the identity as key, OpenSSL takes it for any message
          const nothing = Bytes.concat(key, new Uint8Array(32))
          const any = Bytes.fromUtf8("any")
          assert.isTrue(nobleEd25519.verify(nothing, any, key, { zip215: true }), "a lax verifier takes it")
          assert.isFalse(crypto.ed25519Verify(key, any, nothing))
          // S = 1, R = base point: holds wherever k·A is the identity, which one of eight messages reaches
          for (let i = 0; i < 16; i++) {
            const signature = Bytes.concat(base, littleEndian32(1n))
            assert.isFalse(crypto.ed25519Verify(key, Uint8Array.of(i), signature))
          }
        }
      })
    )

    it.effect("a signature whose R is of small order is refused although the equation holds", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const { scalar, pointBytes } = nobleEd25519.utils.getExtendedPublicKey(new Uint8Array(32).fill(7))
        const message = Bytes.fromUtf8("small nonce")
        for (const encoding of smallOrderEncodings) {
          const r = hex(encoding)
          const k = Ed25519Strict.fromLittleEndian(sha512(Bytes.concat(r, pointBytes, message))) % Ed25519Strict.order
          const signature = Bytes.concat(r, littleEndian32((k * scalar) % Ed25519Strict.order))
          assert.isTrue(
            nobleEd25519.verify(signature, message, pointBytes, { zip215: true }),
            "a lax verifier takes it"
          )
          assert.isFalse(crypto.ed25519Verify(pointBytes, message, signature))
        }
      })
    )

    it.effect("verification has no cofactor: a signature off by a point of small order is refused", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const { scalar, pointBytes, point } = nobleEd25519.utils.getExtendedPublicKey(new Uint8Array(32).fill(9))
        const message = Bytes.fromUtf8("torsion")
        const sign = (key: Uint8Array, r: Uint8Array, nonce: bigint) => {
          const k = Ed25519Strict.fromLittleEndian(sha512(Bytes.concat(r, key, message))) % Ed25519Strict.order
          return { k, signature: Bytes.concat(r, littleEndian32((nonce + k * scalar) % Ed25519Strict.order)) }
        }
        const nonce = 123_456_789n
        const R = nobleEd25519.Point.BASE.multiply(nonce)
        assert.isTrue(crypto.ed25519Verify(pointBytes, message, sign(pointBytes, R.toBytes(), nonce).signature))
        for (const encoding of ED25519_TORSION_SUBGROUP) {
          const torsion = nobleEd25519.Point.fromBytes(hex(encoding), true)
          if (torsion.is0()) continue
          const off = R.add(torsion).toBytes()
          const { signature } = sign(pointBytes, off, nonce)
          // a cofactored verifier takes it
          assert.isTrue(nobleEd25519.verify(signature, message, pointBytes, { zip215: false }))
          assert.isFalse(crypto.ed25519Verify(pointBytes, message, signature))
          // a key with a torsion part is fine exactly when k takes that part away
          const mixed = point.add(torsion).toBytes()
          const answers = new Set<boolean>()
          for (let n = 1n; n < 40n; n++) {
            const r = nobleEd25519.Point.BASE.multiply(n).toBytes()
            const { k, signature: mixedSignature } = sign(mixed, r, n)
            const holds = torsion.multiplyUnsafe(k).is0()
            answers.add(holds)
            assert.strictEqual(crypto.ed25519Verify(mixed, message, mixedSignature), holds)
          }
          assert.strictEqual(answers.size, 2)
        }
      })
    )

    it.effect("S at or above the group order is refused", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const seed = new Uint8Array(32).fill(3)
        const key = crypto.ed25519PublicKey(seed)
        const message = Bytes.fromUtf8("malleable")
        const signature = crypto.ed25519Sign(seed, message)
        const s = Ed25519Strict.fromLittleEndian(signature.subarray(32))
        for (let multiple = 1n; s + multiple * Ed25519Strict.order < 2n ** 256n; multiple++) {
          const other = littleEndian32(s + multiple * Ed25519Strict.order)
          assert.isFalse(crypto.ed25519Verify(key, message, Bytes.concat(signature.subarray(0, 32), other)))
        }
      })
    )

    it.effect("garbage keys and signatures of any length are false, never thrown", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        FastCheck.assert(
          FastCheck.property(bytesOf(70), bytesOf(10), bytesOf(130), (key, message, signature) => {
            assert.isFalse(crypto.ed25519Verify(key, message, signature))
          })
        )
        const s = new Uint8Array(32)
        FastCheck.assert(
          FastCheck.property(key32, key32, (key, r) => {
            assert.isFalse(crypto.ed25519Verify(key, s, Bytes.concat(r, s)))
          }),
          { numRuns: 60 }
        )
      })
    )

    it.effect("zstd frames of any level open to what went in, whatever follows them", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        FastCheck.assert(
          FastCheck.property(
            bytesOf(600),
            FastCheck.nat({ max: 400 }),
            FastCheck.integer({ min: -128, max: 12 }),
            bytesOf(8),
            (unit, times, level, after) => {
              const bytes = Bytes.concat(...Array.from({ length: times }, () => unit))
              const frame = crypto.zstdCompress(level, bytes)
              plain(frame)
              const back = Either.getOrThrow(crypto.zstdDecompress(Bytes.concat(frame, after), bytes.length))
              assert.strictEqual(plain(back), Bytes.toHex(bytes))
            }
          ),
          { numRuns: 60 }
        )
      })
    )

    it.effect("results do not change when the functions are used again", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const results = [1, 2].flatMap((byte) => {
          const bytes = new Uint8Array(5000).fill(byte)
          const frame = crypto.zstdCompress(1, bytes)
          const all = [
            crypto.blake3(bytes),
            crypto.deriveKey("c", bytes),
            crypto.chacha20(new Uint8Array(32), bytes),
            crypto.ed25519PublicKey(new Uint8Array(32).fill(byte)),
            frame,
            Either.getOrThrow(crypto.zstdDecompress(frame, 5000))
          ]
          return all.map((value) => ({ value, at: Bytes.toHex(value) }))
        })
        for (const { value, at } of results) assert.strictEqual(Bytes.toHex(value), at)
      })
    )

    it.effect("more content than the limit is an error, also when the frame does not say how much it has", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        for (const size of [1, 100, 131072, 131073, 400_000]) {
          const bytes = Uint8Array.from({ length: size }, (_, i) => (i * i) >> 7)
          const frame = crypto.zstdCompress(1, bytes)
          assert.isTrue(Either.isLeft(crypto.zstdDecompress(frame, size - 1)), `${size}`)
          assert.strictEqual(Either.getOrThrow(crypto.zstdDecompress(frame, size)).length, size)
        }
        const raw = rawFrame(new Uint8Array(1000), new Uint8Array(24))
        assert.strictEqual(Either.getOrThrow(crypto.zstdDecompress(raw, 1024)).length, 1024)
        assert.isTrue(Either.isLeft(crypto.zstdDecompress(raw, 1023)))
      })
    )

    it.effect("a bomb of 8 GiB in 256 KiB is refused without unfolding it", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const refused = crypto.zstdDecompress(bomb(65_536), 2 ** 26)
        assert.match(Either.isLeft(refused) ? refused.left.message : "", /holds 67239936 bytes or more/)
        assert.strictEqual(Either.getOrThrow(crypto.zstdDecompress(bomb(16), 2 ** 21)).length, 2 ** 21)
      })
    )

    it.effect("announced sizes that are huge, or that the blocks cannot hold, are errors", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const frames = {
          "2^64 - 1 announced": "28b52ffde0ffffffffffffffff010000",
          "2^63 announced, one byte there": "28b52ffde0000000000000008009000041",
          "4 GiB announced": "28b52ffda0ffffffff09000041",
          "2 announced, 1 there": "28b52ffd200209000041",
          "0 announced, 1 there": "28b52ffd200009000041",
          "a window of 256 MiB": "28b52ffd009009000041",
          "a reserved block type": "28b52ffd00480f000041",
          "a reserved flag": "28b52ffd084809000041",
          "a block above 128 KiB": "28b52ffd00480b001041"
        }
        for (const [what, frame] of Object.entries(frames)) {
          for (const limit of [16, 2 ** 31])
            assert.isTrue(Either.isLeft(crypto.zstdDecompress(hex(frame), limit)), what)
        }
        assert.strictEqual(plain(Either.getOrThrow(crypto.zstdDecompress(hex("28b52ffd200109000041"), 1))), "41")
      })
    )

    it.effect("cut and damaged frames are errors or other content within the limit, never thrown", () =>
      Effect.gen(function* () {
        const crypto = yield* primitives
        const bytes = Bytes.fromUtf8("the quick brown fox jumps over the lazy dog, ".repeat(50))
        const frame = crypto.zstdCompress(3, bytes)
        for (let length = 0; length < frame.length; length++) {
          assert.isTrue(Either.isLeft(crypto.zstdDecompress(frame.subarray(0, length), 10_000)), `cut to ${length}`)
        }
        for (let at = 0; at < frame.length; at++) {
          for (const mask of [1, 0x80, 0xff]) {
            const damaged = frame.slice()
            damaged[at]! ^= mask
            const result = crypto.zstdDecompress(damaged, 10_000)
            if (Either.isRight(result)) assert.isAtMost(result.right.length, 10_000)
          }
        }
        // and the decoder is none the worse for it
        assert.strictEqual(plain(Either.getOrThrow(crypto.zstdDecompress(frame, 10_000))), Bytes.toHex(bytes))
      })
    )

    it.effect("random bytes have the length asked for, also beyond a browser's quota, and differ", () =>
      Effect.gen(function* () {
        const crypto = yield* Crypto
        for (const length of [0, 1, 32, 65_536, 65_537, 200_000]) {
          assert.strictEqual((yield* crypto.randomBytes(length)).length, length)
        }
        const long = yield* crypto.randomBytes(200_000)
        // every stretch is filled: 64 zero bytes in a row do not happen by chance
        for (let at = 0; at < long.length; at += 64)
          assert.isTrue(long.subarray(at, at + 64).some((byte) => byte !== 0))
        assert.notStrictEqual(Bytes.toHex(yield* crypto.randomBytes(32)), Bytes.toHex(yield* crypto.randomBytes(32)))
      })
    )
  })
