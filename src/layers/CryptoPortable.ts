/**
 * Cryptography by JavaScript and WebAssembly alone, byte for byte the native one: for browsers, and for machines where
 * native libraries do not load.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import { Crypto, CryptoUnavailable, fromParts, type Parts } from "../services/Crypto.ts"
import * as Ed25519Strict from "./Ed25519Strict.ts"
import * as ZstdFrame from "./ZstdFrame.ts"

const unavailable = (primitive: CryptoUnavailable["primitive"], library: string) => (cause: unknown) =>
  new CryptoUnavailable({ primitive, library, problem: cause instanceof Error ? cause.message : String(cause) })

const blake3: Parts["blake3"] = Effect.tryPromise({
  try: async () => {
    const loaded = await import("hash-wasm")
    // its main entry is CommonJS, whose names not every loader sees
    const { createBLAKE3 } = loaded.default ?? loaded
    const noble = await import("@noble/hashes/blake3.js")
    const whole = await createBLAKE3()
    const shared = await createBLAKE3()

    // All incremental hashers share one wasm instance (making one is asynchronous): whoever comes next puts the state of
    // the one before aside.
    let parkCurrent: (() => void) | undefined
    const hasher = () => {
      let parked: Uint8Array | undefined
      const park = () => {
        parked = shared.save()
      }
      const resume = () => {
        if (parkCurrent === park) return
        parkCurrent?.()
        parkCurrent = park
        if (parked === undefined) shared.init()
        else shared.load(parked)
      }
      return {
        update: (bytes: Uint8Array) => {
          resume()
          shared.update(bytes)
        },
        digest: () => {
          resume()
          parkCurrent = undefined
          return Hash.unsafeFromBytes(shared.digest("binary"))
        }
      }
    }

    // hash-wasm has no derive-key mode; the few contexts that there are get their first half computed once
    const contexts = new Map<string, ReturnType<typeof noble.blake3.create>>()
    const keyed = (context: string) => {
      const known = contexts.get(context)
      if (known !== undefined) return known
      const made = noble.blake3.create({ context: Bytes.fromUtf8(context) })
      if (contexts.size < 64) contexts.set(context, made)
      return made
    }

    return {
      library: "hash-wasm",
      functions: {
        blake3: (bytes: Uint8Array) => Hash.unsafeFromBytes(whole.init().update(bytes).digest("binary")),
        hasher,
        deriveKey: (context: string, material: Uint8Array) => keyed(context).clone().update(material).digest()
      }
    }
  },
  catch: unavailable("blake3", "hash-wasm")
})

const ed25519: Parts["ed25519"] = Effect.tryPromise({
  try: async () => {
    const { ed25519 } = await import("@noble/curves/ed25519.js")
    const { sha512 } = await import("@noble/hashes/sha2.js")
    const verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
      if (!Ed25519Strict.isPlausible(publicKey, signature)) return false
      const nonce = signature.subarray(0, 32)
      try {
        // the library's own check multiplies by the cofactor; only the decoding is its lax one, as the rule says
        const key = ed25519.Point.fromBytes(publicKey, true)
        const s = Ed25519Strict.fromLittleEndian(signature.subarray(32))
        const k = Ed25519Strict.fromLittleEndian(sha512(Bytes.concat(nonce, publicKey, message))) % Ed25519Strict.order
        const expected = ed25519.Point.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(k))
        return Bytes.equals(expected.toBytes(), nonce)
      } catch {
        // a key that is not a point of the curve verifies nothing
        return false
      }
    }
    return {
      library: "@noble/curves",
      functions: {
        ed25519PublicKey: (seed: Uint8Array) => ed25519.getPublicKey(seed),
        ed25519Sign: (seed: Uint8Array, message: Uint8Array) => ed25519.sign(message, seed),
        ed25519Verify: verify
      }
    }
  },
  catch: unavailable("ed25519", "@noble/curves")
})

const chacha20: Parts["chacha20"] = Effect.tryPromise({
  try: async () => {
    const { chacha20 } = await import("@noble/ciphers/chacha.js")
    const nonce = new Uint8Array(12)
    return {
      library: "@noble/ciphers",
      functions: { chacha20: (key: Uint8Array, bytes: Uint8Array) => chacha20(key, nonce, bytes) }
    }
  },
  catch: unavailable("chacha20", "@noble/ciphers")
})

/**
 * The frame without the empty last block that the library's flush after every chunk leaves behind: the block before it
 * becomes the last. The frame must have a window byte and no content size.
 */
const foldEmptyLastBlock = (frame: Uint8Array): Uint8Array => {
  for (let at = 6, previous = -1; ; ) {
    const header = frame[at]! | (frame[at + 1]! << 8) | (frame[at + 2]! << 16)
    const type = (header >> 1) & 3
    const size = header >> 3
    if ((header & 1) === 1) {
      if (size !== 0 || type !== 0 || previous < 0) return frame
      const folded = frame.slice(0, at)
      folded[previous]! |= 1
      return folded
    }
    previous = at
    at += 3 + (type === 1 ? 1 : size)
  }
}

// the wasm heap ends at 2 GiB and its allocator's failure goes unnoticed by the binding: stay far below
const maxRoom = 2 ** 29

// a frame of the one byte 7, not compressed
const sevenFrame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 9, 0, 0, 7)

/** Whether somebody in this process, as another copy of this module, has initialised the reader. */
const isReady = (reader: typeof import("@bokuweb/zstd-wasm")): boolean => {
  try {
    return reader.decompress(sevenFrame, { defaultHeapSize: 1 })[0] === 7
  } catch {
    // nothing is lost: it throws as long as nobody has
    return false
  }
}

/**
 * The zstd reader is one wasm module for the whole process, which reads wrong bytes once it is initialised a second time, or
 * while it is being initialised: everybody shares the one time that it is.
 */
let readerReady: Promise<typeof import("@bokuweb/zstd-wasm")> | undefined
const zstdReader = () => {
  readerReady ??= import("@bokuweb/zstd-wasm").then((reader) =>
    isReady(reader) ? reader : reader.init().then(() => reader)
  )
  return readerReady
}

const zstd: Parts["zstd"] = Effect.tryPromise({
  try: async () => {
    const writer = await (await import("@hpcc-js/wasm-zstd")).Zstd.load()
    const reader = await zstdReader()
    return {
      library: "@hpcc-js/wasm-zstd (writing), @bokuweb/zstd-wasm (reading)",
      functions: {
        zstdCompress: (level: number, bytes: Uint8Array) => {
          if (bytes.length === 0) return ZstdFrame.emptyFrame()
          writer.reset()
          writer.setCompressionLevel(level)
          const frame = Bytes.concat(writer.compressChunk(bytes), writer.compressEnd())
          // a native stream, too, ends whole blocks with an empty one: it cannot know that they were the last
          return bytes.length % ZstdFrame.maxBlock === 0 ? frame : foldEmptyLastBlock(frame)
        },
        zstdDecompress: ZstdFrame.decompressWith((frame, room) => {
          if (frame.length + room > maxRoom) throw new Error(`needs ${room} bytes, too much for this decoder`)
          return reader.decompress(frame, { defaultHeapSize: room })
        })
      }
    }
  },
  catch: unavailable("zstd", "@hpcc-js/wasm-zstd")
})

// what getRandomValues fills at most in one call
const quota = 65536

/** The portable parts, for a choice between them and others. @since 0.1.0 @category constructors */
export const parts: Parts = {
  blake3,
  ed25519,
  chacha20,
  zstd,
  randomBytes: (length) =>
    Effect.sync(() => {
      const out = new Uint8Array(length)
      for (let at = 0; at < length; at += quota) globalThis.crypto.getRandomValues(out.subarray(at, at + quota))
      return out
    })
}

/** All primitives portable. @since 0.1.0 @category constructors */
export const make = fromParts(parts)

/** @since 0.1.0 @category layers */
export const layer: Layer.Layer<Crypto, CryptoUnavailable> = Layer.effect(Crypto, make)
