/**
 * Reading the bytes of many small files with few reads (docs/format/fs5.md §9).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Bytes from "../schema/Bytes.ts"
import type { ContentRef, NodeEntry } from "../schema/Node.ts"
import type { Service as Sealer } from "../services/Sealer.ts"
import * as FileExport from "./FileExport.ts"
import * as LeafBatches from "./LeafBatches.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { TreeError } from "./TreeError.ts"

/** The longest file that is read together with others, in bytes. @since 0.1.0 @category constants */
export const longest = LeafBatches.longest

/** The entry of a file that has bytes. @since 0.1.0 @category models */
export type FileEntry = NodeEntry & { readonly content: ContentRef }

/** Reads the nodes that say what the files' chunks are, many with one read. @since 0.1.0 @category reading */
export const prefetchNodes = (pipeline: Pipeline, files: ReadonlyArray<FileEntry>): Effect.Effect<void, TreeError> =>
  pipeline.prefetchNodes(
    files.flatMap(({ childContext, content }) =>
      content.structural === "link" && childContext === undefined ? [content] : []
    )
  )

/**
 * The bytes of each file, each chunk verified; nothing for one that cannot be read, of which whoever reads it by itself
 * hears why. The caller bounds the sum of sizes.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = Effect.fnUntraced(function* (
  sealer: Sealer,
  pipeline: Pipeline,
  files: ReadonlyArray<FileEntry>
): Effect.fn.Return<ReadonlyArray<Uint8Array | undefined>, TreeError> {
  yield* prefetchNodes(pipeline, files)
  const wanted: Array<FileExport.PlacedChunk> = []
  /** Where in `wanted` each file begins, nothing for one whose chunks are not known. */
  const places: Array<{ readonly from: number; readonly count: number } | undefined> = []
  for (const entry of files) {
    const chunks = yield* Effect.either(FileExport.fewChunks(pipeline, entry))
    if (Either.isLeft(chunks) || chunks.right === undefined) places.push(undefined)
    else {
      places.push({ from: wanted.length, count: chunks.right.length })
      wanted.push(...chunks.right)
    }
  }
  const pieces = (yield* LeafBatches.read(sealer, wanted)).map((leaf) => leaf?.bytes)
  const missed = [...wanted.keys()].filter((at) => pieces[at] === undefined)
  const length = Math.ceil(missed.length / FileExport.readsInFlight)
  yield* Effect.forEach(
    Array.from({ length: FileExport.readsInFlight }, (_, strand) =>
      missed.slice(strand * length, (strand + 1) * length)
    ),
    (strand) =>
      Effect.forEach(
        strand,
        (at) =>
          Effect.map(Effect.either(wanted[at]!.pipeline.readLeaf(wanted[at]!.entry)), (bytes) => {
            if (Either.isRight(bytes)) pieces[at] = bytes.right
          }),
        { discard: true }
      ),
    { concurrency: "unbounded", discard: true }
  )
  return places.map((place) => {
    if (place === undefined) return undefined
    const own = pieces.slice(place.from, place.from + place.count).filter((bytes) => bytes !== undefined)
    if (own.length < place.count) return undefined
    return own.length === 1 ? own[0] : Bytes.concat(...own)
  })
})
