/**
 * Files to chunks and their hashes, where they are read: what goes between a sealer and its workers for it, and the work itself.
 */
import * as fs from "node:fs"
import * as Either from "effect/Either"
import * as Chunker from "../../fs5/Chunker.ts"
import * as Hash from "../../schema/Hash.ts"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { ExtendedAttribute } from "../../schema/Node.ts"
import type { Primitives } from "../../schema/Primitives.ts"
import type { TraversalContext } from "../../schema/TraversalContext.ts"
import { type FileStatus, type ListedFile, unchanged } from "../../services/LocalTree.ts"
import type { GatheredFile, GatheredPart } from "../../services/Sealer.ts"
import * as Doors from "./doors.ts"
import * as Files from "./files.ts"
import type { Native } from "./native.ts"
import * as WholeFiles from "./wholeFiles.ts"

/** What is to be read: files by their paths and what they were, or part of an open one. */
export type Source =
  | {
      /** All paths one after the other, and where each ends. */
      readonly paths: Uint8Array
      readonly pathEnds: Float64Array
      /** Of each file its device, inode, size, and times of modification and change. */
      readonly statuses: BigInt64Array
      readonly attributes: boolean
    }
  | { readonly descriptor: number; readonly offset: number; readonly length: number; readonly isEnd: boolean }

export interface GatherRequest {
  readonly id: number
  /** As of a `SealRequest`. */
  readonly context: number
  readonly encoded: Uint8Array | undefined
  readonly source: Source
  /** As of a `SealRequest`. */
  readonly spare: ReadonlyArray<ArrayBuffer>
}

export interface Gathered {
  readonly id: number
  /** The files one after the other, and something behind them. */
  readonly bytes: Uint8Array
  /** Of each chunk where it ends in `bytes`; it begins where the one before ends. */
  readonly ends: Float64Array
  /** How many chunks each file has; -1 for one that was not read. */
  readonly counts: Float64Array
  /** Of each chunk. */
  readonly hashes: Uint8Array
  /** Of the files that have any, by their numbers. */
  readonly attributes: ReadonlyArray<readonly [number, ReadonlyArray<ExtendedAttribute>]>
  /** Whether the file ended sooner than it was thought to. */
  readonly isShort: boolean
}

const statusEach = 5

/** The length of the buffers that are read into, so that they can be used again; what needs more has its own. */
export const bufferLength = (2 << 20) + (64 << 10)

export const filesOf = (files: ReadonlyArray<ListedFile>, attributes: boolean): Source => {
  let length = 0
  for (const { path } of files) length += path.bytes.length
  const paths = new Uint8Array(length)
  const pathEnds = new Float64Array(files.length)
  const statuses = new BigInt64Array(files.length * statusEach)
  let end = 0
  for (const [index, { expect, path }] of files.entries()) {
    paths.set(path.bytes, end)
    end += path.bytes.length
    pathEnds[index] = end
    const at = index * statusEach
    // numbers of 64 bits without a sign keep their bits
    statuses[at] = expect.device
    statuses[at + 1] = expect.inode
    statuses[at + 2] = expect.size
    statuses[at + 3] = expect.mtimeNs
    statuses[at + 4] = expect.ctimeNs
  }
  return { paths, pathEnds, statuses, attributes }
}

type FilesSource = Extract<Source, { readonly paths: unknown }>

const listed = ({ pathEnds, paths, statuses }: FilesSource): ReadonlyArray<ListedFile & { readonly index: number }> =>
  Array.from(pathEnds, (end, index) => {
    const at = index * statusEach
    const expect: FileStatus = {
      kind: "regular",
      device: BigInt.asUintN(64, statuses[at]!),
      inode: BigInt.asUintN(64, statuses[at + 1]!),
      size: statuses[at + 2]!,
      mtimeNs: statuses[at + 3]!,
      ctimeNs: statuses[at + 4]!,
      // not looked at
      nlink: 0n,
      mode: 0,
      uid: 0,
      gid: 0
    }
    return { index, path: LocalPath.make(paths.subarray(index === 0 ? 0 : pathEnds[index - 1]!, end)), expect }
  })

/** As many bytes of an open file as there are, up to `length`. */
const readInto = (fd: number, into: Uint8Array, at: number, length: number, offset: number): number => {
  let done = 0
  while (done < length) {
    const count = fs.readSync(fd, into, at + done, length - done, offset + done)
    if (count === 0) break
    done += count
  }
  return done
}

/** Does what a request asks for, on whatever thread; without `native` files have no attributes. */
export const perform = (
  primitives: Primitives,
  native: Native | undefined,
  context: TraversalContext,
  { id, source }: GatherRequest,
  bufferOf: (length: number) => Uint8Array = (length) => new Uint8Array(length)
): Gathered => {
  const ends: Array<number> = []
  const hashes: Array<Hash.Hash> = []
  /** Cuts what was read at `from`; the number of chunks, or -1 where the context has no way to cut. */
  const cut = (read: Uint8Array, from: number, isEnd: boolean, isWhole = true): number => {
    const found = Chunker.ends(context.chunking, read, isEnd)
    if (Either.isLeft(found)) return -1
    // a file without bytes is one chunk without bytes
    const own = read.length === 0 && isEnd && isWhole ? [0] : found.right
    let begin = 0
    for (const end of own) {
      hashes.push(primitives.blake3(read.subarray(begin, end)))
      ends.push(from + end)
      begin = end
    }
    return own.length
  }
  const reply = (
    bytes: Uint8Array,
    counts: ReadonlyArray<number>,
    isShort = false,
    attributes: Gathered["attributes"] = []
  ): Gathered => {
    const packed = new Uint8Array(hashes.length * Hash.length)
    for (const [index, hash] of hashes.entries()) packed.set(hash, index * Hash.length)
    return {
      id,
      bytes,
      ends: Float64Array.from(ends),
      counts: Float64Array.from(counts),
      hashes: packed,
      attributes,
      isShort
    }
  }

  if ("descriptor" in source) {
    const bytes = bufferOf(source.length)
    try {
      const count = readInto(source.descriptor, bytes, 0, source.length, source.offset)
      const isShort = count < source.length
      return reply(bytes, [cut(bytes.subarray(0, count), 0, source.isEnd || isShort, source.offset === 0)], isShort)
    } catch {
      // nothing is lost: who wants it reads it by itself, which tells what is wrong
      return reply(bytes, [-1])
    }
  }

  const files = listed(source)
  let length = 1
  for (const { expect } of files) length += Number(expect.size)
  const bytes = bufferOf(length)
  const attributes: Array<readonly [number, ReadonlyArray<ExtendedAttribute>]> = []
  let used = 0
  const counts = WholeFiles.each(files, (fd, { expect, index }, at) => {
    const own = source.attributes && native !== undefined ? Doors.attributesOf(native, fd, at) : undefined
    if (own !== undefined && Either.isLeft(own)) return Either.left(own.left)
    const size = Number(expect.size)
    // a size of 0 may be the truth or a file system that does not know it: one byte tells
    const count = readInto(fd, bytes, used, size === 0 ? 1 : size, 0)
    const isAsListed = count === size && unchanged(expect, Files.openStatus(native, fd))
    if (!isAsListed) return Either.right(-1)
    if (own !== undefined && own.right.length > 0) attributes.push([index, own.right])
    const chunks = cut(bytes.subarray(used, used + size), used, true)
    used += size
    return Either.right(chunks)
  }).map((count) => Either.getOrElse(count, () => -1))
  return reply(bytes, counts, false, attributes)
}

/** The chunks of an answer one after the other, on the sealer's side. */
const chunksOf = ({ bytes, ends, hashes }: Gathered) => {
  let next = 0
  return (count: number) => {
    const chunks: Array<Uint8Array> = []
    const own: Array<Hash.Hash> = []
    for (let left = count; left > 0; left--) {
      chunks.push(bytes.subarray(next === 0 ? 0 : ends[next - 1]!, ends[next]!))
      own.push(Hash.unsafeFromBytes(hashes.subarray(next * Hash.length, (next + 1) * Hash.length)))
      next++
    }
    return { chunks, hashes: own }
  }
}

/** The files of an answer; `count` were asked for. */
export const gatheredFiles = (count: number, reply: Gathered | undefined): ReadonlyArray<GatheredFile | undefined> => {
  const take = reply && chunksOf(reply)
  const attributes = new Map(reply?.attributes)
  return Array.from({ length: count }, (_, index) => {
    const chunks = reply?.counts[index] ?? -1
    return take === undefined || chunks < 0 ? undefined : { ...take(chunks), attributes: attributes.get(index) ?? [] }
  })
}

/** The part of an answer. */
export const gatheredPart = (
  { isEnd, offset }: { readonly offset: number; readonly isEnd: boolean },
  reply: Gathered | undefined
): GatheredPart | undefined => {
  const count = reply?.counts[0] ?? -1
  if (reply === undefined || count < 0) return undefined
  return {
    ...chunksOf(reply)(count),
    next: offset + (reply.ends[count - 1] ?? 0),
    isEnd: isEnd || reply.isShort
  }
}
