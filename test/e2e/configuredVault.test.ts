import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { blake3 } from "@noble/hashes/blake3.js"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const grandma = new Uint8Array(32).fill(9)
const protector = new Uint8Array(32).fill(10)

/** A home whose vault docs: is configured: two stores, a meta target, a recipient, a key, a root, a registry in a folder. */
const configured = () => {
  const place = Cairn.folder()
  const home = join(place, "home")
  const docs = Cairn.smallTree(place)
  Cairn.write(join(home, "config/protector.txt"), `# mine\n${AgeKey.identity(protector)}\n`)
  Cairn.write(
    join(home, "config/config.toml"),
    `
[key.grandma]
public_key = "${AgeKey.recipient(grandma)}"
[key.protector]
public_key = "${AgeKey.recipient(protector)}"
identity_file = "protector.txt"
[store.first]
type = "local"
base_path = "${join(place, "first")}"
roles = ["blobs"]
[store.second]
type = "local"
base_path = "${join(place, "second")}"
[store.lookout]
type = "local"
base_path = "${join(place, "lookout")}"
roles = ["meta"]
[registry.default]
type = "multi"
backends = ["near", { type = "store", store = "second" }]
[registry.near]
type = "store_local"
path = "${join(place, "near")}"
[source.papers]
paths = ["${docs}"]
exclude = ["*.bin"]
[vault.docs]
root_path = "${join(place, "root")}"
key = "protector"
blob_stores = ["first", "second"]
meta_targets = ["lookout"]
recipients = ["grandma"]
sources = ["papers"]
`
  )
  return { place, home, docs }
}

const blobNames = (folder: string): ReadonlyArray<string> =>
  fs.existsSync(join(folder, "blob3"))
    ? Cairn.files(join(folder, "blob3"))
        .map((path) => Buffer.from(blake3(fs.readFileSync(path))).toString("hex"))
        .sort()
    : []

it("a configured vault is kept in all its stores, its nodes alone in the meta target, and its recipients can open them", async () => {
  const { docs, home, place } = configured()
  const own = async () => Cairn.linesOf(await Cairn.expectCode(0, home, ["log", "docs:", "--json"]), "snapshot")

  // the declared source, though the vault was never named before
  const [source] = Cairn.linesOf(await Cairn.expectCode(0, home, ["backup", "docs:", "--json"]), "source")
  expect(source).toMatchObject({ vault: "docs", folder: "docs", path: fs.realpathSync(docs), outcome: "published" })
  Cairn.write(join(docs, "letter.txt"), "Dear Ada, again\n")
  await Cairn.expectCode(0, home, ["backup"])
  const snapshots = await own()
  expect(snapshots).toHaveLength(2)

  // both stores hold everything, nothing is in Cairn's own
  const first = blobNames(join(place, "first"))
  expect(first.length).toBeGreaterThan(4)
  expect(blobNames(join(place, "second"))).toEqual(first)
  expect(fs.existsSync(join(home, "data/store"))).toBe(false)
  expect(fs.existsSync(join(home, "data/registry"))).toBe(false)

  // the meta target holds the snapshots' nodes, and not one blob more
  expect(blobNames(join(place, "lookout"))).toEqual(snapshots.map(({ id }) => id).sort())

  // the recipient opens the node as it lies in the meta target, with a program that is not ours where there is one
  const newest = snapshots[0]!.id
  const sealedPath = Cairn.files(join(place, "lookout")).find(
    (path) => Buffer.from(blake3(fs.readFileSync(path))).toString("hex") === newest
  )!
  const identityFile = join(place, "grandma.txt")
  fs.writeFileSync(identityFile, `${AgeKey.identity(grandma)}\n`)
  const age = spawnSync("age", ["-d", "-i", identityFile, sealedPath])
  const plain =
    age.error === undefined
      ? age.stdout
      : await Effect.runPromise(
          EnvelopeAge.make().open([Redacted.make(AgeKey.identity(grandma))], fs.readFileSync(sealedPath))
        )
  const node = Either.getOrThrow(TransparentNode.decode(new Uint8Array(plain)))
  expect(Hash.toHex(node.history[0]!.hash)).toBe(snapshots[1]!.id)
  expect(fs.readFileSync(sealedPath).toString("latin1").split("\n-> X25519 ").length - 1).toBe(2)

  // the vault's keys are in its root, for its key alone
  const root = fs.readFileSync(join(place, "root/root.fs5.cbor.age"))
  const opened = (seed: Uint8Array) =>
    Effect.runPromise(Effect.isSuccess(EnvelopeAge.make().open([Redacted.make(AgeKey.identity(seed))], root)))
  expect([await opened(protector), await opened(grandma)]).toEqual([true, false])
  expect(fs.existsSync(join(home, "data/vaults/docs"))).toBe(false)

  // what the first store loses is read from the second, and what the source leaves out is not there
  fs.rmSync(join(place, "first"), { recursive: true })
  await Cairn.expectCode(0, home, ["restore", "docs:", join(place, "back")])
  expect(Cairn.difference(docs, join(place, "back/docs"))).toBe(`Only in ${docs}/deep/er: photo.bin\n`)

  // stores and roots are Cairn's own folders
  const refused = await Cairn.expectCode(2, home, ["restore", "docs:", join(place, "second/x")])
  expect(refused.stderr).toContain("Cairn keeps its own files there")
})

Cairn.itLong(
  "a store that is configured later gets all that the vault had before, and Cairn's own is needed no more",
  async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    const docs = Cairn.smallTree(place)
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
    Cairn.write(join(docs, "letter.txt"), "Dear Ada, again\n")
    await Cairn.expectCode(0, home, ["backup", "docs:"])
    const store = (name: string) =>
      Cairn.expectCode(0, home, ["store", "add", name, "--path", join(place, name), "--role", "blobs"])
    await store("first")
    await store("second")
    fs.appendFileSync(join(home, "config/config.toml"), '\n[vault.docs]\nblob_stores = ["first"] # grows\n')
    await Cairn.expectCode(0, home, ["key", "add", "grandma", "--public-key", AgeKey.recipient(grandma)])
    fs.writeFileSync(
      join(home, "config/config.toml"),
      fs
        .readFileSync(join(home, "config/config.toml"), "utf8")
        .replace("# grows\n", '# grows\nrecipients = ["grandma"]\n')
    )
    // nothing changed, and all the same the first store is filled, and what was published is sealed for the recipient
    await Cairn.expectCode(0, home, ["backup", "docs:"])
    const forGrandma = Cairn.files(join(place, "first/blob3")).filter(
      (path) => fs.readFileSync(path).toString("latin1").split("\n-> X25519 ").length - 1 === 2
    )
    // the two snapshots sealed anew, and the one that names them
    expect(forGrandma).toHaveLength(3)
    fs.writeFileSync(
      join(home, "config/config.toml"),
      fs.readFileSync(join(home, "config/config.toml"), "utf8").replace('["first"]', '["first", "second"]')
    )
    Cairn.write(join(docs, "more.txt"), "more\n")
    await Cairn.expectCode(0, home, ["backup", "docs:"])
    // all but the two nodes that were sealed anew since, which nothing names any more
    const [one, two] = [blobNames(join(place, "first")), blobNames(join(place, "second"))]
    expect(two.every((name) => one.includes(name))).toBe(true)
    expect(one.length - two.length).toBe(2)
    fs.rmSync(join(home, "data/store"), { recursive: true })
    fs.rmSync(join(place, "first"), { recursive: true })
    await Cairn.expectCode(0, home, ["verify", "docs:"])
    await Cairn.expectCode(0, home, ["restore", "docs@latest~1:", join(place, "back")])
    expect(fs.readFileSync(join(place, "back/docs/letter.txt"), "utf8")).toBe("Dear Ada, again\n")

    const used = await Cairn.expectCode(2, home, ["store", "remove", "second"])
    expect(used.stderr).toContain("store second is used by vault.docs.blob_stores[1]")
    const before = fs.readFileSync(join(home, "config/config.toml"), "utf8")
    await Cairn.expectCode(0, home, ["source", "add", "papers", docs, "--dry-run"])
    expect(fs.readFileSync(join(home, "config/config.toml"), "utf8")).toBe(before)
    expect(before).toContain("# grows")
  }
)

it("a store that cannot be written to fails the backup, and the head stays", async () => {
  const { docs, home, place } = configured()
  await Cairn.expectCode(0, home, ["backup", "docs:"])
  fs.rmSync(join(place, "second"), { recursive: true })
  fs.writeFileSync(join(place, "second"), "not a folder")
  Cairn.write(join(docs, "letter.txt"), "Dear Ada, again\n")
  const ended = await Cairn.run(home, ["backup", "docs:"])
  expect(ended.code, ended.stderr).not.toBe(0)
  expect(ended.stderr).toContain("second")
  expect(fs.readdirSync(join(place, "near/registry/.claims")).length).toBeGreaterThan(0)
  for (const key of fs.readdirSync(join(place, "near/registry/.claims")))
    expect(fs.readdirSync(join(place, "near/registry/.claims", key))).toHaveLength(1)
})

Cairn.itLong("a key that is configured is the one that the device publishes under", async () => {
  const place = Cairn.folder()
  const home = join(place, "home")
  Cairn.smallTree(place)
  const seed = Buffer.alloc(32, 3)
  Cairn.write(join(home, "config/node.key"), seed.toString("hex"))
  Cairn.write(join(home, "config/config.toml"), '[identity]\nsecret_key_file = "node.key"\n')
  await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
  const [device] = Cairn.linesOf(await Cairn.expectCode(0, home, ["status", "--json"]), "device")
  const { ed25519 } = await import("@noble/curves/ed25519.js")
  expect(device?.publicKey).toBe(Buffer.from(ed25519.getPublicKey(seed)).toString("hex"))
})
