import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityChanges from "../../src/programs/IdentityChanges.ts"
import * as IdentityCopies from "../../src/programs/IdentityCopies.ts"
import * as IdentityReading from "../../src/programs/IdentityReading.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as IdentityBundle from "../../src/schema/IdentityBundle.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import * as Registry from "../../src/services/Registry.ts"
import { right } from "../support/either.ts"
import { crypto, device, place, type TestDevice, type TestPlace } from "../support/identity.ts"
import { patiently } from "../support/programs.ts"

const { primitives } = crypto

/** A person with a phrase, places, and devices that are all listed. */
const person = Effect.fnUntraced(function* (count = 2, names: ReadonlyArray<string> = ["first", "second"]) {
  const places = yield* Effect.forEach(names, (name) => place(name))
  const all: readonly [TestPlace, ...ReadonlyArray<TestPlace>] = [places[0]!, ...places.slice(1)]
  const first = yield* device(all)
  const { phrase } = yield* first.on(Recovery.draw())
  const keys = yield* first.on(Recovery.found(phrase))
  const rest = yield* Effect.forEach(Array.from({ length: count - 1 }), () => device(all))
  const devices = [first, ...rest]
  for (const one of devices) {
    assert.isTrue(yield* one.keyring.createIdentity(keys))
    yield* first.on(Identity.update(IdentityChanges.addDevice("Laptop.local", IdentityChanges.keysOf(one.keys))))
  }
  yield* first.on(IdentityCopies.spread())
  return { all, devices, first, keys, phrase, places }
})

const vault = (n: number) => ({ vaultId: VaultId.unsafeFromBytes(new Uint8Array(16).fill(n)), stores: ["first"] })

const vaultsOf = (identity: Identity.Identity | undefined) => [...(identity?.vaults.keys() ?? [])].sort()

const read = (one: TestDevice) => one.on(Identity.read())

describe("an identity", () => {
  it.effect("is nothing on a device that has no warm key", () =>
    Effect.gen(function* () {
      const one = yield* device([yield* place("first")])
      assert.isUndefined(yield* read(one))
      const error = yield* Effect.flip(one.on(Identity.update((identity) => identity)))
      assert.strictEqual(error._tag, "IdentityError")
    })
  )

  it.effect("gives back on every device what one of them put in", () =>
    Effect.gen(function* () {
      const { devices } = yield* person(2)
      const json = Redacted.make('{"type":"s3","secret_key":"x"}')
      yield* devices[0]!.on(Identity.update(IdentityChanges.addVault("docs", vault(7))))
      yield* devices[1]!.on(Identity.update(IdentityChanges.addStore("bucket", json)))
      const [a, b] = [yield* read(devices[0]!), yield* read(devices[1]!)]
      assert.deepStrictEqual(vaultsOf(a), ["docs"])
      assert.deepStrictEqual(a?.vaults.get("docs"), vault(7))
      assert.strictEqual(Redacted.value(a!.stores.get("bucket")!), Redacted.value(json))
      assert.deepStrictEqual([...a!.devices.keys()].sort(), ["laptop-local", "laptop-local-2"])
      assert.deepStrictEqual(Redacted.value(a!.seed), Redacted.value(b!.seed))
      assert.deepStrictEqual(vaultsOf(b), ["docs"])
      assert.strictEqual(IdentityChanges.labelFor(b!, devices[1]!.keys.publicKey), "laptop-local-2")
    })
  )

  it.effect("spends no revision on a change that changes nothing", () =>
    Effect.gen(function* () {
      const { first } = yield* person(1)
      const before = yield* read(first)
      yield* first.on(Identity.update(IdentityChanges.addDevice("Laptop.local", IdentityChanges.keysOf(first.keys))))
      assert.deepStrictEqual((yield* read(first))!.revisions, before!.revisions)
    })
  )

  it.effect("loses nobody's change when two devices change it again and again at once", () =>
    Effect.gen(function* () {
      const { devices, first } = yield* person(2)
      yield* patiently(
        Effect.forEach(
          Array.from({ length: 6 }, (_, n) => n),
          (n) => devices[n % 2]!.on(Identity.update(IdentityChanges.addVault(`v${n}x`, vault(n)))),
          { concurrency: "unbounded" }
        )
      )
      assert.strictEqual((yield* read(first))!.vaults.size, 6)
    })
  )

  it.effect("loses nobody's change when devices decide at different places that follow later", () =>
    Effect.gen(function* () {
      const { all, devices, keys } = yield* person(1)
      const other = yield* device([all[1]!, all[0]])
      yield* other.keyring.createIdentity(keys)
      yield* devices[0]!.on(Identity.update(IdentityChanges.addDevice("other", IdentityChanges.keysOf(other.keys))))
      yield* devices[0]!.on(IdentityCopies.spread())
      all[1]!.faults.isAway = true
      yield* devices[0]!.on(Identity.update(IdentityChanges.addVault("aa", vault(1))))
      all[1]!.faults.isAway = false
      all[0].faults.isAway = true
      yield* other.on(Identity.update(IdentityChanges.addVault("bb", vault(2))))
      const third = yield* device(all)
      yield* other.on(Identity.update(IdentityChanges.addDevice("third", IdentityChanges.keysOf(third.keys))))
      all[0].faults.isAway = false
      yield* devices[0]!.on(Identity.update((identity) => identity))
      assert.deepStrictEqual(yield* devices[0]!.on(IdentityCopies.spread()), [])
      for (const one of [devices[0]!, other]) {
        const identity = yield* read(one)
        assert.deepStrictEqual(vaultsOf(identity), ["aa", "bb"])
        assert.strictEqual(identity!.devices.size, 3)
      }
    })
  )

  it.effect("a device that was removed on one side of a fork stays removed when the sides meet", () =>
    Effect.gen(function* () {
      const { all, devices, keys, first } = yield* person(2)
      const other = yield* device([all[1]!, all[0]])
      yield* other.keyring.createIdentity(keys)
      yield* first.on(Identity.update(IdentityChanges.addDevice("other", IdentityChanges.keysOf(other.keys))))
      yield* first.on(IdentityCopies.spread())
      all[1]!.faults.isAway = true
      yield* first.on(Identity.update(IdentityChanges.removeDevice(devices[1]!.keys.publicKey)))
      all[1]!.faults.isAway = false
      all[0].faults.isAway = true
      yield* other.on(Identity.update(IdentityChanges.addVault("bb", vault(2))))
      const third = yield* device(all)
      yield* other.on(Identity.update(IdentityChanges.addDevice("third", IdentityChanges.keysOf(third.keys))))
      all[0].faults.isAway = false
      const identity = yield* first.on(Identity.update((now) => now))
      assert.isUndefined(IdentityChanges.labelFor(identity, devices[1]!.keys.publicKey))
      assert.deepStrictEqual([...identity.devices.keys()].sort(), ["laptop-local", "other", "third"])
    })
  )

  it.effect("cannot be read by a device that was removed", () =>
    Effect.gen(function* () {
      const { devices, first } = yield* person(2)
      yield* first.on(Identity.update(IdentityChanges.removeDevice(devices[1]!.keys.publicKey)))
      const error = yield* Effect.flip(read(devices[1]!))
      assert.strictEqual(error._tag === "IdentityError" ? error.reason : error._tag, "NotForUs")
      assert.strictEqual((yield* read(first))!.devices.size, 1)
    })
  )

  it.effect("the place that decides being away is told, and is no reason to take an older one unasked", () =>
    Effect.gen(function* () {
      const { all, first } = yield* person(1)
      yield* first.on(Identity.update(IdentityChanges.addVault("docs", vault(1))))
      all[0].faults.isAway = true
      const error = yield* Effect.flip(read(first))
      assert.strictEqual(error._tag === "IdentityError" ? error.reason : error._tag, "Unreachable")
      // the second place was not told of the vault yet, and this device knows that there is more
      const older = yield* Effect.flip(first.on(Identity.read({ isOffline: true })))
      assert.strictEqual(older._tag === "IdentityError" ? older.reason : older._tag, "RolledBack")
      all[0].faults.isAway = false
      yield* first.on(IdentityCopies.spread())
      all[0].faults.isAway = true
      assert.deepStrictEqual(vaultsOf(yield* first.on(Identity.read({ isOffline: true }))), ["docs"])
    })
  )

  it.effect("a publication is sealed for the newest list or not at all, unless there is no other device", () =>
    Effect.gen(function* () {
      const { all, first, keys } = yield* person(1)
      const own = first.keys.recipient
      all[0].faults.isAway = true
      assert.deepStrictEqual(yield* first.on(Identity.recipients()), [own, keys.recovery.recipient])
      all[0].faults.isAway = false
      const second = yield* device(all)
      yield* first.on(Identity.update(IdentityChanges.addDevice("second", IdentityChanges.keysOf(second.keys))))
      assert.deepStrictEqual(
        [...(yield* first.on(Identity.recipients()))!].sort(),
        [own, second.keys.recipient, keys.recovery.recipient].sort()
      )
      all[0].faults.isAway = true
      const error = yield* Effect.flip(first.on(Identity.recipients()))
      assert.strictEqual(error._tag === "IdentityError" ? error.reason : error._tag, "Unreachable")
    })
  )

  it.effect("a place that answers older entries or foreign ones changes nothing", () =>
    Effect.gen(function* () {
      const { all, first, keys } = yield* person(1)
      const before = new Map(all[1]!.entries)
      yield* first.on(Identity.update(IdentityChanges.addVault("docs", vault(1))))
      yield* first.on(IdentityCopies.spread())
      // put back to what it was: its entries are signed, and old
      for (const [key, bytes] of before) all[1]!.entries.set(key, bytes)
      assert.deepStrictEqual(vaultsOf(yield* read(first)), ["docs"])
      // an entry of the right key with a signature of somebody else
      const key = IdentityReading.streamKey(primitives, keys.warm, "config")
      const foreign = right(
        RegistryEntry.sign(primitives, new Uint8Array(32).fill(9), {
          vaultId: key.vaultId,
          revision: 99n,
          hash: Hash.unsafeFromBytes(new Uint8Array(32).fill(1))
        })
      )
      const forged = RegistryEntry.toBytes(foreign)
      forged.set(keys.warm, 2)
      all[1]!.entries.set(StreamKey.toHex(key), forged)
      assert.deepStrictEqual(vaultsOf(yield* read(first)), ["docs"])
      assert.deepStrictEqual(vaultsOf(yield* first.on(Identity.update((now) => now))), ["docs"])
    })
  )

  it.effect("goes on at a new first place that has nothing yet, from what the others have", () =>
    Effect.gen(function* () {
      const { all, first, keys } = yield* person(1)
      yield* first.on(Identity.update(IdentityChanges.addVault("docs", vault(1))))
      const fresh = yield* place("fresh")
      const moved = yield* device([fresh, ...all])
      yield* first.on(Identity.update(IdentityChanges.addDevice("moved", IdentityChanges.keysOf(moved.keys))))
      yield* moved.keyring.createIdentity(keys)
      yield* moved.on(Identity.update(IdentityChanges.addVault("more", vault(2))))
      assert.deepStrictEqual(yield* moved.on(IdentityCopies.spread()), [])
      const alone = yield* device([fresh])
      yield* moved.on(Identity.update(IdentityChanges.addDevice("alone", IdentityChanges.keysOf(alone.keys))))
      yield* alone.keyring.createIdentity(keys)
      assert.deepStrictEqual(vaultsOf(yield* read(alone)), ["docs", "more"])
    })
  )

  it.effect("a blob that its place has lost is read from another", () =>
    Effect.gen(function* () {
      const { all, first, keys } = yield* person(1)
      const key = IdentityReading.streamKey(primitives, keys.warm, "identitySecrets")
      const [entry] = yield* all[0].place.registry.entries(key)
      yield* all[0].place.blobs.remove(entry!.hash)
      assert.strictEqual((yield* read(first))!.devices.size, 1)
    })
  )
})

describe("its copies", () => {
  it.effect("follow at every place: pointer, secrets, vaults and the bundle that anybody may read", () =>
    Effect.gen(function* () {
      const { all, devices, first, keys } = yield* person(2)
      all[0].faults.isAway = true
      const second = all[1]!.place
      const bundleKey = IdentityReading.streamKey(primitives, keys.warm, "identityVault")
      const [entry] = yield* second.registry.entries(bundleKey)
      const bundle = right(IdentityBundle.decode(yield* second.blobs.get(entry!.hash)))
      assert.strictEqual(bundle.revision, entry!.revision)
      assert.deepStrictEqual(
        bundle.signers.map(Bytes.toHex),
        devices.map(({ keys: { publicKey } }) => Bytes.toHex(publicKey))
      )
      const pointer = yield* first.on(IdentityCopies.pointerAt(second, keys.recovery.did))
      assert.deepStrictEqual(pointer!.hash, keys.pointer.hash)
      assert.strictEqual((yield* first.on(Identity.read({ isOffline: true })))!.devices.size, 2)
    })
  )

  it.effect("follow though one place has lost the bundle that another has", () =>
    Effect.gen(function* () {
      const { all, first, keys } = yield* person(1)
      const { blobs, registry } = all[0].place
      const [entry] = yield* registry.entries(IdentityReading.streamKey(primitives, keys.warm, "identityVault"))
      yield* blobs.remove(entry!.hash)
      const other = yield* device(all)
      yield* first.on(Identity.update(IdentityChanges.addDevice("other", IdentityChanges.keysOf(other.keys))))
      assert.deepStrictEqual(yield* first.on(IdentityCopies.spread()), [])
    })
  )

  it.effect("are not owed to a place that can keep no entries, and nothing is brought to it", () =>
    Effect.gen(function* () {
      const bucket = yield* place("bucket")
      const isUnsupported = { now: true, asked: 0 }
      const { registry } = bucket.place
      const set: typeof registry.set = (entry, over) =>
        Effect.suspend(() => {
          isUnsupported.asked += 1
          return isUnsupported.now
            ? new Registry.RegistryError({
                reason: "Unsupported",
                registry: "bucket",
                key: "any",
                detail: "ignores it"
              })
            : registry.set(entry, over)
        })
      const all = [
        yield* place("first"),
        { ...bucket, place: { ...bucket.place, registry: { ...registry, set } } }
      ] as const
      const one = yield* device(all)
      const { phrase } = yield* one.on(Recovery.draw())
      yield* one.keyring.createIdentity(yield* one.on(Recovery.found(phrase)))
      yield* one.on(Identity.update(IdentityChanges.addDevice("laptop", IdentityChanges.keysOf(one.keys))))
      assert.deepStrictEqual(yield* one.on(IdentityCopies.spread()), [])
      assert.deepStrictEqual(yield* one.on(IdentityCopies.behind()), [])
      assert.strictEqual(bucket.entries.size, 0)
      assert.strictEqual(yield* Stream.runCount(bucket.objects.list("")), 0)
      const before = isUnsupported.asked
      yield* one.on(IdentityCopies.spread())
      assert.strictEqual(isUnsupported.asked, before)
      // whoever mends the bucket finds it in use after the next change
      isUnsupported.now = false
      yield* one.on(Identity.update(IdentityChanges.addVault("docs", vault(7))))
      assert.deepStrictEqual(yield* one.on(IdentityCopies.spread()), [])
      assert.isAbove(bucket.entries.size, 0)
    })
  )

  it.effect("are owed to a place that was away, and named until it has them", () =>
    Effect.gen(function* () {
      const { all, first } = yield* person(1)
      assert.deepStrictEqual(yield* first.on(IdentityCopies.behind()), [])
      all[1]!.faults.isAway = true
      yield* first.on(Identity.update(IdentityChanges.addVault("docs", vault(1))))
      const pending = yield* first.on(IdentityCopies.spread())
      assert.deepStrictEqual(
        pending.map(({ place }) => place),
        ["second"]
      )
      assert.deepStrictEqual(yield* first.on(IdentityCopies.behind()), ["second"])
      all[1]!.faults.isAway = false
      assert.deepStrictEqual(yield* first.on(IdentityCopies.spread()), [])
      assert.deepStrictEqual(yield* first.on(IdentityCopies.behind()), [])
    })
  )
})
