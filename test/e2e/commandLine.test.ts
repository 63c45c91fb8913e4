import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as Verbs from "../../src/cli/Verbs.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

/** A home with one vault, `docs:`, of one small source; these tests do not change it. */
let home: string
let place: string
const expectCode = (code: number, ...words: ReadonlyArray<string>) =>
  Cairn.expectCode(code, home, words, { cwd: place })

beforeAll(async () => {
  Cairn.build()
  place = Cairn.folder()
  home = join(place, "home")
  Cairn.smallTree(place)
  await expectCode(0, "backup", "docs", "docs:")
  pages = await Cairn.inParallel(
    3,
    Verbs.names.map((name) => () => expectCode(0, name, "--help"))
  )
})
afterAll(Cairn.removeFolders)

let pages: ReadonlyArray<Cairn.Ended>

/** Operands with which each verb would do its work. */
const operands: Readonly<Record<string, ReadonlyArray<string>>> = {
  init: [],
  recover: ["store"],
  backup: ["docs", "docs:"],
  restore: ["docs:", "out"],
  list: ["docs:"],
  show: ["docs:docs/letter.txt"],
  log: ["docs:"],
  verify: ["docs:"],
  status: [],
  approve: [],
  watch: ["docs:"],
  doctor: [],
  device: ["list"],
  pull: ["docs:"],
  diff: ["docs:"],
  join: [],
  invite: [],
  vault: ["list"],
  store: ["list"],
  source: ["list"],
  key: ["list"],
  config: ["check"],
  run: ["nightly"],
  daemon: ["status"],
  serve: ["token", "list"],
  completions: ["bash"],
  man: []
}

describe("help and version", () => {
  it("--version prints the version alone", async () => {
    expect((await expectCode(0, "--version")).stdout).toBe(`${Verbs.version}\n`)
  })

  it("--help names every verb", async () => {
    const { stderr, stdout } = await expectCode(0, "--help")
    for (const name of Verbs.names) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"))
    expect(stderr).toBe("")
  })

  it("no word at all shows the same on standard error and is a usage error", async () => {
    const { stderr, stdout } = await expectCode(2)
    expect(stdout).toBe("")
    expect(stderr).toContain("cairn backup ./docs docs:")
  })

  it("every verb of this suite's table is a verb, and the other way round", () => {
    expect(Object.keys(operands).sort()).toEqual([...Verbs.names].sort())
  })

  it("every verb has a help page, in plain text when piped", () => {
    for (const [index, page] of pages.entries()) {
      expect(page.stdout).toContain(`cairn ${Verbs.names[index]}`)
      expect(page.stdout).toContain("--json")
      expect(page.stdout).not.toContain("\x1b")
      expect(page.stderr).toBe("")
    }
  })
})

describe("words that are wrong", () => {
  it("an unknown verb suggests the nearest one", async () => {
    const ended = await expectCode(2, "bakcup", "docs", "docs:")
    expect(Cairn.complaints(ended)).toEqual([
      "cairn: unknown verb bakcup: did you mean backup? (`cairn --help` shows the verbs)"
    ])
    expect(ended.stdout).toBe("")
  })

  it("an unknown verb that resembles none suggests nothing", async () => {
    expect(Cairn.complaints(await expectCode(2, "teleport"))).toEqual([
      "cairn: unknown verb teleport (`cairn --help` shows the verbs)"
    ])
  })

  it("a typo of any flag of any verb is refused, and nothing is done", async () => {
    const typo = (flag: string, index: number) =>
      index % 3 === 0 ? flag.slice(0, -1) : index % 3 === 1 ? flag.toUpperCase() : `${flag}s`
    const all = pages.map(({ stdout }) => [...new Set([...stdout.matchAll(/--[a-z][a-z-]+/g)].map(([flag]) => flag))])
    const common = all[0]!.filter((flag) => all.every((flags) => flags.includes(flag)))
    expect(common.length).toBeGreaterThanOrEqual(5)
    const cases = all.flatMap((flags, verb) => {
      const name = Verbs.names[verb]!
      // what all verbs take is read in one place: each verb is given another one of these
      const some = flags.filter((flag) => !common.includes(flag) || flag === common[verb % common.length])
      // the short run tries one of them at each verb
      const tried = some.map((flag, index) => [name, typo(flag, index), ...operands[name]!])
      return Cairn.isLong ? tried : tried.slice(-1)
    })
    const before = Cairn.fingerprint(place)
    const ended = await Cairn.inParallel(
      3,
      cases.map((words) => () => expectCode(2, ...words))
    )
    for (const [index, one] of ended.entries()) {
      expect(Cairn.complaints(one), cases[index]!.join(" ")).toHaveLength(1)
      expect(one.stderr).toMatch(/^cairn: unknown option --/)
      expect(one.stdout).toBe("")
    }
    expect(Cairn.fingerprint(place)).toEqual(before)
  })

  it("usage errors change nothing, not even an empty home, and say one line", async () => {
    const empty = join(place, "empty-home")
    const wrong: ReadonlyArray<ReadonlyArray<string>> = [
      ["backup", "docs"],
      ["backup", "docs", "d:"],
      ["backup", "docs", "-docs:"],
      ["backup", "docs", "docs@1:"],
      ["backup", "docs", "docs:../up"],
      ["backup", "other:", "docs:"],
      ["backup", "docs", "docs:", "--exclude"],
      ["backup", "docs", "docs:", "--dry-run=yes"],
      ["backup", "--exclude", "x", "docs:"],
      ["restore", "docs:"],
      ["restore", "docs:", "out:"],
      ["restore", "docs:", "out", "more"],
      ["list", "docs"],
      ["list", "docs@0:"],
      ["list", "docs@abc:"],
      ["list", "docs@2026-02-30:"],
      ["list", "x:"],
      ["show", "docs:"],
      ["show"],
      ["log"],
      ["verify", "docs@1:"],
      ["verify", "docs:", "--sample", "0%"],
      ["verify", "docs:", "--sample", "5%", "--sample", "6%"],
      ["status", "docs:"],
      ["init", "now"]
    ]
    const ended = await Cairn.inParallel(
      3,
      wrong.map((words) => () => Cairn.expectCode(2, empty, words, { cwd: place }))
    )
    for (const [index, one] of ended.entries()) {
      expect(Cairn.complaints(one), wrong[index]!.join(" ")).toHaveLength(1)
      expect(one.stderr).toMatch(/^cairn: /)
      expect(one.stdout).toBe("")
    }
    expect(Cairn.fingerprint(empty)).toEqual(["nothing"])
  })

  it("--json ends usage errors with a result line too, wherever it stands", async () => {
    for (const words of [
      ["--json"],
      ["--json", "bakcup"],
      ["list", "--jsn", "--json"],
      ["--json", "list", "docs"],
      ["restore", "docs:", "--json"]
    ]) {
      const lines = Cairn.jsonLines(await expectCode(2, ...words))
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatchObject({ error: { tag: "Usage" } })
    }
  })
})

describe("grammar", () => {
  Cairn.itLong("snapshots by latest, number, date and id name the same one", async () => {
    const [snapshot] = Cairn.linesOf(await expectCode(0, "log", "--json", "docs:"), "snapshot")
    const id = snapshot!.id
    const prefix = /^[0-9]*[a-f]/.exec(id)![0].length
    const day = snapshot!.publishedAt!.slice(0, 10)
    const expected = (await expectCode(0, "list", "-r", "docs:")).stdout
    expect(expected.split("\n")).toContain("docs/deep/a#b é.md")
    for (const selector of ["latest", "latest~0", "1", day, `${day}T2359`, id, id.slice(0, Math.max(4, prefix))])
      expect((await expectCode(0, "list", "-r", `docs@${selector}:`)).stdout, selector).toBe(expected)
    await expectCode(10, "list", "docs@latest~1:")
    await expectCode(10, "list", "docs@2:")
    await expectCode(10, "list", "docs@1999-12-31:")
  })

  it("a path in a vault is taken literally, and slashes at its ends make no difference", async () => {
    expect((await expectCode(0, "show", "docs:docs/deep/a#b é.md")).stdout).toBe("# odd name\n")
    expect((await expectCode(0, "list", "docs:/docs/deep/")).stdout.split("\n").sort()).toEqual(["", "a#b é.md", "er/"])
  })

  it("options may stand anywhere, twice, in one word, and before the verb", async () => {
    const expected = (await expectCode(0, "list", "--recursive", "--long", "docs:")).stdout
    for (const words of [
      ["list", "docs:", "-r", "-l"],
      ["list", "-rl", "docs:"],
      ["-r", "list", "--long", "docs:", "--long"]
    ])
      expect((await expectCode(0, ...words)).stdout).toBe(expected)
  })

  Cairn.itLong("a local path may hold a colon or begin with a dash", async () => {
    const other = Cairn.folder()
    const own = join(other, "home")
    Cairn.write(join(other, "a:b/one"), "1")
    Cairn.write(join(other, "-dash/two"), "2")
    const words = ["backup", "./a:b", "./-dash", "odd:"]
    await Cairn.expectCode(0, own, words, { cwd: other })
    await Cairn.expectCode(0, own, ["backup", "--", "-dash", "odd2:"], {
      cwd: other
    })
    const listed = await Cairn.expectCode(0, own, ["list", "-r", "odd:"])
    expect(listed.stdout.split("\n").sort()).toEqual(["", "-dash/", "-dash/two", "a:b/", "a:b/one"])
    expect((await Cairn.expectCode(0, own, ["list", "odd2:"])).stdout).toBe("-dash/\n")
    await Cairn.expectCode(0, own, ["restore", "odd:a:b", "./out:put"], { cwd: other })
    expect(Cairn.difference(join(other, "a:b"), join(other, "out:put"))).toBe("")
  })
})

describe("output", () => {
  it("show gives a file's exact bytes", async () => {
    const { bytes } = await expectCode(0, "show", "docs:docs/deep/er/photo.bin")
    expect(bytes.equals(Cairn.noise("docs", 300_000))).toBe(true)
    expect((await expectCode(0, "show", "docs:docs/empty")).bytes).toHaveLength(0)
  })

  it("every verb's --json is lines of the published schema, the result last", async () => {
    const list = await expectCode(0, "list", "--json", "-r", "docs:")
    expect(Cairn.linesOf(list, "entry").map(({ path }) => path)).toContain("docs/deep/er/photo.bin")
    expect(Cairn.linesOf(await expectCode(0, "list", "--json"), "vault")).toEqual([{ type: "vault", name: "docs" }])
    const status = await expectCode(0, "status", "--json")
    expect(Cairn.linesOf(status, "device")).toHaveLength(1)
    expect(Cairn.linesOf(status, "saved-source")).toMatchObject([{ vault: "docs", folder: "docs", files: 5 }])
    const verify = await expectCode(0, "verify", "--json")
    expect(Cairn.linesOf(verify, "summary")).toMatchObject([{ verb: "verify", counts: { snapshots: 1, damaged: 0 } }])
    const dry = await expectCode(0, "backup", "--json", "-n", "docs", "docs:")
    expect(Cairn.linesOf(dry, "source")).toMatchObject([{ outcome: "dry-run", files: 5 }])
    const restore = await expectCode(0, "restore", "--json", "-n", "docs:", "nowhere")
    expect(Cairn.linesOf(restore, "summary")).toMatchObject([{ verb: "restore", counts: { files: 5 } }])
  })

  Cairn.itLong("--json tells failures as it tells successes", async () => {
    for (const [words, tag, code] of [
      [["list", "nope:"], "NoSuchVault", 10],
      [["list", "docs@9:"], "NoSuchSnapshot", 10],
      [["list", "docs:nope"], "NoSuchPath", 10],
      [["init"], "InputNeeded", 4],
      [["backup", "nope", "docs:"], "SourceUnreadable", 1]
    ] as const) {
      const ended = await expectCode(code, "--json", ...words)
      const lines = Cairn.jsonLines(ended)
      expect(lines[lines.length - 1]).toMatchObject({ error: { tag } })
      expect(Cairn.complaints(ended)).toHaveLength(1)
    }
  })

  it("--quiet leaves data, complaints and the reminder", async () => {
    const verify = await expectCode(0, "verify", "--quiet", "docs:")
    expect(verify.stdout + verify.stderr).toBe(Cairn.reminder)
    expect((await expectCode(0, "list", "-q", "docs:")).stdout).toBe("docs/\n")
    expect((await expectCode(10, "list", "-q", "nope:")).stderr).toMatch(/^cairn: no vault nope:/)
  })

  Cairn.itLong("pipes and NO_COLOR get no escape sequences", async () => {
    for (const words of [["list", "--help"], ["status"], ["list", "-rl", "docs:"], ["verify"]]) {
      const { stderr, stdout } = await Cairn.run(home, words, { env: { NO_COLOR: "1", FORCE_COLOR: "1" } })
      expect(stdout + stderr).not.toContain("\x1b")
    }
  })

  Cairn.itLong("a reader that leaves early ends the run without a word", async () => {
    const many = Cairn.folder()
    const own = join(many, "home")
    for (let index = 0; index < 3000; index++) Cairn.write(join(many, `many/${"x".repeat(60)}-${index}`), "")
    await Cairn.expectCode(0, own, ["backup", join(many, "many"), "many:"])
    const { status, stderr, stdout } = spawnSync(
      "bash",
      ["--norc", "-c", `"$0" "$1" list -r many: | head -1; echo "\${PIPESTATUS[0]}"`, process.execPath, Cairn.binary],
      { env: { PATH: process.env.PATH, CAIRN_HOME: own }, encoding: "utf8" }
    )
    expect(status).toBe(0)
    expect(stdout).toBe("many/\n141\n")
    expect(stderr).toBe("")
  })

  Cairn.itLong("data that cannot be written is a failure of one line; complaints that cannot be change nothing", () => {
    const shell = (line: string) =>
      spawnSync("bash", ["--norc", "-c", line, process.execPath, Cairn.binary], {
        env: { PATH: process.env.PATH, CAIRN_HOME: home },
        encoding: "utf8"
      })
    const full = shell('"$0" "$1" list docs: > /dev/full')
    expect(full.stderr).toBe("cairn: cannot write to standard output (ENOSPC)\n")
    expect(full.status).toBe(1)
    const deaf = shell('"$0" "$1" list docs: 2> /dev/full')
    expect(deaf).toMatchObject({ status: 0, stdout: "docs/\n" })
  })

  it("a file's name cannot break a line or steer a terminal", async () => {
    const other = Cairn.folder()
    const own = join(other, "home")
    Cairn.write(join(other, "src/a\nb\x1b[31mred"), "1")
    await Cairn.expectCode(0, own, ["backup", "src", "odd:"], { cwd: other })
    const listed = await Cairn.expectCode(0, own, ["list", "odd:src"])
    expect(listed.stdout).toBe("a\\nb\\u{1b}[31mred\n")
    const missing = await Cairn.expectCode(10, own, ["show", "odd:no\nsuch\x1b[31m"])
    expect(missing.stderr).toBe("cairn: odd:no\\nsuch\\u{1b}[31m: there is nothing of that name in the snapshot\n")
  })
})

describe("where it runs", () => {
  it("an empty home stays empty for whoever only reads", async () => {
    const empty = join(place, "never")
    for (const words of [
      ["list"],
      ["status"],
      ["status", "--json"],
      ["init"],
      ["list", "docs:"],
      ["show", "docs:x"],
      ["log", "docs:"],
      ["verify"],
      ["restore", "docs:", "never-restored"],
      ["backup"],
      ["backup", "docs:"],
      ["backup", "-n", "docs", "docs:"],
      ["backup", "no-such-source", "docs:"]
    ]) {
      await Cairn.run(empty, words, { cwd: place })
      expect(Cairn.fingerprint(empty), words.join(" ")).toEqual(["nothing"])
    }
    expect(Cairn.fingerprint(join(place, "never-restored"))).toEqual(["nothing"])
  })

  it("runs through a linked name and from any folder", async () => {
    fs.mkdirSync(join(place, "elsewhere"))
    fs.symlinkSync(Cairn.binary, join(place, "elsewhere/cairn"))
    const linked = await Cairn.expectCode(0, home, ["list", "docs:"], {
      cwd: join(place, "elsewhere"),
      command: [join(place, "elsewhere/cairn")]
    })
    expect(linked.stdout).toBe("docs/\n")
  })

  it("a setting that is none is a usage error that names it", async () => {
    const crypto = await Cairn.expectCode(2, home, ["list"], { env: { CAIRN_CRYPTO: "magic" } })
    expect(crypto.stderr).toBe('cairn: CAIRN_CRYPTO is "magic"; it can be "auto" or "portable"\n')
    const registry = await Cairn.expectCode(2, home, ["list"], { env: { CAIRN_REGISTRY: "magic" } })
    expect(registry.stderr).toBe('cairn: CAIRN_REGISTRY is "magic"; it can be "lmdb" or "files"\n')
  })
})
