/**
 * Sets of hashes that may come to millions, at some 45 bytes each.
 *
 * A set of texts takes three times as much, and makes a text for every question.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Hash from "./Hash.ts"
import * as HashSpread from "./HashSpread.ts"

/** Hashes, each once. @since 0.1.0 @category models */
export interface HashSet {
  readonly has: (hash: Hash.Hash) => boolean
  /** Adds the hash, of which a copy is kept; `false` where it was there. */
  readonly add: (hash: Hash.Hash) => boolean
  /** The number of hashes. */
  readonly size: () => number
}

const hashWords = Hash.length / 4

/** Hashes of one piece of memory: what is there is never moved to make room. */
const segmentHashes = 1 << 13

/** An empty set, whose places `spread` says. @since 0.1.0 @category constructors */
export const withSpread = (spread: HashSpread.Spread): HashSet => {
  const segments: Array<Uint32Array> = []
  let size = 0
  /** For each place the number of a hash, counted from 1, or 0. */
  let places = new Uint32Array(256)
  let shift = 24

  // one for all lookups: a view for each of them would be most of their cost
  const asked = new Uint32Array(hashWords)
  const askedBytes = new Uint8Array(asked.buffer)

  const isAt = (number: number): boolean => {
    const segment = segments[Math.floor(number / segmentHashes)]!
    const from = (number % segmentHashes) * hashWords
    for (let word = 0; word < hashWords; word++) if (segment[from + word] !== asked[word]) return false
    return true
  }
  /** The place of `asked`, or the one where it would be. */
  const find = (): number => {
    let place = spread(askedBytes, 0) >>> shift
    for (let number = places[place]!; number !== 0; number = places[place]!) {
      if (isAt(number - 1)) break
      place = (place + 1) & (places.length - 1)
    }
    return place
  }
  const grow = () => {
    places = new Uint32Array(places.length * 2)
    shift -= 1
    for (const [at, segment] of segments.entries()) {
      const bytes = new Uint8Array(segment.buffer)
      const first = at * segmentHashes
      for (let number = first; number < Math.min(size, first + segmentHashes); number++) {
        let place = spread(bytes, (number - first) * Hash.length) >>> shift
        while (places[place] !== 0) place = (place + 1) & (places.length - 1)
        places[place] = number + 1
      }
    }
  }

  return {
    has: (hash) => {
      askedBytes.set(hash)
      return places[find()] !== 0
    },
    add: (hash) => {
      askedBytes.set(hash)
      const place = find()
      if (places[place] !== 0) return false
      const number = size++
      if (number % segmentHashes === 0) segments.push(new Uint32Array(segmentHashes * hashWords))
      segments[segments.length - 1]!.set(asked, (number % segmentHashes) * hashWords)
      places[place] = number + 1
      // at most two thirds are taken
      if (size * 3 > places.length * 2) grow()
      return true
    },
    size: () => size
  }
}

/** An empty set. @since 0.1.0 @category constructors */
export const make: Effect.Effect<HashSet> = Effect.map(HashSpread.random, withSpread)
