import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as RegistryObjectStore from "../../src/layers/RegistryObjectStore.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as ObjectStore from "../../src/services/ObjectStore.ts"
import type { Service } from "../../src/services/Registry.ts"
import { suite } from "../conformance/Registry.ts"
import { Ancestry, dice, entryOf, key, outcome, shown, wire } from "../support/registry.ts"
import { peacefulRace, race } from "../support/registryRace.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "cairn-registry-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const projection = StreamKey.registryPath(key)
const claim = (slot: bigint) => `registry/.claims/${StreamKey.toHex(key)}/${slot.toString().padStart(20, "0")}`
const read = (objects: ObjectStore.Service, path: string) =>
  Effect.map(Effect.option(objects.get(path)), Option.getOrUndefined)

const over = (objects: ObjectStore.Service) =>
  Effect.map(RegistryObjectStore.make(objects, { pollEvery: 2 }), (registry) => ({
    registry,
    plant: (of: StreamKey.StreamKey, bytes: Uint8Array) => objects.put(StreamKey.registryPath(of), bytes),
    raw: (of: StreamKey.StreamKey) => read(objects, StreamKey.registryPath(of))
  }))

suite("objects in memory", Effect.flatMap(ObjectStoreMemory.make(), over))
for (const hardLinks of [true, false]) {
  suite(
    `files with${hardLinks ? "" : "out"} hard links`,
    Effect.flatMap(folder, (directory) => Effect.flatMap(ObjectStoreFs.make({ directory, hardLinks }), over))
  )
}

describe("Registry: processes over files", () => {
  const registryIn = (directory: string) =>
    Effect.flatMap(ObjectStoreFs.make({ directory }), (objects) => RegistryObjectStore.make(objects))
  const inFolder = <A, E>(directory: string, use: (registry: Service) => Effect.Effect<A, E>) =>
    Effect.runPromise(
      Effect.scoped(Effect.flatMap(registryIn(directory), use)).pipe(Effect.provide(CryptoAuto.layer()))
    )
  const newest = (directory: string) => () =>
    inFolder(directory, (registry) => Effect.map(registry.entries(key), (entries) => entries[0]?.revision ?? 0n))

  it.scopedLive("three processes that raise one key 50 times each leave revision 150", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      yield* Effect.promise(() => peacefulRace("links", directory, newest(directory)))
    })
  )

  for (const kind of ["links", "folders"]) {
    it.scopedLive(`processes that are killed while they write with ${kind} lose nothing that was acknowledged`, () =>
      Effect.gen(function* () {
        const directory = yield* folder
        const acknowledged = yield* Effect.promise(() => race(kind, directory, newest(directory)))
        const objects = yield* ObjectStoreFs.make({ directory })
        for (const { revision, hash } of acknowledged) {
          const bytes = yield* objects.get(claim(revision === 1n ? 0n : revision))
          assert.strictEqual(Buffer.from(bytes.subarray(60, 92)).toString("hex"), hash)
        }
        const projected = yield* objects.get(projection)
        assert.strictEqual(Buffer.from(projected).readBigUInt64BE(50), yield* Effect.promise(newest(directory)))
      })
    )
  }
})

describe("Registry: claims and their projection", () => {
  const setUp = Effect.gen(function* () {
    const objects = yield* ObjectStoreMemory.make()
    const registry = yield* RegistryObjectStore.make(objects)
    const set = (entry: RegistryEntry.RegistryEntry, ...built: Array<RegistryEntry.RegistryEntry>) =>
      Effect.map(registry.set(entry, built), outcome)
    const chain = [1n, 2n, 3n].map((revision) => entryOf(revision, `${revision}`))
    yield* set(chain[0]!)
    yield* set(chain[1]!, chain[0]!)
    yield* set(chain[2]!, chain[1]!)
    return { objects, registry, set, chain, held: Effect.map(registry.entries(key), (all) => all.map(shown)) }
  }).pipe(Effect.provide(CryptoAuto.layer()))
  const put = (objects: ObjectStore.Service, path: string, entry: RegistryEntry.RegistryEntry) =>
    objects.put(path, RegistryEntry.toBytes(entry))

  it.scoped("a projection that went back in time, was lost or damaged is put right by the next read", () =>
    Effect.gen(function* () {
      const { objects, chain, held } = yield* setUp
      const newest = chain[2]!
      for (const spoil of [
        put(objects, projection, chain[0]!),
        put(objects, projection, chain[1]!),
        objects.remove(projection),
        objects.put(projection, Uint8Array.of(1, 2, 3))
      ]) {
        yield* spoil
        assert.deepStrictEqual(yield* held, [shown(newest)])
        assert.deepStrictEqual(yield* objects.get(projection), RegistryEntry.toBytes(newest))
      }
    })
  )

  it.scoped("a write over an older entry loses to the claims, however stale the projection is", () =>
    Effect.gen(function* () {
      const { objects, set, chain, held } = yield* setUp
      yield* put(objects, projection, chain[0]!)
      assert.strictEqual(yield* set(entryOf(2n, "late"), chain[0]!), `Lost to ${shown(chain[2]!)}`)
      yield* objects.remove(projection)
      assert.strictEqual(yield* set(entryOf(9n, "late"), chain[1]!), `Lost to ${shown(chain[2]!)}`)
      assert.deepStrictEqual(yield* held, [shown(chain[2]!)])
    })
  )

  it.scoped("a claim whose writer died before the projection is the newest entry", () =>
    Effect.gen(function* () {
      const { objects, set, held } = yield* setUp
      const orphan = entryOf(4n, "orphan")
      yield* put(objects, claim(4n), orphan)
      assert.deepStrictEqual(yield* held, [shown(orphan)])
      assert.strictEqual(yield* set(entryOf(5n, "next"), orphan), "Stored")
    })
  )

  it.scoped("after a jump of the revision the next slot is above it, and a lost projection finds the end", () =>
    Effect.gen(function* () {
      const { objects, set, chain, held } = yield* setUp
      const [jump, after] = [entryOf(8n, "jump"), entryOf(9n, "after")]
      assert.strictEqual(yield* set(jump, chain[2]!), "Stored")
      assert.strictEqual(wire(jump), Buffer.from(yield* objects.get(claim(4n))).toString("hex"))
      assert.deepStrictEqual(yield* held, [shown(jump)])
      assert.strictEqual(yield* set(entryOf(5n, "late"), chain[2]!), `Lost to ${shown(jump)}`)
      assert.strictEqual(yield* set(after, jump), "Stored")
      for (const start of [chain[2]!, jump]) {
        yield* put(objects, projection, start)
        assert.deepStrictEqual(yield* held, [shown(after)])
      }
      yield* objects.remove(projection)
      assert.deepStrictEqual(yield* held, [shown(after)])
    })
  )

  it.scoped("a damaged claim at the end is an error that names it, and is not written over", () =>
    Effect.gen(function* () {
      const { objects, registry, chain } = yield* setUp
      const bytes = RegistryEntry.toBytes(chain[2]!)
      bytes[80]! ^= 4
      yield* objects.put(claim(3n), bytes)
      const failures = [
        yield* Effect.flip(registry.entries(key)),
        yield* Effect.flip(registry.set(entryOf(3n, "b"), [chain[1]!])),
        yield* Effect.flip(registry.set(entryOf(4n, "b"), [chain[2]!]))
      ]
      for (const failure of failures) {
        assert.strictEqual(failure.reason, "Corrupt")
        assert.include(failure.message, claim(3n))
      }
      assert.deepStrictEqual(yield* objects.get(claim(3n)), bytes)
    })
  )

  it.scoped("of a claim or projection that somebody made huge no more than an entry's length is read", () =>
    Effect.gen(function* () {
      const { objects } = yield* setUp
      yield* objects.put(claim(3n), new Uint8Array(3_000_000).fill(0x5c))
      yield* objects.put(projection, new Uint8Array(3_000_000).fill(0x5c))
      let most = 0
      const counting: ObjectStore.Service = {
        ...objects,
        get: (path, range) =>
          Effect.tap(objects.get(path, range), (bytes) =>
            Effect.sync(() => {
              most = Math.max(most, bytes.length)
            })
          )
      }
      const registry = yield* RegistryObjectStore.make(counting).pipe(Effect.provide(CryptoAuto.layer()))
      assert.strictEqual((yield* Effect.flip(registry.entries(key))).reason, "Corrupt")
      assert.isAtMost(most, 1024)
    })
  )

  it.scoped("an entry that the reference wrote alone is the current one, and claims begin above it", () =>
    Effect.gen(function* () {
      const objects = yield* ObjectStoreMemory.make()
      const registry = yield* RegistryObjectStore.make(objects).pipe(Effect.provide(CryptoAuto.layer()))
      const foreign = entryOf(7n, "by the reference")
      yield* put(objects, projection, foreign)
      assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(foreign)])
      assert.strictEqual(outcome(yield* registry.set(entryOf(8n, "x"), [])), `Lost to ${shown(foreign)}`)
      assert.deepStrictEqual(
        yield* Stream.runCollect(objects.list("registry/.claims/")),
        yield* Stream.runCollect(Stream.empty)
      )
      assert.strictEqual(outcome(yield* registry.set(entryOf(8n, "y"), [foreign])), "Stored")
      // even if its writer comes back late with the old bytes
      yield* put(objects, projection, foreign)
      assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(entryOf(8n, "y"))])
    })
  )

  it.scoped("an entry that the reference wrote over ours stands beside it until both are built on", () =>
    Effect.gen(function* () {
      const { objects, set, chain, held } = yield* setUp
      const newest = chain[2]!
      for (const [foreign, next] of [
        [entryOf(3n, "rival of the same revision"), entryOf(4n, "both")],
        [entryOf(6n, "a later one"), entryOf(7n, "all")]
      ] as const) {
        yield* put(objects, projection, foreign)
        const mine = foreign.revision === 3n ? newest : entryOf(4n, "both")
        const both = RegistryEntry.Order(foreign, mine) > 0 ? [foreign, mine] : [mine, foreign]
        assert.deepStrictEqual(yield* held, both.map(shown))
        assert.strictEqual(yield* set(next, mine), `Lost to ${shown(foreign)}`)
        assert.strictEqual(yield* set(next, foreign), `Lost to ${shown(mine)}`)
        assert.strictEqual(yield* set(next, ...both), "Stored")
        assert.deepStrictEqual(yield* held, [shown(next)])
      }
    })
  )

  it.scoped("a store that cannot be read is never an empty registry", () =>
    Effect.gen(function* () {
      const { objects, chain } = yield* setUp
      const failing = (path: string) =>
        new ObjectStore.ObjectStoreError({ reason: "Unavailable", store: "s", operation: "get", path, detail: "down" })
      for (const broken of ["get", "list", "create", "size"] as const) {
        yield* objects.remove(projection)
        const registry = yield* RegistryObjectStore.make({
          ...objects,
          get: (path) => (broken === "get" ? failing(path) : objects.get(path)),
          list: (path) => (broken === "list" ? Stream.fail(failing(path)) : objects.list(path)),
          create: (path, bytes) => (broken === "create" ? failing(path) : objects.create(path, bytes)),
          size: (path) => (broken === "size" ? failing(path) : objects.size(path))
        }).pipe(Effect.provide(CryptoAuto.layer()))
        const failure = yield* Effect.flip(registry.set(entryOf(4n, "x"), chain))
        assert.strictEqual(failure.reason, "Unavailable", broken)
      }
    })
  )

  it.scoped("an object that cannot be read is never one that is not there", () =>
    Effect.gen(function* () {
      const { objects, chain } = yield* setUp
      yield* put(objects, projection, chain[1]!)
      for (const unreadable of [projection, claim(2n), claim(3n), claim(4n)]) {
        const registry = yield* RegistryObjectStore.make({
          ...objects,
          get: (path) =>
            path === unreadable
              ? new ObjectStore.ObjectStoreError({
                  reason: "Unavailable",
                  store: "s",
                  operation: "get",
                  path,
                  detail: "down"
                })
              : objects.get(path)
        }).pipe(Effect.provide(CryptoAuto.layer()))
        assert.strictEqual((yield* Effect.flip(registry.entries(key))).reason, "Unavailable", unreadable)
        assert.strictEqual(
          (yield* Effect.flip(registry.set(entryOf(4n, "x"), chain))).reason,
          "Unavailable",
          unreadable
        )
        assert.deepStrictEqual(yield* objects.get(projection), RegistryEntry.toBytes(chain[1]!))
      }
    })
  )

  it.scoped("a listing that is behind still leads to the end", () =>
    Effect.gen(function* () {
      const { objects, chain } = yield* setUp
      yield* objects.remove(projection)
      const registry = yield* RegistryObjectStore.make({
        ...objects,
        list: (prefix) => Stream.filter(objects.list(prefix), (path) => path === claim(2n))
      }).pipe(Effect.provide(CryptoAuto.layer()))
      assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(chain[2]!)])
    })
  )

  it.scoped("a writer that was overtaken before it wrote the projection leaves the newest entry in it", () =>
    Effect.gen(function* () {
      const { objects, registry: other, chain } = yield* setUp
      const [mine, next] = [entryOf(4n, "mine"), entryOf(5n, "next")]
      let overtaken = false
      const registry = yield* RegistryObjectStore.make({
        ...objects,
        put: (path, bytes) =>
          Effect.gen(function* () {
            if (!overtaken) {
              overtaken = true
              assert.strictEqual(outcome(yield* Effect.orDie(other.set(next, [mine]))), "Stored")
            }
            yield* objects.put(path, bytes)
          })
      }).pipe(Effect.provide(CryptoAuto.layer()))
      assert.strictEqual(outcome(yield* registry.set(mine, chain)), "Stored")
      assert.isTrue(overtaken)
      assert.deepStrictEqual(yield* objects.get(projection), RegistryEntry.toBytes(next))
    })
  )

  it.scoped("an entry whose claim is made is stored even if the projection cannot be written, and says so", () =>
    Effect.gen(function* () {
      const { objects, chain, held } = yield* setUp
      const full = new ObjectStore.ObjectStoreError({
        reason: "Full",
        store: "s",
        operation: "put",
        path: projection,
        detail: "no room"
      })
      const registry = yield* RegistryObjectStore.make({ ...objects, put: () => full }).pipe(
        Effect.provide(CryptoAuto.layer())
      )
      const next = entryOf(4n, "next")
      const stored = yield* registry.set(next, chain)
      assert.strictEqual(stored._tag, "Stored")
      assert.include(stored.verdicts[0]?.detail ?? "", "no room")
      assert.deepStrictEqual(yield* held, [shown(next)])
    })
  )

  it.scoped("whatever fails, is lost, delayed or put back: nothing acknowledged is ever out of reach", () =>
    Effect.gen(function* () {
      let acknowledgements = 0
      let unknown = 0
      for (let seed = 1; seed <= 24; seed++) {
        const roll = dice(seed)
        const objects = yield* ObjectStoreMemory.make()
        const old: Array<Uint8Array> = []
        let calm = false
        const failure = (operation: string, path: string) =>
          new ObjectStore.ObjectStoreError({ reason: "Unavailable", store: "s", operation, path, detail: "injected" })
        /** Lets others run before and after; sometimes nothing happens, sometimes only the answer is lost. */
        const shaken = <A>(operation: string, path: string, run: Effect.Effect<A, ObjectStore.ObjectStoreError>) =>
          Effect.gen(function* () {
            for (let i = roll(5); i > 0; i--) yield* Effect.yieldNow()
            if (calm) return yield* run
            if (roll(25) === 0) return yield* failure(operation, path)
            const answer = yield* run
            for (let i = roll(3); i > 0; i--) yield* Effect.yieldNow()
            return roll(25) === 0 ? yield* failure(operation, path) : answer
          })
        const registry = yield* RegistryObjectStore.make({
          ...objects,
          get: (path) => shaken("get", path, objects.get(path)),
          put: (path, bytes) => {
            old.push(bytes)
            return shaken("put", path, objects.put(path, bytes))
          },
          create: (path, bytes) => shaken("create", path, objects.create(path, bytes)),
          size: (path) => shaken("size", path, objects.size(path)),
          list: (path) => Stream.unwrap(shaken("list", path, Effect.succeed(objects.list(path))))
        })
        const ancestry = new Ancestry()
        const acknowledged: Array<RegistryEntry.RegistryEntry> = []
        const writer = (name: string) =>
          Effect.gen(function* () {
            for (let attempt = 0; attempt < 12; attempt++) {
              const current = yield* Effect.option(registry.entries(key))
              if (Option.isNone(current)) continue
              const jump = roll(4) === 0 ? 3n : 1n
              const entry = entryOf((current.value[0]?.revision ?? 0n) + jump, `${name} ${attempt}`)
              ancestry.record(entry, current.value)
              const answer = yield* Effect.either(registry.set(entry, current.value))
              if (answer._tag === "Left") unknown++
              else if (answer.right._tag === "Stored") acknowledged.push(entry)
            }
          })
        /** A late writer that puts an old projection back, or a disk that loses or damages it. */
        const gremlin = Effect.gen(function* () {
          for (let i = 0; i < 40; i++) {
            yield* Effect.yieldNow()
            const what = roll(8)
            if (old.length > 0 && what === 0) yield* objects.put(projection, old[roll(old.length)]!)
            if (what === 1) yield* objects.remove(projection)
            if (old.length > 0 && what === 2) yield* objects.put(projection, Uint8Array.of(0))
          }
        })
        yield* Effect.all([writer("a"), writer("b"), writer("c"), gremlin], { concurrency: "unbounded" })
        calm = true
        const reachable = ancestry.reachable(yield* registry.entries(key))
        for (const entry of acknowledged) assert.isTrue(reachable.has(wire(entry)), `seed ${seed}: ${shown(entry)}`)
        assert.strictEqual(new Set(acknowledged.map((entry) => entry.revision)).size, acknowledged.length)
        acknowledgements += acknowledged.length
      }
      assert.isAbove(acknowledgements, 120)
      assert.isAbove(unknown, 40)
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )
})
