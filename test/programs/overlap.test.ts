import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { backup, later, latest, make, mapping, patiently } from "../support/programs.ts"

const docs = mapping("/docs")

it.effect("a file that went and came back while two backups of its folder overlapped is in the next snapshot", () =>
  Effect.flatMap(make({ "/docs/a.txt": "a", "/docs/g.txt": "g" }), (world) =>
    Effect.gen(function* () {
      yield* later
      yield* backup(docs)
      yield* later
      yield* world.disk.put("/docs/a.txt", "a, changed")
      let isFirst = true
      // the slow backup has seen g.txt; before it is through, g.txt goes, and a quick one publishes that
      world.faults.touch = (path) =>
        Effect.suspend(() => {
          if (!isFirst || path !== "/docs/a.txt") return Effect.void
          isFirst = false
          return Effect.orDie(
            Effect.gen(function* () {
              yield* world.disk.remove("/docs/g.txt")
              yield* backup(docs)
              assert.notProperty(yield* latest, "docs/g.txt")
            }).pipe(Effect.provide(world.layer))
          )
        })
      yield* patiently(backup(docs))
      yield* later
      yield* world.disk.put("/docs/g.txt", "g")
      yield* later
      yield* backup(docs)
      assert.propertyVal(yield* latest, "docs/g.txt", "g")
    }).pipe(Effect.provide(world.layer))
  )
)
