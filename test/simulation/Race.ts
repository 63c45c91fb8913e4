/** Many seeds of one kind of run, and what came of them in numbers. */

import type { Configuration, Report } from "./Configuration.ts"
import type { FaultName } from "./Faults.ts"
import * as Machine from "./Machine.ts"
import * as Mutants from "./Mutants.ts"
import * as Scenarios from "./Scenarios.ts"
import * as Simulation from "./Simulation.ts"

/** What all the runs have in common. */
export interface Race {
  readonly writers: number
  readonly rounds: number
  readonly faults: ReadonlyArray<FaultName>
  readonly attemptMillis: number
  readonly variety: Scenarios.Variety
  /** The name of a known bug. */
  readonly mutant: string | undefined
}

export interface Tally {
  readonly seeds: number
  /** How many publications took one attempt, two, and so on; the first place is empty. */
  readonly attempts: ReadonlyArray<number>
  readonly heads: number
  readonly faults: number
  readonly gaveUp: number
  /** Heads beside another one. */
  readonly rivals: number
  /** The longest attempt in simulated milliseconds. */
  readonly longest: number
  /** Processor time in seconds. */
  readonly seconds: number
  /** The first seed with a problem. */
  readonly failed: number | undefined
}

export const nothing: Tally = {
  seeds: 0,
  attempts: [],
  heads: 0,
  faults: 0,
  gaveUp: 0,
  rivals: 0,
  longest: 0,
  seconds: 0,
  failed: undefined
}

export const both = (a: Tally, b: Tally): Tally => ({
  seeds: a.seeds + b.seeds,
  attempts: Array.from(
    { length: Math.max(a.attempts.length, b.attempts.length) },
    (_, count) => (a.attempts[count] ?? 0) + (b.attempts[count] ?? 0)
  ),
  heads: a.heads + b.heads,
  faults: a.faults + b.faults,
  gaveUp: a.gaveUp + b.gaveUp,
  rivals: a.rivals + b.rivals,
  longest: Math.max(a.longest, b.longest),
  seconds: a.seconds + b.seconds,
  failed: a.failed === undefined || (b.failed ?? a.failed) < a.failed ? b.failed : a.failed
})

/** The run of a seed. */
export const configuration = (race: Race, seed: number): Configuration => ({
  ...Scenarios.configuration(race.variety, {
    seed,
    writers: race.writers,
    rounds: race.rounds,
    faults: new Set(race.faults),
    attemptMillis: race.attemptMillis,
    mutant: Mutants.all.find(({ name }) => name === race.mutant)
  })
})

export const one = (race: Race, seed: number): Report =>
  Machine.isolated(() => Simulation.run(configuration(race, seed)))

const tally = (report: Report, seconds: number): Tally => {
  const attempts: Array<number> = []
  for (const count of report.attempts) attempts[count] = (attempts[count] ?? 0) + 1
  return {
    seeds: 1,
    attempts: Array.from(attempts, (times) => times ?? 0),
    heads: report.heads,
    faults: report.struck.length,
    gaveUp: report.gaveUp,
    rivals: report.rivals,
    longest: report.millis,
    seconds,
    failed: report.problem === undefined ? undefined : report.configuration.seed
  }
}

/** Runs the seeds one after the other, to the end, to the first problem, or until `seen` says that it is enough. */
export const run = (race: Race, seeds: Iterable<number>, seen: (tally: Tally) => boolean = () => true): Tally => {
  let all = nothing
  for (const seed of seeds) {
    const began = process.cpuUsage().user
    const report = one(race, seed)
    all = both(all, tally(report, (process.cpuUsage().user - began) / 1e6))
    if (!seen(all) || all.failed !== undefined) break
  }
  return all
}

/** The tally in words. */
export const shown = ({ attemptMillis, writers }: Race, tally: Tally): string => {
  const { attempts, faults, gaveUp, heads, longest, rivals, seconds, seeds } = tally
  const acknowledged = attempts.reduce((sum, times) => sum + times, 0)
  const distribution = attempts.flatMap((times, count) => (times === 0 ? [] : [`${count}: ${times}`])).join(", ")
  return [
    `${seeds} seeds, ${writers} writers, attempts of up to ${attemptMillis} ms (longest ${longest.toFixed(0)} ms): ` +
      `${acknowledged} publications acknowledged, ${heads} heads, ${rivals} of them beside another, ${faults} faults, ${gaveUp} gave up and ran again, ` +
      `nothing lost; ${(seeds / seconds).toFixed(1)} seeds a second of processor time`,
    `attempts: ${distribution}`
  ].join("\n")
}
