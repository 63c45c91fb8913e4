/**
 * Comparing bytes from elsewhere with a file entry: by the hashes of its chunks, without reading one (docs/format/fs5.md §9).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as FileExport from "./FileExport.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { TreeError } from "./TreeError.ts"

/**
 * Whether `bytes` begin with exactly what `entry` holds; the caller has compared the lengths. Bytes that cannot be read are
 * not the same.
 *
 * @since 0.1.0
 * @category reading
 */
export const isSame = Effect.fnUntraced(function* <E>(
  pipeline: Pipeline,
  entry: NodeEntry,
  bytes: Stream.Stream<Uint8Array, E>
): Effect.fn.Return<boolean, TreeError, Scope.Scope> {
  const pull = yield* Stream.toPull(bytes)
  let rest: Uint8Array = new Uint8Array(0)
  /** The hash of the next `length` bytes, or nothing when there are fewer. */
  const hashOfNext = Effect.fnUntraced(function* (length: number) {
    const hasher = pipeline.primitives.hasher()
    let missing = length
    while (missing > 0) {
      if (rest.length === 0) {
        // nothing is lost: the caller replaces what is not the same only where it was told to
        const next = yield* Effect.option(pull)
        if (Option.isNone(next)) return undefined
        rest = Bytes.concat(...next.value)
      }
      const piece = rest.subarray(0, missing)
      hasher.update(piece)
      rest = rest.subarray(piece.length)
      missing -= piece.length
    }
    return hasher.digest()
  })
  return yield* FileExport.chunks(pipeline, entry).pipe(
    Stream.mapEffect(({ entry: { content } }) =>
      Effect.map(
        hashOfNext(Number(content.size)),
        (hash) => hash !== undefined && Bytes.equals(hash, content.plaintextHash ?? content.hash)
      )
    ),
    Stream.runFold(true, (all, same) => all && same)
  )
})
