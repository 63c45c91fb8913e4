/**
 * Turns of the event loop for who works at once: signals, timers and other threads' messages wait while nobody gives it one,
 * and a fiber that never waits does not.
 */
import * as Effect from "effect/Effect"

/** Milliseconds of work in a row. */
const longest = 5

let began = 0

const turn = <A, E>(next: () => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(
    Effect.async<void>((resume) => {
      const immediate = setImmediate(() => {
        began = performance.now()
        resume(Effect.void)
      })
      return Effect.sync(() => clearImmediate(immediate))
    }),
    next
  )

/** `work`, which is done at once, after a turn of the event loop where one is due. */
export const between = <A, E>(work: () => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => (performance.now() - began > longest ? turn(work) : work()))
