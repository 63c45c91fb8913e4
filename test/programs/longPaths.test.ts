import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { maxKeyLength } from "../../src/schema/Node.ts"
import { backup, latest, make, mapping } from "../support/programs.ts"

const folders = Array.from({ length: 9 }, (_, index) => `${"d".repeat(8_000)}${index}`)
const path = folders.join("/")

describe("a path that is longer than the format can hold", () => {
  it.effect("is left out and told, once for all that is in it, and everything else is kept", () =>
    Effect.gen(function* () {
      assert.isAbove(path.length, maxKeyLength)
      const world = yield* make({ "/one/f": "1", [`/one/${path}/x`]: "2", [`/one/${path}/y`]: "3", "/one/z": "4" })
      yield* Effect.gen(function* () {
        const { problems, published } = yield* backup(mapping("/one"))
        assert.strictEqual(published.outcome, "published")
        assert.strictEqual(problems.length, 1)
        assert.include(problems[0]!.detail, `longer than ${maxKeyLength} bytes`)
        assert.isBelow(problems[0]!.display.length, 300)
        const found = yield* latest
        assert.strictEqual(found["one/f"], "1")
        assert.strictEqual(found["one/z"], "4")
        const longest = Math.max(...Object.keys(found).map((key) => key.length))
        assert.isAtMost(longest, maxKeyLength)
        assert.isAbove(longest + folders[0]!.length + 2, maxKeyLength)
        assert.strictEqual((yield* backup(mapping("/one"))).published.outcome, "unchanged")
      }).pipe(Effect.provide(world.layer))
    })
  )
})
