/**
 * Chunks that a run has stored, so that what is there twice is encoded once.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Hash from "../schema/Hash.ts"
import type { ContentRef, NodeEntry } from "../schema/Node.ts"
import type { Primitives } from "../schema/Primitives.ts"
import * as BlobCodec from "./BlobCodec.ts"

type LeafEntry = NodeEntry & { readonly content: ContentRef }

/** By the hash of the plaintext; for one pipeline and one run. @since 0.1.0 @category models */
export interface KnownChunks {
  readonly find: (name: string) => LeafEntry | undefined
  readonly add: (name: string, entry: LeafEntry) => void
}

/** What makes an entry again: an entry with its hashes takes three times as much. */
interface Remembered {
  readonly hash: string
  readonly size: number
  /** -1 where the entry has neither blocks nor the plaintext's hash. */
  readonly blocks: number
  readonly skipped: boolean
}

/** Entries that are remembered: some 8 MB. @since 0.1.0 @category constants */
export const defaultCapacity = 32_768

const bytesOf = (name: string): Hash.Hash => Either.getOrThrow(Hash.fromHex(name))

/** An empty memory of at most `capacity` chunks; the oldest are forgotten. @since 0.1.0 @category constructors */
export const make = (capacity = defaultCapacity): KnownChunks => {
  // two halves, the older of which is dropped as a whole: an order of use for every chunk would cost more than it saves
  let young = new Map<string, Remembered>()
  let old = new Map<string, Remembered>()
  const remember = (name: string, entry: Remembered) => {
    young.set(name, entry)
    if (young.size * 2 < capacity) return
    old = young
    young = new Map()
  }
  return {
    find: (name) => {
      const found = young.get(name) ?? old.get(name)
      if (found === undefined) return undefined
      if (!young.has(name)) remember(name, found)
      const { blocks, hash, size, skipped } = found
      return {
        content: {
          structural: "leaf",
          hash: bytesOf(hash),
          size: BigInt(size),
          ...(blocks >= 0 && { plaintextHash: bytesOf(name), storedBlocks: BigInt(blocks) })
        },
        ...(skipped && { childContext: BlobCodec.skipMarker })
      }
    },
    add: (name, { childContext, content }) =>
      remember(name, {
        hash: Hash.toHex(content.hash),
        size: Number(content.size),
        blocks: Number(content.storedBlocks ?? -1n),
        skipped: childContext !== undefined
      })
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

/** Looks up every chunk of a batch, by the hashes that were `made` of them already if there are. @since 0.1.0 @category combinators */
export const ask = (
  known: KnownChunks,
  primitives: Primitives,
  chunks: ReadonlyArray<Uint8Array>,
  made?: ReadonlyArray<Hash.Hash>
): Asked => {
  const names: Array<string> = []
  const found: Array<LeafEntry | undefined> = []
  const fresh: Array<Uint8Array> = []
  const hashes: Array<Hash.Hash> = []
  const positions: Array<number> = []
  const placed = new Map<string, number>()
  for (const [at, chunk] of chunks.entries()) {
    const hash = made?.[at] ?? primitives.blake3(chunk)
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
