/**
 * What every readable view of a tree answers (docs/format/fs5.md §15).
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { NodeEntry } from "../schema/Node.ts"
import type { TreeError } from "./TreeError.ts"

/** A key and what stands under it. @since 0.1.0 @category models */
export type KeyedEntry = readonly [key: string, entry: NodeEntry]

/** Keys from `from` on (included) and before `until` (excluded), by UTF-8 bytes; an absent bound is open. @since 0.1.0 @category models */
export interface KeyRange {
  readonly from?: string
  readonly until?: string
}

/** @since 0.1.0 @category models */
export interface ReadableLayer {
  /** The live entry at `key`; missing and deleted look alike. */
  readonly get: (key: string) => Effect.Effect<NodeEntry | undefined, TreeError>
  /** The entry at `key`, a tombstone included. */
  readonly getRaw: (key: string) => Effect.Effect<NodeEntry | undefined, TreeError>
  /** Entries in strictly ascending key order, each key once, tombstones included; memory does not grow with the range. */
  readonly scan: (range?: KeyRange) => Stream.Stream<KeyedEntry, TreeError>
  /** The boundary mask for trees built on top (docs/format/fs5.md §10). */
  readonly chunkMask: Effect.Effect<number, TreeError>
}
