/**
 * The time of a `World` as a clock that has `TestClock`'s interface: `TestClock.adjust` moves the world on.
 *
 * Unlike the stock test clock it never polls: when the world has nothing left to do at an instant, it knows.
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as TestClock from "effect/TestClock"
import type { Happening, World } from "./World.ts"

const microseconds = (duration: Duration.DurationInput) => Math.ceil(Duration.toMillis(duration) * 1000)

/** A clock over `world`; `isAlive` says whether sleepers are still to be woken. */
export const make = (world: World, isAlive: () => boolean = () => true): TestClock.TestClock => {
  const sleeping = new Set<Happening>()
  const millis = () => Math.floor(world.now / 1000)
  const nanos = () => BigInt(world.now) * 1000n

  const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
    Effect.async<void>((resume) => {
      const waking = world.later(microseconds(duration), () => {
        sleeping.delete(waking)
        if (isAlive()) resume(Effect.void)
      })
      sleeping.add(waking)
      return Effect.sync(() => {
        sleeping.delete(waking)
        world.cancel(waking)
      })
    })

  // inside the world time passes by waiting; from outside it is moved
  const adjust = (duration: Duration.DurationInput) =>
    Effect.suspend(() => {
      if (world.isRunning) return sleep(Duration.decode(duration))
      world.runUntil(world.now + microseconds(duration))
      return Effect.void
    })

  return {
    ...Clock.make(),
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep,
    adjust,
    adjustWith: (duration) => (effect) => Effect.zipLeft(effect, adjust(duration), { concurrent: true }),
    save: Effect.sync(() => {
      const saved = world.now
      return Effect.sync(() => {
        world.now = saved
      })
    }),
    setTime: (time) => Effect.suspend(() => adjust(Duration.millis(Math.max(0, time - world.now / 1000)))),
    sleeps: Effect.sync(() => Chunk.fromIterable([...sleeping].map(({ at }) => at / 1000)))
  }
}
