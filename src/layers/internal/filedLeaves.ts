/**
 * Opening leaf blobs where they lie in files, and writing what comes out where it belongs: what goes between a sealer and its
 * workers for it, and the work itself.
 */
import * as fs from "node:fs"
import * as Either from "effect/Either"
import * as Bytes from "../../schema/Bytes.ts"
import * as Hash from "../../schema/Hash.ts"
import type { ContentRef } from "../../schema/Node.ts"
import type { Primitives } from "../../schema/Primitives.ts"
import type { TraversalContext } from "../../schema/TraversalContext.ts"
import type { FileOrder, Note } from "../../services/LocalTree.ts"
import type { FiledLeaf } from "../../services/Sealer.ts"
import * as Files from "./files.ts"
import * as Metadata from "./metadata.ts"
import type { Native } from "./native.ts"
import { release } from "./release.ts"
import * as SmallFiles from "./smallFiles.ts"
import * as Sparse from "./sparse.ts"
import * as Unsealing from "./unsealing.ts"

/** What becomes of the plaintexts. */
export type Purpose =
  | { readonly verify: true }
  | { readonly descriptor: number; readonly positions: Float64Array }
  | { readonly orders: ReadonlyArray<{ readonly order: FileOrder; readonly leaves: ReadonlyArray<number> }> }

export interface FiledRequest {
  readonly id: number
  /** As of a `SealRequest`. */
  readonly context: number
  readonly encoded: Uint8Array | undefined
  readonly files: ReadonlyArray<string>
  /** Of each leaf its hash and that of its plaintext, zeros where it has none. */
  readonly hashes: Uint8Array
  /** Of each leaf: number of its file, offset, stored length, length of its plaintext, and its flags. */
  readonly facts: Float64Array
  readonly purpose: Purpose
}

export interface FiledReply {
  readonly id: number
  /** 1 for each leaf, or each order, that was done. */
  readonly done: Uint8Array
  /** What is to be said of orders that were, by their numbers. */
  readonly notes: ReadonlyArray<readonly [number, ReadonlyArray<Note>]>
}

const factsEach = 5
const hasPlaintextHash = 1
const isSkipped = 2

/** A gap that is read along, because one read more would cost more, and the longest read of several blobs. */
const widestGap = 64 * 1024
const readLength = 1024 * 1024

/** Plaintexts are given back when there are so many of them, or so many bytes. */
const mostGarbage = 64
const mostGarbageBytes = 1024 * 1024

export const request = (
  head: Pick<FiledRequest, "id" | "context" | "encoded">,
  leaves: ReadonlyArray<FiledLeaf>,
  purpose: Purpose
): FiledRequest => {
  const files = new Map<string, number>()
  const hashes = new Uint8Array(leaves.length * Hash.length * 2)
  const facts = new Float64Array(leaves.length * factsEach)
  for (const [index, leaf] of leaves.entries()) {
    const { content, file, length, offset } = leaf
    const number = files.get(file) ?? files.size
    files.set(file, number)
    hashes.set(content.hash, index * Hash.length * 2)
    if (content.plaintextHash !== undefined) hashes.set(content.plaintextHash, (index * 2 + 1) * Hash.length)
    const at = index * factsEach
    facts[at] = number
    facts[at + 1] = offset
    facts[at + 2] = length
    facts[at + 3] = Number(content.size)
    facts[at + 4] = (content.plaintextHash === undefined ? 0 : hasPlaintextHash) | (leaf.isSkipped ? isSkipped : 0)
  }
  return { ...head, files: [...files.keys()], hashes, facts, purpose }
}

/** What reads are made into; longer ones take memory of their own. */
let kept: Buffer | undefined

/** What is decrypted into; longer ones take memory of their own. */
let keptDecrypted: Uint8Array | undefined

/** The bytes of an open file from `offset` on, as many as there are. */
const readAt = (fd: number, offset: number, length: number): Buffer => {
  kept ??= Buffer.allocUnsafeSlow(readLength)
  const into = length <= kept.length ? kept.subarray(0, length) : Buffer.allocUnsafeSlow(length)
  let at = 0
  while (at < length) {
    const count = fs.readSync(fd, into, at, length - at, offset + at)
    if (count === 0) break
    at += count
  }
  return into.subarray(0, at)
}

/** Calls `use` with each leaf's stored bytes, which are there until it returns, or nothing where they cannot be had. */
const eachStored = (
  { facts, files }: FiledRequest,
  use: (index: number, stored: Uint8Array | undefined) => void
): void => {
  const count = facts.length / factsEach
  let open = -1
  let fd = -1
  const close = () => {
    if (fd >= 0) fs.closeSync(fd)
    fd = -1
  }
  const read = (file: number, offset: number, length: number): Buffer | undefined => {
    try {
      if (file !== open) {
        close()
        open = file
        fd = fs.openSync(files[file]!, Files.readFlags)
      }
      return fd < 0 ? undefined : readAt(fd, offset, length)
    } catch {
      // nothing is lost: whoever asked reads these one by one the other way, which tells what is wrong
      return undefined
    }
  }
  try {
    for (let first = 0; first < count; ) {
      const file = facts[first * factsEach]!
      const from = facts[first * factsEach + 1]!
      let end = from + facts[first * factsEach + 2]!
      let next = first + 1
      for (; next < count && facts[next * factsEach] === file; next++) {
        const offset = facts[next * factsEach + 1]!
        const until = Math.max(end, offset + facts[next * factsEach + 2]!)
        if (offset < from || offset > end + widestGap || until - from > readLength) break
        end = until
      }
      const bytes = read(file, from, end - from)
      for (; first < next; first++) {
        const offset = facts[first * factsEach + 1]! - from
        const until = offset + facts[first * factsEach + 2]!
        use(first, bytes === undefined || until > bytes.length ? undefined : bytes.subarray(offset, until))
      }
    }
  } finally {
    close()
  }
}

/** Does what a request asks for, on whatever thread; `native` is what making files needs. */
export const perform = (
  primitives: Primitives,
  native: Native | undefined,
  context: TraversalContext,
  request: FiledRequest
): FiledReply => {
  const { facts, hashes, id, purpose } = request
  const count = facts.length / factsEach
  /** What was decrypted last, in memory of its own: nobody but the decompressor sees it. */
  let decrypted: Uint8Array | undefined
  const { chacha20Into } = primitives
  const chacha20: Primitives["chacha20"] = (key, bytes) => {
    if (chacha20Into !== undefined && bytes.length <= readLength) {
      keptDecrypted ??= new Uint8Array(readLength)
      const out = keptDecrypted.subarray(0, bytes.length)
      chacha20Into(key, bytes, out)
      return out
    }
    decrypted = primitives.chacha20(key, bytes)
    return decrypted
  }
  /** What the last plaintext lies in, where the next one will lie too. */
  let reused: ArrayBufferLike | undefined
  const { zstdDecompressOnce } = primitives
  const zstdDecompress: Primitives["zstdDecompress"] =
    zstdDecompressOnce === undefined
      ? primitives.zstdDecompress
      : (bytes, limit) => {
          const content = zstdDecompressOnce(bytes, limit)
          if (Either.isRight(content)) reused = content.right.buffer
          return content
        }
  const opened = Unsealing.open({ ...primitives, chacha20, zstdDecompress }, context)
  /** Whether the next leaf is read, decrypted or decompressed to the same place. */
  const isBorrowed = ({ buffer }: Uint8Array): boolean =>
    buffer === kept?.buffer || buffer === keptDecrypted?.buffer || buffer === reused

  const garbage: Array<Uint8Array> = []
  let garbageBytes = 0
  /** Gives a plaintext's memory back, some time soon. */
  const drop = (bytes: Uint8Array) => {
    if (isBorrowed(bytes)) return
    garbage.push(bytes)
    garbageBytes += bytes.length
    if (garbage.length < mostGarbage && garbageBytes < mostGarbageBytes) return
    release(garbage)
    garbage.length = 0
    garbageBytes = 0
  }

  const plaintext = (index: number, stored: Uint8Array | undefined): Uint8Array | undefined => {
    if (stored === undefined) return undefined
    const at = index * Hash.length * 2
    const flags = facts[index * factsEach + 4]!
    const content: ContentRef = {
      structural: "leaf",
      hash: Hash.unsafeFromBytes(hashes.subarray(at, at + Hash.length)),
      size: BigInt(facts[index * factsEach + 3]!),
      ...((flags & hasPlaintextHash) !== 0 && {
        plaintextHash: Hash.unsafeFromBytes(hashes.subarray(at + Hash.length, at + Hash.length * 2))
      })
    }
    const bytes = opened({ content, isSkipped: (flags & isSkipped) !== 0, stored })
    if (decrypted !== undefined && decrypted.buffer !== bytes?.buffer) drop(decrypted)
    decrypted = undefined
    return bytes
  }
  const isSame = (a: number, b: number): boolean => {
    const each = Hash.length * 2
    return (
      facts[a * factsEach + 3] === facts[b * factsEach + 3] &&
      facts[a * factsEach + 4] === facts[b * factsEach + 4] &&
      Bytes.equals(hashes.subarray(a * each, (a + 1) * each), hashes.subarray(b * each, (b + 1) * each))
    )
  }

  const verify = () => {
    const done = new Uint8Array(count)
    eachStored(request, (index, stored) => {
      const bytes = plaintext(index, stored)
      if (bytes === undefined) return
      done[index] = 1
      drop(bytes)
    })
    return { id, done, notes: [] }
  }

  const fill = (descriptor: number, positions: Float64Array) => {
    const done = new Uint8Array(count)
    // the same blob again and again, as of a file of zeros
    let last = -1
    let same: Uint8Array | undefined
    eachStored(request, (index, stored) => {
      if (last < 0 || !isSame(last, index)) {
        if (same !== undefined) drop(same)
        const bytes = plaintext(index, stored)
        // what was not encoded at all lies where the next leaves are read to
        same = bytes?.buffer === kept?.buffer ? bytes?.slice() : bytes
        last = index
      }
      if (same === undefined) return
      try {
        Sparse.writeAt(descriptor, same, positions[index]!)
        done[index] = 1
      } catch {
        // nothing is lost: it is written again by itself, which tells what is wrong
      }
    })
    if (same !== undefined) drop(same)
    return { id, done, notes: [] }
  }

  const make = (orders: Extract<Purpose, { readonly orders: unknown }>["orders"]) => {
    const done = new Uint8Array(orders.length)
    const notes: Array<readonly [number, ReadonlyArray<Note>]> = []
    if (native === undefined) return { id, done, notes }
    const makers = [false, true].map((allowSetuid) =>
      SmallFiles.maker(native, Metadata.make(native, allowSetuid).apply)
    )
    const orderOf = new Int32Array(count)
    const missing = orders.map(({ leaves }, number) => {
      for (const leaf of leaves) orderOf[leaf] = number
      return leaves.length
    })
    const pieces: Array<Uint8Array | undefined> = new Array(count)
    const finish = (number: number) => {
      const { leaves, order } = orders[number]!
      const own = leaves.flatMap((leaf) => pieces[leaf] ?? [])
      if (own.length === leaves.length) {
        const made = makers[order.allowSetuid ? 1 : 0]!(order, own, { path: "" })
        if (Either.isRight(made)) {
          done[number] = 1
          if (made.right.length > 0) notes.push([number, made.right])
        }
      }
      for (const bytes of own) drop(bytes)
      for (const leaf of leaves) pieces[leaf] = undefined
    }
    eachStored(request, (index, stored) => {
      const number = orderOf[index]!
      const bytes = plaintext(index, stored)
      const rest = --missing[number]!
      // its memory is read into again before the others of the file are there
      pieces[index] = bytes !== undefined && rest > 0 && isBorrowed(bytes) ? bytes.slice() : bytes
      if (rest === 0) finish(number)
    })
    return { id, done, notes }
  }

  const reply =
    "verify" in purpose
      ? verify()
      : "orders" in purpose
        ? make(purpose.orders)
        : fill(purpose.descriptor, purpose.positions)
  release(garbage)
  return reply
}
