import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import * as Cairn from "./cairn.ts"
import { init } from "./words.ts"

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

/** How many X25519 stanzas the head's sealed node has. */
const recipientsOfHead = async (home: string): Promise<number> => {
  const [head] = Cairn.linesOf(await Cairn.expectCode(0, home, ["log", "docs:", "--json"]), "snapshot")
  for (const path of Cairn.blobs(home)) {
    const bytes = fs.readFileSync(path)
    if (!bytes.subarray(0, 22).equals(Buffer.from("age-encryption.org/v1\n"))) continue
    const { blake3 } = await import("@noble/hashes/blake3.js")
    if (Buffer.from(blake3(bytes)).toString("hex") !== head!.id) continue
    return bytes.toString("latin1").split("\n-> X25519 ").length - 1
  }
  throw new Error("the head's node is not in the store")
}

it("shows twelve words, asks for three of them, and seals every vault for them", async () => {
  const place = Cairn.folder()
  const home = join(place, "home")
  Cairn.smallTree(place)
  await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
  expect(await recipientsOfHead(home)).toBe(1)

  const shown = await init(home, (words, number) => words[number - 1]!)
  expect(shown.code, shown.text).toBe(0)
  expect(shown.words).toHaveLength(12)
  expect(new Set(shown.asked).size).toBe(3)
  expect(shown.text).toContain("Done: your vaults can be opened with these words.")
  expect(await recipientsOfHead(home)).toBe(2)

  const listed = await Cairn.expectCode(0, home, ["list", "docs:"])
  expect(listed.stderr).toBe("")
  const backup = await Cairn.expectCode(0, home, ["backup", "docs:"])
  expect(backup.stderr).toBe("")
  expect(await recipientsOfHead(home)).toBe(2)
  await Cairn.expectCode(0, home, ["verify"])

  // the phrase is nowhere on disk, not even in part
  const phrase = shown.words.join(" ")
  for (const path of Cairn.files(home)) {
    const text = fs.readFileSync(path, "latin1")
    for (let at = 0; at + 3 <= shown.words.length; at++)
      expect(text.includes(shown.words.slice(at, at + 3).join(" "))).toBe(false)
    expect(text.includes(phrase)).toBe(false)
  }

  const again = await init(home, () => "")
  expect(again.code).toBe(0)
  expect(again.words).toEqual([])
  expect(again.text).toContain("has a recovery phrase already")
})

it("a wrong word keeps nothing of the phrase", async () => {
  const place = Cairn.folder()
  const home = join(place, "home")
  const shown = await init(home, () => "nonsense")
  expect(shown.code, shown.text).toBe(1)
  expect(shown.words).toHaveLength(12)
  expect(shown.text).toContain("these words are void")
  expect((await Cairn.expectCode(0, home, ["status"])).stdout).toMatch(/^recovery phrase +none$/m)
  expect((await Cairn.expectCode(0, home, ["list"])).stderr).toBe(Cairn.reminder)
})

it("Ctrl-C at the question is 130 and keeps nothing of the phrase", async () => {
  const home = join(Cairn.folder(), "home")
  const shown = await init(home, () => "\x03")
  expect(shown.code, shown.text).toBe(130)
  expect(shown.text).toContain("cairn: left before the end; nothing was kept")
  expect((await Cairn.expectCode(0, home, ["status"])).stdout).toMatch(/^recovery phrase +none$/m)
})

it("without a terminal it is 4 and makes nothing", async () => {
  const home = join(Cairn.folder(), "home")
  const ended = await Cairn.expectCode(4, home, ["init"])
  expect(Cairn.complaints(ended)).toHaveLength(1)
  expect(fs.existsSync(home)).toBe(false)
})
