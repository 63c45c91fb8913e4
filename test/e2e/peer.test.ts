import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as Hash from "../../src/schema/Hash.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import { entriesBelow } from "../support/folders.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const About = Schema.parseJson(
  Schema.Struct({
    device_public_key: Schema.String,
    vault_id: Schema.String,
    revision: Schema.Number,
    head_blob: Schema.String,
    files: Schema.Number,
    links_and_empty_folders: Schema.Array(Schema.String)
  })
)

/** A place with a folder as s5-rs leaves it, what it says of itself, and a home that does not exist yet. */
const begin = () => {
  const place = Cairn.folder()
  const unpacked = spawnSync("tar", ["xzf", join(Cairn.repository, "test/fixtures/s5-relay.tar.gz"), "-C", place])
  expect(unpacked.status).toBe(0)
  const about = Schema.decodeUnknownSync(About)(fs.readFileSync(join(place, "about.json"), "utf8"))
  const home = join(place, "home")
  const relay = join(place, "relay")
  // what a writer of long ago left behind is not ours to tidy up
  Cairn.write(join(relay, ".tmp/left-behind"), "x")
  fs.utimesSync(join(relay, ".tmp/left-behind"), 1, 1)
  const expectCode = (code: number, ...words: ReadonlyArray<string>) =>
    Cairn.expectCode(code, home, words, { cwd: place })
  const add = (name: string, more: Readonly<Record<string, string>> = {}, ...words: ReadonlyArray<string>) => {
    const given: Record<string, string> = {
      store: "relay",
      device: about.device_public_key,
      "vault-id": about.vault_id,
      identity: "identity.txt",
      ...more
    }
    const options = Object.entries(given).flatMap(([option, value]) => [`--${option}`, value])
    return ["vault", "add", name, ...options, ...words]
  }
  return { place, home, relay, about, add, expectCode }
}

/** As `begin`, with the relay attached. */
const attached = async () => {
  const all = begin()
  await all.expectCode(0, ...all.add("relay"))
  return all
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** The names and hashes that `sha256sum` wrote down. */
const expected = (place: string): ReadonlyMap<string, string> =>
  new Map(
    fs
      .readFileSync(join(place, "expected.sha256"), "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const [hash, name] = line.replace(/^\\/, "").split("  ./") as [string, string]
        return [line.startsWith("\\") ? name.replaceAll("\\n", "\n").replaceAll("\\\\", "\\") : name, hash]
      })
  )

/** Links with their targets and folders with nothing in them, in the words of about.json. */
const linksAndEmptyFolders = (top: string) =>
  entriesBelow(top)
    .flatMap(({ entry, path }) => {
      const name = `.${path.slice(top.length)}`
      if (entry.isSymbolicLink()) return [`${name} -> ${fs.readlinkSync(path)}`]
      return entry.isDirectory() && fs.readdirSync(path).length === 0 ? [`${name}/`] : []
    })
    .sort()

const blobIn = (store: string, hex: string) =>
  join(
    store,
    StorePath.blob({ caseSensitive: false, recommendedMaxDirSize: 1024 }, Either.getOrThrow(Hash.fromHex(hex)))
  )

describe("a vault that s5-rs published", () => {
  it("is attached, listed, read, checked and restored to the last byte, and nothing in its folder is changed", async () => {
    const { about, add, expectCode, home, place, relay } = begin()
    const before = Cairn.fingerprint(relay)

    const dry = await expectCode(0, ...add("relay", {}, "--dry-run"))
    expect(Cairn.complaints(dry)).toEqual(["relay: would be attached; nothing was written"])
    await expectCode(10, "list", "relay:")
    const added = Cairn.linesOf(await expectCode(0, ...add("relay", {}, "--json")), "vault")
    expect(added).toEqual([
      { type: "vault", name: "relay", id: about.vault_id, revision: about.revision, snapshot: about.head_blob }
    ])

    expect((await expectCode(0, "vault", "list")).stdout).toBe(`relay:  attached from ${relay}\n`)
    expect((await expectCode(0, "list")).stdout).toBe("")
    const device = about.device_public_key.slice(0, 10)
    expect((await expectCode(0, "list", "--peers")).stdout).toBe(`relay:  device ${device}, attached from ${relay}\n`)
    expect((await expectCode(0, "status")).stdout).toContain(
      `relay: attached from ${relay}, device ${device}, seen at revision ${about.revision}`
    )
    expect((await expectCode(0, "list", "relay:")).stdout).toBe("big/\nodd/\nsmall/\n")
    const files = expected(place)
    expect(files.size).toBe(about.files)
    const listed = Cairn.linesOf(await expectCode(0, "list", "-r", "relay:", "--json"), "entry")
    const links = about.links_and_empty_folders.flatMap((line) => (line.includes(" -> ") ? [line] : []))
    expect(listed.filter(({ kind }) => kind !== "directory")).toHaveLength(files.size + links.length)
    for (const name of files.keys()) expect(listed).toContainEqual(expect.objectContaining({ path: name }))
    expect((await expectCode(0, "log", "relay:")).stdout).toMatch(
      new RegExp(`^ +1  ${about.head_blob.slice(0, 10)}  \\(time unknown\\)\n$`)
    )
    for (const name of ["odd/#hash@at:colon?q*", "odd/new\nline", "odd/ünïcode-日本.txt", "big/shifted.bin"]) {
      const shown = await expectCode(0, "show", `relay:${name}`)
      expect(sha256(shown.bytes), name).toBe(files.get(name))
    }
    expect((await expectCode(0, "verify", "relay:")).stdout).toMatch(/^relay: all good: 1 snapshot, /)

    await expectCode(0, "restore", "relay:", "out")
    for (const [name, hash] of files) expect(sha256(fs.readFileSync(join(place, "out", name))), name).toBe(hash)
    expect(linksAndEmptyFolders(join(place, "out"))).toEqual(
      about.links_and_empty_folders.filter((line) => line !== "./odd/empty-dir/").toSorted()
    )
    const restored = Cairn.files(join(place, "out")).map((path) => path.slice(join(place, "out/").length))
    expect(restored.toSorted()).toEqual([...files.keys()].toSorted())
    await expectCode(0, "restore", "relay:odd", "part")
    expect(Cairn.difference(join(place, "out/odd"), join(place, "part"))).toBe("")

    expect(Cairn.fingerprint(relay)).toEqual(before)
    // and of this home only the attachment was made: no keys, no store
    expect(fs.existsSync(join(home, "config"))).toBe(false)
    expect(fs.readdirSync(join(home, "data"))).toEqual(["vaults"])
  })

  Cairn.itLong("is read with the paper key too, and with each of several identities in a file", async () => {
    const { add, expectCode, place } = begin()
    await expectCode(0, ...add("paper", { identity: "paper.txt" }))
    expect((await expectCode(0, "list", "paper:")).stdout).toBe("big/\nodd/\nsmall/\n")
    const strange = join(place, "strange")
    Cairn.smallTree(place)
    await Cairn.expectCode(0, strange, ["backup", "docs", "docs:"], { cwd: place })
    const keys = [join(strange, "config/keys/identity.txt"), join(place, "identity.txt")]
    fs.writeFileSync(join(place, "both.txt"), `# keys\r\n${keys.map((key) => fs.readFileSync(key, "utf8")).join("\n")}`)
    await expectCode(0, ...add("both", { identity: "both.txt" }))
  })

  Cairn.itLong("stands beside this device's own vaults, which do not mind", async () => {
    const { expectCode, place } = await attached()
    Cairn.smallTree(place)
    await expectCode(0, "backup", "docs", "docs:")
    expect((await expectCode(0, "list")).stdout).toBe("docs:\n")
    expect((await expectCode(0, "vault", "list")).stdout).toMatch(/^docs:\nrelay: {2}attached from .*\n$/)
    await expectCode(0, "backup")
    expect((await expectCode(0, "verify")).stdout).toMatch(/^docs: all good: 1 snapshot, [^\n]*\n$/)
    await expectCode(0, "restore", "docs:docs", "out")
    expect(Cairn.difference(join(place, "docs"), join(place, "out"))).toBe("")
  })
})

describe("attaching is refused", () => {
  Cairn.itLong("with the usage where a word is missing or is none: 2", async () => {
    const { add, expectCode, home } = begin()
    for (const words of [
      ["vault", "ad", "relay"],
      ["vault", "add", "relay"],
      add("x"),
      add("relay", { device: "00".repeat(31) }),
      add("relay", { "vault-id": "00".repeat(17) })
    ])
      expect(Cairn.complaints(await expectCode(2, ...words)), words.join(" ")).toHaveLength(1)
    expect(fs.existsSync(home)).toBe(false)
  })

  Cairn.itLong("under a name that is taken: 2, and the first one stays", async () => {
    const { about, add, expectCode, place } = await attached()
    const taken = await expectCode(2, ...add("relay", { identity: "paper.txt" }))
    expect(Cairn.complaints(taken)).toEqual(["cairn: there is a vault relay: already; choose another name"])
    Cairn.smallTree(place)
    await expectCode(0, "backup", "docs", "docs:")
    await expectCode(2, ...add("docs"))
    await expectCode(2, ...add("docs:"))
    expect((await expectCode(0, "list", "docs:")).stdout).toBe("docs/\n")
    expect(about.files).toBe(71)
  })

  it("with another vault id or device key: 12, unless its owner knows that there is nothing yet", async () => {
    const { add, expectCode, home } = begin()
    for (const wrong of [{ "vault-id": "11".repeat(16) }, { device: "22".repeat(32) }]) {
      const ended = await expectCode(12, ...add("relay", wrong))
      expect(Cairn.complaints(ended)).toHaveLength(1)
      expect(ended.stderr).toContain("nothing is published there under this device key and vault id")
    }
    expect(fs.existsSync(home)).toBe(false)
    await expectCode(0, ...add("relay", { "vault-id": "11".repeat(16) }, "--yes"))
    expect(Cairn.complaints(await expectCode(10, "list", "relay:"))).toHaveLength(1)
    expect((await expectCode(0, "log", "relay:")).stdout).toBe("")
  })

  Cairn.itLong("with an identity that does not open it, or none: 12", async () => {
    const { add, expectCode, home, place } = begin()
    const strange = join(place, "strange")
    Cairn.smallTree(place)
    await Cairn.expectCode(0, strange, ["backup", "docs", "docs:"], { cwd: place })
    for (const identity of [join(strange, "config/keys/identity.txt"), "none.txt", "about.json"]) {
      const ended = await expectCode(12, ...add("relay", { identity }))
      expect(Cairn.complaints(ended), identity).toHaveLength(1)
    }
    expect(fs.existsSync(home)).toBe(false)
  })

  it("from a folder that is not there: 11, and none is made", async () => {
    const { add, expectCode, place } = begin()
    const ended = await expectCode(11, ...add("relay", { store: "relax" }))
    expect(Cairn.complaints(ended)).toHaveLength(1)
    expect(fs.existsSync(join(place, "relax"))).toBe(false)
  })
})

describe("an attached vault", () => {
  it("is read-only: backing up into it, or mending it, is refused with 2, and nothing is made of that name", async () => {
    const { expectCode, home, place, relay } = await attached()
    Cairn.smallTree(place)
    const before = [Cairn.fingerprint(relay), Cairn.fingerprint(home)]
    for (const words of [
      ["backup", "docs", "relay:"],
      ["backup", "relay:"],
      ["backup", "-n", "docs", "relay:"],
      ["vault", "repair", "relay:"]
    ]) {
      const ended = await expectCode(2, ...words)
      expect(Cairn.complaints(ended), words.join(" ")).toHaveLength(1)
      expect(ended.stderr, words.join(" ")).toContain("vault relay: it is another device's, attached to be read")
    }
    expect([Cairn.fingerprint(relay), Cairn.fingerprint(home)]).toEqual(before)
  })

  it("is shown, and is detached by remove, which leaves its store alone and refuses this device's own vaults", async () => {
    const { expectCode, home, place, relay } = await attached()
    Cairn.smallTree(place)
    await expectCode(0, "backup", "docs", "docs:")
    const before = Cairn.fingerprint(relay)
    expect((await expectCode(0, "vault", "show", "relay")).stdout).toContain(`attached from ${relay}`)
    await expectCode(0, "vault", "remove", "relay", "--dry-run")
    await expectCode(0, "list", "relay:")
    await expectCode(0, "vault", "remove", "relay:")
    await expectCode(10, "list", "relay:")
    expect(Cairn.fingerprint(relay)).toEqual(before)
    const refused = await expectCode(2, "vault", "remove", "docs:")
    expect(refused.stderr).toContain(join(home, "data/vaults/docs"))
    await expectCode(0, "list", "docs:")
    await expectCode(10, "vault", "remove", "other:")
  })

  Cairn.itLong("with a damaged blob is 5 for what needs it, and only for that", async () => {
    const { expectCode, relay } = await attached()
    const blobs = [...Cairn.files(join(relay, "blob3"))].sort((a, b) => fs.statSync(b).size - fs.statSync(a).size)
    Cairn.flip(blobs[0]!)
    const verify = await expectCode(5, "verify", "relay:")
    expect(Cairn.complaints(verify)).toHaveLength(1)
    const restore = await expectCode(5, "restore", "relay:", "out")
    const name = /relay:(big\/[a-z.]+): /.exec(restore.stderr)?.[1]
    expect(name).toBeDefined()
    await expectCode(5, "show", `relay:${name}`)
    await expectCode(0, "show", "relay:odd/.hidden")
    await expectCode(0, "list", "-r", "relay:")
  })

  it("whose head is damaged or gone is 5 wherever it is needed", async () => {
    const { about, expectCode, relay } = await attached()
    const head = blobIn(relay, about.head_blob)
    Cairn.flip(head)
    expect(Cairn.complaints(await expectCode(5, "list", "relay:"))).toHaveLength(1)
    expect(Cairn.complaints(await expectCode(5, "verify", "relay:"))).toHaveLength(1)
    fs.rmSync(head)
    expect(Cairn.complaints(await expectCode(5, "restore", "relay:", "out"))).toHaveLength(1)
    expect(Cairn.complaints(await expectCode(5, "log", "relay:"))).toHaveLength(1)
  })

  Cairn.itLong("whose folder is gone is 11 and comes back with it", async () => {
    const { expectCode, place, relay } = await attached()
    fs.renameSync(relay, join(place, "away"))
    expect(Cairn.complaints(await expectCode(11, "list", "relay:"))).toHaveLength(1)
    expect(Cairn.complaints(await expectCode(11, "verify", "relay:"))).toHaveLength(1)
    expect(fs.existsSync(relay)).toBe(false)
    await expectCode(0, "status")
    fs.renameSync(join(place, "away"), relay)
    await expectCode(0, "list", "relay:")
  })
})

/** Another device's home, whose store is attached here as `peer:`. */
const twoDevices = async () => {
  const place = Cairn.folder()
  const home = join(place, "home")
  const theirs = join(place, "theirs")
  const docs = Cairn.smallTree(place)
  const there = (code: number, ...words: ReadonlyArray<string>) =>
    Cairn.expectCode(code, theirs, words, { cwd: place, env: { CAIRN_REGISTRY: "files" } })
  const here = (code: number, ...words: ReadonlyArray<string>) => Cairn.expectCode(code, home, words, { cwd: place })
  await there(0, "backup", "docs", "docs:")
  const status = await there(0, "status", "--json")
  const [device] = Cairn.linesOf(status, "device")
  const [vault] = Cairn.linesOf(status, "vault")
  const add = (name: string, store = join(theirs, "data/store")) =>
    here(
      0,
      "vault",
      "add",
      name,
      ...["--store", store, "--device", device?.publicKey ?? "", "--vault-id", vault?.id ?? ""],
      ...["--identity", join(theirs, "config/keys/identity.txt")]
    )
  const publish = async (path: string, content: string) => {
    Cairn.write(join(docs, path), content)
    await there(0, "backup")
  }
  return { place, home, theirs, docs, there, here, add, publish, store: join(theirs, "data/store") }
}

describe("another Cairn's vault", () => {
  Cairn.itLong("is followed as it is published, with its history, and its store is left alone", async () => {
    const { add, docs, here, place, publish, store } = await twoDevices()
    await add("peer")
    fs.cpSync(docs, join(place, "before"), { recursive: true, verbatimSymlinks: true })
    await publish("more", "more")
    // as if it had been killed before other programs could see its newest entry, which a reader of its own would mend
    for (const name of fs.readdirSync(join(store, "registry")))
      if (name !== ".claims") fs.rmSync(join(store, "registry", name))
    const before = Cairn.fingerprint(store)
    await here(0, "restore", "peer:docs", "out")
    expect(Cairn.difference(docs, join(place, "out"))).toBe("")
    await here(0, "restore", "peer@1:docs", "old")
    expect(Cairn.difference(join(place, "before"), join(place, "old"))).toBe("")
    expect((await here(0, "verify", "peer:")).stdout).toMatch(/^peer: all good: 2 snapshots, /)
    expect((await here(0, "log", "peer:")).stdout.split("\n")).toHaveLength(3)
    expect(Cairn.fingerprint(store)).toEqual(before)
  })

  Cairn.itLong("is read with what its other copies have: list --peers", async () => {
    const { add, docs, here, place, publish, store } = await twoDevices()
    fs.cpSync(store, join(place, "copy"), { recursive: true })
    fs.rmSync(join(docs, "empty"))
    await publish("more", "more")
    await add("old", join(place, "copy"))
    await add("new")
    expect((await here(0, "list", "old:docs")).stdout).toBe("deep/\nempty\nletter.txt\nlink\n")
    expect((await here(0, "list", "--peers", "old:docs")).stdout).toBe("deep/\nletter.txt\nlink\nmore\n")
    expect((await here(0, "list", "--peers", "new:docs")).stdout).toBe("deep/\nletter.txt\nlink\nmore\n")
    await here(0, "restore", "--peers", "old:docs", "out")
    expect(Cairn.difference(docs, join(place, "out"))).toBe("")
    expect((await here(0, "list", "--peers")).stdout.split("\n")).toHaveLength(3)
  })

  Cairn.itLong("is not taken older than it was seen, until its owner is told both and says yes", async () => {
    const { add, here, place, publish, store } = await twoDevices()
    fs.cpSync(join(store, "registry"), join(place, "registry"), { recursive: true })
    await publish("more", "more")
    await add("peer")
    const nothing = await here(0, "vault", "trust", "peer:")
    expect(nothing.stderr).toContain("peer: nothing to accept")
    fs.rmSync(join(store, "registry"), { recursive: true })
    fs.cpSync(join(place, "registry"), join(store, "registry"), { recursive: true })
    const refused = await here(5, "restore", "peer:", "out")
    expect(Cairn.complaints(refused)).toHaveLength(1)
    expect(refused.stderr).toContain("cairn vault trust peer:")
    for (const words of [[], ["--dry-run", "--yes"]]) {
      const shown = await here(words.length === 0 ? 2 : 0, "vault", "trust", "peer:", ...words)
      expect(shown.stderr).toMatch(/^peer: seen before: revision 2; published now: revision 1, snapshot [0-9a-f]{10}$/m)
      await here(5, "list", "peer:")
    }
    await here(0, "vault", "trust", "peer:", "--yes")
    expect((await here(0, "log", "peer:")).stdout.split("\n")).toHaveLength(2)
    expect(Cairn.complaints(await here(2, "vault", "trust", "docs:"))).toHaveLength(1)
  })
})

describe("mending a vault", () => {
  const own = async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    const docs = Cairn.smallTree(place)
    const expectCode = (code: number, ...words: ReadonlyArray<string>) =>
      Cairn.expectCode(code, home, words, { cwd: place })
    await expectCode(0, "backup", "docs", "docs:")
    Cairn.write(join(docs, "more"), "more")
    const [second] = Cairn.linesOf(await expectCode(0, "backup", "--json"), "source")
    return { place, home, docs, expectCode, head: blobIn(join(home, "data/store"), second?.snapshot ?? "") }
  }

  Cairn.itLong("that is whole changes nothing", async () => {
    const { expectCode } = await own()
    expect((await expectCode(0, "vault", "repair", "docs:")).stdout).toBe(
      "docs: nothing to repair: its tree can be read; damaged contents are told by `cairn verify docs:`\n"
    )
    expect((await expectCode(0, "log", "docs:")).stdout.split("\n")).toHaveLength(3)
    await expectCode(10, "vault", "repair", "art:")
    await expectCode(2, "vault", "repair", "docs:", "--dry-run")
  })

  it.each([
    ...(Cairn.isLong ? [["whose head is gone", fs.rmSync] as const] : []),
    ["whose head is rotten", Cairn.flip]
  ] as const)("%s goes on from this device's copy, and the next backup is as ever", async (_, hurt) => {
    const { docs, expectCode, head, place } = await own()
    hurt(head)
    const refused = await expectCode(5, "backup")
    expect(Cairn.complaints(refused)).toHaveLength(1)
    expect(refused.stderr).toContain("cairn vault repair docs:")
    await expectCode(5, "list", "docs:")
    const repaired = await expectCode(0, "vault", "repair", "docs:")
    expect(repaired.stdout).toMatch(/^docs: continues at revision 3 from [0-9a-f]{10}; /)
    const [source] = Cairn.linesOf(await expectCode(0, "backup", "--json"), "source")
    expect(source).toMatchObject({ outcome: "unchanged", revision: 3 })
    await expectCode(0, "restore", "docs:docs", "out")
    expect(Cairn.difference(docs, join(place, "out"))).toBe("")
    expect((await expectCode(0, "verify")).stdout).toMatch(/^docs: all good: 3 snapshots, /)
  })

  Cairn.itLong("whose registry was lost goes on above what was seen", async () => {
    const { docs, expectCode, home, place } = await own()
    fs.rmSync(join(home, "data/registry"), { recursive: true })
    const refused = await expectCode(5, "backup")
    expect(refused.stderr).toContain("cairn vault repair docs:")
    const repaired = await expectCode(0, "vault", "repair", "docs:", "--json")
    expect(Cairn.linesOf(repaired, "vault")).toEqual([{ type: "vault", name: "docs", revision: 3 }])
    Cairn.write(join(docs, "later"), "later")
    await expectCode(0, "backup")
    await expectCode(0, "restore", "docs:docs", "out")
    expect(Cairn.difference(docs, join(place, "out"))).toBe("")
    expect((await expectCode(0, "log", "docs:")).stdout.split("\n")).toHaveLength(5)
  })

  Cairn.itLong("of which nothing can be read any more is 5, with the way out", async () => {
    const { expectCode, home } = await own()
    for (const path of Cairn.files(join(home, "data/store/blob3"))) fs.rmSync(path)
    fs.rmSync(join(home, "data/vaults/docs/last.fs5.cbor.age"))
    const ended = await expectCode(5, "vault", "repair", "docs:")
    expect(ended.stderr).toContain("back up its sources into a new vault")
  })
})

describe("two homes with one device's keys", () => {
  Cairn.itLong(
    "that changed one file: the other version is told, listed by itself, shown by status, and stays",
    async () => {
      const place = Cairn.folder()
      const docs = Cairn.smallTree(place)
      const [one, two] = [join(place, "one"), join(place, "two")]
      const run = (home: string, code: number, ...words: ReadonlyArray<string>) =>
        Cairn.expectCode(code, home, words, { cwd: place, env: { CAIRN_REGISTRY: "files" } })
      await run(one, 0, "backup", "docs", "docs:")
      fs.cpSync(one, two, { recursive: true })
      fs.rmSync(join(two, "data/store"), { recursive: true })
      fs.symlinkSync(join(one, "data/store"), join(two, "data/store"))
      expect((await run(one, 0, "list", "--conflicts", "docs:")).stdout).toBe("")

      fs.writeFileSync(join(docs, "letter.txt"), "of the one")
      await run(one, 0, "backup")
      fs.writeFileSync(join(docs, "letter.txt"), "of the other")
      const future = Date.now() / 1000 + 5
      fs.utimesSync(join(docs, "letter.txt"), future, future)
      const ended = await run(two, 0, "backup", "--json")
      const [conflict] = Cairn.linesOf(ended, "problem")
      expect(conflict).toMatchObject({ kind: "conflict", path: "docs/letter.txt" })
      expect(Cairn.complaints(ended)).toHaveLength(1)

      const listed = (await run(one, 0, "list", "--conflicts", "docs:")).stdout
      expect(listed).toMatch(/^docs\/letter \(conflict [0-9a-f]{8}\)\.txt\n$/)
      expect(conflict?.detail).toContain(listed.trimEnd())
      expect((await run(two, 0, "status")).stdout).toContain(`    conflict copy: ${listed}`)
      expect((await run(one, 0, "show", `docs:${listed.trimEnd()}`)).stdout).toBe("of the one")
      expect((await run(one, 0, "show", "docs:docs/letter.txt")).stdout).toBe("of the other")
      expect((await run(one, 0, "list", "--conflicts", "docs:docs")).stdout).toBe(listed.replace("docs/", ""))
      // nothing comes of backing up again
      for (const home of [two, one, two]) await run(home, 0, "backup")
      expect((await run(two, 0, "list", "--conflicts", "docs:")).stdout).toBe(listed)
      expect(Cairn.complaints(await run(one, 2, "list", "--conflicts"))).toHaveLength(1)
    }
  )
})
