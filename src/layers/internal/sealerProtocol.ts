/**
 * What goes between a sealer and its workers: few objects and whole buffers, which move instead of being copied.
 */
import * as Either from "effect/Either"
import * as BlobCodec from "../../fs5/BlobCodec.ts"
import type { DamagedTree } from "../../fs5/TreeError.ts"
import * as Hash from "../../schema/Hash.ts"
import type { Primitives } from "../../schema/Primitives.ts"
import type { TraversalContext } from "../../schema/TraversalContext.ts"
import type { SealError, SealedChunk } from "../../services/Sealer.ts"
import type * as FiledLeaves from "./filedLeaves.ts"
import { release } from "./release.ts"
import type * as Unsealing from "./unsealing.ts"

/** What a worker is started with. */
export interface Start {
  readonly implementation: "auto" | "portable"
}

export interface SealRequest {
  readonly id: number
  /** Contexts are numbered; one that a worker does not know yet comes with its CBOR. */
  readonly context: number
  readonly encoded: Uint8Array | undefined
  readonly chunks: ReadonlyArray<Uint8Array>
  /** Those of the plaintexts one after the other, where they are known. */
  readonly hashes: Uint8Array | undefined
}

/** The blobs of a request, in its order. */
export interface Sealed {
  readonly id: number
  /** All stored bytes, one blob after the other. */
  readonly stored: Uint8Array
  /** Of each blob its hash and that of its plaintext. */
  readonly hashes: Uint8Array
  /** Of each blob its length, its blocks, and 1 where compression was skipped. */
  readonly facts: Float64Array
}

export interface Refused {
  readonly id: number
  readonly reason: SealError["reason"]
  readonly detail: string
}

export interface Ready {
  readonly ready: true
}

export type Request = SealRequest | Unsealing.UnsealRequest | FiledLeaves.FiledRequest
export type Reply = Sealed | Refused | Unsealing.Unsealed | FiledLeaves.FiledReply | Ready

const factsEach = 3

export const reasonOf = (error: DamagedTree): SealError["reason"] =>
  error.reason === "WrongKey" ? "WrongKey" : "Unsupported"

/** Answers a request, on the worker's side. */
export const seal = (primitives: Primitives, context: TraversalContext, request: SealRequest): Sealed | Refused => {
  const { chunks, hashes: known, id } = request
  const blobs: Array<BlobCodec.EncodedBlob> = []
  let length = 0
  for (const [index, chunk] of chunks.entries()) {
    const hash = known && Hash.unsafeFromBytes(known.slice(index * Hash.length, (index + 1) * Hash.length))
    const blob = BlobCodec.encode(primitives, context.leaf, "leaf", context.keys, chunk, hash)
    if (Either.isLeft(blob)) return { id, reason: reasonOf(blob.left), detail: blob.left.message }
    blobs.push(blob.right)
    length += blob.right.stored.length
  }
  const stored = new Uint8Array(length)
  const hashes = new Uint8Array(blobs.length * Hash.length * 2)
  const facts = new Float64Array(blobs.length * factsEach)
  let at = 0
  for (const [index, blob] of blobs.entries()) {
    stored.set(blob.stored, at)
    at += blob.stored.length
    hashes.set(blob.hash, index * Hash.length * 2)
    hashes.set(blob.plaintextHash, index * Hash.length * 2 + Hash.length)
    facts.set([blob.stored.length, Number(blob.blocks), blob.skipped ? 1 : 0], index * factsEach)
  }
  // copied: they would wait for a garbage collector that sees none of their memory
  release(blobs.map((blob) => blob.stored))
  return { id, stored, hashes, facts }
}

/** The leaves of an answer, on the sealer's side; `lengths` are those of the plaintexts. */
export const leaves = (
  context: TraversalContext,
  lengths: ReadonlyArray<number>,
  { facts, hashes, stored }: Sealed
): ReadonlyArray<SealedChunk> => {
  let at = 0
  return lengths.map((length, index) => {
    const storedLength = facts[index * factsEach]!
    const from = index * Hash.length * 2
    const blob: BlobCodec.EncodedBlob = {
      // entries are kept for long: a view would keep the hashes of the whole batch
      hash: Hash.unsafeFromBytes(hashes.slice(from, from + Hash.length)),
      plaintextHash: Hash.unsafeFromBytes(hashes.slice(from + Hash.length, from + Hash.length * 2)),
      stored: stored.subarray(at, at + storedLength),
      blocks: BigInt(facts[index * factsEach + 1]!),
      skipped: facts[index * factsEach + 2] === 1
    }
    at += storedLength
    return BlobCodec.leafOf(context, BigInt(length), blob)
  })
}
