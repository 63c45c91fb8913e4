import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { version } from "../../src/cli/Verbs.ts"
import * as DaemonClient from "../../src/layers/DaemonClient.ts"
import * as DaemonServer from "../../src/layers/DaemonServer.ts"
import { ExecutorStopped, NoSuchTask } from "../../src/schema/TaskInfo.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

const daemons: Array<Cairn.Running> = []

beforeAll(Cairn.build)
afterEach(async () => {
  for (const daemon of daemons.splice(0)) {
    daemon.kill("SIGKILL")
    await daemon.ended
  }
})
afterAll(Cairn.removeFolders)

const sockets = (home: string) => {
  const folder = join(home, "data/run")
  return fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.endsWith(".sock")) : []
}

const eventually = async (isSo: () => boolean, what: string) => {
  const until = Date.now() + 60_000
  while (!isSo()) {
    if (Date.now() > until) throw new Error(`${what}: never`)
    await new Promise((resume) => setTimeout(resume, 10))
  }
}

/** Starts a daemon, and waits until it has put its socket in place of what was there. */
const daemon = async (home: string, options: Cairn.RunOptions = {}) => {
  const before = sockets(home).join()
  const running = Cairn.start(home, ["daemon"], options)
  daemons.push(running)
  await eventually(() => sockets(home).length > 0 && sockets(home).join() !== before, "a socket")
  return running
}

/** Work for some seconds. */
const much = (place: string) => {
  for (let index = 0; index < 150; index++)
    Cairn.write(join(place, `docs/d${index % 7}/f${index}`), Cairn.noise(`much ${index}`, 200_000))
}

/** Waits until blobs are being written. */
const writing = (home: string) => {
  const store = join(home, "data/store")
  const count = () => (fs.existsSync(store) ? Cairn.files(store).length : 0)
  const before = count()
  return eventually(() => count() > before, "a pack")
}

describe("the same verbs with and without a daemon", () => {
  const config = `
[source.docs]
paths = ["../../docs"]
[vault.kept]
sources = ["docs"]
[task.nightly]
type = "backup"
vault = "kept"
source = "docs"
then = ["check", "missing"]
[task.check]
type = "verify"
vault = "kept"
[task.missing]
type = "restore"
vault = "kept"
target_path = "../../restored"
subtree = "docs/no such folder"
then = ["never"]
[task.never]
type = "verify"
`
  const commands: ReadonlyArray<ReadonlyArray<string>> = [
    ["backup"],
    ["backup", "docs", "docs:"],
    ["backup", "docs:", "--json"],
    ["backup", "docs", "nowhere", "docs:more", "--json"],
    ["backup", "nowhere", "docs:"],
    ["backup", "docs:elsewhere"],
    ["backup", "docs/deep", "docs:other", "--exclude", "*.bin", "--dry-run", "--json"],
    ["backup", "docs/deep", "docs:docs"],
    ["backup", "--quiet"],
    ["restore", "docs:docs", "out"],
    ["restore", "docs:docs", "out", "--json"],
    ["restore", "docs:docs/nowhere", "out"],
    ["restore", "docs@2020-01-01:", "out"],
    ["restore", "docs:", "docs/letter.txt"],
    ["restore", "docs:docs", "changed", "--json"],
    ["restore", "docs:docs", "changed"],
    ["verify"],
    ["verify", "docs:", "--json"],
    ["verify", "none:"],
    ["run", "nightly"],
    ["run", "nightly", "--json"],
    ["run", "nightyl"]
  ]

  Cairn.itLong("print the same, and end with the same", async () => {
    const outcomes = await Promise.all(
      [false, true].map(async (withDaemon) => {
        const place = Cairn.folder()
        const home = join(place, "home")
        Cairn.smallTree(place)
        Cairn.write(join(place, "changed/letter.txt"), "not what was kept")
        Cairn.write(join(home, "config/config.toml"), config)
        if (withDaemon) await daemon(home)
        const ended: Array<{ words: string; code: number | null; stdout: string; stderr: string }> = []
        for (const words of commands) {
          const { code, stderr, stdout } = await Cairn.run(home, words, { cwd: place })
          const [out, err] = [stdout, stderr].map((text) =>
            text
              .replaceAll(place, "PLACE")
              .replace(/[0-9a-f]{64}/g, "HASH")
              .replace(/\b[0-9a-f]{10}\b/g, "ID")
          )
          ended.push({ words: words.join(" "), code, stdout: out ?? "", stderr: err ?? "" })
        }
        if (withDaemon) {
          const tasks = Cairn.linesOf(await Cairn.expectCode(0, home, ["daemon", "status", "--json"]), "task")
          // every one was done by the daemon, and what follows a task too; one was refused
          expect(tasks).toHaveLength(commands.length - 3 + 2 * 3)
        }
        return ended
      })
    )
    const [here, there] = outcomes
    expect(there).toEqual(here)
    const codes = new Map(here?.map(({ code, words }) => [words, code]))
    expect(codes.get("backup docs docs:")).toBe(0)
    expect(codes.get("restore docs:docs/nowhere out")).toBe(10)
    expect(codes.get("restore docs:docs changed")).toBe(3)
    expect(codes.get("run nightly")).toBe(10)
    expect(here?.find(({ words }) => words === "run nightly")?.stderr).toContain("never: not run")
    expect(here?.find(({ words }) => words === "run nightyl")?.stderr).toContain("did you mean nightly?")
  })
})

describe("a daemon that ends", () => {
  /** A client, and the daemon that does the backup which it asked for and has begun to write. */
  const inTheMiddle = async (...options: ReadonlyArray<string>) => {
    const place = Cairn.folder()
    const home = join(place, "home")
    much(place)
    const running = await daemon(home)
    const client = Cairn.start(home, ["backup", "docs", "docs:", ...options], { cwd: place })
    await writing(home)
    return { client, home, place, running }
  }

  it("killed in the middle of a backup: the client says that it does not know, the next backup is right", async () => {
    const { client, home, place, running: first } = await inTheMiddle("--json")
    first.kill("SIGKILL")
    const ended = await client.ended
    expect(ended.code, ended.stderr).toBe(1)
    expect(Cairn.jsonLines(ended)).toMatchObject([{ type: "result", error: { tag: "DaemonError" } }])
    expect(Cairn.complaints(ended)).toEqual([
      "cairn: backup docs:: the daemon went away in the middle, so what became of it is not known; run it again to go on"
    ])
    expect(sockets(home)).toEqual(["daemon.1.sock"])
    await daemon(home)
    // it serves from the moment of its name; what the killed one left is cleared up after that
    await eventually(() => sockets(home).join() === "daemon.2.sock", "the killed one's socket cleared up")
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
    await Cairn.expectCode(0, home, ["verify"])
    await Cairn.expectCode(0, home, ["restore", "docs:docs", "out"], { cwd: place })
    expect(Cairn.difference(join(place, "docs"), join(place, "out"))).toBe("")
    // and without one, though the name of the killed one is there
    daemons.at(-1)?.kill("SIGKILL")
    await daemons.at(-1)?.ended
    await Cairn.expectCode(0, home, ["backup", "docs:"], { cwd: place })
  })

  it("told to stop while a client is suspended: it waits for that one a while, not for good", async () => {
    const { client, home, place, running: first } = await inTheMiddle("--json")
    client.kill("SIGSTOP")
    first.kill("SIGTERM")
    const ended = await first.ended
    expect(ended.code, ended.stderr).toBe(0)
    client.kill("SIGCONT")
    const told = await client.ended
    expect(told.code, told.stderr).not.toBe(0)
    expect(Cairn.jsonLines(told)).toMatchObject([{ type: "result" }])
    expect(told.stderr).not.toContain("bug in cairn")
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
  })

  it("told to stop: what runs is cancelled and its client is told, the daemon ends with 0", async () => {
    const { client, home, place, running } = await inTheMiddle()
    running.kill("SIGTERM")
    const ended = await client.ended
    expect(ended.code, ended.stderr).toBe(130)
    expect(ended.stderr).toContain("backup docs:: it was cancelled")
    const end = await running.ended
    expect([end.code, end.signal], end.stderr).toEqual([0, null])
    expect(end.stderr).toMatch(/task 1 \(backup docs:\) ended with 130/)
    expect(sockets(home)).toEqual([])
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
  })

  it("start, status and stop", async () => {
    const home = join(Cairn.folder(), "home")
    const none = await Cairn.expectCode(1, home, ["daemon", "status"])
    expect(Cairn.complaints(none)).toEqual(["cairn: no daemon runs for this home; `cairn daemon start` begins one"])
    await Cairn.expectCode(0, home, ["daemon", "stop"])
    await Cairn.expectCode(0, home, ["daemon", "start"])
    await Cairn.expectCode(0, home, ["daemon", "start"])
    const [status] = Cairn.linesOf(await Cairn.expectCode(0, home, ["daemon", "status", "--json"]), "daemon")
    expect(status).toMatchObject({ version, data: join(home, "data") })
    await Cairn.expectCode(0, home, ["daemon", "stop"])
    expect(sockets(home)).toEqual([])
    await eventually(() => !fs.existsSync(`/proc/${status?.pid}`), "the end of the process")
  })

  Cairn.itLong("Ctrl-C in the client cancels the task in the daemon", async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    much(place)
    await daemon(home)
    const client = Cairn.start(home, ["backup", "docs", "docs:", "--json"], { cwd: place })
    await writing(home)
    client.kill("SIGINT")
    const ended = await client.ended
    expect(ended.code, ended.stderr).toBe(130)
    expect(Cairn.complaints(ended)).toEqual(["cairn: interrupted; what was done before is kept, run it again to go on"])
    const tasks = Cairn.linesOf(await Cairn.expectCode(0, home, ["daemon", "status", "--json"]), "task")
    expect(tasks).toMatchObject([{ id: 1, state: "ended", code: 130, error: { tag: "TaskCancelled" } }])
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
  })
})

describe("who is served, and by whom", () => {
  Cairn.itLong("of daemons that are started at once one serves, the others say so and end", async () => {
    const home = join(Cairn.folder(), "home")
    const all = Array.from({ length: 4 }, () => Cairn.start(home, ["daemon"]))
    daemons.push(...all)
    const ended: Array<Cairn.Ended> = []
    for (const one of all) void one.ended.then((end) => ended.push(end))
    await eventually(() => ended.length === 3, "three that end")
    for (const { code, stderr } of ended) {
      expect(code).toBe(1)
      expect(stderr).toBe(
        "cairn: a daemon is running for this home already; `cairn daemon status` shows it, `cairn daemon stop` ends it\n"
      )
    }
    await Cairn.expectCode(0, home, ["daemon", "status"])
    await Cairn.expectCode(0, home, ["daemon", "stop"])
    await eventually(() => ended.length === 4, "the last one's end")
  })

  it("two homes have nothing to do with each other", async () => {
    const place = Cairn.folder()
    Cairn.smallTree(place)
    const [one, other] = [join(place, "one"), join(place, "other")]
    await daemon(one)
    await Cairn.expectCode(0, other, ["backup", "docs", "docs:"], { cwd: place })
    expect(Cairn.linesOf(await Cairn.expectCode(0, one, ["daemon", "status", "--json"]), "task")).toEqual([])
    expect(sockets(other)).toEqual([])
  })

  it("a run with another configuration is not given to it", async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    Cairn.smallTree(place)
    Cairn.write(join(place, "other.toml"), "")
    await daemon(home)
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:", "--config", "other.toml"], { cwd: place })
    expect(Cairn.linesOf(await Cairn.expectCode(0, home, ["daemon", "status", "--json"]), "task")).toEqual([])
  })

  it("a configuration with a fault: nothing is started", async () => {
    const home = join(Cairn.folder(), "home")
    Cairn.write(join(home, "config/config.toml"), '[task.t]\ntype = "verify"\nvault = 1\n')
    const ended = await Cairn.expectCode(2, home, ["daemon"])
    expect(Cairn.complaints(ended)).toHaveLength(1)
    expect(sockets(home)).toEqual([])
  })

  it("a daemon of another version is named with the way out, and can be stopped", async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    Cairn.smallTree(place)
    let stops = 0
    const never = () => Effect.die("not asked")
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          yield* DaemonServer.serve(join(home, "data"), {
            Hello: () => Effect.succeed({ version: "9.9.9", config: "", pid: 1, startedAt: 0 }),
            Shutdown: () =>
              Effect.sync(() => {
                stops += 1
              }),
            RunTask: never,
            WatchTask: ({ taskId }) => Stream.fail(new NoSuchTask({ id: taskId })),
            CancelTask: never,
            ListTasks: never,
            GetStatus: never,
            GetConfig: never,
            ListSnapshots: never
          })
          const ended = yield* Effect.promise(() =>
            Cairn.expectCode(1, home, ["backup", "docs", "docs:"], { cwd: place })
          )
          expect(Cairn.complaints(ended)).toEqual([
            `cairn: the daemon of this home is cairn 9.9.9, this is cairn ${version}: \`cairn daemon stop\` ends it, \`cairn daemon start\` begins one of this version`
          ])
          const stopping = Cairn.start(home, ["daemon", "stop"])
          yield* Effect.promise(() => eventually(() => stops === 1, "a stop"))
          stopping.kill("SIGKILL")
          yield* Effect.promise(() => stopping.ended)
        })
      )
    )
    expect(new ExecutorStopped().message).toContain("stopping")
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
  })

  it("every operation answers another program as it answers cairn: what is refused is told, and no secret is", async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    Cairn.smallTree(place)
    const secret = "0707070707070707070707070707070707070707070707070707070707070707"
    Cairn.write(
      join(home, "config/config.toml"),
      `[identity]\nsecret_key = "${secret}"\n[task.check]\ntype = "verify"\n`
    )
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
    const running = await daemon(home)
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { client, hello } = yield* DaemonClient.open(join(home, "data/run", sockets(home)[0] ?? ""), version)
          expect(hello.config).toBe(join(home, "config/config.toml"))
          const refused = yield* client.RunTask({ request: { _tag: "Named", name: "chekc" } })
          expect(refused).toMatchObject({ _tag: "Refused", error: { message: expect.stringContaining("check") } })
          const spawned = yield* client.RunTask({ request: { _tag: "Named", name: "check" } })
          if (spawned._tag !== "Spawned") throw new Error("refused")
          expect(spawned.spec._tag).toBe("Verify")
          const events = yield* Stream.runCollect(client.WatchTask({ taskId: spawned.taskId }))
          expect([...events].at(-1)).toMatchObject({ _tag: "End", code: 0 })
          // watched again, it is told from its start
          const again = yield* Stream.runCollect(client.WatchTask({ taskId: spawned.taskId }))
          expect([...again].at(-1)).toEqual([...events].at(-1))
          const failed = yield* client.RunTask({
            request: { _tag: "Given", spec: { _tag: "Verify", vault: "nowhere", share: 1 } }
          })
          if (failed._tag !== "Spawned") throw new Error("refused")
          const told = yield* Stream.runCollect(client.WatchTask({ taskId: failed.taskId }))
          expect([...told].at(-1)).toMatchObject({ _tag: "End", code: 10, error: { tag: "NoSuchVault" } })
          const tasks = yield* client.ListTasks()
          expect(tasks.map(({ name, state }) => [name, state])).toContainEqual(["check", "ended"])
          expect((yield* client.GetStatus()).tasks).toHaveLength(tasks.length)
          const snapshots = yield* client.ListSnapshots({ vault: "docs" })
          expect(snapshots.map(({ number, vault }) => [vault, number])).toEqual([["docs", 1]])
          expect(yield* client.ListSnapshots({})).toEqual(snapshots)
          expect(yield* Effect.flip(client.ListSnapshots({ vault: "nowhere" }))).toMatchObject({ tag: "NoSuchVault" })
          const shown = yield* client.GetConfig()
          expect(shown).toContain("check")
          expect(shown).not.toContain(secret)
          const unknown = yield* Effect.flip(client.CancelTask({ taskId: 999 }))
          expect(unknown._tag).toBe("NoSuchTask")
          expect((yield* Effect.flip(Stream.runDrain(client.WatchTask({ taskId: 999 }))))._tag).toBe("NoSuchTask")
          yield* Effect.ignore(client.Shutdown())
        })
      )
    )
    expect((await running.ended).code).toBe(0)
    expect(sockets(home)).toEqual([])
  })

  const isRoot = process.getuid?.() === 0
  it.skipIf(!isRoot)("another user account gets nothing (only root can try to be one)", async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    await daemon(home)
    const socket = join(home, "data/run", sockets(home)[0] ?? "")
    // even where all above the socket's own folder can be entered
    for (const folder of [place, home, join(home, "data")]) fs.chmodSync(folder, 0o755)
    const script = `require("node:net").connect(${JSON.stringify(socket)})
      .on("connect", () => { console.log("connected"); process.exit(0) })
      .on("error", (error) => { console.log(error.code); process.exit(0) })`
    const attempt = (uid: number) =>
      spawnSync(process.execPath, ["-e", script], { uid, gid: uid, cwd: "/" }).stdout.toString().trim()
    expect(attempt(0)).toBe("connected")
    expect(attempt(65_534)).toBe("EACCES")
  })
})
