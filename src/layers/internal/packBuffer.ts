/**
 * Blobs on their way into a pack: gathered in memory in the order in which they come, laid out by hash in the end.
 */
import * as Bytes from "../../schema/Bytes.ts"
import * as Hash from "../../schema/Hash.ts"
import * as Pack from "../../schema/Pack.ts"
import type { Primitives } from "../../schema/Primitives.ts"

// bounds what is entered into the index at once, and what is held of small blobs beside their bytes
const mostMembers = 8_192

/** The blobs of one pack, from the first until the pack is entered into the index. */
export interface Group {
  /** The blobs while they are gathered, then the pack itself; nothing once the store has it. */
  bytes: Uint8Array | undefined
  /** What it became, once it is sealed. */
  pack: { readonly name: Hash.Hash; readonly length: number; readonly members: ReadonlyArray<Held> } | undefined
}

/** A blob that was put and is not in the index yet. */
export interface Held {
  readonly hash: Hash.Hash
  /** The hash in hex: made once, it is asked for many times. */
  readonly key: string
  readonly group: Group
  /** In the group's bytes; in the pack once that is sealed. */
  offset: number
  readonly length: number
  /** It was removed, or is kept elsewhere. */
  isGone: boolean
}

/** A buffer that is used again for the next pack; at most `capacity` bytes of blobs. */
export const make = (capacity: number) => {
  let arena = new Uint8Array(0)
  const prefixes = new Set<string>()
  let group: Group = { bytes: undefined, pack: undefined }
  let members: Array<Held> = []
  let used = 0
  /** What the pack before last was in, for the next. */
  let spare: ArrayBufferLike | undefined
  const wholeLength = capacity + Pack.dataStart(mostMembers)

  /** Not zeroed. */
  const room = (length: number) => {
    // small packs come one at a barrier: they need not keep a large buffer
    if (length < capacity >> 1) return new Uint8Array(length)
    const buffer = spare ?? new ArrayBuffer(wholeLength)
    spare = undefined
    return new Uint8Array(buffer, 0, length)
  }

  const prefixOf = (key: string) => key.slice(0, Pack.prefixLength * 2)
  const hasRoom = (length: number) => used + length <= capacity && members.length < mostMembers

  return {
    members: (): ReadonlyArray<Held> => members,
    /** Whether there is room for a blob of `length` bytes, and no other one that a pack could not tell from it. */
    fits: (key: string, length: number) => hasRoom(length) && !prefixes.has(prefixOf(key)),
    /** Takes the memory of a pack that the store has. */
    recycle: (bytes: Uint8Array) => {
      if (bytes.buffer.byteLength === wholeLength) spare = bytes.buffer
    },
    /** Nothing where it does not fit. */
    add: (hash: Hash.Hash, key: string, bytes: Uint8Array): Held | undefined => {
      const prefix = prefixOf(key)
      if (!hasRoom(bytes.length) || prefixes.has(prefix)) return undefined
      // at once: what is not written to takes no memory, and growing would leave every size before as garbage
      if (arena.length === 0) arena = new Uint8Array(capacity)
      arena.set(bytes, used)
      group.bytes = arena
      const own = Hash.unsafeFromBytes(hash.slice())
      const held: Held = { hash: own, key, group, offset: used, length: bytes.length, isGone: false }
      prefixes.add(prefix)
      members.push(held)
      used += bytes.length
      return held
    },
    /** Makes a pack of those blobs that are not gone, and begins anew; nothing if there are none. */
    seal: (primitives: Primitives): Group | undefined => {
      const sealed = group
      const kept = members.filter(({ isGone }) => !isGone).sort((a, b) => Bytes.compare(a.hash, b.hash))
      group = { bytes: undefined, pack: undefined }
      members = []
      prefixes.clear()
      used = 0
      if (kept.length === 0) return undefined
      const layout = Pack.layout(kept)
      const bytes = room(layout.length)
      Pack.writeHeader(layout, bytes)
      for (const [at, held] of kept.entries()) {
        const { offset } = layout.members[at]!
        bytes.set(arena.subarray(held.offset, held.offset + held.length), offset)
        held.offset = offset
      }
      sealed.bytes = bytes
      sealed.pack = { name: primitives.blake3(bytes), length: layout.length, members: kept }
      return sealed
    }
  }
}
