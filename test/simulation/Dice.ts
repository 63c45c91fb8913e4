/**
 * Chance that is looked up by a key instead of being drawn from one sequence, so that leaving out one decision of a run
 * leaves all others as they were. That is what makes a failing run shrinkable.
 */

/** Numbers that depend on nothing but the key they were made with. */
export interface Dice {
  /** From 0 up to 1. */
  readonly float: () => number
  /** A whole number from 0 up to `limit`. */
  readonly below: (limit: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(from: ReadonlyArray<A>) => A
}

const scramble = (state: number, value: number): number => {
  let mixed = Math.imul(state ^ value, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** The dice of a key: whole numbers of up to 32 bits. */
export const make = (...key: ReadonlyArray<number>): Dice => {
  let state = 0x9e3779b9
  for (const part of key) state = scramble((state + 0x6d2b79f5) >>> 0, part >>> 0)
  const float = (): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
  const below = (limit: number) => Math.floor(float() * limit)
  return {
    float,
    below,
    chance: (probability) => float() < probability,
    pick: (from) => from[below(from.length)]!
  }
}
