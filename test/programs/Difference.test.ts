import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as TestContext from "effect/TestContext"
import * as Difference from "../../src/programs/Difference.ts"
import * as Vault from "../../src/programs/Vault.ts"
import { change, devices, files, headOf } from "../support/devices.ts"

describe("the difference of two snapshots", () => {
  const tree = FastCheck.dictionary(
    FastCheck.constantFrom("a", "b/c", "b/d", "e", "f/g/h"),
    FastCheck.constantFrom("1", "2", "3")
  )

  it("names what was added, deleted and changed, and nothing else, at any path", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(
        tree,
        tree,
        FastCheck.constantFrom("", "a", "b", "b/c", "f", "nothing"),
        (one, two, path) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const [device] = yield* devices(1)
              yield* change(device!, { ...one, kept: "k" })
              const before = yield* headOf(device!)
              yield* change(device!, { ...Object.fromEntries(Object.keys(one).map((key) => [key, undefined])), ...two })
              const after = yield* headOf(device!)
              assert.strictEqual((yield* files(device!)).get("kept"), "k")
              const found = yield* Stream.runCollect(
                Difference.between(
                  Vault.snapshot(device!.vault, before.root),
                  Vault.snapshot(device!.vault, after.root),
                  path
                )
              )
              const expected = [...new Set([...Object.keys(one), ...Object.keys(two)])]
                .filter((key) => path === "" || key === path || key.startsWith(`${path}/`))
                .filter((key) => one[key] !== two[key])
                .sort()
                .map((key) => [key, one[key] === undefined ? "added" : two[key] === undefined ? "deleted" : "changed"])
              assert.deepStrictEqual(
                [...found].map((each) => [each.path, each.change]),
                expected
              )
            }).pipe(Effect.provide(TestContext.TestContext))
          )
      ),
      { numRuns: 15 }
    ))

  it.effect("tells a file whose time alone is another", () =>
    Effect.gen(function* () {
      const [device] = yield* devices(1)
      yield* change(device!, { a: "1", b: "1" }, 100)
      const before = yield* headOf(device!)
      yield* change(device!, { a: "1" }, 200)
      const after = yield* headOf(device!)
      const found = yield* Stream.runCollect(
        Difference.between(Vault.snapshot(device!.vault, before.root), Vault.snapshot(device!.vault, after.root), "")
      )
      assert.deepStrictEqual([...found], [{ path: "a", kind: "file", change: "metadata" }])
    })
  )
})
