import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { afterAll } from "vitest"
import { withMirrors } from "../../src/layers/BlobStoreMirrored.ts"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoPortable from "../../src/layers/CryptoPortable.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import { withRoutes } from "../../src/layers/ObjectStoreRouted.ts"
import * as RegistryFromConfig from "../../src/layers/RegistryFromConfig.ts"
import * as SecretSource from "../../src/layers/SecretSource.ts"
import * as StoresFromConfig from "../../src/layers/StoresFromConfig.ts"
import * as VaultSettingsFromConfig from "../../src/layers/VaultSettingsFromConfig.ts"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as ConfigCheck from "../../src/schema/ConfigCheck.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import { type Service as BlobStore, BlobStoreError } from "../../src/services/BlobStore.ts"
import { Crypto } from "../../src/services/Crypto.ts"

const top = fs.mkdtempSync(join(tmpdir(), "cairn-configured-"))
afterAll(() => fs.rmSync(top, { recursive: true, force: true }))

const fact = <E>(text: string, effect: Effect.Effect<void, E, Crypto>) =>
  it.effect(text, () => Effect.provide(effect, CryptoPortable.layer))

const blobStore = (name: string) =>
  Effect.gen(function* () {
    const { primitives } = yield* Crypto
    const objects = yield* ObjectStoreMemory.make({ name })
    return BlobStoreObjects.fromObjects(objects, primitives)
  })

const bytes = Bytes.fromUtf8("a blob")
const hashOf = Effect.map(Crypto, ({ primitives }) => primitives.blake3(bytes))

describe("mirrored blob stores", () => {
  fact(
    "hold a blob when all do, and give it when one can",
    Effect.gen(function* () {
      const [a, b] = [yield* blobStore("a"), yield* blobStore("b")]
      const both = withMirrors(a, b)
      const hash = (yield* hashOf) as Parameters<BlobStore["has"]>[0]
      yield* a.put(hash, bytes)
      assert.isFalse(yield* both.has(hash))
      assert.deepStrictEqual(yield* both.get(hash), bytes)
      yield* both.put(hash, bytes)
      assert.deepStrictEqual([yield* a.has(hash), yield* b.has(hash), yield* both.has(hash)], [true, true, true])
      yield* a.remove(hash)
      assert.deepStrictEqual(yield* both.get(hash), bytes)
      yield* both.remove(hash)
      assert.isFalse(yield* b.has(hash))
    })
  )

  fact(
    "fail as a whole where one refuses, to write and at the barrier",
    Effect.gen(function* () {
      const full = new BlobStoreError({ reason: "Full", store: "b", blob: "x", detail: "no room" })
      const a = yield* blobStore("a")
      const b: BlobStore = { ...(yield* blobStore("b")), put: () => full, sync: full }
      const both = withMirrors(a, b)
      const hash = (yield* hashOf) as Parameters<BlobStore["has"]>[0]
      assert.strictEqual(yield* Effect.flip(both.put(hash, bytes)), full)
      assert.strictEqual(yield* Effect.flip(both.sync), full)
    })
  )
})

describe("an object store with folders elsewhere", () => {
  fact(
    "is one store to whoever uses it",
    Effect.gen(function* () {
      const [base, other] = [yield* ObjectStoreMemory.make(), yield* ObjectStoreMemory.make()]
      yield* base.put("docs/hidden", bytes)
      const routed = withRoutes(base, new Map([["docs", other]]))
      yield* routed.put("docs/a/b", bytes)
      yield* routed.put("docs2/c", bytes)
      assert.isTrue(yield* routed.create("docs/d", bytes))
      assert.isFalse(yield* routed.create("docs/d", bytes))
      assert.deepStrictEqual(yield* other.get("a/b"), bytes)
      const list = (prefix: string) =>
        Effect.map(Stream.runCollect(routed.list(prefix)), (found) => [...Chunk.toReadonlyArray(found)].sort())
      assert.deepStrictEqual(yield* list(""), ["docs/a/b", "docs/d", "docs2/c"])
      assert.deepStrictEqual(yield* list("docs"), ["docs/a/b", "docs/d", "docs2/c"])
      assert.deepStrictEqual(yield* list("docs/a"), ["docs/a/b"])
      assert.deepStrictEqual(yield* list("docs2/"), ["docs2/c"])
      yield* routed.remove("docs/a/b")
      assert.strictEqual(yield* routed.size("docs/a/b"), undefined)
      assert.strictEqual((yield* Effect.flip(routed.get("docs/hidden"))).reason, "NotFound")
    })
  )
})

describe("secrets", () => {
  const options = { resolve: (path: string) => join(top, path), environment: { SET: "hush", EMPTY: "" } }

  it.live("come from files, the environment and commands, without their line end", () =>
    Effect.gen(function* () {
      fs.writeFileSync(join(top, "secret"), "hush\n")
      const sources = [
        { file: "secret" },
        { env: "SET" },
        { command: [process.execPath, "-e", "console.log('hush')"] as const },
        Redacted.make("hush")
      ]
      for (const source of sources)
        assert.strictEqual(Redacted.value(yield* SecretSource.read(source, options)), "hush")
    })
  )

  it.live("that cannot be had are named by their source alone", () =>
    Effect.gen(function* () {
      const sources = [
        { file: "nowhere" },
        { env: "EMPTY" },
        { env: "UNSET" },
        { command: [process.execPath, "-e", "process.stdout.write('hush');process.exit(3)"] as const },
        { command: ["/nowhere/program"] as const }
      ]
      for (const source of sources) {
        const error = yield* Effect.flip(SecretSource.read(source, options))
        assert.strictEqual(error._tag, "SecretUnavailable")
        if ("command" in source) assert.notInclude(error.message, "hush")
      }
    })
  )
})

const configured = (raw: object) => {
  const { config, problems } = ConfigCheck.check(raw)
  if (config === undefined) throw new Error(JSON.stringify(problems))
  return config
}
const common = { resolve: (path: string) => join(top, path), environment: {} }

describe("stores of a configuration", () => {
  fact(
    "are opened by name, and one that cannot be says why",
    Effect.scoped(
      Effect.gen(function* () {
        const { store } = configured({
          store: {
            disk: { type: "local", base_path: "disk" },
            packs: { type: "local", base_path: "packs", layout: "packed" },
            memory: { type: "memory" },
            links: { type: "local_links", path: "l" },
            cloud: {
              type: "s3",
              bucket_name: "b",
              endpoint: "https://s3.invalid",
              access_key: "a",
              secret_key: { env: "NOT_SET" }
            }
          }
        })
        const stores = yield* StoresFromConfig.make({ ...common, stores: store })
        assert.deepStrictEqual(stores.names, ["disk", "packs", "memory", "links", "cloud"])
        const disk = yield* stores.objects("disk")
        assert.isFalse(fs.existsSync(join(top, "disk")))
        yield* disk.put("a", bytes)
        assert.deepStrictEqual(new Uint8Array(fs.readFileSync(join(top, "disk/a"))), bytes)
        assert.strictEqual((yield* stores.blobs("disk")).name, "disk")
        assert.strictEqual(yield* stores.objects("memory"), yield* stores.objects("memory"))
        const why = (name: string) => Effect.map(Effect.flip(stores.blobs(name)), ({ detail }) => detail)
        assert.include(yield* why("packs"), 'layout = "plain"')
        const nothing = yield* Effect.flip((yield* stores.blobs("links")).put(yield* hashOf, bytes))
        assert.include(nothing.detail, "stay where they are")
        assert.strictEqual((yield* Effect.flip(stores.registry("links"))).reason, "NoRegistry")
        assert.include(yield* why("cloud"), "NOT_SET")
        assert.include(yield* why("dsk"), "no store is called that")
      })
    )
  )
})

describe("the registry of a configuration", () => {
  const seed = new Uint8Array(32).fill(5)
  const vaultId = new Uint8Array(16).fill(6)
  const entryOf = (revision: bigint) =>
    Effect.gen(function* () {
      const { primitives } = yield* Crypto
      return yield* RegistryEntry.sign(primitives, seed, {
        vaultId: vaultId as Parameters<typeof StreamKey.vault>[1],
        revision,
        hash: primitives.blake3(bytes) as RegistryEntry.RegistryEntry["hash"]
      })
    })
  const opened = (raw: object) =>
    Effect.gen(function* () {
      const config = configured(raw)
      const stores = yield* StoresFromConfig.make({ ...common, stores: config.store })
      return yield* RegistryFromConfig.make({
        registries: config.registry,
        stores,
        resolve: common.resolve,
        directory: join(top, "lmdb")
      })
    })

  fact(
    "is the one called default, whatever else there is",
    Effect.scoped(
      Effect.gen(function* () {
        assert.strictEqual(yield* opened({ registry: { other: { type: "memory" } } }), undefined)
      })
    )
  )

  fact(
    "writes to all backends, named and inline, each opened once",
    Effect.scoped(
      Effect.gen(function* () {
        const registry = yield* opened({
          store: { s: { type: "local", base_path: "shared" } },
          registry: {
            default: { type: "multi", backends: ["near", { type: "store", store: "s", prefix: "heads" }] },
            near: { type: "store_local", path: "near" }
          }
        })
        const entry = yield* entryOf(1n)
        assert.deepStrictEqual(yield* registry!.entries(entry.key), [])
        const outcome = yield* registry!.set(entry, [])
        assert.strictEqual(outcome._tag, "Stored")
        const name = StreamKey.toHex(entry.key)
        assert.isTrue(fs.existsSync(join(top, "near/registry", name)))
        assert.isTrue(fs.existsSync(join(top, "shared/heads", name)))
        assert.strictEqual((yield* registry!.entries(entry.key)).length, 1)
        // what was read is confirmed where a backend lost it
        fs.rmSync(join(top, "shared/heads"), { recursive: true })
        yield* registry!.confirm!(entry, [entry])
        assert.isTrue(fs.existsSync(join(top, "shared/heads", name)))
      })
    )
  )

  fact(
    "goes on without a backend that cannot be opened, where the policy lets it",
    Effect.scoped(
      Effect.gen(function* () {
        const backends = [{ type: "memory" }, { type: "memory" }, { type: "store", store: "links" }]
        const store = { links: { type: "local_links", path: "l" } }
        const entry = yield* entryOf(1n)
        const strict = yield* opened({ store, registry: { default: { type: "multi", backends } } })
        const refused = yield* Effect.either(strict!.set(entry, []))
        assert.isTrue(Either.isLeft(refused))
        const lenient = yield* opened({
          store,
          registry: { default: { type: "multi", backends, write_policy: "quorum:2" } }
        })
        assert.strictEqual((yield* lenient!.set(entry, []))._tag, "Stored")
        assert.strictEqual((yield* lenient!.entries(entry.key)).length, 1)
      })
    )
  )
})

describe("what is configured for a vault", () => {
  const recipient = (fill: number) => AgeKey.recipient(new Uint8Array(32).fill(fill))
  const { config } = ConfigCheck.check({
    key: { one: { public_key: recipient(1) }, two: { public_key: recipient(2) }, three: { public_key: recipient(3) } },
    store: { here: { type: "memory" } },
    source: { s: { paths: ["/s"] } },
    vault: { docs: { recipients: ["one"], approve_above: "25%" }, other: {} },
    task: {
      a: { type: "backup", vault: "docs", source: "s", blob_store: "here", keys: ["two", "one"] },
      b: { type: "publish", vault: "other", keys: ["three"] }
    }
  })

  it.scoped("its readers are its recipients and the keys of all tasks that publish it, and of no other vault's", () =>
    Effect.gen(function* () {
      assert.isDefined(config)
      const stores = yield* StoresFromConfig.make({
        stores: config!.store,
        resolve: (path) => path,
        environment: {}
      })
      const settings = VaultSettingsFromConfig.make(
        { config: config!, resolve: (path) => path },
        { stores, embedded: yield* blobStore("embedded") }
      )
      assert.deepStrictEqual((yield* settings.settings("docs")).recipients, [recipient(1), recipient(2)])
      assert.deepStrictEqual((yield* settings.settings("other")).recipients, [recipient(3)])
      assert.strictEqual(settings.approveAbove("docs"), 0.25)
      assert.isUndefined(settings.approveAbove("other"))
    }).pipe(Effect.provide(CryptoPortable.layer))
  )
})
