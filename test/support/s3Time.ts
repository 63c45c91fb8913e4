/**
 * Time that passes only while everybody waits for it. Signing is asynchronous work of the machine, so a clock that is
 * moved by turns, as `TestClock` is, would let a time limit pass meanwhile.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Double } from "./s3Double.ts"

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

const turn = () => new Promise<void>((done) => setImmediate(done))

/** Runs the effect to its end in a time of its own; gives the milliseconds that it took, and how it ended. */
export const run = <A, E>(double: Double, effect: Effect.Effect<A, E>, start = Date.UTC(2026, 10, 22)) =>
  Effect.gen(function* () {
    let now = start
    const sleepers = new Set<Sleeper>()
    const waits: Array<number> = []
    const clock: Clock.Clock = {
      ...Clock.make(),
      unsafeCurrentTimeMillis: () => now,
      unsafeCurrentTimeNanos: () => BigInt(now) * 1_000_000n,
      currentTimeMillis: Effect.sync(() => now),
      currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
      sleep: (duration) =>
        Effect.async<void>((resume) => {
          const sleeper = { at: now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
          sleepers.add(sleeper)
          return Effect.sync(() => {
            sleepers.delete(sleeper)
          })
        })
    }
    const fiber = yield* Effect.fork(Effect.exit(Effect.withClock(effect, clock)))
    let quiet = 0
    let before = ""
    while (fiber.unsafePoll() === null) {
      yield* Effect.promise(turn)
      const state = [...sleepers].map(({ at }) => at).join()
      quiet = double.busy === 0 && sleepers.size > 0 && state === before ? quiet + 1 : 0
      before = state
      if (quiet < 5) continue
      const next = [...sleepers].reduce((a, b) => (b.at < a.at ? b : a))
      waits.push(next.at - now)
      now = next.at
      sleepers.delete(next)
      next.wake()
    }
    return { exit: yield* Fiber.join(fiber), millis: now - start, waits }
  })
