/** A recovery that is killed right before any one of its writes, and run again. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Recover from "../../src/programs/Recover.ts"
import * as RecoverWalk from "../../src/programs/RecoverWalk.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import { place } from "../support/identity.ts"
import * as Killed from "../support/killed.ts"
import { device, establish, opened, save } from "../support/person.ts"
import { later, latest, patiently } from "../support/programs.ts"

/** Every point takes its second; the long run takes them all. */
const stride = process.env.CAIRN_TEST_LONG === "1" ? 1 : 47

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

describe("recovery", () => {
  it.effect("killed before any write, of its own or at the store, loses nothing and goes on to the end", () =>
    Effect.gen(function* () {
      yield* later
      const killed = Killed.make()
      const survivor = yield* place("survivor", killed.decorate)
      const laptop = yield* device([survivor], { "/one/f": "1" }, killed.decorate)
      yield* save(laptop)
      yield* laptop.world.disk.put("/one/f", "2")
      yield* save(laptop)
      const { phrase } = yield* establish(laptop)
      yield* laptop.on(IdentityUpkeep.run("laptop"))
      const snapshots = yield* opened(laptop)
      // the new machine writes to the store that survived and to one of its own
      const fresh = yield* place("fresh", killed.decorate)
      const desktop = yield* device([survivor, fresh], {}, killed.decorate)
      for (const at of [survivor, fresh]) killed.atPlace(at)
      for (const one of [laptop, desktop]) killed.onDevice(one)
      const keys = yield* desktop.on(Recovery.keysOf(phrase))
      const putBack = yield* killed.remember

      // all that `cairn recover` does once the stores are in the configuration
      const recover = Effect.gen(function* () {
        const found = yield* RecoverWalk.walk(keys, [survivor.place])
        const vaults = yield* RecoverWalk.vaults(keys, found)
        yield* Recover.refuseOther(found)
        yield* Recover.enter("desktop", keys, found)
        for (const vault of vaults) yield* Recover.vault(keys, vault)
        return yield* IdentityUpkeep.run("desktop")
      }).pipe(desktop.on, patiently)
      /** What the words alone find at the store: a reader without anything of its own. */
      const lead = Effect.gen(function* () {
        const found = yield* RecoverWalk.walk(keys, [survivor.place])
        return (yield* RecoverWalk.vaults(keys, found)).map(({ heads, name }) => `${name} ${heads.length > 0}`).join()
      }).pipe(laptop.on)

      for (let writes = 0; ; writes += stride) {
        yield* putBack
        const { exit, isKilled } = yield* killed.killedAfter(writes, recover)
        if (!isKilled) {
          assert.deepStrictEqual(exit._tag === "Success" ? exit.value : exit, [])
          // so many writes it has at least, before each of which it may be killed
          assert.isAbove(writes, 50)
          break
        }
        const at = `killed before write ${writes + 1}`
        // who comes with the words meanwhile finds all of it, and the laptop works on
        assert.strictEqual(yield* lead, "docs true", at)
        assert.deepStrictEqual(yield* patiently(laptop.on(IdentityUpkeep.run("laptop"))), [], at)

        assert.deepStrictEqual(yield* recover, [], at)
        assert.strictEqual(yield* lead, "docs true", at)
        assert.deepStrictEqual(yield* desktop.on(latest), { "one/": "", "one/f": "2" }, at)
        assert.isAtLeast(yield* opened(desktop), snapshots, at)
        const identity = (yield* desktop.on(Identity.read()))!
        assert.deepStrictEqual([...identity.devices.keys()].sort(), ["desktop", "laptop"], at)
        assert.deepStrictEqual([...identity.vaults.keys()], ["docs"], at)
        // it is done: once more changes nothing
        assert.deepStrictEqual(yield* recover, [], at)
        assert.deepStrictEqual((yield* desktop.on(Identity.read()))!.revisions, identity.revisions, at)
      }
    })
  )
})
