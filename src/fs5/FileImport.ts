/**
 * A file's bytes to an entry: chunks to leaves, and more than one of them to a chunk tree (docs/format/fs5.md §8).
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { NodeEntry, SemanticMeta } from "../schema/Node.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import { type BlobStoreError, batchOf } from "../services/BlobStore.ts"
import type { Cut, SealError, SealedChunk, Service as Sealer } from "../services/Sealer.ts"
import * as Chunker from "./Chunker.ts"
import * as ChunkReuse from "./ChunkReuse.ts"
import * as FileExport from "./FileExport.ts"
import * as KnownChunks from "./KnownChunks.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { KeyedEntry } from "./ReadableLayer.ts"
import * as TreeBuilder from "./TreeBuilder.ts"
import { DamagedTree, type TreeError } from "./TreeError.ts"

/** Bytes of chunks that are sealed together. */
const batchLength = 1024 * 1024

/** The longest chunk that is held in memory: a longer file without chunking is refused. */
const longestChunk = 1024 * 1024 * 1024

/** Batches that are sealed and stored at the same time. @since 0.1.0 @category constants */
export const defaultConcurrency = 4

/** Blobs of one batch that are stored, or asked for, at the same time. */
const requestsInFlight = 8

/** @since 0.1.0 @category models */
export interface Options {
  /** What the file system said of the file. */
  readonly semantic?: SemanticMeta
  /** How this file differs from the context; it is stored with the entry. */
  readonly override?: TraversalContext.TraversalContext
  /**
   * Chunks that stand at the same position here with the same bytes and the same encoding are not encoded again if the
   * store has them. The entry is the same as without; a version that cannot be read is left aside.
   */
  readonly previous?: ChunkReuse.PreviousFile
  /** Batches of about 1 MiB in flight; it never changes the entry. */
  readonly concurrency?: number
  /** The buffers of the source are given away: nobody touches them afterwards, so that nothing has to be copied. */
  readonly given?: boolean
  /** Chunks that this run has stored already are not encoded again; not looked at under an override. */
  readonly known?: KnownChunks.KnownChunks
}

/** The chunks of `source` in batches of about `batchLength` bytes; an empty source has none. */
const batches = <E, R>(
  chunker: Chunker.Chunker,
  source: Stream.Stream<Uint8Array, E, R>,
  given: boolean
): Stream.Stream<Cut, E | DamagedTree, R> => {
  let open: Array<Uint8Array> = []
  let length = 0
  const take = (): ReadonlyArray<Uint8Array> => {
    const batch = open
    open = []
    length = 0
    return batch
  }
  const add = (chunks: ReadonlyArray<Uint8Array>) => {
    for (const chunk of chunks) {
      open.push(chunk)
      length += chunk.length
    }
    // views of one buffer stay together: it may move to another thread as a whole
    return length >= batchLength ? [take()] : []
  }
  const whole = Stream.mapEffect(source, (bytes) => {
    const full = add(chunker.push(bytes, given))
    return chunker.pending() <= longestChunk
      ? Either.right(full)
      : Either.left(
          new DamagedTree({
            reason: "Unsupported",
            blob: "",
            detail: `the context asks for a chunk of more than ${longestChunk} bytes: use content-defined or smaller chunks`
          })
        )
  })
  const rest = Stream.sync(() => {
    const last = chunker.finish()
    const full = last === undefined ? [] : add([last])
    return open.length === 0 ? full : [...full, take()]
  })
  return Stream.mapConcat(Stream.concat(whole, rest), (full) => full.map((chunks) => ({ chunks })))
}

/** Stores what was sealed, and gives its memory back where the store has a copy. */
const putAll = ({ blobs }: Pipeline, sealer: Sealer, sealed: ReadonlyArray<SealedChunk>) => {
  const batch = batchOf(blobs)
  if (batch !== undefined)
    return Effect.map(batch.putAll(sealed), () => {
      sealer.recycle?.(sealed)
    })
  const put = (chunk: SealedChunk) => blobs.put(chunk.hash, chunk.stored)
  // several at a time, without a fiber for each
  const length = Math.ceil(sealed.length / requestsInFlight)
  const strands = Array.from({ length: Math.min(requestsInFlight, sealed.length) }, (_, at) =>
    sealed.slice(at * length, (at + 1) * length)
  )
  return Effect.forEach(strands, (strand) => Effect.forEach(strand, put, { discard: true }), {
    concurrency: "unbounded",
    discard: true
  })
}

/** Encodes and stores chunks; one after the other or several batches at once, their entries are the same. */
const store = (
  pipeline: Pipeline,
  sealer: Sealer,
  { chunks, hashes }: Cut,
  known?: KnownChunks.KnownChunks
): Effect.Effect<ReadonlyArray<ChunkReuse.LeafEntry>, SealError | BlobStoreError> =>
  Effect.suspend(() => {
    if (chunks.length === 0) return Effect.succeed([])
    const asked = known === undefined ? undefined : KnownChunks.ask(known, pipeline.primitives, chunks, hashes)
    const fresh = asked === undefined ? chunks : asked.fresh
    if (asked !== undefined && fresh.length === 0) return Effect.succeed(KnownChunks.answer(asked, []))
    return Effect.flatMap(sealer.seal(pipeline.context, fresh, asked?.hashes ?? hashes), (sealed) =>
      Effect.map(putAll(pipeline, sealer, sealed), () => {
        const entries = sealed.map((chunk): ChunkReuse.LeafEntry => chunk.entry)
        return asked === undefined ? entries : KnownChunks.answer(asked, entries)
      })
    )
  })

const storeBatch = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  sealer: Sealer,
  cut: Cut,
  previous: ReadonlyArray<FileExport.PlacedChunk>,
  known: KnownChunks.KnownChunks | undefined
) {
  if (previous.length === 0) return yield* store(pipeline, sealer, cut, known)
  const { chunks } = cut
  const reused = yield* Effect.forEach(chunks, (chunk, at) => ChunkReuse.reuse(pipeline, chunk, previous[at]?.entry), {
    concurrency: requestsInFlight
  })
  const fresh = yield* store(pipeline, sealer, { chunks: chunks.filter((_, at) => reused[at] === undefined) }, known)
  let used = 0
  return reused.map((entry): ChunkReuse.LeafEntry => entry ?? fresh[used++]!)
})

/** The entry of a file that is one leaf. */
const leafEntry = (leaf: ChunkReuse.LeafEntry, { override, semantic }: Options): NodeEntry => {
  const childContext =
    override === undefined
      ? leaf.childContext
      : TraversalContext.merge(override, leaf.childContext ?? TraversalContext.empty)
  return {
    content: leaf.content,
    ...(semantic !== undefined && { semantic }),
    ...(childContext !== undefined && { childContext })
  }
}

/** The entry of a file that is a tree of chunks. */
const linkEntry = (root: TreeBuilder.TreeLink, { override, semantic }: Options): NodeEntry => ({
  content: { structural: "link", hash: root.hash, size: root.size, plaintextHash: root.plaintextHash },
  ...(semantic !== undefined && { semantic }),
  ...(override !== undefined && { childContext: override })
})

/** `source` cut as the context says. */
const cutAll = <E, R>({ context }: Pipeline, source: Stream.Stream<Uint8Array, E, R>, { given }: Options) =>
  Stream.unwrap(Effect.map(Chunker.make(context.chunking), (chunker) => batches(chunker, source, given === true)))

/** Everything after the choice of what is read: `kept` chunks come first, then those of `source`. */
const assemble = <E, R>(
  pipeline: Pipeline,
  sealer: Sealer,
  source: Stream.Stream<Cut, E, R>,
  kept: Stream.Stream<ChunkReuse.LeafEntry, TreeError>,
  previous: Stream.Stream<FileExport.PlacedChunk, TreeError>,
  options: Options
): Effect.Effect<NodeEntry, E | TreeError | SealError, R> =>
  Effect.gen(function* () {
    const builder = TreeBuilder.make(pipeline, { kind: "bytestream", mask: TreeBuilder.defaultMask })
    let first: ChunkReuse.LeafEntry | undefined
    let count = 0
    let size = 0n
    const place = (entries: ReadonlyArray<ChunkReuse.LeafEntry>) =>
      Effect.suspend(() => {
        const keyed: Array<KeyedEntry> = []
        for (const entry of entries) {
          first ??= entry
          count++
          keyed.push([FileExport.chunkKey(size), entry])
          size += entry.content.size
        }
        return builder.pushAll(keyed)
      })

    yield* Stream.runForEachChunk(kept, (entries) => place(Chunk.toReadonlyArray(entries)))

    const takePrevious = yield* ChunkReuse.portions(previous)
    const known = options.override === undefined ? options.known : undefined
    yield* source.pipe(
      Stream.mapEffect((cut) => Effect.map(takePrevious(cut.chunks.length), (before) => [cut, before] as const)),
      Stream.mapEffect(([cut, before]) => storeBatch(pipeline, sealer, cut, before, known), {
        concurrency: options.concurrency ?? defaultConcurrency
      }),
      Stream.runForEach(place)
    )

    if (count <= 1)
      return leafEntry(first ?? (yield* store(pipeline, sealer, { chunks: [new Uint8Array(0)] }))[0]!, options)
    return linkEntry(Option.getOrThrow(Option.fromNullable(yield* builder.finish)).link, options)
  }).pipe(Effect.scoped)

/**
 * Stores the bytes of `source` under the pipeline's context and answers the file's entry.
 *
 * Memory is bounded by `concurrency`, not by the file, unless its context asks for chunks that are long.
 * Buffers of the source may be reused as soon as the next one is asked for, unless they are `given`.
 *
 * @since 0.1.0
 * @category writing
 */
export const importFile = <E, R>(
  pipeline: Pipeline,
  sealer: Sealer,
  source: Stream.Stream<Uint8Array, E, R>,
  options: Options = {}
): Effect.Effect<NodeEntry, E | TreeError | SealError, R> => {
  const effective = pipeline.within(options.override)
  return assemble(
    effective,
    sealer,
    cutAll(effective, source, options),
    Stream.empty,
    ChunkReuse.reusableChunks(effective, options.previous),
    options
  )
}

/**
 * As `importFile` for a file that somebody cut as the pipeline's context says: the same entry. The bytes are given away.
 *
 * @since 0.1.0
 * @category writing
 */
export const importCut = <E, R>(
  pipeline: Pipeline,
  sealer: Sealer,
  source: Stream.Stream<Cut, E, R>,
  options: Pick<Options, "concurrency" | "known"> = {}
): Effect.Effect<NodeEntry, E | TreeError | SealError, R> =>
  assemble(pipeline, sealer, source, Stream.empty, Stream.empty, options)

/** A file whose bytes are in memory, cut as `context` says; its bytes are given away. @since 0.1.0 @category conversions */
export const cut = (
  { chunking }: TraversalContext.TraversalContext,
  bytes: Uint8Array
): Either.Either<Cut, DamagedTree> =>
  Either.map(Chunker.ends(chunking, bytes), (ends) => ({
    chunks: ends.length === 0 ? [bytes] : ends.map((end, at) => bytes.subarray(at === 0 ? 0 : ends[at - 1], end))
  }))

/**
 * As `importCut` for files that are in memory, each with at least one chunk: the same entries, in their order. All chunks are
 * sealed as one batch.
 *
 * @since 0.1.0
 * @category writing
 */
export const importAll = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  sealer: Sealer,
  files: ReadonlyArray<Cut>,
  options: Pick<Options, "known"> = {}
) {
  const hashes = files.flatMap((file) => file.hashes ?? [])
  const chunks = files.flatMap((file) => file.chunks)
  const leaves = yield* store(
    pipeline,
    sealer,
    { chunks, ...(hashes.length === chunks.length && { hashes }) },
    options.known
  )
  const entries: Array<NodeEntry> = []
  let from = 0
  for (const { chunks } of files) {
    const end = from + chunks.length
    if (chunks.length === 1) entries.push(leafEntry(leaves[from]!, options))
    else {
      const builder = TreeBuilder.make(pipeline, { kind: "bytestream", mask: TreeBuilder.defaultMask })
      let offset = 0n
      yield* builder.pushAll(
        leaves.slice(from, end).map((leaf): KeyedEntry => {
          const key = FileExport.chunkKey(offset)
          offset += leaf.content.size
          return [key, leaf]
        })
      )
      entries.push(linkEntry(Option.getOrThrow(Option.fromNullable(yield* builder.finish)).link, options))
    }
    from = end
  }
  return entries
})

/** A file that is read from somewhere in its middle on. @since 0.1.0 @category models */
export interface AppendedFile<E, R> {
  /** Bytes. */
  readonly size: bigint
  readonly readFrom: (offset: bigint) => Stream.Stream<Uint8Array, E, R>
}

/**
 * Like `importFile` for a file of which the caller knows that it has only grown since `previous`: under fixed chunks, the
 * full chunks of the earlier version are not read again. The entry is that of a full import.
 *
 * The whole file is read where chunks are not fixed, where the file is not longer than one chunk or shorter than what the
 * earlier version had, and where that version was encoded otherwise or is not in the store.
 *
 * @since 0.1.0
 * @category writing
 */
export const importAppended = <E, R>(
  pipeline: Pipeline,
  sealer: Sealer,
  file: AppendedFile<E, R>,
  options: Options & { readonly previous: ChunkReuse.PreviousFile }
): Effect.Effect<NodeEntry, E | TreeError | SealError, R> =>
  Effect.gen(function* () {
    const effective = pipeline.within(options.override)
    const chunking = effective.context.chunking
    const length = chunking?._tag === "Fixed" ? BigInt(chunking.chunkSize) : 0n
    const before = ChunkReuse.reusableChunks(effective, options.previous)
    const kept = length > 0n && file.size > length ? yield* ChunkReuse.leadingChunks(effective, before, length) : 0n
    if (kept === 0n || file.size < kept * length) {
      return yield* importFile(pipeline, sealer, file.readFrom(0n), options)
    }
    const entries = before.pipe(
      Stream.take(Number(kept)),
      Stream.map((chunk): ChunkReuse.LeafEntry => chunk.entry)
    )
    const rest = cutAll(effective, file.readFrom(kept * length), options)
    return yield* assemble(effective, sealer, rest, entries, Stream.empty, options)
  })
