/**
 * What goes between a sealer and its workers: few objects and whole buffers, which move instead of being copied.
 */
import * as Either from "effect/Either"
import * as BlobCodec from "../../fs5/BlobCodec.ts"
import type { DamagedTree } from "../../fs5/TreeError.ts"
import * as Bytes from "../../schema/Bytes.ts"
import * as Hash from "../../schema/Hash.ts"
import type { Primitives } from "../../schema/Primitives.ts"
import type { TraversalContext } from "../../schema/TraversalContext.ts"
import type { SealError, SealedChunk } from "../../services/Sealer.ts"
import type * as FiledLeaves from "./filedLeaves.ts"
import * as Gathering from "./gathering.ts"
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
  /** What the chunks lie in: a view each would take longer to move than they do. */
  readonly buffers: ReadonlyArray<ArrayBufferLike>
  /** Of each chunk the number of its buffer, its offset there and its length. */
  readonly bounds: Float64Array
  /** Those of the plaintexts one after the other, where they are known. */
  readonly hashes: Uint8Array | undefined
  /** Memory that nobody uses. */
  readonly spare: ReadonlyArray<ArrayBuffer>
}

/** The blobs of a request, in its order. */
export interface Sealed {
  readonly id: number
  /** All stored bytes, one blob after the other, and something behind them. */
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

export type Request = SealRequest | Unsealing.UnsealRequest | FiledLeaves.FiledRequest | Gathering.GatherRequest
export type Reply = Sealed | Refused | Unsealing.Unsealed | FiledLeaves.FiledReply | Gathering.Gathered | Ready

const factsEach = 3
const boundsEach = 3

export const sealRequest = (
  head: Pick<SealRequest, "id" | "context" | "encoded">,
  chunks: ReadonlyArray<Uint8Array>,
  hashes: ReadonlyArray<Hash.Hash> | undefined,
  spare: ReadonlyArray<ArrayBuffer>
): SealRequest => {
  const buffers = new Map<ArrayBufferLike, number>()
  const bounds = new Float64Array(chunks.length * boundsEach)
  for (const [index, { buffer, byteLength, byteOffset }] of chunks.entries()) {
    const number = buffers.get(buffer) ?? buffers.size
    buffers.set(buffer, number)
    bounds[index * boundsEach] = number
    bounds[index * boundsEach + 1] = byteOffset
    bounds[index * boundsEach + 2] = byteLength
  }
  return { ...head, buffers: [...buffers.keys()], bounds, hashes: hashes && Bytes.concat(...hashes), spare }
}

export const reasonOf = (error: DamagedTree): SealError["reason"] =>
  error.reason === "WrongKey" ? "WrongKey" : "Unsupported"

/** Blobs that are encrypted one behind the other where they are sent from; `bounds` are those of the request. */
const roomFor = (context: TraversalContext, bounds: Float64Array, bufferOf: (length: number) => Uint8Array) => {
  let room: Uint8Array | undefined
  let used = 0
  /** No blob is longer than a frame that does not compress, and its padding. */
  const make = () => {
    const block = Math.max(context.leaf?.paddingBlock ?? 1, 1)
    let most = 0
    for (let at = 0; at < bounds.length; at += boundsEach) {
      const length = bounds[at + 2]!
      most += Math.ceil((length + (length >>> 7) + 128) / block) * block
    }
    // of a kind that is used again, which they mostly fit into: those that do not have memory of their own
    return bufferOf(Math.min(most, Gathering.bufferLength))
  }
  return {
    take: (length: number): Uint8Array => {
      room ??= make()
      if (used + length > room.length) return new Uint8Array(length)
      used += length
      return room.subarray(used - length, used)
    },
    /** All of it, where it holds all `length` bytes of the blobs. */
    whole: (length: number): Uint8Array | undefined => (used === length ? room : undefined)
  }
}

/** Answers a request, on the worker's side. */
export const seal = (
  primitives: Primitives,
  context: TraversalContext,
  request: SealRequest,
  bufferOf: (length: number) => Uint8Array
): Sealed | Refused => {
  const { bounds, buffers, hashes: known, id } = request
  const blobs: Array<BlobCodec.EncodedBlob> = []
  let length = 0
  const roomy = roomFor(context, bounds, bufferOf)
  for (let index = 0; index * boundsEach < bounds.length; index++) {
    const at = index * boundsEach
    const chunk = new Uint8Array(buffers[bounds[at]!]!, bounds[at + 1]!, bounds[at + 2]!)
    const hash = known && Hash.unsafeFromBytes(known.slice(index * Hash.length, (index + 1) * Hash.length))
    const blob = BlobCodec.encode(primitives, context.leaf, "leaf", context.keys, chunk, hash, roomy.take)
    if (Either.isLeft(blob)) return { id, reason: reasonOf(blob.left), detail: blob.left.message }
    blobs.push(blob.right)
    length += blob.right.stored.length
  }
  const stored = roomy.whole(length) ?? bufferOf(length)
  const hashes = new Uint8Array(blobs.length * Hash.length * 2)
  const facts = new Float64Array(blobs.length * factsEach)
  let at = 0
  for (const [index, blob] of blobs.entries()) {
    if (blob.stored.buffer !== stored.buffer) stored.set(blob.stored, at)
    at += blob.stored.length
    hashes.set(blob.hash, index * Hash.length * 2)
    hashes.set(blob.plaintextHash, index * Hash.length * 2 + Hash.length)
    facts.set([blob.stored.length, Number(blob.blocks), blob.skipped ? 1 : 0], index * factsEach)
  }
  // copied: they would wait for a garbage collector that sees none of their memory; a blob that is its chunk itself lies in a
  // buffer of the request, which is used again
  const others = [...buffers, stored.buffer]
  release(blobs.flatMap((blob) => (others.includes(blob.stored.buffer) ? [] : [blob.stored])))
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
