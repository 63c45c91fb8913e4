import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as HashSet from "../../src/schema/HashSet.ts"
import * as HashSpread from "../../src/schema/HashSpread.ts"

/** Hashes that somebody chose: alike but for four bytes at `at`. */
const chosen = (count: number, at: number) =>
  Array.from({ length: count }, (_, number) => {
    const bytes = new Uint8Array(Hash.length).fill(7)
    new DataView(bytes.buffer).setUint32(at, number)
    return Hash.unsafeFromBytes(bytes)
  })

describe("where hashes go", () => {
  it.effect("is about as even for chosen hashes as chance makes it", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 20; round++) {
        const spread = yield* HashSpread.random
        for (const at of [0, 13, 28]) {
          const places = new Set(chosen(10_000, at).map((hash) => spread(hash, 0) >>> 18))
          // thrown at random, 10,000 things meet 7,500 of 16,384 places
          assert.isAbove(places.size, 7_000)
        }
      }
    })
  )

  it.effect("depends on every bit", () =>
    Effect.gen(function* () {
      const spread = yield* HashSpread.random
      const hash = chosen(1, 0)[0]!
      for (let bit = 0; bit < Hash.length * 8; bit++) {
        const other = hash.slice()
        other[bit >> 3] = other[bit >> 3]! ^ (1 << (bit & 7))
        assert.notStrictEqual(spread(other, 0), spread(hash, 0))
      }
    })
  )

  // as many steps as there are pairs would take far longer than a test may
  it.live("lets nobody slow down a set of hashes or an index of packs", () =>
    Effect.gen(function* () {
      const hashes = chosen(100_000, 28)
      const set = yield* HashSet.make
      for (const hash of hashes) assert.isTrue(set.add(hash))
      for (const hash of hashes) assert.isTrue(set.has(hash))
      const index = yield* PackIndexMemory.make()
      const members = hashes.map((hash, offset) => ({ hash, offset, length: 1 }))
      yield* index.add([{ pack: hashes[0]!, length: hashes.length, members }], "catalogued")
      for (const [at, hash] of hashes.entries()) assert.strictEqual((yield* index.find(hash))[0]?.offset, at)
    })
  )
})
