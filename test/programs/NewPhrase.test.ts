import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityChanges from "../../src/programs/IdentityChanges.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as NewPhrase from "../../src/programs/NewPhrase.ts"
import * as RecoverWalk from "../../src/programs/RecoverWalk.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { place, type TestPlace } from "../support/identity.ts"
import { device, establish, opened, type PersonDevice, save } from "../support/person.ts"
import { patiently } from "../support/programs.ts"

type All = readonly [TestPlace, ...ReadonlyArray<TestPlace>]

/** Two devices of one person at two places, one of them with a vault. */
const person = Effect.fnUntraced(function* () {
  const all: All = [yield* place("first"), yield* place("second")]
  const laptop = yield* device(all, { "/one/f": "1" })
  yield* save(laptop)
  const { phrase } = yield* establish(laptop)
  const keys = (yield* laptop.world.keyring.identity)!
  const desktop = yield* device(all)
  const own = yield* desktop.world.keyring.ensureDevice
  yield* laptop.on(Identity.update(IdentityChanges.addDevice("desktop", IdentityChanges.keysOf(own))))
  yield* desktop.world.keyring.createIdentity(keys)
  yield* laptop.on(IdentityUpkeep.run("laptop"))
  return { all, laptop, desktop, phrase, keys }
})

const begin = Effect.fnUntraced(function* (one: PersonDevice) {
  const { phrase } = yield* one.on(Recovery.draw())
  yield* one.on(Effect.flatMap(Recovery.found(phrase), NewPhrase.begin))
  return phrase
})

/** What the words lead to at one place: the names of the vaults whose heads they open, or why nothing. */
const lead = (one: PersonDevice, phrase: Redacted.Redacted<string>, at: TestPlace) =>
  Effect.gen(function* () {
    const keys = yield* Recovery.keysOf(phrase)
    const found = yield* RecoverWalk.walk(keys, [at.place])
    const vaults = yield* RecoverWalk.vaults(keys, found)
    return vaults.flatMap(({ heads, name }) => (heads.length > 0 ? [name] : [])).join()
  }).pipe(
    Effect.catchTag("RecoverError", ({ reason }) => Effect.succeed(reason)),
    one.on
  )

describe("changing the phrase", () => {
  it.effect("makes the new words lead everywhere and the old ones nowhere, and other devices follow", () =>
    Effect.gen(function* () {
      const { all, desktop, keys, laptop, phrase } = yield* person()
      const next = yield* begin(laptop)
      assert.strictEqual(yield* lead(laptop, next, all[0]), "Unknown")
      assert.deepStrictEqual(yield* patiently(laptop.on(IdentityUpkeep.run("laptop"))), [])
      for (const at of all) {
        assert.strictEqual(yield* lead(laptop, next, at), "docs")
        assert.strictEqual(yield* lead(laptop, phrase, at), "Replaced")
      }
      assert.isUndefined(yield* laptop.world.keyring.nextIdentity)
      const followed = yield* desktop.on(Identity.read())
      assert.strictEqual(followed!.devices.size, 2)
      assert.isFalse(Bytes.equals(followed!.warm, keys.warm))
      assert.deepStrictEqual((yield* desktop.world.keyring.recovery)!.did, (yield* laptop.world.keyring.recovery)!.did)
      // every snapshot is sealed for the new words too
      assert.isAtLeast(yield* opened(laptop), 2)
    })
  )

  it.effect("that is cut off anywhere leaves one phrase in force, and goes on with the next run", () =>
    Effect.gen(function* () {
      for (const allowed of [1, 3, 5, 7]) {
        const { all, laptop, phrase } = yield* person()
        const next = yield* begin(laptop)
        let left = allowed
        all[0].faults.beforeSet = Effect.sync(() => {
          left -= 1
          if (left <= 0) all[0].faults.isAway = true
        })
        yield* Effect.either(Effect.timeout(patiently(laptop.on(IdentityUpkeep.run("laptop"))), "1 hour"))
        all[0].faults.isAway = false
        all[0].faults.beforeSet = Effect.void
        const [before, after] = [yield* lead(laptop, phrase, all[0]), yield* lead(laptop, next, all[0])]
        // what leads to nothing yet is no harm; nobody is ever without words that bring the vault back
        assert.isTrue(before === "docs" || after === "docs", `${allowed}: ${before}, ${after}`)
        yield* patiently(laptop.on(Recovery.complete("laptop")))
        assert.strictEqual(yield* lead(laptop, next, all[0]), "docs", String(allowed))
        assert.strictEqual(yield* lead(laptop, phrase, all[0]), "Replaced", String(allowed))
      }
    })
  )

  it.effect("on two devices at once is one change: the other is told that its words are void", () =>
    Effect.gen(function* () {
      const { all, desktop, laptop } = yield* person()
      const [first, second] = [yield* begin(laptop), yield* begin(desktop)]
      yield* patiently(laptop.on(NewPhrase.proceed()))
      const error = yield* Effect.flip(patiently(desktop.on(NewPhrase.proceed())))
      assert.strictEqual(error._tag, "PhraseOvertaken")
      assert.strictEqual(yield* lead(laptop, second, all[0]), "Unknown")
      yield* patiently(laptop.on(IdentityUpkeep.run("laptop")))
      assert.strictEqual(yield* lead(laptop, first, all[0]), "docs")
    })
  )

  it.effect("leaves nothing to find under words that were overtaken at the last moment", () =>
    Effect.gen(function* () {
      const { all, desktop, laptop, phrase } = yield* person()
      const [first, second] = [yield* begin(laptop), yield* begin(desktop)]
      let sets = 0
      // when all is there that the desktop's words lead to, the laptop's change comes first
      all[0].faults.beforeSet = Effect.suspend(() => {
        sets += 1
        return sets === 4 ? Effect.orDie(laptop.on(NewPhrase.proceed())) : Effect.void
      })
      const error = yield* Effect.flip(patiently(desktop.on(NewPhrase.proceed())))
      all[0].faults.beforeSet = Effect.void
      assert.strictEqual(error._tag, "PhraseOvertaken")
      assert.isUndefined(yield* desktop.world.keyring.nextIdentity)
      yield* patiently(laptop.on(IdentityUpkeep.run("laptop")))
      assert.strictEqual(yield* lead(laptop, first, all[0]), "docs")
      assert.strictEqual(yield* lead(laptop, second, all[0]), "Replaced")
      assert.strictEqual(yield* lead(laptop, phrase, all[0]), "Replaced")
    })
  )

  it.effect("keeps what another device put in under the old key meanwhile", () =>
    Effect.gen(function* () {
      const { all, desktop, laptop } = yield* person()
      yield* begin(laptop)
      let isDone = false
      // right before the last write, the other device lists a vault
      all[0].faults.beforeSet = Effect.suspend(() => {
        if (isDone) return Effect.void
        isDone = true
        const vault = { vaultId: VaultId.unsafeFromBytes(new Uint8Array(16).fill(5)), stores: [] }
        return Effect.orDie(desktop.on(Identity.update(IdentityChanges.addVault("photos", vault))))
      })
      yield* patiently(laptop.on(IdentityUpkeep.run("laptop")))
      const identity = yield* desktop.on(Identity.read())
      assert.deepStrictEqual([...identity!.vaults.keys()].sort(), ["docs", "photos"])
    })
  )

  it.effect("is for the devices of its end, though one takes another's place meanwhile", () =>
    Effect.gen(function* () {
      const { all, desktop, keys, laptop } = yield* person()
      const [phone, tablet] = [yield* device(all), yield* device(all)]
      const [out, into] = [yield* phone.world.keyring.ensureDevice, yield* tablet.world.keyring.ensureDevice]
      yield* laptop.on(Identity.update(IdentityChanges.addDevice("phone", IdentityChanges.keysOf(out))))
      for (const one of [phone, tablet]) yield* one.world.keyring.createIdentity(keys)
      yield* begin(laptop)
      let sets = 0
      all[0].faults.beforeSet = Effect.suspend(() => {
        sets += 1
        if (sets !== 2) return Effect.void
        const add = IdentityChanges.addDevice("tablet", IdentityChanges.keysOf(into))
        const remove = IdentityChanges.removeDevice(out.publicKey)
        return Effect.orDie(desktop.on(Identity.update((identity) => add(remove(identity)))))
      })
      yield* patiently(laptop.on(NewPhrase.proceed()))
      assert.isAbove(sets, 2)
      const identity = yield* tablet.on(Identity.read())
      assert.deepStrictEqual([...identity!.devices.keys()].sort(), ["desktop", "laptop", "tablet"])
      assert.deepStrictEqual([...identity!.vaults.keys()], ["docs"])
      assert.strictEqual((yield* Effect.flip(phone.on(Identity.read())))._tag, "IdentityError")
    })
  )
})
