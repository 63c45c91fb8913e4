import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { expect } from "vitest"
import * as ProgressTerminal from "../../src/cli/ProgressTerminal.ts"

it("a line of progress is clipped to the columns of the terminal, where wide characters take two", () => {
  expect(ProgressTerminal.clip("plain", 10)).toBe("plain")
  expect(ProgressTerminal.clip("plain", 3)).toBe("pla")
  expect(ProgressTerminal.clip("日本語", 5)).toBe("日本")
  expect(ProgressTerminal.clip("e\u0301e\u0301e\u0301", 2)).toBe("e\u0301e\u0301")
  expect(ProgressTerminal.clip("📦📦", 3)).toBe("📦")
})

it("a total is told for as long as it can be one", () => {
  const progress = { _tag: "Progress", phase: "scanning", rate: 100, totalFiles: 4, totalBytes: 1000 } as const
  expect(ProgressTerminal.line({ ...progress, files: 2, bytes: 500 })).toBe(
    "scanning: 2 of 4 files, 500 B of 1000 B, 100 B/s, 5 s left"
  )
  expect(ProgressTerminal.line({ ...progress, files: 5, bytes: 500 })).toBe("scanning: 5 files, 500 B, 100 B/s")
})

const reported = { _tag: "Progress", phase: "scanning", files: 2, bytes: 500, rate: 100, current: "a/b" } as const

/** What is reported with it, and what was said of that. */
const heard = Effect.fnUntraced(function* (isRedrawn: boolean) {
  const said: Array<string> = []
  const report = yield* ProgressTerminal.paced({ isRedrawn, say: (text) => Effect.sync(() => said.push(text)) })
  return { report, said }
})

it.scoped("a heartbeat comes every 10 s, also while nothing happens, and says for how long", () =>
  Effect.gen(function* () {
    const { report, said } = yield* heard(false)
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(said, [])
    yield* report(reported)
    assert.deepStrictEqual(said.splice(0), ["scanning: 2 files, 500 B, 100 B/s  a/b"])
    for (let at = 0; at < 50; at++) yield* Effect.zipRight(TestClock.adjust("100 millis"), report(reported))
    assert.deepStrictEqual(said, [])
    yield* TestClock.adjust("25 seconds")
    assert.deepStrictEqual(said.splice(0), [
      "scanning: 2 files, 500 B, 100 B/s  a/b",
      "scanning: 2 files, 500 B, nothing new for 15 s  a/b",
      "scanning: 2 files, 500 B, nothing new for 25 s  a/b"
    ])
    yield* TestClock.adjust("2 minutes")
    assert.strictEqual(said.splice(0).at(-1), "scanning: 2 files, 500 B, nothing new for 2 min 25 s  a/b")
    yield* report(reported)
    yield* TestClock.adjust("9 seconds")
    assert.isAtMost(said.length, 1)
  })
)

it.scoped("a line that is redrawn shows each report, and each second in which nothing is new after ten", () =>
  Effect.gen(function* () {
    const { report, said } = yield* heard(true)
    yield* report(reported)
    yield* report(reported)
    assert.strictEqual(said.splice(0).length, 2)
    yield* TestClock.adjust("9 seconds")
    assert.deepStrictEqual(said, [])
    yield* TestClock.adjust("3 seconds")
    assert.deepStrictEqual(
      said,
      [10, 11, 12].map((seconds) => `scanning: 2 files, 500 B, nothing new for ${seconds} s  a/b`)
    )
  })
)
