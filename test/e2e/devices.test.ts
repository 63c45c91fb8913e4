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

  // one deletes, both change one file: what --peers shows is what the next pull brings, and no device has it before
  const copy = join(place, "copy")
  await Cairn.expectCode(0, b, ["restore", "docs:docs", copy])
  await Cairn.expectCode(0, b, ["backup", copy, "docs:docs"])
  fs.rmSync(join(copy, "empty"))
  Cairn.write(join(copy, "letter.txt"), "of b\n")
  await Cairn.expectCode(0, b, ["backup"])
  Cairn.write(join(docs, "letter.txt"), "of a\n")
  await Cairn.expectCode(0, a, ["backup"])
  const together = ["docs:", "--peers"]
  const [seen, pulled] = [join(place, "seen"), join(place, "pulled")]
  await Cairn.expectCode(0, a, ["restore", "docs:", seen, "--peers"])
  const names = await Cairn.expectCode(0, a, ["list", "-r", ...together])
  expect(names.stdout).toMatch(/^docs\/letter \(conflict [0-9a-f]{8}\)\.txt$/m)
  const changes = await Cairn.expectCode(0, a, ["diff", ...together])
  expect(changes.stdout).toContain("- docs/empty\n")
  expect((await Cairn.expectCode(0, a, ["show", "docs:docs/letter.txt", "--peers"])).stdout).toBe("of a\n")
  expect((await Cairn.expectCode(0, a, ["list", "-r", "docs:"])).stdout).not.toBe(names.stdout)
  await Cairn.expectCode(0, a, ["pull", "docs:"])
  await Cairn.expectCode(0, a, ["restore", "docs:", pulled])
  expect(Cairn.difference(seen, pulled)).toBe("")
  expect((await Cairn.expectCode(0, a, ["list", "-r", "docs:"])).stdout).toBe(names.stdout)
  expect((await Cairn.expectCode(0, a, ["diff", ...together])).stdout).toBe("")
  for (const words of [
    ["restore", "docs@1:", seen, "--peers"],
    ["restore", "docs:", seen, "--peers", "--device", other.name],
    ["list", "docs@latest~1:", "--peers"],
    ["show", "docs@1:docs/letter.txt", "--peers"],
    ["diff", "docs:", "docs@1:", "--peers"]
  ])
    expect(Cairn.complaints(await Cairn.expectCode(2, a, words))).toHaveLength(1)
})

Cairn.itLong(
  "what a third device published before another was let in is taken in after the third's next pull",
  async () => {
    const place = Cairn.folder()
    const [a, c, d] = [join(place, "a"), join(place, "c"), join(place, "d")]
    const shared = join(place, "usb")
    fs.mkdirSync(shared)
    Cairn.write(
      join(a, "config/config.toml"),
      `default_store = "usb"\n\n[store.usb]\ntype = "local"\nbase_path = "${shared}"\n`
    )
    const docs = Cairn.smallTree(place)
    await Cairn.expectCode(0, a, ["backup", docs, "docs:"])
    expect((await init(a)).code).toBe(0)
    expect((await pair(a, c, { join: [shared] })).joined.code).toBe(0)
    const work = join(place, "work")
    Cairn.write(join(work, "of-c.txt"), "c\n")
    await Cairn.expectCode(0, c, ["backup", work, "docs:"])
    // a vault that the first device never took, where all can reach it
    const config = join(c, "config/config.toml")
    fs.writeFileSync(config, `default_store = "usb"\n\n${fs.readFileSync(config, "utf8")}`)
    const art = join(place, "art")
    Cairn.write(join(art, "p"), "p\n")
    await Cairn.expectCode(0, c, ["backup", art, "art:"])

    // nothing of the other vault can be read yet
    expect((await pair(a, d, { join: [shared] })).joined.code).toBe(3)
    expect((await Cairn.expectCode(0, d, ["list", "docs:"])).stdout).toBe("docs/\n")
    const [left] = Cairn.linesOf(await Cairn.expectCode(3, d, ["list", "--peers", "docs:", "--json"]), "entry")
    expect(left?.path).toBe("docs")
    await Cairn.expectCode(0, c, ["pull", "docs:"])
    const taken = await Cairn.expectCode(0, d, ["pull"])
    expect(taken.stderr).not.toContain("cannot be opened")
    await Cairn.expectCode(0, d, ["restore", "docs:work", join(place, "back")])
    expect(Cairn.difference(work, join(place, "back"))).toBe("")

    // a removal says what it leaves out, and is complete for the vaults once it had them all
    const name = Cairn.linesOf(await Cairn.expectCode(0, a, ["device", "list", "--json"]), "listed-device").at(-1)!.name
    const removed = await Cairn.expectCode(0, a, ["device", "remove", name, "--yes", "--json"])
    expect(Cairn.linesOf(removed, "removed-device")).toEqual([
      { type: "removed-device", name, vaults: ["docs"], elsewhere: ["art"] }
    ])
    const todo = `vault art: it has the keys that ${name} knows`
    for (const words of [["device", "list"], ["status"]]) {
      const told = await Cairn.expectCode(0, a, words)
      expect(told.stdout + told.stderr).toContain(todo)
    }
    await Cairn.expectCode(0, a, ["pull", "art:"])
    expect((await Cairn.expectCode(0, a, ["vault", "show", "art"])).stdout).toContain(todo)
    const again = await Cairn.expectCode(0, a, ["device", "remove", name, "--yes", "--json"])
    expect(Cairn.linesOf(again, "removed-device")).toEqual([{ type: "removed-device", name, vaults: ["art"] }])
    expect((await Cairn.expectCode(0, a, ["status"])).stdout).not.toContain(todo)
    expect((await Cairn.expectCode(0, a, ["vault", "show", "art"])).stdout).not.toContain(todo)
  }
)
