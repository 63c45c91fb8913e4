import { expect, it } from "vitest"
import * as Answers from "../../src/cli/Answers.ts"

it("the name that another device gives itself neither steers a terminal nor fills it", () => {
  expect(Answers.shown("Grace's Büro-PC 2.local")).toBe("Grace?s Büro-PC 2.local")
  expect(Answers.shown("\u001b[8mhidden\r\n\u202e")).toBe("??8mhidden???")
  expect(Answers.shown("x".repeat(1000))).toHaveLength(60)
})
