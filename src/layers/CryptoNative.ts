/**
 * Cryptography by native libraries: `@napi-rs/blake-hash`, OpenSSL as `node:crypto` has it, and `zstd-napi`.
 *
 * @since 0.1.0
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomFillSync, sign, verify } from "node:crypto"
import type { Blake3Hasher } from "@napi-rs/blake-hash"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Hash from "../schema/Hash.ts"
import { Crypto, CryptoUnavailable, fromParts, type Parts } from "../services/Crypto.ts"
import * as Ed25519Strict from "./Ed25519Strict.ts"
import * as OpenSsl from "./internal/openssl.ts"
import * as ZstdFrame from "./ZstdFrame.ts"

// a Buffer's slice shares memory where an array's copies: only plain arrays leave this module
const plain = (buffer: Uint8Array): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

const unavailable = (primitive: CryptoUnavailable["primitive"], library: string) => (cause: unknown) =>
  new CryptoUnavailable({
    primitive,
    library,
    problem: (cause instanceof Error ? cause.message : String(cause)).split("\n", 1).join("")
  })

/** What the digits of base64 stand for, those of base64url too; padding stands for nothing. */
const base64 = new Uint8Array(128)
for (const [value, digit] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].entries())
  base64[digit.charCodeAt(0)] = value
base64["-".charCodeAt(0)] = 62
base64["_".charCodeAt(0)] = 63

/** The 32 bytes of 44 digits. */
const fromBase64 = (text: string): Uint8Array => {
  const out = new Uint8Array(Hash.length)
  for (let at = 0, digit = 0; at < out.length; at += 3, digit += 4) {
    const three =
      (base64[text.charCodeAt(digit)]! << 18) |
      (base64[text.charCodeAt(digit + 1)]! << 12) |
      (base64[text.charCodeAt(digit + 2)]! << 6) |
      base64[text.charCodeAt(digit + 3)]!
    out[at] = three >> 16
    out[at + 1] = three >> 8
    // the last one is behind the end, where it is lost
    out[at + 2] = three
  }
  return out
}

/** Hashers that wait to be used again. */
const mostSpare = 8

/** Contexts that are remembered; there are hardly more. */
const mostDerivers = 16

const blake3: Parts["blake3"] = Effect.tryPromise({
  try: async () => {
    const blake = await import("@napi-rs/blake-hash")
    // a text takes a sixth of the time of a buffer, which is memory of the library's own with somebody who has to free it
    const blake3 = (bytes: Uint8Array) => Hash.unsafeFromBytes(fromBase64(blake.blake3UrlSafeBase64(bytes)))
    const digestOf = (hasher: Blake3Hasher) => Hash.unsafeFromBytes(fromBase64(hasher.digest("base64")))
    // making one takes longer than what most of them hash
    const spare: Array<Blake3Hasher> = []
    /** By their contexts, each of which is hashed once. */
    const derivers = new Map<string, Blake3Hasher>()
    // loading can succeed with a binary of another version: ask it something
    const zero = new Uint8Array(1)
    const asked = new blake.Blake3Hasher()
    const answers = [blake3(zero), digestOf(asked.update(zero))]
    if (answers.some((answer) => Buffer.compare(answer, blake.blake3(zero)) !== 0))
      throw new Error("it gives wrong hashes")
    return {
      library: "@napi-rs/blake-hash",
      functions: {
        blake3,
        hasher: () => {
          let own: Blake3Hasher | undefined = spare.pop() ?? new blake.Blake3Hasher()
          const used = () => {
            if (own === undefined) throw new Error("a hasher cannot be used after its digest")
            return own
          }
          return {
            update: (bytes: Uint8Array) => {
              used().update(bytes)
            },
            digest: () => {
              const hasher = used()
              own = undefined
              const hash = digestOf(hasher)
              hasher.reset()
              if (spare.length < mostSpare) spare.push(hasher)
              return hash
            }
          }
        },
        deriveKey: (context: string, material: Uint8Array) => {
          let deriving = derivers.get(context)
          if (deriving === undefined) {
            deriving = blake.Blake3Hasher.newDeriveKey(context)
            if (derivers.size >= mostDerivers) derivers.clear()
            derivers.set(context, deriving)
          }
          try {
            return digestOf(deriving.update(material))
          } finally {
            // nothing of the material stays in it
            deriving.reset()
          }
        }
      }
    }
  },
  catch: unavailable("blake3", "@napi-rs/blake-hash")
})

/** Remembers what `make` gave for the `capacity` most recently used inputs. */
const remember = (capacity: number, make: (input: Uint8Array) => KeyObject) => {
  const known = new Map<string, KeyObject>()
  return (input: Uint8Array): KeyObject => {
    const name = Buffer.from(input.buffer, input.byteOffset, input.length).toString("latin1")
    const found = known.get(name)
    const value = found ?? make(input)
    if (found !== undefined) known.delete(name)
    else if (known.size >= capacity) {
      for (const oldest of known.keys()) {
        known.delete(oldest)
        break
      }
    }
    known.set(name, value)
    return value
  }
}

const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex")
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex")

const ed25519: Parts["ed25519"] = Effect.try({
  try: () => {
    const privateKey = remember(64, (seed) =>
      createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" })
    )
    const publicKey = remember(256, (key) =>
      createPublicKey({ key: Buffer.concat([spkiPrefix, key]), format: "der", type: "spki" })
    )
    privateKey(new Uint8Array(32))
    return {
      library: "node:crypto",
      functions: {
        ed25519PublicKey: (seed: Uint8Array) =>
          new Uint8Array(
            createPublicKey(privateKey(seed)).export({ format: "der", type: "spki" }).subarray(spkiPrefix.length)
          ),
        ed25519Sign: (seed: Uint8Array, message: Uint8Array) => plain(sign(null, message, privateKey(seed))),
        ed25519Verify: (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => {
          if (!Ed25519Strict.isPlausible(key, signature)) return false
          try {
            return verify(null, message, publicKey(key), signature)
          } catch {
            // a key that OpenSSL does not take verifies nothing
            return false
          }
        }
      }
    }
  },
  catch: unavailable("ed25519", "node:crypto")
})

/** After so few calls what makes them quicker is loaded: until then each leaves a buffer for the garbage collector. */
const fewCalls = 32

const chacha20: Parts["chacha20"] = Effect.try({
  try: () => {
    OpenSsl.chacha20(new Uint8Array(32), new Uint8Array(1))
    let calls = 0
    let quick: OpenSsl.ChaCha20Into | undefined
    const chacha20Into: OpenSsl.ChaCha20Into = (key, bytes, out) => {
      if (quick === undefined && ++calls > fewCalls) quick = OpenSsl.chacha20Into()
      const into = quick ?? OpenSsl.chacha20Slowly
      into(key, bytes, out)
    }
    return { library: "node:crypto", functions: { chacha20: OpenSsl.chacha20, chacha20Into } }
  },
  catch: unavailable("chacha20", "node:crypto")
})

// scratch of this size is kept between calls; the usual chunk and node fit
const keptScratch = 1024 * 1024

const zstd: Parts["zstd"] = Effect.tryPromise({
  try: async () => {
    const { default: binding } = await import("zstd-napi/binding.js")
    const nothing = new Uint8Array(0)
    const cctx = new binding.CCtx()
    const dctx = new binding.DCtx()
    const kept = new Uint8Array(keptScratch)
    // of its own: what lies in it is read after other calls
    const keptPlain = new Uint8Array(keptScratch)
    let levelSet: number | undefined

    const zstdCompressOnce = (level: number, bytes: Uint8Array): Uint8Array => {
      if (bytes.length === 0) return ZstdFrame.emptyFrame()
      cctx.reset(binding.ResetDirective.sessionOnly)
      if (level !== levelSet) cctx.setParameter(binding.CParameter.compressionLevel, level)
      levelSet = level
      const room = binding.compressBound(bytes.length) + 1024
      let out = room <= kept.length ? kept : new Uint8Array(room)
      let length = 0
      const grow = () => {
        if (length < out.length) return
        const larger = new Uint8Array(out.length * 2)
        larger.set(out)
        out = larger
      }
      // not "end" at once: that would announce the size, and the parameters with it
      for (let at = 0; at < bytes.length; grow()) {
        const [, produced, consumed] = cctx.compressStream2(
          out.subarray(length),
          bytes.subarray(at),
          binding.EndDirective.continue
        )
        length += produced
        at += consumed
      }
      for (let left = 1; left > 0; grow()) {
        const [remaining, produced] = cctx.compressStream2(out.subarray(length), nothing, binding.EndDirective.end)
        length += produced
        left = remaining
      }
      return out.subarray(0, length)
    }
    const zstdCompress = (level: number, bytes: Uint8Array): Uint8Array => zstdCompressOnce(level, bytes).slice()

    const zstdDecompressOnce = ZstdFrame.decompressWith((frame, room) => {
      const out = room <= keptPlain.length ? keptPlain.subarray(0, room) : new Uint8Array(room)
      return out.subarray(0, dctx.decompress(out, frame))
    })
    const zstdDecompress = ZstdFrame.decompressWith((frame, room) => {
      if (room <= kept.length) return kept.slice(0, dctx.decompress(kept.subarray(0, room), frame))
      const out = new Uint8Array(room)
      const length = dctx.decompress(out, frame)
      // a view would keep what may be far more than its content alive
      return length === room ? out : out.slice(0, length)
    })

    zstdCompress(1, new Uint8Array(1))
    return { library: "zstd-napi", functions: { zstdCompress, zstdCompressOnce, zstdDecompress, zstdDecompressOnce } }
  },
  catch: unavailable("zstd", "zstd-napi")
})

/** The native parts, for a choice between them and others. @since 0.1.0 @category constructors */
export const parts: Parts = {
  blake3,
  ed25519,
  chacha20,
  zstd,
  randomBytes: (length) => Effect.sync(() => randomFillSync(new Uint8Array(length)))
}

/** All primitives native, or the error that names the one that is not. @since 0.1.0 @category constructors */
export const make = fromParts(parts)

/** @since 0.1.0 @category layers */
export const layer: Layer.Layer<Crypto, CryptoUnavailable> = Layer.effect(Crypto, make)
