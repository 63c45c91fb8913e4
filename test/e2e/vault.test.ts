import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { entriesBelow } from "../support/folders.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

/** A place with a source `docs` and a home that does not exist yet. */
const begin = () => {
  const place = Cairn.folder()
  const docs = Cairn.smallTree(place)
  const home = join(place, "home")
  return {
    place,
    docs,
    home,
    expectCode: (code: number, words: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
      Cairn.expectCode(code, home, words, { cwd: place, env })
  }
}

describe("the main job", () => {
  it("backup and restore give the same folder back, and history keeps what was", async () => {
    const { docs, expectCode, place } = begin()
    const first = await expectCode(0, ["backup", "docs", "docs:"])
    expect(first.stdout).toMatch(
      /^docs:docs: snapshot [0-9a-f]{10}: 5 files, 293\.0 KiB \(4 files read, 293\.0 KiB\)\n$/
    )
    expect(first.stderr).toBe(Cairn.reminder)
    const before = join(place, "before")
    fs.cpSync(docs, before, { recursive: true, verbatimSymlinks: true })

    Cairn.write(join(docs, "letter.txt"), "Dear Charles,\n")
    Cairn.write(join(docs, "new/one.txt"), "1")
    fs.rmSync(join(docs, "empty"))
    const [source] = Cairn.linesOf(await expectCode(0, ["backup", "docs:", "--json"]), "source")
    expect(source).toMatchObject({ outcome: "published", revision: 2, files: 5, problems: 0 })
    const [again] = Cairn.linesOf(await expectCode(0, ["backup", "--json"]), "source")
    expect(again).toMatchObject({ outcome: "unchanged", revision: 2, snapshot: source!.snapshot })

    await expectCode(0, ["restore", "docs:docs", "now"])
    expect(Cairn.difference(docs, join(place, "now"))).toBe("")
    await expectCode(0, ["restore", "docs@1:docs", "then"])
    expect(Cairn.difference(before, join(place, "then"))).toBe("")
    await expectCode(0, ["restore", "docs:", "whole"])
    expect(Cairn.difference(docs, join(place, "whole/docs"))).toBe("")
    expect((await expectCode(0, ["verify"])).stdout).toMatch(/^docs: all good: 2 snapshots, /)
  })

  Cairn.itLong("a restore never writes over what differs unless told, and can be run again", async () => {
    const { docs, expectCode, place } = begin()
    await expectCode(0, ["backup", "docs", "docs:"])
    await expectCode(0, ["restore", "docs:docs", "out"])
    const again = Cairn.linesOf(await expectCode(0, ["restore", "docs:docs", "out", "--json"]), "summary")
    expect(again).toMatchObject([{ counts: { files: 0, unchanged: 5 } }])
    Cairn.write(join(place, "out/letter.txt"), "mine now")
    const refused = await expectCode(3, ["restore", "docs:docs", "out"])
    expect(Cairn.complaints(refused)).toEqual([
      "cairn: docs:docs/letter.txt: something else is there already; --overwrite replaces it"
    ])
    expect(fs.readFileSync(join(place, "out/letter.txt"), "utf8")).toBe("mine now")
    await expectCode(0, ["restore", "docs:docs", "out", "--overwrite"])
    expect(Cairn.difference(docs, join(place, "out"))).toBe("")
  })

  it("a dry run writes nothing and says what would be done", async () => {
    const { expectCode, home, place } = begin()
    await expectCode(0, ["backup", "docs", "docs:"])
    Cairn.write(join(place, "docs/more"), "more")
    // LMDB's readers write themselves into its lock files, which hold no data
    const files = () => Cairn.fingerprint(home).filter((line) => !line.includes("/lock.mdb "))
    const before = files()
    const backup = await expectCode(0, ["backup", "-n"])
    expect(backup.stdout).toMatch(/^docs:docs: dry run, nothing was written: 6 files, /)
    const restore = await expectCode(0, ["restore", "docs:", "out", "--dry-run"])
    expect(restore.stdout).toMatch(/^out: would restore 5 files, /)
    expect(fs.existsSync(join(place, "out"))).toBe(false)
    expect(files()).toEqual(before)
  })
})

describe("exit codes", () => {
  it("a missing source is 1, and the other sources are backed up all the same", async () => {
    const { expectCode } = begin()
    const ended = await expectCode(1, ["backup", "gone", "docs", "docs:", "--json"])
    expect(Cairn.complaints(ended)).toHaveLength(1)
    expect(ended.stderr).toMatch(/^cairn: source gone: /)
    expect(Cairn.linesOf(ended, "source")).toMatchObject([{ folder: "docs", outcome: "published" }])
    expect(Cairn.linesOf(ended, "problem")).toMatchObject([{ path: "gone" }])
    expect((await expectCode(0, ["list", "docs:"])).stdout).toBe("docs/\n")
  })

  Cairn.itLong("a saved source that vanished is 1, and the other vaults are backed up all the same", async () => {
    const { expectCode, place } = begin()
    Cairn.smallTree(place, "art")
    await expectCode(0, ["backup", "art", "art:"])
    await expectCode(0, ["backup", "docs", "docs:"])
    fs.renameSync(join(place, "art"), join(place, "moved"))
    Cairn.write(join(place, "docs/more"), "more")
    const ended = await expectCode(1, ["backup", "--json"])
    expect(Cairn.complaints(ended)).toHaveLength(1)
    expect(Cairn.linesOf(ended, "source")).toMatchObject([{ vault: "docs", outcome: "published" }])
    expect((await expectCode(0, ["list", "art:"])).stdout).toBe("art/\n")
  })

  Cairn.itLong("two sources of one name in one vault are refused with the way out", async () => {
    const { expectCode, place } = begin()
    await expectCode(0, ["backup", "docs", "docs:"])
    Cairn.smallTree(join(place, "other"))
    const ended = await expectCode(2, ["backup", "other/docs", "docs:"])
    expect(Cairn.complaints(ended)).toHaveLength(1)
    expect(ended.stderr).toContain("docs:OTHER")
    await expectCode(0, ["backup", "other/docs", "docs:docs2"])
    expect((await expectCode(0, ["list", "docs:"])).stdout).toBe("docs/\ndocs2/\n")
  })

  it("a file that cannot be read is 3, named, and the rest is kept", async () => {
    const { docs, home, place } = begin()
    // the superuser reads everything, so the run is another user's
    const uid = process.getuid?.() === 0 ? 65534 : undefined
    fs.chmodSync(join(docs, "letter.txt"), 0)
    if (uid !== undefined) {
      fs.chmodSync(place, 0o755)
      fs.mkdirSync(home)
      fs.chownSync(home, uid, uid)
    }
    const options = { cwd: place, ...(uid === undefined ? {} : { uid }) }
    const ended = await Cairn.expectCode(3, home, ["backup", "docs", "docs:", "--json"], options)
    expect(Cairn.complaints(ended)).toHaveLength(1)
    expect(ended.stderr).toContain("docs/letter.txt: ")
    expect(Cairn.linesOf(ended, "problem")).toMatchObject([{ kind: "skipped" }])
    const listed = await Cairn.expectCode(0, home, ["list", "-r", "docs:docs"], options)
    expect(listed.stdout.split("\n")).toEqual([
      "deep/",
      "deep/a#b é.md",
      "deep/er/",
      "deep/er/photo.bin",
      "empty",
      "link",
      ""
    ])
  })

  it("a file whose name is not UTF-8 is 3 and named by its bytes", async () => {
    const { docs, expectCode } = begin()
    fs.writeFileSync(Buffer.concat([Buffer.from(`${docs}/odd-`), Buffer.of(0xff)]), "1")
    const ended = await expectCode(3, ["backup", "docs", "docs:"])
    expect(Cairn.complaints(ended)).toHaveLength(1)
    expect(ended.stderr).toContain("odd-\\xff")
  })

  it("no such vault, snapshot or path is 10", async () => {
    const { expectCode } = begin()
    await expectCode(10, ["list", "docs:"])
    await expectCode(0, ["backup", "docs", "docs:"])
    for (const words of [
      ["list", "dosc:"],
      ["backup", "dosc:"],
      ["verify", "dosc:"],
      ["log", "dosc:"],
      ["restore", "docs@7:", "out"],
      ["list", "docs@abcdef0123:"],
      ["show", "docs:docs/nope"],
      ["show", "docs:docs"],
      ["restore", "docs:docs/nope", "out"]
    ])
      expect(Cairn.complaints(await expectCode(10, words)), words.join(" ")).toHaveLength(1)
  })

  Cairn.itLong("another identity than the one it was made with is 12", async () => {
    const { expectCode, home, place } = begin()
    await expectCode(0, ["backup", "docs", "docs:"])
    const other = join(place, "other-home")
    await Cairn.expectCode(0, other, ["backup", "docs", "docs:"], { cwd: place })
    const identity = "config/keys/identity.txt"
    fs.copyFileSync(join(other, identity), join(home, identity))
    const saved = Cairn.fingerprint(home)
    for (const words of [
      ["list", "docs:"],
      ["restore", "docs:", "out"],
      ["show", "docs:docs/letter.txt"],
      ["verify"],
      ["log", "docs:"],
      ["backup", "docs:"],
      ["backup", "docs", "docs:"]
    ])
      expect(Cairn.complaints(await expectCode(12, words)), words.join(" ")).toHaveLength(1)
    expect(Cairn.fingerprint(home)).toEqual(saved)
    expect(fs.existsSync(join(place, "out"))).toBe(false)
  })

  Cairn.itLong("a restore target that cannot be one is 1 with one line", async () => {
    const { expectCode } = begin()
    await expectCode(0, ["backup", "docs", "docs:"])
    expect(Cairn.complaints(await expectCode(1, ["restore", "docs:", "docs/letter.txt"]))).toHaveLength(1)
    expect(Cairn.complaints(await expectCode(1, ["restore", "docs:", "docs/letter.txt/below"]))).toHaveLength(1)
  })

  it("a registry that cannot be opened is 11", async () => {
    const { expectCode, home } = begin()
    await expectCode(0, ["backup", "docs", "docs:"])
    fs.rmSync(join(home, "data/registry"), { recursive: true })
    fs.writeFileSync(join(home, "data/registry"), "no folder")
    for (const words of [
      ["list", "docs:"],
      ["backup", "docs:"]
    ])
      expect(Cairn.complaints(await expectCode(11, words)), words.join(" ")).toHaveLength(1)
  })

  it("a home that cannot be written is a failure of one line", async () => {
    const { place } = begin()
    const ended = await Cairn.run(join(place, "docs/letter.txt/home"), ["backup", "docs", "docs:"], { cwd: place })
    expect(ended.code).toBe(1)
    expect(Cairn.complaints(ended)).toHaveLength(1)
  })
})

describe("files of its own", () => {
  const modes = (top: string) =>
    entriesBelow(top).map(({ entry, path }) => ({
      path,
      kind: entry.isDirectory() ? "folder" : "file",
      mode: fs.lstatSync(path).mode & 0o777
    }))

  it.each(["lmdb", "files"])("nothing of them is open to other users (registry: %s)", async (CAIRN_REGISTRY) => {
    const { expectCode, home } = begin()
    await expectCode(0, ["backup", "docs", "docs:"], { CAIRN_REGISTRY })
    // LMDB makes its files as the umask says, in a folder that nobody else may enter
    const open = modes(home).filter(({ mode, path }) => (mode & 0o077) !== 0 && !path.endsWith(".mdb"))
    expect(open).toEqual([])
    expect(fs.statSync(home).mode & 0o777).toBe(0o700)
    const keys = modes(join(home, "config/keys")).filter(({ kind }) => kind === "file")
    expect(keys.map(({ mode }) => mode)).toEqual([0o600, 0o600])
  })

  Cairn.itLong("follow the XDG folders when CAIRN_HOME is not set", async () => {
    const { place } = begin()
    const env = { HOME: join(place, "user"), XDG_DATA_HOME: join(place, "xdg-data") }
    await Cairn.expectCode(0, undefined, ["backup", "docs", "docs:"], { cwd: place, env })
    expect(fs.readdirSync(join(place, "user/.config/cairn/keys"))).toContain("identity.txt")
    expect(fs.readdirSync(join(place, "xdg-data/cairn")).sort()).toContain("vaults")
    expect((await Cairn.expectCode(0, undefined, ["list"], { env })).stdout).toBe("docs:\n")
    // a relative one is not heeded, and CAIRN_HOME goes before them all
    const relative = { ...env, XDG_CONFIG_HOME: "relative" }
    expect((await Cairn.expectCode(0, undefined, ["list", "docs:"], { env: relative, cwd: place })).stdout).toBe(
      "docs/\n"
    )
    expect((await Cairn.expectCode(0, join(place, "home"), ["list"], { env })).stdout).toBe("")
  })
})

describe("means", () => {
  Cairn.itLong("CAIRN_REGISTRY=files is chosen once and stays", async () => {
    const { docs, expectCode, home, place } = begin()
    await expectCode(0, ["backup", "docs", "docs:"], { CAIRN_REGISTRY: "files" })
    expect(fs.readdirSync(join(home, "data"))).not.toContain("registry")
    expect(fs.readdirSync(join(home, "data/store/registry")).length).toBeGreaterThan(0)
    Cairn.write(join(docs, "more"), "more")
    const [source] = Cairn.linesOf(await expectCode(0, ["backup", "--json"], { CAIRN_REGISTRY: "lmdb" }), "source")
    expect(source).toMatchObject({ outcome: "published", revision: 2 })
    expect(fs.readdirSync(join(home, "data"))).not.toContain("registry")
    await expectCode(0, ["restore", "docs:docs", "out"])
    expect(Cairn.difference(docs, join(place, "out"))).toBe("")
    expect((await expectCode(0, ["status"])).stdout).toMatch(/^registry +files in /m)
  })

  Cairn.itLong("portable cryptography and native read and continue each other's vault", async () => {
    const { docs, expectCode, place } = begin()
    const portable = { CAIRN_CRYPTO: "portable" }
    // text that compresses, so that both encoders have work
    Cairn.write(join(docs, "log.txt"), "the same line again and again\n".repeat(20_000))
    await expectCode(0, ["backup", "docs", "docs:"], portable)
    await expectCode(0, ["restore", "docs:docs", "native"])
    expect(Cairn.difference(docs, join(place, "native"))).toBe("")
    Cairn.write(join(docs, "log2.txt"), "another line, as often\n".repeat(20_000))
    await expectCode(0, ["backup", "docs:"])
    await expectCode(0, ["restore", "docs:docs", "portable"], portable)
    expect(Cairn.difference(docs, join(place, "portable"))).toBe("")
    expect((await expectCode(0, ["verify"], portable)).stdout).toMatch(/^docs: all good: 2 snapshots/)
    const unchanged = Cairn.linesOf(await expectCode(0, ["backup", "--json"], portable), "source")
    expect(unchanged).toMatchObject([{ outcome: "unchanged" }])
  })
})
