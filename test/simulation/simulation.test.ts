import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import type { Configuration, Report } from "./Configuration.ts"
import { faultNames } from "./Faults.ts"
import * as Machine from "./Machine.ts"
import * as Scenarios from "./Scenarios.ts"
import * as Simulation from "./Simulation.ts"

const everyFault = new Set(faultNames)

const configuration = (seed: number, writers: number, rest: Partial<Configuration> = {}): Configuration => ({
  ...Scenarios.configuration(Scenarios.mixed, {
    seed,
    writers,
    rounds: 2,
    faults: everyFault,
    attemptMillis: 100
  }),
  ...rest
})

/** Runs the seeds; the first problem fails the test with how to see it. */
const race = async (writers: number, seeds: number, from: number, rest: Partial<Configuration> = {}) => {
  const reports: Array<Report> = []
  for (let seed = from; seed < from + seeds; seed++) {
    const report = Machine.isolated(() => Simulation.run(configuration(seed, writers, rest)))
    const command = Scenarios.command(report.configuration)
    assert.isUndefined(report.problem, `${report.problem}; see npm run simulate -- ${command}`)
    reports.push(report)
    // a run is one long synchronous step: the test runner wants to breathe
    await new Promise(setImmediate)
  }
  return reports
}

// how long a run takes depends on who else is busy on the machine, and on nothing else
describe("writers that publish at once while everything fails", { timeout: 300_000 }, () => {
  it("lose nothing when there are two", async () => {
    const reports = await race(2, 40, 0)
    const struck = new Set(reports.flatMap((report) => report.struck.map(({ trouble }) => trouble)))
    assert.deepStrictEqual(
      [...struck].sort(),
      ["crash", "crashAfter", "fail", "failAfter", "interrupt", "power", "stale", "unseen"],
      "not everything was tried"
    )
  })

  it("lose nothing when there are three in one folder", async () => {
    await race(3, 12, 10_000, { folders: "shared" })
  })

  it("lose nothing over claims in an object store and records in files", async () => {
    await race(2, 8, 20_000, { registry: "objects", state: "files" })
  })

  it("lose nothing over several registries that are down in turn, and each of two rivals is in the last head", async () => {
    const reports = await race(4, 24, 50_000, { registry: "several" })
    assert.isAbove(Math.max(...reports.map(({ rivals }) => rivals)), 0, "there were no rivals")
  })

  it("lose nothing as processes of one device, whose records they share", async () => {
    await race(3, 6, 60_000, { homes: "one" })
    await race(3, 6, 61_000, { homes: "one", folders: "shared", state: "files" })
  })

  it("leave no meta target without what was published, whatever died in between", async () => {
    await race(3, 10, 70_000, { mirrors: 2 })
  })

  it("lose nothing in packs with an index in each home, which is lost at times, nor with one that they share", async () => {
    const packed = { store: "packed", folders: "shared" } as const
    await race(3, 5, 80_000, packed)
    await race(3, 4, 81_000, { ...packed, homes: "one", contents: "alike" })
    // a pack that somebody found without a catalogue, and one that went away while it was looked at
    await race(3, 1, 21, { ...packed, folders: "own", registry: "objects" })
    await race(3, 1, 499, { ...packed, folders: "own", mirrors: 2 })
  })

  it("lose nothing when there are ten", async () => {
    const reports = await race(10, 2, 30_000)
    assert.isAbove(Math.max(...reports.flatMap(({ attempts }) => attempts)), 3)
  })

  it("none of thirty gives up while an attempt takes up to 100 ms", async () => {
    const [report] = await race(30, 1, 40_000, { faults: new Set(["delay"]), rounds: 1, store: "objects" })
    assert.strictEqual(report?.gaveUp, 0)
    assert.isAbove(report?.millis ?? 0, 40)
    assert.isAtMost(report?.millis ?? 0, 100)
  })
})

describe("a seed", () => {
  it("gives the same trace every time, whatever the machine says, which nobody but Effect asks", () => {
    for (const [registry, store] of [
      ["cell", "packed"],
      ["objects", "objects"]
    ] as const) {
      const about = configuration(5, 4, { registry, store, state: registry === "cell" ? "values" : "files" })
      const first = Machine.isolated(() => Simulation.run(about))
      let asked = 0
      const other = Machine.onlyForEffect({
        now: () => 1_700_000_000_000 - 12_345 * asked++,
        chance: () => (Math.abs(Math.sin(asked++)) * 1000) % 1
      })
      const second = Machine.isolated(() => Simulation.run(about), other)
      assert.isAbove(first.trace.length, 100)
      assert.deepStrictEqual(second.trace, first.trace)
    }
  })

  it("gives the same trace in another process, from the command line", () => {
    const here = Machine.isolated(() => Simulation.run(configuration(7, 3)))
    const script = fileURLToPath(new URL("./main.ts", import.meta.url))
    const { status, stdout } = spawnSync(
      process.execPath,
      ["--import", "tsx", script, "--writers", "3", "--rounds", "2", "--seed", "7"],
      { encoding: "utf8" }
    )
    assert.strictEqual(status, 0, stdout)
    assert.include(stdout, `trace ${Simulation.digest(here)}`)
    assert.match(stdout, /attempts: 1: \d+/)
  })

  it("gives another trace than the next one", () => {
    const [first, second] = [7, 8].map((seed) => Simulation.digest(Simulation.run(configuration(seed, 2))))
    assert.notStrictEqual(first, second)
  })
})

describe("the machine", () => {
  it("answers nobody during a run, and everybody afterwards", () => {
    const clock = Date.now
    const answers = Machine.onlyForEffect({ now: () => 0, chance: () => 0 })
    assert.throws(() => Machine.isolated(() => Math.random(), answers), /asked the machine for chance/)
    assert.throws(() => Machine.isolated(() => Date.now(), answers), /asked the machine for the time/)
    assert.throws(() => Machine.isolated(() => setTimeout(() => {}, 1)), /asked the machine for a timer/)
    assert.throws(() => Machine.isolated(() => performance.now()), /asked the machine for the time/)
    assert.strictEqual(Date.now, clock)
    assert.isAbove(Date.now(), 0)
  })
})
