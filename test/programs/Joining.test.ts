import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Devices from "../../src/programs/Devices.ts"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityChanges from "../../src/programs/IdentityChanges.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Joining from "../../src/programs/Joining.ts"
import * as Rekey from "../../src/programs/Rekey.ts"
import * as Vault from "../../src/programs/Vault.ts"
import { place, type TestPlace } from "../support/identity.ts"
import { device, establish, opened, type PersonDevice, save } from "../support/person.ts"
import { backup, later, latest, mapping, patiently } from "../support/programs.ts"

type All = readonly [TestPlace, ...ReadonlyArray<TestPlace>]

/** A device with a phrase and a vault, and the place that it is kept at. */
const person = Effect.fnUntraced(function* () {
  yield* later
  const all: All = [yield* place("first")]
  const laptop = yield* device(all, { "/one/f": "1" })
  yield* save(laptop)
  yield* establish(laptop)
  yield* laptop.on(IdentityUpkeep.run("laptop"))
  return { all, laptop }
})

/** What the inviting device hands to the other, and the DID that both saw. */
const admit = Effect.fnUntraced(function* (inviter: PersonDevice, joiner: PersonDevice, name: string) {
  const keys = yield* joiner.world.keyring.ensureDevice
  const { grant } = yield* patiently(inviter.on(Joining.admit(name, IdentityChanges.keysOf(keys))))
  const identity = yield* inviter.world.keyring.identity
  return { grant, did: identity!.recovery.did }
})

/** Lets a device in, which takes the vault after `meanwhile`. */
const join = Effect.fnUntraced(function* (
  inviter: PersonDevice,
  joiner: PersonDevice,
  all: All,
  name: string,
  meanwhile: Effect.Effect<void, never> = Effect.void
) {
  const joined = yield* admit(inviter, joiner, name)
  yield* meanwhile
  yield* joiner.on(Joining.enter(joined, all[0].place, () => Effect.void))
  const { problems, taken } = yield* patiently(joiner.on(Joining.takeMissing()))
  assert.deepStrictEqual(problems, [])
  assert.strictEqual(taken.length, 1)
})

const blobsOf = ({ objects }: TestPlace) => Effect.map(Stream.runCollect(objects.list("")), (paths) => [...paths])

const contextOf = (one: PersonDevice) => Effect.map(one.on(Vault.open("docs")), ({ context }) => context)

describe("a device that joins", () => {
  it.effect("may join again where it was cut off before it had the stores", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const desktop = yield* device(all)
      const cutOff = yield* Effect.either(
        desktop.on(
          Effect.flatMap(admit(laptop, desktop, "desktop"), (joined) =>
            Joining.enter(joined, all[0].place, () => Effect.fail("cut off" as const))
          )
        )
      )
      assert.strictEqual(cutOff._tag, "Left")
      assert.isUndefined(yield* desktop.world.keyring.identity)
      yield* desktop.on(Joining.refuseOther)
      yield* join(laptop, desktop, all, "desktop")
      assert.deepStrictEqual(yield* desktop.on(latest), { "one/": "", "one/f": "1" })
      const identity = yield* desktop.on(Identity.read())
      assert.deepStrictEqual([...identity!.devices.keys()].sort(), ["desktop", "laptop"])
    })
  )

  it.effect("opens every snapshot, though it took the place of one that had just been let in", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const [phone, desktop] = [yield* device(all), yield* device(all)]
      yield* join(laptop, phone, all, "phone")
      const before = yield* opened(laptop)
      yield* patiently(laptop.on(Devices.remove("phone")))
      yield* patiently(laptop.on(IdentityUpkeep.run("laptop")))
      yield* join(laptop, desktop, all, "desktop")
      assert.isAbove(yield* opened(desktop), before)
    })
  )

  it.effect("begins with the newest keys of the vault, whichever device is listed first", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const [tablet, phone] = [yield* device(all), yield* device(all)]
      yield* join(laptop, tablet, all, "tablet")
      yield* patiently(tablet.on(Effect.flatMap(Vault.open("docs"), (vault) => Rekey.rekey(vault))))
      assert.notDeepEqual(yield* contextOf(tablet), yield* contextOf(laptop))
      yield* join(
        laptop,
        phone,
        all,
        "phone",
        Effect.orDie(Effect.asVoid(patiently(tablet.on(IdentityUpkeep.run("tablet")))))
      )
      assert.deepStrictEqual(yield* contextOf(phone), yield* contextOf(tablet))
    })
  )
})

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
      assert.deepStrictEqual(removed, { label: "desktop", vaults: ["docs"], problems: [] })
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
})
