/**
 * Leaf blobs back to plaintexts: what goes between a sealer and its workers for it, and the work itself.
 */
import * as Either from "effect/Either"
import * as BlobCodec from "../../fs5/BlobCodec.ts"
import * as Bytes from "../../schema/Bytes.ts"
import * as Hash from "../../schema/Hash.ts"
import type { ContentRef } from "../../schema/Node.ts"
import type { Primitives } from "../../schema/Primitives.ts"
import * as TraversalContext from "../../schema/TraversalContext.ts"
import type { OpenedLeaf, StoredLeaf } from "../../services/Sealer.ts"
import { release } from "./release.ts"

export interface UnsealRequest {
  readonly id: number
  /** As of a `SealRequest`. */
  readonly context: number
  readonly encoded: Uint8Array | undefined
  readonly blobs: ReadonlyArray<Uint8Array>
  /** Of each blob its hash and that of its plaintext, zeros where it has none. */
  readonly hashes: Uint8Array
  /** Of each blob the length of its plaintext, whether there is a hash of it, and whether it was not compressed. */
  readonly facts: Float64Array
  readonly verifyOnly: boolean
}

/** The leaves of a request, in its order. */
export interface Unsealed {
  readonly id: number
  /** Of each leaf the length of its plaintext, -1 for one that is not what it should be. */
  readonly lengths: Float64Array
  /** One after the other; empty where they were only verified. */
  readonly plaintexts: Uint8Array
}

const factsEach = 3

/** What opens leaves under `context`; nothing for one that is not what the tree says. */
export const open = (primitives: Primitives, context: TraversalContext.TraversalContext) => {
  let uncompressed: TraversalContext.TraversalContext | undefined
  return ({ content, isSkipped, stored }: StoredLeaf): Uint8Array | undefined => {
    if (!Bytes.equals(primitives.blake3(stored), content.hash)) return undefined
    if (isSkipped) uncompressed ??= TraversalContext.merge(context, BlobCodec.skipMarker)
    const opened = BlobCodec.openLeaf(primitives, (isSkipped ? uncompressed : undefined) ?? context, content, stored)
    return Either.isRight(opened) ? opened.right : undefined
  }
}

export const request = (
  head: Pick<UnsealRequest, "id" | "context" | "encoded">,
  leaves: ReadonlyArray<StoredLeaf>,
  verifyOnly: boolean
): UnsealRequest => {
  const hashes = new Uint8Array(leaves.length * Hash.length * 2)
  const facts = new Float64Array(leaves.length * factsEach)
  for (const [index, { content, isSkipped }] of leaves.entries()) {
    hashes.set(content.hash, index * Hash.length * 2)
    if (content.plaintextHash !== undefined) hashes.set(content.plaintextHash, (index * 2 + 1) * Hash.length)
    facts[index * factsEach] = Number(content.size)
    facts[index * factsEach + 1] = content.plaintextHash === undefined ? 0 : 1
    facts[index * factsEach + 2] = isSkipped ? 1 : 0
  }
  return { ...head, blobs: leaves.map(({ stored }) => stored), hashes, facts, verifyOnly }
}

/** Answers a request, on the worker's side. */
export const answer = (
  primitives: Primitives,
  context: TraversalContext.TraversalContext,
  { blobs, facts, hashes, id, verifyOnly }: UnsealRequest
): Unsealed => {
  const opened = open(primitives, context)
  const lengths = new Float64Array(blobs.length)
  const plaintexts: Array<Uint8Array> = []
  const own: Array<Uint8Array> = []
  for (const [index, stored] of blobs.entries()) {
    const at = index * Hash.length * 2
    const content: ContentRef = {
      structural: "leaf",
      hash: Hash.unsafeFromBytes(hashes.subarray(at, at + Hash.length)),
      size: BigInt(facts[index * factsEach]!),
      ...(facts[index * factsEach + 1] === 1 && {
        plaintextHash: Hash.unsafeFromBytes(hashes.subarray(at + Hash.length, at + Hash.length * 2))
      })
    }
    const bytes = opened({ content, isSkipped: facts[index * factsEach + 2] === 1, stored })
    lengths[index] = bytes?.length ?? -1
    if (bytes === undefined) continue
    if (!verifyOnly) plaintexts.push(bytes)
    // what is not encoded at all is its own plaintext
    if (bytes.buffer !== stored.buffer) own.push(bytes)
    if (!verifyOnly || own.length < 16) continue
    release(own)
    own.length = 0
  }
  const together = verifyOnly ? new Uint8Array(0) : Bytes.concat(...plaintexts)
  // copied, or only looked at: they would wait for a garbage collector that sees none of their memory
  release(own)
  return { id, lengths, plaintexts: together }
}

/** The leaves of an answer, on the sealer's side. */
export const leaves = ({ lengths, plaintexts }: Unsealed, verifyOnly: boolean): Array<OpenedLeaf | undefined> => {
  let at = 0
  return Array.from(lengths, (length) => {
    if (length < 0) return undefined
    const from = at
    at += length
    return { length, bytes: verifyOnly ? undefined : plaintexts.subarray(from, at) }
  })
}
