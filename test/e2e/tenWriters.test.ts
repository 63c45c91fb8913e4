import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 1_800_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const writers = 10
/** `CAIRN_TEST_ROUNDS=20` is the long run; `CAIRN_TEST_SEED` repeats one. */
const rounds = Number(process.env.CAIRN_TEST_ROUNDS ?? 1)
const seed = Number(process.env.CAIRN_TEST_SEED ?? 20261122)

/** Chance that a seed repeats: mulberry32. */
const dice = (start: number) => {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Adds, edits and deletes files of a source. */
const change = (source: string, round: number, roll: () => number) => {
  fs.mkdirSync(join(source, `r${round}`), { recursive: true })
  fs.writeFileSync(
    join(source, `r${round}`, "added.txt"),
    Cairn.noise(`${source}/${round}`, Math.floor(roll() * 30_000))
  )
  fs.writeFileSync(join(source, "edited.txt"), `${source} in round ${round}\n`)
  if (round > 0 && roll() < 0.5) fs.rmSync(join(source, `r${round - 1}`), { recursive: true, force: true })
}

describe.each(["lmdb", "files"])("ten writers of one vault, some killed (registry: %s)", (registry) => {
  const env = { CAIRN_REGISTRY: registry }

  it.runIf(Cairn.isLong || registry === "lmdb")(
    `every run that exited 0 has its files in the head, in each of ${rounds} rounds (seed ${seed})`,
    async () => {
      const place = Cairn.folder()
      const home = join(place, "home")
      const roll = dice(seed)
      const names = Array.from({ length: writers }, (_, index) => `source-${index}`)
      for (const name of names) fs.mkdirSync(join(place, name))
      /**
       * What each source may be in the head, oldest first: as the last run that exited 0 saw it, or nowhere before there was
       * one, and as killed runs saw it since.
       */
      const states = new Map(names.map((name) => [name, ["nowhere"]]))
      let [killed, landed, took] = [0, 0, 2500]
      for (let round = 0; round < rounds; round++) {
        for (const name of names) change(join(place, name), round, roll)
        const began = Date.now()
        const running = names.map((name) => Cairn.start(home, ["backup", name, "docs:"], { cwd: place, env }))
        const victims = running.filter(() => roll() < 0.3)
        const timers = victims.map((victim) => setTimeout(() => victim.kill("SIGKILL"), 200 + roll() * 1.1 * took))
        const ended = await Promise.all(running.map((run) => run.ended))
        for (const timer of timers) clearTimeout(timer)
        killed += ended.filter(({ signal }) => signal === "SIGKILL").length
        // how busy the machine is changes: kills come at any moment of a run
        took = Date.now() - began
        for (const { code, signal, stderr } of ended)
          expect(signal === "SIGKILL" || code === 0 || code === 13, `${code} ${signal}\n${stderr}`).toBe(true)
        for (const [index, name] of names.entries()) {
          // one that was overtaken to the end says that nothing was published
          if (ended[index]!.code === 13) continue
          const state = join(place, `state-${round}-${name}`)
          fs.cpSync(join(place, name), state, { recursive: true, preserveTimestamps: true })
          states.set(name, ended[index]!.code === 0 ? [state] : [...(states.get(name) ?? []), state])
        }
        fs.rmSync(join(place, "out"), { recursive: true, force: true })
        if (names.every((name) => states.get(name)![0] === "nowhere")) continue
        await Cairn.expectCode(0, home, ["restore", "docs:", "out"], { cwd: place })
        for (const [index, name] of names.entries()) {
          // a run that was killed may have published or not: it is whole either way, and nothing older comes back
          const possible = states.get(name) ?? []
          const now = join(place, "out", name)
          const found = possible.findIndex((state) =>
            fs.existsSync(now) ? state !== "nowhere" && Cairn.difference(state, now) === "" : state === "nowhere"
          )
          expect(found, `seed ${seed}, round ${round}, ${name} is none of ${possible.join(", ")}`).not.toBe(-1)
          if (ended[index]!.signal === "SIGKILL" && found === possible.length - 1) landed += 1
          states.set(name, possible.slice(found))
        }
      }
      await Cairn.expectCode(0, home, ["verify"])
      for (const name of names) await Cairn.expectCode(0, home, ["backup", name, "docs:"], { cwd: place })
      fs.rmSync(join(place, "out"), { recursive: true, force: true })
      await Cairn.expectCode(0, home, ["restore", "docs:", "out"], { cwd: place })
      for (const name of names) expect(Cairn.difference(join(place, name), join(place, "out", name))).toBe("")
      process.stdout.write(
        `${registry}: ${rounds} rounds of ${writers} writers, ${killed} killed, ${landed} of them after they had published\n`
      )
    }
  )
})
