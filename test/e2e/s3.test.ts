// the real binary over a bucket of a service that nobody here wrote
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as Moto from "../support/s3Moto.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

describe.runIf(Moto.isHere)("a vault in a bucket (moto)", () => {
  let moto: Moto.Moto
  beforeAll(async () => {
    Cairn.build()
    moto = await Moto.start()
  })
  afterAll(async () => {
    await moto.stop()
    Cairn.removeFolders()
  })

  const env = { BUCKET_KEY: Moto.accessKey, BUCKET_SECRET: "a-secret-that-nobody-prints" }
  const configuration = (bucket: string, endpoint = moto.endpoint) => `
[store.bucket]
type = "s3"
endpoint = "${endpoint}"
bucket_name = "${bucket}"
access_key = { env = "BUCKET_KEY" }
secret_key = { env = "BUCKET_SECRET" }

[registry.default]
type = "store"
store = "bucket"

[vault.docs]
blob_stores = ["bucket"]
`

  const setUp = async () => {
    const place = Cairn.folder()
    const home = join(place, "home")
    const { bucket } = await Effect.runPromise(Moto.bucket(moto))
    mkdirSync(join(home, "config"), { recursive: true })
    writeFileSync(join(home, "config/config.toml"), configuration(bucket))
    return { place, home, bucket }
  }

  /** Every object in the bucket, asked for without our client. */
  const objectsIn = async (bucket: string) => {
    const headers = {
      authorization: `AWS4-HMAC-SHA256 Credential=${Moto.accessKey}/20261122/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=00`
    }
    const listing = await (await fetch(`${moto.endpoint}/${bucket}?list-type=2`, { headers })).text()
    const keys = [...listing.matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key]) => key ?? "")
    const read = async (key: string) =>
      Buffer.from(await (await fetch(`${moto.endpoint}/${bucket}/${key}`, { headers })).arrayBuffer())
    return new Map(await Promise.all(keys.map(async (key) => [key, await read(key)] as const)))
  }

  it("what two machines backed up at once comes back byte for byte, and the bucket sees nothing of it", async () => {
    const { bucket, home, place } = await setUp()
    Cairn.smallTree(place)
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place, env })
    // two machines with the same keys, and sources of their own
    const homes = ["left", "right"].map((name) => {
      const own = join(place, `home-${name}`)
      cpSync(home, own, { recursive: true })
      Cairn.smallTree(place, name)
      return { name, own }
    })
    const ended = await Promise.all(
      homes.map(({ name, own }) => Cairn.run(own, ["backup", name, "docs:"], { cwd: place, env }))
    )
    for (const { code, stderr } of ended) expect(code, stderr).toBe(0)

    await Cairn.expectCode(0, home, ["restore", "docs:", "out"], { cwd: place, env })
    for (const name of ["docs", "left", "right"])
      expect(Cairn.difference(join(place, name), join(place, "out", name))).toBe("")
    await Cairn.expectCode(0, home, ["verify"], { env })

    const objects = await objectsIn(bucket)
    expect([...objects.keys()].some((key) => key.startsWith("registry/"))).toBe(true)
    for (const [key, bytes] of objects) {
      expect(key).toMatch(/^(blob3\/[A-Za-z0-9_-]{43}|registry\/[0-9a-f]{98})$/)
      for (const plain of ["Dear Ada", "letter.txt", "photo.bin", "AGE-SECRET-KEY"])
        expect(bytes.includes(plain)).toBe(false)
    }
    // of the homes nothing but keys and records: the files are in the bucket alone
    expect(Cairn.files(home).filter((path) => path.includes("blob3"))).toEqual([])
  })

  Cairn.itLong(
    "in the packed layout many small files are few objects, and an index that is lost is made anew",
    async () => {
      const { bucket, home, place } = await setUp()
      const file = join(home, "config/config.toml")
      writeFileSync(file, configuration(bucket).replace('type = "s3"', 'type = "s3"\nlayout = "packed"'))
      Cairn.smallTree(place)
      for (let index = 0; index < 150; index++)
        Cairn.write(join(place, "docs/many", `${index}`), Cairn.noise(index, 5000 + index))
      await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place, env })
      const objects = await objectsIn(bucket)
      expect(objects.size).toBeLessThan(15)
      for (const bytes of objects.values())
        for (const plain of ["Dear Ada", "letter.txt", "AGE-SECRET-KEY"]) expect(bytes.includes(plain)).toBe(false)

      rmSync(join(home, "data/indexes"), { recursive: true })
      Cairn.write(join(place, "docs/new"), "new")
      await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place, env })
      const more = [...(await objectsIn(bucket)).values()].reduce((sum, { length }) => sum + length, 0)
      const before = [...objects.values()].reduce((sum, { length }) => sum + length, 0)
      expect(more - before, "nothing was stored a second time").toBeLessThan(200_000)
      await Cairn.expectCode(0, home, ["restore", "docs:", "out"], { cwd: place, env })
      expect(Cairn.difference(join(place, "docs"), join(place, "out/docs"))).toBe("")
      await Cairn.expectCode(0, home, ["verify"], { env })
    }
  )

  Cairn.itLong("of ten that publish at once each that exited 0 is in the head", async () => {
    const { home, place } = await setUp()
    Cairn.write(join(place, "first/a"), "a")
    await Cairn.expectCode(0, home, ["backup", "first", "docs:"], { cwd: place, env })
    const names = Array.from({ length: 10 }, (_, index) => `source-${index}`)
    const homes = names.map((name) => {
      Cairn.write(join(place, name, "file"), Cairn.noise(name, 20_000))
      const own = join(place, `home-${name}`)
      cpSync(home, own, { recursive: true })
      return own
    })
    const ended = await Promise.all(
      names.map((name, index) => Cairn.run(homes[index], ["backup", name, "docs:"], { cwd: place, env }))
    )
    await Cairn.expectCode(0, home, ["restore", "docs:", "out"], { cwd: place, env })
    const kept = names.filter((_, index) => ended[index]?.code === 0)
    for (const [index, { code, stderr }] of ended.entries())
      expect([0, 13], `${names[index]}: ${code} ${stderr}`).toContain(code)
    expect(kept.length).toBeGreaterThan(0)
    for (const name of ["first", ...kept])
      expect(Cairn.difference(join(place, name), join(place, "out", name))).toBe("")
  })

  Cairn.itLong("`store test` finds the bucket fit for everything and leaves nothing in it", async () => {
    const { bucket, home } = await setUp()
    const ended = await Cairn.expectCode(0, home, ["store", "test", "bucket", "--json"], { env })
    expect(Cairn.linesOf(ended, "store-check").filter(({ outcome }) => outcome !== "kept")).toEqual([])
    expect(Cairn.linesOf(ended, "store-fitness").map(({ fit, use }) => [use, fit])).toEqual([
      ["blobs", true],
      ["packs", true],
      ["registry", true]
    ])
    expect((await objectsIn(bucket)).size).toBe(0)
  })

  it("a bucket that is not there, and a service that is not there, say so, and nothing is lost", async () => {
    const { bucket, home, place } = await setUp()
    Cairn.smallTree(place)
    await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place, env })
    const file = join(home, "config/config.toml")
    for (const [text, said] of [
      [configuration("no-such-bucket"), "there is no bucket no-such-bucket"],
      [configuration(bucket, "http://127.0.0.1:9"), "127.0.0.1:9 cannot be reached"]
    ] as const) {
      writeFileSync(file, text)
      const ended = await Cairn.expectCode(11, home, ["backup", "docs", "docs:"], { cwd: place, env })
      expect(ended.stderr).toContain(said)
      expect(ended.stderr).not.toContain(env.BUCKET_SECRET)
    }
    writeFileSync(file, configuration(bucket))
    rmSync(join(place, "out"), { recursive: true, force: true })
    await Cairn.expectCode(0, home, ["restore", "docs:", "out"], { cwd: place, env })
    expect(Cairn.difference(join(place, "docs"), join(place, "out/docs"))).toBe("")
  })
})
