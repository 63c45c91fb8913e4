/** Stores that survive alone, by configuration and by address, and what of them another device is told. */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as AdoptStore from "../../src/cli/AdoptStore.ts"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as ConfigFile from "../../src/layers/ConfigFile.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as PlaceFromAddress from "../../src/layers/PlaceFromAddress.ts"
import * as PlacesFromConfig from "../../src/layers/PlacesFromConfig.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as StoresFromConfig from "../../src/layers/StoresFromConfig.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as ConfigCheck from "../../src/schema/ConfigCheck.ts"
import * as PortableStore from "../../src/schema/PortableStore.ts"
import { Crypto } from "../../src/services/Crypto.ts"
import type * as Places from "../../src/services/Places.ts"
import { entryOf } from "../support/registry.ts"
import * as Relay from "../support/relay.ts"

const top = fs.mkdtempSync(join(tmpdir(), "cairn-places-"))
afterAll(() => fs.rmSync(top, { recursive: true, force: true }))

const configured = (raw: object) => {
  const { config, problems } = ConfigCheck.check(raw)
  if (config === undefined) throw new Error(problems.map(({ problem }) => problem).join("; "))
  return config
}

const embedded = Effect.gen(function* () {
  const { primitives } = yield* Crypto
  return {
    blobs: BlobStoreObjects.fromObjects(yield* ObjectStoreMemory.make({ name: "own" }), primitives),
    registry: yield* RegistryMemory.make({ name: "own" })
  }
})

const places = Effect.fnUntraced(function* (raw: object, environment: Record<string, string> = {}) {
  const config = configured(raw)
  const options = { resolve: (path: string) => join(top, path), environment }
  const stores = yield* StoresFromConfig.make({ ...options, stores: config.store })
  return yield* PlacesFromConfig.make({ ...options, config }, stores, yield* embedded)
})

const fact = <E>(text: string, effect: Effect.Effect<void, E, Crypto | import("effect/Scope").Scope>) =>
  it.scoped(text, () => Effect.provide(effect, CryptoAuto.layer()))

const hello = Bytes.fromUtf8("hello")
const told = (place: Places.Place) =>
  Effect.map(place.portable, (json): unknown => (json === undefined ? undefined : JSON.parse(Redacted.value(json))))

describe("the places of a configuration", () => {
  const store = {
    usb: { type: "local", base_path: "usb" },
    scratch: { type: "memory" },
    links: { type: "local_links", path: "l" },
    bucket: { type: "s3", bucket_name: "bucket", endpoint: "https://s3.invalid" },
    local: { type: "relay", url: "https://relay.invalid", token: { env: "TOKEN" } }
  }

  fact(
    "are those that survive alone, the default store first and this device's own last",
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* places({})).names, ["local"])
      assert.deepStrictEqual((yield* places({ store })).names, ["usb", "bucket", "local", "local_"])
      assert.deepStrictEqual((yield* places({ store, default_store: "bucket" })).names[0], "bucket")
      const none = yield* Effect.flip((yield* places({ store })).open("scratch"))
      assert.strictEqual(none.reason, "NoRegistry")
      assert.strictEqual((yield* Effect.flip((yield* places({ store })).open("usbb"))).reason, "NotConfigured")
    })
  )

  fact(
    "each have a registry of their own beside their blobs",
    Effect.gen(function* () {
      const { open } = yield* places({ store })
      const usb = yield* open("usb")
      assert.strictEqual(usb, yield* open("usb"))
      const entry = entryOf(1n, "a")
      assert.strictEqual((yield* usb.registry.set(entry, []))._tag, "Stored")
      assert.isTrue(fs.existsSync(join(top, "usb/registry")))
      assert.deepStrictEqual([usb.name, usb.registry.name, usb.blobs.name], ["usb", "usb", "usb"])
      const own = yield* open("local_")
      assert.deepStrictEqual(yield* own.registry.entries(entry.key), [])
    })
  )

  fact(
    "are told to another device with the secrets themselves, and what only this device reaches is not",
    Effect.gen(function* () {
      const environment = { TOKEN: "t0ken", AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" }
      const { open } = yield* places({ store }, environment)
      assert.deepInclude(yield* told(yield* open("local")), { type: "relay", token: "t0ken" })
      assert.deepInclude(yield* told(yield* open("usb")), { type: "local", base_path: join(top, "usb") })
      const bucket = yield* Effect.withConfigProvider(
        open("bucket"),
        ConfigProvider.fromMap(new Map(Object.entries(environment)))
      )
      assert.deepInclude(yield* told(bucket), { access_key: "id", secret_key: "secret" })
      assert.isUndefined(yield* told(yield* open("local_")))
      const { open: openAgain } = yield* places({ store })
      const error = yield* Effect.flip(Effect.asVoid(Effect.flatMap(openAgain("local"), told)))
      assert.include(error.message, "TOKEN")
    })
  )
})

describe("a place by its address", () => {
  fact(
    "is a folder that is there, read in either layout, and none that is not",
    Effect.gen(function* () {
      const { primitives } = yield* Crypto
      const missing = yield* Effect.flip(PlaceFromAddress.open(PlaceFromAddress.parse(join(top, "gone"))))
      assert.include(missing.message, "connect that first")
      assert.isFalse(fs.existsSync(join(top, "gone")))
      const folder = join(top, "found")
      fs.mkdirSync(folder)
      const place = yield* PlaceFromAddress.open(PlaceFromAddress.parse(folder))
      yield* place.blobs.put(primitives.blake3(hello), hello)
      yield* place.blobs.sync
      yield* place.registry.set(entryOf(1n, "a"), [])
      const again = yield* PlaceFromAddress.open(PlaceFromAddress.parse(folder))
      assert.deepStrictEqual(yield* again.blobs.get(primitives.blake3(hello)), hello)
      assert.lengthOf(yield* again.registry.entries(entryOf(1n, "a").key), 1)
    })
  )

  fact(
    "is a relay's, read without a token and written to with one; told by one device it serves another",
    Effect.gen(function* () {
      const { primitives } = yield* Crypto
      const hash = primitives.blake3(hello)
      const relay = yield* Relay.start(yield* RegistryMemory.make())
      const writer = yield* PlaceFromAddress.open(PlaceFromAddress.parse(relay.url, relay.secret))
      yield* writer.blobs.put(hash, hello)
      const reader = yield* PlaceFromAddress.open(PlaceFromAddress.parse(relay.url))
      assert.deepStrictEqual(yield* reader.blobs.get(hash), hello)
      assert.strictEqual((yield* Effect.flip(reader.blobs.put(hash, hello))).reason, "Denied")
      const json = yield* writer.portable
      assert.isDefined(json)
      const other = yield* PlaceFromAddress.open(PlaceFromAddress.Address.Told({ name: "r", json: json! }))
      assert.strictEqual(other.name, "r")
      assert.strictEqual((yield* other.registry.set(entryOf(1n, "a"), []))._tag, "Stored")
    })
  )
})

describe("a token for another device", () => {
  const parse = (place: Places.Place) => place.delegate!
  const start = Effect.fnUntraced(function* (token: Relay.Options["token"]) {
    const relay = yield* Relay.start(yield* RegistryMemory.make(), { token: token ?? {} })
    const at = (secret: typeof relay.secret) => PlaceFromAddress.open(PlaceFromAddress.parse(relay.url, secret))
    return { relay, at, delegate: parse(yield* at(relay.secret)) }
  })
  const blob = (fill: number, length = 100) =>
    Effect.map(Crypto, ({ primitives }) => {
      const bytes = new Uint8Array(length).fill(fill)
      return [primitives.blake3(bytes), bytes] as const
    })

  fact(
    "is refused to one that may not let in others, and to nobody at all",
    Effect.gen(function* () {
      const { delegate, relay } = yield* start({})
      const error = yield* Effect.flip(delegate({ name: "phone" }))
      assert.strictEqual(error.reason, "Refused")
      assert.include(error.message, "--may-invite")
      const anonymous = yield* PlaceFromAddress.open(PlaceFromAddress.parse(relay.url))
      assert.strictEqual((yield* Effect.flip(anonymous.delegate!({ name: "phone" }))).reason, "Refused")
      assert.lengthOf(yield* relay.tokens.list, 1)
    })
  )

  fact(
    "writes until its time is over, and lets in nobody unless that was asked",
    Effect.gen(function* () {
      const { at, delegate, relay } = yield* start({ mayDelegate: true })
      const secret = yield* delegate({ name: "phone", lifetimeMillis: 60_000 })
      const phone = yield* at(secret)
      yield* phone.blobs.put(...(yield* blob(1)))
      assert.strictEqual((yield* Effect.flip(phone.delegate!({ name: "x" }))).reason, "Refused")
      const stored = yield* relay.tokens.list
      assert.notInclude(JSON.stringify(stored), Redacted.value(secret))
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual((yield* Effect.flip(phone.blobs.put(...(yield* blob(2))))).reason, "Denied")
      // what has ended is cleared away when somebody else comes in
      yield* delegate({ name: "phone", mayDelegate: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        (yield* relay.tokens.list).map(({ name }) => name),
        ["laptop", "phone"]
      )
    })
  )

  fact(
    "never may more than the one that asked, and what it writes counts for both",
    Effect.gen(function* () {
      const { at, delegate, relay } = yield* start({ mayDelegate: true, maxTotalBytes: 250 })
      const [a, b] = [
        yield* at(yield* delegate({ name: "a", maxTotalBytes: 1e9 })),
        yield* at(yield* delegate({ name: "a", maxTotalBytes: 120 }))
      ]
      assert.deepStrictEqual(
        (yield* relay.tokens.list).map(({ maxTotalBytes, name }) => [name, maxTotalBytes]),
        [
          ["a", 250],
          ["a-2", 120],
          ["laptop", 250]
        ]
      )
      yield* b.blobs.put(...(yield* blob(1)))
      assert.strictEqual((yield* Effect.flip(b.blobs.put(...(yield* blob(2))))).reason, "Denied")
      yield* a.blobs.put(...(yield* blob(3)))
      assert.strictEqual((yield* Effect.flip(a.blobs.put(...(yield* blob(4))))).reason, "Denied", "both wrote 200")
      // what is there already costs nothing
      yield* a.blobs.put(...(yield* blob(1)))
    })
  )

  fact(
    "ends with the one that let it in, also when that name is given anew",
    Effect.gen(function* () {
      const { at, delegate, relay } = yield* start({ mayDelegate: true })
      const child = yield* at(yield* delegate({ name: "child", mayDelegate: true }))
      const grandchild = yield* at(yield* child.delegate!({ name: "grandchild" }))
      yield* grandchild.blobs.put(...(yield* blob(1)))
      const [, , laptop] = yield* relay.tokens.list
      yield* relay.tokens.remove("laptop")
      yield* relay.tokens.create({ ...laptop!, hash: "0".repeat(64) })
      for (const gone of [child, grandchild])
        assert.strictEqual((yield* Effect.flip(gone.blobs.put(...(yield* blob(2))))).reason, "Denied")
      assert.deepStrictEqual(
        (yield* relay.tokens.list).map(({ name }) => name),
        ["laptop"]
      )
    })
  )

  fact(
    "keeps to the total also when many writes come at once",
    Effect.gen(function* () {
      const { at, relay } = yield* start({ maxTotalBytes: 1000 })
      const place = yield* at(relay.secret)
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, index) => index),
        (index) => Effect.flatMap(blob(index), ([hash, bytes]) => Effect.either(place.blobs.put(hash, bytes))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(outcomes.filter(Either.isRight), 10)
      assert.strictEqual(yield* relay.tokens.used("laptop"), 1000)
    })
  )
})

describe("a store of another device", () => {
  const json = (table: object) => Redacted.make(JSON.stringify(table))
  const home = (name: string) => {
    const folder = join(top, name)
    process.env.CAIRN_HOME = folder
    return { folder, file: join(folder, "config/config.toml") }
  }
  const relayTable = { type: "relay", url: "https://relay.example", token: "cairn_secret" }
  const adopt = (name: string, table: object, dryRun = false) => AdoptStore.adopt(name, json(table), { dryRun })

  fact(
    "is added to the configuration once, its secret in a file of its own, comments kept",
    Effect.gen(function* () {
      const { file, folder } = home("adopting")
      fs.mkdirSync(join(folder, "config"), { recursive: true })
      fs.writeFileSync(file, '# mine\n[store.relay]\ntype = "memory"\n')
      assert.deepStrictEqual(yield* adopt("relay", relayTable, true), { outcome: "added", name: "relay-2" })
      assert.isFalse(fs.existsSync(join(folder, "config/keys")))
      assert.deepStrictEqual(yield* adopt("relay", relayTable), { outcome: "added", name: "relay-2" })
      assert.deepStrictEqual(yield* adopt("other", relayTable), { outcome: "kept", name: "relay-2" })
      const text = fs.readFileSync(file, "utf8")
      assert.include(text, "# mine")
      assert.notInclude(text, "cairn_secret")
      const secret = join(folder, "config/keys/stores/relay-2.token")
      assert.strictEqual(fs.readFileSync(secret, "utf8"), "cairn_secret\n")
      assert.strictEqual(fs.statSync(secret).mode & 0o777, 0o600)
      const { config, resolve } = yield* ConfigFile.load(file)
      const stores = yield* StoresFromConfig.make({ stores: config.store, resolve, environment: {} })
      const place = yield* PlacesFromConfig.place("relay-2", config.store["relay-2"]!, stores, {
        resolve,
        environment: {}
      })
      assert.deepInclude(yield* told(place), relayTable)
    })
  )

  fact(
    "that is a folder is taken where it is on this machine, with something in it",
    Effect.gen(function* () {
      const { folder } = home("folders")
      const disk = join(folder, "disk")
      const table = { type: "local", base_path: disk }
      assert.deepStrictEqual(yield* adopt("usb", table), { outcome: "absent", name: "usb" })
      fs.mkdirSync(disk, { recursive: true })
      assert.strictEqual((yield* adopt("usb", table)).outcome, "absent", "an empty folder may be another disk's place")
      fs.mkdirSync(join(disk, "registry"))
      assert.strictEqual((yield* adopt("usb", table)).outcome, "added")
      assert.isTrue(yield* AdoptStore.assign("docs", ["usb"], { dryRun: false }))
      assert.isFalse(yield* AdoptStore.assign("docs", ["usb"], { dryRun: false }))
    })
  )

  it("names no command, file or variable of this machine, and nothing that is not a store", () => {
    const refused = [
      { ...relayTable, token: { command: ["touch", "/tmp/x"] } },
      { ...relayTable, token: { file: "/etc/passwd" } },
      { type: "s3", bucket_name: "bucket", secret_key: { env: "HOME" } },
      { type: "memory" },
      { ...relayTable, more: 1 },
      []
    ]
    for (const table of refused) {
      const read = PortableStore.fromJson(json(table))
      assert.isTrue(Either.isLeft(read), JSON.stringify(table))
      for (const given of ["cairn_secret", "touch", "passwd"]) assert.notInclude(JSON.stringify(read), given)
    }
    assert.isTrue(Either.isLeft(PortableStore.fromJson(Redacted.make("no json"))))
    assert.isTrue(Either.isRight(PortableStore.fromJson(json(relayTable))))
  })
})
