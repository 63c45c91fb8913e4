/**
 * Blobs on their way into a pack: gathered in memory in the order in which they come, laid out by hash in the end.
 */
import * as Hash from "../../schema/Hash.ts"
import * as Pack from "../../schema/Pack.ts"
import type { Primitives } from "../../schema/Primitives.ts"

// bounds the header, and what is held of small blobs beside their bytes
const mostMembers = 32_768

/** The blobs of one pack, from the first until the pack is entered into the index. */
export interface Group {
  /** The pack's name, once it is sealed. */
  name: Hash.Hash | undefined
  /** The blobs while they are gathered, then the pack itself; nothing once the store has it. */
  bytes: Uint8Array | undefined
  layout: Pack.Layout | undefined
}

/** A blob that was put and is not in the index yet. */
export interface Held {
  readonly hash: Hash.Hash
  readonly group: Group
  /** In the group's bytes; in the pack once that is sealed. */
  offset: number
  readonly length: number
}

/** A buffer that is used again for the next pack; at most `capacity` bytes of blobs. */
export const make = (capacity: number) => {
  let arena = new Uint8Array(0)
  const prefixes = new Set<string>()
  let group: Group = { name: undefined, bytes: undefined, layout: undefined }
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

  const prefixOf = (hash: Hash.Hash) => Hash.toHex(hash).slice(0, Pack.prefixLength * 2)

  return {
    isEmpty: () => members.length === 0,
    members: (): ReadonlyArray<Held> => members,
    /** Whether there is room for a blob of `length` bytes, and no other one that a pack could not tell from it. */
    fits: (hash: Hash.Hash, length: number) =>
      used + length <= capacity && members.length < mostMembers && !prefixes.has(prefixOf(hash)),
    /** Takes the memory of a pack that the store has. */
    recycle: (bytes: Uint8Array) => {
      if (bytes.buffer.byteLength === wholeLength) spare = bytes.buffer
    },
    add: (hash: Hash.Hash, bytes: Uint8Array): Held => {
      // at once: what is not written to takes no memory, and growing would leave every size before as garbage
      if (arena.length === 0) arena = new Uint8Array(capacity)
      arena.set(bytes, used)
      group.bytes = arena
      const held: Held = { hash: Hash.unsafeFromBytes(hash.slice()), group, offset: used, length: bytes.length }
      prefixes.add(prefixOf(hash))
      members.push(held)
      used += bytes.length
      return held
    },
    /** Makes a pack of those blobs that are `wanted` still, and begins anew; nothing if there are none. */
    seal: (primitives: Primitives, wanted: (held: Held) => boolean): Group | undefined => {
      const sealed = group
      const kept = new Map(members.filter(wanted).map((held) => [Hash.toHex(held.hash), held]))
      group = { name: undefined, bytes: undefined, layout: undefined }
      members = []
      prefixes.clear()
      used = 0
      if (kept.size === 0) return undefined
      const layout = Pack.layout(kept.values())
      const bytes = room(layout.length)
      Pack.writeHeader(layout, bytes)
      for (const { hash, offset } of layout.members) {
        const held = kept.get(Hash.toHex(hash))
        if (held === undefined) continue
        bytes.set(arena.subarray(held.offset, held.offset + held.length), offset)
        held.offset = offset
      }
      sealed.bytes = bytes
      sealed.layout = layout
      sealed.name = primitives.blake3(bytes)
      return sealed
    }
  }
}
