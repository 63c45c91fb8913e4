/**
 * Catalogues: which blobs lie in which packs, by their whole hashes.
 *
 * A pack's header has 12 bytes of each hash only, which is too little to say that a blob is there. Whoever writes packs
 * puts a catalogue of them beside them, `packs/<hex of its BLAKE3>`, so that nobody has to read the packs to know.
 * Everything is little-endian:
 *
 * | size | content |
 * |---|---|
 * | 8 | `43 61 69 72 6e 50 6b` ("CairnPk"), version `01` |
 * | 4 | number of packs |
 * | … | each: hash[32] ‖ length u32 ‖ number of blobs u32 ‖ blobs ascending by hash: hash[32] ‖ offset u32 ‖ length u32 |
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"
import type { Placed } from "./Pack.ts"

/** A pack and those of its blobs that were there when the catalogue was made. @since 0.1.0 @category models */
export interface Entry {
  /** The name of the pack. */
  readonly pack: Hash.Hash
  /** The length of the pack in bytes. */
  readonly length: number
  /** Ascending by hash. */
  readonly members: ReadonlyArray<Placed>
}

const start = Uint8Array.of(0x43, 0x61, 0x69, 0x72, 0x6e, 0x50, 0x6b, 0x01)
const headLength = start.length + 4
const packLength = Hash.length + 8
const memberLength = Hash.length + 8

/** The bytes of a catalogue of these packs. @since 0.1.0 @category conversions */
export const encode = (entries: ReadonlyArray<Entry>): Uint8Array => {
  let size = headLength
  for (const { members } of entries) size += packLength + members.length * memberLength
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  bytes.set(start)
  view.setUint32(start.length, entries.length, true)
  let at = headLength
  const write = (hash: Hash.Hash, first: number, second: number) => {
    bytes.set(hash, at)
    view.setUint32(at + Hash.length, first, true)
    view.setUint32(at + Hash.length + 4, second, true)
    at += memberLength
  }
  for (const { length, members, pack } of entries) {
    write(pack, length, members.length)
    for (const member of members) write(member.hash, member.offset, member.length)
  }
  return bytes
}

/** The catalogue that `bytes` are. @since 0.1.0 @category conversions */
export const decode = (bytes: Uint8Array): Either.Either<ReadonlyArray<Entry>, FormatError> => {
  const fail = (at: number, problem: string) =>
    Either.left(new FormatError({ format: "pack catalogue", at: `byte ${at}`, problem }))
  if (bytes.length < headLength) return fail(bytes.length, `needs ${headLength} bytes`)
  if (!Bytes.equals(bytes.subarray(0, start.length), start)) return fail(0, "does not begin with a catalogue's magic")
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const hashAt = (at: number) => Hash.unsafeFromBytes(bytes.slice(at, at + Hash.length))
  const packs = view.getUint32(start.length, true)
  let at = headLength
  if (packs > (bytes.length - at) / packLength)
    return fail(start.length, `claims ${packs} packs, more than it has bytes`)
  const entries: Array<Entry> = []
  for (let i = 0; i < packs; i++) {
    const entryAt = at
    if (bytes.length - at < packLength) return fail(at, "is cut short")
    const pack = hashAt(at)
    const length = view.getUint32(at + Hash.length, true)
    const count = view.getUint32(at + Hash.length + 4, true)
    at += packLength
    if (count > (bytes.length - at) / memberLength)
      return fail(entryAt, `claims ${count} blobs, more than it has bytes`)
    const members: Array<Placed> = []
    for (let j = 0; j < count; j++, at += memberLength) {
      const hash = hashAt(at)
      const before = members[j - 1]
      if (before !== undefined && Bytes.compare(before.hash, hash) >= 0)
        return fail(at, "is not in the order of hashes")
      const offset = view.getUint32(at + Hash.length, true)
      const size = view.getUint32(at + Hash.length + 4, true)
      if (offset + size > length) return fail(at, `has a blob that ends at ${offset + size} in ${length} bytes`)
      members.push({ hash, offset, length: size })
    }
    entries.push({ pack, length, members })
  }
  return at === bytes.length ? Either.right(entries) : fail(at, `has ${bytes.length - at} bytes behind its end`)
}
