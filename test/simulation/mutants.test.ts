import { assert, describe, it } from "@effect/vitest"
import * as Mutants from "./Mutants.ts"
import { shrink } from "./Shrink.ts"
import * as Simulation from "./Simulation.ts"

describe("known bugs", { timeout: 300_000 }, () => {
  for (const mutant of Mutants.all)
    it(`${mutant.name}: the simulator notices`, () => {
      assert.isDefined(Mutants.hunt(mutant, 1000), mutant.about)
    })

  it("nothing is found in the mutants' publish loop without a bug", () => {
    for (const habitat of [{}, { folders: "shared", writers: 3 }] as const)
      assert.isUndefined(Mutants.hunt({ ...Mutants.control, habitat }, 12)?.problem)
  })
})

describe("a failing run", { timeout: 300_000 }, () => {
  it("is shrunk to the few faults that make it fail, and fails the same way again", () => {
    const mutant = Mutants.all.find(({ name }) => name === "crash-before-record")
    const failing = mutant === undefined ? undefined : Mutants.hunt(mutant, 1000)
    if (failing === undefined) return assert.fail("there is nothing to shrink")
    const { report } = shrink(failing)
    assert.isAtMost(report.struck.length, 5)
    assert.isBelow(report.trace.length, failing.trace.length)
    const again = Simulation.run(report.configuration)
    assert.strictEqual(again.problem, report.problem)
    assert.deepStrictEqual(again.trace, report.trace)
  })
})
