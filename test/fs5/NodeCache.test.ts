import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { Node } from "../../src/schema/Node.ts"

const hash = (byte: number) => Hash.unsafeFromBytes(new Uint8Array(32).fill(byte))
const node = (level: number): Node => ({ header: { level, kind: "namespace" }, entries: [] })

describe("NodeCache", () => {
  it("answers like an unbounded list from which the least recently used are cut off", () => {
    const operation = fc.record({ put: fc.boolean(), name: fc.nat(9), weight: fc.integer({ min: 1, max: 40 }) })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const cache = NodeCache.make({ capacity: 100 })
        let model: Array<{ readonly name: number; readonly weight: number }> = []
        for (const { name, put, weight } of operations) {
          const found = model.find((entry) => entry.name === name)
          const others = model.filter((entry) => entry.name !== name)
          if (put) {
            cache.put(hash(name), hash(100 + name), node(name), weight)
            model = [...others, { name, weight }]
            while (model.reduce((sum, entry) => sum + entry.weight, 0) > 100) model.shift()
          } else {
            expect(cache.get(hash(name), hash(100 + name))?.header.level).toBe(found?.name)
            if (found !== undefined) model = [...others, found]
          }
          expect(cache.weight()).toBe(model.reduce((sum, entry) => sum + entry.weight, 0))
        }
      })
    )
  })

  it("has no more of what was removed, nor its weight", () => {
    const cache = NodeCache.make()
    cache.put(hash(1), hash(2), node(0), 10)
    cache.put(hash(3), hash(4), node(1), 5)
    cache.remove(hash(1))
    cache.remove(hash(9))
    expect(cache.get(hash(1), hash(2))).toBeUndefined()
    expect(cache.get(hash(3), hash(4))).toBeDefined()
    expect(cache.weight()).toBe(5)
  })

  it("keeps an eighth as much of what was written, beside what was read", () => {
    const cache = NodeCache.make({ capacity: 80 })
    cache.put(hash(1), hash(1), node(1), 80)
    cache.putWritten(hash(2), hash(2), node(2), 6)
    cache.putWritten(hash(3), hash(3), node(3), 6)
    expect(cache.get(hash(2), hash(2))).toBeUndefined()
    expect(cache.get(hash(3), hash(3))).toBeDefined()
    expect(cache.get(hash(1), hash(1))).toBeDefined()
    expect(cache.weight()).toBe(86)
    // one that was read and is written again stays, once
    cache.putWritten(hash(1), hash(1), node(1), 80)
    expect(cache.weight()).toBe(86)
    cache.put(hash(3), hash(3), node(3), 6)
    cache.remove(hash(3))
    expect(cache.weight()).toBe(0)
  })

  it("does not answer a link that promises another plaintext", () => {
    const cache = NodeCache.make()
    cache.put(hash(1), hash(2), node(0), 10)
    expect(cache.get(hash(1), hash(3))).toBeUndefined()
    expect(cache.get(hash(1), hash(2))).toBeDefined()
  })

  it("keeps nothing that alone is too heavy", () => {
    const cache = NodeCache.make({ capacity: 10 })
    cache.put(hash(1), hash(1), node(0), 5)
    cache.put(hash(2), hash(2), node(0), 11)
    expect(cache.get(hash(2), hash(2))).toBeUndefined()
    expect(cache.get(hash(1), hash(1))).toBeDefined()
  })
})
