/**
 * Writing a file's bytes in order, long runs of zeros as holes.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import type { LocalTreeError } from "../../services/LocalTree.ts"
import * as Files from "./files.ts"

/** Pieces that are looked at for zeros: what file systems allocate at least. */
const pieceSize = 1 << 16
const zeros = Buffer.alloc(pieceSize)

const isZero = (piece: Buffer): boolean => piece[0] === 0 && piece.equals(zeros.subarray(0, piece.length))

/** The runs of `all` that are not long runs of zeros, each with where it begins. */
const runsOf = (all: Buffer): ReadonlyArray<readonly [Buffer, number]> => {
  const runs: Array<readonly [Buffer, number]> = []
  let from = 0
  for (let i = 0; i < all.length; i += pieceSize) {
    const end = Math.min(i + pieceSize, all.length)
    if (end - i < 4096 || !isZero(all.subarray(i, end))) continue
    if (i > from) runs.push([all.subarray(from, i), from])
    from = end
  }
  if (from < all.length) runs.push([all.subarray(from), from])
  return runs
}

/** Writes `bytes` to `position` of a file of zeros, on this thread; where the last of them that was written ends. */
export const writeAt = (fd: number, bytes: Uint8Array, position: number): number => {
  let written = position
  for (const [run, offset] of runsOf(Files.buffer(bytes))) {
    for (let at = 0; at < run.length; ) at += fs.writeSync(fd, run, at, run.length - at, position + offset + at)
    written = position + offset + run.length
  }
  return written
}

/** Writes a whole file at once, on this thread. */
export const writeNow = (fd: number, pieces: ReadonlyArray<Uint8Array>): void => {
  let written = 0
  let length = 0
  for (const bytes of pieces) {
    if (bytes.length > 0) written = Math.max(written, writeAt(fd, bytes, length))
    length += bytes.length
  }
  if (written < length) fs.ftruncateSync(fd, length)
}

export interface Writer {
  /** Writes the pieces behind what was written before. */
  readonly write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void, LocalTreeError>
  /** Gives the file its length; after the last write. */
  readonly end: Effect.Effect<void, LocalTreeError>
}

/** Neighbours that one call writes. */
interface Run {
  readonly offset: number
  readonly buffers: Array<Buffer>
  length: number
}

/** The system takes no more of them at once. */
const mostBuffers = 1024

export const writer = (fd: number, at: Files.Place): Writer => {
  let position = 0
  let written = 0

  const put = (bytes: Buffer, offset: number): Effect.Effect<void, LocalTreeError> =>
    Files.call<number>(at, (done) => fs.write(fd, bytes, 0, bytes.length, offset, done)).pipe(
      Effect.flatMap((count) => (count === bytes.length ? Effect.void : put(bytes.subarray(count), offset + count)))
    )
  const putRun = ({ buffers, length, offset }: Run): Effect.Effect<void, LocalTreeError> =>
    Files.call<number>(at, (done) => fs.writev(fd, buffers, offset, done)).pipe(
      Effect.flatMap((count) => {
        if (count === length) return Effect.void
        const all = Buffer.concat(buffers)
        return put(all.subarray(count), offset + count)
      })
    )
  return {
    // a write under way cannot be called back: the descriptor must stay ours until it is over
    write: (pieces) =>
      Effect.uninterruptible(
        Effect.suspend(() => {
          const runs: Array<Run> = []
          for (const piece of pieces) {
            const all = Files.buffer(piece)
            for (const [bytes, from] of runsOf(all)) {
              const last = runs[runs.length - 1]
              if (
                last === undefined ||
                last.offset + last.length !== position + from ||
                last.buffers.length >= mostBuffers
              )
                runs.push({ offset: position + from, buffers: [bytes], length: bytes.length })
              else {
                last.buffers.push(bytes)
                last.length += bytes.length
              }
            }
            position += all.length
          }
          const last = runs[runs.length - 1]
          if (last !== undefined) written = last.offset + last.length
          return Effect.forEach(runs, putRun, { discard: true })
        })
      ),
    end: Effect.suspend(() =>
      written === position
        ? Effect.void
        : Effect.uninterruptible(Files.order(at, (done) => fs.ftruncate(fd, position, done)))
    )
  }
}
