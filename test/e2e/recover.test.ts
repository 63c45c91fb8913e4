// everything is lost but one store: the words alone bring it back, with the real binary
import * as fs from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import * as Relay from "../support/relayProcess.ts"
import * as Moto from "../support/s3Moto.ts"
import * as Cairn from "./cairn.ts"
import { init } from "./words.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const configure = (home: string, text: string) => Cairn.write(join(home, "config/config.toml"), text)

const copy = (from: string, to: string) =>
  fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })

/** A machine with two states of a folder backed up, and its phrase made between them; then the machine is gone. */
const lose = async (home: string, place: string, more: ReadonlyArray<string> = []) => {
  const docs = Cairn.smallTree(place)
  await Cairn.expectCode(0, home, ["backup", "docs", "docs:"], { cwd: place })
  copy(docs, join(place, "first"))
  const shown = await init(home, undefined, more)
  expect(shown.code, shown.text).toBe(0)
  Cairn.write(join(docs, "later.txt"), "second\n")
  fs.rmSync(join(docs, "letter.txt"))
  const second = await Cairn.expectCode(0, home, ["backup", "docs:"])
  expect(second.stderr).toBe("")
  return { docs, shown, input: shown.words.join("\n") }
}

/** Both states come back on that machine, each as it was. */
const expectBoth = async (home: string, place: string) => {
  await Cairn.expectCode(0, home, ["restore", "docs:docs", join(place, "back")])
  expect(Cairn.difference(join(place, "docs"), join(place, "back"))).toBe("")
  await Cairn.expectCode(0, home, ["restore", "docs@1:docs", join(place, "back-first")])
  expect(Cairn.difference(join(place, "first"), join(place, "back-first"))).toBe("")
  await Cairn.expectCode(0, home, ["verify"])
}

it("a folder that survives: rehearsed, then everything to the first snapshot, and again nothing", async () => {
  const place = Cairn.folder()
  const [a, b, store] = [join(place, "a"), join(place, "b"), join(place, "store")]
  configure(a, `[store.usb]\ntype = "local"\nbase_path = "${store}"\n\n[vault.docs]\nblob_stores = ["usb"]\n`)
  const page = join(place, "page.html")
  const { input, shown } = await lose(a, place, ["--page", page])

  expect(fs.statSync(page).mode & 0o777).toBe(0o600)
  const html = fs.readFileSync(page, "utf8")
  for (const word of shown.words) expect(html).toContain(`<li>${word}</li>`)
  expect(html).toContain(store)
  expect(html).toContain("<svg")
  expect(html).not.toContain("http://www.w3.org/1999/xlink")
  await Cairn.expectCode(1, a, ["recover", "--page", page], { input })
  expect(fs.readFileSync(page, "utf8")).toBe(html)

  // tried out at home, it is remembered there
  const advice = (await Cairn.run(a, ["doctor"])).stdout
  expect(advice).toContain("recovery: it was never tried out with these words")
  await Cairn.expectCode(0, a, ["recover", "--rehearse"], { input })
  expect((await Cairn.run(a, ["doctor"])).stdout).toContain("recovery: it was tried out today")
  fs.rmSync(a, { recursive: true })

  const before = Cairn.fingerprint(store)
  const rehearsed = await Cairn.expectCode(0, b, ["recover", store, "--rehearse"], { input })
  expect(rehearsed.stdout).toContain("the rehearsal went well: 1 vault opened")
  expect(fs.existsSync(b)).toBe(false)
  expect(Cairn.fingerprint(store)).toEqual(before)

  const recovered = await Cairn.expectCode(0, b, ["recover", store], { input })
  expect(recovered.stdout).toContain("recovered docs:")
  expect(recovered.stdout).toMatch(/^ {2}of \d{4}-.* revision \d+ of the devices/m)
  expect(recovered.stderr).toBe("")
  await expectBoth(b, place)
  const again = await Cairn.expectCode(0, b, ["recover", store, "--json"], { input })
  expect(Cairn.linesOf(again, "pull").map(({ outcome }) => outcome)).toEqual(["unchanged"])
  // it is a device like any other: it backs up, and the words stay good
  await Cairn.expectCode(0, b, ["backup", "docs", "docs:docs"], { cwd: place })
  expect((await Cairn.expectCode(0, b, ["status"])).stdout).not.toContain("still to be done")
})

Cairn.itLong("the embedded store of a dead machine's disk, found somewhere else", async () => {
  const place = Cairn.folder()
  const [a, b] = [join(place, "a"), join(place, "b")]
  const { input } = await lose(a, place)
  fs.renameSync(join(a, "data/store"), join(place, "disk"))
  fs.rmSync(a, { recursive: true })
  await Cairn.expectCode(0, b, ["recover", join(place, "disk")], { input })
  fs.rmSync(join(place, "disk"), { recursive: true })
  await expectBoth(b, place)
})

Cairn.itLong("a relay", async () => {
  const place = Cairn.folder()
  const [a, b, relayHome] = [join(place, "a"), join(place, "b"), join(place, "relay")]
  fs.writeFileSync(join(place, "token"), Relay.token(relayHome, "laptop"), { mode: 0o600 })
  const relay = await Relay.start(relayHome)
  try {
    configure(
      a,
      `default_store = "meeting"\n\n[store.meeting]\ntype = "relay"\nurl = "${relay.url}"\ntoken = { file = "${join(place, "token")}" }\n\n[vault.docs]\nblob_stores = ["meeting"]\n`
    )
    const { input } = await lose(a, place)
    fs.rmSync(a, { recursive: true })
    fs.rmSync(join(place, "token"))
    const recovered = await Cairn.expectCode(0, b, ["recover", relay.url], { input })
    expect(recovered.stderr).toBe("")
    await expectBoth(b, place)
  } finally {
    await relay.stop("SIGTERM")
  }
})

it.runIf(Moto.isHere && Cairn.isLong)(
  "a bucket of a service that nobody here wrote, on a machine that was told of it alone",
  async () => {
    const moto = await Moto.start()
    try {
      const place = Cairn.folder()
      const [a, b] = [join(place, "a"), join(place, "b")]
      const { bucket } = await Effect.runPromise(Moto.bucket(moto))
      const store = `[store.bucket]\ntype = "s3"\nendpoint = "${moto.endpoint}"\nbucket_name = "${bucket}"\naccess_key = "${Moto.accessKey}"\nsecret_key = { file = "${join(place, "secret")}" }\n`
      Cairn.write(join(place, "secret"), "moto-takes-any")
      configure(a, `default_store = "bucket"\n\n${store}\n[vault.docs]\nblob_stores = ["bucket"]\n`)
      const { input } = await lose(a, place)
      fs.rmSync(a, { recursive: true })
      configure(b, store)
      const recovered = await Cairn.expectCode(0, b, ["recover", "--store", "bucket"], { input })
      expect(recovered.stdout).toContain("recovered docs:")
      await expectBoth(b, place)
    } finally {
      await moto.stop()
    }
  }
)

it("words that are wrong are named, and a slip is found", async () => {
  const place = Cairn.folder()
  const [a, b] = [join(place, "a"), join(place, "b")]
  const { shown } = await lose(a, place)
  const { words } = shown
  const store = join(a, "data/store")
  const recover = (code: number, given: ReadonlyArray<string>, more: ReadonlyArray<string> = []) =>
    Cairn.expectCode(code, b, ["recover", store, ...more], { input: given.join(" ") })

  expect((await recover(2, words.with(3, "winterr"))).stderr).toContain(
    'word 4, "winterr", is not in the list of words'
  )
  expect((await recover(2, words.slice(1))).stderr).toContain("has 12 words, not 11")
  const at = words.findIndex((word, index) => index < 11 && word !== words[index + 1])
  const swapped = words.with(at, words[at + 1]!).with(at + 1, words[at]!)
  // one in sixteen swaps is a phrase as well, which nobody knows
  const found = await Cairn.run(b, ["recover", store, "--rehearse", "--yes"], { input: swapped.join(" ") })
  if (found.code === 10) return
  expect(found.code, found.stderr).toBe(0)
  expect(found.stderr).toContain(`word ${at + 1} is "${words[at]}"`)
  expect(fs.existsSync(b)).toBe(false)
  await Cairn.expectCode(4, b, ["recover", store], { input: "" })
})

Cairn.itLong("new words take the place of the old ones", async () => {
  const place = Cairn.folder()
  const [a, b] = [join(place, "a"), join(place, "b")]
  const { input } = await lose(a, place)
  const changed = await init(a, undefined, ["--new-phrase"])
  expect(changed.code, changed.text).toBe(0)
  const store = join(a, "data/store")
  const refused = await Cairn.expectCode(12, b, ["recover", store], { input })
  expect(refused.stderr).toContain("replaced by newer ones")
  expect((await Cairn.expectCode(0, a, ["status"])).stdout).not.toContain("still to be done")
  await Cairn.expectCode(0, b, ["recover", store], { input: changed.words.join(" ") })
  await expectBoth(b, place)
})

Cairn.itLong(
  "a phrase of an earlier version, of which the public half alone was kept, is completed with its words",
  async () => {
    const place = Cairn.folder()
    const [a, b] = [join(place, "a"), join(place, "b")]
    const { shown } = await lose(a, place)
    // as such a version left it
    const keys = join(a, "config/keys")
    const { did, recipient } = JSON.parse(fs.readFileSync(join(keys, "person.json"), "utf8"))
    fs.writeFileSync(join(keys, "recovery.json"), JSON.stringify({ recipient, did }))
    fs.rmSync(join(keys, "person.json"))
    fs.rmSync(join(a, "data/identity"), { recursive: true })
    for (const name of fs.readdirSync(join(a, "data/store/registry"), { recursive: true }))
      if (String(name).includes("ed"))
        fs.rmSync(join(a, "data/store/registry", String(name)), { recursive: true, force: true })
    const input = shown.words.join(" ")
    await Cairn.expectCode(10, b, ["recover", join(a, "data/store")], { input })
    expect((await Cairn.run(a, ["doctor"])).stdout).toContain("the phrase is of an earlier version")
    const other = await init(a, undefined, [], shown.words.toReversed().join(" "))
    expect(other.code, other.text).not.toBe(0)
    const completed = await init(a, undefined, [], input)
    expect(completed.code, completed.text).toBe(0)
    // the heads go there with the next publication
    Cairn.write(join(place, "docs/one-more"), "x")
    await Cairn.expectCode(0, a, ["backup", "docs:"])
    await Cairn.expectCode(0, b, ["recover", join(a, "data/store")], { input })
    await expectBoth(b, place)
  }
)

Cairn.itLong("killed in the middle again and again, it ends well when it is let", async () => {
  const place = Cairn.folder()
  const [a, b, store] = [join(place, "a"), join(place, "b"), join(place, "store")]
  configure(a, `[store.usb]\ntype = "local"\nbase_path = "${store}"\n\n[vault.docs]\nblob_stores = ["usb"]\n`)
  const { input } = await lose(a, place)
  fs.rmSync(a, { recursive: true })
  const began = Date.now()
  copy(store, join(place, "spare"))
  await Cairn.expectCode(0, join(place, "other"), ["recover", join(place, "spare")], { input })
  const whole = Date.now() - began
  for (const part of [0.4, 0.6, 0.75, 0.9]) {
    const running = Cairn.start(b, ["recover", store], { input })
    const timer = setTimeout(() => running.kill("SIGKILL"), whole * part)
    await running.ended
    clearTimeout(timer)
  }
  await Cairn.expectCode(0, b, ["recover", store], { input })
  await expectBoth(b, place)
  await Cairn.expectCode(0, b, ["config", "check"])
})
