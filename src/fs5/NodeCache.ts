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
  /** Forgets the node of that stored blob. */
  readonly remove: (hash: Hash.Hash) => void
  /** The sum of the weights. */
  readonly weight: () => number
}

/** The default bound: bytes of CBOR, which take several times as much when decoded. @since 0.1.0 @category constants */
export const defaultCapacity = 8 * 1024 * 1024

interface Kept {
  readonly plaintextHash: Hash.Hash
  readonly node: Node
  readonly weight: number
}

/** A cache for nodes of at most `capacity` bytes together; a node that alone weighs more is not kept. @since 0.1.0 @category constructors */
export const make = (options: { readonly capacity?: number } = {}): NodeCache => {
  const capacity = options.capacity ?? defaultCapacity
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
    get: (hash, plaintextHash) => {
      const name = Hash.toHex(hash)
      const entry = kept.get(name)
      if (entry === undefined || !Bytes.equals(entry.plaintextHash, plaintextHash)) return undefined
      kept.delete(name)
      kept.set(name, entry)
      return entry.node
    },
    put: (hash, plaintextHash, node, weight) => {
      const name = Hash.toHex(hash)
      remove(name)
      if (weight > capacity) return
      kept.set(name, { plaintextHash, node, weight })
      total += weight
      for (const oldest of kept.keys()) {
        if (total <= capacity) break
        remove(oldest)
      }
    },
    remove: (hash) => remove(Hash.toHex(hash)),
    weight: () => total
  }
}
