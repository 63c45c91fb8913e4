// The reference's own scenarios (docs/format/node.md §6.1, 1 to 3), under the stock TestClock.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { backup, later, latest, make, mapping, patiently } from "../support/programs.ts"

const race = (name: string, count: number, run: (sources: ReadonlyArray<ReturnType<typeof mapping>>) => Race) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const names = Array.from({ length: count }, (_, index) => `flow-${index}`)
      const world = yield* make(Object.fromEntries(names.map((each) => [`/${each}/${each}.txt`, `by ${each}`])))
      const found = yield* Effect.provide(
        Effect.gen(function* () {
          yield* later
          yield* run(names.map((each) => mapping(`/${each}`)))
          return yield* latest
        }),
        world.layer
      )
      const expected = names.flatMap((each) => [
        [`${each}/`, ""],
        [`${each}/${each}.txt`, `by ${each}`]
      ])
      assert.deepStrictEqual(found, Object.fromEntries(expected))
    })
  )

type Race = Effect.Effect<
  unknown,
  Effect.Effect.Error<ReturnType<typeof backup>>,
  Effect.Effect.Context<ReturnType<typeof backup>>
>

describe("publishers of one vault", () => {
  race("back-to-back publishers: the newest snapshot has both", 2, (sources) =>
    Effect.forEach(sources, (source) => backup(source), { discard: true })
  )

  race("parallel publishers: both are present", 2, (sources) =>
    patiently(Effect.forEach(sources, (source) => backup(source), { concurrency: "unbounded", discard: true }))
  )

  race("ten-way divergent publishers: all ten are present", 10, (sources) =>
    patiently(Effect.forEach(sources, (source) => backup(source), { concurrency: "unbounded", discard: true }))
  )
})
