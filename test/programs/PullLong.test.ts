/** Devices that were away for long, or came back from an old copy of themselves. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Pull from "../../src/programs/Pull.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import {
  again,
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

const fact = <E>(name: string, count: number, run: (...all: ReadonlyArray<Device>) => Effect.Effect<void, E>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      yield* later
      yield* run(...(yield* devices(count)))
    })
  )

const ids = (device: Device) =>
  Effect.gen(function* () {
    const infos = yield* Snapshots.all(device.vault, yield* headOf(device)).pipe(as(device))
    return infos.map(({ id }) => Hash.toHex(id))
  })

describe("a device that slept while another published hundreds of snapshots", () => {
  fact("finds what both come from, keeps deletions of both, and lists every snapshot", 2, (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { f: "f", g: "g", h: "h" })
      yield* pull(b!, a!)
      const names = new Set<string>()
      yield* change(b!, { n: "new", f: undefined })
      for (const id of yield* again(b!, Snapshots.inlineHistory + 6)) names.add(id)
      yield* change(a!, { g: undefined, mine: "of a" })
      const result = yield* pull(a!, b!)
      assert.strictEqual(result.baseless.length, 0)
      yield* pull(b!, a!)
      for (const each of [a!, b!]) {
        assert.deepStrictEqual(Object.fromEntries(yield* files(each)), {
          h: "h",
          mine: "of a",
          n: "new"
        })
        assert.strictEqual(yield* lacking(each), 0)
        const listed = new Set(yield* ids(each))
        assert.deepStrictEqual(
          [...names].filter((name) => !listed.has(name)),
          []
        )
      }
    })
  )
})

describe("a device that was put back from an old copy of its disk", () => {
  fact("takes in what it published since, from where the others read it, and goes on above it", 2, (a, b) =>
    Effect.gen(function* () {
      yield* change(a!, { f: "1", g: "1" })
      yield* pull(b!, a!)
      const entries = new Map(a!.world.entries)
      yield* change(a!, { f: "2", g: undefined })
      yield* change(a!, { h: "3" })
      // what others read is a copy of its head beside its blobs
      const elsewhere = yield* load(a!, a!)
      yield* pull(b!, a!)
      for (const [key, bytes] of entries) a!.world.entries.set(key, bytes)
      assert.strictEqual((yield* headOf(a!)).entry.revision, 1n)

      yield* change(a!, { i: "after it was put back" })
      assert.strictEqual((yield* headOf(a!)).entry.revision, 2n)
      const result = yield* patiently(Pull.pull(a!.vault, [elsewhere, yield* load(a!, b!)])).pipe(as(a!))
      // above the revision that others have seen of it
      assert.strictEqual(result.head?.revision, 4n)
      yield* pull(b!, a!)
      for (const each of [a!, b!])
        assert.deepStrictEqual(Object.fromEntries(yield* files(each)), {
          f: "2",
          h: "3",
          i: "after it was put back"
        })
      assert.strictEqual(yield* rootOf(a!), yield* rootOf(b!))
      assert.deepStrictEqual(yield* everything(b!), new Set(["1", "2", "3", "after it was put back"]))
    })
  )
})

describe("a device whose clock is years ahead", () => {
  fact("does not push another's snapshots out of its history, nor change their order", 2, (a, b) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      yield* change(a!, { f: "1" })
      const own = Hash.toHex((yield* headOf(a!)).hash)
      yield* TestClock.setTime(now + 10 * 365 * 24 * 3600 * 1000)
      for (let number = 0; number < 3; number++) yield* change(b!, { n: `${number}` })
      yield* TestClock.setTime(now + 1000)
      yield* pull(a!, b!)
      const head = yield* headOf(a!)
      assert.strictEqual(Hash.toHex(TransparentNode.chronological(head.node.history).at(-1)!.hash), own)
      assert.strictEqual((yield* ids(a!)).at(-2), own)
    })
  )
})
