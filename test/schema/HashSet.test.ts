import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Hash from "../../src/schema/Hash.ts"
import * as HashSet from "../../src/schema/HashSet.ts"
import * as HashSpread from "../../src/schema/HashSpread.ts"

/** Few different bytes, and few different first words, so that hashes meet in the same places. */
const hash = fc.tuple(fc.nat(3), fc.nat(2), fc.nat(3)).map(([first, middle, last]) => {
  const bytes = new Uint8Array(Hash.length)
  bytes[0] = first
  bytes[13] = middle
  bytes[31] = last
  return Hash.unsafeFromBytes(bytes)
})

const spread = HashSpread.fromNumbers(Array.from({ length: HashSpread.coefficients }, (_, at) => 0x9e3779b1 * (at + 1)))

describe("HashSet", () => {
  it("says what a set of texts says", () => {
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 200 }), (hashes) => {
        const model = new Set<string>()
        const set = HashSet.withSpread(spread)
        for (const one of hashes) {
          const text = Hash.toHex(one)
          assert.strictEqual(set.has(one), model.has(text))
          assert.strictEqual(set.add(one), !model.has(text))
          model.add(text)
          assert.strictEqual(set.size(), model.size)
        }
      })
    )
  })

  it("keeps as many as there are, over several pieces of memory, and nothing else", () => {
    const numbered = (number: number) => {
      const bytes = new Uint8Array(Hash.length)
      // scattered over all places, and told apart by the last bytes alone where the first are alike
      new DataView(bytes.buffer).setUint32(0, Math.imul(number, 0x9e3779b1) >>> 8)
      new DataView(bytes.buffer).setUint32(28, number)
      return Hash.unsafeFromBytes(bytes)
    }
    const set = HashSet.withSpread(spread)
    const most = 100_000
    for (let number = 0; number < most; number++) assert.isTrue(set.add(numbered(number)))
    assert.strictEqual(set.size(), most)
    for (let number = 0; number < most; number++) if (!set.has(numbered(number))) assert.fail(`${number} is gone`)
    for (let number = most; number < 2 * most; number++)
      if (set.has(numbered(number))) assert.fail(`${number} is there`)
  })

  it("keeps its own copy", () => {
    const set = HashSet.withSpread(spread)
    const lent = Hash.unsafeFromBytes(new Uint8Array(Hash.length).fill(7))
    set.add(lent)
    lent.fill(8)
    assert.isFalse(set.has(lent))
    assert.isTrue(set.has(Hash.unsafeFromBytes(new Uint8Array(Hash.length).fill(7))))
  })
})
