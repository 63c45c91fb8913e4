import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as VirtualClock from "./VirtualClock.ts"
import { World } from "./World.ts"

describe("the virtual clock", () => {
  it.effect("is moved by TestClock.adjust, and wakes sleepers in order at their own times", () => {
    const world = new World()
    const clock = VirtualClock.make(world)
    const woken: Array<readonly [string, number]> = []
    const sleeper = (name: string, millis: number) =>
      Effect.gen(function* () {
        yield* Effect.sleep(Duration.millis(millis))
        woken.push([name, yield* Clock.currentTimeMillis])
        yield* Effect.sleep(Duration.millis(millis))
        woken.push([name, yield* Clock.currentTimeMillis])
      }).pipe(Effect.withClock(clock))
    return Effect.gen(function* () {
      world.start(sleeper("slow", 70))
      world.start(sleeper("quick", 30))
      assert.deepStrictEqual([...(yield* TestClock.sleeps())], [70, 30])
      yield* TestClock.adjust("80 millis")
      assert.deepStrictEqual(woken, [
        ["quick", 30],
        ["quick", 60],
        ["slow", 70]
      ])
      yield* TestClock.setTime(200)
      assert.deepStrictEqual(woken.at(-1), ["slow", 140])
      assert.strictEqual(yield* Clock.currentTimeMillis, 200)
    }).pipe(Effect.provide(Layer.setClock(clock)))
  })

  it.effect("lets a program inside the world wait with TestClock.adjust", () => {
    const world = new World()
    const clock = VirtualClock.make(world)
    let at = -1
    world.start(
      Effect.gen(function* () {
        yield* TestClock.adjust("1 second")
        at = yield* Clock.currentTimeMillis
      }).pipe(Effect.withClock(clock))
    )
    return Effect.sync(() => {
      while (world.step());
      assert.strictEqual(at, 1000)
    })
  })

  it("moves ten thousand sleepers without waiting for any", () => {
    const world = new World()
    const clock = VirtualClock.make(world)
    let awake = 0
    for (let index = 0; index < 10_000; index++)
      world.start(
        Effect.sleep(Duration.hours(index)).pipe(Effect.tap(Effect.sync(() => awake++)), Effect.withClock(clock))
      )
    Effect.runSync(TestClock.adjust(Duration.hours(10_000)).pipe(Effect.provide(Layer.setClock(clock))))
    assert.strictEqual(awake, 10_000)
  })
})
