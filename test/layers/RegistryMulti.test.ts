import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as RegistryMulti from "../../src/layers/RegistryMulti.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import type { Crypto } from "../../src/services/Crypto.ts"
import { RegistryError, type Service, type SetOutcome } from "../../src/services/Registry.ts"
import { suite } from "../conformance/Registry.ts"
import { refusal, right } from "../support/either.ts"
import { Ancestry, dice, entryOf, key, outcome, shown, wire } from "../support/registry.ts"

const policies = ["all", "any", "quorum:1", "quorum:2", "quorum:3"]

for (const policy of policies) {
  suite(
    `three in memory, ${policy}`,
    Effect.gen(function* () {
      const maps = [0, 1, 2].map(() => new Map<string, Uint8Array>())
      const [a, b, c] = [
        yield* RegistryMemory.make({ name: "a", bytes: maps[0]! }),
        yield* RegistryMemory.make({ name: "b", bytes: maps[1]! }),
        yield* RegistryMemory.make({ name: "c", bytes: maps[2]! })
      ]
      return {
        registry: yield* RegistryMulti.make({
          backends: [a, b, c],
          policy: right(RegistryMulti.parsePolicy(policy, 3))
        }),
        plant: (of, bytes) =>
          Effect.sync(() => {
            for (const map of maps) map.set(StreamKey.toHex(of), bytes)
          }),
        raw: (of) => Effect.sync(() => maps[0]!.get(StreamKey.toHex(of)))
      }
    })
  )
}

/** A backend that can be taken down, whose contents can be looked at. */
const backend = Effect.fnUntraced(function* (name: string) {
  const bytes = new Map<string, Uint8Array>()
  const inner = yield* RegistryMemory.make({ name, bytes })
  const state = { readable: true, writable: true }
  const down = new RegistryError({ reason: "Unavailable", registry: name, key: "", detail: "no connection" })
  const service: Service = {
    name,
    entries: (of) => Effect.suspend(() => (state.readable ? inner.entries(of) : down)),
    set: (entry, over) => Effect.suspend(() => (state.writable ? inner.set(entry, over) : down)),
    changes: (of) =>
      Stream.mapEffect(inner.changes(of), (entry) => (state.readable ? Effect.succeed(entry) : Effect.fail(down)))
  }
  return {
    service,
    state,
    isUp: (up: boolean) => {
      state.readable = up
      state.writable = up
    },
    bytes,
    holds: Effect.map(Effect.orDie(inner.entries(key)), (entries) => entries.map(shown).join()),
    give: (...entries: Array<RegistryEntry.RegistryEntry>) =>
      Effect.sync(() => {
        for (const entry of entries) bytes.set(StreamKey.toHex(entry.key), RegistryEntry.toBytes(entry))
      })
  }
})

const three = Effect.fnUntraced(function* (policy: string) {
  const [a, b, c] = [yield* backend("a"), yield* backend("b"), yield* backend("c")]
  const registry = yield* RegistryMulti.make({
    backends: [a.service, b.service, c.service],
    policy: right(RegistryMulti.parsePolicy(policy, 3))
  })
  return { a, b, c, registry, all: [a, b, c] }
})

const verdicts = (result: SetOutcome) => result.verdicts.map((verdict) => `${verdict.registry} ${verdict.outcome}`)
const [base, mine, rival] = [entryOf(4n, "base"), entryOf(5n, "mine"), entryOf(5n, "rival")]
const fact = <E>(name: string, test: () => Effect.Effect<void, E, Crypto>) =>
  it.effect(name, () => Effect.provide(test(), CryptoAuto.layer()))

describe("write policies", () => {
  it("are all, any and quorums from 1 to the number of backends", () => {
    assert.deepStrictEqual(right(RegistryMulti.parsePolicy("all", 3)), { _tag: "All" })
    assert.deepStrictEqual(right(RegistryMulti.parsePolicy("any", 3)), { _tag: "Any" })
    assert.deepStrictEqual(right(RegistryMulti.parsePolicy("quorum:3", 3)), { _tag: "Quorum", count: 3 })
    const refusedTexts = [
      "",
      "All",
      "quorum",
      "quorum:",
      "quorum:0",
      "quorum:4",
      "quorum:-1",
      "quorum:1.5",
      "quorum:1e0"
    ]
    for (const text of [...refusedTexts, "quorum: 2", "quorum:9999999999999999999999", "one"]) {
      assert.include(refusal(RegistryMulti.parsePolicy(text, 3)).message, text)
    }
  })

  it("are exclusive when any two writes meet at a backend", () => {
    const exclusive = (text: string, backends: number) =>
      RegistryMulti.isExclusive(right(RegistryMulti.parsePolicy(text, backends)), backends)
    assert.deepStrictEqual(
      [1, 2, 3, 4, 5].map((n) => [
        exclusive("all", n),
        exclusive("any", n),
        ...Array.from({ length: n }, (_, i) => exclusive(`quorum:${i + 1}`, n))
      ]),
      [
        [true, true, true],
        [true, false, false, true],
        [true, false, false, true, true],
        [true, false, false, false, true, true],
        [true, false, false, false, true, true, true]
      ]
    )
  })
})

describe("Registry: several, policy all", () => {
  fact("a write goes to every backend and says so", () =>
    Effect.gen(function* () {
      const { registry, all } = yield* three("all")
      const stored = yield* registry.set(mine, [])
      assert.strictEqual(outcome(stored), "Stored")
      assert.deepStrictEqual(verdicts(stored), ["a stored", "b stored", "c stored"])
      for (const one of all) assert.strictEqual(yield* one.holds, shown(mine))
    })
  )

  fact("a backend that is down makes the write an error with every verdict; the same entry again completes it", () =>
    Effect.gen(function* () {
      const { registry, a, b, c } = yield* three("all")
      b.isUp(false)
      const failure = yield* Effect.flip(registry.set(mine, []))
      assert.strictEqual(failure.reason, "Unreached")
      for (const text of ["a stored", "b failed", "no connection", "c skipped", "1 of 3"]) {
        assert.include(failure.message, text)
      }
      assert.strictEqual(yield* a.holds, shown(mine))
      assert.strictEqual(yield* c.holds, "")
      b.isUp(true)
      assert.strictEqual(outcome(yield* registry.set(mine, [])), "Stored")
      assert.strictEqual(yield* c.holds, shown(mine))
    })
  )

  fact("a rival at one backend stops the write there", () =>
    Effect.gen(function* () {
      const { registry, a, b, c } = yield* three("all")
      yield* b.give(rival)
      const lost = yield* registry.set(mine, [])
      assert.strictEqual(outcome(lost), `Lost to ${shown(rival)}`)
      assert.deepStrictEqual(verdicts(lost), ["a stored", "b lost", "c skipped"])
      assert.deepStrictEqual([yield* a.holds, yield* b.holds, yield* c.holds], [shown(mine), shown(rival), ""])
      const both = yield* registry.entries(key)
      assert.sameMembers(both.map(shown), [shown(mine), shown(rival)])
      assert.strictEqual(outcome(yield* registry.set(entryOf(6n, "merged"), both)), "Stored")
    })
  )

  fact("one backend that answers is enough to read, none is not", () =>
    Effect.gen(function* () {
      const { registry, a, b, c } = yield* three("all")
      yield* registry.set(mine, [])
      a.isUp(false)
      b.isUp(false)
      assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(mine)])
      c.isUp(false)
      assert.strictEqual((yield* Effect.flip(registry.entries(key))).reason, "Unreached")
    })
  )

  fact("a backend with a damaged entry fails the write, which names it, and keeps its bytes", () =>
    Effect.gen(function* () {
      const { registry, b } = yield* three("all")
      const damaged = Uint8Array.of(0x5c, 1, 2)
      b.bytes.set(StreamKey.toHex(key), damaged)
      assert.deepStrictEqual(yield* registry.entries(key), [])
      const failure = yield* Effect.flip(registry.set(mine, []))
      assert.strictEqual(failure.reason, "Corrupt")
      assert.include(failure.message, "registry b")
      assert.strictEqual(b.bytes.get(StreamKey.toHex(key)), damaged)
    })
  )
})

describe("Registry: several, quorum", () => {
  fact("one of three backends down: the write is stored and its verdict is visible; reads go on", () =>
    Effect.gen(function* () {
      for (const broken of ["a", "b", "c"] as const) {
        const set = yield* three("quorum:2")
        set[broken].isUp(false)
        const stored = yield* set.registry.set(mine, [])
        assert.strictEqual(outcome(stored), "Stored")
        assert.include(verdicts(stored), `${broken} failed`)
        assert.deepStrictEqual((yield* set.registry.entries(key)).map(shown), [shown(mine)])
      }
    })
  )

  fact("two of three backends down: neither writes nor reads are answered", () =>
    Effect.gen(function* () {
      const { registry, a, c } = yield* three("quorum:2")
      a.isUp(false)
      c.isUp(false)
      const failure = yield* Effect.flip(registry.set(mine, []))
      assert.strictEqual(failure.reason, "Unreached")
      for (const text of ["a failed", "b stored", "c failed"]) assert.include(failure.message, text)
      const unread = yield* Effect.flip(registry.entries(key))
      assert.strictEqual(unread.reason, "Unreached")
      assert.include(unread.message, "1 of 3 backends answered, 2 are needed")
      c.isUp(true)
      assert.strictEqual(outcome(yield* registry.set(mine, [])), "Stored", "the same entry again completes it")
    })
  )

  fact("a rival at the first backend is lost to before anything is written elsewhere", () =>
    Effect.gen(function* () {
      const { registry, a, b, c } = yield* three("quorum:2")
      yield* a.give(rival)
      const lost = yield* registry.set(mine, [])
      assert.strictEqual(outcome(lost), `Lost to ${shown(rival)}`)
      assert.deepStrictEqual([yield* b.holds, yield* c.holds], ["", ""])
    })
  )

  fact("a rival at the last backend does not take back a quorum", () =>
    Effect.gen(function* () {
      const { registry, c } = yield* three("quorum:2")
      yield* c.give(rival)
      const stored = yield* registry.set(mine, [])
      assert.strictEqual(outcome(stored), "Stored")
      assert.deepStrictEqual(verdicts(stored), ["a stored", "b stored", "c lost"])
    })
  )

  fact("a rival and a backend that is down: lost, as a rival can be built on", () =>
    Effect.gen(function* () {
      const { registry, a, b } = yield* three("quorum:2")
      a.isUp(false)
      yield* b.give(rival)
      const lost = yield* registry.set(mine, [])
      assert.strictEqual(outcome(lost), `Lost to ${shown(rival)}`)
      assert.deepStrictEqual(verdicts(lost), ["a failed", "b lost", "c skipped"])
    })
  )

  fact("a damaged backend does not stop a quorum of the others", () =>
    Effect.gen(function* () {
      const { registry, a } = yield* three("quorum:2")
      a.bytes.set(StreamKey.toHex(key), Uint8Array.of(1))
      assert.strictEqual(outcome(yield* registry.set(mine, [])), "Stored")
      assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(mine)])
      assert.deepStrictEqual(a.bytes.get(StreamKey.toHex(key)), Uint8Array.of(1))
    })
  )
})

describe("Registry: several, an entry that was only read", () => {
  fact("is brought to as many backends as a write needs, over what they held, and is left alone where it is", () =>
    Effect.gen(function* () {
      const { registry, a, b, c, all } = yield* three("quorum:2")
      for (const one of all) yield* one.give(base)
      yield* a.give(mine)
      const entries = yield* registry.entries(key)
      assert.deepStrictEqual(entries.map(shown), [shown(mine), shown(base)])
      assert.strictEqual(outcome(yield* registry.confirm!(entries[0]!, entries)), "Stored")
      assert.deepStrictEqual([yield* a.holds, yield* b.holds, yield* c.holds], [shown(mine), shown(mine), shown(mine)])
      yield* c.give(base)
      assert.strictEqual(outcome(yield* registry.confirm!(mine, [mine, base])), "Stored")
      assert.strictEqual(yield* c.holds, shown(base), "two of three have it")
    })
  )

  fact("is an error where too few can take it, and lost where a rival was first", () =>
    Effect.gen(function* () {
      const { registry, a, b, c } = yield* three("quorum:2")
      yield* a.give(mine)
      b.isUp(false)
      c.isUp(false)
      assert.strictEqual((yield* Effect.flip(registry.confirm!(mine, [mine]))).reason, "Unreached")
      b.isUp(true)
      c.isUp(true)
      yield* b.give(rival)
      yield* c.give(rival)
      assert.strictEqual(outcome(yield* registry.confirm!(mine, [mine])), `Lost to ${shown(rival)}`)
    })
  )
})

describe("Registry: several, any", () => {
  fact("one backend is enough to write, all are needed to read", () =>
    Effect.gen(function* () {
      const { registry, a, b, c } = yield* three("any")
      a.isUp(false)
      b.isUp(false)
      assert.strictEqual(outcome(yield* registry.set(mine, [])), "Stored")
      a.isUp(true)
      assert.strictEqual((yield* Effect.flip(registry.entries(key))).reason, "Unreached")
      b.isUp(true)
      assert.deepStrictEqual((yield* registry.entries(key)).map(shown), [shown(mine)])
      for (const one of [a, b, c]) one.isUp(false)
      assert.strictEqual((yield* Effect.flip(registry.set(mine, []))).reason, "Unreached")
    })
  )
})

describe("Registry: several, backends that differ", () => {
  fact("every distinct entry is given, the highest first; a write over all of them brings the late ones along", () =>
    Effect.gen(function* () {
      const { registry, a, b, c, all } = yield* three("all")
      yield* a.give(base)
      yield* b.give(mine)
      yield* c.give(base)
      const entries = yield* registry.entries(key)
      assert.deepStrictEqual(entries.map(shown), [shown(mine), shown(base)])
      assert.strictEqual(yield* a.holds, shown(base), "reading overwrites nothing")
      const next = entryOf(6n, "next")
      assert.strictEqual(outcome(yield* registry.set(next, [mine])), `Lost to ${shown(base)}`)
      assert.strictEqual(outcome(yield* registry.set(next, entries)), "Stored")
      for (const one of all) assert.strictEqual(yield* one.holds, shown(next))
    })
  )

  fact("a backend that has nothing takes whatever comes", () =>
    Effect.gen(function* () {
      const { registry, a, b, c } = yield* three("all")
      yield* a.give(base)
      yield* b.give(base)
      assert.strictEqual(outcome(yield* registry.set(mine, [base])), "Stored")
      assert.strictEqual(yield* c.holds, shown(mine))
    })
  )

  fact("all readers agree on the smaller hash at one revision, whatever the order of backends", () =>
    Effect.gen(function* () {
      const smaller = Buffer.compare(mine.hash, rival.hash) < 0 ? mine : rival
      for (const [first, second] of [
        [mine, rival],
        [rival, mine]
      ] as const) {
        const { registry, a, b } = yield* three("quorum:2")
        yield* a.give(first)
        yield* b.give(second)
        const entries = yield* registry.entries(key)
        assert.strictEqual(entries.length, 2)
        assert.strictEqual(shown(entries[0]!), shown(smaller))
      }
    })
  )

  fact("changes go on while enough backends do, and fail when too few are left", () =>
    Effect.gen(function* () {
      const { registry, a, b } = yield* three("quorum:2")
      const seen: Array<bigint> = []
      const watching = yield* registry.changes(key).pipe(
        Stream.runForEach((entry) => Effect.sync(() => seen.push(entry.revision))),
        Effect.flip,
        Effect.fork
      )
      const settle = Effect.repeatN(Effect.yieldNow(), 200)
      yield* settle
      let last = entryOf(1n, "1")
      yield* registry.set(last, [])
      const raise = Effect.suspend(() => {
        const next = entryOf(last.revision + 1n, `${last.revision + 1n}`)
        const over = [last]
        last = next
        return Effect.zipRight(Effect.ignore(registry.set(next, over)), settle)
      })
      yield* raise
      a.state.readable = false
      yield* raise
      yield* raise
      assert.strictEqual(seen.at(-1), 4n)
      b.state.readable = false
      yield* raise
      assert.strictEqual((yield* Fiber.join(watching)).detail, "no connection")
      assert.deepStrictEqual(
        seen,
        [...seen].sort((x, y) => Number(x - y))
      )
    })
  )
})

describe("Registry: several, whatever fails", () => {
  for (const policy of policies) {
    fact(`${policy}: nothing acknowledged is ever out of reach`, () =>
      Effect.gen(function* () {
        const exclusive = RegistryMulti.isExclusive(right(RegistryMulti.parsePolicy(policy, 3)), 3)
        let acknowledgements = 0
        let failures = 0
        for (let seed = 1; seed <= 12; seed++) {
          const roll = dice(seed)
          const inner = [
            yield* RegistryMemory.make({ name: "a" }),
            yield* RegistryMemory.make({ name: "b" }),
            yield* RegistryMemory.make({ name: "c" })
          ] as const
          let calm = false
          const failure = new RegistryError({ reason: "Unavailable", registry: "x", key: "", detail: "injected" })
          /** Lets others run before and after; sometimes nothing happens, sometimes only the answer is lost. */
          const shaken = <A>(run: Effect.Effect<A, RegistryError>) =>
            Effect.gen(function* () {
              for (let i = roll(5); i > 0; i--) yield* Effect.yieldNow()
              if (calm) return yield* run
              if (roll(12) === 0) return yield* failure
              const answer = yield* run
              return roll(12) === 0 ? yield* failure : answer
            })
          const shake = (service: Service): Service => ({
            ...service,
            entries: (of) => shaken(service.entries(of)),
            set: (entry, over) => shaken(service.set(entry, over))
          })
          const registry = yield* RegistryMulti.make({
            backends: [shake(inner[0]), shake(inner[1]), shake(inner[2])],
            policy: right(RegistryMulti.parsePolicy(policy, 3))
          })
          const ancestry = new Ancestry()
          const acknowledged: Array<RegistryEntry.RegistryEntry> = []
          const writer = (name: string) =>
            Effect.gen(function* () {
              for (let attempt = 0; attempt < 10; attempt++) {
                const current = yield* Effect.either(registry.entries(key))
                if (Either.isLeft(current)) continue
                const entry = entryOf((current.right[0]?.revision ?? 0n) + 1n, `${name} ${attempt}`)
                ancestry.record(entry, current.right)
                const answer = yield* Effect.either(registry.set(entry, current.right))
                if (Either.isLeft(answer)) {
                  failures++
                  continue
                }
                failures += answer.right.verdicts.filter((verdict) => verdict.outcome === "failed").length
                if (answer.right._tag === "Stored") acknowledged.push(entry)
              }
            })
          yield* Effect.all([writer("a"), writer("b"), writer("c")], { concurrency: "unbounded" })
          calm = true
          const needed = 3 - RegistryMulti.writesNeeded(right(RegistryMulti.parsePolicy(policy, 3)), 3) + 1
          for (const readers of [
            [0, 1, 2],
            [1, 2, 0],
            [2, 0, 1]
          ] as const) {
            const read = yield* Effect.forEach(readers.slice(0, needed), (i) => inner[i].entries(key))
            const reachable = ancestry.reachable(read.flat())
            for (const entry of acknowledged) assert.isTrue(reachable.has(wire(entry)), `seed ${seed}: ${shown(entry)}`)
          }
          if (exclusive) {
            assert.strictEqual(new Set(acknowledged.map((entry) => entry.revision)).size, acknowledged.length)
          }
          acknowledgements += acknowledged.length
        }
        assert.isAbove(acknowledgements, 30)
        assert.isAbove(failures, 5)
      })
    )
  }
})
