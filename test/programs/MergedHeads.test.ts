import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as TestContext from "effect/TestContext"
import * as Head from "../../src/programs/Head.ts"
import * as MergedHeads from "../../src/programs/MergedHeads.ts"
import * as Publish from "../../src/programs/Publish.ts"
import * as Pull from "../../src/programs/Pull.ts"
import * as Rekey from "../../src/programs/Rekey.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type * as Registry from "../../src/services/Registry.ts"
import { as, change, type Device, devices, files, load, pull, rootOf } from "../support/devices.ts"
import { later, patiently } from "../support/programs.ts"

/** What the device would have after a pull, with the root of it, and what it was merged without. */
const view = (device: Device, ...peers: ReadonlyArray<Device>) =>
  Effect.gen(function* () {
    const loaded = yield* Effect.forEach(peers, (peer) => load(device, peer))
    const { baseless, conflicts, snapshot } = yield* MergedHeads.view(device.vault, loaded)
    const held: Record<string, string> = {}
    for (const [key, entry] of yield* Stream.runCollect(snapshot.scan()))
      held[key] = Bytes.toUtf8(yield* snapshot.pipeline.readLeaf(entry)) ?? "(not text)"
    return { held, baseless, conflicts, root: snapshot.isEmpty ? "" : Hash.toHex(snapshot.hash) }
  }).pipe(patiently, as(device))

/** Everything that a device's store and registry hold. */
const kept = ({ world }: Device) =>
  Effect.gen(function* () {
    const blobs = yield* Stream.runCollect(world.objects.list(""))
    return { blobs: [...blobs].sort(), entries: new Map(world.entries) }
  })

const fact = <E>(name: string, run: (...all: ReadonlyArray<Device>) => Effect.Effect<void, E>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      yield* later
      yield* run(...(yield* devices(3)))
    })
  )

describe("what all devices have together", () => {
  fact("is what a pull then publishes, with conflicts and deletions, and writes nothing", (a, b, c) =>
    Effect.gen(function* () {
      yield* change(a!, { gone: "1", kept: "2", both: "3" })
      yield* pull(b!, a!)
      yield* change(a!, { gone: undefined, both: "of a" }, 200)
      yield* change(b!, { both: "of b", more: "4" }, 300)
      yield* change(c!, { third: "5" })
      const before = yield* Effect.forEach([a!, b!, c!], kept)
      const seen = yield* view(a!, b!, c!)
      assert.deepStrictEqual(yield* Effect.forEach([a!, b!, c!], kept), before)
      const [conflict] = seen.conflicts
      assert.deepStrictEqual(seen.held, {
        both: "of b",
        [conflict!.copy]: "of a",
        kept: "2",
        more: "4",
        third: "5"
      })
      const result = yield* pull(a!, b!, c!)
      assert.deepStrictEqual(result.conflicts, seen.conflicts)
      assert.deepStrictEqual(Object.fromEntries(yield* files(a!)), seen.held)
      assert.strictEqual(yield* rootOf(a!), seen.root)
      // and of what was pulled it is the same still
      assert.deepStrictEqual(yield* view(a!, b!, c!), { ...seen, conflicts: [] })
    })
  )

  fact("is what others have where this device has published nothing, and an error where nobody has", (a, b) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(view(a!, b!))
      assert.strictEqual(error._tag, "NoSuchSnapshot")
      yield* change(b!, { x: "1" })
      assert.deepStrictEqual((yield* view(a!, b!)).held, { x: "1" })
      assert.strictEqual(yield* rootOf(a!), "")
    })
  )

  fact("deletes nothing where the base cannot be read, and says so", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { f: "1", g: "2" })
      const base = yield* as(a!)(Head.newest(a!.vault))
      yield* pull(b!, a!)
      yield* change(a!, { f: undefined })
      yield* change(b!, { h: "3" })
      yield* a!.world.lose(base!.hash)
      yield* b!.world.lose(base!.hash)
      const seen = yield* view(b!, a!)
      assert.strictEqual(seen.baseless.length, 1)
      assert.deepStrictEqual(seen.held, { f: "1", g: "2", h: "3" })
    })
  )

  fact("is had over vaults with other keys, too", (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { f: "1", g: "2" })
      yield* pull(b!, a!)
      yield* patiently(Rekey.rekey(a!.vault)).pipe(as(a!))
      const anew: Device = {
        ...a!,
        vault: { ...(yield* Vault.open("docs").pipe(as(a!))), recipients: a!.vault.recipients }
      }
      yield* change(anew, { f: undefined, h: "3" })
      yield* change(b!, { i: "4" })
      const seen = yield* view(b!, anew)
      assert.deepStrictEqual(seen.held, { g: "2", h: "3", i: "4" })
      yield* pull(b!, anew)
      assert.strictEqual(yield* rootOf(b!), seen.root)
    })
  )

  fact("of writers of one device that could not see each other is what a pull makes one", (a) =>
    Effect.gen(function* () {
      yield* change(a!, { x: "1" })
      const before = yield* as(a!)(Head.current(a!.vault))
      // a registry of several places can hold entries of which none was built on the other
      yield* change(a!, { y: "2" })
      const one = new Map(a!.world.entries)
      for (const key of a!.world.entries.keys()) a!.world.entries.delete(key)
      const [first] = before.heads
      yield* as(a!)(Publish.replace(a!.vault, first!.root, { ...before, entries: [], heads: [] }))
      const entriesOf = a!.vault.registry.entries
      const other = yield* entriesOf(a!.vault.streamKey)
      for (const [key, bytes] of one) a!.world.entries.set(key, bytes)
      const mine = yield* entriesOf(a!.vault.streamKey)
      let isRival = true
      const registry = {
        ...a!.vault.registry,
        entries: (key: Parameters<typeof entriesOf>[0]) =>
          isRival ? Effect.succeed([...mine, ...other]) : entriesOf(key),
        set: (...args: Parameters<Registry.Service["set"]>) => {
          isRival = false
          return a!.vault.registry.set(args[0], mine)
        }
      }
      const split: Device = { ...a!, vault: { ...a!.vault, registry } }
      const seen = yield* view(split)
      const result = yield* patiently(Pull.pull(split.vault, [])).pipe(as(split))
      assert.strictEqual(result.outcome, "published")
      assert.strictEqual(yield* rootOf(split), seen.root)
    })
  )

  const step = FastCheck.record({
    kind: FastCheck.constantFrom("put", "put", "delete", "pull"),
    at: FastCheck.nat(2),
    other: FastCheck.nat(2),
    which: FastCheck.nat(5)
  })

  it("is what the next pull publishes, whatever happened before", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(FastCheck.array(step, { maxLength: 10 }), FastCheck.nat(2), (steps, at) =>
        Effect.runPromise(
          Effect.gen(function* () {
            yield* later
            const all = yield* devices(3)
            let number = 0
            for (const { at, kind, other, which } of [{ kind: "put", at: 0, other: 0, which: 0 }, ...steps]) {
              number += 1
              if (kind === "put") yield* change(all[at]!, { [`k${which}`]: `${number}` }, 100 + number)
              else if (kind === "delete") yield* change(all[at]!, { [`k${which}`]: undefined })
              else yield* pull(all[at]!, all[other]!)
            }
            const device = all[at]!
            const others = all.filter((one) => one !== device)
            const seen = yield* view(device, ...others)
            const result = yield* pull(device, ...others)
            assert.deepStrictEqual(result.conflicts, seen.conflicts)
            assert.strictEqual(yield* rootOf(device), seen.root)
            assert.deepStrictEqual(Object.fromEntries(yield* files(device)), seen.held)
          }).pipe(Effect.provide(TestContext.TestContext))
        )
      ),
      { numRuns: 10 }
    ))
})
