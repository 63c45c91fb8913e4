import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ApprovalsObjectStore from "../../src/layers/ApprovalsObjectStore.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as StagingObjectStore from "../../src/layers/StagingObjectStore.ts"
import * as Devices from "../../src/programs/Devices.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Joining from "../../src/programs/Joining.ts"
import * as Pull from "../../src/programs/Pull.ts"
import * as Rekey from "../../src/programs/Rekey.ts"
import * as Task from "../../src/programs/Task.ts"
import * as TaskHost from "../../src/programs/TaskHost.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import type * as TaskEvent from "../../src/schema/TaskEvent.ts"
import type * as TaskSpec from "../../src/schema/TaskSpec.ts"
import * as TaskEvents from "../../src/services/TaskEvents.ts"
import { admit, contextOf, join, person } from "../support/joining.ts"
import { device, opened, save } from "../support/person.ts"
import { backup, later, latest, mapping, patiently } from "../support/programs.ts"

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

describe("what a third device published before another was let in", () => {
  /** A tablet with a snapshot that nobody took in, and a phone that was let in by the laptop since. */
  const three = Effect.fnUntraced(function* () {
    const { all, laptop } = yield* person()
    const tablet = yield* device(all, { "/two/g": "2" })
    yield* join(laptop, tablet, all, "tablet")
    yield* later
    yield* patiently(tablet.on(backup(mapping("/two"))))
    yield* patiently(tablet.on(IdentityUpkeep.run("tablet")))
    const phone = yield* device(all)
    yield* join(laptop, phone, all, "phone")
    const loaded = phone.on(
      Effect.gen(function* () {
        const vault = yield* Vault.open("docs")
        const others = yield* Devices.others(vault.device.publicKey)
        return yield* Devices.load(vault, others.find(({ label }) => label === "tablet")!)
      })
    )
    const error = yield* Effect.flip(loaded)
    assert.strictEqual(error._tag === "HeadError" && error.reason, "NotForUs")
    return { tablet, phone, loaded }
  })

  const specs: ReadonlyArray<TaskSpec.TaskSpec> = [
    { _tag: "Backup", vault: "docs", folder: "", sources: [], attended: true, reread: false, dryRun: false },
    { _tag: "Publish", vault: "docs" }
  ]
  for (const spec of specs)
    it.effect(`opens for that one after the third's next ${spec._tag.toLowerCase()}, though nothing has changed`, () =>
      Effect.gen(function* () {
        const { loaded, phone, tablet } = yield* three()
        const objects = yield* ObjectStoreMemory.make()
        const host = Layer.succeed(TaskHost.TaskHost, {
          own: [],
          isOwn: () => false,
          openVault: (name) => Effect.provide(Vault.open(name), tablet.layer),
          openTogether: () => Effect.dieMessage("not asked for")
        })
        const services = Layer.mergeAll(StagingObjectStore.layer(objects), ApprovalsObjectStore.layer(objects), host)
        const said: Array<TaskEvent.Said> = []
        const telling = { say: (event: TaskEvent.Said) => Effect.sync(() => void said.push(event)) }
        yield* later
        const task = Task.perform(spec).pipe(
          Effect.provideService(TaskEvents.TaskEvents, telling),
          Effect.provide(services)
        )
        yield* patiently(tablet.on(task))
        assert.deepStrictEqual(
          said.filter(({ _tag }) => _tag === "Complaint"),
          []
        )
        const { head } = yield* loaded
        assert.isDefined(head)
        const taken = yield* patiently(
          phone.on(
            Effect.flatMap(Vault.open("docs"), (vault) => Effect.flatMap(loaded, (peer) => Pull.pull(vault, [peer])))
          )
        )
        assert.deepStrictEqual(taken.carried.unreadable, [])
        assert.deepInclude(yield* phone.on(latest), { "one/f": "1", "two/g": "2" })
      })
    )
})

describe("a place that was left behind", () => {
  it.effect("keeps nobody from pulling, though it has no longer what its old head of this device names", () =>
    Effect.gen(function* () {
      const { all, laptop } = yield* person()
      const [first] = all
      const old = new Map(first.entries)
      const before = yield* laptop.on(Effect.flatMap(Vault.open("docs"), (vault) => Head.newest(vault)))
      yield* laptop.world.disk.put("/one/g", "2")
      yield* later
      yield* patiently(save(laptop))
      for (const [key, bytes] of old) first.entries.set(key, bytes)
      yield* first.objects.remove(StorePath.blob(first.objects.features, before!.hash))
      const elsewhere = Effect.flatMap(Vault.open("docs"), Devices.elsewhere)
      assert.isUndefined(yield* patiently(laptop.on(elsewhere)))
    })
  )
})
