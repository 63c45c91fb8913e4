/** A change of the phrase that is killed right before any one of its writes, and run again. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityChanges from "../../src/programs/IdentityChanges.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as NewPhrase from "../../src/programs/NewPhrase.ts"
import * as RecoverWalk from "../../src/programs/RecoverWalk.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import { place, type TestPlace } from "../support/identity.ts"
import * as Killed from "../support/killed.ts"
import { device, establish, opened, type PersonDevice, save } from "../support/person.ts"
import { later, latest, patiently } from "../support/programs.ts"

/** What the words lead to over these places: the names of the vaults whose heads they open, or why nothing. */
const lead = (one: PersonDevice, keys: Recovery.PhraseKeys, places: ReadonlyArray<TestPlace>) =>
  Effect.gen(function* () {
    const found = yield* RecoverWalk.walk(
      keys,
      places.map(({ place }) => place)
    )
    const vaults = yield* RecoverWalk.vaults(keys, found)
    return vaults.flatMap(({ heads, name }) => (heads.length > 0 ? [name] : [])).join()
  }).pipe(
    Effect.catchTag("RecoverError", ({ reason }) => Effect.succeed(reason)),
    one.on
  )

/** Every point takes its second; the long run takes them all. */
const stride = process.env.CAIRN_TEST_LONG === "1" ? 1 : 23

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

describe("changing the phrase", () => {
  it.effect("killed before any write leaves words that open everything, and goes on to the new ones alone", () =>
    Effect.gen(function* () {
      yield* later
      const killed = Killed.make()
      const all = [yield* place("first", killed.decorate), yield* place("second", killed.decorate)] as const
      const laptop = yield* device(all, { "/one/f": "1" }, killed.decorate)
      yield* save(laptop)
      const { phrase } = yield* establish(laptop)
      const desktop = yield* device(all, {}, killed.decorate)
      const own = yield* desktop.world.keyring.ensureDevice
      yield* laptop.on(Identity.update(IdentityChanges.addDevice("desktop", IdentityChanges.keysOf(own))))
      yield* desktop.world.keyring.createIdentity((yield* laptop.world.keyring.identity)!)
      yield* laptop.on(IdentityUpkeep.run("laptop"))
      const snapshots = yield* opened(laptop)
      for (const at of all) killed.atPlace(at)
      killed.onDevice(laptop)
      const drawn = yield* laptop.on(Recovery.draw())
      const keys = yield* laptop.on(Recovery.found(drawn.phrase))
      const [old, next] = yield* laptop.on(Effect.all([Recovery.keysOf(phrase), Recovery.keysOf(drawn.phrase)]))
      const putBack = yield* killed.remember

      // all that `cairn init --new-phrase` does once the words are known
      const change = Effect.gen(function* () {
        if ((yield* laptop.world.keyring.nextIdentity) === undefined) yield* NewPhrase.begin(keys)
        yield* NewPhrase.proceed()
        return yield* Recovery.complete("laptop")
      }).pipe(laptop.on, patiently)

      const seen = new Set<string>()
      for (let writes = 0; ; writes += stride) {
        yield* putBack
        const { exit, isKilled } = yield* killed.killedAfter(writes, change)
        if (!isKilled) {
          assert.deepStrictEqual(exit._tag === "Success" ? exit.value : exit, [])
          // so many writes it has at least, before each of which it may be killed
          assert.isAbove(writes, 50)
          break
        }
        const at = `killed before write ${writes + 1}`
        const [before, after] = [yield* lead(laptop, old, all), yield* lead(laptop, next, all)]
        // the old words until the commit point, and never after it; the new ones from there on
        assert.include(["docs", "Replaced"], before, at)
        if (before === "Replaced") assert.strictEqual(after, "docs", at)
        seen.add(`${before} ${after}`)
        const isBegun = (yield* laptop.world.keyring.nextIdentity) !== undefined || before === "Replaced"

        assert.deepStrictEqual(yield* isBegun ? change : Effect.succeed([]), [], at)
        for (const one of all) {
          assert.strictEqual(yield* lead(laptop, next, [one]), isBegun ? "docs" : "Unknown", at)
          assert.strictEqual(yield* lead(laptop, old, [one]), isBegun ? "Replaced" : "docs", at)
        }
        assert.isUndefined(yield* laptop.world.keyring.nextIdentity, at)
        assert.deepStrictEqual(yield* laptop.identityState.retired, [], at)
        assert.deepStrictEqual(yield* laptop.on(latest), { "one/": "", "one/f": "1" }, at)
        assert.isAtLeast(yield* opened(laptop), snapshots, at)
        assert.deepStrictEqual([...(yield* desktop.on(Identity.read()))!.devices.keys()].sort(), ["desktop", "laptop"])
      }
      // it was killed on both sides of the commit point
      assert.includeMembers([...seen], ["docs Unknown", "Replaced docs"])
    })
  )
})
