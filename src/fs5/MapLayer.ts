/**
 * Entries in memory as a layer (docs/format/fs5.md §15).
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as KeyOrder from "./KeyOrder.ts"
import type { KeyedEntry, ReadableLayer } from "./ReadableLayer.ts"
import { defaultMask } from "./TreeBuilder.ts"

/** A layer of exactly its own entries, which never change. @since 0.1.0 @category models */
export interface MapLayer extends ReadableLayer {
  /** In ascending key order, tombstones included. */
  readonly entries: ReadonlyArray<KeyedEntry>
}

/** The layer of `entries` in any order; of entries with one key the last counts. @since 0.1.0 @category constructors */
export const make = (entries: Iterable<KeyedEntry>, mask = defaultMask): MapLayer => {
  const sorted = [...new Map(entries)].sort(([a], [b]) => Bytes.compareUtf8(a, b))
  const getRaw = (key: string) => KeyOrder.find(sorted, key)?.[1]
  return {
    entries: sorted,
    getRaw: (key) => Effect.sync(() => getRaw(key)),
    get: (key) =>
      Effect.sync(() => {
        const found = getRaw(key)
        return found?.tombstone === undefined ? found : undefined
      }),
    scan: (range) => Stream.suspend(() => Stream.fromChunk(Chunk.unsafeFromArray(KeyOrder.within(sorted, range)))),
    chunkMask: Effect.succeed(mask)
  }
}
