/**
 * The simulator on the command line:
 *
 *     npm run simulate -- --writers 10 --seeds 1000 [--seed N | --first N] [--jobs N] [--minutes N] [--rounds N] [--faults all|none|delay,crash,…]
 *         [--folders own|shared|mixed] [--contents varied|alike|mixed] [--registry cell|objects|several|mixed] [--state values|files|mixed]
 *         [--homes own|one|mixed] [--mirrors N|mixed] [--store objects|packed|mixed]
 *         [--attempt-ms 100,200,400] [--mutant NAME] [--trace] [--states] [--mutants]
 *
 * Ends with 0 when nothing was found, 1 with the shortest failing schedule, 2 for a wrong command line.
 */
import { parseArgs } from "node:util"
import type { Report } from "./Configuration.ts"
import type { FaultName } from "./Faults.ts"
import { faultNames } from "./Faults.ts"
import type { Mutant } from "./Mutants.ts"
import * as Mutants from "./Mutants.ts"
import * as Race from "./Race.ts"
import * as ReachableStates from "./ReachableStates.ts"
import * as Scenarios from "./Scenarios.ts"
import * as Shards from "./Shards.ts"
import { shrink } from "./Shrink.ts"
import * as Simulation from "./Simulation.ts"

const say = (text: string) => process.stdout.write(`${text}\n`)

const refuse = (problem: string): never => {
  process.stderr.write(`${problem}\n`)
  process.exit(2)
}

const { values } = (() => {
  try {
    return parseArgs({
      options: {
        writers: { type: "string", default: "10" },
        seeds: { type: "string", default: "1000" },
        seed: { type: "string" },
        first: { type: "string", default: "0" },
        jobs: { type: "string", default: "1" },
        minutes: { type: "string", default: "100000" },
        rounds: { type: "string", default: "2" },
        faults: { type: "string", default: "all" },
        folders: { type: "string", default: "mixed" },
        contents: { type: "string", default: "mixed" },
        registry: { type: "string", default: "mixed" },
        state: { type: "string", default: "mixed" },
        homes: { type: "string", default: "mixed" },
        mirrors: { type: "string", default: "mixed" },
        store: { type: "string", default: "mixed" },
        "attempt-ms": { type: "string", default: "100" },
        mutant: { type: "string" },
        trace: { type: "boolean", default: false },
        states: { type: "boolean", default: false },
        mutants: { type: "boolean", default: false }
      }
    })
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
})()

const whole = (name: string, text: string): number =>
  /^\d{1,9}$/.test(text) ? Number(text) : refuse(`--${name} ${text}: expected a whole number`)

const oneOf = <A extends string>(name: string, text: string, known: ReadonlyArray<A>): A =>
  known.find((one) => one === text) ?? refuse(`--${name} ${text}: expected one of ${known.join(", ")}`)

const faults: ReadonlySet<FaultName> =
  values.faults === "all"
    ? new Set(faultNames)
    : values.faults === "none"
      ? new Set()
      : new Set(values.faults.split(",").map((name) => oneOf("faults", name, faultNames)))

const mutantOf = (name: string): Mutant =>
  Mutants.all.find((mutant) => mutant.name === name) ??
  refuse(
    `--mutant ${name}: expected one of\n${Mutants.all.map((mutant) => `  ${mutant.name}: ${mutant.about}`).join("\n")}`
  )

const mutant = values.mutant === undefined ? undefined : mutantOf(values.mutant)
const writers = whole("writers", values.writers)
const first = values.seed === undefined ? whole("first", values.first) : whole("seed", values.seed)
const jobs = Math.max(1, whole("jobs", values.jobs))
const seeds = values.seed === undefined ? whole("seeds", values.seeds) : 1
const minutes = whole("minutes", values.minutes)
const variety: Scenarios.Variety = {
  folders: oneOf("folders", values.folders, ["own", "shared", "mixed"]),
  contents: oneOf("contents", values.contents, ["varied", "alike", "mixed"]),
  registry: oneOf("registry", values.registry, ["cell", "objects", "several", "mixed"]),
  state: oneOf("state", values.state, ["values", "files", "mixed"]),
  homes: oneOf("homes", values.homes, ["own", "one", "mixed"]),
  mirrors: values.mirrors === "mixed" ? "mixed" : whole("mirrors", values.mirrors),
  store: oneOf("store", values.store, ["objects", "packed", "mixed"])
}

const explain = (report: Report): void => {
  const { configuration, problem } = report
  say(`seed ${configuration.seed} fails: ${problem}`)
  const { report: shortest, runs } = shrink(report)
  const { only } = shortest.configuration
  say(`the shortest schedule that fails (of ${runs} tried): ${shortest.problem}`)
  say(
    `  ${only?.writers?.size ?? shortest.configuration.writers} writers, ${shortest.configuration.rounds} rounds, ` +
      `${shortest.edits.length} changes, ${shortest.slow.length} delays, ${shortest.struck.length} faults: ` +
      (shortest.struck.map(({ call, trouble }) => `${trouble} at ${call}`).join(", ") || "none")
  )
  for (const line of shortest.trace) say(`  ${line}`)
  say(`to see the whole run: npm run simulate -- ${Scenarios.command(configuration)} --trace`)
}

const raceOf = (attemptMillis: number): Race.Race => ({
  writers,
  rounds: whole("rounds", values.rounds),
  faults: [...faults],
  attemptMillis,
  variety,
  mutant: mutant?.name
})

/** Runs one seed here, with whatever is to be seen of it. */
const single = (race: Race.Race, seed: number): Race.Tally => {
  const report = Race.one(race, seed)
  if (values.trace) for (const line of report.trace) say(line)
  if (report.problem === undefined) say(`trace ${Simulation.digest(report)}`)
  return Race.run(race, [seed])
}

/** Tells once a minute how far it is, so that a race that is broken off was not for nothing. */
const progress = (race: Race.Race) => {
  let said = Date.now()
  return (tally: Race.Tally) => {
    if (Date.now() - said < 60_000) return
    said = Date.now()
    process.stderr.write(`so far: ${Race.shown(race, tally)}\n`)
  }
}

/** Runs all seeds with attempts of up to `attemptMillis`; `false` when one failed. */
const run = async (attemptMillis: number): Promise<boolean> => {
  const race = raceOf(attemptMillis)
  const tally =
    seeds === 1 ? single(race, first) : await Shards.run(race, { first, seeds, jobs, minutes }, progress(race))
  if (tally.failed === undefined) {
    say(Race.shown(race, tally))
    return true
  }
  explain(Race.one(race, tally.failed))
  return false
}

/** Runs the seeds with attempts of each length, to the first one that fails. */
const runAll = async (): Promise<boolean> => {
  for (const millis of values["attempt-ms"].split(",")) if (!(await run(whole("attempt-ms", millis)))) return false
  return true
}

const hunt = (): boolean =>
  Mutants.all
    .map((one) => {
      const found = Mutants.hunt(one, seeds)
      say(
        found === undefined
          ? `${one.name}: NOT FOUND in ${seeds} seeds`
          : `${one.name}: seed ${found.configuration.seed}: ${found.problem}`
      )
      return found !== undefined
    })
    .every((isFound) => isFound)

/** Every reachable state of the small cases, from the case `--first` on. */
const search = (): boolean =>
  ReachableStates.cases
    .slice(first)
    .map((about) => {
      const began = performance.now()
      const found = ReachableStates.explore(about)
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      say(
        `${ReachableStates.nameOf(about)}: ${found.states} states, ${found.ends} of them final, ${found.heads} heads, ` +
          `${found.runs} runs of the program cover ${found.interleavings} interleavings; ${seconds} s`
      )
      if (found.problem === undefined) return true
      for (const step of found.problem.steps) say(`  ${step}`)
      say(`  PROBLEM: ${found.problem.detail}`)
      return false
    })
    .every((isFound) => isFound)

process.exitCode = (values.states ? search() : values.mutants ? hunt() : await runAll()) ? 0 : 1
