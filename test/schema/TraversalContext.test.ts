import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as Arbitrary from "./arbitraries.ts"

const { empty, merge } = TraversalContext

describe("TraversalContext", () => {
  it("every context is read as it was written", () => {
    fc.assert(
      fc.property(Arbitrary.context, (context) => {
        expect(Either.getOrThrow(TraversalContext.decode(TraversalContext.encode(context)))).toEqual(context)
      })
    )
  })

  it("merging is associative", () => {
    fc.assert(
      fc.property(Arbitrary.context, Arbitrary.context, Arbitrary.context, (a, b, c) => {
        expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)))
      })
    )
  })

  it("the empty context changes nothing on either side", () => {
    fc.assert(
      fc.property(Arbitrary.context, (context) => {
        expect(merge(empty, context)).toEqual(context)
        expect(merge(context, empty)).toEqual(context)
      })
    )
  })

  it("the child wins wherever it says something, the parent holds elsewhere", () => {
    fc.assert(
      fc.property(Arbitrary.context, Arbitrary.context, (parent, child) => {
        const merged = merge(parent, child)
        for (const [slot, key] of parent.keys ?? [])
          expect(merged.keys?.get(slot)).toEqual(child.keys?.get(slot) ?? key)
        for (const [slot, key] of child.keys ?? []) expect(merged.keys?.get(slot)).toEqual(key)
        for (const side of ["leaf", "node"] as const)
          for (const field of ["compression", "paddingBlock", "encryption", "skipWhenUnhelpful"] as const)
            expect(merged[side]?.[field]).toEqual(child[side]?.[field] ?? parent[side]?.[field])
        expect(merged.chunking).toEqual(child.chunking ?? parent.chunking)
      })
    )
  })

  it("a new vault pads to 1024 bytes and never lets a node skip compression", () => {
    const secret = (byte: number) => new Uint8Array(32).fill(byte)
    const context = TraversalContext.vaultRoot({ leaf: secret(1), node: secret(2), recovery: secret(3) })
    expect(context.leaf?.paddingBlock).toBe(1024)
    expect(context.node?.paddingBlock).toBe(1024)
    expect(context.leaf?.skipWhenUnhelpful).toBe(true)
    expect(context.node).not.toHaveProperty("skipWhenUnhelpful")
    expect([...(context.keys ?? [])]).toEqual([
      [0x10, secret(1)],
      [0x11, secret(2)],
      [0x12, secret(3)]
    ])
  })

  it("a key of another length cannot be written", () => {
    expect(() => TraversalContext.encode(TraversalContext.plainWithRecovery(new Uint8Array(31)))).toThrow(RangeError)
  })

  it("bytes behind a context are refused, zeros too", () => {
    expect(Either.isLeft(TraversalContext.decode(Uint8Array.of(0xa0, 0)))).toBe(true)
  })
})
