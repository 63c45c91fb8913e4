/**
 * Making what was written durable while more is written, so that the end waits for little.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as LocalTree from "../services/LocalTree.ts"

/** Asks for one sync at a time, each after `every` bytes more. @since 0.1.0 @category models */
export interface SyncAhead {
  /** To be told of bytes that are in files. */
  readonly wrote: (bytes: number) => Effect.Effect<void>
  /** When this returns, everything is durable; fails too with what an earlier sync failed with. */
  readonly finish: Effect.Effect<void, LocalTree.LocalTreeError>
}

/** @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (sync: Effect.Effect<void, LocalTree.LocalTreeError>, every: number) {
  const scope = yield* Effect.scope
  let left = every
  let running: Fiber.Fiber<void> | undefined
  let failed: LocalTree.LocalTreeError | undefined
  const ahead = Effect.matchEffect(sync, {
    // kept for the end: a system tells of what it could not write only once
    onFailure: (error) =>
      Effect.sync(() => {
        failed = error
      }),
    onSuccess: () =>
      Effect.sync(() => {
        left = every
      })
  })
  const self: SyncAhead = {
    wrote: (bytes) =>
      Effect.suspend(() => {
        left -= bytes
        if (left > 0) return Effect.void
        // none before this one has ended, nor after one that failed
        left = Number.POSITIVE_INFINITY
        return Effect.map(Effect.forkIn(ahead, scope), (fiber) => {
          running = fiber
        })
      }),
    finish: Effect.suspend(() => (running === undefined ? Effect.void : Fiber.join(running))).pipe(
      Effect.zipRight(sync),
      Effect.zipRight(Effect.suspend(() => failed ?? Effect.void))
    )
  }
  return self
})
