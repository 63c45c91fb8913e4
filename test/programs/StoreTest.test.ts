import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as ObjectStoreS3 from "../../src/layers/ObjectStoreS3.ts"
import * as StoreTest from "../../src/programs/StoreTest.ts"
import type { Promised } from "../../src/programs/StoreTestCheck.ts"
import type { FormatError } from "../../src/schema/FormatError.ts"
import { ObjectStoreError, type Service } from "../../src/services/ObjectStore.ts"
import { temporaryFolder } from "../support/folders.ts"
import { badLine, type Conditions, Double, options } from "../support/s3Double.ts"

const big = { bigBytes: 6 << 20 }
const bucket = (double: Double) => ObjectStoreS3.make(options(double, { partsAbove: 5 << 20, partSize: 5 << 20 }))

const broken = (report: StoreTest.Report) =>
  report.findings.filter(({ outcome }) => outcome !== "kept").map(({ promised }) => promised)
const fitFor = (report: StoreTest.Report) => report.fitness.filter(({ fit }) => fit).map(({ use }) => use)
const remains = (objects: Service) => Effect.map(Stream.runCollect(objects.list("")), (found) => [...found])

describe("the test of a store", () => {
  const good: ReadonlyArray<readonly [string, Effect.Effect<Service, FormatError>]> = [
    ["memory", ObjectStoreMemory.make()],
    ["a bucket", Effect.suspend(() => bucket(new Double()))],
    [
      "a bucket over a bad line",
      Effect.suspend(() => {
        const double = new Double()
        double.fault = badLine(9)
        return bucket(double)
      })
    ]
  ]
  for (const [name, make] of good) {
    it.effect(`${name} keeps every promise, is fit for everything, and is left as it was`, () =>
      Effect.gen(function* () {
        const objects = yield* make
        yield* objects.put("what was/there", new Uint8Array(3))
        const report = yield* StoreTest.run(objects, big)
        assert.deepStrictEqual(broken(report), [])
        assert.deepStrictEqual(fitFor(report), ["blobs", "packs", "registry"])
        assert.deepStrictEqual(report.left, [])
        assert.deepStrictEqual(yield* remains(objects), ["what was/there"])
      })
    )
  }

  it.scopedLive("files keep every promise, and are left as they were", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const objects = yield* ObjectStoreFs.make({ directory })
      const report = yield* StoreTest.run(objects, big)
      assert.deepStrictEqual(broken(report), [])
      assert.deepStrictEqual(fitFor(report), ["blobs", "packs", "registry"])
      assert.deepStrictEqual(yield* remains(objects), [])
    })
  )

  const bad: ReadonlyArray<readonly [Conditions, string, ReadonlyArray<Promised>]> = [
    ["ignored", "ignores If-None-Match", ["creating", "conditions"]],
    ["create-only", "ignores If-Match", ["creating", "conditions"]],
    ["unsupported", "has no conditional writes", ["creating", "conditions"]],
    // it passes the trial with one writer, and only many at once show it
    ["racy", "writers at once were each told to be the first", ["creating", "conditions"]]
  ]
  for (const [conditions, text, promises] of bad) {
    it.effect(
      `a bucket whose conditions are ${conditions} is fit for blobs and packs, not for a registry, and says why`,
      () =>
        Effect.gen(function* () {
          const double = new Double()
          double.conditions = conditions
          const report = yield* StoreTest.run(yield* bucket(double), big)
          assert.deepStrictEqual(broken(report), promises)
          assert.deepStrictEqual(fitFor(report), ["blobs", "packs"])
          const registry = report.fitness.find(({ use }) => use === "registry")
          assert.include(registry?.lacking[0]?.detail, text)
          assert.strictEqual(double.objects.size, 0)
        })
    )
  }
})

describe("the test of a store that breaks a promise", () => {
  /** A store that does otherwise in one thing. */
  type Change = (inner: Service) => Partial<Service>
  const stale = <A>(count: number) => {
    let last: A | undefined
    let asked = 0
    return (now: A): A => {
      const answer = last !== undefined && asked++ % count === 0 ? last : now
      last = now
      return answer
    }
  }
  const changes: ReadonlyArray<readonly [string, Promised, Change]> = [
    [
      "flips a bit of one in many",
      "bytes",
      (inner) => ({
        get: (path, range) =>
          Effect.map(inner.get(path, range), (bytes) => (bytes.length === 4096 ? bytes.with(7, bytes[7]! ^ 1) : bytes))
      })
    ],
    [
      "says the wrong size",
      "bytes",
      (inner) => ({ size: (path) => Effect.map(inner.size(path), (size) => (size === 65_537 ? 65_536 : size)) })
    ],
    [
      "takes a folder for an object",
      "absence",
      (inner) => ({ size: (path) => Effect.map(inner.size(path), (size) => (path.endsWith("/absence/a") ? 0 : size)) })
    ],
    [
      "calls everything unavailable that is not there",
      "absence",
      (inner) => ({
        get: (path, range) =>
          Effect.mapError(
            inner.get(path, range),
            ({ detail, operation, store }) =>
              new ObjectStoreError({ reason: "Unavailable", store, operation, path, detail })
          )
      })
    ],
    [
      "reads what was there before",
      "replacing",
      (inner) => {
        const before = stale<Uint8Array>(4)
        return {
          get: (path, range) =>
            Effect.map(inner.get(path, range), (bytes) => (path.includes("/replacing/") ? before(bytes) : bytes))
        }
      }
    ],
    [
      "keeps what was removed",
      "removing",
      (inner) => ({ remove: (path) => (path.includes("/removing/") ? Effect.void : inner.remove(path)) })
    ],
    [
      "lists a little late",
      "listing",
      (inner) => ({
        list: (prefix) => (prefix.includes("/new/") ? Stream.drop(inner.list(prefix), 1) : inner.list(prefix))
      })
    ],
    ["lists at most 30", "listing", (inner) => ({ list: (prefix) => Stream.take(inner.list(prefix), 30) })],
    [
      "lists one twice",
      "listing",
      (inner) => ({ list: (prefix) => Stream.concat(inner.list(prefix), Stream.take(inner.list(prefix), 1)) })
    ],
    [
      "folds case",
      "case",
      (inner) => ({
        put: (path, bytes) => inner.put(path.includes("/case/") ? path.toLowerCase() : path, bytes),
        get: (path, range) => inner.get(path.includes("/case/") ? path.toLowerCase() : path, range)
      })
    ],
    [
      "takes a plus for a blank",
      "odd names",
      (inner) => ({ put: (path, bytes) => inner.put(path.replaceAll("+", " "), bytes) })
    ],
    [
      "shows parts while it writes",
      "atomic put",
      (inner) => ({
        put: (path, bytes) =>
          path.includes("/atomic/")
            ? Effect.zipRight(
                Effect.zipRight(inner.put(path, bytes.subarray(0, bytes.length >> 1)), Effect.yieldNow()),
                inner.put(path, bytes)
              )
            : inner.put(path, bytes)
      })
    ],
    ["has no ranges", "ranges", (inner) => ({ get: (path) => inner.get(path) })],
    [
      "gives a byte too many at the end of a range",
      "ranges",
      (inner) => ({
        get: (path, range) =>
          inner.get(path, range?.length === undefined ? range : { offset: range.offset, length: range.length + 1 })
      })
    ],
    [
      "cuts big objects",
      "big objects",
      (inner) => ({ put: (path, bytes) => inner.put(path, bytes.subarray(0, 5 << 20)) })
    ],
    [
      "lets everybody create",
      "creating",
      (inner) => ({ create: (path, bytes) => Effect.as(inner.put(path, bytes), true) })
    ],
    [
      "lets several create when they come at once",
      "creating",
      (inner) => ({
        create: (path, bytes) =>
          Effect.flatMap(inner.size(path), (size) =>
            size === undefined
              ? Effect.as(Effect.zipRight(Effect.yieldNow(), inner.put(path, bytes)), true)
              : Effect.succeed(false)
          )
      })
    ],
    ["lets nobody create", "creating", () => ({ create: () => Effect.succeed(false) })],
    [
      "takes the same bytes for the same writer",
      "creating",
      (inner) => ({
        create: (path, bytes) =>
          Effect.flatMap(inner.create(path, bytes), (won) =>
            won ? Effect.succeed(true) : Effect.map(inner.get(path), (found) => found.join() === bytes.join())
          )
      })
    ]
  ]
  for (const [text, promised, change] of changes) {
    it.effect(`finds that it ${text}`, () =>
      Effect.gen(function* () {
        const inner = yield* ObjectStoreMemory.make()
        const report = yield* StoreTest.run({ ...inner, ...change(inner) }, big)
        assert.include(broken(report), promised)
        const finding = report.findings.find((each) => each.promised === promised)
        assert.isNotEmpty(finding?.detail)
      })
    )
  }

  it.effect("removes what it wrote although the listing is empty, and tells what it could not remove", () =>
    Effect.gen(function* () {
      const inner = yield* ObjectStoreMemory.make()
      yield* StoreTest.run({ ...inner, list: () => Stream.empty }, big)
      assert.deepStrictEqual(yield* remains(inner), [])
      const denied = (path: string) =>
        new ObjectStoreError({ reason: "Denied", store: "s", operation: "remove", path, detail: "append-only" })
      const report = yield* StoreTest.run({ ...inner, remove: denied }, big)
      assert.sameMembers([...report.left], yield* remains(inner))
      assert.isNotEmpty(report.left)
    })
  )

  it.effect("is an error where nothing can be written at all, and cleans up when it is interrupted", () =>
    Effect.gen(function* () {
      const inner = yield* ObjectStoreMemory.make()
      const full = (path: string) =>
        new ObjectStoreError({ reason: "Full", store: "s", operation: "put", path, detail: "no room" })
      const error = yield* Effect.flip(StoreTest.run({ ...inner, put: full }))
      assert.strictEqual(error.reason, "Full")
      const fiber = yield* Effect.fork(StoreTest.run({ ...inner, create: () => Effect.never }, { ...big }))
      while ((yield* remains(inner)).length < 60) yield* Effect.yieldNow()
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(yield* remains(inner), [])
    })
  )
})
