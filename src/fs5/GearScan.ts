/**
 * The gear rolling hash over pieces of a chunk, in WebAssembly where there is any (docs/format/fs5.md §7).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { halves } from "./GearTable.ts"

/** The rolling hash as two 32-bit halves. @since 0.1.0 @category models */
export interface GearState {
  high: number
  low: number
}

/**
 * Feeds `bytes[from .. until)` into `state` and answers the offset behind the first byte at or after `testFrom` whose
 * hash has its upper 16 bits zero, or -1 when all were fed and none had. `state` is then the hash after the last fed byte.
 *
 * @since 0.1.0
 * @category models
 */
export type Scan = (state: GearState, bytes: Uint8Array, from: number, testFrom: number, until: number) => number

/** The same in plain JavaScript, which has no 64-bit integers that are fast: two halves and a carry. @since 0.1.0 @category scanning */
export const portable: Scan = (state, bytes, from, testFrom, until) => {
  const gearHigh = halves.high
  const gearLow = halves.low
  let high = state.high | 0
  let low = state.low | 0
  let found = -1
  for (let at = from; at < until; at++) {
    const byte = bytes[at]!
    const shifted = low << 1
    const sum = (shifted + gearLow[byte]!) | 0
    const carry = sum >>> 0 < shifted >>> 0 ? 1 : 0
    high = (((high << 1) | (low >>> 31)) + gearHigh[byte]! + carry) | 0
    low = sum
    if (high >>> 16 === 0 && at >= testFrom) {
      found = at + 1
      break
    }
  }
  state.high = high
  state.low = low
  return found
}

/*
 * The module that these bytes are, with the constants at 0, the hash at 2048 and the input from 4096 on:
 *
 * (memory (export "memory") 5)
 * (func (export "find") (param $at i32) (param $testFrom i32) (param $until i32) (result i32) (local $hash i64)
 *   (local.set $hash (i64.load (i32.const 2048)))
 *   (block (loop
 *     (br_if 1 (i32.ge_u (local.get $at) (local.get $testFrom)))
 *     STEP (br 0)))
 *   (block (loop
 *     (br_if 1 (i32.ge_u (local.get $at) (local.get $until)))
 *     STEP (br_if 0 (i32.eqz (i64.eqz (i64.shr_u (local.get $hash) (i64.const 48)))))
 *     (i64.store (i32.const 2048) (local.get $hash))
 *     (return (local.get $at))))
 *   (i64.store (i32.const 2048) (local.get $hash))
 *   (i32.const 0))
 *
 * STEP: (local.set $hash (i64.add (i64.shl (local.get $hash) (i64.const 1))
 *         (i64.load (i32.shl (i32.load8_u (local.get $at)) (i32.const 3)))))
 *       (local.set $at (i32.add (local.get $at) (i32.const 1)))
 */
const moduleText =
  "AGFzbQEAAAABCAFgA39/fwF/AwIBAAUDAQAFBxECBm1lbW9yeQIABGZpbmQAAAp8AXoBAX5BgBApAwAhAwJAA0AgACABTw0BIANCAYYgAC0AAEED" +
  "dCkDAHwhAyAAQQFqIQAMAAsLAkADQCAAIAJPDQEgA0IBhiAALQAAQQN0KQMAfCEDIABBAWohACADQjCIUEUNAEGAECADNwMAIAAPCwtBgBAgAzcD" +
  "AEEACw=="

const stateOffset = 2048
const inputOffset = 4096
const inputLength = 262_144

const instantiate = (): WebAssembly.Exports | undefined => {
  const code = Encoding.decodeBase64(moduleText)
  if (Either.isLeft(code) || typeof WebAssembly === "undefined") return undefined
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(code.right))).exports
  } catch {
    // a page whose policy forbids WebAssembly: nothing is lost, the portable scan gives the same cuts
    return undefined
  }
}

/** The scan in WebAssembly, or nothing where there is none. @since 0.1.0 @category scanning */
export const makeFast = (): Scan | undefined => {
  const exports = instantiate()
  const memory = exports?.memory
  const find = exports?.find
  if (!(memory instanceof WebAssembly.Memory) || typeof find !== "function") return undefined
  const view = new DataView(memory.buffer)
  const input = new Uint8Array(memory.buffer, inputOffset, inputLength)
  for (let byte = 0; byte < 256; byte++) {
    view.setInt32(byte * 8, halves.low[byte]!, true)
    view.setInt32(byte * 8 + 4, halves.high[byte]!, true)
  }
  return (state, bytes, from, testFrom, until) => {
    view.setInt32(stateOffset, state.low, true)
    view.setInt32(stateOffset + 4, state.high, true)
    let found = -1
    for (let at = from; at < until && found < 0; at += inputLength) {
      const length = Math.min(inputLength, until - at)
      input.set(bytes.subarray(at, at + length))
      const test = Math.min(Math.max(testFrom - at, 0), length)
      const end: number = find(inputOffset, inputOffset + test, inputOffset + length)
      if (end !== 0) found = at + end - inputOffset
    }
    state.low = view.getInt32(stateOffset, true)
    state.high = view.getInt32(stateOffset + 4, true)
    return found
  }
}

let fastest: Scan | undefined

/** The fastest scan there is here. @since 0.1.0 @category scanning */
export const scan: Scan = (state, bytes, from, testFrom, until) => {
  fastest ??= makeFast() ?? portable
  return fastest(state, bytes, from, testFrom, until)
}
