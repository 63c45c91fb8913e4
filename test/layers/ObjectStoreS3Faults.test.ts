import { createServer } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreS3 from "../../src/layers/ObjectStoreS3.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { ObjectStore, type ObjectStoreError } from "../../src/services/ObjectStore.ts"
import * as BlobStoreConformance from "../conformance/BlobStore.ts"
import * as ObjectStoreConformance from "../conformance/ObjectStore.ts"
import { dice } from "../support/registry.ts"
import { badLine, Double, type Fault, options } from "../support/s3Double.ts"
import { serve } from "../support/s3Server.ts"
import * as Time from "../support/s3Time.ts"

const utf8 = Bytes.fromUtf8

const overBadLine = (seed: number) =>
  Layer.effect(
    ObjectStore,
    Effect.suspend(() => {
      const double = new Double()
      double.fault = badLine(seed)
      double.pageSize = 50
      return ObjectStoreS3.make(options(double))
    })
  )

ObjectStoreConformance.suite("S3 over a bad line", overBadLine(1), 230)
BlobStoreConformance.suite(
  "S3 over a bad line",
  BlobStoreObjects.layer.pipe(Layer.provideMerge(overBadLine(2)), Layer.provide(CryptoAuto.layer()))
)

const turn = () => new Promise((done) => setImmediate(done))

const failureOf = <A, E>(exit: Exit.Exit<A, E>) =>
  Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined

/** A store with the waits that people have, and what becomes of the requests to it. */
const setUp = (more: Partial<ObjectStoreS3.Options> = {}) =>
  Effect.gen(function* () {
    const double = new Double()
    const { attempts, backoff, maxBackoff, ...rest } = options(double)
    const objects = yield* ObjectStoreS3.make({ ...rest, ...more })
    return { double, objects }
  })

/** The first so many requests meet the fault. */
const first = (count: number, fault: Fault) => (request: { readonly nth: number }) =>
  request.nth < count ? fault : undefined

describe("S3: trying again", () => {
  it.effect("waits rise, are drawn anew each time from nothing to their bound, and end after eight attempts", () =>
    Effect.gen(function* () {
      const bounds = [100, 200, 400, 800, 1600, 3200, 6400]
      const seen = bounds.map((): Array<number> => [])
      for (let i = 0; i < 12; i++) {
        const { double, objects } = yield* setUp()
        double.fault = () => ({ status: 500, code: "InternalError" })
        const { exit, waits } = yield* Time.run(double, objects.put("a", utf8("x")))
        const error = failureOf(exit)
        assert.strictEqual(error?.reason, "Unavailable")
        assert.strictEqual(double.seen.length, 8)
        assert.strictEqual(waits.length, 7)
        for (const [index, wait] of waits.entries()) {
          assert.isAtMost(wait, bounds[index]!)
          seen[index]!.push(wait / bounds[index]!)
        }
      }
      for (const shares of seen) assert.isAbove(Math.max(...shares) - Math.min(...shares), 0.3, "full jitter")
    })
  )

  it.effect("no wait is longer than the bound, however many attempts there are", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({ attempts: 20, maxBackoff: "5 seconds" })
      double.fault = () => "reset"
      const { waits } = yield* Time.run(double, objects.put("a", utf8("x")))
      assert.strictEqual(waits.length, 19)
      assert.isAtMost(Math.max(...waits), 5000)
      assert.isAbove(Math.max(...waits), 2000)
    })
  )

  it.effect("a service that says when to come back is not asked before, in seconds or by date", () =>
    Effect.gen(function* () {
      const start = Date.UTC(2026, 10, 22)
      for (const [after, least] of [
        ["7", 7000],
        [new Date(start + 9000).toUTCString(), 9000],
        ["rubbish", 0]
      ] as const) {
        const { double, objects } = yield* setUp()
        double.fault = first(1, { status: 503, code: "SlowDown", headers: { "retry-after": after } })
        const { exit, millis } = yield* Time.run(double, objects.put("a", utf8("x")), start)
        assert.isTrue(Exit.isSuccess(exit))
        assert.isAtLeast(millis, least)
        assert.isAtMost(millis, least + 100)
      }
    })
  )

  it.effect("nobody waits an hour: a service that wants that is a failure at once", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp()
      double.fault = () => ({ status: 503, headers: { "retry-after": "3600" } })
      const { exit, millis } = yield* Time.run(double, objects.put("a", utf8("x")))
      assert.strictEqual(failureOf(exit)?.reason, "Unavailable")
      assert.strictEqual(millis, 0)
    })
  )

  it.effect("what trying again cannot mend is not tried again", () =>
    Effect.gen(function* () {
      const answers: ReadonlyArray<[Fault, ObjectStoreError["reason"], string]> = [
        [{ status: 403, code: "AccessDenied" }, "Denied", "not allowed"],
        [{ status: 401 }, "Denied", "not allowed"],
        [{ status: 403, code: "InvalidAccessKeyId" }, "Denied", "access_key"],
        [{ status: 400, code: "ExpiredToken" }, "Denied", "session token"],
        [{ status: 400, code: "EntityTooLarge" }, "Full", "too large"],
        [{ status: 507, code: "XMinioStorageFull" }, "Full", "no room"],
        [{ status: 507 }, "Full", "no room"],
        [{ status: 400, code: "KeyTooLongError" }, "BadPath", "no object under that name"],
        [{ status: 403, code: "InvalidObjectState" }, "Unreadable", "archived"],
        [{ status: 400, body: "<html>" }, "Unavailable", "did not answer as an S3 service"],
        [{ status: 501, code: "NotImplemented" }, "Unavailable", "NotImplemented"]
      ]
      for (const [fault, reason, text] of answers) {
        const { double, objects } = yield* setUp()
        double.fault = () => fault
        const { exit, millis } = yield* Time.run(double, objects.put("a", utf8("x")))
        assert.strictEqual(failureOf(exit)?.reason, reason, JSON.stringify(fault))
        assert.include(failureOf(exit)?.message, text)
        assert.strictEqual(double.seen.length, 1)
        assert.strictEqual(millis, 0)
      }
    })
  )

  it.effect("a clock that is off is said to be, by how much and in which direction", () =>
    Effect.gen(function* () {
      for (const [minutes, text] of [
        [90, "90 minutes behind"],
        [-30, "30 minutes ahead"]
      ] as const) {
        const { double, objects } = yield* setUp()
        const start = Date.UTC(2026, 10, 22)
        double.now = () => start + minutes * 60_000
        const { exit } = yield* Time.run(double, objects.get("a"), start)
        assert.strictEqual(failureOf(exit)?.reason, "Denied")
        assert.include(failureOf(exit)?.message, text)
      }
    })
  )
})

describe("S3: time limits", () => {
  it.effect("an answer that never comes, or stops in the middle, is given up after a minute and tried again", () =>
    Effect.gen(function* () {
      for (const fault of ["hang", "deaf", "stalled"] as const) {
        const { double, objects } = yield* setUp()
        yield* objects.put("a", utf8("0123456789"))
        const before = double.seen.length
        double.fault = ({ nth }) => (nth === before ? fault : undefined)
        const { exit, millis } = yield* Time.run(double, objects.get("a"))
        assert.deepStrictEqual(exit, Exit.succeed(utf8("0123456789")), fault)
        assert.isAtLeast(millis, 60_000)
        assert.isAtMost(millis, 60_100)
      }
    })
  )

  it.effect("bytes to be sent are given time beside the limit", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({ attempts: 1 })
      double.fault = () => "hang"
      const { exit, millis } = yield* Time.run(double, objects.put("a", new Uint8Array(4 << 20)))
      assert.include(failureOf(exit)?.message, "did not go on within")
      assert.strictEqual(millis, 60_000 + 256_000)
    })
  )

  it.effect("the limit holds where the caller may not be interrupted", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp({ attempts: 1 })
      double.fault = () => "hang"
      const { millis } = yield* Time.run(double, Effect.uninterruptible(objects.get("a")))
      assert.strictEqual(millis, 60_000)
    })
  )
})

describe("S3: several requests", () => {
  it.effect("no more than so many are in flight, and whoever waits gets its turn", () =>
    Effect.gen(function* () {
      const double = new Double()
      let [inFlight, most] = [0, 0]
      let five = () => {}
      const filled = new Promise<void>((done) => {
        five = done
      })
      const fetch: typeof double.fetch = async (url, init) => {
        most = Math.max(most, ++inFlight)
        if (inFlight === 5) five()
        await filled
        for (let turns = 0; turns < 10; turns++) await turn()
        inFlight--
        return double.fetch(url, init)
      }
      const objects = yield* ObjectStoreS3.make(options(double, { fetch, maxInFlight: 5 }))
      const paths = Array.from({ length: 60 }, (_, i) => `a/${i}`)
      yield* Effect.forEach(paths, (path) => objects.put(path, utf8(path)), { concurrency: "unbounded" })
      assert.strictEqual(most, 5)
      assert.strictEqual(double.objects.size, 60)
    })
  )

  it.effect("a request that is given up by its caller is aborted, and leaves its place to others", () =>
    Effect.gen(function* () {
      const double = new Double()
      double.fault = first(1, "hang")
      const objects = yield* ObjectStoreS3.make(options(double, { maxInFlight: 1 }))
      const fiber = yield* Effect.fork(objects.put("a", utf8("x")))
      while (double.seen.length === 0) yield* Effect.promise(turn)
      yield* Fiber.interrupt(fiber)
      yield* objects.put("b", utf8("y"))
      assert.deepStrictEqual([...double.objects.keys()], ["b"])
    })
  )
})

describe("S3: large objects", () => {
  const mebibytes = (count: number) => {
    const bytes = new Uint8Array(count << 20)
    for (let i = 0; i < bytes.length; i += 4096) bytes[i] = i >> 12
    return bytes
  }
  const parts = { partsAbove: 5 << 20, partSize: 5 << 20 }
  const open = (set: (double: Double) => void = () => {}) =>
    Effect.gen(function* () {
      const double = new Double()
      set(double)
      return { double, objects: yield* ObjectStoreS3.make(options(double, { ...parts, attempts: 3 })) }
    })
  const isCompletion = ({ method, query }: { method: string; query: URLSearchParams }) =>
    method === "POST" && query.has("uploadId")

  it.effect("they go in parts, those of the bound in one piece, and come back whole", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* open()
      yield* objects.put("small", mebibytes(5))
      assert.strictEqual(double.seen.length, 1)
      yield* objects.put("large", mebibytes(11))
      const sizes = double.seen.filter(({ query }) => query.has("partNumber")).map(({ bytes }) => bytes.length >> 20)
      assert.sameMembers(sizes, [5, 5, 1])
      assert.isTrue(Bytes.equals(yield* objects.get("large"), mebibytes(11)))
      assert.strictEqual(yield* objects.size("large"), 11 << 20)
      assert.strictEqual(double.uploads.size, 0)
    })
  )

  it.effect("each step that fails is tried again, a completion that was done already is found out", () =>
    Effect.gen(function* () {
      const faults: ReadonlyArray<Fault> = [
        "reset",
        "lost",
        "truncated",
        { status: 500, code: "InternalError", applied: true },
        { status: 200, code: "InternalError" },
        { status: 200, code: "InternalError", applied: true },
        { status: 200, body: "" }
      ]
      for (const fault of faults) {
        const { double, objects } = yield* open()
        let told = false
        double.fault = (request) => {
          if (told || !isCompletion(request)) return undefined
          told = true
          return fault
        }
        yield* objects.put("large", mebibytes(6))
        assert.isTrue(told)
        assert.isTrue(Bytes.equals(double.objects.get("large")!.bytes, mebibytes(6)), JSON.stringify(fault))
        assert.strictEqual(double.uploads.size, 0)
      }
      const { double, objects } = yield* open()
      const roll = dice(7)
      double.fault = () => (roll(4) === 0 ? "lost" : undefined)
      yield* objects.put("large", mebibytes(6))
      assert.isTrue(Bytes.equals(double.objects.get("large")!.bytes, mebibytes(6)))
    })
  )

  it.effect("an upload that fails or is interrupted is taken back, and what was there stays", () =>
    Effect.gen(function* () {
      const failing: ReadonlyArray<(request: { method: string; query: URLSearchParams }) => Fault | undefined> = [
        ({ query }) => (query.get("partNumber") === "2" ? { status: 403, code: "AccessDenied" } : undefined),
        (request) => (isCompletion(request) ? { status: 200, code: "InternalError" } : undefined),
        (request) => (isCompletion(request) ? { status: 200, code: "InvalidPart" } : undefined)
      ]
      for (const fault of failing) {
        const { double, objects } = yield* open()
        yield* objects.put("large", utf8("before"))
        double.fault = fault
        yield* Effect.flip(objects.put("large", mebibytes(11)))
        assert.strictEqual(double.uploads.size, 0)
        assert.strictEqual(Bytes.toUtf8(double.objects.get("large")!.bytes), "before")
      }
      const { double, objects } = yield* open((double) => {
        double.fault = ({ query }) => (query.get("partNumber") === "2" ? "hang" : undefined)
      })
      const fiber = yield* Effect.fork(objects.put("large", mebibytes(11)))
      while (!double.seen.some(({ query }) => query.get("partNumber") === "2")) yield* Effect.promise(turn)
      assert.strictEqual(double.uploads.size, 1)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(double.uploads.size, 0)
      assert.strictEqual(double.objects.size, 0)
    })
  )
})

describe("S3 over a socket", () => {
  it.scopedLive("connections that break at any place are tried again, and every byte is right", () =>
    Effect.gen(function* () {
      const double = new Double()
      const endpoint = yield* serve(double)
      const objects = yield* ObjectStoreS3.make(
        options(double, { endpoint, fetch: (url, init) => globalThis.fetch(url, init) })
      )
      double.fault = badLine(3)
      const bytesOf = (i: number) => new Uint8Array(i * 1013).fill(i)
      yield* Effect.forEach(
        Array.from({ length: 24 }, (_, i) => i),
        (i) =>
          Effect.gen(function* () {
            yield* objects.put(`a+b/${i} ä`, bytesOf(i))
            assert.isTrue(Bytes.equals(yield* objects.get(`a+b/${i} ä`), bytesOf(i)))
            assert.isTrue(yield* objects.create(`c/${i}`, bytesOf(i)))
            assert.isFalse(yield* objects.create(`c/${i}`, bytesOf(i)))
            assert.strictEqual(yield* objects.size(`c/${i}`), i * 1013)
          }),
        { concurrency: 8, discard: true }
      )
    })
  )

  it.scopedLive("nobody there, and somebody who speaks no HTTP, are named and say what to do", () =>
    Effect.gen(function* () {
      const silent = createServer((_, response) => response.end("hello"))
      const port = yield* Effect.acquireRelease(
        Effect.async<number>((resume) => {
          silent.listen(0, "127.0.0.1", () => {
            const address = silent.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
          })
        }),
        () => Effect.sync(() => silent.close())
      )
      const { fetch, ...rest } = options(new Double(), { endpoint: `http://127.0.0.1:${port}`, attempts: 2 })
      assert.isDefined(fetch)
      const web = yield* ObjectStoreS3.make(rest)
      for (const step of [web.put("a", utf8("x")), web.create("a", utf8("x")), Stream.runDrain(web.list(""))]) {
        assert.include((yield* Effect.flip(step)).message, "S3")
      }
      const gone = yield* ObjectStoreS3.make({ ...rest, endpoint: "http://127.0.0.1:9", timeout: Duration.seconds(5) })
      const refused = yield* Effect.flip(gone.get("a"))
      assert.strictEqual(refused.reason, "Unavailable")
      assert.include(refused.message, "127.0.0.1:9 cannot be reached")
    })
  )
})
