/** Keeps the real machine out of a run: whoever asks it for the time, for chance or for a timer is told off. */

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

/** What a machine answers when it is not allowed to be asked. */
export interface Answers {
  /** Every fiber is stamped with it, and nothing ever looks at the stamp. */
  readonly now: () => number
}

/**
 * Runs `body`, which must be synchronous, without a clock, without chance and without timers.
 *
 * `Date.now` cannot be forbidden: Effect stamps every fiber's id with it. It answers what `answers` says instead, so that
 * two runs with other answers show whether anything depends on it.
 */
export const isolated = <A>(body: () => A, answers: Answers = { now: () => 0 }): A => {
  const undo = [
    replaced(Date, "now", answers.now),
    replaced(Math, "random", forbidden("chance")),
    replaced(performance, "now", forbidden("the time")),
    replaced(process, "hrtime", Object.assign(forbidden("the time"), { bigint: forbidden("the time") })),
    replaced(globalThis, "setTimeout", Object.assign(forbidden("a timer"), { __promisify__: forbidden("a timer") })),
    replaced(globalThis, "setInterval", forbidden("a timer")),
    replaced(globalThis, "setImmediate", Object.assign(forbidden("a timer"), { __promisify__: forbidden("a timer") })),
    replaced(globalThis, "queueMicrotask", forbidden("a microtask"))
  ]
  try {
    return body()
  } finally {
    for (const back of undo) back()
  }
}
