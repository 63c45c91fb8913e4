/**
 * Where hashes go in tables: hashes are spread evenly, but whoever writes a tree chooses which it names, and could choose
 * thousands that go to one place.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Hash from "./Hash.ts"

/** A number of 32 bits for the hash that begins at `from`; its highest bits say where it goes. @since 0.1.0 @category models */
export type Spread = (bytes: Uint8Array, from: number) => number

/** How many numbers a spread is drawn from. @since 0.1.0 @category constants */
export const coefficients = Hash.length / 2

/**
 * The spread of these numbers: the sum of every 16 bits of the hash, each times one of them (multiply-shift, Dietzfelbinger
 * 1996), and then mixed, since multiples of one number lie in rows.
 *
 * Whoever does not know the numbers makes two different hashes alike with a chance of 2^-16 at the most.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromNumbers = (numbers: ReadonlyArray<number>): Spread => {
  const factors = Uint32Array.from(numbers, (number) => number | 1)
  return (bytes, from) => {
    let sum = 0
    for (let at = 0; at < coefficients; at++) {
      const half = bytes[from + at * 2]! | (bytes[from + at * 2 + 1]! << 8)
      sum = (sum + Math.imul(factors[at]!, half)) | 0
    }
    // MurmurHash3's last steps: each is undone by another, so that no two sums become one
    sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b)
    sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35)
    return (sum ^ (sum >>> 16)) >>> 0
  }
}

/** A spread that nobody knows. @since 0.1.0 @category constructors */
export const random: Effect.Effect<Spread> = Effect.map(
  Effect.replicateEffect(Random.nextIntBetween(0, 0x1_0000_0000), coefficients),
  fromNumbers
)
