/** From a failing run to the shortest one that still fails. */
import type { Configuration, Only, Report } from "./Simulation.ts"
import * as Simulation from "./Simulation.ts"

/** What was left out, and what is left. */
export interface Shrunk {
  readonly report: Report
  readonly runs: number
}

/**
 * Leaves out writers, rounds, faults, changes of files and delays for as long as the run fails: at the end none of what
 * is left can be left out alone, or `mostRuns` were tried.
 */
export const shrink = (failing: Report, mostRuns = 1500): Shrunk => {
  let best = failing
  let runs = 0

  /** Takes the configuration if it fails, too. */
  const attempt = (configuration: Configuration): boolean => {
    if (runs >= mostRuns) return false
    runs++
    const report = Simulation.run(configuration)
    if (report.problem === undefined) return false
    best = report
    return true
  }
  const onlyWith = (only: Only): Configuration => ({
    ...best.configuration,
    only: { ...best.configuration.only, ...only }
  })

  /** Leaves out halves of `items`, then quarters, and so on to single ones. */
  const reduce = <A>(items: () => ReadonlyArray<A>, keep: (kept: ReadonlySet<A>) => Only): boolean => {
    let isSmaller = items().length > 0 && attempt(onlyWith(keep(new Set())))
    for (let size = Math.ceil(items().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < items().length; ) {
        const all = items()
        const without = [...all.slice(0, from), ...all.slice(from + size)]
        if (attempt(onlyWith(keep(new Set(without))))) isSmaller = true
        else from += size
      }
    }
    return isSmaller
  }

  const writers = () => {
    const { only, writers: count } = best.configuration
    return Array.from({ length: count }, (_, index) => index).filter((index) => only?.writers?.has(index) ?? true)
  }
  const passes: ReadonlyArray<() => boolean> = [
    () => reduce(writers, (kept) => ({ writers: kept })),
    () => {
      let isSmaller = false
      while (best.configuration.rounds > 1 && attempt({ ...best.configuration, rounds: best.configuration.rounds - 1 }))
        isSmaller = true
      return isSmaller
    },
    () =>
      reduce(
        () => best.struck.map(({ call }) => call),
        (kept) => ({ struck: kept })
      ),
    () =>
      reduce(
        () => best.edits,
        (kept) => ({ edits: kept })
      ),
    () =>
      reduce(
        () => best.slow,
        (kept) => ({ slow: kept })
      )
  ]
  while (passes.map((pass) => pass()).includes(true) && runs < mostRuns);
  return { report: best, runs }
}
