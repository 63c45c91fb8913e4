/** What recovery writes into a configuration: secrets that are not mixed up, and vaults under the names that they have here. */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as AdoptStore from "../../src/cli/AdoptStore.ts"
import * as RecoverStores from "../../src/cli/RecoverStores.ts"
import * as ConfigFile from "../../src/layers/ConfigFile.ts"
import * as SecretSource from "../../src/layers/SecretSource.ts"
import * as AdoptVault from "../../src/programs/AdoptVault.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { place } from "../support/identity.ts"
import { device, establish, save } from "../support/person.ts"
import { later } from "../support/programs.ts"

const top = fs.mkdtempSync(join(tmpdir(), "cairn-recover-stores-"))
afterAll(() => fs.rmSync(top, { recursive: true, force: true }))

/** An empty home, and its configuration file. */
const home = (name: string) => {
  process.env.CAIRN_HOME = join(top, name)
  return join(top, name, "config/config.toml")
}

const table = (name: string) =>
  Redacted.make(JSON.stringify({ type: "relay", url: `https://${name}.example`, token: `of ${name}` }))

describe("the secrets of adopted stores", () => {
  it.scoped("are each in a file of its own, however alike the stores' names are", () =>
    Effect.gen(function* () {
      const file = home("secrets")
      const long = `Übers Wochenende, ${"sehr ".repeat(30)}`
      const names = [`${long}1`, `${long}2`, "bucket", "Bucket", "a".repeat(65), "a".repeat(66)]
      for (const [index, name] of names.entries()) {
        const adopted = yield* AdoptStore.adopt(name, table(`r${index}`), { dryRun: false })
        assert.deepStrictEqual(adopted, { outcome: "added", name })
      }
      const folder = join(top, "secrets/config/keys/stores")
      const files = fs.readdirSync(folder).filter((name) => name.endsWith(".token"))
      assert.lengthOf(files, names.length)
      assert.lengthOf(new Set(files.map((one) => one.toLowerCase())), names.length)
      const { config, resolve } = yield* ConfigFile.load(file)
      for (const [index, name] of names.entries()) {
        const store = config.store[name]
        if (store?.type !== "relay" || store.token === undefined) return assert.fail(name)
        const secret = yield* SecretSource.read(store.token, { resolve, environment: {} })
        assert.strictEqual(Redacted.value(secret), `of r${index}`)
      }
    })
  )
})

describe("the vaults of an identity", () => {
  it.scoped("are assigned under the names that they get here, and another vault of that name is let alone", () =>
    Effect.gen(function* () {
      yield* later
      const all = [yield* place("first")] as const
      const laptop = yield* device(all, { "/one/f": "1" })
      yield* save(laptop)
      yield* establish(laptop)
      yield* laptop.on(IdentityUpkeep.run("laptop"))
      const identity = (yield* laptop.on(Identity.read()))!
      const { vaultId } = identity.vaults.get("docs")!
      const other = (n: number) => VaultId.unsafeFromBytes(new Uint8Array(16).fill(n))

      // this machine has a vault `docs` of its own, which is none of the identity's
      const machine = yield* device([yield* place("second")], { "/one/f": "another" })
      yield* save(machine)
      const file = home("vaults")
      const vaults = new Map([
        ["docs", { vaultId, stores: ["far", "same"] }],
        ["docs-2", { vaultId: other(2), stores: ["far"] }],
        ["films", { vaultId: other(3), stores: ["far"] }]
      ])
      const names = new Map([
        ["far", "far-2"],
        ["same", "far-2"]
      ])
      yield* AdoptStore.adopt("far-2", table("far"), { dryRun: false })
      const before = fs.readFileSync(file, "utf8")
      yield* machine.on(RecoverStores.assign({ vaults }, { names }, true))
      assert.strictEqual(fs.readFileSync(file, "utf8"), before)
      yield* machine.on(RecoverStores.assign({ vaults }, { names }, false))
      const raw = fs.readFileSync(file, "utf8")
      const found = [...raw.matchAll(/\[vault\.([^\]]+)\]\s*blob_stores = (.*)/g)].map(([, name, kept]) => [name, kept])
      assert.deepStrictEqual(found, [
        ["docs-2", '["far-2"]'],
        ["docs-2-2", '["far-2"]'],
        ["films", '["far-2"]']
      ])

      // it is what the vault is called once it is here, and stays so
      const { node } = yield* laptop.on(
        Effect.flatMap(Vault.open("docs"), (vault) => Effect.map(Head.newest(vault), (head) => head!))
      )
      const adopted = yield* machine.on(AdoptVault.adopt("docs", vaultId, node))
      assert.strictEqual(adopted.name, "docs-2")
      assert.strictEqual((yield* machine.on(AdoptVault.names(vaults))).get("docs"), "docs-2")
    })
  )
})
