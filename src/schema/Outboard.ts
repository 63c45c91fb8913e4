/**
 * BLAKE3 outboards: the tree over 64 KiB groups, by which a part of a blob is checked against the blob's hash
 * (docs/format/core.md §5).
 *
 * No package gives the chaining values inside a BLAKE3 tree, so the compression function is here.
 *
 * @since 0.1.0
 */
import * as Bytes from "./Bytes.ts"
import type { Hash } from "./Hash.ts"

/** Bytes of the blob under one leaf of the outboard. @since 0.1.0 @category constants */
export const groupSize = 65_536

const chunkSize = 1024
const blockSize = 64
const pairSize = 64

const chunkStart = 1
const chunkEnd = 2
const parent = 4
const root = 8

const iv = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19
)

/** Which message word each of the 7 rounds takes at each of its 16 places. */
const schedule = (() => {
  const permutation = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
  const out = new Uint8Array(7 * 16)
  for (let i = 0; i < 16; i++) out[i] = i
  for (let i = 16; i < out.length; i++) out[i] = out[i - (i % 16) - 16 + permutation[i % 16]!]!
  return out
})()

const v = new Uint32Array(16)
const words = new Uint32Array(16)

const mix = (a: number, b: number, c: number, d: number, x: number, y: number): void => {
  let va = v[a]! + v[b]! + x
  let vd = v[d]! ^ va
  vd = (vd >>> 16) | (vd << 16)
  let vc = (v[c]! + vd) | 0
  let vb = v[b]! ^ vc
  vb = (vb >>> 12) | (vb << 20)
  va = (va + vb + y) | 0
  vd ^= va
  vd = (vd >>> 8) | (vd << 24)
  vc = (vc + vd) | 0
  vb ^= vc
  v[a] = va
  v[b] = (vb >>> 7) | (vb << 25)
  v[c] = vc
  v[d] = vd
}

/** One compression of `words` into `value`, of which only the first 8 words of output are kept. */
const compress = (value: Uint32Array, counter: number, length: number, flags: number): void => {
  v.set(value)
  v.set(iv.subarray(0, 4), 8)
  v[12] = counter
  v[13] = Math.floor(counter / 0x1_0000_0000)
  v[14] = length
  v[15] = flags
  for (let s = 0; s < schedule.length; s += 16) {
    mix(0, 4, 8, 12, words[schedule[s]!]!, words[schedule[s + 1]!]!)
    mix(1, 5, 9, 13, words[schedule[s + 2]!]!, words[schedule[s + 3]!]!)
    mix(2, 6, 10, 14, words[schedule[s + 4]!]!, words[schedule[s + 5]!]!)
    mix(3, 7, 11, 15, words[schedule[s + 6]!]!, words[schedule[s + 7]!]!)
    mix(0, 5, 10, 15, words[schedule[s + 8]!]!, words[schedule[s + 9]!]!)
    mix(1, 6, 11, 12, words[schedule[s + 10]!]!, words[schedule[s + 11]!]!)
    mix(2, 7, 8, 13, words[schedule[s + 12]!]!, words[schedule[s + 13]!]!)
    mix(3, 4, 9, 14, words[schedule[s + 14]!]!, words[schedule[s + 15]!]!)
  }
  for (let i = 0; i < 8; i++) value[i] = v[i]! ^ v[i + 8]!
}

/** Takes up to 64 bytes into `words`, little-endian, the rest zero. */
const takeBlock = (bytes: Uint8Array, from: number, to: number): void => {
  if (to - from < blockSize) words.fill(0)
  for (let i = from; i < to; i++) {
    const at = (i - from) >> 2
    const shift = ((i - from) & 3) * 8
    words[at] = shift === 0 ? bytes[i]! : words[at]! | (bytes[i]! << shift)
  }
}

const toBytes = (value: Uint32Array): Uint8Array => {
  const out = new Uint8Array(32)
  const view = new DataView(out.buffer)
  for (let i = 0; i < 8; i++) view.setUint32(i * 4, value[i]!, true)
  return out
}

/** The chaining value of the chunk bytes[from, to), which is chunk number `index` of its blob. */
const chunkValue = (bytes: Uint8Array, from: number, to: number, index: number, flags: number): Uint8Array => {
  const value = iv.slice()
  let at = from
  let flag = chunkStart
  do {
    const end = Math.min(at + blockSize, to)
    takeBlock(bytes, at, end)
    compress(value, index, end - at, end === to ? flag | chunkEnd | flags : flag)
    flag = 0
    at = end
  } while (at < to)
  return toBytes(value)
}

const parentValue = (pair: Uint8Array, flags: number): Uint8Array => {
  const value = iv.slice()
  takeBlock(pair, 0, pairSize)
  compress(value, 0, blockSize, parent | flags)
  return toBytes(value)
}

/** How many of `count` leaves, two or more, the left subtree takes: the largest power of two below `count`. */
const leftOf = (count: number): number => 2 ** Math.floor(Math.log2(count - 1))

/** The chaining value of bytes[from, to), which begin at chunk number `index` of their blob. */
const spanValue = (bytes: Uint8Array, from: number, to: number, index: number, flags = 0): Uint8Array => {
  if (to - from <= chunkSize) return chunkValue(bytes, from, to, index, flags)
  const left = leftOf(Math.ceil((to - from) / chunkSize))
  const middle = from + left * chunkSize
  return parentValue(
    Bytes.concat(spanValue(bytes, from, middle, index), spanValue(bytes, middle, to, index + left)),
    flags
  )
}

const groupsOf = (size: number): number => Math.max(1, Math.ceil(size / groupSize))

/** How long the outboard of a blob of `size` bytes is: 64 bytes less than 64 for every group. @since 0.1.0 @category constants */
export const lengthOf = (size: number): number => (groupsOf(size) - 1) * pairSize

/**
 * The outboard of a blob: 64 bytes, two chaining values, for every inner node above the groups, parents before children.
 * Empty for blobs of at most 65536 bytes, for which no outboard is stored.
 *
 * @since 0.1.0
 * @category constructors
 */
export const outboard = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(lengthOf(bytes.length))
  const write = (first: number, count: number, at: number): Uint8Array => {
    const from = first * groupSize
    const chunk = from / chunkSize
    if (count === 1) return spanValue(bytes, from, Math.min(from + groupSize, bytes.length), chunk)
    const left = leftOf(count)
    out.set(write(first, left, at + pairSize), at)
    out.set(write(first + left, count - left, at + left * pairSize), at + 32)
    return parentValue(out.subarray(at, at + pairSize), 0)
  }
  const groups = groupsOf(bytes.length)
  if (groups > 1) write(0, groups, 0)
  return out
}

/**
 * Whether `bytes` are group number `index` (bytes index · 65536 onwards) of the blob with that hash and size, by the
 * blob's outboard. False for anything that does not fit, a forged outboard included.
 *
 * @since 0.1.0
 * @category guards
 */
export const verifyGroup = (
  blob: { readonly hash: Hash; readonly size: number; readonly outboard: Uint8Array },
  index: number,
  bytes: Uint8Array
): boolean => {
  const groups = groupsOf(blob.size)
  if (!Number.isSafeInteger(index) || index < 0 || index >= groups) return false
  if (blob.outboard.length !== lengthOf(blob.size)) return false
  if (bytes.length !== Math.min(groupSize, blob.size - index * groupSize)) return false
  let expected: Uint8Array = blob.hash
  let [at, first, count, flags] = [0, 0, groups, root]
  while (count > 1) {
    const pair = blob.outboard.subarray(at, at + pairSize)
    if (!Bytes.equals(parentValue(pair, flags), expected)) return false
    const left = leftOf(count)
    const goLeft = index < first + left
    expected = goLeft ? pair.subarray(0, 32) : pair.subarray(32)
    at += goLeft ? pairSize : left * pairSize
    first += goLeft ? 0 : left
    count = goLeft ? left : count - left
    flags = 0
  }
  return Bytes.equals(spanValue(bytes, 0, bytes.length, (index * groupSize) / chunkSize, flags), expected)
}
