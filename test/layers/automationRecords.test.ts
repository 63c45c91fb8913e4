import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as ApprovalsObjectStore from "../../src/layers/ApprovalsObjectStore.ts"
import * as HealthLogMemory from "../../src/layers/HealthLogMemory.ts"
import * as HealthLogObjectStore from "../../src/layers/HealthLogObjectStore.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import { Approval, Numbers } from "../../src/schema/Approval.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { Failure, Health } from "../../src/schema/Health.ts"
import type { Service } from "../../src/services/HealthLog.ts"
import { make as makeWorld } from "../support/programs.ts"

const health = (name: string) =>
  new Health({
    name,
    trigger: {
      _tag: "Cron",
      expression: "30 2 * * *",
      timeZone: "Europe/Berlin",
      jitterMillis: 5,
      catchUp: true,
      paused: false
    },
    vault: "docs",
    state: "waiting",
    anchor: 1_000_000_000_000,
    pending: true,
    startedAt: 7,
    nextRunAt: undefined,
    failure: new Failure({ at: 3, tag: "BlobStoreError", message: "out of reach" }),
    failures: 2,
    restarts: 1
  })

const approval = (folder: string, deleted = 30) =>
  new Approval({
    vault: "docs",
    folder,
    path: `/home/${folder}`,
    reason: "MassChange",
    numbers: new Numbers({ files: 40, deleted, rewritten: 1, moved: 2, added: 3 }),
    base: "ab".repeat(32),
    askedAt: 12
  })

const odd = ["docs", "vault.docs.watch", "a/b", "ü \n:", "..", "x".repeat(5000)]

const plain = (found: Health | undefined) => found && JSON.parse(JSON.stringify(found))

describe("the records of automations", () => {
  const facts = (name: string, open: Effect.Effect<Service>) =>
    it.effect(`${name} come back as they were, whatever the automations are called`, () =>
      Effect.gen(function* () {
        const log = yield* open
        for (const one of odd) yield* log.save(health(one))
        for (const one of odd) assert.deepStrictEqual(plain(yield* log.load(one)), plain(health(one)))
        assert.strictEqual((yield* log.all).length, odd.length)
        yield* log.save(new Health({ ...health("docs"), failures: 0, pending: false }))
        assert.deepInclude(yield* log.load("docs"), { failures: 0, pending: false })
        yield* log.remove("a/b")
        yield* log.remove("a/b")
        assert.isUndefined(yield* log.load("a/b"))
        assert.strictEqual((yield* log.all).length, odd.length - 1)
      })
    )
  const inObjects = Effect.gen(function* () {
    const { layer } = yield* makeWorld()
    return yield* Effect.provide(HealthLogObjectStore.make(yield* ObjectStoreMemory.make()), layer)
  })
  facts("in objects", inObjects)
  facts("in memory", Effect.sync(HealthLogMemory.make))

  it.effect("that are damaged are told to who asks for them, and hide no others", () =>
    Effect.gen(function* () {
      const { layer } = yield* makeWorld()
      const objects = yield* ObjectStoreMemory.make()
      const log = yield* Effect.provide(HealthLogObjectStore.make(objects), layer)
      yield* log.save(health("broken"))
      const [path = ""] = yield* Stream.runCollect(objects.list("automations/"))
      yield* log.save(health("whole"))
      yield* objects.put(path, Bytes.fromUtf8('{"name":"broken"}'))
      const read = yield* Effect.either(log.load("broken"))
      assert.isTrue(Either.isLeft(read) && read.left.reason === "Damaged")
      assert.deepStrictEqual(
        (yield* log.all).map(({ name }) => name),
        ["whole"]
      )
    })
  )
})

describe("pending approvals", () => {
  it.effect("are one for each source, the newest", () =>
    Effect.gen(function* () {
      const { layer } = yield* makeWorld()
      const approvals = yield* Effect.provide(ApprovalsObjectStore.make(yield* ObjectStoreMemory.make()), layer)
      yield* approvals.save(approval("photos"))
      yield* approvals.save(approval("letters/old"))
      yield* approvals.save(approval("photos", 31))
      assert.strictEqual((yield* approvals.pending("docs", "photos"))?.numbers.deleted, 31)
      assert.deepStrictEqual(
        (yield* approvals.all).map(({ folder }) => folder),
        ["letters/old", "photos"]
      )
      yield* approvals.remove("docs", "photos")
      assert.isUndefined(yield* approvals.pending("docs", "photos"))
      assert.isUndefined(yield* approvals.pending("other", "letters/old"))
    })
  )
})
