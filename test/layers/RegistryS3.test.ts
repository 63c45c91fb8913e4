import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreS3 from "../../src/layers/ObjectStoreS3.ts"
import * as RegistryObjectStore from "../../src/layers/RegistryObjectStore.ts"
import * as RegistryS3 from "../../src/layers/RegistryS3.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import { suite } from "../conformance/Registry.ts"
import { Ancestry, entryOf, key, outcome, shown, wire } from "../support/registry.ts"
import { badLine, Double, options } from "../support/s3Double.ts"
import * as Time from "../support/s3Time.ts"

const path = StreamKey.registryPath(key)

const setUp = (set: (double: Double) => void = () => {}, more: Partial<ObjectStoreS3.Options> = {}) =>
  Effect.gen(function* () {
    const double = new Double()
    set(double)
    const objects = yield* ObjectStoreS3.make(options(double, more))
    const registry = yield* RegistryS3.make(objects, { pollEvery: 2 })
    return { double, objects, registry }
  }).pipe(Effect.provide(CryptoAuto.layer()))

const subject = (set?: (double: Double) => void) =>
  Effect.map(setUp(set), ({ double, objects, registry }) => ({
    registry,
    plant: (of: StreamKey.StreamKey, bytes: Uint8Array) => objects.put(StreamKey.registryPath(of), bytes),
    raw: (of: StreamKey.StreamKey) => Effect.sync(() => double.objects.get(StreamKey.registryPath(of))?.bytes)
  }))

suite("S3", subject())
suite(
  "S3 over a bad line",
  Effect.map(
    subject((double) => {
      double.fault = badLine(5)
    }),
    (made) => ({ ...made, losesAnswers: true })
  )
)

describe("Registry: S3", () => {
  it.effect("the entry is the object that the reference reads, and there is nothing else", () =>
    Effect.gen(function* () {
      const { double, objects } = yield* setUp()
      const registry = yield* Effect.provide(RegistryObjectStore.make(objects), CryptoAuto.layer())
      assert.strictEqual(outcome(yield* registry.set(entryOf(1n, "a"), [])), "Stored")
      assert.strictEqual(outcome(yield* registry.set(entryOf(2n, "b"), [entryOf(1n, "a")])), "Stored")
      assert.deepStrictEqual([...double.objects.keys()], [path])
      assert.deepStrictEqual(double.objects.get(path)?.bytes, new Uint8Array(RegistryEntry.toBytes(entryOf(2n, "b"))))
    })
  )

  it.effect("a write takes two requests, once the bucket was found fit, and a reading one", () =>
    Effect.gen(function* () {
      const { double, registry } = yield* setUp()
      yield* registry.set(entryOf(1n, "a"), [])
      const before = double.seen.length
      yield* registry.set(entryOf(2n, "b"), [entryOf(1n, "a")])
      assert.strictEqual(double.seen.length - before, 2)
      yield* registry.entries(key)
      assert.strictEqual(double.seen.length - before, 3)
    })
  )

  it.effect("what another program wrote meanwhile, without asking, is noticed and not overwritten", () =>
    Effect.gen(function* () {
      const { double, objects, registry } = yield* setUp()
      const [first, rival, ours] = [entryOf(1n, "a"), entryOf(2n, "rival"), entryOf(2n, "ours")]
      yield* registry.set(first, [])
      let put = false
      double.fault = ({ method }) => {
        if (method === "PUT" && !put) {
          put = true
          const { tag, ...rest } = double.objects.get(path)!
          double.objects.set(path, { ...rest, bytes: new Uint8Array(RegistryEntry.toBytes(rival)), tag: `${tag}!` })
        }
        return undefined
      }
      assert.strictEqual(outcome(yield* registry.set(ours, [first])), `Lost to ${shown(rival)}`)
      assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(rival)])
      yield* objects.remove(path)
      assert.deepStrictEqual(yield* registry.entries(key), [])
    })
  )

  for (const fault of ["lost", "late", "reset"] as const) {
    it.effect(`an entry whose answer was ${fault} is stored, once`, () =>
      Effect.gen(function* () {
        const { double, registry } = yield* setUp()
        const [first, second, third] = [entryOf(1n, "a"), entryOf(2n, "b"), entryOf(3n, "c")]
        yield* registry.set(first, [])
        const before = double.seen.length
        double.fault = ({ method, nth }) => (method === "PUT" && nth <= before + 1 ? fault : undefined)
        assert.strictEqual(outcome(yield* registry.set(second, [first])), "Stored")
        double.fault = () => undefined
        assert.strictEqual(outcome(yield* registry.set(third, [second])), "Stored")
        // whatever comes late comes now
        for (let i = 0; i < 5; i++) assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(third)])
      })
    )
  }

  it.effect("of many writers over a line that loses, delays and doubles requests, nothing acknowledged is lost", () =>
    Effect.gen(function* () {
      const { double, registry } = yield* setUp()
      const faults = badLine(11)
      let nth = 0
      double.fault = (request) => (request.method === "PUT" && nth++ % 4 === 0 ? "late" : faults())
      const ancestry = new Ancestry()
      const acknowledged: Array<RegistryEntry.RegistryEntry> = []
      const writer = (name: number) =>
        Effect.gen(function* () {
          for (let round = 0; round < 6; round++) {
            for (;;) {
              const over = yield* registry.entries(key)
              const entry = entryOf((over[0]?.revision ?? 0n) + 1n, `${name} ${round}`)
              ancestry.record(entry, over)
              if ((yield* registry.set(entry, over))._tag === "Lost") continue
              acknowledged.push(entry)
              break
            }
          }
        })
      yield* Effect.forEach([1, 2, 3, 4, 5], writer, { concurrency: "unbounded", discard: true })
      assert.strictEqual(acknowledged.length, 30)
      const reachable = ancestry.reachable(yield* registry.entries(key))
      for (const entry of acknowledged) assert.isTrue(reachable.has(wire(entry)), shown(entry))
    })
  )

  for (const conditions of ["ignored", "create-only", "unsupported"] as const) {
    it.effect(`a bucket whose conditions are ${conditions} is refused at the first write, and can be read`, () =>
      Effect.gen(function* () {
        const { double, objects, registry } = yield* setUp()
        double.conditions = conditions
        const error = yield* Effect.flip(registry.set(entryOf(1n, "a"), []))
        assert.strictEqual(error.reason, "Unsupported")
        assert.include(error.message, "choose another place for the registry")
        assert.strictEqual(double.objects.size, 0)
        yield* objects.put(path, RegistryEntry.toBytes(entryOf(1n, "a")))
        assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(entryOf(1n, "a"))])
      })
    )
  }

  it.effect("a store that refuses the very version that it shows is a failure after a while, not a loop", () =>
    Effect.gen(function* () {
      const { double, registry } = yield* setUp()
      yield* registry.set(entryOf(1n, "a"), [])
      double.fault = ({ method }) => (method === "PUT" ? { status: 412, code: "PreconditionFailed" } : undefined)
      const { exit } = yield* Time.run(double, registry.set(entryOf(2n, "b"), [entryOf(1n, "a")]))
      const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
      assert.strictEqual(error?.reason, "Unavailable")
      assert.include(error?.message, "refuses the version that it shows")
      assert.isBelow(double.count("PUT"), 12)
    })
  )

  it.effect("a wrong endpoint is never taken for an empty registry", () =>
    Effect.gen(function* () {
      const { double, registry } = yield* setUp(undefined, { attempts: 2 })
      for (const fault of [
        { status: 404, body: "<html>not found</html>" },
        { status: 404, code: "NoSuchBucket" },
        { status: 403, code: "AccessDenied" },
        { status: 200, body: "" }
      ]) {
        double.fault = () => fault
        assert.isTrue(Either.isLeft(yield* Effect.either(registry.entries(key))), JSON.stringify(fault))
      }
    })
  )
})
