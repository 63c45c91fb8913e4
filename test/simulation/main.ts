/**
 * The simulator on the command line:
 *
 *     npm run simulate -- --writers 10 --seeds 1000 [--seed N] [--rounds N] [--faults all|none|delay,crash,…]
 *         [--folders own|shared|mixed] [--contents varied|alike|mixed] [--registry cell|objects|mixed] [--state values|files|mixed]
 *         [--attempt-ms 100,200,400] [--mutant NAME] [--trace] [--states] [--mutants]
 *
 * Ends with 0 when nothing was found, 1 with the shortest failing schedule, 2 for a wrong command line.
 */
import { parseArgs } from "node:util"
import type { FaultName } from "./Faults.ts"
import { faultNames } from "./Faults.ts"
import * as Machine from "./Machine.ts"
import type { Mutant } from "./Mutants.ts"
import * as Mutants from "./Mutants.ts"
import * as ReachableStates from "./ReachableStates.ts"
import * as Scenarios from "./Scenarios.ts"
import { shrink } from "./Shrink.ts"
import type { Report } from "./Simulation.ts"
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
        rounds: { type: "string", default: "2" },
        faults: { type: "string", default: "all" },
        folders: { type: "string", default: "mixed" },
        contents: { type: "string", default: "mixed" },
        registry: { type: "string", default: "mixed" },
        state: { type: "string", default: "mixed" },
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
const first = values.seed === undefined ? 0 : whole("seed", values.seed)
const seeds = values.seed === undefined ? whole("seeds", values.seeds) : 1
const variety: Scenarios.Variety = {
  folders: oneOf("folders", values.folders, ["own", "shared", "mixed"]),
  contents: oneOf("contents", values.contents, ["varied", "alike", "mixed"]),
  registry: oneOf("registry", values.registry, ["cell", "objects", "mixed"]),
  state: oneOf("state", values.state, ["values", "files", "mixed"])
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

const distribution = (attempts: ReadonlyArray<number>): string => {
  const counts = new Map<number, number>()
  for (const count of attempts) counts.set(count, (counts.get(count) ?? 0) + 1)
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([count, times]) => `${count}: ${times}`)
    .join(", ")
}

/** Runs all seeds with attempts of up to `attemptMillis`; `false` when one failed. */
const race = (attemptMillis: number): boolean => {
  const began = performance.now()
  const attempts: Array<number> = []
  let [gaveUp, heads, struck, longest] = [0, 0, 0, 0]
  for (let seed = first; seed < first + seeds; seed++) {
    const configuration = Scenarios.configuration(variety, {
      seed,
      writers,
      rounds: whole("rounds", values.rounds),
      faults,
      attemptMillis,
      mutant
    })
    const report = Machine.isolated(() => Simulation.run(configuration))
    if (values.trace) for (const line of report.trace) say(line)
    if (report.problem !== undefined) {
      explain(report)
      return false
    }
    for (const count of report.attempts) attempts.push(count)
    gaveUp += report.gaveUp
    heads += report.heads
    struck += report.struck.length
    longest = Math.max(longest, report.millis)
    if (values.seed !== undefined) say(`trace ${Simulation.digest(report)}`)
  }
  const seconds = (performance.now() - began) / 1000
  say(
    `${seeds} seeds, ${writers} writers, attempts of up to ${attemptMillis} ms (longest ${longest.toFixed(0)} ms): ` +
      `${attempts.length} publications acknowledged, ${heads} heads, ${struck} faults, ${gaveUp} gave up and ran again, ` +
      `nothing lost; ${(seeds / seconds).toFixed(1)} seeds/s`
  )
  say(`attempts: ${distribution(attempts)}`)
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

/** Every reachable state of the small cases. */
const search = (): boolean =>
  ReachableStates.cases
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

const isFine = values.states
  ? search()
  : values.mutants
    ? hunt()
    : values["attempt-ms"]
        .split(",")
        .map((millis) => race(whole("attempt-ms", millis)))
        .every((isFineToo) => isFineToo)
process.exitCode = isFine ? 0 : 1
