import * as fs from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import * as Console from "../../src/cli/Console.ts"
import { exitCode, ofError } from "../../src/cli/ExitCode.ts"
import * as Home from "../../src/cli/Home.ts"
import * as Reference from "../../src/cli/Reference.ts"

describe("numbers for people", () => {
  it("sizes step up at each power of 1024", () => {
    expect([0, 1023, 1024, 1536, 1024 ** 2, 5.5 * 1024 ** 3, 1024 ** 6].map(Console.size)).toEqual([
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.5 KiB",
      "1.0 MiB",
      "5.5 GiB",
      "1024.0 PiB"
    ])
  })

  it("counts agree with their noun", () => {
    expect([0, 1, 1234].map((value) => Console.count(value, "file"))).toEqual(["0 files", "1 file", "1,234 files"])
    expect(Console.count(2, "entry", "entries")).toBe("2 entries")
    for (const value of [-1_234_567, 999, 1000, 12_345, 100_000, 9_007_199_254_740_991])
      expect(Console.count(value, "x", "x")).toBe(`${value.toLocaleString("en-US")} x`)
  })

  it("local times carry the offset and are the same moment", () => {
    const moment = Date.UTC(2026, 6, 1, 12, 34, 56)
    const text = Console.localTime(moment)
    expect(text).toMatch(/^2026-0[67]-\d\d \d\d:34:56 [+-]\d\d:\d\d$|^2026-0[67]-\d\d \d\d:\d\d:56 [+-]\d\d:\d\d$/)
    expect(Date.parse(text.replace(" ", "T").replace(" ", ""))).toBe(moment)
  })

  it("a date means its last local millisecond, a minute the same", () => {
    const day = Reference.endOf({ _tag: "At", year: 2026, month: 6, day: 30 })
    expect(new Date(day + 1).toString()).toContain("Jul 01 2026 00:00:00")
    const minute = Reference.endOf({ _tag: "At", year: 2026, month: 12, day: 31, hour: 23, minute: 59 })
    expect(new Date(minute + 1).toString()).toContain("Jan 01 2027 00:00:00")
  })
})

describe("exit codes", () => {
  it("follow the reason where there is one, then the kind, and are 1 for the rest", () => {
    expect(ofError({ _tag: "BlobStoreError", reason: "Damaged" })).toBe(exitCode.damage)
    expect(ofError({ _tag: "BlobStoreError", reason: "Unavailable" })).toBe(exitCode.unreachable)
    expect(ofError({ _tag: "RegistryUnusable", reason: "BadSetting" })).toBe(exitCode.usage)
    expect(ofError({ _tag: "NoSuchSnapshot", reason: "NotFound" })).toBe(exitCode.notFound)
    expect(ofError({ _tag: "NoSuchSnapshot", reason: "Ambiguous" })).toBe(exitCode.usage)
    expect(ofError({ _tag: "PublishContended" })).toBe(exitCode.contention)
    expect(ofError({ _tag: "LocalTreeError", reason: "Full" })).toBe(exitCode.failed)
  })

  it("name only errors and reasons that there are", () => {
    const source = fs.readFileSync("src/cli/ExitCode.ts", "utf8")
    const all = ["schema", "services", "programs", "cli", "layers", "fs5"]
      .flatMap((folder) => fs.readdirSync(join("src", folder)).map((file) => join("src", folder, file)))
      .filter((path) => path.endsWith(".ts") && !path.endsWith("ExitCode.ts"))
      .map((path) => fs.readFileSync(path, "utf8"))
      .join("\n")
    const tags = [...source.matchAll(/^ {2}([A-Z][A-Za-z]+):/gm)].map(([, tag]) => tag!)
    expect(tags.length).toBeGreaterThan(10)
    for (const tag of tags) expect(all, tag).toMatch(new RegExp(`TaggedError[^\\n]*\\("${tag}"`))
  })
})

describe("homes", () => {
  it("CAIRN_HOME holds all three folders, XDG the ones it names", () => {
    expect(Home.fromEnvironment({ CAIRN_HOME: "/a/b", XDG_DATA_HOME: "/x" })).toEqual({
      config: "/a/b/config",
      data: "/a/b/data",
      cache: "/a/b/cache"
    })
    const xdg = Home.fromEnvironment({ CAIRN_HOME: "", XDG_DATA_HOME: "/x", XDG_CACHE_HOME: "relative" })
    expect(xdg.data).toBe("/x/cairn")
    expect(xdg.config).toMatch(/\/\.config\/cairn$/)
    expect(xdg.cache).toMatch(/\/\.cache\/cairn$/)
  })
})
