/** Two devices over a common folder: one lets the other in, and both go on from there. */
import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, vi } from "vitest"
import * as Cairn from "./cairn.ts"
import { pair } from "./pairing.ts"
import { init } from "./words.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

Cairn.itLong("a device that joins restores byte for byte while the other is away, and both converge", async () => {
  const place = Cairn.folder()
  const [a, b] = [join(place, "a"), join(place, "b")]
  const shared = join(place, "usb")
  fs.mkdirSync(shared)
  const docs = Cairn.smallTree(place)
  Cairn.write(
    join(a, "config/config.toml"),
    `default_store = "usb"\n\n[store.usb]\ntype = "local"\nbase_path = "${shared}"\n`
  )
  await Cairn.expectCode(0, a, ["backup", docs, "docs:"])
  expect((await init(a)).code).toBe(0)
  Cairn.write(join(docs, "second.txt"), "later\n")
  await Cairn.expectCode(0, a, ["backup", "docs:"])

  const paired = await pair(a, b, { join: [shared] })
  expect(paired.invited.code, paired.invited.stderr).toBe(0)
  expect(paired.joined.code, paired.joined.stderr).toBe(0)
  expect(paired.words[0]).toBe(paired.words[1])

  // a goes away
  fs.renameSync(a, `${a}-away`)
  await Cairn.expectCode(0, b, ["restore", "docs:docs", join(place, "back")])
  expect(Cairn.difference(docs, join(place, "back"))).toBe("")
  await Cairn.expectCode(0, b, ["restore", "docs@1:docs", join(place, "first")])
  expect(fs.existsSync(join(place, "first", "second.txt"))).toBe(false)
  await Cairn.expectCode(0, b, ["verify"])
  const [alone] = Cairn.linesOf(await Cairn.expectCode(0, b, ["pull", "docs:", "--json"]), "pull")
  expect(alone?.outcome).toBe("unchanged")
  const work = join(place, "work")
  Cairn.write(join(work, "of-b.txt"), "b\n")
  await Cairn.expectCode(0, b, ["backup", work, "docs:"])

  // both change without each other, and meet again
  fs.renameSync(`${a}-away`, a)
  fs.rmSync(join(docs, "second.txt"))
  Cairn.write(join(docs, "letter.txt"), "Dear Grace,\n")
  await Cairn.expectCode(0, a, ["backup", "docs:"])
  const [first] = Cairn.linesOf(await Cairn.expectCode(0, a, ["pull", "docs:", "--json"]), "pull")
  expect(first).toMatchObject({ outcome: "published", conflicts: [], missing: 0, baseless: 0 })
  await Cairn.expectCode(0, b, ["pull"])
  for (const [name, home] of [
    ["a", a],
    ["b", b]
  ] as const) {
    const back = join(place, `all-${name}`)
    await Cairn.expectCode(0, home, ["restore", "docs:", back])
    expect(Cairn.difference(docs, join(back, "docs"))).toBe("")
    expect(Cairn.difference(work, join(back, "work"))).toBe("")
    const [again] = Cairn.linesOf(await Cairn.expectCode(0, home, ["pull", "docs:", "--json"]), "pull")
    expect(again?.outcome).toBe("unchanged")
    await Cairn.expectCode(0, home, ["verify"])
  }

  // what each device published can be looked at from the other
  const devices = Cairn.linesOf(await Cairn.expectCode(0, a, ["vault", "show", "docs", "--json"]), "peer")
  expect(devices).toHaveLength(2)
  const other = devices.find((one) => one.isThis !== true)!
  const listed = await Cairn.expectCode(0, a, ["log", "docs:", "--device", other.name, "--json"])
  expect(Cairn.linesOf(listed, "snapshot").length).toBeGreaterThan(2)
  await Cairn.expectCode(0, a, ["restore", "docs:work", join(place, "of-b"), "--device", other.name])
  expect(Cairn.difference(work, join(place, "of-b"))).toBe("")
  await Cairn.expectCode(10, a, ["list", "docs:", "--device", "nobody"])
})
