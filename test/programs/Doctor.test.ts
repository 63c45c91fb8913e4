import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as ApprovalsObjectStore from "../../src/layers/ApprovalsObjectStore.ts"
import * as HealthLogMemory from "../../src/layers/HealthLogMemory.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as StagingObjectStore from "../../src/layers/StagingObjectStore.ts"
import * as Doctor from "../../src/programs/Doctor.ts"
import { Approval, Numbers } from "../../src/schema/Approval.ts"
import { Failure, Health } from "../../src/schema/Health.ts"
import * as Approvals from "../../src/services/Approvals.ts"
import { BlobStoreError } from "../../src/services/BlobStore.ts"
import * as HealthLog from "../../src/services/HealthLog.ts"
import { backup, make, mapping, type World } from "../support/programs.ts"

const start = Date.UTC(2026, 5, 1)
const day = 24 * 60 * 60_000

const examined = Effect.fnUntraced(function* (name: string) {
  const checks = yield* Doctor.examine
  return checks.filter((check) => check.name === name).map(({ detail, status }) => `${status}: ${detail}`)
})

const stage = Effect.all({ approvals: Approvals.Approvals, log: HealthLog.HealthLog })

const layerOf = Effect.fnUntraced(function* (world: World) {
  const objects = yield* ObjectStoreMemory.make()
  const approvals = ApprovalsObjectStore.layer(objects)
  return Layer.mergeAll(approvals, HealthLogMemory.layer, StagingObjectStore.layer(objects)).pipe(
    Layer.provideMerge(world.layer)
  )
})

type Services = Layer.Layer.Success<Effect.Effect.Success<ReturnType<typeof layerOf>>>

const fact = <E>(name: string, test: (world: World) => Effect.Effect<void, E, Services>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start)
      const world = yield* make({ "/docs/a": "a" })
      yield* Effect.gen(function* () {
        yield* backup(mapping("/docs"))
        yield* test(world)
      }).pipe(Effect.provide(yield* layerOf(world)))
    })
  )

describe("the doctor", () => {
  fact("finds nothing wrong right after a backup but that there is no recovery phrase", () =>
    Effect.gen(function* () {
      const checks = yield* Doctor.examine
      assert.deepStrictEqual(
        checks.filter(({ status }) => status !== "good").map(({ name }) => name),
        ["recovery phrase"]
      )
      assert.isTrue(checks.every(({ advice, status }) => status === "good" || advice !== undefined))
    })
  )

  fact("names a source that is gone, and one that was not backed up for a week", (world) =>
    Effect.gen(function* () {
      yield* TestClock.adjust(8 * day)
      assert.deepStrictEqual(yield* examined("source docs:docs"), ["warning: its last backup was 8 days ago"])
      yield* world.disk.remove("/docs")
      assert.strictEqual((yield* examined("source docs:docs")).length, 2)
    })
  )

  fact("names a store that does not answer, and goes on", (world) =>
    Effect.gen(function* () {
      world.faults.get = Effect.fail(
        new BlobStoreError({ reason: "Unavailable", store: "s", blob: "b", detail: "away" })
      )
      const checks = yield* Doctor.examine
      assert.strictEqual(checks.find(({ name }) => name === "vault docs")?.status, "failed")
      assert.strictEqual(checks.find(({ name }) => name === "source docs:docs")?.status, "good")
    })
  )

  fact("names what waits for a person, and automations that fail", () =>
    Effect.gen(function* () {
      const numbers = new Numbers({ files: 40, deleted: 30, rewritten: 0, moved: 0, added: 0 })
      const { approvals, log } = yield* stage
      yield* approvals.save(
        new Approval({
          vault: "docs",
          folder: "docs",
          path: "/docs",
          reason: "MassChange",
          numbers,
          base: "00".repeat(32),
          askedAt: start
        })
      )
      const health = {
        trigger: { _tag: "Watch", paused: false },
        anchor: 0,
        pending: false,
        restarts: 0,
        failure: new Failure({ at: 1, tag: "X", message: "the store is away" })
      } as const
      yield* log.save(new Health({ ...health, name: "fails", state: "waiting", failures: 3 }))
      yield* log.save(new Health({ ...health, name: "healed", state: "waiting", failures: 0 }))
      yield* log.save(new Health({ ...health, name: "detached", state: "detached", failures: 0 }))
      assert.strictEqual((yield* examined("approval docs:docs")).length, 1)
      assert.deepStrictEqual(yield* examined("automation fails"), ["failed: 3 failures in a row: the store is away"])
      assert.deepStrictEqual(yield* examined("automation healed"), ["good: waiting"])
      assert.deepStrictEqual(yield* examined("automation detached"), ["warning: the store is away"])
    })
  )

  it("doubts a clock that is before the program, the last backup or the last snapshot", () => {
    assert.strictEqual(Doctor.clock(start, start - 5, start - 3).status, "good")
    assert.strictEqual(Doctor.clock(0, 0, 0).status, "failed")
    assert.strictEqual(Doctor.clock(start, start + day, 0).status, "warning")
    assert.strictEqual(Doctor.clock(start, 0, start + 3 * day).status, "warning")
  })
})
