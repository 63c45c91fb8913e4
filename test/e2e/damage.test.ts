import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const begin = async (registry = "lmdb") => {
  const place = Cairn.folder()
  const home = join(place, "home")
  const docs = Cairn.smallTree(place)
  const expectCode = (code: number, ...words: ReadonlyArray<string>) =>
    Cairn.expectCode(code, home, words, { cwd: place })
  await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], {
    cwd: place,
    env: { CAIRN_REGISTRY: registry, CAIRN_STORE: "plain" }
  })
  return { place, home, docs, expectCode }
}

const hurts: ReadonlyArray<readonly [string, (path: string) => void, boolean]> = [
  ["with a flipped bit", Cairn.flip, false],
  ["that lost a byte", (path) => fs.truncateSync(path, fs.statSync(path).size - 1), true],
  ["that is empty", (path) => fs.truncateSync(path, 0), true],
  ["that is gone", (path) => fs.rmSync(path), true]
]

describe.each(hurts)("a content blob %s", (_, hurt, heals) => {
  it("is 5 in show, restore and verify, named, and every other file comes back", async () => {
    const { docs, expectCode, home, place } = await begin()
    // the largest blob is a piece of the photo
    hurt(Cairn.blobs(home)[0]!)
    const photo = "docs/deep/er/photo.bin"

    const show = await expectCode(5, "show", `docs:${photo}`)
    expect(Cairn.complaints(show)).toHaveLength(1)

    const restore = await expectCode(5, "restore", "docs:docs", "out")
    expect(Cairn.complaints(restore)).toHaveLength(1)
    expect(restore.stderr).toContain(`cairn: docs:${photo}: `)
    expect(Cairn.difference(docs, join(place, "out"))).toMatch(/^Only in [^\n]*\/docs\/deep\/er: photo\.bin\n$/)

    const verify = await expectCode(5, "verify", "--json")
    expect(Cairn.complaints(verify)).toEqual([
      expect.stringContaining(photo),
      expect.stringContaining("`cairn backup --reread docs:`")
    ])
    expect(Cairn.linesOf(verify, "problem")).toMatchObject([{ kind: "damaged" }])

    // a backup that reads the file again brings back what the store lacks; what lies there in full is not read, so that rot
    // stays and stays told
    fs.utimesSync(join(docs, "deep/er/photo.bin"), 1, 1)
    await expectCode(0, "backup", "docs:")
    await expectCode(heals ? 0 : 5, "verify")
    // the way out that was named
    await expectCode(0, "backup", "--reread", "docs:")
    await expectCode(0, "verify")
    await expectCode(0, "restore", "docs:docs", "healed")
    expect(Cairn.difference(docs, join(place, "healed"))).toBe("")
  })
})

Cairn.itLong("every blob of a small vault in turn: damage is always found, and never a crash", async () => {
  const { expectCode, home } = await begin()
  for (const path of Cairn.blobs(home)) {
    const before = fs.readFileSync(path)
    Cairn.flip(path)
    const verify = await expectCode(5, "verify")
    expect(Cairn.complaints(verify).length).toBeGreaterThanOrEqual(1)
    fs.writeFileSync(path, before)
  }
  await expectCode(0, "verify")
})

Cairn.itLong(
  "a registry entry cut short is 5 wherever the head is needed, and nothing is written over it",
  async () => {
    const { docs, expectCode, home } = await begin("files")
    Cairn.write(join(docs, "more"), "more")
    await expectCode(0, "backup", "docs:")
    const registry = join(home, "data/store/registry")
    const entries = Cairn.files(registry)
    expect(entries.length).toBeGreaterThanOrEqual(2)
    for (const path of entries) fs.truncateSync(path, fs.statSync(path).size - 1)
    const before = Cairn.fingerprint(registry)
    for (const words of [
      ["list", "docs:"],
      ["log", "docs:"],
      ["restore", "docs:", "out"],
      ["verify"],
      ["status"],
      ["backup", "docs:"]
    ])
      expect(Cairn.complaints(await expectCode(5, ...words)), words.join(" ")).toHaveLength(1)
    expect(Cairn.fingerprint(registry)).toEqual(before)
  }
)

describe("records of its own that are damaged are 5 and one line", () => {
  it.each([
    ["config/keys/device_keyset.cbor", ["list", "docs:"]],
    ["config/keys/identity.txt", ["list", "docs:"]],
    ["data/registry.json", ["list", "docs:"]],
    ["data/vaults/docs/root.fs5.cbor.age", ["list", "docs:"]],
    ["data/vaults/docs/sources", ["backup"]],
    ["data/vaults/docs/records", ["backup", "docs:"]]
  ] as const)("%s", async (path, words) => {
    const { expectCode, home } = await begin()
    const full = join(home, path)
    const file = fs.statSync(full).isDirectory() ? Cairn.files(full)[0]! : full
    fs.writeFileSync(file, "{")
    expect(Cairn.complaints(await expectCode(5, ...words))).toHaveLength(1)
  })
})
