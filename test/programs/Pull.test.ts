import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TestContext from "effect/TestContext"
import * as Pull from "../../src/programs/Pull.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import { BlobStoreError } from "../../src/services/BlobStore.ts"
import { RegistryError } from "../../src/services/Registry.ts"
import {
  as,
  change,
  type Device,
  devices,
  everything,
  files,
  headOf,
  lacking,
  load,
  pull,
  rootOf
} from "../support/devices.ts"
import { later, patiently } from "../support/programs.ts"

const fact = <E>(name: string, run: (...all: ReadonlyArray<Device>) => Effect.Effect<void, E>, count = 3) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      yield* later
      yield* run(...(yield* devices(count)))
    })
  )

const away = new BlobStoreError({ reason: "Unavailable", store: "relay", blob: "", detail: "offline" })

const record = (map: ReadonlyMap<string, string>) => Object.fromEntries(map)

describe("a pull", () => {
  fact("takes in what the other device has, and names its head and its earlier snapshots", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "of a" })
      yield* change(b!, { y: "of b" })
      yield* change(b!, { y: "of b, changed", z: "more" })
      const theirs = yield* headOf(b!)
      const result = yield* pull(a!, b!)
      assert.strictEqual(result.outcome, "published")
      assert.deepStrictEqual(result.merged, [theirs.hash])
      assert.deepStrictEqual(record(yield* files(a!)), { x: "of a", y: "of b, changed", z: "more" })
      const own = yield* headOf(a!)
      assert.strictEqual(own.entry.revision, 2n)
      const keys = own.node.history.map(({ key }) => key)
      assert.strictEqual(new Set(keys).size, 3)
      for (const key of keys) assert.match(key, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/)
      // the device's own head is the one before it
      assert.deepStrictEqual(TransparentNode.chronological(own.node.history).at(-2)?.hash, theirs.hash)
      assert.deepStrictEqual(yield* everything(a!), new Set(["of a", "of b", "of b, changed", "more"]))
      assert.strictEqual(yield* lacking(a!), 0)
      // the other device was only read
      assert.deepStrictEqual((yield* headOf(b!)).hash, theirs.hash)
    })
  )

  fact("of what was pulled before, or of nothing, publishes nothing", (a, b, c) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1" })
      assert.deepStrictEqual((yield* pull(a!, b!, c!)).outcome, "unchanged")
      yield* change(b!, { y: "2" })
      const first = yield* pull(a!, b!)
      const again = yield* pull(a!, b!)
      assert.strictEqual(again.outcome, "unchanged")
      assert.deepStrictEqual(again.head, first.head)
      assert.deepStrictEqual([again.carried.blobs, again.merged.length], [0, 0])
      // and what came to b from a goes back to a without a new snapshot
      yield* pull(b!, a!)
      assert.strictEqual((yield* pull(a!, b!)).outcome, "unchanged")
      assert.strictEqual((yield* pull(b!, a!)).outcome, "unchanged")
      assert.isUndefined((yield* pull(c!)).head)
    })
  )

  fact("on a device that has published nothing begins with the others' trees", (a, b, c) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1" })
      yield* change(b!, { y: "2" })
      const result = yield* pull(c!, a!, b!)
      assert.strictEqual(result.head?.revision, 1n)
      assert.deepStrictEqual(record(yield* files(c!)), { x: "1", y: "2" })
      assert.strictEqual((yield* headOf(c!)).node.history.length, 2)
      assert.strictEqual(yield* lacking(c!), 0)
    })
  )

  fact("keeps a deletion, whoever pulls first, and a change against a deletion", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { gone: "1", kept: "2", both: "3" })
      yield* pull(b!, a!)
      yield* change(a!, { gone: undefined, both: undefined })
      yield* change(b!, { both: "changed" })
      yield* pull(a!, b!)
      yield* pull(b!, a!)
      assert.deepStrictEqual(record(yield* files(a!)), { both: "changed", kept: "2" })
      assert.strictEqual(yield* rootOf(a!), yield* rootOf(b!))
    })
  )

  fact("of two devices that had the same before they met: a deletion after it holds", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1", y: "2" })
      yield* change(b!, { x: "1", y: "2" })
      assert.strictEqual((yield* pull(b!, a!)).outcome, "published")
      assert.strictEqual((yield* pull(a!, b!)).outcome, "unchanged")
      yield* change(a!, { y: undefined })
      yield* pull(b!, a!)
      assert.deepStrictEqual(record(yield* files(b!)), { x: "1" })
    })
  )

  fact("of both at once crosses, and the next deletion still holds", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { f: "1" })
      yield* pull(b!, a!)
      yield* change(a!, { f: "2", g: "a" }, 200)
      yield* change(b!, { f: "3", h: "b" }, 100)
      const [ofA, ofB] = [yield* load(a!, b!), yield* load(b!, a!)]
      const first = yield* patiently(Pull.pull(a!.vault, [ofA])).pipe(as(a!))
      const second = yield* patiently(Pull.pull(b!.vault, [ofB])).pipe(as(b!))
      assert.strictEqual(first.conflicts.length, 1)
      assert.strictEqual(second.conflicts.length, 1)
      assert.strictEqual(yield* rootOf(a!), yield* rootOf(b!))
      // equal trees over one common past: there is nothing to publish
      assert.strictEqual((yield* pull(a!, b!)).outcome, "unchanged")
      yield* change(a!, { g: undefined })
      yield* change(b!, { i: "new" })
      yield* pull(a!, b!)
      yield* pull(b!, a!)
      assert.strictEqual(yield* rootOf(a!), yield* rootOf(b!))
      const held = yield* files(a!)
      assert.strictEqual(held.get("f"), "2")
      assert.isFalse(held.has("g"))
      assert.deepStrictEqual([...held.values()].sort(), ["2", "3", "b", "new"])
    })
  )

  fact("whose base cannot be read deletes nothing, and says so", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { f: "1", g: "2" })
      const base = yield* headOf(a!)
      yield* pull(b!, a!)
      yield* change(a!, { f: undefined })
      yield* change(b!, { h: "3" })
      yield* a!.world.lose(base.hash)
      yield* b!.world.lose(base.hash)
      const result = yield* pull(b!, a!)
      assert.strictEqual(result.baseless.length, 1)
      assert.deepStrictEqual(record(yield* files(b!)), { f: "1", g: "2", h: "3" })
    })
  )

  fact("from a device whose store goes away in the middle publishes nothing, and goes on later", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1" })
      yield* change(b!, Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, `${i}`])))
      const loaded = yield* load(a!, b!)
      let left = 12
      b!.world.faults.get = Effect.suspend(() => (left-- > 0 ? Effect.void : away))
      const error = yield* Effect.flip(patiently(Pull.pull(a!.vault, [loaded])).pipe(as(a!)))
      assert.strictEqual(error._tag, "BlobStoreError")
      assert.deepStrictEqual(record(yield* files(a!)), { x: "1" })
      b!.world.faults.get = Effect.void
      const result = yield* pull(a!, b!)
      assert.strictEqual(result.outcome, "published")
      assert.isBelow(result.carried.blobs, 43)
      assert.strictEqual((yield* files(a!)).size, 41)
      assert.strictEqual(yield* lacking(a!), 0)
    })
  )

  fact("brings everything before the head moves", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1" })
      yield* change(b!, { y: "2" })
      yield* change(b!, { y: "3" })
      let missing = -1
      a!.world.faults.set = (entry, over, inner) =>
        Effect.gen(function* () {
          const outcome = yield* inner(entry, over)
          missing = yield* Effect.orDie(lacking(a!))
          return outcome
        })
      yield* pull(a!, b!)
      assert.strictEqual(missing, 0)
    })
  )

  fact("that another writer of this device overtakes takes in both", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1" })
      yield* change(b!, { y: "2" })
      let isFirst = true
      a!.world.faults.set = (entry, over, inner) => {
        if (!isFirst) return inner(entry, over)
        isFirst = false
        return Effect.zipRight(Effect.orDie(change(a!, { z: "meanwhile" })), inner(entry, over))
      }
      yield* pull(a!, b!)
      assert.deepStrictEqual(record(yield* files(a!)), { x: "1", y: "2", z: "meanwhile" })
    })
  )

  fact("whose answer was lost is one publication", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1" })
      yield* change(b!, { y: "2" })
      let isFirst = true
      a!.world.faults.set = (entry, over, inner) => {
        if (!isFirst) return inner(entry, over)
        isFirst = false
        return Effect.zipRight(
          inner(entry, over),
          Effect.fail(
            new RegistryError({ reason: "Unavailable", registry: "memory", key: "", detail: "the answer was lost" })
          )
        )
      }
      const result = yield* pull(a!, b!)
      assert.strictEqual(result.head?.revision, 2n)
      assert.deepStrictEqual(record(yield* files(a!)), { x: "1", y: "2" })
    })
  )

  fact("counts a blob that nobody has any more, and goes on", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1" })
      yield* change(b!, { y: "2", z: "3" })
      const head = yield* headOf(b!)
      const entry = yield* Vault.snapshot(b!.vault, head.root).get("y")
      yield* b!.world.lose(entry!.content!.hash)
      const result = yield* pull(a!, b!)
      assert.deepStrictEqual(result.carried.missing, [entry!.content!.hash])
      assert.strictEqual(yield* lacking(a!), 1)
    })
  )
})

describe("devices that pull", () => {
  const count = 3
  const step = FastCheck.record({
    kind: FastCheck.constantFrom("add", "add", "delete", "pull", "pull", "cross", "offline"),
    at: FastCheck.nat(count - 1),
    other: FastCheck.nat(count - 1),
    which: FastCheck.nat(30)
  })

  /** A device as a plain map would be: what it ever had, and what it knows to be deleted. */
  const model = () => ({ added: new Set<string>(), deleted: new Set<string>() })
  type Model = ReturnType<typeof model>
  const learn = (mine: Model, theirs: Model) => {
    for (const each of theirs.added) mine.added.add(each)
    for (const each of theirs.deleted) mine.deleted.add(each)
  }
  const left = ({ added, deleted }: Model) => [...added].filter((each) => !deleted.has(each)).sort()

  it("end with equal trees: all that was added and not deleted, whatever was offline; nothing becomes unreachable", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(FastCheck.array(step, { maxLength: 16 }), (steps) =>
        Effect.runPromise(
          Effect.gen(function* () {
            yield* later
            const all = yield* devices(count)
            const models = all.map(model)
            let next = 0
            for (const { at, kind, other, which } of steps) {
              const [device, peer] = [all[at]!, all[other]!]
              const mine = models[at]!
              if (kind === "add") {
                const key = `k${next++}`
                yield* change(device, { [key]: key })
                mine.added.add(key)
              } else if (kind === "delete") {
                const held = [...(yield* files(device)).keys()].sort()
                const key = held[which % Math.max(1, held.length)]
                if (key === undefined) continue
                yield* change(device, { [key]: undefined })
                mine.deleted.add(key)
              } else if (kind === "offline") {
                const loaded = yield* load(device, peer)
                let reads = which
                peer.world.faults.get = Effect.suspend(() => (reads-- > 0 ? Effect.void : away))
                yield* Effect.either(patiently(Pull.pull(device.vault, [loaded])).pipe(as(device)))
                peer.world.faults.get = Effect.void
              } else if (kind === "cross") {
                const [one, two] = [yield* load(device, peer), yield* load(peer, device)]
                yield* patiently(Pull.pull(device.vault, [one])).pipe(as(device))
                yield* patiently(Pull.pull(peer.vault, [two])).pipe(as(peer))
              } else yield* pull(device, peer)
              for (const each of [device, peer]) assert.strictEqual(yield* lacking(each), 0)
            }
            const whole = model()
            for (const each of models) learn(whole, each)
            for (const at of [0, 1, 2, 0, 1, 2, 0, 1]) yield* pull(all[at]!, ...all.filter((_, index) => index !== at))
            for (const each of all) {
              assert.deepStrictEqual([...(yield* files(each)).keys()].sort(), left(whole))
              assert.strictEqual(yield* rootOf(each), yield* rootOf(all[0]!))
              assert.strictEqual(yield* lacking(each), 0)
              const others = all.filter((other) => other !== each)
              assert.strictEqual((yield* pull(each, ...others)).outcome, "unchanged")
            }
            const reachable = yield* Effect.forEach(all, everything)
            for (const each of whole.added)
              assert.isTrue(
                reachable.some((one) => one.has(each)),
                each
              )
          }).pipe(Effect.provide(TestContext.TestContext))
        )
      ),
      { numRuns: 12 }
    ))
})
