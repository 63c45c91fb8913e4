/**
 * Decoded nodes that were read lately, bounded by what they weigh (docs/format/fs5.md §6.8).
 *
 * @since 0.1.0
 */
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { Node } from "../schema/Node.ts"

/** Shared by all pipelines of a vault; it answers reads and never stands in for a write. @since 0.1.0 @category models */
export interface NodeCache {
  /** The node of that stored blob, if it is here and its plaintext was verified against `plaintextHash`. */
  readonly get: (hash: Hash.Hash, plaintextHash: Hash.Hash) => Node | undefined
  /** Keeps a verified node that weighs `weight` bytes, and forgets those that were not used for the longest time. */
  readonly put: (hash: Hash.Hash, plaintextHash: Hash.Hash, node: Node, weight: number) => void
  /** The same for a node that was just written: most of them are not read again, so all of them take an eighth of the capacity more at the most. */
  readonly putWritten: (hash: Hash.Hash, plaintextHash: Hash.Hash, node: Node, weight: number) => void
  /** Forgets the node of that stored blob. */
  readonly remove: (hash: Hash.Hash) => void
  /** The sum of the weights. */
  readonly weight: () => number
}

/** The default bound: bytes of CBOR, which take ten times as much when decoded. @since 0.1.0 @category constants */
export const defaultCapacity = 4 * 1024 * 1024

/** What written nodes may weigh: so many times less than those that were read. */
const writtenShare = 8

interface Kept {
  readonly plaintextHash: Hash.Hash
  readonly node: Node
  readonly weight: number
}

/** The nodes that were used last, of at most `capacity` bytes together. */
const recent = (capacity: number) => {
  // a Map iterates in the order of insertion: using an entry moves it to the end, so the first is the oldest
  const kept = new Map<string, Kept>()
  let total = 0
  const remove = (name: string) => {
    const entry = kept.get(name)
    if (entry === undefined) return
    kept.delete(name)
    total -= entry.weight
  }
  return {
    get: (name: string, plaintextHash: Hash.Hash) => {
      const entry = kept.get(name)
      if (entry === undefined || !Bytes.equals(entry.plaintextHash, plaintextHash)) return undefined
      kept.delete(name)
      kept.set(name, entry)
      return entry.node
    },
    put: (name: string, entry: Kept) => {
      remove(name)
      if (entry.weight > capacity) return
      kept.set(name, entry)
      total += entry.weight
      for (const oldest of kept.keys()) {
        if (total <= capacity) break
        remove(oldest)
      }
    },
    remove,
    total: () => total
  }
}

/** A cache for nodes that were read, of at most `capacity` bytes together, and some that were written; a node that alone weighs more is not kept. @since 0.1.0 @category constructors */
export const make = (options: { readonly capacity?: number } = {}): NodeCache => {
  const capacity = options.capacity ?? defaultCapacity
  const written = recent(Math.floor(capacity / writtenShare))
  const read = recent(capacity)
  return {
    get: (hash, plaintextHash) => {
      const name = Hash.toHex(hash)
      return read.get(name, plaintextHash) ?? written.get(name, plaintextHash)
    },
    put: (hash, plaintextHash, node, weight) => {
      const name = Hash.toHex(hash)
      written.remove(name)
      read.put(name, { plaintextHash, node, weight })
    },
    putWritten: (hash, plaintextHash, node, weight) => {
      const name = Hash.toHex(hash)
      if (read.get(name, plaintextHash) === undefined) written.put(name, { plaintextHash, node, weight })
    },
    remove: (hash) => {
      const name = Hash.toHex(hash)
      read.remove(name)
      written.remove(name)
    },
    weight: () => read.total() + written.total()
  }
}
