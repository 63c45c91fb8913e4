import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import type { SnapshotSelector } from "../../src/schema/VaultRef.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import { backup, contents, head, make, mapping, primitives, type World } from "../support/programs.ts"

const one = mapping("/one")

/** Envelopes that anybody can open: what is tested here is history, and hundreds of real ones take their time. */
const open = (bytes: Uint8Array) => Effect.succeed(bytes.slice(4))
const seal = (bytes: Uint8Array) => {
  const out = new Uint8Array(bytes.length + 4)
  out.set(bytes, 4)
  return Effect.succeed(out)
}

const fact = <E>(name: string, run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>) =>
  it.effect(name, () =>
    Effect.flatMap(make({ "/one/f": "0" }), (world) =>
      Effect.flatMap(Envelope, (envelope) =>
        Effect.provideService(run(world), Envelope, {
          ...envelope,
          open: (_, sealed) => open(sealed),
          seal: (_, plain) => seal(plain)
        })
      ).pipe(Effect.provide(world.layer))
    )
  )

const start = Date.UTC(2026, 0, 1)
const day = 24 * 3600 * 1000

/** Publishes `count` snapshots, one a day at noon from 2026-01-01 on; the file holds the number from 1. */
const publish = Effect.fnUntraced(function* (world: World, count: number) {
  const ids: Array<string> = []
  for (let number = 1; number <= count; number++) {
    yield* TestClock.setTime(start + (number - 1) * day + day / 2)
    yield* world.disk.put("/one/f", `${number}`)
    ids.push(Hash.toHex((yield* backup(one)).published.node))
  }
  return ids
})

const endOf = (at: Extract<SnapshotSelector, { readonly _tag: "At" }>) =>
  Date.UTC(at.year, at.month - 1, at.day, at.hour ?? 23, at.minute ?? 59, 59, 999)

const resolve = Effect.fnUntraced(function* (selector: SnapshotSelector) {
  const published = yield* Snapshots.resolve(yield* Vault.open("docs"), selector, endOf)
  return (yield* contents(published))["one/f"]
})

const all = Effect.gen(function* () {
  return yield* Snapshots.all(yield* Vault.open("docs"), yield* head)
})

describe("hundreds of snapshots", () => {
  fact("are all listed in order with number and time, each can be read, and a damaged one hides no other", (world) =>
    Effect.gen(function* () {
      const ids = yield* publish(world, 300)
      const found = yield* all
      assert.deepStrictEqual(
        found.map(({ id }) => Hash.toHex(id)),
        ids
      )
      assert.deepStrictEqual(
        found.map(({ number, publishedAt }) => [number, publishedAt]),
        ids.map((_, index) => [index + 1, start + index * day + day / 2])
      )
      for (const number of [1, 2, 43, 44, 45, 299, 300])
        assert.strictEqual(yield* resolve({ _tag: "Number", number }), `${number}`)
      assert.strictEqual(yield* resolve({ _tag: "Latest", back: 299 }), "1")

      // number 44 is the oldest in the head's inline history: the way to everything before
      yield* world.lose(found[43]!.id)
      yield* world.flip(found[0]!.id)
      assert.deepStrictEqual(
        (yield* all).map(({ id }) => Hash.toHex(id)),
        ids
      )
      assert.strictEqual(yield* resolve({ _tag: "Number", number: 43 }), "43")
      const error = yield* Effect.flip(resolve({ _tag: "Number", number: 44 }))
      assert.strictEqual(error._tag === "BlobStoreError" ? error.reason : error._tag, "Missing")
    })
  )
})

describe("a selector", () => {
  fact("names by age, number, date or start of the id", (world) =>
    Effect.gen(function* () {
      const ids = yield* publish(world, 5)
      assert.strictEqual(yield* resolve({ _tag: "Latest", back: 0 }), "5")
      assert.strictEqual(yield* resolve({ _tag: "Latest", back: 4 }), "1")
      assert.strictEqual(yield* resolve({ _tag: "Number", number: 3 }), "3")
      const at = { _tag: "At", year: 2026, month: 1 } as const
      assert.strictEqual(yield* resolve({ ...at, day: 2 }), "2")
      assert.strictEqual(yield* resolve({ ...at, day: 2, hour: 11, minute: 0 }), "1")
      assert.strictEqual(yield* resolve({ ...at, day: 2, hour: 12, minute: 0 }), "2")
      assert.strictEqual(yield* resolve({ ...at, day: 31 }), "5")
      for (const [index, id] of ids.entries())
        assert.strictEqual(yield* resolve({ _tag: "Id", prefix: id.slice(0, 12) }), `${index + 1}`)
    })
  )

  fact("of nothing says what there is", (world) =>
    Effect.gen(function* () {
      yield* publish(world, 2)
      for (const selector of [
        { _tag: "Latest", back: 2 },
        { _tag: "Number", number: 3 },
        { _tag: "At", year: 2025, month: 12, day: 31 },
        { _tag: "Id", prefix: "ffffffffff0a" }
      ] as ReadonlyArray<SnapshotSelector>) {
        const error = yield* Effect.flip(resolve(selector))
        assert.strictEqual(error._tag === "NoSuchSnapshot" ? error.reason : error._tag, "NotFound", selector._tag)
        assert.include(error.message, "there are 2")
      }
    })
  )

  fact("that begins several ids is ambiguous", (world) =>
    Effect.gen(function* () {
      const ids = yield* publish(world, 40)
      const prefix = ids.map((id) => id[0]).find((digit, index, all) => all.indexOf(digit) !== index)
      const error = yield* Effect.flip(resolve({ _tag: "Id", prefix: prefix! }))
      assert.strictEqual(error._tag === "NoSuchSnapshot" ? error.reason : error._tag, "Ambiguous")
    })
  )

  fact("of a vault that was never published says so", () =>
    Effect.gen(function* () {
      yield* Vault.ensure("docs")
      const error = yield* Effect.flip(resolve({ _tag: "Latest", back: 0 }))
      assert.strictEqual(error._tag === "NoSuchSnapshot" ? error.reason : error._tag, "NothingPublished")
    })
  )
})

describe("a hostile history", () => {
  fact("that names nodes which are not there, or the head itself, comes to an end", (world) =>
    Effect.gen(function* () {
      yield* publish(world, 3)
      const current = yield* head
      const history = [
        { key: "2026-01-01T00:00:00.000000000Z", hash: current.hash },
        ...Array.from({ length: 1000 }, (_, index) => ({
          key: TransparentNode.historyKey(index),
          hash: primitives.blake3(new Uint8Array([index & 255, index >> 8]))
        })),
        ...current.node.history
      ]
      const node = TransparentNode.make({ ...current.node, history })
      const found = yield* Snapshots.all(yield* Vault.open("docs"), { ...current, node })
      assert.lengthOf(found, 1003)
    })
  )
})
