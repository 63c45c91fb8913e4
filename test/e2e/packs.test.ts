import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const begin = async (env: Readonly<Record<string, string>> = {}) => {
  const place = Cairn.folder()
  const home = join(place, "home")
  const docs = Cairn.smallTree(place)
  for (let index = 0; index < 30; index++) Cairn.write(join(docs, `many/${index}`), Cairn.noise(index, 2000))
  const expectCode = (code: number, ...words: ReadonlyArray<string>) =>
    Cairn.expectCode(code, home, words, { cwd: place })
  await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place, env })
  const expectWhole = async (name: string) => {
    await expectCode(0, "verify")
    await expectCode(0, "restore", "docs:docs", name)
    expect(Cairn.difference(docs, join(place, name))).toBe("")
  }
  return { place, home, docs, expectCode, expectWhole }
}

it("many files are few objects, and come back without the index, and with one that is damaged", async () => {
  const { expectWhole, home } = await begin()
  expect(Cairn.files(join(home, "data/store/blob3")).length).toBeLessThanOrEqual(3)
  await expectWhole("out")
  fs.truncateSync(join(home, "data/index/data.mdb"), 5000)
  await expectWhole("damaged")
  fs.rmSync(join(home, "data/index"), { recursive: true })
  await expectWhole("lost")
  fs.rmSync(join(home, "data/index"), { recursive: true })
  fs.rmSync(join(home, "data/store/packs"), { recursive: true })
  await expectWhole("from-headers")
})

Cairn.itLong("a flipped bit in a pack costs the one file, until everything is read again", async () => {
  const { docs, expectCode, expectWhole, home, place } = await begin()
  const pack = Cairn.blobs(home)[0]!
  Cairn.flip(pack)
  const verify = await expectCode(5, "verify")
  // what is damaged, and the way out
  expect(Cairn.complaints(verify)).toHaveLength(2)
  const restore = await expectCode(5, "restore", "docs:docs", "out")
  expect(Cairn.complaints(restore)).toHaveLength(1)
  expect(Cairn.difference(docs, join(place, "out")).trimEnd().split("\n")).toHaveLength(1)
  await expectCode(0, "backup", "--reread")
  await expectWhole("mended")
})

Cairn.itLong(
  "a home whose blobs are files goes on with packs, and one that was told to keep files keeps them",
  async () => {
    const { docs, expectCode, expectWhole, home } = await begin({ CAIRN_STORE: "plain" })
    const plain = Cairn.files(join(home, "data/store/blob3")).length
    expect(plain).toBeGreaterThan(30)
    expect(fs.existsSync(join(home, "data/store/packs"))).toBe(false)
    for (let index = 0; index < 20; index++)
      Cairn.write(join(docs, `more/${index}`), Cairn.noise(`more ${index}`, 3000))
    await expectCode(0, "backup")
    expect(Cairn.files(join(home, "data/store/blob3")).length).toBeGreaterThan(plain + 20)
    // as a home of an earlier version
    fs.rmSync(join(home, "data/store.json"))
    for (let index = 0; index < 20; index++) Cairn.write(join(docs, `new/${index}`), Cairn.noise(`new ${index}`, 3000))
    const before = Cairn.files(join(home, "data/store/blob3")).length
    await expectCode(0, "backup")
    expect(Cairn.files(join(home, "data/store/blob3")).length).toBeLessThan(before + 5)
    await expectWhole("out")
  }
)

it("a kind of store that is none is a usage error", async () => {
  const home = join(Cairn.folder(), "home")
  const ended = await Cairn.expectCode(2, home, ["list"], { env: { CAIRN_STORE: "heap" } })
  expect(ended.stderr).toContain('CAIRN_STORE is "heap"; it can be "packed" or "plain"')
})
