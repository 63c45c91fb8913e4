import * as fs from "node:fs"
import * as Either from "effect/Either"
import * as JSONSchema from "effect/JSONSchema"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Config from "../../src/schema/Config.ts"
import * as ConfigCheck from "../../src/schema/ConfigCheck.ts"
import * as Problem from "../../src/schema/ConfigProblem.ts"
import * as ConfigSyntax from "../../src/schema/ConfigSyntax.ts"
import * as ConfigTask from "../../src/schema/ConfigTask.ts"
import * as ConfigText from "../../src/schema/ConfigText.ts"

const publicKey = AgeKey.recipient(new Uint8Array(32).fill(7))

const checkText = (text: string, holds: (folder: string, file: string) => boolean = () => false) =>
  ConfigCheck.check(Either.getOrThrow(ConfigText.parse(text)), { resolve: (path) => path, holds })

/** What `text` is told, one line a problem, without the file's name. */
const told = (text: string, holds?: (folder: string, file: string) => boolean): ReadonlyArray<string> => {
  const place = ConfigSyntax.places(text)
  return checkText(text, holds).problems.map((problem) => {
    const at = place(problem.path)
    return `${at?.line}:${at?.column} ${problem.severity === "warning" ? "warning " : ""}${Problem.showPath(problem.path)}: ${problem.problem}`
  })
}

/** The errors alone, as paths. */
const errorsAt = (text: string): ReadonlyArray<string> =>
  checkText(text)
    .problems.filter(({ severity }) => severity === "error")
    .map(({ path }) => Problem.showPath(path))

const example = fs.readFileSync("docs/config.example.toml", "utf8")
/** The example with the settings that it leaves out. */
const full = example.replace(/^#(?=[a-z[])/gm, "")

describe("a configuration", () => {
  it("is valid when it is empty, and then has all sections and no names", () => {
    const { config, problems } = ConfigCheck.check({})
    expect(problems).toEqual([])
    expect(config).toEqual({ identity: {}, key: {}, store: {}, registry: {}, source: {}, vault: {}, task: {} })
    expect(Config.empty).toEqual(config)
  })

  it("of the documentation is valid as it stands and with everything that it leaves out", () => {
    expect(told(example)).toEqual([])
    expect(full).not.toBe(example)
    expect(told(full)).toEqual([])
  })

  it("of the documentation shows every field that there is", () => {
    const names = new Set<string>()
    const walk = (value: unknown): void => {
      if (Array.isArray(value)) for (const one of value) walk(one)
      else if (typeof value === "object" && value !== null)
        for (const [key, one] of Object.entries(value)) {
          if (key === "properties" && typeof one === "object" && one !== null)
            for (const name of Object.keys(one)) names.add(name)
          walk(one)
        }
    }
    const json: unknown = JSON.parse(JSON.stringify(JSONSchema.make(Config.Tables)))
    walk(json)
    // fields of the reference's stores that are refused
    const refused = ["bucket", "worker_api_url", "bus_api_url", "password", "cache_mib", "indexer_url", "account"]
    const more = ["app_key", "cache_path", "max_inflight", "upload_timeout_secs"]
    for (const name of [...refused, ...more]) expect(names.delete(name), name).toBe(true)
    expect(names.size).toBeGreaterThan(50)
    for (const name of names) expect(full, name).toMatch(new RegExp(`(^|[{ ])${name} = |^\\[${name}[.\\]]`, "m"))
  })

  it("of the reference loads, and what Cairn cannot do is refused with what can be used instead", () => {
    const reference = `
[identity]
secret_key_file = "keys/node-identity.key"
[key.main]
public_key = "${publicKey}"
identity_file = "keys/main.txt"
[store.disk]
type = "local"
base_path = "/srv"
[registry.default]
type = "local"
path = "/var/registry"
[source.home]
paths = ["/home/me"]
[vault.home]
root_path = "/var/vaults/home"
key = "main"
blob_stores = ["disk"]
preset = "none"
[task.backup]
type = "backup"
vault = "home"
source = "home"
blob_store = "disk"
keys = ["main"]
target_path = "ignored"
`
    expect(told(reference)).toEqual([])
    const asked: Array<string> = []
    const holds = (folder: string, file: string) => asked.push(`${folder}/${file}`) > 0
    expect(told(reference, holds)).toEqual([
      expect.stringMatching(/^12:1 registry\.default\.path: .*registry\.redb.*type = "store"/)
    ])
    expect(asked).toEqual(["/var/registry/registry.redb"])
    // what is Cairn's own by name asks nothing
    expect(told(reference.replace('type = "local"\npath', 'type = "lmdb"\npath'), holds)).toEqual([])

    const others = told(`
[store.a]
type = "sia_renterd"
bucket = "b"
worker_api_url = "w"
bus_api_url = "u"
password = { env = "P" }
[store.b]
type = "fjall"
path = "p"
[store.c]
type = "indexd"
indexer_url = "u"
app_key = { env = "K" }
cache_path = "p"
[registry.default]
type = "remote"
url = "u"
[registry.t]
type = "tee"
a = "x"
b = "y"
`)
    expect(others).toEqual([
      expect.stringMatching(/^3:1 store\.a\.type: .*type = "s3"/),
      expect.stringMatching(/^9:1 store\.b\.type: .*layout = "packed"/),
      expect.stringMatching(/^12:1 store\.c\.type: .*type = "s3"/),
      expect.stringMatching(/^17:1 registry\.default\.type: .*type = "store"/),
      expect.stringMatching(/^20:1 registry\.t\.type: .*type = "multi"/)
    ])
  })

  it("with faults of form and of reference is told all of them, with their places and what may have been meant", () => {
    expect(
      told(`colour = "red"
[key.laptop]
public_key = "age1nonsense"
[store.main]
type = "loacl"
[store.disk]
type = "local"
base_pth = "/srv"
[vault.docs]
recipients = [
  "laptop",
  "lapotp", # typo
]
blob_stores = ["disc"]
watch = "yes"
`)
    ).toEqual([
      '1:1 colour: there is no such field; there is "identity", "default_store", "key", "store", "registry", "source", …',
      "3:1 key.laptop.public_key: this is no age recipient, which reads age1…",
      '5:1 store.main.type: expected "local", "s3", "relay", "memory", "local_links", "sia_renterd", "fjall", "indexd", not "loacl"; did you mean "local"?',
      '8:1 store.disk.base_pth: there is no such field; did you mean "base_path"?',
      '15:1 vault.docs.watch: expected true or false, not "yes"',
      '12:3 vault.docs.recipients[1]: no [key."lapotp"]; did you mean "laptop"?',
      '14:16 vault.docs.blob_stores[0]: no [store."disc"]; did you mean "disk"?'
    ])
  })
})

describe("relays", () => {
  const relay = (url: string) => `[store.r]\ntype = "relay"\nurl = ${JSON.stringify(url)}\n`
  const severities = (text: string) =>
    checkText(text).problems.flatMap(({ path, severity }) => (path[0] === "store" ? [severity] : []))

  it.each(["https://relay.example", "https://relay.example:8443/cairn", "http://127.0.0.1:7787", "http://[::1]:1"])(
    "%s is an address",
    (url) => {
      expect(severities(relay(url))).toEqual([])
    }
  )

  it.each([
    "relay.example",
    "ftp://relay.example",
    "https://",
    "https://a:b@relay.example",
    "https://r/?x",
    "https://r#x"
  ])("%s is none", (url) => {
    expect(severities(relay(url))).toEqual(["error"])
  })

  it("are warned of where anybody on the way could read the token, and their token where it stands in the file", () => {
    expect(severities(relay("http://relay.example"))).toEqual(["warning"])
    expect(severities(`${relay("https://relay.example")}token = "cairn_x"\n`)).toEqual(["warning"])
  })

  it("keep entries, but in no folder", () => {
    const registry = '[registry.default]\ntype = "store"\nstore = "r"\n'
    expect(errorsAt(relay("https://r.example") + registry)).toEqual([])
    expect(errorsAt(`${relay("https://r.example")}${registry}prefix = "heads"\n`)).toEqual(["registry.default.prefix"])
  })
})

describe("references", () => {
  const section = (name: string, body: string) => `[${name}]\n${body}\n`
  it.each([
    ["default_store", 'default_store = "x"', "default_store"],
    ["identity.encrypted_with", section("identity", 'encrypted_with = "x"'), "identity.encrypted_with"],
    ["a vault's key", section("vault.docs", 'key = "x"'), "vault.docs.key"],
    ["recipients", section("vault.docs", 'recipients = ["x"]'), "vault.docs.recipients[0]"],
    ["blob stores", section("vault.docs", 'blob_stores = ["x"]'), "vault.docs.blob_stores[0]"],
    ["meta targets", section("vault.docs", 'meta_targets = ["x"]'), "vault.docs.meta_targets[0]"],
    ["sources", section("vault.docs", 'sources = ["x"]'), "vault.docs.sources[0]"],
    ["the vault of a task", section("task.t", 'type = "publish"\nvault = "x"'), "task.t.vault"],
    ["then", section("task.t", 'type = "verify"\nthen = ["x"]'), "task.t.then[0]"],
    ["a store registry", section("registry.default", 'type = "store"\nstore = "x"'), "registry.default.store"],
    [
      "a store registry inside multi",
      section(
        "registry.default",
        'type = "multi"\nbackends = [{ type = "memory" }, { type = "multi", backends = [{ type = "store", store = "x" }] }]'
      ),
      "registry.default.backends[1].backends[0].store"
    ],
    ["a named backend", section("registry.default", 'type = "multi"\nbackends = ["x"]'), "registry.default.backends[0]"]
  ])("%s have to be there", (_, text, path) => {
    expect(errorsAt(text)).toEqual([path])
  })

  it("of a backup task are its vault, source, store and keys", () => {
    expect(errorsAt('[task.t]\ntype = "backup"\nvault = "v"\nsource = "s"\nblob_store = "b"\nkeys = ["k"]\n')).toEqual([
      "task.t.vault",
      "task.t.source",
      "task.t.blob_store",
      "task.t.keys[0]"
    ])
  })

  it("of a remote restore leave the vault out, which need not be here", () => {
    expect(
      errorsAt(
        '[task.t]\ntype = "remote_restore"\nvault = "v"\nblob_store = "b"\ntarget_path = "/t"\nage_secret_key = { env = "A" }\n'
      )
    ).toEqual(["task.t.blob_store"])
  })

  it("that lead back to themselves are told once, with the way round", () => {
    expect(
      told(`[registry.default]
type = "multi"
backends = ["a"]
[registry.a]
type = "multi"
backends = [{ type = "memory" }, "default"]
[task.x]
type = "verify"
then = ["y", "z"]
[task.y]
type = "verify"
then = ["z"]
[task.z]
type = "verify"
then = ["y"]
`)
    ).toEqual([
      "6:34 registry.a.backends[1]: this registry is made of itself: default → a → default",
      "15:9 task.z.then[0]: these tasks would start each other for ever: y → z → y"
    ])
  })
})

describe("rules between tables", () => {
  const store = (name: string, more = "") => `[store.${name}]\ntype = "memory"\n${more}\n`
  const errors = (text: string) => told(text).map((line) => line.replace(/^\S+ /, ""))

  it("a registry that no head is published in is told, and that without any each store has its copies is not", () => {
    const vault = '[store.s]\ntype = "local"\nbase_path = "/s"\n[vault.docs]\nblob_stores = ["s"]\n'
    expect(errors(vault)).toEqual([])
    expect(errors(`${vault}[registry.other]\ntype = "lmdb"\n`)).toEqual([
      expect.stringMatching(/^warning registry\.other: no head is published here: .*\[registry\.default\]/)
    ])
    expect(errors(`${vault}[registry.default]\ntype = "lmdb"\n`)).toEqual([])
    expect(errors(`${vault}[registry.default]\ntype = "memory"\n`)).toEqual([
      expect.stringMatching(/^warning registry\.default\.type: .*forgotten/)
    ])
  })

  it("no two vaults have one root", () => {
    expect(errors('[vault.aa]\nroot_path = "/r"\n[vault.bb]\nroot_path = "/r"\n[vault.cc]\nroot_path = "/r2"')).toEqual(
      ["vault.bb.root_path: [vault.aa] has this folder; each vault needs one of its own"]
    )
    // however it is written
    expect(
      ConfigCheck.check({ vault: { aa: { root_path: "/r/./x/.." }, bb: { root_path: "/r//" } } }).problems.find(
        ({ severity }) => severity === "error"
      )?.path
    ).toEqual(["vault", "bb", "root_path"])
  })

  it("no two sources of a vault hold the same files, those of two vaults may", () => {
    const sources =
      '[source.all]\npaths = ["/home"]\n[source.part]\npaths = ["/home/me"]\n[source.near]\npaths = ["/home2"]'
    expect(errors(`${sources}\n[vault.docs]\nsources = ["all", "near", "part"]`)).toEqual([
      "vault.docs.sources[2]: [source.part] and [source.all] both hold /home, which would be kept twice: leave it out of one"
    ])
    expect(errors(`${sources}\n[vault.aa]\nsources = ["all"]\n[vault.bb]\nsources = ["part"]`)).toEqual([])
    expect(errors('[source.s]\npaths = ["/a", "/a/b"]')).toEqual([
      "source.s.paths[1]: this overlaps with /a of the same source"
    ])
  })

  it("stores are used for what their roles say", () => {
    expect(errors(`${store("c", 'roles = ["blobs"]')}[vault.docs]\nmeta_targets = ["c"]`)).toEqual([
      'vault.docs.meta_targets[0]: [store.c] is not for this: its roles are ["blobs"], and meta_targets needs "meta"'
    ])
    expect(errors(`${store("c", 'roles = ["meta"]')}[vault.docs]\nblob_stores = ["c"]`)).toEqual([
      'vault.docs.blob_stores[0]: [store.c] is not for this: its roles are ["meta"], and blob_stores needs "blobs"'
    ])
    const both = '[vault.docs]\nblob_stores = ["c"]\n[vault.more]\nmeta_targets = ["c"]'
    expect(errors(store("c") + both)).toEqual([
      expect.stringMatching(/^warning vault\.more\.meta_targets\[0\]: .*holds content too/)
    ])
    expect(errors(store("c", 'roles = ["blobs", "meta"]') + both)).toEqual([])
  })

  it("meta targets are never filled from blob stores", () => {
    expect(checkText(`${store("c")}[vault.docs]\nblob_stores = ["c"]`).config?.vault.docs).toMatchObject({
      blob_stores: ["c"],
      meta_targets: []
    })
  })

  it("a key that protects a vault has its identity here", () => {
    const key = `[key.k]\npublic_key = "${publicKey}"\n`
    expect(errors(`${key}[vault.docs]\nkey = "k"`)).toEqual([
      expect.stringMatching(/^vault\.docs\.key: .*no identity_file/)
    ])
    expect(errors(`${key}identity_file = "f"\n[vault.docs]\nkey = "k"`)).toEqual([])
  })

  it.each([
    ["quorum:0", 3, false],
    ["quorum:4", 3, false],
    ["most", 3, false],
    ["quorum:3", 3, true],
    ["any", 1, true],
    ["all", 1, true]
  ])("the write policy %s of %i backends is taken: %s", (policy, count, isRight) => {
    const backends = Array.from({ length: count }, () => '{ type = "memory" }').join(", ")
    const text = `[registry.default]\ntype = "multi"\nbackends = [${backends}]\nwrite_policy = "${policy}"`
    expect(errorsAt(text)).toEqual(isRight ? [] : ["registry.default.write_policy"])
  })

  it("the fields of a trigger go together", () => {
    const task = (fields: string) => errorsAt(`[vault.docs]\n[task.t]\ntype = "backup"\nvault = "docs"\n${fields}`)
    expect(task('trigger = "every"')).toEqual(["task.t.every"])
    expect(task('cron = "61 * * * *"')).toEqual(["task.t.cron"])
    expect(task('cron = "1 * * * *"\ntime_zone = "Nowhere/Land"')).toEqual(["task.t.time_zone"])
    expect(task('every = "soon"')).toEqual(["task.t.every"])
    expect(task('trigger = "watch"')).toEqual([])
    expect(errorsAt('[task.t]\ntype = "verify"\ntrigger = "watch"')).toEqual(["task.t.trigger"])
    const { config } = checkText('[task.t]\ntype = "verify"\nevery = "15m"')
    expect(ConfigTask.triggerOf(config!.task.t!)).toMatchObject({ _tag: "Every", intervalMillis: 900_000 })
  })

  it("a store that a task asks for and its vault does not have is told, since it would not be heeded", () => {
    const vault = `[store.one]\ntype = "memory"\n[store.two]\ntype = "memory"\n[key.me]\npublic_key = "${publicKey}"\n[source.s]\npaths = ["/s"]\n`
    const task = `[vault.docs]\nblob_stores = ["one"]\n[task.t]\ntype = "backup"\nvault = "docs"\nsource = "s"\n`
    const ofTask = (text: string) => told(`${vault}${task}${text}`).filter((line) => line.includes(" task.t"))
    expect(ofTask('blob_store = "one"\nkeys = []\n')).toEqual([])
    expect(ofTask('blob_store = "two"\nkeys = ["me"]\n')).toEqual([
      "15:1 warning task.t.blob_store: this is not heeded: where content is kept is said by blob_stores of [vault.docs]"
    ])
  })

  it("the share above which a person has to agree is one", () => {
    expect(told('[vault.docs]\napprove_above = "25%"\n').filter((line) => line.includes("approve"))).toEqual([])
    expect(errorsAt('[vault.docs]\napprove_above = "a lot"\n')).toEqual(["vault.docs.approve_above"])
    expect(errorsAt('[vault.docs]\napprove_above = "0%"\n')).toEqual(["vault.docs.approve_above"])
  })

  it("vaults have names that references can use", () => {
    expect(errorsAt('[vault.x]\n[vault."a b"]\n[vault.ok]')).toEqual(["vault.x", 'vault."a b"'])
  })
})

describe("secrets", () => {
  const s3 = (secret: string) =>
    `[store.s]\ntype = "s3"\nendpoint = "e"\nbucket_name = "b"\naccess_key = "id"\nsecret_key = ${secret}\n`

  it("that stand in the file are warned of, and are redacted in memory", () => {
    const { config, problems } = checkText(s3('"hush"'))
    expect(problems).toEqual([expect.objectContaining({ severity: "warning", path: ["store", "s", "secret_key"] })])
    const store = config!.store.s!
    expect(store.type === "s3" && Redacted.isRedacted(store.secret_key) && Redacted.value(store.secret_key)).toBe(
      "hush"
    )
    expect(JSON.stringify(config)).not.toContain("hush")
  })

  it.each(['{ file = "f" }', '{ env = "E" }', '{ command = ["pass", "show"] }'])(
    "by reference are silent: %s",
    (secret) => {
      expect(told(s3(secret))).toEqual([])
    }
  )

  it("of the wrong form are never shown", () => {
    for (const wrong of ['["hush"]', '{ fil = "hush" }', '{ file = "hush", env = "hush" }', "{ command = [] }"]) {
      const problems = told(s3(wrong))
      expect(problems, wrong).toHaveLength(1)
      expect(problems.join("\n")).not.toContain("hush")
    }
    const identity = AgeKey.identity(new Uint8Array(32).fill(7))
    expect(told(`[key.k]\npublic_key = "${identity}"`).join("\n")).not.toContain(identity)
  })
})

describe("hostile text", () => {
  it("cannot reach what every object has", () => {
    for (const text of ["__proto__.x = 1", '[store.__proto__]\ntype = "memory"', '[vault]\n"__proto__" = {}'])
      expect(Either.isLeft(ConfigText.parse(text)), text).toBe(true)
    expect(errorsAt('default_store = "toString"\n[vault.docs]\nkey = "hasOwnProperty"')).toEqual([
      "default_store",
      "vault.docs.key"
    ])
  })

  it("that nests too deep, is too large or is no UTF-8 is refused with a place", () => {
    expect(Either.isLeft(ConfigText.parse(`a = ${"[".repeat(5000)}${"]".repeat(5000)}`))).toBe(true)
    expect(Either.isLeft(ConfigText.fromBytes(new Uint8Array(ConfigText.largest + 1)))).toBe(true)
    const bytes = Buffer.concat([Buffer.from("# ä\na = 1\nb = '"), Buffer.of(0xff), Buffer.from("'\n")])
    expect(Either.getLeft(ConfigText.fromBytes(bytes))).toMatchObject({ value: { place: { line: 3 } } })
  })

  it("that is no TOML is told with line and column", () => {
    expect(Either.getLeft(ConfigText.parse("a = 1\nb = \n"))).toMatchObject({ value: { place: { line: 2 } } })
    expect(Either.getLeft(ConfigText.parse("[a]\nb = 1\nb = 2\n"))).toMatchObject({ value: { place: { line: 3 } } })
  })
})

describe("configurations of programs", () => {
  const decode = Schema.decodeUnknownEither(Config.Config, { errors: "all" })

  it("go through the same rules", () => {
    const wrong = { vault: { docs: { blob_stores: ["nowhere"], key: "nobody" } } }
    const told = ConfigCheck.check(wrong)
      .problems.filter(({ severity }) => severity === "error")
      .map(({ problem }) => problem)
    const refused = Either.getLeft(decode(wrong))
    expect(refused._tag).toBe("Some")
    expect(told).toHaveLength(2)
    for (const problem of told) expect(String(refused._tag === "Some" && refused.value)).toContain(problem)
    expect(Either.isRight(decode({ vault: { docs: {} } }))).toBe(true)
  })
})
