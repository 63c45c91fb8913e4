/** The inputs that vector files describe instead of spelling out (their "generators" entry says how). */
import * as Bytes from "../../src/schema/Bytes.ts"
import { hex, type Json, list, load, number, object, text } from "./vectors.ts"

/** Calls `emit` with each state of the xorshift32 machine until it answers false. */
const xorshift32 = (seed: number, emit: (state: number) => boolean) => {
  if (seed >>> 0 === 0) throw new Error("xorshift32 needs a seed other than 0")
  let state = seed | 0
  do {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
  } while (emit(state >>> 0))
}

const random = (seed: number, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  const view = new DataView(new ArrayBuffer(4))
  const step = new Uint8Array(view.buffer)
  let at = 0
  if (length === 0) return out
  xorshift32(seed, (state) => {
    view.setUint32(0, state, true)
    out.set(at + 4 <= length ? step : step.subarray(0, length - at), at)
    at += 4
    return at < length
  })
  return out
}

let wordList: ReadonlyArray<Uint8Array> | undefined

const words = (): ReadonlyArray<Uint8Array> => {
  wordList ??= list(object(load("cdc.json").generators, "generators").words, "generators.words").map((word) =>
    Bytes.fromUtf8(text(word))
  )
  return wordList
}

const prose = (seed: number, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  if (length === 0) return out
  const vocabulary = words()
  let at = 0
  let count = 0
  const put = (bytes: ArrayLike<number>) => {
    for (let i = 0; i < bytes.length && at < length; i++) out[at++] = bytes[i] ?? 0
  }
  xorshift32(seed, (state) => {
    const word = vocabulary[(state >>> 8) & 63]
    if (word === undefined) throw new Error("the word list has fewer than 64 words")
    put(word)
    count++
    put(count % 12 === 0 ? [0x2e, 0x0a] : [0x20])
    return at < length
  })
  return out
}

/** The bytes that a generator description stands for; an unknown kind is an error. */
export const generate = (input: Json | undefined): Uint8Array => {
  const spec = object(input, "generator")
  const length = () => number(spec.length, "length")
  switch (spec.kind) {
    case "hex":
      return hex(spec.hex, "hex")
    case "utf8":
      return Bytes.fromUtf8(text(spec.text, "text"))
    case "xorshift32":
      return random(number(spec.seed, "seed"), length())
    case "text":
      return prose(number(spec.seed, "seed"), length())
    case "ramp251":
      return Uint8Array.from({ length: length() }, (_, index) => index % 251)
    case "repeat":
      return new Uint8Array(length()).fill(number(spec.byte, "byte"))
    case "pattern": {
      const unit = hex(spec.hex, "hex")
      if (unit.length === 0) throw new Error("a pattern needs at least one byte")
      return Uint8Array.from({ length: length() }, (_, index) => unit[index % unit.length] ?? 0)
    }
    case "concat":
      return Bytes.concat(...list(spec.parts, "parts").map(generate))
    case "insert": {
      const into = generate(spec.into)
      const at = number(spec.at, "at")
      if (at < 0 || at > into.length) throw new Error(`insert at ${at} is outside ${into.length} bytes`)
      return Bytes.concat(into.subarray(0, at), hex(spec.hex, "hex"), into.subarray(at))
    }
    default:
      throw new Error(`unknown generator kind ${JSON.stringify(spec.kind)}`)
  }
}
