import { assert, describe, it, vi } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as CryptoNative from "../../src/layers/CryptoNative.ts"
import * as CryptoPortable from "../../src/layers/CryptoPortable.ts"
import * as OpenSsl from "../../src/layers/internal/openssl.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { Crypto, CryptoUnavailable, fallingBack } from "../../src/services/Crypto.ts"
import { suite } from "../conformance/Crypto.ts"

suite("native", CryptoNative.layer)
suite("portable", CryptoPortable.layer)

const missing = (primitive: CryptoUnavailable["primitive"], library: string) =>
  new CryptoUnavailable({ primitive, library, problem: "Cannot find package" })

describe("native and portable", () => {
  it.effect("write the same frame for 600 random inputs at the usual levels", () =>
    Effect.gen(function* () {
      const native = (yield* CryptoNative.make).primitives
      const portable = (yield* CryptoPortable.make).primitives
      let state = 0x2545f491
      const random = () => {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        return state >>> 0
      }
      const levels = [1, 1, 1, 1, 1, 1, 3, 2, 4, 0, -1, -5, -128, 5, 7, 9]
      for (let i = 0; i < 600; i++) {
        // every tenth is whole blocks, which end with an empty one as no other input does
        const length =
          i % 10 === 0 ? 131072 * (1 + (random() % 3)) : random() % [64, 5000, 70_000, 300_000][random() % 4]!
        const spread = [1, 4, 16, 256][random() % 4]!
        const run = 1 + (random() % 40)
        const input = new Uint8Array(length)
        for (let at = 0; at < length; ) {
          const byte = random() % spread
          for (let n = random() % run; n >= 0 && at < length; n--) input[at++] = byte
        }
        const level = levels[i % levels.length]!
        const expected = native.zstdCompress(level, input)
        assert.isTrue(Bytes.equals(portable.zstdCompress(level, input), expected), `input ${i}, level ${level}`)
        const back = portable.zstdDecompress(expected, length)
        assert.isTrue(Bytes.equals(Either.getOrThrow(back), input), `input ${i} back`)
        const once = native.zstdDecompressOnce?.(expected, length)
        assert.isTrue(once !== undefined && Bytes.equals(Either.getOrThrow(once), input), `input ${i} back once`)
      }
    })
  )

  it.effect("encrypt into somebody's memory what they encrypt into their own, and touch nothing beside it", () =>
    Effect.gen(function* () {
      const { chacha20, chacha20Into } = (yield* CryptoNative.make).primitives
      const portable = (yield* CryptoPortable.make).primitives
      if (chacha20Into === undefined) return assert.fail("the native library has it")
      // both ways of the library: the quicker one comes after some hundred calls
      for (let i = 0; i < 1200; i++) {
        const key = Uint8Array.from({ length: 32 }, (_, at) => (at * i) % 256)
        const memory = Uint8Array.from({ length: (i * 37) % 5000 }, (_, at) => (at * at + i) % 256)
        const bytes = memory.subarray(Math.min(i % 7, memory.length))
        const room = new Uint8Array(bytes.length + 64).fill(170)
        chacha20Into(key, bytes, room.subarray(i % 32, 32 + bytes.length))
        const expected = new Uint8Array(room.length).fill(170)
        expected.set(i % 4 === 0 ? portable.chacha20(key, bytes) : chacha20(key, bytes), i % 32)
        assert.isTrue(Bytes.equals(room, expected), `call ${i}`)
      }
      const key = new Uint8Array(32)
      assert.throws(() => chacha20Into(key, new Uint8Array(65), new Uint8Array(64)), RangeError)
      assert.throws(() => chacha20Into(key.subarray(1), new Uint8Array(64), new Uint8Array(64)), RangeError)
    })
  )

  it("OpenSSL is called without an object for each blob where koffi is installed", () => {
    if (process.platform === "linux") assert.notStrictEqual(OpenSsl.chacha20Into(), OpenSsl.chacha20Slowly)
  })

  it.effect(
    "what is decompressed to be looked at once leaves what was decompressed before alone, and keeps to the limit",
    () =>
      Effect.gen(function* () {
        const { zstdCompress, zstdDecompress, zstdDecompressOnce } = (yield* CryptoNative.make).primitives
        if (zstdDecompressOnce === undefined) return assert.fail("the native library has it")
        const frame = zstdCompress(1, Bytes.fromUtf8("first"))
        const kept = Either.getOrThrow(zstdDecompress(frame, 5))
        const once = Either.getOrThrow(zstdDecompressOnce(zstdCompress(1, Bytes.fromUtf8("other")), 5))
        assert.isTrue(Bytes.equals(kept, Bytes.fromUtf8("first")) && Bytes.equals(once, Bytes.fromUtf8("other")))
        zstdCompress(1, new Uint8Array(5))
        zstdDecompress(frame, 5)
        assert.isTrue(Bytes.equals(once, Bytes.fromUtf8("other")))
        assert.isTrue(Either.isLeft(zstdDecompressOnce(frame, 4)))
        const long = new Uint8Array(3_000_000).fill(7)
        assert.isTrue(Bytes.equals(Either.getOrThrow(zstdDecompressOnce(zstdCompress(1, long), long.length)), long))
      })
  )

  it.effect("write the same frame at the strong levels", () =>
    Effect.gen(function* () {
      const native = (yield* CryptoNative.make).primitives
      const portable = (yield* CryptoPortable.make).primitives
      const input = Bytes.fromUtf8(Array.from({ length: 9000 }, (_, i) => `${i % 97} ${i * 31}`).join(" "))
      for (const level of [10, 13, 16, 19]) {
        for (const length of [1, input.length]) {
          const slice = input.subarray(0, length)
          assert.isTrue(
            Bytes.equals(portable.zstdCompress(level, slice), native.zstdCompress(level, slice)),
            `level ${level}, ${length} bytes`
          )
        }
      }
    })
  )
})

describe("CryptoAuto", () => {
  it.effect("uses native libraries where they load, and says so", () =>
    Effect.gen(function* () {
      const { implementation } = yield* CryptoAuto.make()
      assert.deepStrictEqual(implementation, {
        blake3: "@napi-rs/blake-hash",
        ed25519: "node:crypto",
        chacha20: "node:crypto",
        zstd: "zstd-napi",
        notes: []
      })
    })
  )

  it.effect("CAIRN_CRYPTO=portable leaves them alone, any other word is a configuration error", () =>
    Effect.gen(function* () {
      const build = (value: string) =>
        Effect.map(Crypto, (crypto) => crypto.implementation).pipe(
          Effect.provide(
            Layer.provide(
              CryptoAuto.layerConfig,
              Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["CAIRN_CRYPTO", value]])))
            )
          )
        )
      const portable = yield* build("portable")
      assert.strictEqual(portable.blake3, "hash-wasm")
      assert.strictEqual(portable.notes.length, 1)
      assert.strictEqual((yield* build("auto")).zstd, "zstd-napi")
      assert.isTrue(Either.isLeft(yield* Effect.either(build("wasm"))))
    })
  )

  it.effect("one library that does not load is replaced alone, and the note names it and the reason", () =>
    Effect.gen(function* () {
      const native = { ...CryptoNative.parts, zstd: Effect.fail(missing("zstd", "zstd-napi")) }
      const crypto = yield* fallingBack(native, CryptoPortable.parts)
      assert.strictEqual(crypto.implementation.blake3, "@napi-rs/blake-hash")
      assert.match(crypto.implementation.zstd, /wasm/)
      assert.strictEqual(crypto.implementation.notes.length, 1)
      assert.match(crypto.implementation.notes[0]!, /zstd-napi.*Cannot find package/)
      const frame = crypto.primitives.zstdCompress(1, Bytes.fromUtf8("hello"))
      assert.strictEqual(Bytes.toHex(frame), "28b52ffd004829000068656c6c6f")
    })
  )

  it.effect(
    "a native library that fails while loading is a typed error of the native layer, and only a note here",
    () =>
      Effect.gen(function* () {
        vi.doMock("zstd-napi/binding.js", () => {
          throw new Error("invalid ELF header")
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => vi.doUnmock("zstd-napi/binding.js")))
        const error = yield* Effect.flip(CryptoNative.make)
        assert.strictEqual(error._tag, "CryptoUnavailable")
        assert.strictEqual(error.library, "zstd-napi")
        const { implementation } = yield* CryptoAuto.make()
        assert.strictEqual(implementation.blake3, "@napi-rs/blake-hash")
        assert.match(implementation.zstd, /wasm/)
        assert.deepStrictEqual(implementation.notes, [error.message])
      }).pipe(Effect.scoped)
  )

  it.effect("the portable part's own failure is the error when neither loads", () =>
    Effect.gen(function* () {
      const native = { ...CryptoNative.parts, blake3: Effect.fail(missing("blake3", "@napi-rs/blake-hash")) }
      const portable = { ...CryptoPortable.parts, blake3: Effect.fail(missing("blake3", "hash-wasm")) }
      const error = yield* Effect.flip(fallingBack(native, portable))
      assert.strictEqual(error.library, "hash-wasm")
    })
  )
})
