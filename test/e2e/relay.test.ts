// the real binary at both ends of a relay, which is killed in between
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as DeviceKeyset from "../../src/schema/DeviceKeyset.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as Relay from "../support/relayProcess.ts"
import { Double, keys } from "../support/s3Double.ts"
import * as S3Server from "../support/s3Server.ts"
import * as Wire from "../support/wire.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const setUp = () => {
  const place = Cairn.folder()
  const [home, relayHome] = [join(place, "home"), join(place, "relay-home")]
  const token = Relay.token(relayHome, "laptop")
  writeFileSync(join(place, "token"), token, { mode: 0o600 })
  return { place, home, relayHome, token }
}

/** The store added as a user does it, and made the one that vaults are kept in. */
const addStore = async (home: string, url: string, token: string) => {
  await Cairn.expectCode(0, home, ["store", "add", "meeting", "--url", url, "--token", `file:${token}`])
  const file = join(home, "config/config.toml")
  writeFileSync(file, `default_store = "meeting"\n${readFileSync(file, "utf8")}`)
  await Cairn.expectCode(0, home, ["config", "check"])
}

/** Every byte string of 32 in a value, whatever it is wrapped in. */
const byteStrings = (value: unknown): ReadonlyArray<Buffer> => {
  if (Redacted.isRedacted(value)) return byteStrings(Redacted.value(value))
  if (value instanceof Uint8Array) return value.length === 32 ? [Buffer.from(value)] : []
  if (value instanceof Map) return [...value.values()].flatMap(byteStrings)
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(byteStrings) : []
}

/** Every key on this device's disk: its own, and those of the vault. */
const keysOf = async (home: string, vault: string): Promise<ReadonlyArray<Buffer>> => {
  const identity = readFileSync(join(home, "config/keys/identity.txt"), "utf8").match(/^AGE-SECRET-KEY-1\S+$/m)?.[0]
  const sealed = readFileSync(join(home, "data/vaults", vault, "root.fs5.cbor.age"))
  const node = await Effect.runPromise(EnvelopeAge.make().open([Redacted.make(identity ?? "")], sealed))
  const keyset = DeviceKeyset.decode(new Uint8Array(readFileSync(join(home, "config/keys/device_keyset.cbor"))))
  const found = [
    ...byteStrings(Either.getOrThrow(TransparentNode.decode(node)).context),
    ...byteStrings(Either.getOrThrow(keyset))
  ]
  const device = (await Cairn.run(home, ["status"])).stdout.match(/[0-9a-f]{64}/)?.[0] ?? ""
  // the key that it publishes under is what the relay keeps its entries by
  return [Buffer.from(identity ?? ""), ...found.filter((key) => key.toString("hex") !== device)]
}

const portOf = (url: string) => Number(new URL(url).port)

describe("a vault in a relay", () => {
  Cairn.itLong(
    "comes back byte for byte after the relay was killed in the middle, and nothing of it can be read there",
    async () => {
      const { home, place, relayHome, token } = setUp()
      let relay = await Relay.start(relayHome)
      await addStore(home, relay.url, join(place, "token"))
      Cairn.smallTree(place)
      for (let file = 0; file < 24; file++) Cairn.write(join(place, "docs/many", `${file}`), Cairn.noise(file, 250_000))

      const running = Cairn.start(home, ["backup", "docs", "docs:"], { cwd: place })
      // killed once it has taken some blobs, and not all of them
      const taken = () => Cairn.files(join(relayHome, "data")).filter((file) => file.includes("blob3")).length
      while (taken() < 8) await new Promise((done) => setTimeout(done, 20))
      await relay.stop("SIGKILL")
      expect(taken()).toBeLessThan(24)
      relay = await Relay.start(relayHome, portOf(relay.url))
      // whether the first run got over it or not, the next one finishes
      await running.ended
      await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })

      await Cairn.expectCode(0, home, ["restore", "docs:", "out"], { cwd: place })
      expect(Cairn.difference(join(place, "docs"), join(place, "out/docs"))).toBe("")
      await Cairn.expectCode(0, home, ["verify"])
      const there = Cairn.files(join(relayHome, "data"))
      expect(there.some((file) => file.includes("/registry/"))).toBe(true)
      const device = (await Cairn.run(home, ["status"])).stdout.match(/age1[0-9a-z]{58}/)?.[0] ?? "none"
      for (const file of there) {
        const bytes = readFileSync(file)
        for (const secret of ["Dear Ada", "letter.txt", "photo.bin", device, token, Cairn.noise("docs", 64)])
          expect(bytes.includes(secret), `${secret} in ${file}`).toBe(false)
      }
      expect(await relay.stop("SIGTERM")).not.toBe(1)
      expect(relay.said()).not.toContain(token)
    }
  )

  it("shows nobody on the way and nobody at the relay a key, a name or a plaintext", async () => {
    const { home, place, relayHome } = setUp()
    const relay = await Relay.start(relayHome)
    const wire = await Wire.record(portOf(relay.url))
    await addStore(home, `http://127.0.0.1:${wire.port}`, join(place, "token"))
    const vault = "ledger-of-ada"
    Cairn.smallTree(place, "bookkeeping")
    for (const content of ["Dear Ada,\n", "Dear Grace,\n"]) {
      Cairn.write(join(place, "bookkeeping/letter.txt"), content)
      await Cairn.expectCode(0, home, ["backup", "bookkeeping", `${vault}:`], { cwd: place })
    }
    await Cairn.expectCode(0, home, ["restore", `${vault}:`, "out"], { cwd: place })
    await relay.stop("SIGTERM")
    wire.stop()

    const keys = await keysOf(home, vault)
    expect(keys.length).toBeGreaterThan(4)
    const names = [vault, "bookkeeping", "letter.txt", "photo.bin", "Dear Ada", "Dear Grace", hostname(), place]
    const secrets = [
      ...names.filter((name) => name.length > 5).map((name) => Buffer.from(name)),
      Cairn.noise("bookkeeping", 32),
      // an age recipient names a device to those who can compare
      Buffer.from((await Cairn.run(home, ["status"])).stdout.match(/age1[0-9a-z]{58}/)?.[0] ?? "none"),
      ...keys.flatMap((key) => [key, Buffer.from(key.toString("hex")), Buffer.from(key.toString("base64"))])
    ]
    const kept = Cairn.files(relayHome).map((file) => readFileSync(file))
    const seen = [wire.recorded(), ...kept, Buffer.from(relay.said())]
    expect(wire.recorded().length).toBeGreaterThan(300_000)
    // it was the traffic that was recorded
    expect(wire.recorded().includes("PUT /blobs/")).toBe(true)
    for (const bytes of seen) for (const secret of secrets) expect(bytes.includes(secret), `${secret}`).toBe(false)
  })

  it("does not start over a bucket without conditional writes, unless it is told to keep blobs alone", () =>
    Effect.gen(function* () {
      const double = new Double()
      double.conditions = "ignored"
      const endpoint = yield* S3Server.serve(double)
      const home = join(Cairn.folder(), "home")
      const env = { KEY: keys.accessKey, SECRET: keys.secretKey }
      Cairn.write(
        join(home, "config/config.toml"),
        `[store.bucket]\ntype = "s3"\nendpoint = "${endpoint}"\nbucket_name = "${keys.bucket}"\naccess_key = { env = "KEY" }\nsecret_key = { env = "SECRET" }\n`
      )
      const run = (words: ReadonlyArray<string>) =>
        Effect.promise(() => Cairn.run(home, ["serve", "--port", "0", "--store", "bucket", ...words], { env }))
      const refused = yield* run([])
      expect(refused.code, refused.stderr).toBe(1)
      expect(refused.stderr.trim().split("\n")).toHaveLength(1)
      expect(refused.stderr).toMatch(/\[store\.bucket\].*ignores If-None-Match.*--blobs-only/)
      // its tokens are kept where they can be
      const made = yield* run(["token", "add", "laptop"])
      expect(made.code, made.stderr).toBe(0)
      const relay = yield* Effect.promise(() => Relay.start(home, 0, ["--store", "bucket", "--blobs-only"], env))
      const write = (path: string, body: string) =>
        Effect.promise(async () => {
          const headers = { authorization: `Bearer ${made.stdout.trim()}` }
          return (await fetch(`${relay.url}/${path}`, { method: "PUT", headers, body })).status
        })
      // the hash of nothing at all
      expect(yield* write("blobs/af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262", "")).toBe(201)
      const info = yield* Effect.promise(async () => (await fetch(`${relay.url}/info`)).json())
      expect(info).toMatchObject({ registry: false })
      yield* Effect.promise(() => relay.stop("SIGTERM"))
    }).pipe(Effect.scoped, Effect.runPromise))

  Cairn.itLong(
    "is told to be tried by `store test`, and its way out where it is gone or the token is wrong",
    async () => {
      const { home, place, relayHome } = setUp()
      const relay = await Relay.start(relayHome)
      await addStore(home, relay.url, join(place, "token"))
      const tried = await Cairn.expectCode(0, home, ["store", "test", "meeting"])
      expect(tried.stdout).toContain("fit for a registry")
      writeFileSync(join(place, "token"), "wrong")
      mkdirSync(join(place, "docs"))
      Cairn.write(join(place, "docs/a"), "a")
      const refused = await Cairn.expectCode(12, home, ["backup", "docs", "docs:"], { cwd: place })
      expect(refused.stderr).toContain("does not know the token")
      await relay.stop("SIGKILL")
    }
  )
})
