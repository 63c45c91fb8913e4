/**
 * Streams of entries in key order, read side by side.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Batches from "./Batches.ts"
import type { KeyedEntry } from "./ReadableLayer.ts"
import { DamagedTree, type TreeError } from "./TreeError.ts"

/** A place in a sequence of entries, whose failing to ascend is a `DamagedTree`. @since 0.1.0 @category models */
export type Cursor = Batches.Cursor<KeyedEntry, TreeError>

/** A cursor at the first entry of `batches`. @since 0.1.0 @category constructors */
export const cursorOf = (batches: Batches.Batches<KeyedEntry, TreeError>): Cursor => {
  let last: string | undefined
  const check = (
    batch: ReadonlyArray<KeyedEntry> | undefined
  ): Effect.Effect<ReadonlyArray<KeyedEntry> | undefined, DamagedTree> => {
    for (const [key] of batch ?? []) {
      if (last !== undefined && Bytes.compareUtf8(last, key) >= 0) {
        const detail = `entries are not in ascending order of their keys: ${JSON.stringify(key)} follows ${JSON.stringify(last)}`
        return new DamagedTree({ reason: "Inconsistent", blob: "", detail })
      }
      last = key
    }
    return Effect.succeed(batch)
  }
  return Batches.cursor({ next: Effect.flatMap(batches.next, check) })
}

/** A cursor at the first entry of `stream`, which is never polled again once it has ended or failed. @since 0.1.0 @category constructors */
export const cursor = (stream: Stream.Stream<KeyedEntry, TreeError>): Effect.Effect<Cursor, never, Scope.Scope> =>
  Effect.map(Batches.fromStream(stream), cursorOf)

const batch = 1024

/**
 * The union of streams in key order; where several have a key, the first of them wins.
 *
 * Tombstones are entries like any other. The first failure of any stream ends it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const union = (
  streams: ReadonlyArray<Stream.Stream<KeyedEntry, TreeError>>
): Stream.Stream<KeyedEntry, TreeError> => {
  if (streams.length === 1) return streams[0]!
  return Stream.unwrapScoped(
    Effect.map(Effect.forEach(streams, cursor), (cursors) => {
      const smallest = (): KeyedEntry | undefined => {
        let found: KeyedEntry | undefined
        for (const each of cursors) {
          const head = each.peek()
          if (head === undefined) {
            if (!each.isDone()) return undefined
          } else if (found === undefined || Bytes.compareUtf8(head[0], found[0]) < 0) found = head
        }
        return found
      }
      const drain = (): Chunk.Chunk<KeyedEntry> => {
        const out: Array<KeyedEntry> = []
        while (out.length < batch) {
          const next = smallest()
          if (next === undefined) break
          out.push(next)
          for (const each of cursors) if (each.peek()?.[0] === next[0]) each.advance()
        }
        return Chunk.unsafeFromArray(out)
      }
      const step = Effect.suspend(() =>
        cursors.every((each) => each.isDone())
          ? Effect.fail(Option.none())
          : Effect.map(
              Effect.forEach(cursors, (each) => each.fill, { discard: true }),
              drain
            ).pipe(Effect.mapError(Option.some))
      )
      return Stream.repeatEffectChunkOption(step)
    })
  )
}
