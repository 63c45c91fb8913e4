import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { mapAhead } from "../../src/fs5/ReadAhead.ts"

const numbered = (count: number) => Stream.map(Stream.range(1, count), (number) => ({ number }))

describe("mapAhead", () => {
  it.effect("keeps the order, whichever fetch is ready first, and never exceeds its width", () =>
    Effect.gen(function* () {
      let underWay = 0
      let most = 0
      const out = yield* mapAhead(Stream.rechunk(numbered(100), 7), 4, ({ number }) =>
        Effect.gen(function* () {
          most = Math.max(most, ++underWay)
          for (let turn = 0; turn < (number * 7) % 11; turn++) yield* Effect.yieldNow()
          underWay--
          return number
        })
      ).pipe(Stream.runCollect)
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(out),
        Array.from({ length: 100 }, (_, index) => index + 1)
      )
      assert.strictEqual(most, 4)
    })
  )

  it.effect("a failure of the source arrives behind what came before it", () =>
    Effect.gen(function* () {
      const seen = yield* Ref.make<ReadonlyArray<number>>([])
      const source = Stream.concat(numbered(3), Stream.fail("source"))
      const result = yield* mapAhead(source, 8, ({ number }) => Effect.succeed(number)).pipe(
        Stream.runForEach((number) => Ref.update(seen, (before) => [...before, number])),
        Effect.either
      )
      assert.deepStrictEqual(result, Either.left("source"))
      assert.deepStrictEqual(yield* Ref.get(seen), [1, 2, 3])
    })
  )

  it.effect("a failing fetch fails the stream and stops the others", () =>
    Effect.gen(function* () {
      const stopped = yield* Deferred.make<void>()
      const result = yield* mapAhead(numbered(3), 3, ({ number }) =>
        number === 1
          ? Effect.zipRight(Effect.yieldNow(), Effect.fail("fetch"))
          : Effect.onInterrupt(Effect.never, () => Deferred.succeed(stopped, undefined))
      ).pipe(Stream.runDrain, Effect.either)
      assert.deepStrictEqual(result, Either.left("fetch"))
      yield* Deferred.await(stopped)
    })
  )

  it.effect("interrupting the reader interrupts what is under way", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const fiber = yield* mapAhead(numbered(1), 2, () =>
        Effect.zipRight(
          Deferred.succeed(started, undefined),
          Effect.onInterrupt(Effect.never, () => Deferred.succeed(stopped, undefined))
        )
      ).pipe(Stream.runDrain, Effect.fork)
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(stopped)
    })
  )
})
