import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ObjectStoreError } from "../../src/services/ObjectStore.ts"
import { automation, cron, day, every, hour, Machine, minute } from "../support/automations.ts"

const failure = (tag: string) => Effect.fail({ _tag: tag, message: `it was ${tag}` })

describe("an interval", () => {
  it("runs for the first time after one interval, and then one interval after each end", () => {
    const machine = new Machine("2026-03-01T10:00:00Z")
    machine.work = () => Effect.as(Effect.sleep("10 minutes"), {})
    machine.boot([automation("docs", every(hour))])
    machine.until("2026-03-01T14:00:00Z")
    assert.deepStrictEqual(machine.times(), [
      "2026-03-01T11:00:00.000Z",
      "2026-03-01T12:10:00.000Z",
      "2026-03-01T13:20:00.000Z"
    ])
  })

  it("of an hour makes 24 runs a day for ten days", () => {
    const machine = new Machine("2026-03-25T00:00:00Z")
    machine.boot([automation("docs", every(hour))])
    machine.pass(10 * day)
    assert.strictEqual(machine.runs.length, 240)
  })

  it("longer than timers can sleep still comes", () => {
    const machine = new Machine("2026-01-01T00:00:00Z")
    machine.boot([automation("docs", every(40 * day))])
    machine.until("2026-03-23T00:00:00Z")
    assert.deepStrictEqual(machine.times(), ["2026-02-10T00:00:00.000Z", "2026-03-22T00:00:00.000Z"])
    assert.isTrue(
      Effect.runSync(Effect.sync(() => machine.world.due.every((at) => at - machine.world.now <= 60_000_000)))
    )
  })

  it("does not begin anew with a restart, and what was missed while nothing ran is one run", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    const docs = automation("docs", every(4 * hour))
    machine.boot([docs])
    machine.until("2026-03-01T05:00:00Z")
    machine.stop()
    machine.until("2026-03-01T06:00:00Z")
    machine.boot([docs])
    machine.until("2026-03-01T09:00:00Z")
    assert.deepStrictEqual(machine.times(), ["2026-03-01T04:00:00.000Z", "2026-03-01T08:00:00.000Z"])
    machine.kill()
    machine.pass(2 * day)
    machine.boot([docs])
    machine.pass(5 * hour)
    assert.deepStrictEqual(machine.times(), ["2026-03-03T09:00:00.000Z", "2026-03-03T13:00:00.000Z"])
  })

  it("runs once when the machine wakes after a month, and goes on from there", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.boot([automation("docs", every(hour))])
    machine.until("2026-03-01T01:30:00Z")
    machine.jump(31 * day)
    machine.pass(2 * hour)
    const [before, woken, next, ...rest] = machine.times()
    assert.strictEqual(before, "2026-03-01T01:00:00.000Z")
    // within a minute of waking
    assert.isTrue(woken !== undefined && woken >= "2026-04-01T01:30" && woken <= "2026-04-01T01:31:00.000Z", woken)
    assert.strictEqual(Date.parse(next ?? "") - Date.parse(woken ?? ""), hour)
    assert.deepStrictEqual(rest, [])
  })

  it("begins anew when the clock is put back, so that it neither runs twice nor waits for the clock to catch up", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.boot([automation("docs", every(hour))])
    machine.until("2026-03-01T01:10:00Z")
    machine.jump(-3 * day)
    machine.pass(50 * minute)
    assert.deepStrictEqual(machine.times(), ["2026-03-01T01:00:00.000Z"])
    machine.pass(15 * minute)
    assert.strictEqual(machine.runs.length, 1)
  })

  it("without catching up leaves out what was missed", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.boot([automation("docs", every(hour, { catchUp: false }))])
    machine.until("2026-03-01T01:30:00Z")
    machine.jump(day)
    machine.pass(40 * minute)
    assert.strictEqual(machine.times().length, 1)
    machine.pass(30 * minute)
    assert.strictEqual(machine.runs.length, 1)
  })

  it("with jitter comes up to that much later, not always alike, and never earlier", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.boot([automation("docs", every(hour, { jitterMillis: 10 * minute }))])
    machine.pass(10 * day)
    const times = machine.times().map((time) => Date.parse(time))
    const gaps = times.slice(1).map((time, index) => time - times[index]!)
    assert.isTrue(gaps.every((gap) => gap >= hour && gap <= hour + 10 * minute))
    assert.isAbove(new Set(gaps).size, 50)
  })
})

describe("a set time", () => {
  const nightly = (zone: string, clock = "30 2 * * *") => automation("docs", cron(clock, zone))

  it("that is skipped in spring runs once that night (Europe/Berlin)", () => {
    const machine = new Machine("2026-03-27T12:00:00Z")
    machine.boot([nightly("Europe/Berlin")])
    machine.until("2026-03-31T12:00:00Z")
    assert.deepStrictEqual(machine.times(), [
      "2026-03-28T01:30:00.000Z",
      "2026-03-29T01:30:00.000Z",
      "2026-03-30T00:30:00.000Z",
      "2026-03-31T00:30:00.000Z"
    ])
  })

  it("that comes twice in autumn runs once that night (Europe/Berlin)", () => {
    const machine = new Machine("2026-10-23T12:00:00Z")
    machine.boot([nightly("Europe/Berlin")])
    machine.until("2026-10-27T12:00:00Z")
    assert.deepStrictEqual(machine.times(), [
      "2026-10-24T00:30:00.000Z",
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
      "2026-10-27T01:30:00.000Z"
    ])
  })

  it("runs once in either night of New York's changes, which are on other days", () => {
    const spring = new Machine("2026-03-07T00:00:00Z")
    spring.boot([nightly("America/New_York")])
    spring.until("2026-03-10T00:00:00Z")
    assert.deepStrictEqual(spring.times(), [
      "2026-03-07T07:30:00.000Z",
      "2026-03-08T07:30:00.000Z",
      "2026-03-09T06:30:00.000Z"
    ])
    const autumn = new Machine("2026-10-31T00:00:00Z")
    autumn.boot([nightly("America/New_York", "30 1 * * *")])
    autumn.until("2026-11-03T00:00:00Z")
    assert.deepStrictEqual(autumn.times(), [
      "2026-10-31T05:30:00.000Z",
      "2026-11-01T05:30:00.000Z",
      "2026-11-02T06:30:00.000Z"
    ])
  })

  it("is kept by a process that starts within the hour that comes twice", () => {
    const machine = new Machine("2026-10-24T12:00:00Z")
    const docs = nightly("Europe/Berlin")
    machine.boot([docs])
    machine.until("2026-10-25T01:10:00Z")
    machine.kill()
    machine.boot([docs])
    machine.until("2026-10-25T23:00:00Z")
    assert.deepStrictEqual(machine.times(), ["2026-10-25T00:30:00.000Z"])
  })

  it("missed for a month, asleep or not running, is one run", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    const docs = nightly("Europe/Berlin")
    machine.boot([docs])
    machine.until("2026-03-02T12:00:00Z")
    assert.strictEqual(machine.times().length, 2)
    machine.jump(30 * day)
    machine.pass(10 * minute)
    assert.strictEqual(machine.times().length, 1)
    machine.until("2026-04-02T00:00:00Z")
    assert.deepStrictEqual(machine.times(), [])
    machine.kill()
    machine.pass(30 * day)
    machine.boot([docs])
    machine.pass(10 * minute)
    assert.deepStrictEqual(machine.times(), ["2026-05-02T00:00:00.000Z"])
    machine.until("2026-05-03T00:31:00Z")
    assert.deepStrictEqual(machine.times(), ["2026-05-02T00:30:00.000Z", "2026-05-03T00:30:00.000Z"])
  })

  it("is not served twice when the clock is put back over it", () => {
    const machine = new Machine("2026-06-01T00:00:00Z")
    machine.boot([nightly("UTC")])
    machine.until("2026-06-01T03:00:00Z")
    machine.jump(-hour)
    machine.until("2026-06-02T02:29:00Z")
    assert.deepStrictEqual(machine.times(), ["2026-06-01T02:30:00.000Z"])
    machine.pass(2 * minute)
    assert.strictEqual(machine.runs.length, 1)
  })

  it("served by a clock that was years ahead comes again once the clock is right", () => {
    const machine = new Machine("2031-06-01T00:00:00Z")
    machine.boot([nightly("UTC")])
    machine.until("2031-06-01T03:00:00Z")
    assert.strictEqual(machine.times().length, 1)
    machine.jump(-5 * 365 * day)
    machine.pass(2 * day)
    assert.strictEqual(machine.times().length, 2)
  })

  it("is not made up for when its schedule was another one before", () => {
    const machine = new Machine("2026-06-01T00:00:00Z")
    machine.boot([nightly("UTC", "0 23 * * *")])
    machine.until("2026-06-02T12:00:00Z")
    assert.strictEqual(machine.times().length, 1)
    machine.tell(({ reconcile }) => reconcile([nightly("UTC", "30 2 * * *")]))
    machine.until("2026-06-02T23:30:00Z")
    assert.deepStrictEqual(machine.times(), [])
    machine.until("2026-06-03T03:00:00Z")
    assert.deepStrictEqual(machine.times(), ["2026-06-03T02:30:00.000Z"])
  })

  it("that passes during its own run is not queued up behind it", () => {
    const machine = new Machine("2026-06-01T00:00:30Z")
    machine.work = () => Effect.as(Effect.sleep("150 seconds"), {})
    machine.boot([nightly("UTC", "* * * * *")])
    machine.until("2026-06-01T00:08:00Z")
    assert.deepStrictEqual(machine.times(), [
      "2026-06-01T00:01:00.000Z",
      "2026-06-01T00:04:00.000Z",
      "2026-06-01T00:07:00.000Z"
    ])
  })
})

describe("a run that fails", () => {
  it("is recorded, and tried again with a delay that doubles until it is as long as the interval", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.work = () => failure("BlobStoreError")
    machine.boot([automation("docs", every(10 * minute))])
    machine.until("2026-03-01T00:10:05Z")
    const { failure: why, failures, nextRunAt, goodAt } = machine.health("docs")
    assert.deepInclude(why, { tag: "BlobStoreError", message: "it was BlobStoreError" })
    assert.deepStrictEqual([failures, goodAt], [1, undefined])
    assert.strictEqual(nextRunAt, Date.parse("2026-03-01T00:10:30Z"))
    machine.until("2026-03-01T01:00:00Z")
    const times = machine.times().map((time) => (Date.parse(time) - Date.parse("2026-03-01T00:00:00Z")) / 1000)
    assert.deepStrictEqual(times, [600, 630, 690, 810, 1050, 1530, 2130, 2730, 3330])
    machine.work = () => Effect.succeed({ problems: 2 })
    machine.until("2026-03-01T01:06:00Z")
    const healed = machine.health("docs")
    assert.deepStrictEqual([healed.failures, healed.problems, healed.failure?.tag], [0, 2, "BlobStoreError"])
    assert.strictEqual(healed.goodAt, Date.parse("2026-03-01T01:05:30Z"))
  })

  it("does not make a short interval hammer what is broken", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.work = () => failure("BlobStoreError")
    machine.boot([automation("docs", every(1000))])
    machine.pass(hour)
    assert.isBelow(machine.runs.length, 25)
    machine.runs.length = 0
    machine.work = () => Effect.succeed({})
    machine.pass(10 * minute)
    assert.isAbove(machine.runs.length, 250)
  })

  it("by a bug does not end the automation", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.work = () => Effect.die(new Error("a bug"))
    machine.boot([automation("docs", every(hour))])
    machine.pass(2 * hour)
    assert.isAbove(machine.times().length, 2)
    assert.deepInclude(machine.health("docs").failure, { tag: "Bug", message: "a bug" })
  })

  it("because it waits for a person is not tried again before its time", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.work = () => failure("ApprovalNeeded")
    machine.boot([automation("docs", cron("0 * * * *", "UTC"))])
    machine.pass(3 * hour + minute)
    assert.strictEqual(machine.times().length, 3)
  })

  it("by being cancelled comes again at its next regular time, and does not count as failed", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.work = () => Effect.interrupt
    machine.boot([automation("docs", every(hour))])
    machine.pass(2 * hour)
    assert.strictEqual(machine.times().length, 2)
    assert.deepStrictEqual([machine.health("docs").failures, machine.health("docs").failure?.tag], [0, "Cancelled"])
  })
})

describe("a restart", () => {
  for (const end of ["stop", "kill"] as const) {
    it(`after a ${end} in the middle of a run makes up for it at once`, () => {
      const machine = new Machine("2026-03-01T00:00:00Z")
      machine.work = () => Effect.as(Effect.sleep("30 minutes"), {})
      const docs = automation("docs", every(day))
      machine.boot([docs])
      machine.pass(day + 10 * minute)
      machine[end]()
      machine.times()
      machine.pass(minute)
      machine.boot([docs])
      machine.pass(minute)
      assert.deepStrictEqual(
        machine.runs.map(([, , reason]) => reason),
        ["resumed"]
      )
    })
  }

  it("with records that cannot be kept or read goes on by what is in memory", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    const full = new ObjectStoreError({ reason: "Full", store: "s", operation: "put", path: "p", detail: "no room" })
    machine.objects = { ...machine.objects, put: () => full, get: () => full }
    machine.boot([automation("docs", every(hour))])
    machine.pass(3 * hour)
    assert.strictEqual(machine.runs.length, 3)
  })
})

describe("a changed configuration", () => {
  it("starts what is new, ends what is gone with its run, and disturbs nothing else", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    let ended = 0
    machine.work = ({ name }) =>
      name === "gone" ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended++)) : Effect.succeed({})
    const kept = automation("kept", every(hour))
    machine.boot([kept, automation("gone", every(10 * minute))])
    machine.pass(30 * minute)
    machine.tell(({ reconcile }) => reconcile([kept, automation("new", every(5 * minute))]))
    assert.strictEqual(ended, 1)
    machine.runs.length = 0
    machine.pass(30 * minute)
    assert.deepStrictEqual(
      machine.runs.filter(([name]) => name === "kept").map(([, at]) => at),
      ["2026-03-01T01:00:00.000Z"]
    )
    assert.strictEqual(machine.runs.filter(([name]) => name === "new").length, 6)
    assert.deepStrictEqual(
      machine.tell(({ health }) => health).map(({ name }) => name),
      ["kept", "new"]
    )
  })

  it("that pauses an automation stops its runs, and going on makes up for what was missed", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.boot([automation("docs", every(hour))])
    machine.pass(90 * minute)
    machine.times()
    machine.tell(({ reconcile }) => reconcile([automation("docs", every(hour, { paused: true }))]))
    machine.pass(day)
    assert.deepStrictEqual(machine.times(), [])
    assert.strictEqual(machine.health("docs").state, "paused")
    machine.tell(({ reconcile }) => reconcile([automation("docs", every(hour))]))
    machine.pass(minute)
    assert.strictEqual(machine.times().length, 1)
  })

  it("does nothing about tasks that are run by hand", () => {
    const machine = new Machine("2026-03-01T00:00:00Z")
    machine.boot([automation("docs", { _tag: "Manual" })])
    machine.pass(day)
    assert.deepStrictEqual([machine.runs, machine.tell(({ health }) => health)], [[], []])
  })
})
