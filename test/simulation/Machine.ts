/** Keeps the real machine out of a run: whoever asks it for the time, for chance or for a timer is told off. */
import { globalValue } from "effect/GlobalValue"

const forbidden = (what: string) => (): never => {
  throw new Error(`a simulation asked the machine for ${what}`)
}

const replaced = <T extends object, K extends keyof T>(holder: T, name: K, value: T[K]): (() => void) => {
  const before = holder[name]
  holder[name] = value
  return () => {
    holder[name] = before
  }
}

/** What the machine answers where it cannot be kept from answering. */
export interface Answers {
  readonly now: () => number
  readonly chance: () => number
}

const constant = (): Answers => {
  let state = 1
  return {
    now: () => 0,
    chance: () => {
      state = Math.imul(state, 48_271) >>> 1
      return state / 0x8000_0000
    }
  }
}

const fromEffect = /node_modules\/effect\//

/** Answers like `answers`, to nobody but Effect itself; anybody else is told off. Slow. */
export const onlyForEffect = (answers: Answers): Answers => {
  const guarded = (what: string, answer: () => number) => () => {
    const caller = new Error().stack?.split("\n")[2] ?? ""
    return fromEffect.test(caller) ? answer() : forbidden(what)()
  }
  return { now: guarded("the time", answers.now), chance: guarded("chance", answers.chance) }
}

/** Where Effect, once it is loaded, holds every fiber without a parent until it ends: one whose process died never does. */
const held = () =>
  globalValue(Symbol.for("effect/FiberScope/Global"), (): { readonly roots: Set<unknown> } => {
    throw new Error("Effect is not loaded yet")
  }).roots

/**
 * Runs `body`, which must be synchronous, without a clock, without chance and without timers.
 *
 * Two things cannot be forbidden: Effect stamps the id of every fiber with `Date.now`, and gives objects hashes with
 * `Math.random`. They answer what `answers` says, so that runs with other answers show whether anything depends on it.
 */
export const isolated = <A>(body: () => A, answers: Answers = constant()): A => {
  const undo = [
    replaced(Date, "now", answers.now),
    replaced(Math, "random", answers.chance),
    replaced(performance, "now", forbidden("the time")),
    replaced(process, "hrtime", Object.assign(forbidden("the time"), { bigint: forbidden("the time") })),
    replaced(globalThis, "setTimeout", Object.assign(forbidden("a timer"), { __promisify__: forbidden("a timer") })),
    replaced(globalThis, "setInterval", forbidden("a timer")),
    replaced(globalThis, "setImmediate", Object.assign(forbidden("a timer"), { __promisify__: forbidden("a timer") })),
    replaced(globalThis, "queueMicrotask", forbidden("a microtask"))
  ]
  const fibers = held()
  const before = new Set(fibers)
  try {
    return body()
  } finally {
    for (const back of undo) back()
    // nobody will ever go on with these: ten thousand worlds that are over would fill the memory
    for (const fiber of fibers) if (!before.has(fiber)) fibers.delete(fiber)
  }
}
