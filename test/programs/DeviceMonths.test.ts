/** Three devices over two months, with all that goes wrong in that time, against plain maps. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ConflictName from "../../src/fs5/ConflictName.ts"
import * as Devices from "../../src/programs/Devices.ts"
import * as Dice from "../simulation/Dice.ts"
import { type Actor, isOwnedBy, live, type Months } from "../support/months.ts"

/** The days on which things happen, and those on which one of the devices sleeps. */
const busy = [0, 1, 2, 3, 4, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32, 35, 38, 39, 40, 41]
const asleep = { from: 6, until: 38 }

const simulate = (seed: number) =>
  Effect.fnUntraced(function* (months: Months) {
    const plan = Dice.make(seed)
    const isRemoved = plan.chance(0.5)
    const isLaptop = plan.chance(0.5)
    const withDisk = plan.chance(0.5)
    const [imageOn, putBackOn] = [plan.pick([5, 8, 11]), plan.pick([17, 20, 26, 39])]
    const tower = yield* months.first("tower")
    const laptop = yield* months.join(tower, "laptop")
    const tablet = yield* months.join(tower, "tablet")
    const all = [tower, laptop, tablet]
    const putBack = isLaptop ? laptop : tower
    let phone: Actor | undefined
    if (isRemoved) {
      phone = yield* months.join(tower, "phone")
      yield* months.edit(phone, Dice.make(seed, 99))
      assert.isTrue(yield* months.save(phone))
    }
    let restore: Effect.Effect<void> = Effect.void
    let today = 0
    const problems: Array<string> = []

    for (const day of busy) {
      yield* months.pass(`${day - today} days`)
      today = day
      if (day === imageOn) restore = Effect.orDie(yield* months.image(putBack, withDisk))
      if (day === putBackOn) yield* restore
      if (day === 20 && phone !== undefined)
        problems.push(...(yield* tower.device.on(Devices.remove("phone"))).problems)
      for (const [index, one] of all.entries()) {
        const dice = Dice.make(seed, day, index)
        if (one === tablet && day >= asleep.from && day < asleep.until) continue
        yield* months.edit(one, dice)
        if (dice.chance(0.8)) yield* months.save(one, dice)
        if (!dice.chance(0.6)) continue
        const result = yield* months.pull(one, dice)
        if (result === undefined || result.baseless.length + result.carried.missing.length === 0) continue
        problems.push(`${one.name} on day ${day}: ${result.baseless.length} without base`)
      }
    }
    assert.deepStrictEqual(problems, [])

    // a last day with everything in reach
    for (const one of all) assert.isTrue(yield* months.save(one), `the last backup of ${one.name}`)
    for (const one of [...all, ...all]) assert.isDefined(yield* months.pull(one), `a last pull of ${one.name}`)

    const [held = {}, ...others] = yield* Effect.forEach(all, months.files)
    for (const other of others) assert.deepStrictEqual(other, held)
    const everybody = [...all, ...(phone === undefined ? [] : [phone])]
    for (const one of everybody) {
      const own = Object.entries(held).filter(([key]) => isOwnedBy(one.name, key))
      const isCopy = ([key]: readonly [string, string]) => ConflictName.looksLikeOne(key)
      assert.deepStrictEqual(
        Object.fromEntries(own.filter((file) => !isCopy(file))),
        Object.fromEntries(one.line),
        `files of ${one.name}`
      )
      // nobody else writes them: only what was published before and after a device was put back can collide
      if (one !== putBack) assert.deepStrictEqual(own.filter(isCopy), [])
    }
    const said = everybody.flatMap((one) => one.said)
    assert.isAbove(said.length, 20)
    const found = yield* months.everything(tablet)
    assert.deepStrictEqual(
      said.filter((text) => !found.has(text)),
      [],
      "acknowledged, and in no snapshot"
    )
  })

const only = process.env.CAIRN_TEST_SEED
const count = process.env.CAIRN_TEST_LONG === "1" ? 24 : 1
const seeds = only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : only.split(",").map(Number)

describe("devices over two months, one asleep, one put back, the place away half of the time", () => {
  for (const seed of seeds)
    it.live(`converge to what plain maps say, and lose nothing (seed ${seed})`, () => live(seed, simulate(seed)))
})

describe("a device that was put back", () => {
  it.live("takes in what it had published, though it has published more often since", () =>
    live(
      1,
      Effect.fnUntraced(function* (months) {
        const one = yield* months.first("tower")
        const restore = yield* months.image(one, false)
        yield* months.write(one, "tower-1", "00001 of tower")
        assert.isTrue(yield* months.save(one))
        yield* restore
        for (const text of ["00002", "00003", "00004"]) {
          yield* months.write(one, "tower-2", text)
          assert.isTrue(yield* months.save(one))
        }
        assert.isDefined(yield* months.pull(one))
        assert.isUndefined(one.rival)
        assert.deepStrictEqual(yield* months.files(one), {
          "all-0": "00000 of nobody",
          "tower-0": "00000 of tower",
          "tower-1": "00001 of tower",
          "tower-2": "00004"
        })
      })
    )
  )
})
