import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as AutomationSchedule from "../../src/programs/AutomationSchedule.ts"
import * as Trigger from "../../src/schema/Trigger.ts"

const minute = 60_000

/** What clocks on the wall show, from the system's own table of time zones. */
const wall = (timeZone: string) => {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit"
  })
  const known = new Map<number, string>()
  return (millis: number) => {
    const shown = known.get(millis) ?? format.format(millis)
    known.set(millis, shown)
    return shown
  }
}

/** When clocks show `hourMinute` for the first time on each date of a time; on a day that skips it, the skip that much later. */
const firstShown = (shown: (millis: number) => string, hourMinute: string, from: number, until: number) => {
  const found = new Map<string, number>()
  for (let at = from; at < until; at += minute) {
    const [date = "", time] = shown(at).split(" ")
    if (time === hourMinute && !found.has(date)) found.set(date, at)
  }
  return [...found.values()]
}

const occurrences = (timeZone: string, expression: string, from: number, until: number) => {
  const zone = Option.getOrThrow(DateTime.zoneMakeNamed(timeZone))
  const cron = Either.getOrThrowWith(Trigger.parseCron(expression, zone), (problem) => new Error(problem))
  const found: Array<number> = []
  for (let at = from - 1; ; ) {
    at = AutomationSchedule.occurrence(cron, at)
    if (at >= until) return found
    found.push(at)
  }
}

describe("the times of a schedule", () => {
  const around = [
    ["Europe/Berlin", "2026-03-27", "2026-03-31"],
    ["Europe/Berlin", "2026-10-23", "2026-10-27"],
    ["America/New_York", "2026-03-06", "2026-03-10"],
    ["America/New_York", "2026-10-30", "2026-11-03"],
    ["Australia/Lord_Howe", "2026-04-03", "2026-04-07"],
    ["Asia/Kolkata", "2026-06-01", "2026-06-03"]
  ] as const

  for (const [zone, first, last] of around) {
    it(`from ${first} are those that clocks in ${zone} show`, () => {
      const shows = wall(zone)
      const [from, until] = [Date.parse(`${first}T12:00Z`), Date.parse(`${last}T12:00Z`)]
      const dates = new Set(
        Array.from({ length: (until - from) / minute }, (_, index) => shows(from + index * minute).slice(0, 10))
      )
      for (const hourMinute of ["00:00", "00:45", "01:15", "01:30", "01:59", "02:00", "02:30", "03:00", "23:59"]) {
        const [hour, minutes] = hourMinute.split(":").map(Number)
        const found = occurrences(zone, `${minutes} ${hour} * * *`, from, until)
        const shown = firstShown(shows, hourMinute, from, until)
        const skipped = found.filter((at) => !shown.includes(at))
        assert.deepStrictEqual(
          found.filter((at) => shown.includes(at)),
          shown,
          hourMinute
        )
        // a time that no clock showed that day still comes, once, within the hour after
        assert.isAtMost(skipped.length, 1)
        for (const at of skipped) {
          const [date = "", time = ""] = shows(at).split(" ")
          assert.isFalse(shown.some((other) => shows(other).startsWith(date)))
          assert.isTrue(time > hourMinute && dates.has(date), `${hourMinute} came at ${time}`)
        }
      }
    })
  }

  it("asked for from within an hour that comes twice, are never in the past", () => {
    const zone = Option.getOrThrow(DateTime.zoneMakeNamed("Europe/Berlin"))
    for (const expression of ["*/10 * * * *", "30 2 * * *", "0 3 * * *", "59 * * * *"]) {
      const cron = Either.getOrThrowWith(Trigger.parseCron(expression, zone), (problem) => new Error(problem))
      for (let at = Date.parse("2026-10-24T22:00Z"); at < Date.parse("2026-10-25T03:00Z"); at += 7 * minute + 13_000) {
        const next = AutomationSchedule.occurrence(cron, at)
        assert.isAbove(next, at)
        const [minutes = ""] = expression.split(" ")
        const shown = wall("Europe/Berlin")(next)
        assert.isTrue(shown.endsWith(minutes === "*/10" ? "0" : minutes.padStart(2, "0")), shown)
      }
    }
  })
})

describe("a plan", () => {
  const calm = { anchor: 0, pending: false, failures: 0 }
  const every: AutomationSchedule.Timed = {
    _tag: "Every",
    intervalMillis: 60 * minute,
    jitterMillis: 0,
    catchUp: true,
    paused: false
  }

  it("for a time zone that this device does not know never comes, and is no error", () => {
    const plan = AutomationSchedule.planner({
      _tag: "Cron",
      expression: "0 0 * * *",
      timeZone: "Moon/Tranquility",
      jitterMillis: 0,
      catchUp: true,
      paused: false
    })
    assert.strictEqual(plan(calm, 5000).at, Number.POSITIVE_INFINITY)
  })

  it("after a thousand failures is still within the longest delay", () => {
    const plan = AutomationSchedule.planner({ ...every, intervalMillis: 24 * 60 * minute })
    assert.strictEqual(plan({ ...calm, failures: 1000 }, 0).at, 60 * minute)
  })
})
