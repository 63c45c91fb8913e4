/**
 * Chunks that a run has stored, so that what is there twice is encoded once.
 *
 * @since 0.1.0
 */
import * as Hash from "../schema/Hash.ts"
import type { ContentRef, NodeEntry } from "../schema/Node.ts"
import type { Primitives } from "../schema/Primitives.ts"

type LeafEntry = NodeEntry & { readonly content: ContentRef }

/** By the hash of the plaintext; for one pipeline and one run. @since 0.1.0 @category models */
export interface KnownChunks {
  readonly find: (name: string) => LeafEntry | undefined
  readonly add: (name: string, entry: LeafEntry) => void
}

/** Entries that are remembered: some 10 MB. @since 0.1.0 @category constants */
export const defaultCapacity = 32_768

/** An empty memory of at most `capacity` chunks; the oldest are forgotten. @since 0.1.0 @category constructors */
export const make = (capacity = defaultCapacity): KnownChunks => {
  // two halves, the older of which is dropped as a whole: an order of use for every chunk would cost more than it saves
  let young = new Map<string, LeafEntry>()
  let old = new Map<string, LeafEntry>()
  const add = (name: string, entry: LeafEntry) => {
    young.set(name, entry)
    if (young.size * 2 < capacity) return
    old = young
    young = new Map()
  }
  return {
    find: (name) => {
      const found = young.get(name)
      if (found !== undefined) return found
      const before = old.get(name)
      if (before !== undefined) add(name, before)
      return before
    },
    add
  }
}

/** A batch of chunks and what is known of them. @since 0.1.0 @category models */
export interface Asked {
  readonly known: KnownChunks
  readonly names: ReadonlyArray<string>
  readonly found: ReadonlyArray<LeafEntry | undefined>
  /** Those to be stored, each once. */
  readonly fresh: ReadonlyArray<Uint8Array>
  /** Their hashes. */
  readonly hashes: ReadonlyArray<Hash.Hash>
  /** The position in `fresh` of each that was not found. */
  readonly positions: ReadonlyArray<number>
}

/** Looks up every chunk of a batch. @since 0.1.0 @category combinators */
export const ask = (known: KnownChunks, primitives: Primitives, chunks: ReadonlyArray<Uint8Array>): Asked => {
  const names: Array<string> = []
  const found: Array<LeafEntry | undefined> = []
  const fresh: Array<Uint8Array> = []
  const hashes: Array<Hash.Hash> = []
  const positions: Array<number> = []
  const placed = new Map<string, number>()
  for (const chunk of chunks) {
    const hash = primitives.blake3(chunk)
    const name = Hash.toHex(hash)
    const entry = known.find(name)
    let position = -1
    if (entry === undefined) {
      position = placed.get(name) ?? fresh.length
      if (position === fresh.length) {
        placed.set(name, position)
        fresh.push(chunk)
        hashes.push(hash)
      }
    }
    names.push(name)
    found.push(entry)
    positions.push(position)
  }
  return { known, names, found, fresh, hashes, positions }
}

/** The entries of the whole batch, given those of `fresh`, whose blobs are stored: they are known from now on. @since 0.1.0 @category combinators */
export const answer = (asked: Asked, stored: ReadonlyArray<LeafEntry>): ReadonlyArray<LeafEntry> =>
  asked.names.map((name, at) => {
    const before = asked.found[at]
    if (before !== undefined) return before
    const entry = stored[asked.positions[at]!]!
    asked.known.add(name, entry)
    return entry
  })
