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

export interface Writer {
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, LocalTreeError>
  /** Gives the file its length; after the last write. */
  readonly end: Effect.Effect<void, LocalTreeError>
}

export const writer = (fd: number, at: Files.Place): Writer => {
  let position = 0
  let written = 0

  const put = (bytes: Buffer, offset: number): Effect.Effect<void, LocalTreeError> =>
    Files.call<number>(at, (done) => fs.write(fd, bytes, 0, bytes.length, offset, done)).pipe(
      Effect.flatMap((count) => (count === bytes.length ? Effect.void : put(bytes.subarray(count), offset + count)))
    )
  return {
    // a write under way cannot be called back: the descriptor must stay ours until it is over
    write: (bytes) =>
      Effect.uninterruptible(
        Effect.suspend(() => {
          const all = Files.buffer(bytes)
          const runs: Array<readonly [Buffer, number]> = []
          let from = 0
          for (let i = 0; i < all.length; i += pieceSize) {
            const end = Math.min(i + pieceSize, all.length)
            if (end - i < 4096 || !isZero(all.subarray(i, end))) continue
            if (i > from) runs.push([all.subarray(from, i), position + from])
            from = end
          }
          if (from < all.length) runs.push([all.subarray(from), position + from])
          position += all.length
          const last = runs[runs.length - 1]
          if (last !== undefined) written = last[1] + last[0].length
          return Effect.forEach(runs, ([run, offset]) => put(run, offset), { discard: true })
        })
      ),
    end: Effect.suspend(() =>
      written === position
        ? Effect.void
        : Effect.uninterruptible(Files.order(at, (done) => fs.ftruncate(fd, position, done)))
    )
  }
}
