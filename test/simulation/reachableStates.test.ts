import { assert, describe, it } from "@effect/vitest"
import * as Interleavings from "./Interleavings.ts"
import * as ReachableStates from "./ReachableStates.ts"

const search = (about: ReachableStates.Case) => {
  const found = ReachableStates.explore(about)
  assert.strictEqual(found.problem, undefined, JSON.stringify(found.problem, undefined, 2))
  return found
}

describe("every reachable state", () => {
  for (const folders of ["own", "shared"] as const) {
    it(`of two writers with one round is what plain enumeration finds (${folders} folders)`, () => {
      const about = { writers: 2, rounds: 1, folders }
      const plain = Interleavings.enumerate(about)
      const found = search({ ...about, gates: "shared", crash: false })
      assert.strictEqual(found.interleavings, plain.interleavings)
      assert.deepStrictEqual(found.outcomes, plain.outcomes)
      assert.isAbove(Number(plain.interleavings), 100)
    })

    it(`of two writers with two rounds loses nothing (${folders} folders)`, () => {
      const found = search({ writers: 2, rounds: 2, folders, gates: "shared", crash: false })
      assert.isAbove(found.states, 1000)
      assert.isAbove(Number(found.interleavings), 50_000)
    })

    it(`of three writers with one round loses nothing, whoever comes first (${folders} folders)`, () => {
      const found = search({ writers: 3, rounds: 1, folders, gates: "shared", crash: false })
      assert.isAbove(found.states, 10_000)
      // the merge leaves no trace of the order
      assert.strictEqual(found.outcomes.length, 1)
    })

    it(`is as good when others come between any two calls (${folders} folders)`, () => {
      const about = { writers: 2, rounds: 1, folders, crash: false } as const
      const all = search({ ...about, gates: "all" })
      const shared = search({ ...about, gates: "shared" })
      assert.deepStrictEqual(all.outcomes, shared.outcomes)
      assert.isAbove(all.states, shared.states)
    })

    it(`of two writers of which one dies at any step loses nothing (${folders} folders)`, () => {
      const found = search({ writers: 2, rounds: 1, folders, gates: "shared", crash: true })
      assert.isAbove(found.states, 1000)
    })
  }

  it("finds what a registry without compare-and-swap loses, and by which steps", () => {
    const { problem } = ReachableStates.explore({
      writers: 2,
      rounds: 1,
      folders: "own",
      gates: "shared",
      crash: false,
      isBlind: true
    })
    assert.isDefined(problem)
    assert.match(problem?.detail ?? "", /took the place of revision 1/)
    assert.isAbove(problem?.steps.length ?? 0, 3)
  })
})
