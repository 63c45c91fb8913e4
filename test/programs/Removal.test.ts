import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Devices from "../../src/programs/Devices.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Joining from "../../src/programs/Joining.ts"
import * as NewPhrase from "../../src/programs/NewPhrase.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { admit, blobsOf, contextOf, join, person } from "../support/joining.ts"
import { device } from "../support/person.ts"
import { backup, later, latest, mapping, patiently } from "../support/programs.ts"

describe("a device that is removed", () => {
  it.effect("leaves behind what it published last, though nobody had taken it in yet", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const desktop = yield* device(all, { "/two/g": "2" })
      yield* join(laptop, desktop, all, "desktop")
      yield* later
      yield* patiently(desktop.on(backup(mapping("/two"))))
      const before = yield* contextOf(laptop)
      const removed = yield* patiently(laptop.on(Devices.remove("desktop")))
      assert.deepStrictEqual(removed, { label: "desktop", vaults: ["docs"], elsewhere: [], problems: [] })
      assert.notDeepEqual(yield* contextOf(laptop), before)
      assert.deepStrictEqual(yield* laptop.on(latest), { "one/": "", "one/f": "1", "two/": "", "two/g": "2" })
    })
  )

  it.effect("is removed though its head cannot be read, which is told", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const desktop = yield* device(all, { "/two/g": "2" })
      yield* join(laptop, desktop, all, "desktop")
      const known = new Set(yield* blobsOf(all[0]))
      yield* patiently(desktop.on(backup(mapping("/two"))))
      for (const path of yield* blobsOf(all[0])) if (!known.has(path)) yield* all[0].objects.remove(path)
      const removed = yield* patiently(laptop.on(Devices.remove("desktop")))
      assert.strictEqual(removed.problems.length, 1)
      assert.match(removed.problems[0]!, /vault docs: what desktop published last is not in this device's history/)
      assert.deepStrictEqual(removed.vaults, ["docs"])
      assert.deepStrictEqual([...(yield* laptop.on(Identity.read()))!.devices.keys()], ["laptop"])
    })
  )

  it.effect("is remembered as incomplete for vaults that are not here, until the removal is run again with them", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const desktop = yield* device(all, { "/photos/p": "p" })
      yield* join(laptop, desktop, all, "desktop")
      yield* patiently(desktop.on(backup(mapping("/photos"), "photos")))
      yield* patiently(desktop.on(IdentityUpkeep.run("desktop")))
      const phone = yield* device(all, { "/photos/q": "q" })
      const joined = yield* admit(laptop, phone, "phone")
      yield* phone.on(Joining.enter(joined, all[0].place, () => Effect.void))
      // what was published before it was let in is sealed for it by the device that did
      yield* patiently(desktop.on(IdentityUpkeep.run("desktop")))
      assert.strictEqual((yield* patiently(phone.on(Joining.takeMissing()))).taken.length, 2)
      yield* patiently(phone.on(backup(mapping("/photos"), "photos")))

      assert.deepStrictEqual(yield* laptop.on(Devices.vaultsElsewhere()), ["photos"])
      const removed = yield* patiently(laptop.on(Devices.remove("phone")))
      assert.deepStrictEqual([removed.vaults, removed.elsewhere, removed.problems], [["docs"], ["photos"], []])
      const left = () =>
        Effect.map(laptop.on(Devices.incomplete()), (all) =>
          all.map(({ vaults }) => vaults.map(({ lacksContent, lacksKeys, name }) => [name, lacksKeys, lacksContent]))
        )
      assert.deepStrictEqual(yield* left(), [[["photos", true, true]]])
      // again without it changes nothing, and costs no more keys
      const [docs, photos] = [yield* contextOf(laptop), yield* contextOf(desktop, "photos")]
      const again = yield* patiently(laptop.on(Devices.remove("phone")))
      assert.deepStrictEqual([again.vaults, again.elsewhere], [[], ["photos"]])
      assert.deepStrictEqual(yield* contextOf(laptop), docs)

      assert.strictEqual((yield* patiently(laptop.on(Joining.takeMissing("photos")))).taken.length, 1)
      const last = yield* patiently(laptop.on(Devices.remove("phone")))
      assert.deepStrictEqual([last.vaults, last.elsewhere, last.problems], [["photos"], [], []])
      assert.deepStrictEqual(yield* left(), [[]])
      assert.notDeepEqual(yield* contextOf(laptop, "photos"), photos)
      assert.deepStrictEqual(yield* contextOf(laptop), docs)
      const held = yield* laptop.on(
        Effect.gen(function* () {
          const vault = yield* Vault.open("photos")
          const head = yield* Head.newest(vault)
          return [...(yield* Stream.runCollect(Head.tree(vault, head!).scan()))].map(([key]) => key)
        })
      )
      assert.deepStrictEqual(held, ["photos/", "photos/p", "photos/q"])
    })
  )

  it.effect("leaves a vault that it alone has published to be taken afterwards", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const phone = yield* device(all, { "/photos/q": "q" })
      yield* join(laptop, phone, all, "phone")
      yield* patiently(phone.on(backup(mapping("/photos"), "photos")))
      yield* patiently(phone.on(IdentityUpkeep.run("phone")))
      yield* patiently(laptop.on(Devices.remove("phone")))
      const nothing = yield* patiently(laptop.on(Joining.takeMissing("art")))
      assert.deepStrictEqual(nothing, { taken: [], problems: [] })
      assert.strictEqual((yield* patiently(laptop.on(Joining.takeMissing("photos")))).taken.length, 1)
      const last = yield* patiently(laptop.on(Devices.remove("phone")))
      assert.deepStrictEqual([last.vaults, last.elsewhere, last.problems], [["photos"], [], []])
    })
  )

  it.effect("has the key of its time, also when the removal is completed after the phrase was changed", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const phone = yield* device(all, { "/photos/q": "q" })
      yield* join(laptop, phone, all, "phone")
      yield* patiently(phone.on(backup(mapping("/photos"), "photos")))
      yield* patiently(phone.on(IdentityUpkeep.run("phone")))
      yield* patiently(laptop.on(Devices.remove("phone")))
      const { phrase } = yield* laptop.on(Recovery.draw())
      yield* patiently(laptop.on(Effect.flatMap(Recovery.found(phrase), NewPhrase.begin)))
      assert.isTrue(yield* patiently(laptop.on(NewPhrase.proceed())))
      assert.strictEqual((yield* patiently(laptop.on(Joining.takeMissing("photos")))).taken.length, 1)
      const last = yield* patiently(laptop.on(Devices.remove("phone")))
      assert.deepStrictEqual([last.vaults, last.elsewhere], [["photos"], []])
      assert.deepStrictEqual(yield* laptop.on(Devices.incomplete()), [])
    })
  )

  it.effect("is told from another that has its name since, and hides nothing of that one", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const desktop = yield* device(all, { "/photos/p": "p" })
      yield* join(laptop, desktop, all, "desktop")
      const phone = yield* device(all)
      yield* join(laptop, phone, all, "phone")
      yield* patiently(desktop.on(backup(mapping("/photos"), "photos")))
      yield* patiently(desktop.on(IdentityUpkeep.run("desktop")))
      yield* patiently(laptop.on(Devices.remove("phone")))
      const anew = yield* device(all, { "/photos/r": "r" })
      const joined = yield* admit(laptop, anew, "phone")
      assert.strictEqual(joined.grant.label, "phone")
      yield* anew.on(Joining.enter(joined, all[0].place, () => Effect.void))
      yield* patiently(desktop.on(IdentityUpkeep.run("desktop")))
      assert.strictEqual((yield* patiently(anew.on(Joining.takeMissing("photos")))).taken.length, 1)
      yield* patiently(anew.on(backup(mapping("/photos"), "photos")))

      const keyOf = (one: typeof phone) =>
        Effect.map(one.world.keyring.ensureDevice, ({ publicKey }) => Bytes.toHex(publicKey).slice(0, 10))
      const [former, now] = [yield* keyOf(phone), yield* keyOf(anew)]
      const error = yield* Effect.flip(patiently(laptop.on(Devices.remove("phone"))))
      assert.include(error.message, `(phone ${now}, phone ${former}, removed)`)
      assert.isTrue((yield* laptop.on(Identity.read()))!.devices.has("phone"))

      assert.strictEqual((yield* patiently(laptop.on(Joining.takeMissing("photos")))).taken.length, 1)
      const held = yield* laptop.on(
        Effect.gen(function* () {
          const vault = yield* Vault.open("photos")
          const head = yield* Head.newest(vault)
          return [...(yield* Stream.runCollect(Head.tree(vault, head!).scan()))].map(([key]) => key)
        })
      )
      assert.include(held, "photos/r")
      const last = yield* patiently(laptop.on(Devices.remove(former)))
      assert.deepStrictEqual([last.label, last.vaults, last.elsewhere, last.problems], ["phone", ["photos"], [], []])
      assert.isTrue((yield* laptop.on(Identity.read()))!.devices.has("phone"))
      assert.strictEqual((yield* patiently(laptop.on(Devices.remove("phone")))).label, "phone")
      assert.isFalse((yield* laptop.on(Identity.read()))!.devices.has("phone"))
    })
  )
})
