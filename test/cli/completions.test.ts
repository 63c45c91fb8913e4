import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as Completions from "../../src/cli/Completions.ts"
import { exitCode } from "../../src/cli/ExitCode.ts"
import * as Man from "../../src/cli/Man.ts"
import * as Manuals from "../../src/cli/Manuals.ts"
import * as Verbs from "../../src/cli/Verbs.ts"

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** A folder with the scripts and a `cairn` that knows two vaults. */
let folder: string

const shell = (program: string, ...words: ReadonlyArray<string>): ReadonlyArray<string> =>
  execFileSync(program, words, {
    encoding: "utf8",
    cwd: folder,
    env: { PATH: `${folder}/bin:${process.env.PATH}`, TERM: "dumb", HOME: folder }
  })
    .split("\n")
    .filter((line) => line !== "")

const isHere = (program: string): boolean => spawnSync(program, ["--version"]).status === 0

beforeAll(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), "cairn-completions-"))
  fs.mkdirSync(join(folder, "bin"))
  const stub = '#!/bin/sh\nif [ "$1 $2" = "vault list" ]; then echo docs:; echo "photos:  attached"; fi\n'
  fs.writeFileSync(join(folder, "bin/cairn"), stub, { mode: 0o755 })
  const manuals = await Effect.runPromise(Manuals.all)
  for (const [name, script] of Object.entries(Completions.scripts))
    fs.writeFileSync(join(folder, `cairn.${name}`), script(manuals))
  fs.writeFileSync(join(folder, "cairn.1"), Man.page(manuals))
})
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

describe.skipIf(!isHere("bash"))("completions in bash", () => {
  const completed = (...words: ReadonlyArray<string>) =>
    shell(
      "bash",
      "-c",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash that expands it
      'source cairn.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cairn; printf "%s\\n" "${COMPREPLY[@]}"',
      "bash",
      "cairn",
      ...words
    )

  it("completes verbs, a verb's own options, what its first word can be, and vaults by their colons", () => {
    expect(completed("ba")).toEqual(["backup"])
    expect(completed("backup", "--inc")).toEqual(["--include-caches"])
    expect(completed("restore", "--inc")).toEqual([])
    expect(completed("vault", "re")).toContain("repair")
    expect(completed("list", "ph")).toEqual(["photos:"])
  })

  it("leaves a path in a vault and a local path to the shell", () => {
    expect(completed("list", "docs:a")).toEqual([])
    expect(completed("restore", "docs:", "./d")).toEqual([])
  })

  it("offers every verb", () => {
    for (const name of Verbs.names) expect(completed("")).toContain(name)
  })
})

describe.skipIf(!isHere("fish"))("completions in fish", () => {
  const completed = (line: string) =>
    shell("fish", "-c", `source cairn.fish; complete -C '${line}'`).map((each) => each.replace(/\t.*/, ""))

  it("completes verbs, options and vaults", () => {
    expect(completed("cairn ba")).toEqual(["backup"])
    expect(completed("cairn backup --inc")).toEqual(["--include-caches"])
    expect(completed("cairn list ph")).toEqual(["photos:"])
  })
})

describe.skipIf(!isHere("zsh"))("completions in zsh", () => {
  it("the script is taken, and serves cairn", () => {
    const program = "autoload -Uz compinit; compinit -u -D; source ./cairn.zsh; print $_comps[cairn]; whence -w _cairn"
    expect(shell("zsh", "-f", "-c", program)).toEqual(["_cairn", "_cairn: function"])
  })
})

describe("the manual page", () => {
  const page = () => fs.readFileSync(join(folder, "cairn.1"), "utf8")

  it("has a section for every verb and names every exit code", () => {
    for (const name of Verbs.names) expect(page()).toMatch(new RegExp(`^\\.SS "cairn ${name}\\b`, "m"))
    for (const code of Object.values(exitCode)) expect(page()).toMatch(new RegExp(`^\\.B .*\\b${code}\\b`, "m"))
  })

  it.skipIf(!isHere("man"))("is roff without a warning", () => {
    const { stderr, stdout } = spawnSync("man", ["--warnings", "-l", join(folder, "cairn.1")], { encoding: "utf8" })
    expect(stderr).toBe("")
    expect(stdout).toContain("-n, --dry-run")
  })
})
