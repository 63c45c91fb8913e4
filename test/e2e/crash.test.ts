import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { basename, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const rounds = Number(process.env.CAIRN_TEST_ROUNDS ?? 3)
const seed = process.env.CAIRN_TEST_SEED ?? String(Date.now())

const fileCount = 100

/** Rewrites, adds and removes files, so that a backup has work for a second or so. */
const change = (docs: string, random: () => number, round: number): void => {
  for (let index = 0; index < fileCount; index++) {
    const path = join(docs, `d${index % 7}`, `f${index}`)
    const draw = random()
    if (draw < 0.1) fs.rmSync(path, { force: true })
    else if (draw < 0.8 || round === 0)
      Cairn.write(path, Cairn.noise(`${seed}/${round}/${index}`, 1 + random() * 150_000))
  }
}

const copy = (from: string, to: string): void => fs.cpSync(from, to, { recursive: true, preserveTimestamps: true })

const snapshots = async (home: string): Promise<ReadonlyArray<string>> => {
  const ended = await Cairn.run(home, ["log", "docs:", "--json"])
  if (ended.code === 10) return []
  expect(ended.code, ended.stderr).toBe(0)
  return Cairn.linesOf(ended, "snapshot")
    .map(({ id }) => id)
    .reverse()
}

/** Restores snapshot `number` and compares it with what the source was then. */
const expectRestores = async (place: string, home: string, number: number): Promise<void> => {
  const out = join(place, `out-${number}`)
  await Cairn.expectCode(0, home, ["restore", `docs@${number}:docs`, out])
  expect(Cairn.difference(join(place, `state-${number}`), out), `snapshot ${number}, seed ${seed}`).toBe("")
  fs.rmSync(out, { recursive: true })
}

/** Does `act` when the run has begun to write blobs, of which it still has many to go, and waits for its end. */
const onceWriting = async (home: string, running: Cairn.Running, act: () => void): Promise<Cairn.Ended> => {
  const written = () => fs.statSync(join(home, "data/store/.tmp")).mtimeMs
  const before = written()
  const timer = setInterval(() => {
    if (written() === before) return
    clearInterval(timer)
    act()
  }, 2)
  const ended = await running.ended
  clearInterval(timer)
  return ended
}

/** A place with a source that takes a while, and how long its backup takes in milliseconds. */
const begin = async () => {
  const place = Cairn.folder()
  const home = join(place, "home")
  const docs = join(place, "docs")
  const random = Cairn.chance(seed)
  change(docs, random, 0)
  const began = Date.now()
  await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
  const took = Date.now() - began
  copy(docs, join(place, "state-1"))
  return { place, home, docs, random, took }
}

describe("a backup that ends in the middle", () => {
  Cairn.itLong(
    `kill -9 at ${rounds} random moments: every earlier snapshot stays whole and the next run completes`,
    async () => {
      const { docs, home, place, random, ...first } = await begin()
      // how busy the machine is changes: the last run that was let end tells how long one takes
      let took = first.took
      let known = 1
      let killed = 0
      let landed = 0
      console.log(`kill -9: seed ${seed}, ${rounds} rounds, a backup takes ${took} ms`)
      for (let round = 1; round <= rounds; round++) {
        change(docs, random, round)
        const began = Date.now()
        const running = Cairn.start(home, ["backup", "docs:"])
        const timer = setTimeout(() => running.kill("SIGKILL"), took * (0.15 + 1.05 * random()))
        const ended = await running.ended
        clearTimeout(timer)
        if (ended.code !== 0) killed += 1
        else took = Date.now() - began
        expect(ended.signal === "SIGKILL" || ended.code === 0, `seed ${seed}, round ${round}: ${ended.stderr}`).toBe(
          true
        )
        const now = await snapshots(home)
        expect(now.length - known, `seed ${seed}, round ${round}`).toBeLessThanOrEqual(1)
        expect(now.length).toBeGreaterThanOrEqual(known + (ended.code === 0 ? 1 : 0))
        if (now.length > known) {
          landed += ended.code === 0 ? 0 : 1
          copy(docs, join(place, `state-${++known}`))
          await expectRestores(place, home, known)
        }
        // every other round goes on from what the killed run left, changed again
        if (round % 2 === 0) continue
        await Cairn.expectCode(0, home, ["backup", "docs:"])
        const after = await snapshots(home)
        if (after.length > known) copy(docs, join(place, `state-${++known}`))
        expect(after).toHaveLength(known)
        await expectRestores(place, home, 1 + Math.floor(random() * known))
        await Cairn.expectCode(0, home, ["verify", "--sample", "20%"])
      }
      await Cairn.expectCode(0, home, ["backup", "docs:"])
      if ((await snapshots(home)).length > known) copy(docs, join(place, `state-${++known}`))
      for (let number = 1; number <= known; number++) await expectRestores(place, home, number)
      const summary = Cairn.linesOf(await Cairn.expectCode(0, home, ["verify", "--json"]), "summary")
      expect(summary).toMatchObject([{ counts: { snapshots: known, damaged: 0 } }])
      console.log(`kill -9: ${known} snapshots, ${killed} runs killed, ${landed} of them after they had published`)
      expect(killed).toBeGreaterThan(0)
    },
    60_000 + rounds * 30_000
  )

  it(
    `kill -9 at ${rounds} moments around the move of the head: it moved or it did not, and the next run knows which`,
    async () => {
      const place = Cairn.folder()
      const home = join(place, "home")
      const docs = join(place, "docs")
      const random = Cairn.chance(`${seed} head`)
      const intents = join(home, "data/vaults/docs/intents")
      Cairn.write(join(docs, "kept"), "kept")
      Cairn.write(join(docs, "round"), "0")
      await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
      let known = 1
      let killed = 0
      let landed = 0
      for (let round = 1; round <= rounds; round++) {
        Cairn.write(join(docs, "round"), `${round}`)
        Cairn.write(join(docs, `only-${round}`), `${round}`)
        fs.rmSync(join(docs, `only-${round - 1}`), { force: true })
        const running = Cairn.start(home, ["backup", "docs:"])
        let timer: NodeJS.Timeout | undefined
        // the intent is what is written last before the head moves
        const watch = setInterval(() => {
          if (timer !== undefined || Cairn.files(intents).length === 0) return
          timer = setTimeout(() => running.kill("SIGKILL"), random() * 40)
        }, 1)
        const ended = await running.ended
        clearInterval(watch)
        clearTimeout(timer)
        killed += ended.signal === "SIGKILL" ? 1 : 0
        const now = (await snapshots(home)).length
        expect(now - known, `seed ${seed}, round ${round}`).toBeOneOf(ended.code === 0 ? [1] : [0, 1])
        landed += ended.code !== 0 && now > known ? 1 : 0
        known = now
        // changed again before anybody knows: no conflict with ourselves, and nothing that was deleted comes back
        Cairn.write(join(docs, "round"), `${round}, again`)
        await Cairn.expectCode(0, home, ["backup", "docs:"])
        known += 1
        expect(await snapshots(home)).toHaveLength(known)
        const out = join(place, `out-${round}`)
        await Cairn.expectCode(0, home, ["restore", "docs:docs", out])
        expect(Cairn.difference(docs, out), `seed ${seed}, round ${round}`).toBe("")
      }
      await Cairn.expectCode(0, home, ["verify"])
      console.log(`kill -9 around the head's move: ${killed} of ${rounds} runs killed, ${landed} after it had moved`)
    },
    60_000 + rounds * 30_000
  )

  it("SIGINT is 130, SIGTERM 143, said in one line and as JSON, and the next run is whole", async () => {
    const { docs, home, place, random } = await begin()
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143]
    ] as const) {
      change(docs, random, code)
      const running = Cairn.start(home, ["backup", "docs:", "--json"])
      const ended = await onceWriting(home, running, () => running.kill(signal))
      expect(ended.signal).toBe(null)
      expect(ended.code, `${signal}: ${ended.stdout}${ended.stderr}`).toBe(code)
      // so much was changed that it is told, where the run comes so far
      expect(Cairn.complaints(ended).filter((line) => !line.endsWith("older snapshots keep them"))).toEqual([
        "cairn: interrupted; what was done before is kept, run it again to go on"
      ])
      expect(Cairn.jsonLines(ended)).toMatchObject([{ type: "result", code, error: { tag: "Interrupted" } }])
      expect(await snapshots(home)).toHaveLength(1)
    }
    await Cairn.expectCode(0, home, ["backup", "docs:"])
    copy(docs, join(place, "state-2"))
    await expectRestores(place, home, 1)
    await expectRestores(place, home, 2)
    await Cairn.expectCode(0, home, ["verify"])
  })

  Cairn.itLong("a restore that was killed goes on where it stopped", async () => {
    const { docs, home, place, random, took } = await begin()
    const out = join(place, "restored")
    for (const share of [0.5, 0.7, 0.9]) {
      const running = Cairn.start(home, ["restore", "docs:docs", out])
      const timer = setTimeout(() => running.kill("SIGKILL"), took * share * (0.8 + 0.2 * random()))
      await running.ended
      clearTimeout(timer)
    }
    await Cairn.expectCode(0, home, ["restore", "docs:docs", out])
    // an unfinished write of a killed run may stand there under its own name
    for (const path of Cairn.files(out)) if (/^\.cairn-[0-9a-f]{16}\.tmp$/.test(basename(path))) fs.rmSync(path)
    expect(Cairn.difference(docs, out)).toBe("")
  })

  it("a disk that takes no more is one line, and nothing that was acknowledged suffers", async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    Cairn.smallTree(place)
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
    Cairn.write(join(place, "docs/large"), Cairn.noise("large", 3_000_000))
    // no file may grow beyond 64 KiB; without SIGXFSZ the write fails as on a full disk
    const limited = [
      "bash",
      "--norc",
      "-c",
      'trap "" XFSZ; ulimit -f 64; exec "$0" "$@"',
      process.execPath,
      Cairn.binary
    ]
    const ended = await Cairn.expectCode(1, home, ["backup", "docs:"], { cwd: place, command: limited })
    expect(Cairn.complaints(ended)).toHaveLength(1)
    expect(ended.stderr).toMatch(/^cairn: .*(room|larger|space)/)
    expect(await snapshots(home)).toHaveLength(1)
    await Cairn.expectCode(0, home, ["verify"])
    await Cairn.expectCode(0, home, ["backup", "docs:"])
    await Cairn.expectCode(0, home, ["restore", "docs:docs", "out"], { cwd: place })
    expect(Cairn.difference(join(place, "docs"), join(place, "out"))).toBe("")
  })
})

it("diff, which these tests trust, tells folders apart", () => {
  const place = Cairn.folder()
  Cairn.write(join(place, "a/x"), "1")
  Cairn.write(join(place, "b/x"), "2")
  expect(Cairn.difference(join(place, "a"), join(place, "b"))).not.toBe("")
  expect(spawnSync("diff", ["--version"]).status).toBe(0)
})
