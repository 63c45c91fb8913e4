/**
 * ChaCha20 of the OpenSSL that Node runs on, through the optional `koffi`: one context for all calls and no memory but the
 * caller's, where `createCipheriv` makes an object and a buffer each time.
 */
import { createCipheriv } from "node:crypto"
import { createRequire } from "node:module"
import * as Bytes from "../../schema/Bytes.ts"

/** Encrypts `bytes` with nonce and counter zero into the beginning of `out`. */
export type ChaCha20Into = (key: Uint8Array, bytes: Uint8Array, out: Uint8Array) => void

/** OpenSSL's form: 4 bytes of counter, then the nonce. */
const start = new Uint8Array(16)
const keyLength = 32
/** A length is an `int`. */
const longest = 2 ** 31 - 1

export const chacha20 = (key: Uint8Array, bytes: Uint8Array): Uint8Array => {
  const { buffer, byteOffset, length } = createCipheriv("chacha20", key, start).update(bytes)
  // a Buffer's slice shares memory where an array's copies
  return new Uint8Array(buffer, byteOffset, length)
}

export const chacha20Slowly: ChaCha20Into = (key, bytes, out) => {
  out.set(chacha20(key, bytes))
}

const find = (): ChaCha20Into => {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi")
  const library = koffi.load(null)
  const newContext = library.func("EVP_CIPHER_CTX_new", "void *", [])
  const cipher = library.func("EVP_chacha20", "void *", [])
  const begin = library.func("EVP_EncryptInit_ex", "int", ["void *", "void *", "void *", "void *", "void *"])
  const update = library.func("EVP_EncryptUpdate", "int", ["void *", "void *", "void *", "void *", "int"])
  // freed with the process: a thread that ends leaves some hundred bytes
  const context: unknown = newContext()
  const written = new Int32Array(1)
  // V8 keeps short arrays in its heap, and gives each memory of its own when its address is asked for
  const ownKey = new Uint8Array(new ArrayBuffer(keyLength))
  if (!context || begin(context, cipher(), null, ownKey, start) !== 1) throw new Error("no ChaCha20")
  return (key, bytes, out) => {
    // nobody checks these behind here
    if (key.length !== keyLength) throw new RangeError(`a key of ${key.length} bytes`)
    if (out.length < bytes.length || bytes.length > longest) throw new RangeError(`no room for ${bytes.length} bytes`)
    if (bytes.length === 0) return
    ownKey.set(key)
    const isDone =
      begin(context, null, null, ownKey, start) === 1 && update(context, out, written, bytes, bytes.length) === 1
    if (!isDone || written[0] !== bytes.length) throw new Error("OpenSSL did not encrypt")
  }
}

/** Whether it does what `createCipheriv` does, over all the lengths at which its inner loops differ, and nothing behind them. */
const isRight = (into: ChaCha20Into): boolean => {
  const key = Uint8Array.from({ length: keyLength }, (_, at) => at * 7)
  const bytes = Uint8Array.from({ length: 1500 }, (_, at) => at % 251)
  for (let length = 0; length < bytes.length; length += 61) {
    const from = bytes.subarray(length % 3, length)
    const out = new Uint8Array(from.length + 4).fill(9)
    into(key, from, out.subarray(1, from.length + 1))
    const expected = Bytes.concat(Uint8Array.of(9), chacha20(key, from), Uint8Array.of(9, 9, 9))
    if (!Bytes.equals(out, expected)) return false
  }
  return true
}

let found: ChaCha20Into | undefined

/** The quickest way here; loads what it needs. */
export const chacha20Into = (): ChaCha20Into => {
  if (found !== undefined) return found
  found = chacha20Slowly
  try {
    const into = find()
    if (isRight(into)) found = into
  } catch {
    // nothing is lost: koffi is not installed, or this Node shows nothing of its OpenSSL, and the slow way gives the same bytes
  }
  return found
}
