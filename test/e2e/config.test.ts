import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 180_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const publicKey = AgeKey.recipient(new Uint8Array(32).fill(7))

/** A home with this configuration. */
const withConfig = (text: string): { readonly home: string; readonly file: string } => {
  const home = Cairn.folder()
  const file = join(home, "config/config.toml")
  Cairn.write(file, text)
  return { home, file }
}

/** One fault a line that ends in `# fault`, and no other. */
const faulty = `colour = "red" # fault
default_store = "dsik" # fault

[key.laptop]
public_key = "${publicKey}"

[store.disk]
type = "local"
base_pth = "/srv" # fault

[store.cloud]
type = "s4" # fault

[registry.default]
type = "multi"
backends = [{ type = "memory" }]
write_policy = "quorum:2" # fault

[source.all]
paths = ["/home"]
[source.part]
paths = ["/home/me"]

[vault.docs]
root_path = "/var/docs"
key = "laptop" # fault
recipients = [
  "laptop",
  "lapotp", # fault
]
sources = [
  "all",
  "part", # fault
]
watch = "yes" # fault

[vault.more]
root_path = "/var/docs" # fault

[task.a]
type = "backup"
vault = "dosc" # fault
then = ["b"]

[task.b]
type = "verify"
then = ["a"] # fault
`

describe("cairn config check", () => {
  it("tells each of 12 faults in a line with file, line, column and path, ends with 2, and nothing is started", async () => {
    const { file, home } = withConfig(faulty)
    const lines = faulty.split("\n").flatMap((line, index) => (line.endsWith("# fault") ? [index + 1] : []))
    expect(lines).toHaveLength(12)
    const before = Cairn.fingerprint(home)
    const ended = await Cairn.expectCode(2, home, ["config", "check"])
    expect(ended.stdout).toBe("")
    const told = Cairn.complaints(ended)
    expect(told.map((line) => Number(/^cairn: .*config\.toml:(\d+):\d+: [a-z]+/.exec(line)?.[1]))).toEqual(lines)
    for (const line of told) expect(line.startsWith(`cairn: ${file}:`), line).toBe(true)
    expect(told.find((line) => line.includes("lapotp"))).toContain(
      `vault.docs.recipients[1]: no [key."lapotp"]; did you mean "laptop"?`
    )

    const json = Cairn.linesOf(await Cairn.expectCode(2, home, ["config", "check", "--json"]), "config-problem")
    expect(json.map(({ line }) => line)).toEqual(lines)
    expect(new Set(json.map(({ severity }) => severity))).toEqual(new Set(["error"]))

    // every other verb says the same and does nothing
    const place = Cairn.folder()
    Cairn.smallTree(place)
    const backup = await Cairn.expectCode(2, home, ["backup", "docs", "docs:"], { cwd: place })
    expect(Cairn.complaints(backup)).toEqual(told)
    expect(Cairn.fingerprint(home)).toEqual(before)
  })

  it("has nothing to say of no file, an empty one, and the documented example", async () => {
    const home = Cairn.folder()
    expect(Cairn.complaints(await Cairn.expectCode(0, home, ["config", "check"]))).toEqual([
      expect.stringContaining("everything has its default")
    ])
    const example = join(Cairn.repository, "docs/config.example.toml")
    const ended = await Cairn.expectCode(0, home, ["config", "check", "--config", example])
    expect(Cairn.complaints(ended)).toEqual([`${example}: no problems`])
    const empty = withConfig("")
    await Cairn.expectCode(0, empty.home, ["config", "check"], { env: { CAIRN_CONFIG: example } })
    expect(Cairn.complaints(await Cairn.expectCode(0, empty.home, ["config", "check"]))).toEqual([
      `${empty.file}: no problems`
    ])
  })

  it("refuses a named file that is not there, and a file that is no TOML", async () => {
    const home = Cairn.folder()
    for (const how of [
      { words: ["--config", "/nowhere.toml"] },
      { words: [], env: { CAIRN_CONFIG: "/nowhere.toml" } }
    ]) {
      const ended = await Cairn.expectCode(2, home, ["config", "check", ...how.words], how)
      expect(Cairn.complaints(ended)).toEqual(["cairn: /nowhere.toml: there is no such file"])
    }
    const { file, home: broken } = withConfig("[store.a\n")
    expect(Cairn.complaints(await Cairn.expectCode(2, broken, ["status"]))).toEqual([
      expect.stringContaining(`cairn: ${file}:1:`)
    ])
  })
})

describe("cairn config show and schema", () => {
  it("show fills defaults in and leaves secrets out", async () => {
    const { home } = withConfig(
      `[store.s]\ntype = "s3"\nendpoint = "https://s3"\nbucket_name = "b"\naccess_key = "id"\nsecret_key = "hush-hush"\n[vault.docs]\nblob_stores = ["s"]\n`
    )
    const ended = await Cairn.expectCode(0, home, ["config", "show"])
    expect(ended.stdout).toContain('secret_key = "(redacted)"')
    expect(ended.stdout).toContain("meta_targets = []")
    const json = await Cairn.expectCode(0, home, ["config", "show", "--json"])
    for (const { stderr, stdout } of [ended, json, await Cairn.run(home, ["config", "check"])])
      expect(stdout + stderr).not.toContain("hush-hush")
    expect(Cairn.linesOf(json, "config")[0]?.table).toMatchObject({ vault: { docs: { meta_targets: [] } } })
  })

  it("schema is JSON Schema with a description of every section", async () => {
    const { stdout } = await Cairn.expectCode(0, Cairn.folder(), ["config", "schema"])
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: expect.stringContaining("json-schema.org"),
      additionalProperties: false,
      properties: { vault: { description: expect.any(String) }, store: { type: "object" } }
    })
  })
})

describe("cairn store, source and key", () => {
  it("change the file, keep what people wrote in it, and repeat no secret", async () => {
    const { file, home } = withConfig('# mine\n[store.old] # stays\ntype = "memory"\n')
    const s3 = ["store", "add", "cloud", "--type", "s3", "--bucket", "b", "--access-key", "env:ID", "--secret-key"]
    const refused = await Cairn.expectCode(2, home, [...s3, "hush-hush"])
    expect(refused.stdout + refused.stderr).not.toContain("hush-hush")
    await Cairn.expectCode(0, home, [...s3, "command:pass show s3"])
    await Cairn.expectCode(2, home, ["key", "add", "ada", "--public-key", "age1nonsense"])
    expect(fs.readFileSync(file, "utf8")).toBe(
      '# mine\n[store.old] # stays\ntype = "memory"\n\n[store.cloud]\ntype = "s3"\nbucket_name = "b"\naccess_key = { env = "ID" }\nsecret_key = { command = ["pass", "show", "s3"] }\n'
    )
    const listed = Cairn.linesOf(await Cairn.expectCode(0, home, ["store", "list", "--json"]), "config")
    expect(listed.map(({ name, usedBy }) => [name, usedBy])).toEqual([
      ["old", []],
      ["cloud", []]
    ])
    const near = await Cairn.expectCode(10, home, ["store", "remove", "clod"])
    expect(near.stderr).toContain('did you mean "cloud"?')
    await Cairn.expectCode(0, home, ["store", "remove", "cloud"])
    expect(fs.readFileSync(file, "utf8")).toBe('# mine\n[store.old] # stays\ntype = "memory"\n')
  })
})
