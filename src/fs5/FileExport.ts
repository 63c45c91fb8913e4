/**
 * The bytes of a file entry, verified on the way (docs/format/fs5.md §9).
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Hash from "../schema/Hash.ts"
import type { ContentRef, Node, NodeEntry } from "../schema/Node.ts"
import type { Filed, Service as Sealer } from "../services/Sealer.ts"
import * as FiledLeaves from "./FiledLeaves.ts"
import * as LeafBatches from "./LeafBatches.ts"
import type { Pipeline } from "./Pipeline.ts"
import { mapAhead } from "./ReadAhead.ts"
import { totalSize } from "./TreeBuilder.ts"
import { DamagedTree, type TreeError } from "./TreeError.ts"

/** Leaves that are read at the same time. @since 0.1.0 @category constants */
export const readsInFlight = 8

/** The highest level of a chunk tree that is followed: 2^64 bytes in nodes of four entries need fewer. @since 0.1.0 @category constants */
export const maximumLevel = 32

/** A chunk of a file, where it begins, and the pipeline that reads it. @since 0.1.0 @category models */
export interface PlacedChunk {
  readonly offset: bigint
  readonly entry: NodeEntry & { readonly content: ContentRef }
  readonly pipeline: Pipeline
}

/** Bytes of a file from `offset` on, at most `length` of them. @since 0.1.0 @category models */
export interface ByteRange {
  readonly offset: bigint
  readonly length: bigint
}

/** The key of a chunk that begins at `offset` (docs/format/fs5.md §4). @since 0.1.0 @category constructors */
export const chunkKey = (offset: bigint): string => offset.toString(16).padStart(16, "0")

const inconsistent = (hash: Hash.Hash | undefined, detail: string) =>
  new DamagedTree({ reason: "Inconsistent", blob: hash === undefined ? "" : Hash.toHex(hash), detail })

interface Frame {
  readonly hash: Hash.Hash
  readonly node: Node
  readonly pipeline: Pipeline
  index: number
  /** Where the entry at `index` begins. */
  offset: bigint
}

/** The node that `content` links, which must span `content.size` bytes. */
const open = (
  pipeline: Pipeline,
  content: ContentRef,
  offset: bigint,
  level: number | undefined
): Effect.Effect<Frame, TreeError> =>
  Effect.flatMap(pipeline.readNode(content), (node): Effect.Effect<Frame, DamagedTree> => {
    const fail = (detail: string) => Effect.fail(inconsistent(content.hash, detail))
    const header = node.header
    if (header.kind !== "bytestream") return fail(`a file's content is linked to a ${header.kind} node`)
    if (level === undefined ? header.level > maximumLevel : header.level !== level) {
      return fail(`a chunk tree node has level ${header.level}, expected ${level ?? `at most ${maximumLevel}`}`)
    }
    if (node.entries.length === 0) return fail("a chunk tree node has no entries")
    const size = totalSize(node.entries)
    if (size !== content.size) return fail(`its entries span ${size} bytes where its link says ${content.size}`)
    return Effect.succeed({ hash: content.hash, node, pipeline, index: 0, offset })
  })

/** The next entry of a frame, or why it cannot be one. */
const next = (frame: Frame, structural: ContentRef["structural"]): PlacedChunk | DamagedTree => {
  const [key, entry] = frame.node.entries[frame.index]!
  const { content, tombstone } = entry
  const offset = frame.offset
  if (key !== chunkKey(offset)) {
    return inconsistent(
      frame.hash,
      `its entry ${frame.index} has the key ${JSON.stringify(key)}, expected "${chunkKey(offset)}"`
    )
  }
  if (content === undefined || tombstone !== undefined || content.structural !== structural || content.size === 0n) {
    return inconsistent(
      frame.hash,
      `its entry at offset ${offset} is no ${structural === "leaf" ? "chunk" : "link"} with bytes`
    )
  }
  frame.index++
  frame.offset += content.size
  return { offset, entry: { ...entry, content }, pipeline: frame.pipeline }
}

/**
 * The chunks of a file entry in order, those outside of `range` left out with their subtrees.
 *
 * Offsets, sizes, levels and kinds are verified: a contradiction is `DamagedTree` `Inconsistent`. A file that is one leaf
 * is one chunk at 0.
 *
 * @since 0.1.0
 * @category reading
 */
export const chunks = (
  pipeline: Pipeline,
  entry: NodeEntry,
  range?: ByteRange
): Stream.Stream<PlacedChunk, TreeError> =>
  Stream.suspend(() => {
    const content = entry.content
    if (content === undefined) return Stream.fail(inconsistent(undefined, "an entry without content has no bytes"))
    const inner = pipeline.within(entry.childContext)
    if (content.structural === "leaf") {
      return Stream.succeed({ offset: 0n, entry: { ...entry, content }, pipeline: inner })
    }
    const wanted = (chunk: PlacedChunk): boolean =>
      range === undefined ||
      (chunk.offset + chunk.entry.content.size > range.offset && chunk.offset < range.offset + range.length)

    const stack: Array<Frame> = []
    const step = (): Effect.Effect<Option.Option<readonly [Chunk.Chunk<PlacedChunk>, undefined]>, TreeError> => {
      const frame = stack[stack.length - 1]
      if (frame === undefined) return Effect.succeedNone
      if (frame.node.header.level === 0) {
        const placed: Array<PlacedChunk> = []
        while (frame.index < frame.node.entries.length) {
          const chunk = next(frame, "leaf")
          if (chunk instanceof DamagedTree) return Effect.fail(chunk)
          if (wanted(chunk)) placed.push(chunk)
        }
        stack.pop()
        return Effect.succeedSome([Chunk.unsafeFromArray(placed), undefined])
      }
      while (frame.index < frame.node.entries.length) {
        const link = next(frame, "link")
        if (link instanceof DamagedTree) return Effect.fail(link)
        if (!wanted(link)) continue
        const child = frame.pipeline.within(link.entry.childContext)
        return Effect.map(open(child, link.entry.content, link.offset, frame.node.header.level - 1), (below) => {
          stack.push(below)
          return Option.some([Chunk.empty<PlacedChunk>(), undefined] as const)
        })
      }
      stack.pop()
      return Effect.succeedSome([Chunk.empty<PlacedChunk>(), undefined])
    }

    return Stream.unwrap(
      Effect.map(open(inner, content, 0n, undefined), (root) => {
        stack.push(root)
        return Stream.unfoldChunkEffect(undefined, step)
      })
    )
  })

/**
 * All chunks of a file whose tree is a single node, as small files have it; nothing for larger ones.
 *
 * @since 0.1.0
 * @category reading
 */
export const fewChunks = (
  pipeline: Pipeline,
  entry: NodeEntry & { readonly content: ContentRef }
): Effect.Effect<ReadonlyArray<PlacedChunk> | undefined, TreeError> => {
  const { content } = entry
  // a leaf's own context is merged by whoever reads it; without it, it is like its neighbours
  if (content.structural === "leaf") return Effect.succeed([{ offset: 0n, entry, pipeline }])
  return Effect.flatMap(
    open(pipeline.within(entry.childContext), content, 0n, undefined),
    (frame): Effect.Effect<ReadonlyArray<PlacedChunk> | undefined, DamagedTree> => {
      if (frame.node.header.level > 0) return Effect.succeed(undefined)
      const placed: Array<PlacedChunk> = []
      while (frame.index < frame.node.entries.length) {
        const chunk = next(frame, "leaf")
        if (chunk instanceof DamagedTree) return Effect.fail(chunk)
        placed.push(chunk)
      }
      return Effect.succeed(placed)
    }
  )
}

/** A chunk's plaintext, whose length is exactly its entry's size. */
const read = (chunk: PlacedChunk): Effect.Effect<Uint8Array, TreeError> =>
  Effect.filterOrFail(
    chunk.pipeline.readLeaf(chunk.entry),
    (bytes) => BigInt(bytes.length) === chunk.entry.content.size,
    (bytes) =>
      inconsistent(
        chunk.entry.content.hash,
        `it has ${bytes.length} bytes where its entry says ${chunk.entry.content.size}`
      )
  )

/** Chunks that are read together: so many bytes, or so many chunks. */
const stretchBytes = 512n * 1024n
const stretchLength = 16

/** Stretches that are on their way at the same time: as many chunks as memory was promised for. */
const stretchesInFlight = 4

/** The same where chunks are read and opened many at once. */
const bulkStretchBytes = 4n * 1024n * 1024n
const bulkStretchLength = 256
const bulkStretchesInFlight = 2

interface Stretch {
  readonly chunks: ReadonlyArray<PlacedChunk>
}

/** Neighbours together; a chunk as long as a stretch is one by itself. */
const stretches = (
  placed: Stream.Stream<PlacedChunk, TreeError>,
  mostBytes: bigint,
  most: number
): Stream.Stream<Stretch, TreeError> =>
  Stream.mapChunks(placed, (some) => {
    const out: Array<Stretch> = []
    let open: Array<PlacedChunk> = []
    let bytes = 0n
    for (const chunk of some) {
      const { size } = chunk.entry.content
      if (open.length > 0 && (bytes + size > mostBytes || open.length >= most)) {
        out.push({ chunks: open })
        open = []
        bytes = 0n
      }
      open.push(chunk)
      bytes += size
    }
    if (open.length > 0) out.push({ chunks: open })
    return Chunk.unsafeFromArray(out)
  })

const withoutEmpty = (pieces: ReadonlyArray<Uint8Array>): Chunk.Chunk<Uint8Array> =>
  Chunk.unsafeFromArray(pieces.filter((bytes) => bytes.length > 0))

const readStretch = ({ chunks }: Stretch): Effect.Effect<Chunk.Chunk<Uint8Array>, TreeError> =>
  Effect.map(Effect.forEach(chunks, read), withoutEmpty)

/** All at once; those that this does not bring are read one by one, which tells what is wrong with them. */
const readStretchTogether =
  (sealer: Sealer) =>
  ({ chunks }: Stretch): Effect.Effect<Chunk.Chunk<Uint8Array>, TreeError> =>
    Effect.flatMap(LeafBatches.read(sealer, chunks), (opened) =>
      Effect.map(
        Effect.forEach(chunks, (chunk, at) => {
          const found = opened[at]
          return found?.bytes !== undefined && BigInt(found.length) === chunk.entry.content.size
            ? Effect.succeed(found.bytes)
            : read(chunk)
        }),
        withoutEmpty
      )
    )

/**
 * The bytes of a file entry in order, some leaves ahead; exactly as many as the entry says. With a sealer, whole stretches are
 * read and opened at once.
 *
 * @since 0.1.0
 * @category reading
 */
export const exportFile = (
  pipeline: Pipeline,
  entry: NodeEntry,
  sealer?: Sealer
): Stream.Stream<Uint8Array, TreeError> => {
  const placed = chunks(pipeline, entry)
  return Stream.flattenChunks(
    sealer === undefined
      ? mapAhead(stretches(placed, stretchBytes, stretchLength), stretchesInFlight, readStretch)
      : mapAhead(
          stretches(placed, bulkStretchBytes, bulkStretchLength),
          bulkStretchesInFlight,
          readStretchTogether(sealer)
        )
  )
}

/** The same where chunks go into the file without coming here: nothing of them is held. */
const filedStretchBytes = 16n * 1024n * 1024n
const filedStretchesInFlight = 2

/**
 * Writes the bytes of a file entry into an open file as long as the entry says, in no particular order; `wrote` is told of
 * them as they are written.
 *
 * @since 0.1.0
 * @category reading
 */
export const fillFile = <E, E2>(
  pipeline: Pipeline,
  entry: NodeEntry,
  filed: Filed,
  file: {
    readonly descriptor: number
    readonly write: (bytes: Uint8Array, position: number) => Effect.Effect<void, E>
  },
  wrote: (bytes: number) => Effect.Effect<void, E2>
): Effect.Effect<void, TreeError | E | E2> =>
  stretches(chunks(pipeline, entry), filedStretchBytes, Number.POSITIVE_INFINITY).pipe(
    Stream.mapEffect(
      ({ chunks }) =>
        Effect.gen(function* () {
          const done = yield* FiledLeaves.fill(filed, chunks, file.descriptor)
          // one by one, which tells what is wrong with them
          for (const [at, chunk] of chunks.entries())
            if (done[at] !== true) yield* file.write(yield* read(chunk), Number(chunk.offset))
          yield* wrote(chunks.reduce((sum, { entry: { content } }) => sum + Number(content.size), 0))
        }),
      { concurrency: filedStretchesInFlight, unordered: true }
    ),
    Stream.runDrain
  )

/**
 * The part of a file that `range` names, cut off at the file's end; only the chunks that it touches are read.
 *
 * @since 0.1.0
 * @category reading
 */
export const exportRange = (
  pipeline: Pipeline,
  entry: NodeEntry,
  range: ByteRange
): Stream.Stream<Uint8Array, TreeError> => {
  const until = range.offset + range.length
  const clipped = (chunk: PlacedChunk) =>
    Effect.map(read(chunk), (bytes) => {
      const from = range.offset > chunk.offset ? Number(range.offset - chunk.offset) : 0
      const to = until - chunk.offset
      return bytes.subarray(from, to < BigInt(bytes.length) ? Number(to) : bytes.length)
    })
  return range.length <= 0n
    ? Stream.empty
    : Stream.filter(mapAhead(chunks(pipeline, entry, range), readsInFlight, clipped), (bytes) => bytes.length > 0)
}
