/**
 * Changes kept in memory over a layer until they are folded into a tree (docs/format/fs5.md §15).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { NodeEntry, Tombstone } from "../schema/Node.ts"
import * as MapLayer from "./MapLayer.ts"
import * as MergedView from "./MergedView.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { ReadableLayer } from "./ReadableLayer.ts"
import * as Snapshot from "./Snapshot.ts"
import * as TreeEdit from "./TreeEdit.ts"
import type { TreeError } from "./TreeError.ts"

/**
 * A layer that can be written to.
 *
 * Reads see the changes over the base; a scan sees them as they were when it began.
 *
 * @since 0.1.0
 * @category models
 */
export interface WritableOverlay extends ReadableLayer {
  /** What the changes lie over: the newest flushed tree, or what the overlay was made with. */
  readonly base: Effect.Effect<ReadableLayer>
  readonly put: (key: string, entry: NodeEntry) => Effect.Effect<void>
  readonly delete: (key: string, tombstone?: Tombstone) => Effect.Effect<void>
  /** How many keys have a change that is not in the base yet, those of a running flush included. */
  readonly pendingLength: Effect.Effect<number>
  /** The changes that are not in the base yet, those of a running flush included. */
  readonly diffLayer: Effect.Effect<MapLayer.MapLayer>
  /** Moves the changes out, as if they had never been written; those of a running flush stay. */
  readonly take: Effect.Effect<MapLayer.MapLayer>
  /**
   * Folds the changes into a tree, which becomes the base; the empty snapshot when nothing is left.
   *
   * What is written meanwhile stays a change. If it fails or is interrupted, its changes are changes again, under those
   * written meanwhile. Flushes run one after the other.
   */
  readonly flush: Effect.Effect<Snapshot.Snapshot, TreeError>
}

type Changes = ReadonlyMap<string, NodeEntry>

/** An overlay without changes; its trees are written through `pipeline`. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (options: {
  readonly base: ReadableLayer
  readonly pipeline: Pipeline
}): Effect.fn.Return<WritableOverlay> {
  const { pipeline } = options
  const one = yield* Effect.makeSemaphore(1)
  let base = options.base
  let flushing: Changes = new Map()
  let written = new Map<string, NodeEntry>()

  const pending = () => MapLayer.make([...flushing, ...written])

  const getRaw: ReadableLayer["getRaw"] = (key) =>
    Effect.suspend(() => {
      const found = written.get(key) ?? flushing.get(key)
      return found === undefined ? base.getRaw(key) : Effect.succeed(found)
    })

  const write = (key: string, entry: NodeEntry) =>
    Effect.sync(() => {
      written.set(key, entry)
    })

  const takeWritten = Effect.sync((): Changes => {
    const taken = written
    written = new Map()
    return taken
  })

  const fold = Effect.acquireUseRelease(
    Effect.tap(takeWritten, (taken) =>
      Effect.sync(() => {
        flushing = taken
      })
    ),
    (taken) =>
      Effect.map(
        TreeEdit.mergeAndPersist({ base, changes: MapLayer.make(taken), pipeline }),
        (tree) => tree ?? Snapshot.empty(pipeline)
      ),
    (taken, exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) base = exit.value
        else written = new Map([...taken, ...written])
        flushing = new Map()
      })
  )

  return {
    getRaw,
    get: (key) => Effect.map(getRaw(key), (found) => (found?.tombstone === undefined ? found : undefined)),
    scan: (range) => Stream.suspend(() => MergedView.make([pending(), base]).scan(range)),
    chunkMask: Effect.suspend(() => base.chunkMask),
    base: Effect.sync(() => base),
    put: write,
    delete: (key, tombstone = {}) => write(key, { tombstone }),
    pendingLength: Effect.sync(() => pending().entries.length),
    diffLayer: Effect.sync(pending),
    take: Effect.map(takeWritten, (taken) => MapLayer.make(taken)),
    flush: one.withPermits(1)(fold)
  }
})
