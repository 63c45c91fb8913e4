/** What every registry does, whatever it is made of. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import type { Crypto } from "../../src/services/Crypto.ts"
import type { RegistryError, Service } from "../../src/services/Registry.ts"
import { right } from "../support/either.ts"
import { dice, entryOf, key, outcome, shown } from "../support/registry.ts"

export interface Subject<E> {
  readonly registry: Service
  /** Puts `bytes` where the entry of the key is kept, behind the registry's back. */
  readonly plant: (key: StreamKey.StreamKey, bytes: Uint8Array) => Effect.Effect<void, E>
  /** What is kept there. */
  readonly raw: (key: StreamKey.StreamKey) => Effect.Effect<Uint8Array | undefined, E>
  /** Keeps the entries of vaults alone, which are the ones that are signed. */
  readonly onlySigned?: boolean
  /** An answer may be lost for good: who was stored is told so, or that somebody was faster, whose entry was built on it. */
  readonly losesAnswers?: boolean
}

const writers = 50

export const suite = <E, E2>(name: string, make: Effect.Effect<Subject<E>, E2, Scope.Scope | Crypto>) =>
  describe(`Registry: ${name}`, () => {
    const subject = Effect.provide(make, CryptoAuto.layer())
    const set = (registry: Service, entry: RegistryEntry.RegistryEntry, ...over: Array<RegistryEntry.RegistryEntry>) =>
      Effect.map(registry.set(entry, over), outcome)
    const held = (registry: Service, of: StreamKey.StreamKey = key) =>
      Effect.map(registry.entries(of), (entries) => entries.map(shown))
    const refused = <A>(effect: Effect.Effect<A, RegistryError>) => Effect.map(Effect.flip(effect), (e) => e.reason)

    it.scopedLive("it is empty, then holds what was set, byte for byte", () =>
      Effect.gen(function* () {
        const { registry, raw } = yield* subject
        assert.deepStrictEqual(yield* registry.entries(key), [])
        const entry = entryOf(1n, "a")
        assert.strictEqual(yield* set(registry, entry), "Stored")
        const entries = yield* registry.entries(key)
        assert.strictEqual(entries.length, 1)
        assert.isTrue(RegistryEntry.RegistryEntry.is(entries[0]))
        assert.isTrue(RegistryEntry.equals(entries[0]!, entry))
        assert.deepStrictEqual(
          Bytes.toHex((yield* raw(key)) ?? new Uint8Array()),
          Bytes.toHex(RegistryEntry.toBytes(entry))
        )
        assert.deepStrictEqual(yield* held(registry, entryOf(1n, "a", 7, 8).key), [], "another vault is another key")
        assert.deepStrictEqual(yield* held(registry, entryOf(1n, "a", 6, 9).key), [], "another signer is another key")
      })
    )

    it.scopedLive("of 50 writers over one entry exactly one is stored, and the others are told which", () =>
      Effect.gen(function* () {
        const { registry } = yield* subject
        let base: Array<RegistryEntry.RegistryEntry> = []
        for (const revision of [1n, 2n]) {
          const rivals = Array.from({ length: writers }, (_, i) => entryOf(revision, `writer ${i}`))
          const outcomes = yield* Effect.forEach(rivals, (rival) => set(registry, rival, ...base), {
            concurrency: "unbounded"
          })
          const winners = rivals.filter((_, i) => outcomes[i] === "Stored")
          assert.strictEqual(winners.length, 1)
          assert.deepStrictEqual(yield* held(registry), winners.map(shown))
          assert.deepStrictEqual(
            outcomes.filter((one) => one !== "Stored"),
            Array.from({ length: writers - 1 }, () => `Lost to ${shown(winners[0]!)}`)
          )
          base = winners
        }
      })
    )

    it.scopedLive("12 writers that try again until they are stored leave one revision each", () =>
      Effect.gen(function* () {
        const { losesAnswers = false, registry } = yield* subject
        const increment = (writer: number) =>
          Effect.gen(function* () {
            for (;;) {
              const current = yield* registry.entries(key)
              const entry = entryOf((current[0]?.revision ?? 0n) + 1n, `writer ${writer}`)
              if ((yield* registry.set(entry, current))._tag === "Stored") return entry.revision
            }
          })
        const revisions = yield* Effect.forEach(
          Array.from({ length: 12 }, (_, i) => i),
          increment,
          {
            concurrency: "unbounded"
          }
        )
        const newest = (yield* registry.entries(key))[0]?.revision
        assert.strictEqual(new Set(revisions).size, 12, "two writers were told the same")
        assert.strictEqual(
          revisions.reduce((a, b) => (a > b ? a : b)),
          newest
        )
        if (!losesAnswers) assert.strictEqual(newest, 12n)
      })
    )

    it.scopedLive("the stored entry again is stored, as long as nobody was there after it", () =>
      Effect.gen(function* () {
        const { registry } = yield* subject
        const [first, second] = [entryOf(1n, "a"), entryOf(2n, "b")]
        yield* set(registry, first)
        assert.strictEqual(yield* set(registry, first), "Stored")
        assert.strictEqual(yield* set(registry, first, second), "Stored")
        assert.strictEqual(yield* set(registry, second, first), "Stored")
        assert.strictEqual(yield* set(registry, second, first), "Stored")
        assert.strictEqual(yield* set(registry, first), `Lost to ${shown(second)}`)
        assert.deepStrictEqual(yield* held(registry), [shown(second)])
      })
    )

    it.scopedLive("a rival of the same or a lower revision loses, whatever it was built on", () =>
      Effect.gen(function* () {
        const { registry } = yield* subject
        const stored = entryOf(5n, "stored")
        yield* set(registry, stored)
        for (let i = 0; i < 8; i++) {
          for (const revision of [5n, 4n, 0n]) {
            const rival = entryOf(revision, `rival ${i}`)
            assert.strictEqual(yield* set(registry, rival), `Lost to ${shown(stored)}`)
            assert.strictEqual(yield* set(registry, rival, stored), `Lost to ${shown(stored)}`)
          }
        }
        assert.deepStrictEqual(yield* held(registry), [shown(stored)])
      })
    )

    it.scopedLive("a higher revision that was not built on what is stored loses", () =>
      Effect.gen(function* () {
        const { registry } = yield* subject
        const [first, second, never] = [entryOf(1n, "a"), entryOf(2n, "b"), entryOf(2n, "never set")]
        yield* set(registry, first)
        yield* set(registry, second, first)
        const late = entryOf(99n, "late")
        for (const over of [[], [first], [never], [first, never]]) {
          assert.strictEqual(yield* set(registry, late, ...over), `Lost to ${shown(second)}`)
        }
        assert.strictEqual(yield* set(registry, late, first, never, second), "Stored")
      })
    )

    it.scopedLive("revisions may jump and begin anywhere from 0 to 2^64 - 1", () =>
      Effect.gen(function* () {
        const { registry } = yield* subject
        let base: Array<RegistryEntry.RegistryEntry> = []
        for (const revision of [
          0n,
          1n,
          4n,
          8n,
          9n,
          10n,
          1n << 32n,
          (1n << 53n) + 1n,
          Bytes.maxU64 - 1n,
          Bytes.maxU64
        ]) {
          const rivals = [entryOf(revision, "one"), entryOf(revision, "other"), entryOf(revision, "third")]
          const outcomes = yield* Effect.forEach(rivals, (rival) => set(registry, rival, ...base), {
            concurrency: "unbounded"
          })
          const winners = rivals.filter((_, i) => outcomes[i] === "Stored")
          assert.strictEqual(winners.length, 1, `revision ${revision}: ${outcomes.join(", ")}`)
          assert.deepStrictEqual(yield* held(registry), winners.map(shown))
          base = winners
        }
      })
    )

    it.scopedLive("only registry messages whose signature holds are kept", () =>
      Effect.gen(function* () {
        const { onlySigned = false, registry } = yield* subject
        const forged = entryOf(1n, "a")
        forged.signature[3]! ^= 1
        assert.strictEqual(yield* refused(registry.set(forged, [])), "Refused")
        const altered = entryOf(1n, "a")
        altered.hash[0]! ^= 1
        assert.strictEqual(yield* refused(registry.set(altered, [])), "Refused")
        const id = right(StreamKey.local(new Uint8Array(32).fill(1)))
        const message = { key: id, revision: 1n, hash: Hash.zero }
        const streamed = right(RegistryEntry.make({ ...message, type: "stream" }))
        assert.strictEqual(yield* refused(registry.set(streamed, [])), "Refused")
        assert.deepStrictEqual(yield* registry.entries(key), [])
        assert.deepStrictEqual(yield* registry.entries(id), [])
        const unsigned = right(RegistryEntry.make({ ...message, type: "registry" }))
        if (onlySigned) assert.strictEqual(yield* refused(registry.set(unsigned, [])), "Refused")
        else assert.strictEqual(yield* set(registry, unsigned), "Stored")
      })
    )

    it.scopedLive("stored bytes that are no valid entry of the key are an error and are never overwritten", () =>
      Effect.gen(function* () {
        const { registry, plant, raw } = yield* subject
        const good = entryOf(3n, "a")
        const flipped = RegistryEntry.toBytes(good)
        flipped[70]! ^= 1
        const replay = RegistryEntry.toBytes(good)
        replay[0] = RegistryEntry.typeByte.stream
        const damages: ReadonlyArray<readonly [string, Uint8Array]> = [
          ["no bytes", new Uint8Array()],
          ["a part", RegistryEntry.toBytes(good).subarray(0, 100)],
          ["a flipped bit", flipped],
          ["a byte too much", Bytes.concat(RegistryEntry.toBytes(good), Uint8Array.of(0))],
          ["a stream message", replay],
          ["another vault's entry", RegistryEntry.toBytes(entryOf(3n, "a", 7, 1))]
        ]
        for (const [damage, bytes] of damages) {
          yield* plant(key, bytes)
          assert.strictEqual(yield* refused(registry.entries(key)), "Corrupt", damage)
          for (const entry of [entryOf(4n, "b"), entryOf(1n, "b"), good]) {
            assert.strictEqual(yield* refused(registry.set(entry, [good])), "Corrupt", damage)
          }
          assert.strictEqual(Bytes.toHex((yield* raw(key)) ?? Uint8Array.of(1)), Bytes.toHex(bytes), damage)
        }
        yield* plant(key, RegistryEntry.toBytes(good))
        assert.deepStrictEqual(yield* held(registry), [shown(good)], "put back, it is read again")
      })
    )

    it.scopedLive("changes begin with what is there and rise to the newest", () =>
      Effect.gen(function* () {
        const { registry } = yield* subject
        yield* set(registry, entryOf(1n, "1"))
        const watching = yield* registry.changes(key).pipe(
          Stream.map((entry) => entry.revision),
          Stream.takeUntil((revision) => revision === 20n),
          Stream.runCollect,
          Effect.fork
        )
        for (let revision = 2n; revision <= 20n; revision++) {
          yield* set(registry, entryOf(revision, `${revision}`), entryOf(revision - 1n, `${revision - 1n}`))
          // another key in between is none of the watcher's business
          yield* set(registry, entryOf(revision, "x", 7, 1), entryOf(revision - 1n, "x", 7, 1))
          if (revision % 5n === 0n) yield* Effect.yieldNow()
        }
        const seen = [...(yield* Fiber.join(watching))]
        assert.strictEqual(seen.at(-1), 20n)
        assert.deepStrictEqual(
          seen,
          [...new Set(seen)].sort((a, b) => Number(a - b)),
          "each revision once, rising"
        )
      })
    )

    it.scopedLive("any sequence of writes is answered as a single variable with compare-and-swap would", () =>
      Effect.gen(function* () {
        const { registry } = yield* subject
        const answers = new Set<string>()
        for (let seed = 1; seed <= 6; seed++) {
          const roll = dice(seed)
          const vault = 20 + seed
          const pool = Array.from({ length: 12 }, (_, i) => entryOf(BigInt(i >> 1), `${i}`, 7, vault))
          let model: RegistryEntry.RegistryEntry | undefined
          for (let step = 0; step < 25; step++) {
            const entry = pool[roll(pool.length)]!
            const over = pool.filter(() => roll(2) === 0)
            const expected: string =
              model === undefined || model === entry || (model.revision < entry.revision && over.includes(model))
                ? "Stored"
                : `Lost to ${shown(model)}`
            assert.strictEqual(yield* set(registry, entry, ...over), expected, `seed ${seed}, step ${step}`)
            answers.add(expected.slice(0, 4))
            if (expected === "Stored") model = entry
            assert.deepStrictEqual(yield* held(registry, entry.key), model === undefined ? [] : [shown(model)])
          }
        }
        assert.strictEqual(answers.size, 2)
      })
    )

    it.scopedLive("a failure names the registry, the key and what to do", () =>
      Effect.gen(function* () {
        const { registry, plant } = yield* subject
        yield* plant(key, Uint8Array.of(0x5c, 0xed))
        const result = yield* Effect.either(registry.entries(key))
        assert.isTrue(Either.isLeft(result))
        if (Either.isLeft(result)) {
          assert.include(result.left.message, StreamKey.toHex(key))
          assert.include(result.left.message, registry.name)
          assert.include(result.left.message, "move it away")
        }
      })
    )
  })
