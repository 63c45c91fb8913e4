/**
 * Cutting a file into chunks: by content, in fixed lengths, or not at all (docs/format/fs5.md §7).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { FileChunkingStrategy } from "../schema/TraversalContext.ts"
import * as GearScan from "./GearScan.ts"
import { DamagedTree } from "./TreeError.ts"

/** No content-defined cut is made before this many bytes. @since 0.1.0 @category constants */
export const minimumLength = 8192

/** A content-defined chunk is cut here at the latest. @since 0.1.0 @category constants */
export const maximumLength = 131_072

/** The chunk length that `None` stands for: the largest that the format's 32 bits hold. @since 0.1.0 @category constants */
export const wholeFileLength = 0xffff_ffff

/** The hash remembers 64 bytes, so that those before this position cannot matter for the first possible cut. */
const firstHashed = minimumLength - 64

/**
 * One file's chunker: the chunks are the same for any division of the input into reads.
 *
 * It holds a copy of the open chunk and nothing else. The chunks it answers are copies, and buffers that were pushed may be
 * reused, unless they were given away.
 *
 * @since 0.1.0
 * @category models
 */
export interface Chunker {
  /** The chunks that `bytes` completed; with `given`, those that lie wholly in `bytes` are views of it. */
  readonly push: (bytes: Uint8Array, given?: boolean) => ReadonlyArray<Uint8Array>
  /** The rest, or nothing when the input ended at a cut. */
  readonly finish: () => Uint8Array | undefined
  /** How many bytes the open chunk has. */
  readonly pending: () => number
}

/** Where the open chunk of `length` bytes ends in `bytes`, counted from `from`; -1 when it goes on. */
type Cut = (bytes: Uint8Array, from: number, length: number) => number

const fixedCut =
  (chunkLength: number): Cut =>
  (bytes, from, length) => {
    const end = from + chunkLength - length
    return end <= bytes.length ? end : -1
  }

const gearCut = (scan: GearScan.Scan): Cut => {
  const state: GearScan.GearState = { high: 0, low: 0 }
  return (bytes, from, length) => {
    // offsets in `bytes` of the chunk's byte 8128, of its first byte that may end it, and of its last possible end
    const hashFrom = Math.max(from, from + firstHashed - length)
    const testFrom = from + minimumLength - 1 - length
    const last = from + maximumLength - length
    const until = Math.min(bytes.length, last)
    const found = hashFrom < until ? scan(state, bytes, hashFrom, testFrom, until) : -1
    const end = found >= 0 ? found : until === last ? last : -1
    if (end >= 0) {
      state.high = 0
      state.low = 0
    }
    return end
  }
}

const fromCut = (cut: Cut): Chunker => {
  let open = new Uint8Array(0)
  let length = 0

  const keep = (bytes: Uint8Array) => {
    if (length + bytes.length > open.length) {
      const larger = new Uint8Array(
        Math.max(length + bytes.length, Math.min(open.length * 2, 0x4000_0000), minimumLength)
      )
      larger.set(open.subarray(0, length))
      open = larger
    }
    open.set(bytes, length)
    length += bytes.length
  }

  const take = (): Uint8Array => {
    const chunk = open.slice(0, length)
    length = 0
    return chunk
  }

  return {
    push: (bytes, given = false) => {
      const chunks: Array<Uint8Array> = []
      let from = 0
      while (from < bytes.length) {
        const end = cut(bytes, from, length)
        if (end < 0) {
          keep(bytes.subarray(from))
          break
        }
        if (length === 0) {
          chunks.push(given ? bytes.subarray(from, end) : bytes.slice(from, end))
        } else {
          keep(bytes.subarray(from, end))
          chunks.push(take())
        }
        from = end
      }
      return chunks
    },
    finish: () => (length === 0 ? undefined : take()),
    pending: () => length
  }
}

/**
 * A content-defined chunker with the format's constants; `scan` is for comparing implementations.
 *
 * @since 0.1.0
 * @category constructors
 */
export const contentDefined = (scan: GearScan.Scan = GearScan.scan): Chunker => fromCut(gearCut(scan))

/** Whether files under the strategy are cut by content. @since 0.1.0 @category guards */
export const isContentDefined = (strategy: FileChunkingStrategy | undefined): boolean =>
  strategy === undefined || strategy._tag === "DataCdc"

/** How the strategy cuts; a cut is made anew for each chunk that was left open. */
const cutOf = (strategy: FileChunkingStrategy | undefined): Either.Either<() => Cut, DamagedTree> => {
  if (strategy === undefined || strategy._tag === "DataCdc") return Either.right(() => gearCut(GearScan.scan))
  const length = strategy._tag === "None" ? wholeFileLength : strategy.chunkSize
  return length >= 1
    ? Either.right(() => fixedCut(length))
    : Either.left(
        new DamagedTree({
          reason: "Unsupported",
          blob: "",
          detail: "files cannot be cut into chunks of 0 bytes: set a chunk size of 1 or more"
        })
      )
}

/**
 * The chunker of a context's strategy, which is content-defined where it is absent; the parameters that `DataCdc` carries
 * are descriptive and not looked at. A fixed length of 0 is `DamagedTree` `Unsupported`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (strategy: FileChunkingStrategy | undefined): Either.Either<Chunker, DamagedTree> =>
  Either.map(cutOf(strategy), (cut) => fromCut(cut()))

/**
 * Where the chunks of `bytes` end, which begin at a cut and are all in memory: as {@link make}'s chunker cuts them, nothing
 * copied. The rest behind the last cut is a chunk if the file ends with it, and not among them otherwise. No bytes are no chunk.
 *
 * @since 0.1.0
 * @category conversions
 */
export const ends = (
  strategy: FileChunkingStrategy | undefined,
  bytes: Uint8Array,
  isEnd = true
): Either.Either<ReadonlyArray<number>, DamagedTree> =>
  Either.map(cutOf(strategy), (make) => {
    const found: Array<number> = []
    const cut = make()
    for (let from = 0; from < bytes.length; ) {
      const end = cut(bytes, from, 0)
      if (end >= 0) found.push(end)
      else if (isEnd) found.push(bytes.length)
      if (end < 0) break
      from = end
    }
    return found
  })
