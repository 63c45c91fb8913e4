import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as RegistryMulti from "../../src/layers/RegistryMulti.ts"
import type * as Head from "../../src/programs/Head.ts"
import * as Publish from "../../src/programs/Publish.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import { Registry, RegistryError, SetOutcome } from "../../src/services/Registry.ts"
import { VaultStateError } from "../../src/services/VaultState.ts"
import { right } from "../support/either.ts"
import { backup, head, later, latest, make, mapping, patiently, primitives, type World } from "../support/programs.ts"
import * as Rivals from "../support/rivals.ts"

type Files = Readonly<Record<string, LocalTreeMemory.Value>>

const fact = <E>(
  name: string,
  files: Files,
  run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>
) =>
  it.effect(name, () =>
    Effect.flatMap(make(files), (world) => Effect.zipRight(later, run(world)).pipe(Effect.provide(world.layer)))
  )

const files = { "/one/f": "1", "/two/g": "2", "/three/h": "3" }
const [one, two, three] = [mapping("/one"), mapping("/two"), mapping("/three")]
const all = { "one/": "", "one/f": "1", "three/": "", "three/h": "3", "two/": "", "two/g": "2" }

const unreachable = new RegistryError({ reason: "Unavailable", registry: "memory", key: "k", detail: "no answer" })
const diskFull = new VaultStateError({ reason: "Full", vault: "docs", record: "r", detail: "no room" })

/** Moves the head to a node with the same tree, as somebody else. */
const overtake = Effect.gen(function* () {
  const vault = yield* Vault.open("docs")
  yield* Publish.reseal(vault)
})

/** Publishes a node made by hand as the vault's head. */
const plant = Effect.fnUntraced(function* (
  world: World,
  make: (vault: Vault.Vault, current: Head.Head) => TransparentNode.TransparentNode,
  recipient?: string
) {
  const vault = yield* Vault.open("docs")
  const current = yield* head
  const envelope = yield* Envelope
  const sealed = yield* envelope.seal(
    [recipient ?? vault.device.recipient],
    TransparentNode.encode(make(vault, current))
  )
  const hash = primitives.blake3(sealed)
  yield* vault.blobs.put(hash, sealed)
  const entry = right(
    RegistryEntry.sign(primitives, Redacted.value(vault.device.signingSeed), {
      vaultId: vault.id,
      revision: current.entry.revision + 1n,
      hash
    })
  )
  yield* world.registry.set(entry, [current.entry])
})

/** As much history as stands inline, of other snapshots, each a minute after the one before from 2030 on. */
const elsewhere = Array.from({ length: Snapshots.inlineHistory }, (_, index) => ({
  key: TransparentNode.historyKey(Date.UTC(2030, 0, 1) + index * 60_000),
  hash: primitives.blake3(new Uint8Array([index & 255, index >> 8]))
}))

describe("two writers at once", () => {
  fact("three sources that publish at the same time are all in the head, and each counts one snapshot", files, () =>
    Effect.gen(function* () {
      const results = yield* patiently(
        Effect.all(
          [one, two, three].map((each) => backup(each)),
          { concurrency: "unbounded" }
        )
      )
      assert.deepStrictEqual(yield* latest, all)
      assert.deepStrictEqual(results.map(({ published }) => published.revision).sort(), [1n, 2n, 3n])
      const vault = yield* Vault.open("docs")
      const snapshots = yield* Snapshots.all(vault, yield* head)
      assert.lengthOf(snapshots, 3)
      const ids = new Set(snapshots.map(({ id }) => Hash.toHex(id)))
      for (const { published } of results) assert.isTrue(ids.has(Hash.toHex(published.node)))
    })
  )

  fact("a change survives any number of lost races below the limit", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      let losses = 0
      const losing: World["faults"]["set"] = (entry, over, inner) => {
        if (losses >= 15) return inner(entry, over)
        losses += 1
        world.faults.set = (a, b, c) => c(a, b)
        return overtake.pipe(
          Effect.provide(world.layer),
          Effect.orDie,
          Effect.zipRight(inner(entry, over)),
          Effect.tap(() =>
            Effect.sync(() => {
              world.faults.set = losing
            })
          )
        )
      }
      world.faults.set = losing
      const result = yield* patiently(backup(two))
      assert.strictEqual(result.published.attempts, 16)
      assert.strictEqual(result.published.revision, 17n)
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "two/": "", "two/g": "2" })
    })
  )

  fact("one that never wins gives up after 16 attempts, says so, and leaves the head alone", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      let attempts = 0
      const current = (yield* head).entry
      world.faults.set = () => {
        attempts += 1
        return Effect.succeed(SetOutcome.Lost({ current, verdicts: [] }))
      }
      const error = yield* Effect.flip(patiently(backup(two)))
      assert.strictEqual(error._tag, "PublishContended")
      assert.include(error.message, "16 attempts")
      assert.strictEqual(attempts, 16)
      world.faults.set = (entry, over, inner) => inner(entry, over)
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1" })
      // the intents of the lost attempts do no harm, and go
      yield* backup(two)
      yield* backup(two)
      assert.deepStrictEqual(yield* world.state.intents("docs", "two"), [])
      assert.strictEqual((yield* latest)["two/g"], "2")
    })
  )

  fact("two runs of one source at once: the head is what the source holds, and the next run is fine", files, () =>
    Effect.gen(function* () {
      const runs = yield* patiently(
        Effect.all([Effect.either(backup(one)), Effect.either(backup(one))], { concurrency: "unbounded" })
      )
      const failed = runs.flatMap((run) => (run._tag === "Left" ? [run.left._tag] : []))
      assert.isBelow(failed.length, 2)
      for (const tag of failed) assert.strictEqual(tag, "SourceMoved")
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1" })
      assert.strictEqual((yield* backup(one)).published.outcome, "unchanged")
    })
  )

  fact("a slow run that saw nothing takes away no file that another run changed meanwhile", files, (world) =>
    Effect.gen(function* () {
      const slow = yield* backup(one)
      const vault = slow.vault
      const { base } = yield* Publish.settle(vault, "one")
      yield* world.disk.put("/one/f", "by the other run")
      yield* backup(one)
      const change = { folder: "one", base, ours: undefined, scannedAt: 0, files: 0, bytes: 0 }
      yield* Publish.publish(vault, change)
      assert.strictEqual((yield* latest)["one/f"], "by the other run")
      yield* backup(one)
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "by the other run" })
    })
  )

  fact("a slow run does not put its record over that of a later one", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* world.disk.put("/one/f", "slow")
      // while the slow run is between the head's move and its record, a whole other run goes by
      world.faults.set = (entry, over, inner) =>
        Effect.tap(inner(entry, over), () =>
          Effect.suspend(() => {
            world.faults.set = (a, b, c) => c(a, b)
            return Effect.zipRight(world.disk.put("/one/f", "fast"), backup(one)).pipe(
              Effect.provide(world.layer),
              Effect.orDie
            )
          })
        )
      yield* patiently(backup(one))
      assert.strictEqual((yield* latest)["one/f"], "fast")
      assert.strictEqual((yield* world.state.record("docs", "one"))?.revision, 3n)
      assert.strictEqual((yield* backup(one)).published.outcome, "unchanged")
    })
  )
})

describe("a lost answer", () => {
  fact("whose write was applied counts as done, once", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      world.faults.set = (entry, over, inner) => {
        world.faults.set = (a, b, c) => c(a, b)
        return Effect.zipRight(inner(entry, over), unreachable)
      }
      const result = yield* patiently(backup(two))
      assert.strictEqual(result.published.outcome, "published")
      assert.strictEqual(result.published.revision, 2n)
      assert.deepStrictEqual(result.published.node, (yield* head).hash)
      assert.strictEqual((yield* head).entry.revision, 2n)
      assert.deepStrictEqual(yield* world.state.intents("docs", "two"), [])
    })
  )

  fact("counts as done under its own id when somebody published on top before it was seen", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      world.faults.set = (entry, over, inner) => {
        world.faults.set = (a, b, c) => c(a, b)
        return inner(entry, over).pipe(
          Effect.zipRight(Effect.orDie(Effect.provide(backup(three), world.layer))),
          Effect.zipRight(unreachable)
        )
      }
      const result = yield* patiently(backup(two))
      assert.strictEqual(result.published.revision, 2n)
      const vault = yield* Vault.open("docs")
      const snapshots = yield* Snapshots.all(vault, yield* head)
      assert.deepStrictEqual(snapshots[1]?.id, result.published.node)
      assert.lengthOf(snapshots, 3)
      assert.deepStrictEqual(yield* latest, all)
    })
  )

  fact("whose write was not applied is written again", files, (world) =>
    Effect.gen(function* () {
      world.faults.set = () => {
        world.faults.set = (a, b, c) => c(a, b)
        return unreachable
      }
      const result = yield* patiently(backup(one))
      assert.strictEqual(result.published.revision, 1n)
      assert.strictEqual(result.published.attempts, 2)
    })
  )

  fact("that never comes ends with the registry's error", files, (world) =>
    Effect.gen(function* () {
      world.faults.set = () => unreachable
      const error = yield* Effect.flip(patiently(backup(one)))
      assert.strictEqual(error.message, unreachable.message)
    })
  )

  fact("of a registry that forgets what it acknowledged is no success", files, (world) =>
    Effect.gen(function* () {
      world.faults.set = (_entry, _over, _inner) => Effect.succeed(SetOutcome.Stored({ verdicts: [] }))
      const error = yield* Effect.flip(patiently(backup(one)))
      assert.strictEqual(error._tag, "RegistryError")
      assert.include(error.message, "acknowledged revision 1")
    })
  )
})

describe("a crash", () => {
  fact(
    "between the head's move and the record is settled by the next run, without a conflict with itself",
    files,
    (world) =>
      Effect.gen(function* () {
        yield* backup(one)
        yield* later
        yield* world.disk.remove("/one/f")
        yield* world.disk.put("/one/new", "n")
        world.faults.saveRecord = () => diskFull
        const error = yield* Effect.flip(backup(one))
        assert.strictEqual(error._tag, "VaultStateError")
        assert.strictEqual((yield* head).entry.revision, 2n)
        assert.lengthOf(yield* world.state.intents("docs", "one"), 1)
        world.faults.saveRecord = (inner) => inner

        // what was deleted before the crash and made again after it is the new one
        yield* world.disk.put("/one/f", "again")
        const next = yield* backup(one)
        assert.strictEqual(next.published.outcome, "published")
        assert.strictEqual(next.published.revision, 3n)
        assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "again", "one/new": "n" })
        assert.deepStrictEqual(yield* world.state.intents("docs", "one"), [])
      })
  )

  fact("of the very first run is settled just so, and no deleted file comes back", files, (world) =>
    Effect.gen(function* () {
      world.faults.saveRecord = () => diskFull
      yield* Effect.flip(backup(one))
      world.faults.saveRecord = (inner) => inner
      yield* world.disk.remove("/one/f")
      yield* backup(one)
      assert.deepStrictEqual(yield* latest, { "one/": "" })
    })
  )

  fact("after which so much was published that nobody names the node inline any more is settled too", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* world.disk.put("/one/f", "crashed")
      yield* world.disk.put("/one/g", "kept")
      world.faults.saveRecord = () => diskFull
      yield* Effect.flip(backup(one))
      world.faults.saveRecord = (inner) => inner
      yield* overtake
      // of a full history only the oldest entry can be read, and only what that one names is the node
      const between = (yield* head).hash
      yield* plant(world, (_, current) =>
        TransparentNode.make({
          ...current.node,
          history: [{ key: TransparentNode.historyKey(Date.UTC(2029, 0, 1)), hash: between }, ...elsewhere.slice(1)]
        })
      )
      yield* world.disk.remove("/one/f")
      const { published } = yield* backup(one)
      assert.deepStrictEqual(published.conflicts, [])
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/g": "kept" })
      assert.deepStrictEqual(yield* world.state.intents("docs", "one"), [])
    })
  )

  fact("of a run that never published is told from that by reading all the way, and forgotten", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* world.disk.put("/one/f", "never")
      world.faults.set = () => Effect.interrupt
      yield* Effect.exit(Effect.fork(backup(one)).pipe(Effect.flatMap((fiber) => Effect.exit(fiber))))
      world.faults.set = (a, b, c) => c(a, b)
      assert.lengthOf(yield* world.state.intents("docs", "one"), 1)
      const between = (yield* head).hash
      yield* plant(world, (_, current) =>
        TransparentNode.make({
          ...current.node,
          history: [{ key: TransparentNode.historyKey(Date.UTC(2029, 0, 1)), hash: between }, ...elsewhere.slice(1)]
        })
      )
      yield* world.disk.put("/one/f", "after")
      const { published } = yield* backup(one)
      assert.deepStrictEqual(published.conflicts, [])
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "after" })
      assert.deepStrictEqual(yield* world.state.intents("docs", "one"), [])
    })
  )

  fact("before the head's move leaves the head alone, and the next run publishes", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* world.disk.put("/one/f", "2nd")
      world.faults.set = () => Effect.interrupt
      yield* Effect.exit(Effect.fork(backup(one)).pipe(Effect.flatMap((fiber) => Effect.exit(fiber))))
      world.faults.set = (a, b, c) => c(a, b)
      assert.strictEqual((yield* latest)["one/f"], "1")
      yield* backup(one)
      assert.strictEqual((yield* latest)["one/f"], "2nd")
      yield* backup(one)
      assert.deepStrictEqual(yield* world.state.intents("docs", "one"), [])
    })
  )
})

describe("two homes that write one folder", () => {
  const shared = { "/left/f.txt": "base", "/left/g": "g", "/right/f.txt": "base", "/right/g": "g" }
  const [left, right] = [mapping("/left", "d"), mapping("/right", "d")]

  /** Both have the same, and know it. */
  const begin = Effect.fnUntraced(function* (world: World) {
    yield* backup(left)
    const other = yield* Rivals.home(world)
    yield* Rivals.backupAt(other, world.registry, right)
    assert.strictEqual((yield* backup(left)).published.outcome, "unchanged")
    yield* later
    return (source: typeof left) =>
      source === left
        ? Effect.zipRight(later, patiently(backup(left)))
        : Effect.zipRight(later, Rivals.backupAt(other, world.registry, right))
  })

  /** Each backs up until neither has anything to say, which must be at once. */
  const settles = Effect.fnUntraced(function* (run: Effect.Effect.Success<ReturnType<typeof begin>>) {
    const before = yield* latest
    for (const source of [left, right, left, right]) {
      const { published } = yield* run(source)
      assert.strictEqual(published.outcome, "unchanged")
      assert.deepStrictEqual(published.conflicts, [])
    }
    assert.deepStrictEqual(yield* latest, before)
  })

  const copyOf = (content: string) => {
    const id = Hash.toHex(primitives.blake3(new TextEncoder().encode(content)))
    return `d/f (conflict ${id.slice(0, 8)}).txt`
  }

  fact("keep both versions of a file that both changed, the newer at its path, and leave it at that", shared, (world) =>
    Effect.gen(function* () {
      const run = yield* begin(world)
      yield* world.disk.put("/left/f.txt", "of the left")
      yield* run(left)
      yield* world.disk.put("/right/f.txt", "of the right")
      const { published } = yield* run(right)
      const copy = copyOf("of the left")
      assert.deepStrictEqual(
        published.conflicts.map(({ copy, path, side }) => ({ copy, path, side })),
        [{ copy, path: "d/f.txt", side: "theirs" }]
      )
      assert.deepStrictEqual(yield* latest, { "d/": "", "d/f.txt": "of the right", "d/g": "g", [copy]: "of the left" })
      yield* settles(run)

      // the next change of the one whose version was put aside meets the other's again
      yield* world.disk.put("/left/f.txt", "of the left, later")
      yield* run(left)
      assert.deepStrictEqual(yield* latest, {
        "d/": "",
        "d/f.txt": "of the left, later",
        "d/g": "g",
        [copy]: "of the left",
        [copyOf("of the right")]: "of the right"
      })
      yield* settles(run)
    })
  )

  fact("and change it to the same have no conflict", shared, (world) =>
    Effect.gen(function* () {
      const run = yield* begin(world)
      yield* world.disk.put("/left/f.txt", "both")
      yield* run(left)
      yield* world.disk.put("/right/f.txt", "both")
      assert.deepStrictEqual((yield* run(right)).published.conflicts, [])
      assert.deepStrictEqual(yield* latest, { "d/": "", "d/f.txt": "both", "d/g": "g" })
    })
  )

  fact("lose no change to a deletion, and bring no deleted file back that nobody changed", shared, (world) =>
    Effect.gen(function* () {
      const run = yield* begin(world)
      yield* world.disk.remove("/left/f.txt")
      yield* world.disk.remove("/left/g")
      yield* run(left)
      yield* world.disk.put("/right/f.txt", "changed")
      const { published } = yield* run(right)
      assert.deepStrictEqual(published.conflicts, [])
      assert.deepStrictEqual(yield* latest, { "d/": "", "d/f.txt": "changed" })
      yield* settles(run)
    })
  )

  fact("may delete a conflict copy only where they have it", shared, (world) =>
    Effect.gen(function* () {
      const run = yield* begin(world)
      yield* world.disk.put("/left/f.txt", "of the left")
      yield* run(left)
      yield* world.disk.put("/right/f.txt", "of the right")
      yield* run(right)
      const copy = copyOf("of the left")
      // the left one restores what there is, has the copy then, and decides
      yield* world.disk.put(`/left/${copy.slice(2)}`, "of the left")
      yield* world.disk.put("/left/f.txt", "of the right")
      yield* run(left)
      yield* world.disk.remove(`/left/${copy.slice(2)}`)
      yield* run(left)
      assert.deepStrictEqual(yield* latest, { "d/": "", "d/f.txt": "of the right", "d/g": "g" })
      yield* settles(run)
    })
  )

  fact("keep a file beside the folder that the other put in its place", shared, (world) =>
    Effect.gen(function* () {
      const run = yield* begin(world)
      yield* world.disk.put("/left/x.txt", "a file")
      yield* run(left)
      yield* world.disk.put("/right/x.txt/inside", "in a folder")
      const { published } = yield* run(right)
      assert.strictEqual(published.conflicts[0]?.path, "d/x.txt")
      const found = yield* latest
      assert.strictEqual(found["d/x.txt/inside"], "in a folder")
      assert.strictEqual(found[published.conflicts[0]?.copy ?? ""], "a file")
      assert.isUndefined(found["d/x.txt"])
      yield* settles(run)
    })
  )

  fact("remember what stands beside its path until the next publication of the source", shared, (world) =>
    Effect.gen(function* () {
      const run = yield* begin(world)
      yield* world.disk.put("/right/f.txt", "of the right")
      yield* run(right)
      yield* world.disk.put("/left/f.txt", "of the left")
      yield* run(left)
      assert.deepStrictEqual((yield* world.state.record("docs", "d"))?.conflicts, [copyOf("of the right")])
    })
  )
})

describe("a record that is lost", () => {
  fact("does not stop the source: without a base it only adds, and it touches no other source", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* backup(two)
      const paths = [...(yield* Stream.runCollect(world.records.list("docs/records/")))]
      assert.lengthOf(paths, 2)
      for (const path of paths) yield* world.records.remove(path)
      yield* world.disk.remove("/one/f")
      yield* world.disk.put("/one/new", "n")
      yield* backup(one)
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "one/new": "n", "two/": "", "two/g": "2" })
      assert.strictEqual((yield* backup(two)).published.outcome, "unchanged")
    })
  )
})

describe("a head that is not ours to take", () => {
  const refused = Effect.fnUntraced(function* (world: World, reason: string) {
    const before = new Map(world.entries)
    yield* world.disk.put("/one/f", "changed")
    const error = yield* Effect.flip(patiently(backup(one)))
    assert.strictEqual(error._tag === "HeadError" ? error.reason : error._tag, reason)
    assert.deepStrictEqual(world.entries, before)
  })

  fact("one with another vault's secret is refused", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const foreign = TraversalContext.vaultRoot({
        leaf: new Uint8Array(32).fill(1),
        node: new Uint8Array(32).fill(2),
        recovery: new Uint8Array(32).fill(3)
      })
      yield* plant(world, (_, current) => TransparentNode.make({ ...current.node, context: foreign }))
      yield* refused(world, "Substituted")
    })
  )

  fact("one that is sealed for somebody else is refused, and said to be so", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const stranger = yield* Effect.flatMap(Envelope, (envelope) => envelope.generateIdentity)
      yield* plant(world, (_, current) => current.node, stranger.recipient)
      yield* refused(world, "NotForUs")
    })
  )

  fact("an older one than was acknowledged is refused by backup and by readers", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const old = new Map(world.entries)
      yield* world.disk.put("/one/f", "2nd")
      yield* backup(one)
      for (const [key, bytes] of old) world.entries.set(key, bytes)
      yield* refused(world, "RolledBack")
      const vault = yield* Vault.open("docs")
      const read = yield* Effect.flip(Snapshots.resolve(vault, { _tag: "Latest", back: 0 }, () => 0))
      assert.strictEqual(read._tag === "HeadError" ? read.reason : read._tag, "RolledBack")
      assert.include(read.message, "this device has seen 2")
      world.entries.clear()
      yield* refused(world, "RolledBack")
    })
  )
})

describe("several registries", () => {
  fact("one that fell behind is caught up by the next publication", files, (world) =>
    Effect.gen(function* () {
      const [front, behind] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()]
      const backends = [
        yield* RegistryMemory.make({ name: "front", bytes: front }),
        yield* RegistryMemory.make({ name: "behind", bytes: behind })
      ] as const
      const registry = yield* RegistryMulti.make({ backends, policy: { _tag: "All" } })
      const run = Effect.provideService(patiently(backup(one)), Registry, registry)
      yield* run
      const old = new Map(behind)
      yield* world.disk.put("/one/f", "2nd")
      yield* run
      for (const [key, bytes] of old) behind.set(key, bytes)
      yield* world.disk.put("/one/f", "3rd")
      const result = yield* run
      assert.strictEqual(result.published.revision, 3n)
      assert.strictEqual(result.published.attempts, 1)
      assert.deepStrictEqual(behind, front)
    })
  )
})

describe("a clock that is put back", () => {
  fact("does not reorder snapshots", files, (world) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      const ids: Array<string> = []
      for (let i = 0; i < 6; i++) {
        if (i === 3) yield* TestClock.setTime(Date.UTC(2020, 0, 1))
        yield* world.disk.put("/one/f", `${i}`)
        ids.push(Hash.toHex((yield* backup(one)).published.node))
        yield* TestClock.adjust("1 minute")
      }
      const vault = yield* Vault.open("docs")
      const snapshots = yield* Snapshots.all(vault, yield* head)
      assert.deepStrictEqual(
        snapshots.map(({ id }) => Hash.toHex(id)),
        ids
      )
    })
  )

  fact("never pushes the snapshot before out of a full history", files, (world) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2025, 0, 1))
      yield* backup(one)
      yield* plant(world, (_, current) => TransparentNode.make({ ...current.node, history: elsewhere }))
      const before = yield* head
      yield* overtake
      const { history } = (yield* head).node
      assert.lengthOf(history, Snapshots.inlineHistory)
      assert.deepStrictEqual(history.at(-1)?.hash, before.hash)
      assert.deepStrictEqual(history[0]?.hash, elsewhere[1]?.hash)
    })
  )
})
