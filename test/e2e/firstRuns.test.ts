import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const runs = 10

describe.each(["lmdb", "files"])("ten first runs at the same moment on an empty home (registry: %s)", (registry) => {
  const env = { CAIRN_REGISTRY: registry }

  const expectOneOfEach = async (home: string) => {
    expect(fs.readdirSync(join(home, "config/keys")).filter((name) => !name.startsWith("."))).toEqual([
      "device_keyset.cbor",
      "identity.txt"
    ])
    const status = await Cairn.expectCode(0, home, ["status", "--json"])
    expect(Cairn.linesOf(status, "vault").map(({ name }) => name)).toEqual(["docs"])
    expect(fs.readFileSync(join(home, "data/registry.json"), "utf8")).toBe(`{"type":"${registry}"}\n`)
    return Cairn.linesOf(status, "saved-source")
  }

  // the other registry has the next one
  it.runIf(Cairn.isLong || registry === "lmdb")(
    "with ten sources: one set of keys, one vault, every source saved and in the head",
    async () => {
      const place = Cairn.folder()
      const home = join(place, "home")
      const names = Array.from({ length: runs }, (_, index) => `source-${index}`)
      for (const name of names) Cairn.smallTree(place, name)
      const running = names.map((name) => Cairn.start(home, ["backup", name, "docs:", "--json"], { cwd: place, env }))
      const ended = await Promise.all(running.map(({ ended }) => ended))
      // different sources never contend for good: each is told that it is done
      expect(ended.map(({ code, stderr }) => (code === 0 ? "" : `${code} ${stderr}`)).join("")).toBe("")
      const saved = await expectOneOfEach(home)
      expect(saved.map(({ folder }) => folder).sort()).toEqual(names)
      expect(new Set(ended.map((one) => Cairn.linesOf(one, "source")[0]!.revision)).size).toBe(runs)

      await Cairn.expectCode(0, home, ["restore", "docs:", "out"], { cwd: place })
      expect(fs.readdirSync(join(place, "out")).sort()).toEqual(names)
      for (const name of names) expect(Cairn.difference(join(place, name), join(place, "out", name))).toBe("")
      const verify = Cairn.linesOf(await Cairn.expectCode(0, home, ["verify", "--json"]), "summary")
      expect(verify).toMatchObject([{ counts: { snapshots: runs, damaged: 0 } }])
      const again = Cairn.linesOf(await Cairn.expectCode(0, home, ["backup", "--json"]), "source")
      expect(again.map(({ outcome }) => outcome)).toEqual(names.map(() => "unchanged"))
    }
  )

  it.runIf(Cairn.isLong || registry === "files")(
    "with the same source: one of everything, and whoever says 0 has its files in the head",
    async () => {
      const place = Cairn.folder()
      const home = join(place, "home")
      const docs = Cairn.smallTree(place)
      const running = Array.from({ length: runs }, () =>
        Cairn.start(home, ["backup", "docs", "docs:"], { cwd: place, env })
      )
      const ended = await Promise.all(running.map(({ ended }) => ended))
      const codes = ended.map(({ code }) => code)
      expect(codes, ended.map(({ stderr }) => stderr).join("")).toContain(0)
      expect(codes.filter((code) => code !== 0 && code !== 13)).toEqual([])
      expect((await expectOneOfEach(home)).map(({ folder }) => folder)).toEqual(["docs"])
      await Cairn.expectCode(0, home, ["restore", "docs:docs", "out"], { cwd: place })
      expect(Cairn.difference(docs, join(place, "out"))).toBe("")
      await Cairn.expectCode(0, home, ["verify"])
      await Cairn.expectCode(0, home, ["backup"])
    }
  )
})
