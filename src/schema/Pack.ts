/**
 * Packs: many blobs in one object, found by the start of their hashes (docs/format/core.md §18).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import type { Hash } from "./Hash.ts"

/** One blob of a pack, by the first 12 bytes of its hash. @since 0.1.0 @category models */
export interface Member {
  readonly prefix: Uint8Array
  /** Bytes from the start of the pack. */
  readonly offset: number
  readonly length: number
}

/** What the header of a pack says. @since 0.1.0 @category models */
export interface Pack {
  /** Ascending by prefix, and so by offset. */
  readonly members: ReadonlyArray<Member>
  /** The length of the pack in bytes. */
  readonly length: number
}

/** The bytes of a hash that a header has. @since 0.1.0 @category constants */
export const prefixLength = 12

/** The bytes of a header that say how long it is. @since 0.1.0 @category constants */
export const headLength = 16

/** The longest pack in bytes: offsets have 32 bits. @since 0.1.0 @category constants */
export const maxLength = 0xffff_ffff

const alignment = 4096
const memberLength = prefixLength + 4
const version = 1
const magic = Uint8Array.of(0x53, 0x35, 0x2e, 0x70, 0x72, 0x6f, 0x5b, 0x50)
const versionAt = 11
const countAt = 12

/** The length in bytes of the header of a pack with `count` members. @since 0.1.0 @category accessors */
export const headerLength = (count: number): number => headLength + count * memberLength + 4

/** Where the blobs of a pack with `count` members begin. @since 0.1.0 @category accessors */
export const dataStart = (count: number): number => Math.ceil(headerLength(count) / alignment) * alignment

const failure = (at: number, problem: string) => new FormatError({ format: "pack", at: `byte ${at}`, problem })

/** Whether an object that begins with these bytes is meant to be a pack. @since 0.1.0 @category guards */
export const isPack = (head: Uint8Array): boolean =>
  head.length >= headLength && Bytes.equals(head.subarray(0, magic.length), magic)

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** How many members the pack that begins with `head` has. @since 0.1.0 @category conversions */
export const decodeCount = (head: Uint8Array): Either.Either<number, FormatError> => {
  if (head.length < headLength) return Either.left(failure(head.length, `needs ${headLength} bytes`))
  if (!isPack(head)) return Either.left(failure(0, "does not begin with a pack's magic"))
  if (head[versionAt] !== version) return Either.left(failure(versionAt, `has version ${head[versionAt]}, not 1`))
  const count = viewOf(head).getUint32(countAt, true)
  return dataStart(count) > maxLength
    ? Either.left(failure(countAt, `claims ${count} members, more than fit a pack`))
    : Either.right(count)
}

/**
 * What the header at the start of `bytes` says; the blobs need not be there.
 *
 * Stricter than the reference: prefixes are unique and ascending, blobs lie without gaps from the first aligned byte on.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = (bytes: Uint8Array): Either.Either<Pack, FormatError> =>
  Either.flatMap(decodeCount(bytes), (count) => {
    const header = headerLength(count)
    // before anything is allocated: a count is four bytes, a header is not
    if (bytes.length < header) {
      return Either.left(failure(bytes.length, `has a header of ${header} bytes for ${count} members`))
    }
    const view = viewOf(bytes)
    const members: Array<Member> = []
    const length = view.getUint32(header - 4, true)
    let offset = dataStart(count)
    if (length < offset) return Either.left(failure(header - 4, `ends at ${length}, before its blobs begin`))
    for (let i = 0; i < count; i++) {
      const at = headLength + i * memberLength
      const prefix = bytes.slice(at, at + prefixLength)
      const before = members[i - 1]
      if (before !== undefined && Bytes.compare(before.prefix, prefix) >= 0) {
        return Either.left(failure(at, "its members are not in the order of their hashes"))
      }
      const from = view.getUint32(at + prefixLength, true)
      if (i === 0 && from !== offset) {
        return Either.left(failure(at + prefixLength, `its first blob is at ${from}, not at ${offset}`))
      }
      offset = from
      const end = i + 1 < count ? view.getUint32(at + memberLength + prefixLength, true) : length
      if (end < from || end > length) {
        return Either.left(failure(at + prefixLength, `has a blob from ${from} to ${end} in ${length} bytes`))
      }
      members.push({ prefix, offset: from, length: end - from })
    }
    return Either.right({ members, length })
  })

/** A blob on its way into a pack. @since 0.1.0 @category models */
export interface Placed {
  readonly hash: Hash
  readonly offset: number
  readonly length: number
}

/** Where each blob of a pack lies, and how long the pack is. @since 0.1.0 @category models */
export interface Layout {
  /** Ascending by hash. */
  readonly members: ReadonlyArray<Placed>
  readonly length: number
}

/**
 * Where these blobs lie in a pack of their own, in the order of their hashes.
 *
 * Two hashes with the same first 12 bytes, and more than 4 GiB, are defects (`RangeError`): no pack can hold them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const layout = (blobs: Iterable<{ readonly hash: Hash; readonly length: number }>): Layout => {
  const sorted = [...blobs].sort((a, b) => Bytes.compare(a.hash, b.hash))
  let offset = dataStart(sorted.length)
  const members = sorted.map(({ hash, length }, i): Placed => {
    const before = sorted[i - 1]?.hash.subarray(0, prefixLength)
    if (before !== undefined && Bytes.equals(before, hash.subarray(0, prefixLength))) {
      throw new RangeError("two blobs of one pack begin with the same 12 bytes of hash")
    }
    const placed = { hash, offset, length }
    offset += length
    return placed
  })
  if (offset > maxLength) throw new RangeError(`a pack of ${offset} bytes is longer than offsets of 32 bits`)
  return { members, length: offset }
}

/** Writes the header of a pack into the start of `pack`, up to the first blob. @since 0.1.0 @category conversions */
export const writeHeader = ({ length, members }: Layout, pack: Uint8Array): void => {
  const view = viewOf(pack)
  pack.fill(0, 0, dataStart(members.length))
  pack.set(magic)
  pack[versionAt] = version
  view.setUint32(countAt, members.length, true)
  let at = headLength
  for (const { hash, offset } of members) {
    pack.set(hash.subarray(0, prefixLength), at)
    view.setUint32(at + prefixLength, offset, true)
    at += memberLength
  }
  view.setUint32(at, length, true)
}

/** The pack that holds `blobs`. @since 0.1.0 @category conversions */
export const encode = (blobs: ReadonlyArray<{ readonly hash: Hash; readonly bytes: Uint8Array }>): Uint8Array => {
  const placed = layout(blobs.map(({ bytes, hash }) => ({ hash, length: bytes.length })))
  const pack = new Uint8Array(placed.length)
  writeHeader(placed, pack)
  const byHash = new Map(blobs.map(({ bytes, hash }) => [Bytes.toHex(hash), bytes]))
  for (const { hash, offset } of placed.members) pack.set(byHash.get(Bytes.toHex(hash)) ?? new Uint8Array(0), offset)
  return pack
}
