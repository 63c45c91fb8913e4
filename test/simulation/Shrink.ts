/** From a failing run to the shortest one that still fails. */

import type { Configuration, Edit, Only, Report } from "./Configuration.ts"
import type { CallId } from "./Faults.ts"
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
export const shrink = (failing: Report, mostRuns = 800): Shrunk => {
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

  const fewerRounds = () => {
    let isSmaller = false
    while (best.configuration.rounds > 1 && attempt({ ...best.configuration, rounds: best.configuration.rounds - 1 }))
      isSmaller = true
    return isSmaller
  }

  /** Leaves out a life of a writer that came to nothing: those after it take its place. */
  const fewerLives = () => {
    let isSmaller = false
    for (const writer of writers()) {
      for (let life = 0; best.struck.some(({ call }) => isOf(call, writer, life)); ) {
        const struck = best.struck.flatMap(({ call, trouble }) => {
          const [who, when = 0, number] = call.split(".").map(Number)
          if (who !== writer || when < life) return [[call, trouble] as const]
          return when === life ? [] : [[`${who}.${when - 1}.${number}` as CallId, trouble] as const]
        })
        const edits = best.edits.map((edit): Edit => {
          if (edit.writer !== writer || edit.lives <= life) return edit
          return { ...edit, lives: edit.lives - 1, moment: edit.lives === 1 ? "round" : edit.moment }
        })
        if (attempt(onlyWith({ struck: new Map(struck), edits }))) isSmaller = true
        else life++
      }
    }
    return isSmaller
  }

  /** Strikes an earlier call of the same kind instead, so that what lies between can go. */
  const earlierFaults = () => {
    let isSmaller = false
    for (let index = 0; index < best.struck.length; index++) {
      const { call, trouble } = best.struck[index]!
      const [writer = 0] = call.split(".").map(Number)
      const place = best.calls.findIndex(({ id }) => id === call)
      const kind = kindOf(best.calls[place]?.label ?? "")
      const earlier = best.calls
        .slice(0, Math.max(0, place))
        .filter(({ id, label }) => Number(id.split(".")[0]) === writer && kindOf(label) === kind)
      const length = best.trace.length
      for (const { id } of earlier) {
        const struck = new Map(best.struck.map((one) => [one.call, one.trouble] as const))
        struck.delete(call)
        if (struck.has(id)) continue
        struck.set(id, trouble)
        const before = best
        if (!attempt(onlyWith({ struck }))) continue
        if (best.trace.length < length) {
          isSmaller = true
          break
        }
        best = before
      }
    }
    return isSmaller
  }

  /** Leaves out a fault and strikes what follows in that life where it then takes place. */
  const fewerFaults = () => {
    let isSmaller = false
    for (let index = 0; index < best.struck.length; index++) {
      const { call } = best.struck[index]!
      const [writer = 0, life = 0, number = 0] = call.split(".").map(Number)
      const next = best.struck.find(
        (one) => isOf(one.call, writer, life) && Number(one.call.split(".")[2]) > number && one.call !== call
      )
      if (next === undefined) continue
      const kind = kindOf(best.calls.find(({ id }) => id === next.call)?.label ?? "")
      const others = new Map(
        best.struck.flatMap((one) => (one === next || one.call === call ? [] : [[one.call, one.trouble] as const]))
      )
      runs++
      const { calls } = Simulation.run(onlyWith({ struck: others }))
      const places = calls.filter(({ id, label }) => isOf(id, writer, life) && kindOf(label) === kind)
      if (places.some(({ id }) => attempt(onlyWith({ struck: new Map(others).set(id, next.trouble) })))) {
        isSmaller = true
        index--
      }
    }
    return isSmaller
  }

  const passes: ReadonlyArray<() => boolean> = [
    () => reduce(writers, (kept) => ({ writers: kept })),
    fewerRounds,
    () =>
      reduce(
        () => best.slow,
        (kept) => ({ slow: kept })
      ),
    fewerLives,
    () =>
      reduce(
        () => best.struck,
        (kept) => ({ struck: new Map([...kept].map(({ call, trouble }) => [call, trouble] as const)) })
      ),
    () =>
      reduce(
        () => best.edits,
        (kept) => ({ edits: [...kept] })
      ),
    fewerFaults,
    earlierFaults
  ]
  while (passes.map((pass) => pass()).includes(true) && runs < mostRuns);
  return { report: best, runs }
}

const isOf = (call: CallId, writer: number, life: number) => call.startsWith(`${writer}.${life}.`)

/** `registry set revision 3 (1b2ed744)` and `registry set revision 4 (…)` are calls of one kind. */
const kindOf = (label: string) => label.split(" ").slice(0, 2).join(" ")
