import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Devices from "../../src/programs/Devices.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityChanges from "../../src/programs/IdentityChanges.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Joining from "../../src/programs/Joining.ts"
import * as Recover from "../../src/programs/Recover.ts"
import * as RecoverPhrase from "../../src/programs/RecoverPhrase.ts"
import * as RecoverWalk from "../../src/programs/RecoverWalk.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as RecoveryPhrase from "../../src/schema/RecoveryPhrase.ts"
import { place, type TestPlace } from "../support/identity.ts"
import { device, establish, opened, type PersonDevice, save } from "../support/person.ts"
import { latest, patiently } from "../support/programs.ts"

type All = readonly [TestPlace, ...ReadonlyArray<TestPlace>]

const reasonOf = (error: { readonly _tag: string; readonly reason?: unknown }) =>
  `${error._tag} ${String(error.reason)}`

/** A device that was used for a while: two snapshots before the phrase, one after it, at two places. */
const used = Effect.fnUntraced(function* () {
  const all: All = [yield* place("first"), yield* place("second")]
  const laptop = yield* device(all, { "/one/f": "1" })
  yield* save(laptop)
  yield* laptop.world.disk.put("/one/f", "2")
  yield* save(laptop)
  const { phrase, problems } = yield* establish(laptop)
  assert.deepStrictEqual(problems, [])
  yield* laptop.world.disk.put("/one/g", "3")
  yield* save(laptop)
  yield* laptop.on(IdentityUpkeep.run("laptop"))
  return { all, laptop, phrase }
})

/** Everything that `cairn recover` does. */
const recover = (
  one: PersonDevice,
  phrase: Redacted.Redacted<string>,
  places: ReadonlyArray<TestPlace>,
  options: RecoverWalk.Options = {}
) =>
  Effect.gen(function* () {
    const keys = yield* Recovery.keysOf(phrase)
    const found = yield* RecoverWalk.walk(
      keys,
      places.map((one) => one.place),
      options
    )
    const vaults = yield* RecoverWalk.vaults(keys, found)
    yield* Recover.refuseOther(found)
    yield* Recover.enter("new", keys, found, options)
    for (const vault of vaults) yield* Recover.vault(keys, vault)
    yield* IdentityUpkeep.run("new")
    return { found, vaults }
  }).pipe(one.on, patiently)

const walk = (one: PersonDevice, phrase: Redacted.Redacted<string>, places: ReadonlyArray<TestPlace>) =>
  Effect.flatMap(Recovery.keysOf(phrase), (keys) =>
    RecoverWalk.walk(
      keys,
      places.map((one) => one.place)
    )
  ).pipe(one.on)

describe("recovery", () => {
  it.effect("brings back from one surviving place everything to the first snapshot, and works on", () =>
    Effect.gen(function* () {
      const { all, phrase } = yield* used()
      all[0].faults.isAway = true
      const fresh = yield* place("fresh")
      const desktop = yield* device([fresh], { "/one/f": "" })
      const { found, vaults } = yield* recover(desktop, phrase, [all[1]!])
      assert.deepStrictEqual([...found.identity.devices.keys()], ["laptop"])
      assert.deepStrictEqual(
        vaults.map(({ name }) => name),
        ["docs"]
      )
      all[1]!.faults.isAway = true
      assert.deepStrictEqual(yield* desktop.on(latest), { "one/": "", "one/f": "2", "one/g": "3" })
      assert.isAtLeast(yield* opened(desktop), 3)
      const identity = yield* desktop.on(Identity.read())
      assert.deepStrictEqual([...identity!.devices.keys()].sort(), ["laptop", "new"])
      // the words are as good as before, now from the new place alone
      const third = yield* device([yield* place("third")])
      yield* recover(third, phrase, [fresh])
      assert.isAtLeast(yield* opened(third), 3)
    })
  )

  it.effect("again changes nothing, and whoever was cut off goes on", () =>
    Effect.gen(function* () {
      const { all, phrase } = yield* used()
      const fresh = yield* place("fresh")
      const desktop = yield* device([fresh])
      // the first, the sixth … entry that is written does not arrive, and nothing after it
      for (let allowed = 1; ; allowed += 5) {
        let left = allowed
        fresh.faults.beforeSet = Effect.sync(() => {
          left -= 1
          if (left <= 0) fresh.faults.isAway = true
        })
        const ended = yield* Effect.either(Effect.timeout(recover(desktop, phrase, [all[0]]), "1 hour"))
        fresh.faults.isAway = false
        fresh.faults.beforeSet = Effect.void
        if (ended._tag === "Right" && left > 0) break
        assert.isBelow(allowed, 40)
      }
      assert.deepStrictEqual(yield* desktop.on(latest), { "one/": "", "one/f": "2", "one/g": "3" })
      const before = yield* desktop.on(Identity.read())
      yield* recover(desktop, phrase, [all[0]])
      assert.deepStrictEqual((yield* desktop.on(Identity.read()))!.revisions, before!.revisions)
      assert.strictEqual(before!.devices.size, 2)
    })
  )

  it.effect("words that no place knows lead nowhere, and nothing is said when no place answers", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* used()
      const { phrase } = yield* laptop.on(Recovery.draw())
      assert.strictEqual(reasonOf(yield* Effect.flip(walk(laptop, phrase, all))), "RecoverError Unknown")
      for (const one of all) one.faults.isAway = true
      assert.strictEqual(reasonOf(yield* Effect.flip(walk(laptop, phrase, all))), "RecoverError Unreachable")
    })
  )

  it.effect("the newest lists count whichever place is asked first, and the older place is named", () =>
    Effect.gen(function* () {
      const { all, laptop, phrase } = yield* used()
      all[1]!.faults.isAway = true
      yield* laptop.on(Identity.update((now) => ({ ...now, stores: new Map([["bucket", Redacted.make("{}")]]) })))
      all[1]!.faults.isAway = false
      const found = yield* walk(laptop, phrase, [all[1]!, all[0]])
      assert.isTrue(found.identity.stores.has("bucket"))
      assert.deepStrictEqual(
        found.older.map(({ place: name }) => name),
        ["second"]
      )
    })
  )

  it.effect("a list that names a newer one than any place has is refused", () =>
    Effect.gen(function* () {
      const { all, laptop, phrase } = yield* used()
      const old = new Map(all[0].entries)
      // both lists are written anew: the devices' one names the vaults' one
      const other = yield* device(all)
      const keys = yield* other.world.keyring.ensureDevice
      yield* laptop.on(
        Identity.update((now) => ({
          ...now,
          devices: new Map([
            ...now.devices,
            ["x", { signing: keys.publicKey, acl: keys.aclKey, iroh: keys.irohKey, ageRecipient: keys.recipient }]
          ])
        }))
      )
      const identity = yield* laptop.on(Identity.read())
      // the place forgets the vaults' list alone
      const changed = [...all[0].entries].filter(([key, bytes]) => old.get(key) !== bytes)
      assert.isAtLeast(changed.length, 2)
      const refusals: Array<string> = []
      const accepted: Array<string> = []
      for (const [key] of changed) {
        const newest = all[0].entries.get(key)!
        all[0].entries.set(key, old.get(key)!)
        const ended = yield* Effect.either(walk(laptop, phrase, [all[0]]))
        if (ended._tag === "Left") refusals.push(reasonOf(ended.left))
        if (refusals.at(-1) === "RecoverError Older" && accepted.length === 0) {
          // with the older list all the way, if the user says so; from then on nothing is missing
          const held = new Map(all[0].entries)
          const last = yield* device([all[0]])
          yield* recover(last, phrase, [all[0]], { acceptOlder: true })
          accepted.push(...(yield* last.on(Identity.read()))!.devices.keys())
          yield* recover(yield* device([all[0]]), phrase, [all[0]])
          for (const [kept, bytes] of held) all[0].entries.set(kept, bytes)
        }
        all[0].entries.set(key, newest)
      }
      assert.include(refusals, "RecoverError Older")
      assert.include(accepted, "new")
      assert.deepStrictEqual((yield* walk(laptop, phrase, [all[0]])).identity.revisions, identity!.revisions)
    })
  )

  it.effect("opens every snapshot also where it takes the place of a device that was removed", () =>
    Effect.gen(function* () {
      const { all, laptop, phrase } = yield* used()
      const phone = yield* (yield* device(all)).world.keyring.ensureDevice
      yield* patiently(laptop.on(Joining.admit("phone", IdentityChanges.keysOf(phone))))
      yield* patiently(laptop.on(Devices.remove("phone")))
      const desktop = yield* device([yield* place("fresh")])
      yield* recover(desktop, phrase, all)
      assert.isAtLeast(yield* opened(desktop), yield* opened(laptop))
      const before = yield* desktop.on(Effect.flatMap(Vault.open("docs"), (vault) => Head.newest(vault)))
      yield* recover(desktop, phrase, all)
      const after = yield* desktop.on(Effect.flatMap(Vault.open("docs"), (vault) => Head.newest(vault)))
      assert.strictEqual(after!.entry.revision, before!.entry.revision)
    })
  )

  it.effect("a device of somebody else is refused", () =>
    Effect.gen(function* () {
      const { all, phrase } = yield* used()
      const mine = yield* device([yield* place("mine")])
      yield* establish(mine)
      const error = yield* Effect.flip(recover(mine, phrase, [all[0]]))
      assert.strictEqual(error._tag, "OtherIdentity")
    })
  )
})

describe("words that were written down wrong", () => {
  it.effect("are found where two neighbours were swapped or one word is another", () =>
    Effect.gen(function* () {
      const { all, laptop, phrase } = yield* used()
      const words = Redacted.value(phrase).split(" ")
      const places = all.map((one) => one.place)
      const at = words.findIndex((word, index) => {
        const swapped = [...words]
        swapped.splice(index, 2, words[index + 1]!, word)
        return index < 11 && RecoveryPhrase.isMisremembered(swapped.join(" "))
      })
      const swapped = [...words]
      swapped.splice(at, 2, words[at + 1]!, words[at]!)
      const found = yield* laptop.on(RecoverPhrase.correct(Redacted.make(swapped.join(" ")), places))
      assert.strictEqual(Redacted.value(found!), words.join(" "))
      assert.deepStrictEqual(RecoverPhrase.differences(Redacted.make(swapped.join(" ")), found!), [at + 1, at + 2])
    })
  )

  it.effect("also where one word is another that is spelt like it", () =>
    Effect.gen(function* () {
      const { all, laptop, phrase } = yield* used()
      const words = Redacted.value(phrase).split(" ")
      const places = all.map((one) => one.place)
      const other = RecoveryPhrase.nearest(words[4]!, 24).find(
        (word) =>
          RecoveryPhrase.isMisremembered(words.with(4, word).join(" ")) &&
          RecoveryPhrase.nearest(word, 24).includes(words[4]!)
      )
      // a word may be like none
      if (other === undefined) return
      const wrong = Redacted.make(words.with(4, other).join(" "))
      const found = yield* laptop.on(RecoverPhrase.correct(wrong, places))
      assert.strictEqual(Redacted.value(found!), words.join(" "))
      assert.deepStrictEqual(RecoverPhrase.differences(wrong, found!), [5])
    })
  )

  it("name the words that are not in the list, with the nearest ones", () => {
    const [first] = RecoveryPhrase.unknownWords(
      "legal winer thank year wave sausage worth useful legal winner thank yellow"
    )
    assert.strictEqual(first!.place, 2)
    assert.include(first!.nearest, "winner")
  })
})
