/**
 * The outside of zstd frames: where one ends and how much it can hold, read without decoding it (docs/format/fs5.md §6.6).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { FormatError } from "../schema/FormatError.ts"
import type { Primitives } from "../schema/Primitives.ts"

/** The most content that one block can hold, in bytes. @since 0.1.0 @category constants */
export const maxBlock = 131072

// what streaming decoders take unless told otherwise, and with them the reference
const maxWindow = 2 ** 27

/** What stands for empty content at every level (docs/format/fs5.md §6.6). @since 0.1.0 @category constants */
export const emptyFrame = (): Uint8Array => new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0])

/** @since 0.1.0 @category models */
export interface Extent {
  /** The length of the frame in bytes. */
  readonly length: number
  /** No more content than this comes out of it, in bytes. */
  readonly bound: number
}

const fail = (at: number, problem: string) =>
  Either.left(new FormatError({ format: "zstd frame", at: `byte ${at}`, problem }))

const littleEndian = (bytes: Uint8Array, at: number, length: number): number => {
  let value = 0
  for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!
  return value
}

/**
 * The extent of the frame at the start of `bytes`; an error if it is cut off or certainly holds more than `limit` bytes.
 * A skippable frame is one without content.
 *
 * @since 0.1.0
 * @category decoding
 */
export const extent = (bytes: Uint8Array, limit: number): Either.Either<Extent, FormatError> => {
  const cut = () => fail(bytes.length, "the frame is cut off")
  const tooMuch = (at: number, size: number) => fail(at, `holds ${size} bytes or more where ${limit} are allowed`)
  if (bytes.length < 4) return cut()
  const magic = littleEndian(bytes, 0, 4)
  if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
    if (bytes.length < 8) return cut()
    const length = 8 + littleEndian(bytes, 4, 4)
    return length > bytes.length ? cut() : Either.right({ length, bound: 0 })
  }
  if (magic !== 0xfd2fb528) return fail(0, "does not begin with the zstd magic number")
  if (bytes.length < 5) return cut()
  const descriptor = bytes[4]!
  const singleSegment = (descriptor & 0x20) !== 0
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!
  let at = 5 + (singleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!
  if (at + sizeBytes > bytes.length) return cut()
  if ((descriptor & 8) !== 0) return fail(4, "uses a reserved flag")
  const announced = sizeBytes === 0 ? undefined : littleEndian(bytes, at, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
  if (announced !== undefined && announced > limit) return tooMuch(at, announced)
  at += sizeBytes
  let blockLimit = maxBlock
  if (singleSegment) blockLimit = Math.min(blockLimit, announced ?? 0)
  else {
    const base = 2 ** (10 + (bytes[5]! >> 3))
    const window = base + (base / 8) * (bytes[5]! & 7)
    if (window > maxWindow) return fail(5, `needs a window of ${window} bytes where ${maxWindow} are allowed`)
    blockLimit = Math.min(blockLimit, window)
  }
  let least = 0
  let most = 0
  for (let last = false; !last; ) {
    if (at + 3 > bytes.length) return cut()
    const header = littleEndian(bytes, at, 3)
    const type = (header >> 1) & 3
    const size = header >> 3
    last = (header & 1) === 1
    if (type === 3) return fail(at, "has a block of a reserved type")
    if (size > blockLimit) return fail(at, `has a block of ${size} bytes where ${blockLimit} are allowed`)
    if (type !== 2) least += size
    most += type === 2 ? blockLimit : size
    if (least > limit) return tooMuch(at, least)
    at += 3 + (type === 1 ? 1 : size)
    if (at > bytes.length) return cut()
  }
  if ((descriptor & 4) !== 0) at += 4
  if (at > bytes.length) return cut()
  if (announced !== undefined && (announced > most || announced < least)) {
    return fail(4, `announces ${announced} bytes of content, which its blocks cannot hold`)
  }
  return Either.right({ length: at, bound: announced ?? most })
}

/**
 * A bounded decompressor from one that takes exactly one frame and the room for its content, and throws if the frame is
 * corrupt or the room too small.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decompressWith =
  (decode: (frame: Uint8Array, room: number) => Uint8Array): Primitives["zstdDecompress"] =>
  (bytes, limit) =>
    Either.flatMap(extent(bytes, limit), ({ bound, length }) => {
      if (bound === 0 && bytes[0] !== 0x28) return Either.right(new Uint8Array(0))
      try {
        return Either.right(decode(bytes.subarray(0, length), Math.min(bound, limit)))
      } catch (cause) {
        const problem = cause instanceof Error ? cause.message : String(cause)
        return fail(0, bound > limit ? `corrupt, or more than ${limit} bytes of content (${problem})` : problem)
      }
    })
