import { spawn } from "node:child_process"
import * as fs from "node:fs"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { afterAll } from "vitest"
import * as ConfigFile from "../../src/layers/ConfigFile.ts"
import * as ConfigEdit from "../../src/schema/ConfigEdit.ts"

const top = fs.mkdtempSync(join(tmpdir(), "cairn-config-"))
afterAll(() => fs.rmSync(top, { recursive: true, force: true }))

let made = 0
/** A file of its own folder with this text. */
const file = (text?: string): string => {
  const path = join(top, String(made++), "config.toml")
  if (text !== undefined) {
    fs.mkdirSync(join(path, ".."))
    fs.writeFileSync(path, text)
  }
  return path
}
const names = (path: string) => fs.readdirSync(join(path, "..")).filter((name) => name !== ".config.toml.lock")
const writes = { dryRun: false }

describe("a configuration file", () => {
  it.effect("is read with paths seen from its folder and from the user's", () =>
    Effect.gen(function* () {
      const path = file('[store.main]\ntype = "local"\nbase_path = "data"\n')
      const loaded = yield* ConfigFile.load(path)
      assert.deepInclude(loaded.config.store.main, { type: "local", base_path: "data", layout: "plain" })
      assert.deepStrictEqual(["data", "../x", "/a/../b", "~/c", "~"].map(loaded.resolve), [
        join(path, "../data"),
        join(path, "../../x"),
        "/b",
        join(homedir(), "c"),
        homedir()
      ])
    })
  )

  it.effect("that is not there, a folder or not to be read is told as what it is", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(ConfigFile.load(join(top, "nowhere/config.toml")))
      assert.deepInclude(missing, { _tag: "ConfigFileError", reason: "Missing" })
      const folder = yield* Effect.flip(ConfigFile.load(top))
      assert.deepInclude(folder, { _tag: "ConfigFileError", reason: "Unreadable" })
    })
  )

  it.effect("with problems is told in the order of its lines", () =>
    Effect.gen(function* () {
      const path = file('[vault.docs]\nblob_stores = ["b"]\nkey = "k"\n[store.a]\ntyp = "memory"\n')
      const error = yield* Effect.flip(ConfigFile.load(path))
      assert.isTrue(error instanceof ConfigFile.ConfigInvalid)
      if (!(error instanceof ConfigFile.ConfigInvalid)) return
      assert.deepStrictEqual(error.lines, [
        `${path}:2:16: vault.docs.blob_stores[0]: no [store."b"]; did you mean "a"?`,
        `${path}:3:1: vault.docs.key: no [key."k"]`,
        `${path}:5:1: store.a.typ: there is no such field; did you mean "type"?`
      ])
      assert.include(error.message, "3 problems")
    })
  )

  it.effect("of bad bytes is told with the line", () =>
    Effect.gen(function* () {
      for (const text of ["a = 1\nb = [\n", "a = 1\nb = 'x\n"]) {
        const error = yield* Effect.flip(ConfigFile.load(file(text)))
        assert.match(error._tag === "ConfigInvalid" ? error.lines.join() : "", /config\.toml:[23]:\d+: /)
      }
      const large = yield* Effect.flip(ConfigFile.load(file("#".repeat((1 << 20) + 1))))
      assert.include(large._tag === "ConfigInvalid" ? large.lines.join() : "", "too many")
    })
  )

  it.effect("names the folder of a registry that the reference made", () =>
    Effect.gen(function* () {
      const path = file('[registry.default]\ntype = "local"\npath = "registry"\n')
      yield* ConfigFile.load(path)
      fs.mkdirSync(join(path, "../registry"))
      fs.writeFileSync(join(path, "../registry/registry.redb"), "")
      const error = yield* Effect.flip(ConfigFile.load(path))
      assert.include(error._tag === "ConfigInvalid" ? error.lines.join() : "", "registry.redb")
    })
  )
})

describe("changes of a configuration file", () => {
  it.effect("keep comments, are for this user alone and leave nothing else behind", () =>
    Effect.gen(function* () {
      const path = file('# mine\n[store.main] # disk\ntype = "memory"\n')
      yield* ConfigFile.edit(path, ConfigEdit.addTable(["vault", "docs"], { blob_stores: ["main"] }), writes)
      assert.strictEqual(
        fs.readFileSync(path, "utf8"),
        '# mine\n[store.main] # disk\ntype = "memory"\n\n[vault.docs]\nblob_stores = ["main"]\n'
      )
      assert.strictEqual(fs.statSync(path).mode & 0o777, 0o600)
      assert.deepStrictEqual(names(path), ["config.toml"])
    })
  )

  it.effect("make the file and its folder", () =>
    Effect.gen(function* () {
      const path = file()
      const add = ConfigEdit.addTable(["store", "m"], { type: "memory" })
      yield* ConfigFile.edit(path, add, { dryRun: true })
      assert.isFalse(fs.existsSync(join(path, "..")))
      yield* ConfigFile.edit(path, add, writes)
      assert.strictEqual(fs.readFileSync(path, "utf8"), '[store.m]\ntype = "memory"\n')
      assert.strictEqual(fs.statSync(join(path, "..")).mode & 0o777, 0o700)
    })
  )

  it.effect("that would make it wrong are refused with what would be", () =>
    Effect.gen(function* () {
      const text = '[store.main]\ntype = "memory"\n[vault.docs]\nblob_stores = ["main"]\n'
      const path = file(text)
      const error = yield* Effect.flip(ConfigFile.edit(path, ConfigEdit.remove(["store", "main"]), writes))
      assert.include(error._tag === "ConfigInvalid" ? error.lines.join() : "", "vault.docs.blob_stores[0]")
      assert.strictEqual(fs.readFileSync(path, "utf8"), text)
    })
  )

  it.effect("may mend a file that is wrong in other ways too", () =>
    Effect.gen(function* () {
      const path = file('[vault.docs]\nblob_stores = ["main"]\nkey = "k"\n')
      yield* ConfigFile.edit(path, ConfigEdit.addTable(["store", "main"], { type: "memory" }), writes)
      assert.include(fs.readFileSync(path, "utf8"), "[store.main]")
    })
  )

  it.effect("go through a link to the file that it leads to", () =>
    Effect.gen(function* () {
      const real = file("# real\n")
      const link = join(top, "link.toml")
      fs.symlinkSync(real, link)
      yield* ConfigFile.edit(link, ConfigEdit.addTable(["store", "m"], { type: "memory" }), writes)
      assert.isTrue(fs.lstatSync(link).isSymbolicLink())
      assert.include(fs.readFileSync(real, "utf8"), "# real\n\n[store.m]")
    })
  )

  it.effect("of an editor that asks nobody are built upon", () =>
    Effect.gen(function* () {
      const path = file("# one\n")
      let calls = 0
      yield* ConfigFile.edit(
        path,
        (text) => {
          calls += 1
          // an editor saves after we have read
          if (calls === 1) fs.writeFileSync(path, "# one\n# two\n")
          return ConfigEdit.addTable(["store", "m"], { type: "memory" })(text)
        },
        writes
      )
      assert.strictEqual(calls, 2)
      assert.strictEqual(fs.readFileSync(path, "utf8"), '# one\n# two\n\n[store.m]\ntype = "memory"\n')
    })
  )

  it.live(
    "of several processes at the same time are all kept",
    () =>
      Effect.gen(function* () {
        const path = file("# shared\n")
        const worker = fileURLToPath(new URL("../support/configEditor.ts", import.meta.url))
        const count = 5
        const runs = ["a", "b"].map((name) => {
          const child = spawn(process.execPath, ["--import", "tsx", worker, path, name, String(count)], {
            stdio: ["pipe", "inherit", "inherit"]
          })
          return { child, ended: new Promise<number | null>((done) => child.on("close", done)) }
        })
        for (const { child } of runs) child.stdin.end()
        const codes = yield* Effect.promise(() => Promise.all(runs.map(({ ended }) => ended)))
        assert.deepStrictEqual(codes, [0, 0])
        const { config } = yield* ConfigFile.load(path)
        assert.strictEqual(Object.keys(config.store).length, 2 * count)
        assert.match(fs.readFileSync(path, "utf8"), /^# shared\n/)
        assert.deepStrictEqual(names(path), ["config.toml"])
      }),
    60_000
  )
})
