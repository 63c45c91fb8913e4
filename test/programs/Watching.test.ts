import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FolderEvents from "../../src/services/FolderEvents.ts"
import { automation, day, hour, Machine, minute, unwatchable } from "../support/automations.ts"

const second = 1000
const start = "2026-03-28T20:00:00Z"
const watched = (...paths: ReadonlyArray<string>) => automation("docs", { _tag: "Watch", paused: false }, paths)

/** A machine that watches /docs, after the first run. */
const watching = () => {
  const machine = new Machine(start)
  machine.boot([watched("/docs")])
  machine.pass(10 * second)
  assert.deepStrictEqual(machine.runs.splice(0), [["docs", "2026-03-28T20:00:00.000Z", "start"]])
  return machine
}

const reasons = (machine: Machine) => machine.runs.splice(0).map(([, at, reason]) => `${at.slice(11, 19)} ${reason}`)

describe("watching", () => {
  it("runs once for a change, two seconds after it", () => {
    const machine = watching()
    machine.folders.change("/docs")
    machine.pass(minute)
    assert.deepStrictEqual(reasons(machine), ["20:00:12 changes"])
    assert.deepInclude(machine.health("docs"), { state: "waiting", failures: 0, restarts: 0, means: "by the test" })
  })

  it("makes one run of a thousand changes in ten seconds", () => {
    const machine = watching()
    for (let index = 0; index < 1000; index++) {
      machine.folders.change("/docs", `file ${index}`)
      machine.pass(10)
    }
    machine.pass(10 * minute)
    assert.deepStrictEqual(reasons(machine), ["20:00:22 changes"])
  })

  it("does not wait for ever for something that changes all the time", () => {
    const machine = watching()
    for (let index = 0; index < 300; index++) {
      machine.folders.change("/docs")
      machine.pass(second)
    }
    const runs = reasons(machine)
    assert.isTrue(runs.length >= 9 && runs.length <= 11, runs.join(", "))
  })

  it("meets what changes during a run with one more run", () => {
    const machine = watching()
    machine.work = () => Effect.as(Effect.sleep("1 minute"), {})
    machine.folders.change("/docs")
    machine.pass(10 * second)
    for (let index = 0; index < 50; index++) machine.folders.change("/docs", `during ${index}`)
    machine.pass(10 * minute)
    assert.deepStrictEqual(reasons(machine), ["20:00:12 changes", "20:01:14 changes"])
  })

  it("looks at everything after lost events, after more of them than can be kept, and every hour", () => {
    const machine = watching()
    machine.folders.emit("/docs", { _tag: "Overflow" })
    machine.pass(minute)
    assert.deepStrictEqual(reasons(machine), ["20:00:10 rescan"])
    const paths = Array.from({ length: 10_000 }, (_, index) => `/docs/${index}`)
    machine.folders.emit("/docs", { _tag: "Changed", paths })
    machine.pass(minute)
    assert.deepStrictEqual(
      reasons(machine).map((run) => run.slice(9)),
      ["rescan"]
    )
    machine.pass(3 * day)
    assert.strictEqual(machine.runs.length, 72)
    assert.isTrue(machine.runs.every(([, , reason]) => reason === "rescan"))
  })

  it("looks at everything soon after the machine has slept for longer than that", () => {
    const machine = watching()
    machine.jump(31 * day)
    machine.pass(minute)
    assert.deepStrictEqual(
      reasons(machine).map((run) => run.slice(9)),
      ["rescan"]
    )
  })

  it("is not held up by a clock that was put back", () => {
    const machine = watching()
    machine.jump(-30 * day)
    machine.pass(hour + 2 * minute)
    assert.strictEqual(machine.runs.length, 1)
  })

  it("begins anew with a delay that doubles from one second to a minute, and then looks at everything", () => {
    const machine = new Machine(start)
    machine.folders.broken.set("/docs", unwatchable("/docs"))
    machine.boot([watched("/docs")])
    machine.pass(14 * second)
    // after 0, 1, 3 and 7 seconds
    assert.strictEqual(machine.folders.attempts, 4)
    const ailing = machine.health("docs")
    assert.deepInclude(ailing, { state: "detached", restarts: 4 })
    assert.deepInclude(ailing.failure, {
      tag: "FolderEventsError",
      message: "cannot watch /docs: it is not there"
    })
    machine.pass(2 * hour)
    assert.isTrue(machine.folders.attempts > 115 && machine.folders.attempts < 130, `${machine.folders.attempts}`)
    machine.runs.length = 0
    machine.folders.broken.clear()
    machine.pass(minute)
    assert.deepStrictEqual(
      machine.runs.map(([, , reason]) => reason),
      ["start"]
    )
    assert.strictEqual(machine.health("docs").state, "waiting")
    machine.folders.change("/docs")
    machine.pass(minute)
    assert.strictEqual(machine.runs.length, 2)
  })

  it("of a folder that something else took the place of begins anew", () => {
    const machine = watching()
    machine.folders.emit(
      "/docs",
      new FolderEvents.FolderEventsError({ reason: "Replaced", path: "/docs", detail: "a disk was mounted there" })
    )
    machine.pass(5 * second)
    assert.deepStrictEqual(reasons(machine), ["20:00:11 start"])
    assert.strictEqual(machine.health("docs").restarts, 1)
  })

  it("of several folders makes one run for all", () => {
    const machine = new Machine(start)
    machine.boot([watched("/a", "/b", "/c")])
    machine.pass(minute)
    machine.folders.change("/a")
    machine.pass(second)
    machine.folders.change("/c")
    machine.pass(minute)
    assert.deepStrictEqual(reasons(machine), ["20:00:02 start", "20:01:04 changes"])
  })

  it("tries a run that failed again, later each time, with what changed meanwhile", () => {
    const machine = watching()
    machine.work = () => Effect.fail({ _tag: "BlobStoreError", message: "out of reach" })
    machine.folders.change("/docs")
    machine.pass(4 * second)
    for (let index = 0; index < 60; index++) {
      machine.folders.change("/docs")
      machine.pass(second)
    }
    assert.deepStrictEqual(reasons(machine), ["20:00:12 changes", "20:00:17 retry", "20:00:27 retry", "20:00:47 retry"])
    assert.deepInclude(machine.health("docs"), { failures: 4 })
    machine.work = () => Effect.succeed({})
    machine.pass(2 * minute)
    assert.deepStrictEqual(reasons(machine), ["20:01:27 retry"])
    assert.deepInclude(machine.health("docs"), { failures: 0, state: "waiting" })
  })

  it("does not ask again and again for what waits for a person", () => {
    const machine = watching()
    machine.work = () => Effect.fail({ _tag: "ApprovalNeeded", message: "much is deleted" })
    machine.folders.change("/docs")
    machine.pass(30 * minute)
    assert.strictEqual(machine.runs.length, 1)
    assert.deepInclude(machine.health("docs"), { failures: 1 })
  })

  it("looks at everything after a restart, whatever happened meanwhile", () => {
    const machine = watching()
    machine.folders.change("/docs")
    machine.pass(second)
    machine.kill()
    machine.pass(hour)
    machine.boot([watched("/docs")])
    machine.pass(minute)
    assert.deepStrictEqual(reasons(machine), ["21:00:11 start"])
  })
})
