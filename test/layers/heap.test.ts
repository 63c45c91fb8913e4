/** How far the heap grows, in a process of its own that has as much space for new objects as newer versions of Node give. */
import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"

/** Bytes that new objects had as their space while more and more of them stayed alive for a while. */
const youngBytes = (step: string): number => {
  const program = `
    import { getHeapSpaceStatistics } from "node:v8"
    import * as Heap from "./src/layers/internal/heap.ts"
    let kept = []
    let most = 0
    Heap.bound("threads")
    for (let round = 0; round < 400; round++) {
      kept.push(Array.from({ length: 20_000 }, (_, at) => ({ at, round })))
      if (kept.length > 40) kept = []
      ${step}
      most = Math.max(most, getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size)
    }
    console.log(most)`
  return Number(
    execFileSync(
      process.execPath,
      ["--max-semi-space-size=64", "--import", "tsx", "--input-type=module", "-e", program],
      { encoding: "utf8", cwd: new URL("../..", import.meta.url) }
    )
  )
}

describe("the space of new objects", () => {
  it("is bound, and grows again for a thread that is started", () => {
    const released = youngBytes("Heap.boundAgain(); if (round === 100) Heap.unbound()")
    assert.isAtMost(youngBytes("Heap.boundAgain()"), 0.6 * released)
  })
})
