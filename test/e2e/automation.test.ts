import { appendFileSync, mkdirSync, renameSync, rmSync, unlinkSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Cairn from "./cairn.ts"

beforeAll(Cairn.build, 60_000)
afterAll(Cairn.removeFolders)

/** A source of `count` files that was backed up once. */
const backedUp = async (count: number) => {
  const home = Cairn.folder()
  const source = join(Cairn.folder(), "docs")
  for (let index = 0; index < count; index++) Cairn.write(join(source, `f${index}`), `text ${index}`)
  await Cairn.expectCode(0, home, ["backup", source, "docs:"])
  return { home, source }
}

const filesOf = async (home: string) =>
  Cairn.linesOf(await Cairn.expectCode(0, home, ["list", "docs:", "--recursive", "--json"]), "entry").filter(
    ({ kind }) => kind === "regular"
  ).length

describe("a change that deletes much of a source", () => {
  it("waits in an unattended run, is shown everywhere, and is published once somebody agrees", async () => {
    const { home, source } = await backedUp(20)
    for (let index = 0; index < 12; index++) unlinkSync(join(source, `f${index}`))
    const stopped = await Cairn.expectCode(4, home, ["backup", "docs:", "--unattended"])
    expect(Cairn.complaints(stopped)).toEqual([
      `cairn: source ${source}: of 20 files 12 are deleted and 0 rewritten since its last backup; nothing was published: if it is meant, \`cairn approve docs:docs\``
    ])
    expect(await filesOf(home)).toBe(20)

    const status = await Cairn.expectCode(0, home, ["status", "--json"])
    expect(Cairn.linesOf(status, "approval")).toMatchObject([{ outcome: "pending", deleted: 12, files: 20 }])
    const doctor = await Cairn.expectCode(0, home, ["doctor", "--json"])
    expect(Cairn.linesOf(doctor, "check").filter(({ name }) => name === "approval docs:docs")).toMatchObject([
      { status: "warning", advice: "`cairn approve docs:docs`" }
    ])
    const shown = await Cairn.expectCode(0, home, ["approve", "docs:docs", "--dry-run"])
    expect(shown.stderr).toContain("  deleted docs/f0\n")

    unlinkSync(join(source, "f12"))
    await Cairn.expectCode(4, home, ["approve", "docs:docs"])
    expect(await filesOf(home)).toBe(20)
    await Cairn.expectCode(0, home, ["approve", "docs:docs"])
    expect(await filesOf(home)).toBe(7)
    await Cairn.expectCode(10, home, ["approve", "docs:docs"])
  }, 60_000)

  Cairn.itLong(
    "is forgotten when somebody denies it",
    async () => {
      const { home, source } = await backedUp(12)
      for (let index = 0; index < 12; index++) unlinkSync(join(source, `f${index}`))
      await Cairn.expectCode(4, home, ["backup", "docs:", "--unattended"])
      const denied = await Cairn.expectCode(0, home, ["approve", "docs:", "--deny", "--json"])
      expect(Cairn.linesOf(denied, "approval")).toMatchObject([{ outcome: "denied", reason: "Emptied" }])
      expect(Cairn.linesOf(await Cairn.expectCode(0, home, ["approve", "--json"]), "approval")).toEqual([])
      expect(await filesOf(home)).toBe(12)
    },
    60_000
  )

  Cairn.itLong(
    "goes on with a warning when a person runs it, unless nothing is left and they did not say so",
    async () => {
      const { home, source } = await backedUp(12)
      for (let index = 0; index < 11; index++) unlinkSync(join(source, `f${index}`))
      const told = await Cairn.expectCode(0, home, ["backup", "docs:"])
      expect(Cairn.complaints(told)[0]).toContain("of 12 files 11 are deleted")
      unlinkSync(join(source, "f11"))
      await Cairn.expectCode(4, home, ["backup", "docs:"])
      expect(await filesOf(home)).toBe(1)
      await Cairn.expectCode(0, home, ["backup", "docs:", "--yes"])
      expect(await filesOf(home)).toBe(0)
    },
    60_000
  )
})

describe("cairn watch", () => {
  it("ends with a head equal to the folder after a thousand changes in some seconds", async () => {
    // enough files that stay as they are: what rewrites half of a source would wait for somebody
    const { home, source } = await backedUp(450)
    const watching = Cairn.start(home, ["watch", "docs:", "--json"])
    await sleep(1500)
    mkdirSync(join(source, "sub"))
    const random = Cairn.chance("watch")
    for (let change = 0; change < 1000; change++) {
      const path = join(source, random() < 0.5 ? "sub" : "", `g${Math.floor(random() * 200)}`)
      const dice = random()
      if (dice < 0.1) rmSync(path, { force: true })
      else if (dice < 0.2) {
        appendFileSync(path, "x")
        renameSync(path, `${path}.moved`)
      } else appendFileSync(path, `change ${change}\n`)
      if (change % 10 === 0) await sleep(30)
    }
    const back = Cairn.folder()
    let left = "never looked"
    for (let tries = 0; tries < 20 && left !== ""; tries++) {
      await sleep(2000)
      const into = join(back, String(tries))
      await Cairn.expectCode(0, home, ["restore", "docs:docs", into])
      left = Cairn.difference(source, into)
    }
    expect(left).toBe("")
    watching.kill("SIGINT")
    const ended = await watching.ended
    expect(ended.code).toBe(130)
    expect(Cairn.linesOf(ended, "automation")[0]).toMatchObject({ name: "docs:docs", trigger: "on changes" })
  }, 180_000)
})

describe("cairn daemon install", () => {
  it("prints, when it is to do nothing, a unit that starts this very binary with this home", async () => {
    const home = Cairn.folder()
    const user = Cairn.folder()
    const env = { HOME: user, XDG_CONFIG_HOME: undefined }
    const shown = await Cairn.expectCode(0, home, ["daemon", "install", "--dry-run"], { env })
    expect(shown.stdout).toContain(`ExecStart="${process.execPath}" "${Cairn.binary}" "daemon"\n`)
    expect(shown.stdout).toContain(`Environment="CAIRN_HOME=${home}"\n`)
    const json = await Cairn.expectCode(0, home, ["daemon", "install", "--dry-run", "--json"], { env })
    expect(Cairn.linesOf(json, "text")[0]?.text.trimEnd()).toBe(shown.stdout.trimEnd())
    const gone = await Cairn.expectCode(0, home, ["daemon", "uninstall"], { env })
    expect(gone.stderr).toContain("is not installed")
    expect([...Cairn.files(home), ...Cairn.files(user)]).toEqual([])
  }, 60_000)
})

describe("cairn doctor", () => {
  it("names what is wrong with the configuration and that nobody runs what it starts, and ends with 1", async () => {
    const { home } = await backedUp(1)
    const config = join(home, "config/config.toml")
    Cairn.write(config, '[vault.docs]\n[task.nightly]\ntype = "backup"\nvault = "docs"\ncron = "30 2 * * *"\n')
    const alone = await Cairn.expectCode(1, home, ["doctor", "--json"])
    const failures = (ended: Cairn.Ended) => Cairn.linesOf(ended, "check").filter(({ status }) => status === "failed")
    expect(failures(alone).map(({ name }) => name)).toEqual(["daemon"])
    Cairn.write(config, '[task.nightly]\ntype = "backup"\nvault = "doks"\ncron = "61 2 * * *"\n')
    const wrong = failures(await Cairn.expectCode(1, home, ["doctor", "--json"]))
    expect(wrong.map(({ detail }) => detail).join("\n")).toContain('minute "61": expected a value between 0 and 59')
    expect(wrong.length).toBeGreaterThan(1)
  }, 60_000)
})
