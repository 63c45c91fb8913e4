/** The reference's zstd frames, hashes and derived keys, by both implementations. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as CryptoNative from "../../src/layers/CryptoNative.ts"
import * as CryptoPortable from "../../src/layers/CryptoPortable.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { Crypto } from "../../src/services/Crypto.ts"
import { generate } from "./generators.ts"
import { hex, isAbsent, isObject, type JsonObject, load, named, number, objects, text, toHex } from "./vectors.ts"

const pipeline = load("pipeline.json")
const derive = load("derive.json")
const inputs = new Map(
  objects(pipeline.inputs, "inputs").map((entry) => [
    text(entry.name),
    { bytes: generate(entry.input), blake3: text(entry.blake3) }
  ])
)
const input = (name: string) => {
  const found = inputs.get(name)
  if (found === undefined) throw new Error(`no input ${name}`)
  return found
}
const frames = objects(pipeline.zstd_frames, "zstd_frames")
// those that are nothing but a frame
const decodeCases = named(objects(pipeline.decode_cases, "decode_cases")).filter(([, value]) => {
  const { compression, encryption } = isObject(value.pipeline) ? value.pipeline : {}
  return !isAbsent(compression) && compression !== "uncompressed" && isAbsent(encryption)
})
const secrets = objects(derive.derive_secret, "derive_secret")
const blobKeys = objects(derive.blob_keys, "blob_keys")

const short = (value: JsonObject) => `${JSON.stringify(text(value.context))}, ${text(value.input).length / 2} bytes`

for (const [name, live] of [
  ["native", CryptoNative.layer],
  ["portable", CryptoPortable.layer]
] as const) {
  layer(live)(`vectors: ${name}`, (it) => {
    const primitives = Effect.map(Crypto, (crypto) => crypto.primitives)

    describe("pipeline.json inputs", () => {
      for (const [inputName, { bytes, blake3 }] of inputs) {
        it.effect(`BLAKE3 of ${inputName}`, () =>
          Effect.gen(function* () {
            const crypto = yield* primitives
            assert.strictEqual(toHex(crypto.blake3(bytes)), blake3)
            const hasher = crypto.hasher()
            for (let at = 0; at < bytes.length; at += 7777) hasher.update(bytes.subarray(at, at + 7777))
            assert.strictEqual(toHex(hasher.digest()), blake3)
          })
        )
      }
    })

    describe("pipeline.json zstd_frames", () => {
      for (const frame of frames) {
        const level = number(frame.level)
        const of = text(frame.input)
        it.effect(`${of} at level ${level}`, () =>
          Effect.gen(function* () {
            const crypto = yield* primitives
            const { bytes } = input(of)
            const written = crypto.zstdCompress(level, bytes)
            assert.strictEqual(written.length, number(frame.length))
            assert.strictEqual(toHex(crypto.blake3(written)), text(frame.blake3))
            if (typeof frame.frame === "string") assert.strictEqual(toHex(written), frame.frame)
            const padded = Bytes.concat(written, new Uint8Array(4096))
            assert.isTrue(Bytes.equals(Either.getOrThrow(crypto.zstdDecompress(padded, bytes.length)), bytes))
          })
        )
      }
    })

    describe("pipeline.json decode_cases with zstd", () => {
      for (const [caseName, value] of decodeCases) {
        it.effect(caseName, () =>
          Effect.gen(function* () {
            const crypto = yield* primitives
            const limit = isAbsent(value.length) ? 1_000_000 : number(value.length)
            const result = crypto.zstdDecompress(hex(value.stored), limit)
            assert.strictEqual(Either.isRight(result), value.ok === true)
            if (Either.isLeft(result)) return
            assert.strictEqual(result.right.length, number(value.length))
            assert.strictEqual(toHex(crypto.blake3(result.right)), text(value.blake3))
            if (result.right.length === 0) return
            const tooSmall = crypto.zstdDecompress(hex(value.stored), result.right.length - 1)
            assert.isTrue(Either.isLeft(tooSmall), "one byte less than there is")
          })
        )
      }
    })

    describe("derive.json", () => {
      for (const [index, value] of secrets.entries()) {
        it.effect(`derive_secret ${index}: ${short(value)}`, () =>
          Effect.gen(function* () {
            const crypto = yield* primitives
            assert.strictEqual(toHex(crypto.deriveKey(text(value.context), hex(value.input))), text(value.output))
          })
        )
      }
      for (const [index, value] of blobKeys.entries()) {
        it.effect(`blob_keys ${index}`, () =>
          Effect.gen(function* () {
            const crypto = yield* primitives
            const material = Bytes.concat(hex(value.master), hex(value.plaintext_hash))
            assert.strictEqual(toHex(crypto.deriveKey("s5/fs/v2/encrypt/leaf", material)), text(value.leaf_key))
            assert.strictEqual(toHex(crypto.deriveKey("s5/fs/v2/encrypt/meta", material)), text(value.meta_key))
          })
        )
      }
    })
  })
}
