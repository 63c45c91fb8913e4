import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as RegistryMulti from "../../src/layers/RegistryMulti.ts"
import * as Ancestry from "../../src/programs/Ancestry.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import { BlobStoreError } from "../../src/services/BlobStore.ts"
import type * as Registry from "../../src/services/Registry.ts"
import { contents, head, later, latest, make, mapping, type World } from "../support/programs.ts"
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

/** Three folders of three homes that are backed up to one folder of the vault. */
const [left, right, third] = [mapping("/left", "d"), mapping("/right", "d"), mapping("/third", "d")]
const files = {
  "/left/kept": "k",
  "/left/doomed": "x",
  "/right/kept": "k",
  "/right/doomed": "x",
  "/third/kept": "k",
  "/third/doomed": "x"
}

const hashes = (published: Head.Published) => published.node.history.map(({ hash }) => Hash.toHex(hash))

/** The head that a home has from a registry, and what it holds. */
const headAt = (home: Rivals.Home, registry: Registry.Service) => head.pipe(Rivals.at(home), Rivals.over(registry))
const latestAt = (home: Rivals.Home, registry: Registry.Service) => latest.pipe(Rivals.at(home), Rivals.over(registry))

/**
 * Homes that all know one revision of `d`, and as many registries that have it: a partition, in which each publishes to its
 * own, makes as many rivals.
 */
const parted = Effect.fnUntraced(function* (world: World, count: number) {
  const { backends, multi } = yield* Rivals.registries(count)
  yield* Rivals.backupAt(world, multi, left)
  const homes = [{ state: world.state }, ...(yield* Effect.replicateEffect(Rivals.home(world), count - 1))]
  const sources = [left, right, third]
  const sides = homes.map((home, index) => ({ home, ...backends[index]!, source: sources[index]! }))
  for (const { home, source } of sides.slice(1)) {
    yield* Rivals.backupAt(home, multi, source)
  }
  yield* later
  return { multi, sides, revision: (yield* headAt({ state: world.state }, multi)).entry.revision }
})

type Side = Effect.Effect.Success<ReturnType<typeof parted>>["sides"][number]

const publishAt = ({ home, service, source }: Side) => Rivals.backupAt(home, service, source)

/** Two rivals: the left home deleted a file and changed another, the right one added and changed. */
const rivals = Effect.fnUntraced(function* (world: World) {
  const both = yield* parted(world, 2)
  const [a, b] = [both.sides[0]!, both.sides[1]!]
  yield* world.disk.remove("/left/doomed")
  yield* world.disk.put("/left/l", "left")
  const ours = yield* publishAt(a)
  yield* world.disk.put("/right/r", "right")
  const theirs = yield* publishAt(b)
  const next = both.revision + 1n
  assert.deepStrictEqual([ours.published.revision, theirs.published.revision], [next, next])
  return { ...both, a, b, ours: ours.published.node, theirs: theirs.published.node }
})

describe("two rivals", () => {
  fact("are both in the next publication, whose history names both; deletions hold in every registry", files, (world) =>
    Effect.gen(function* () {
      const { a, b, multi, ours, revision, theirs } = yield* rivals(world)
      assert.lengthOf(yield* multi.entries((yield* Vault.open("docs")).streamKey), 2)
      yield* world.disk.put("/left/m", "more")
      const { published } = yield* Rivals.backupAt(a.home, multi, left)
      assert.strictEqual(published.outcome, "published")
      assert.strictEqual(published.revision, revision + 2n)
      assert.deepStrictEqual(published.conflicts, [])
      const merged = { "d/": "", "d/kept": "k", "d/l": "left", "d/m": "more", "d/r": "right" }
      assert.deepStrictEqual(yield* latestAt(a.home, multi), merged)
      assert.includeMembers(hashes(yield* headAt(a.home, multi)), [Hash.toHex(ours), Hash.toHex(theirs)])
      // both backends end with the new head, and no other
      assert.deepStrictEqual(a.bytes, b.bytes)
      for (const { home, service } of [a, b]) assert.deepStrictEqual(yield* latestAt(home, service), merged)
      // all that was ever published is listed once
      const vault = yield* Vault.open("docs")
      const infos = yield* Snapshots.all(vault, yield* headAt(a.home, multi))
      assert.lengthOf(infos, Number(revision) + 3)
      assert.strictEqual(new Set(infos.map(({ id }) => Hash.toHex(id))).size, infos.length)
    })
  )

  fact("are merged by a run that has nothing to say itself", files, (world) =>
    Effect.gen(function* () {
      const { a, b, multi } = yield* rivals(world)
      const { published } = yield* Rivals.backupAt(b.home, multi, right)
      assert.strictEqual(published.outcome, "published")
      assert.deepStrictEqual(yield* latestAt(a.home, multi), {
        "d/": "",
        "d/kept": "k",
        "d/l": "left",
        "d/r": "right"
      })
      const again = yield* Rivals.backupAt(b.home, multi, right)
      assert.strictEqual(again.published.outcome, "unchanged")
      // and each home goes on without losing what the other did
      assert.strictEqual((yield* Rivals.backupAt(a.home, multi, left)).published.outcome, "unchanged")
    })
  )

  fact("that changed one file keep both versions, and the run that merges them says so", files, (world) =>
    Effect.gen(function* () {
      const { multi, sides } = yield* parted(world, 2)
      const [a, b] = [sides[0]!, sides[1]!]
      yield* world.disk.put("/left/kept", "of the left")
      yield* publishAt(a)
      yield* later
      yield* world.disk.put("/right/kept", "of the right")
      yield* publishAt(b)
      const { published } = yield* Rivals.backupAt(a.home, multi, left)
      assert.lengthOf(published.conflicts, 1)
      const [conflict] = published.conflicts
      assert.strictEqual(conflict?.path, "d/kept")
      assert.match(conflict?.copy ?? "", /^d\/kept \(conflict [0-9a-f]{8}\)$/)
      // the newer one keeps the path
      assert.deepStrictEqual(yield* latestAt(a.home, multi), {
        "d/": "",
        "d/doomed": "x",
        "d/kept": "of the right",
        [conflict?.copy ?? ""]: "of the left"
      })
      const record = yield* a.home.state.record("docs", "d")
      assert.deepStrictEqual(record?.conflicts, [conflict?.copy ?? ""])
    })
  )

  fact(
    "of which one came after the other are no rivals: a backend that fell behind is only caught up",
    files,
    (world) =>
      Effect.gen(function* () {
        const { multi, sides } = yield* parted(world, 2)
        const [a, b] = [sides[0]!, sides[1]!]
        yield* world.disk.remove("/left/doomed")
        yield* publishAt(a)
        const before = yield* headAt(a.home, multi)
        assert.lengthOf((yield* Head.current(yield* Vault.open("docs").pipe(Rivals.over(multi)))).heads, 1)
        const { published } = yield* Rivals.backupAt(a.home, multi, left)
        assert.strictEqual(published.outcome, "unchanged")
        assert.deepStrictEqual(published.node, before.hash)
        yield* world.disk.put("/left/l", "left")
        yield* Rivals.backupAt(a.home, multi, left)
        assert.deepStrictEqual(a.bytes, b.bytes)
        assert.deepStrictEqual(yield* latestAt(b.home, b.service), { "d/": "", "d/kept": "k", "d/l": "left" })
      })
  )
})

describe("histories that cross", () => {
  fact("start from the merge of what they have in common, so that a deletion after it holds", files, (world) =>
    Effect.gen(function* () {
      const { a, b, multi, revision } = yield* rivals(world)
      const vault = yield* Vault.open("docs").pipe(Rivals.over(multi))
      const known = yield* multi.entries(vault.streamKey)
      const [ofA] = yield* a.service.entries(vault.streamKey)
      const [ofB] = yield* b.service.entries(vault.streamKey)
      /** What a home sees that read both rivals, and reaches only one registry to write to. */
      const stale = (side: Side, was: RegistryEntry.RegistryEntry | undefined): Registry.Service => ({
        ...side.service,
        entries: (key) =>
          Effect.map(side.service.entries(key), ([now]) =>
            now !== undefined && was !== undefined && RegistryEntry.equals(now, was) ? known : now ? [now] : []
          )
      })
      // both merge both rivals; then the left one deletes what it had added, the right one adds
      yield* world.disk.remove("/left/l")
      const first = yield* Rivals.backupAt(a.home, stale(a, ofA), left)
      yield* world.disk.put("/right/s", "second")
      const second = yield* Rivals.backupAt(b.home, stale(b, ofB), right)
      assert.deepStrictEqual([first.published.revision, second.published.revision], [revision + 2n, revision + 2n])
      assert.strictEqual((yield* latestAt(b.home, b.service))["d/l"], "left")

      yield* world.disk.put("/left/m", "more")
      const { published } = yield* Rivals.backupAt(a.home, multi, left)
      assert.deepStrictEqual(published.conflicts, [])
      assert.deepStrictEqual(yield* latestAt(a.home, multi), {
        "d/": "",
        "d/kept": "k",
        "d/m": "more",
        "d/r": "right",
        "d/s": "second"
      })
      assert.deepStrictEqual(a.bytes, b.bytes)
    })
  )
})

describe("a common snapshot that cannot be read", () => {
  /** The left home deleted a file and changed another, the right one changed that one too. */
  const beforeLoss = Effect.fnUntraced(function* (world: World) {
    const both = yield* parted(world, 2)
    const [a, b] = [both.sides[0]!, both.sides[1]!]
    const base = yield* headAt(a.home, both.multi)
    yield* world.disk.remove("/left/doomed")
    yield* world.disk.put("/left/kept", "of the left")
    yield* publishAt(a)
    yield* later
    yield* world.disk.put("/right/kept", "of the right")
    yield* publishAt(b)
    return { ...both, a, b, base }
  })

  const sideBySide = Effect.fnUntraced(function* (world: World, lose: (base: Head.Head) => Effect.Effect<void>) {
    const { a, b, base, multi } = yield* beforeLoss(world)
    yield* lose(base)
    const { published } = yield* Rivals.backupAt(b.home, multi, right)
    assert.strictEqual(published.outcome, "published")
    assert.lengthOf(published.conflicts, 1)
    const found = yield* latestAt(a.home, multi)
    assert.strictEqual(found["d/doomed"], "x")
    assert.strictEqual(found["d/kept"], "of the right")
    assert.strictEqual(found[published.conflicts[0]?.copy ?? ""], "of the left")
    assert.lengthOf(Object.keys(found), 4)
    assert.strictEqual((yield* Rivals.backupAt(b.home, multi, right)).published.outcome, "unchanged")
  })

  fact("because its blob is gone deletes nothing, and what differs stands side by side", files, (world) =>
    sideBySide(world, (base) => Effect.orDie(world.lose(base.hash)))
  )

  fact("because its tree is rotten does the same", files, (world) =>
    sideBySide(world, (base) => Effect.orDie(world.flip(base.node.root)))
  )

  fact("because the store does not answer is asked for again, and nothing is published meanwhile", files, (world) =>
    Effect.gen(function* () {
      const { a, b, multi } = yield* beforeLoss(world)
      const before = [new Map(a.bytes), new Map(b.bytes)]
      world.faults.get = new BlobStoreError({ reason: "Unavailable", store: "m", blob: "b", detail: "no answer" })
      const error = yield* Effect.flip(Rivals.backupAt(b.home, multi, right))
      assert.strictEqual(error._tag, "BlobStoreError")
      assert.deepStrictEqual([a.bytes, b.bytes], before)
      world.faults.get = Effect.void
      yield* Rivals.backupAt(b.home, multi, right)
      assert.isUndefined((yield* latestAt(a.home, multi))["d/doomed"])
    })
  )
})

describe("three rivals", () => {
  const three = Effect.fnUntraced(function* (world: World) {
    const all = yield* parted(world, 3)
    yield* world.disk.put("/left/kept", "of the left")
    yield* world.disk.remove("/left/doomed")
    yield* publishAt(all.sides[0]!)
    yield* later
    yield* world.disk.put("/right/kept", "of the right")
    yield* world.disk.put("/right/r", "right")
    yield* publishAt(all.sides[1]!)
    yield* later
    yield* world.disk.put("/third/kept", "of the third")
    yield* world.disk.put("/third/t", "third")
    yield* publishAt(all.sides[2]!)
    return all
  })

  fact("are all in the next publication, and in its history", files, (world) =>
    Effect.gen(function* () {
      const { multi, sides } = yield* three(world)
      const before = yield* Effect.forEach(sides, ({ home, service }) => headAt(home, service))
      const { published } = yield* Rivals.backupAt(sides[0]!.home, multi, left)
      assert.lengthOf(published.conflicts, 2)
      const found = yield* latestAt(sides[0]!.home, multi)
      assert.sameMembers(Object.values(found), ["", "of the third", "of the right", "of the left", "right", "third"])
      assert.strictEqual(found["d/kept"], "of the third")
      assert.includeMembers(
        hashes(yield* headAt(sides[0]!.home, multi)),
        before.map(({ hash }) => Hash.toHex(hash))
      )
      for (const { bytes } of sides) assert.deepStrictEqual(bytes, sides[0]!.bytes)
    })
  )

  fact("give the same tree in whatever order they are merged", files, (world) =>
    Effect.gen(function* () {
      const { multi, sides } = yield* three(world)
      const vault = yield* Vault.open("docs").pipe(Rivals.over(multi))
      const nodes = yield* Effect.forEach(sides, ({ home, service }) => headAt(home, service))
      const [a, b, c] = [nodes[0]!, nodes[1]!, nodes[2]!]
      const roots = yield* Effect.forEach(
        [
          [a, b, c],
          [a, c, b],
          [b, a, c],
          [b, c, a],
          [c, a, b],
          [c, b, a]
        ],
        (order) => Effect.map(Ancestry.unite(vault, order), ({ tree }) => Hash.toHex(tree.hash))
      )
      assert.strictEqual(new Set(roots).size, 1)
    })
  )

  fact("of which two are merged first give what merging all at once gives", files, (world) =>
    Effect.gen(function* () {
      const { multi, sides } = yield* three(world)
      const [a, b, c] = [sides[0]!, sides[1]!, sides[2]!]
      const vault = yield* Vault.open("docs").pipe(Rivals.over(multi))
      const nodes = yield* Effect.forEach(sides, ({ home, service }) => headAt(home, service))
      const { tree } = yield* Ancestry.unite(vault, nodes)
      // the first two see each other before they see the third
      const two = yield* RegistryMulti.make({ backends: [a.service, b.service], policy: { _tag: "Any" } })
      yield* Rivals.backupAt(b.home, two, right)
      const pair = yield* headAt(b.home, two)
      const whole = yield* Ancestry.unite(vault, [pair, yield* headAt(c.home, c.service)])
      assert.strictEqual(Hash.toHex(whole.tree.hash), Hash.toHex(tree.hash))
      const published = { ...pair, root: Snapshot.rootOf(tree) }
      assert.lengthOf(Object.keys(yield* contents(published)), 6)
    })
  )
})

describe("one node", () => {
  fact("is its own tree, and none is the empty one", files, (world) =>
    Effect.gen(function* () {
      const { sides, multi } = yield* parted(world, 2)
      const vault = yield* Vault.open("docs")
      const one = yield* headAt(sides[0]!.home, multi)
      assert.deepStrictEqual((yield* Ancestry.unite(vault, [one])).tree.hash, one.node.root)
      assert.isTrue((yield* Ancestry.unite(vault, [])).tree.isEmpty)
    })
  )
})
