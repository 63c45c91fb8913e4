import { expect, it } from "vitest"
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
