import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Rekey from "../../src/programs/Rekey.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Verify from "../../src/programs/Verify.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import { as, change, type Device, devices, files, headOf, pull, rootOf } from "../support/devices.ts"
import { backup, contents, later, latest, make, mapping, patiently } from "../support/programs.ts"

const rekey = (device: Device) =>
  Effect.gen(function* () {
    yield* patiently(Rekey.rekey(device.vault)).pipe(as(device))
    const vault = { ...(yield* Vault.open("docs").pipe(as(device))), recipients: device.vault.recipients }
    return { ...device, vault } satisfies Device
  })

/** The blobs of a snapshot's tree: those of nodes that hold names, and the others. */
const blobsOf = Effect.fnUntraced(function* (vault: Vault.Vault, published: Head.Published) {
  const [names, content] = [new Set<string>(), new Set<string>()]
  const tree = Head.tree(vault, published)
  if (published.root === undefined) return { names, content }
  yield* Stream.runForEach(TreeWalk.nodes(tree.pipeline, published.root), (item) =>
    Effect.sync(() => (item._tag === "Node" && item.path.length === 0 ? names : content).add(Hash.toHex(item.hash)))
  )
  return { names, content }
})

const big = Uint8Array.from({ length: 400_000 }, (_, index) => (index * index) >> 7)

describe("a vault with new keys", () => {
  it.effect("has every node of its tree anew, its content as it was, and every snapshot open", () =>
    Effect.gen(function* () {
      const world = yield* make({ "/one/f": "1", "/one/g": "2", "/one/big": big })
      yield* later
      yield* Effect.gen(function* () {
        const one = mapping("/one")
        yield* backup(one)
        yield* world.disk.put("/one/f", "changed")
        yield* later
        yield* backup(one)
        const before = yield* Vault.open("docs")
        const old = yield* Head.current(before)
        const was = yield* blobsOf(before, old.heads[0]!)
        const { revision } = yield* patiently(Rekey.rekey(before))
        assert.strictEqual(revision, 3n)

        const vault = yield* Vault.open("docs")
        assert.notStrictEqual(vault.context.leaf?.encryption?.slot, before.context.leaf?.encryption?.slot)
        assert.notStrictEqual(vault.context.node?.encryption?.slot, before.context.node?.encryption?.slot)
        for (const [slot, key] of before.context.keys ?? [])
          assert.deepStrictEqual(vault.context.keys?.get(slot), key, "the old keys stay")
        const head = (yield* Head.current(vault)).heads[0]!
        const now = yield* blobsOf(vault, head)
        assert.deepStrictEqual(
          [...now.names].filter((name) => was.names.has(name)),
          []
        )
        assert.deepStrictEqual(now.content, was.content)
        assert.strictEqual((yield* Snapshots.all(vault, head)).length, 3)
        // whoever has the old keys alone cannot read the new tree
        const reading = yield* Effect.either(Stream.runDrain(Vault.snapshot(before, head.root).scan()))
        assert.strictEqual(reading._tag, "Left")
        assert.deepInclude(yield* Verify.verify(vault), { damaged: 0, snapshots: 3 })
        assert.deepInclude(yield* contents(old.heads[0]!), { "one/f": "changed" })

        // the next backup starts from what was acknowledged before: it reads only what changed, and deletes what is gone
        yield* later
        yield* world.disk.put("/one/new", "new")
        yield* world.disk.remove("/one/g")
        const next = yield* backup(one)
        assert.isAtMost(next.scan.readFiles, 1)
        const held = yield* latest
        assert.deepStrictEqual(Object.keys(held).sort(), ["one/", "one/big", "one/f", "one/new"])
        assert.deepInclude(yield* Verify.verify(vault), { damaged: 0, snapshots: 4 })
      }).pipe(Effect.provide(world.layer))
    })
  )

  it.effect("may be given them again after an interruption, and no source's work is lost", () =>
    Effect.gen(function* () {
      const world = yield* make({ "/one/f": "1", "/one/g": "2" })
      yield* later
      yield* Effect.gen(function* () {
        const one = mapping("/one")
        yield* backup(one)
        yield* later
        const cut = new VaultState.VaultStateError({
          reason: "Unavailable",
          vault: "docs",
          record: "r",
          detail: "cut off"
        })
        world.faults.saveRecord = () => Effect.fail(cut)
        assert.strictEqual((yield* Effect.either(Rekey.rekey(yield* Vault.open("docs"))))._tag, "Left")
        world.faults.saveRecord = (inner) => inner
        yield* patiently(Rekey.rekey(yield* Vault.open("docs")))
        yield* world.disk.put("/one/new", "new")
        yield* later
        yield* backup(one)
        assert.deepInclude(yield* latest, { "one/f": "1", "one/g": "2", "one/new": "new" })
        assert.deepInclude(yield* Verify.verify(yield* Vault.open("docs")), { damaged: 0 })
        // and the next one deletes again
        yield* world.disk.remove("/one/g")
        yield* later
        yield* backup(one)
        assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "one/new": "new" })
      }).pipe(Effect.provide(world.layer))
    })
  )

  it.effect("goes on with devices that have the old keys, and these take the new ones over", () =>
    Effect.gen(function* () {
      yield* later
      const [a, b] = yield* devices(2)
      yield* change(a!, { f: "1", g: "2" })
      yield* pull(b!, a!)
      const anew = yield* rekey(a!)
      yield* change(anew, { f: undefined, h: "3" })
      yield* change(b!, { g: undefined, i: "4" })
      yield* pull(b!, anew)
      yield* pull(anew, b!)
      for (const each of [anew, b!]) assert.deepStrictEqual(Object.fromEntries(yield* files(each)), { h: "3", i: "4" })
      const keys = Rekey.successor(b!.vault.context, [yield* headOf(anew)])
      assert.deepStrictEqual(keys, anew.vault.context)
      assert.isUndefined(Rekey.successor(anew.vault.context, [yield* headOf(b!)]))
      yield* patiently(Rekey.rekey(b!.vault, keys)).pipe(as(b!))
      const same: Device = {
        ...b!,
        vault: { ...(yield* Vault.open("docs").pipe(as(b!))), recipients: b!.vault.recipients }
      }
      assert.deepStrictEqual(same.vault.context, anew.vault.context)
      yield* pull(anew, same)
      yield* pull(same, anew)
      assert.deepStrictEqual(Object.fromEntries(yield* files(same)), { h: "3", i: "4" })
      assert.strictEqual(yield* rootOf(same), yield* rootOf(anew))
    })
  )

  it.effect("takes the last slots that are left, and is told so when there are none", () =>
    Effect.gen(function* () {
      yield* later
      const [a] = yield* devices(1)
      yield* change(a!, { f: "1" })
      /** The device, with all slots taken but those. */
      const leaving = (...left: ReadonlyArray<number>): Device => {
        const taken = Array.from({ length: 224 }, (_, index) => 0x20 + index).filter((slot) => !left.includes(slot))
        const more = taken.map((slot) => [slot, new Uint8Array(32).fill(slot)] as const)
        const context = { ...a!.vault.context, keys: new Map([...(a!.vault.context.keys ?? []), ...more]) }
        return { ...a!, vault: { ...a!.vault, context } }
      }
      const before = [yield* a!.world.state.keys("docs"), yield* headOf(a!)]
      for (const left of [[], [0x77]]) {
        const { vault } = leaving(...left)
        const error = yield* Effect.flip(patiently(Rekey.rekey(vault)).pipe(as(a!)))
        assert.strictEqual(error._tag, "NoKeySlot")
        assert.match(error.message, /^vault docs: its 224 key slots are taken, .*`cairn backup FOLDER NEW:`/)
        assert.deepStrictEqual([yield* a!.world.state.keys("docs"), yield* headOf(a!)], before)
      }
      const { vault } = yield* rekey(leaving(0x20, 0xff))
      const slots = [vault.context.leaf, vault.context.node].map((pipeline) => pipeline?.encryption?.slot)
      assert.deepStrictEqual(
        slots.sort((x = 0, y = 0) => x - y),
        [0x20, 0xff]
      )
      assert.deepStrictEqual(Object.fromEntries(yield* files({ ...a!, vault })), { f: "1" })
    })
  )
})
