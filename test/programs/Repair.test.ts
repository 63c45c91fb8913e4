import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import type * as Head from "../../src/programs/Head.ts"
import * as Repair from "../../src/programs/Repair.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Verify from "../../src/programs/Verify.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import { BlobStoreError } from "../../src/services/BlobStore.ts"
import { SetOutcome } from "../../src/services/Registry.ts"
import { VaultStateError } from "../../src/services/VaultState.ts"
import { backup, head, later, latest, make, mapping, patiently, type World } from "../support/programs.ts"
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

const files = { "/one/f": "1", "/one/g": "2", "/two/h": "3" }
const [one, two] = [mapping("/one"), mapping("/two")]
const all = { "one/": "", "one/f": "1", "one/g": "2", "two/": "", "two/h": "3" }

/** Opened anew, with nothing in its cache. */
const repair = Effect.flatMap(Vault.open("docs"), Repair.repair)
const ids = (hashes: ReadonlyArray<Hash.Hash>) => hashes.map(Hash.toHex)

const verify = Effect.gen(function* () {
  return (yield* Verify.verify(yield* Vault.open("docs"))).damaged
})

/** The stored nodes of a snapshot's tree, its root first; chunk trees of files are told by the file's key. */
const nodesOf = Effect.fnUntraced(function* (published: Head.Published) {
  const vault = yield* Vault.open("docs")
  if (published.root === undefined) return []
  const found = yield* Stream.runCollect(TreeWalk.nodes(vault.pipeline, published.root))
  return [...found].flatMap((item) => (item._tag === "Node" ? [{ hash: item.hash, path: item.path }] : []))
})

/** Both sources, two snapshots. */
const begun = Effect.gen(function* () {
  const first = (yield* backup(one)).published.node
  const second = (yield* backup(two)).published.node
  return { first, second }
})

/** Backs up both sources, and looks that every file is there, by the vault's own word and by reading everything. */
const goesOn = Effect.fnUntraced(function* (wanted: Readonly<Record<string, string>>) {
  yield* later
  yield* patiently(backup(one))
  yield* patiently(backup(two))
  assert.deepStrictEqual(yield* latest, wanted)
  const again = [yield* backup(one), yield* backup(two)]
  assert.deepStrictEqual(
    again.map(({ published }) => published.outcome),
    ["unchanged", "unchanged"]
  )
})

describe("nothing to repair", () => {
  fact("a head that is whole stays the head, and not a revision is spent", files, (world) =>
    Effect.gen(function* () {
      yield* begun
      const before = new Map(world.entries)
      assert.deepStrictEqual(yield* repair, { revision: undefined, from: [], lost: [] })
      assert.deepStrictEqual(world.entries, before)
    })
  )

  fact("nor in a vault that was never published", files, (world) =>
    Effect.gen(function* () {
      yield* Vault.ensure("docs")
      assert.deepStrictEqual(yield* repair, { revision: undefined, from: [], lost: [] })
      assert.strictEqual(world.entries.size, 0)
    })
  )

  fact("nor where a file's own bytes are lost: that is for a backup to bring back", files, (world) =>
    Effect.gen(function* () {
      yield* begun
      const vault = yield* Vault.open("docs")
      const { root } = yield* head
      assert.isDefined(root)
      if (root === undefined) return
      const items = yield* Stream.runCollect(TreeWalk.nodes(vault.pipeline, root))
      for (const item of items) if (item._tag === "Leaf") yield* world.lose(item.hash)
      assert.isUndefined((yield* repair).revision)
    })
  )
})

describe("a published node that is", () => {
  const hurts = [
    ["gone", (world: World, hash: Hash.Hash) => world.lose(hash)],
    ["rotten", (world: World, hash: Hash.Hash) => world.flip(hash)]
  ] as const
  for (const [hurt, how] of hurts) {
    fact(`${hurt} comes back from this device's own copy, whole`, files, (world) =>
      Effect.gen(function* () {
        const { second } = yield* begun
        yield* how(world, second)
        const refused = yield* Effect.flip(patiently(backup(one)))
        assert.strictEqual(refused._tag, "BlobStoreError")
        const result = yield* repair
        assert.strictEqual(result.revision, 3n)
        assert.deepStrictEqual(ids(result.from), ids([second]))
        assert.deepStrictEqual(result.lost, [])
        assert.deepStrictEqual(yield* latest, all)
        assert.strictEqual(yield* verify, 0)
        yield* goesOn(all)
        // what was changed since is a change as ever: nothing stands side by side, and deletions hold
        yield* world.disk.remove("/one/f")
        yield* world.disk.put("/one/g", "changed")
        yield* goesOn({ "one/": "", "one/g": "changed", "two/": "", "two/h": "3" })
      })
    )

    fact(`${hurt}, and of which there is no copy here, is replaced by the newest that can be read`, files, (world) =>
      Effect.gen(function* () {
        const { first, second } = yield* begun
        yield* how(world, second)
        yield* world.records.remove("docs/last.fs5.cbor.age")
        const result = yield* repair
        assert.strictEqual(result.revision, 3n)
        assert.deepStrictEqual(ids(result.from), ids([first]))
        assert.deepStrictEqual(
          result.lost.map(({ id }) => Hash.toHex(id)),
          ids([second])
        )
        assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "one/g": "2" })
        // the source that is missing in it is not taken for deleted
        yield* goesOn(all)
      })
    )
  }
})

describe("a tree with a node that is", () => {
  const hurts = [
    ["gone", (world: World, hash: Hash.Hash) => world.lose(hash)],
    ["rotten", (world: World, hash: Hash.Hash) => world.flip(hash)]
  ] as const
  for (const [hurt, how] of hurts) {
    fact(`${hurt} at its root continues from the snapshot before, and the next backups add the rest`, files, (world) =>
      Effect.gen(function* () {
        const { first, second } = yield* begun
        const root = (yield* head).node.root
        yield* how(world, root)
        const refused = yield* Effect.flip(patiently(Effect.zipRight(world.disk.put("/one/x", "x"), backup(one))))
        assert.include(["BlobStoreError", "DamagedTree"], refused._tag)
        const result = yield* repair
        assert.strictEqual(result.revision, 3n)
        assert.deepStrictEqual(ids(result.from), ids([first]))
        assert.deepStrictEqual(
          result.lost.map(({ id }) => Hash.toHex(id)),
          ids([second])
        )
        assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "one/g": "2" })
        yield* goesOn({ ...all, "one/x": "x" })
        // the damaged one stays listed, so that what can be read of it stays within reach
        const vault = yield* Vault.open("docs")
        const infos = yield* Snapshots.all(vault, yield* head)
        assert.includeMembers(
          infos.map(({ id }) => Hash.toHex(id)),
          ids([first, second])
        )
      })
    )

    fact(`${hurt} of a single source's tree, which is the last scan too, loses none of its files`, files, (world) =>
      Effect.gen(function* () {
        yield* backup(one)
        yield* world.disk.put("/one/new", "n")
        yield* backup(one)
        yield* how(world, (yield* head).node.root)
        assert.strictEqual((yield* repair).revision, 3n)
        yield* later
        yield* patiently(backup(one))
        assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "one/g": "2", "one/new": "n" })
        assert.strictEqual((yield* backup(one)).published.outcome, "unchanged")
      })
    )
  }

  const many: Record<string, string> = {}
  for (let i = 0; i < 400; i++) many[`/one/${String(i).padStart(4, "0")}`] = `${i}`

  fact("gone among many keeps what can be read of it, and has the rest as it was before", many, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      for (let i = 0; i < 400; i += 2) yield* world.disk.put(`/one/${String(i).padStart(4, "0")}`, `new ${i}`)
      yield* world.disk.remove("/one/0001")
      yield* later
      yield* backup(one)
      const newest = yield* head
      const leaves = yield* nodesOf(newest)
      assert.isAbove(leaves.length, 3)
      yield* world.lose(leaves[2]!.hash)
      const result = yield* repair
      assert.lengthOf(result.from, 2)
      assert.deepStrictEqual(result.from[0], newest.hash)
      assert.strictEqual(yield* verify, 1)
      const found = yield* latest
      let [old, changed] = [0, 0]
      for (let i = 0; i < 400; i++) {
        if (i === 1) continue
        const content = found[`one/${String(i).padStart(4, "0")}`]
        if (content === `${i}`) old++
        else if (content === `new ${i}`) changed++
        else assert.fail(`${i} holds ${content}`)
      }
      assert.isAbove(changed, 50)
      assert.isAbove(old, 200)
      // the files themselves are all there, so the next backup has everything
      const { published } = yield* patiently(backup(one))
      const after = yield* latest
      for (let i = 2; i < 400; i++)
        assert.strictEqual(after[`one/${String(i).padStart(4, "0")}`], i % 2 === 0 ? `new ${i}` : `${i}`)
      // the older versions that had come back stand beside them
      for (const { copy } of published.conflicts) assert.match(after[copy] ?? "", /^\d+$/)
    })
  )

  const noise = (seed: number) => {
    const bytes = new Uint8Array(2_000_000)
    for (let at = 0, state = seed; at < bytes.length; at++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      bytes[at] = state >>> 16
    }
    return bytes
  }

  fact("gone of one file has the file as it was before, and everything else as it is", files, (world) =>
    Effect.gen(function* () {
      yield* world.disk.put("/one/big", "small at first")
      yield* backup(one)
      yield* world.disk.put("/one/big", noise(7))
      yield* world.disk.put("/one/f", "changed")
      yield* later
      yield* backup(one)
      const chunked = (yield* nodesOf(yield* head)).filter(({ path }) => path.length > 0)
      assert.isAbove(chunked.length, 0)
      yield* world.lose(chunked[0]!.hash)
      const result = yield* repair
      assert.lengthOf(result.lost, 1)
      const found = yield* latest
      assert.strictEqual(found["one/big"], "small at first")
      assert.strictEqual(found["one/f"], "changed")
      yield* later
      yield* patiently(backup(one))
      const vault = yield* Vault.open("docs")
      const entry = yield* Vault.snapshot(vault, (yield* head).root).get("one/big")
      assert.strictEqual(entry?.content?.size, 2_000_000n)
    })
  )
})

describe("a registry that was made anew", () => {
  fact("empty gets what this device published last, above every revision that was seen", files, (world) =>
    Effect.gen(function* () {
      const { second } = yield* begun
      world.entries.clear()
      const refused = yield* Effect.flip(patiently(backup(one)))
      assert.strictEqual(refused._tag === "HeadError" ? refused.reason : refused._tag, "RolledBack")
      assert.include(refused.message, "cairn vault repair docs:")
      const result = yield* repair
      assert.strictEqual(result.revision, 3n)
      assert.deepStrictEqual(ids(result.from), ids([second]))
      assert.deepStrictEqual(yield* latest, all)
      yield* goesOn(all)
    })
  )

  fact("from an old copy is caught up: deletions since hold, and nothing stands side by side", files, (world) =>
    Effect.gen(function* () {
      yield* begun
      const old = new Map(world.entries)
      yield* world.disk.remove("/one/f")
      yield* world.disk.put("/one/g", "changed")
      yield* later
      yield* backup(one)
      for (const [key, bytes] of old) world.entries.set(key, bytes)
      const result = yield* repair
      assert.strictEqual(result.revision, 4n)
      const wanted = { "one/": "", "one/g": "changed", "two/": "", "two/h": "3" }
      assert.deepStrictEqual(yield* latest, wanted)
      yield* goesOn(wanted)
    })
  )

  fact("without this device's own copy gets the newest that its records name", files, (world) =>
    Effect.gen(function* () {
      const { second } = yield* begun
      world.entries.clear()
      yield* world.records.remove("docs/last.fs5.cbor.age")
      const result = yield* repair
      assert.deepStrictEqual(ids(result.from), ids([second]))
      assert.strictEqual(result.revision, 3n)
      yield* goesOn(all)
    })
  )

  fact("and published to by another home of this device is merged with what this one had", files, (world) =>
    Effect.gen(function* () {
      yield* begun
      world.entries.clear()
      const other = yield* Rivals.home(world)
      yield* world.disk.put("/three/t", "4")
      const { published } = yield* Rivals.backupAt(other, world.registry, mapping("/three"))
      assert.strictEqual(published.revision, 1n)
      const result = yield* repair
      assert.strictEqual(result.revision, 3n)
      assert.lengthOf(result.from, 2)
      assert.deepStrictEqual(yield* latest, { ...all, "three/": "", "three/t": "4" })
      yield* goesOn({ ...all, "three/": "", "three/t": "4" })
    })
  )
})

describe("a repair", () => {
  fact("of which nothing can be read says so, and publishes nothing", files, (world) =>
    Effect.gen(function* () {
      const { first, second } = yield* begun
      yield* world.lose(first)
      yield* world.lose(second)
      yield* world.records.remove("docs/last.fs5.cbor.age")
      const before = new Map(world.entries)
      const error = yield* Effect.flip(repair)
      assert.strictEqual(error._tag, "NothingReadable")
      assert.include(error.message, "vault docs")
      assert.deepStrictEqual(world.entries, before)
    })
  )

  fact("does nothing while the store does not answer", files, (world) =>
    Effect.gen(function* () {
      yield* begun
      const before = new Map(world.entries)
      world.faults.get = new BlobStoreError({ reason: "Unavailable", store: "m", blob: "b", detail: "no answer" })
      const error = yield* Effect.flip(repair)
      assert.strictEqual(error._tag, "BlobStoreError")
      assert.deepStrictEqual(world.entries, before)
      world.faults.get = Effect.void
      assert.isUndefined((yield* repair).revision)
    })
  )

  fact("that is overtaken says so, and can be run again", files, (world) =>
    Effect.gen(function* () {
      const { second } = yield* begun
      yield* world.lose(second)
      const [current] = yield* world.registry.entries((yield* Vault.open("docs")).streamKey)
      assert.isDefined(current)
      if (current === undefined) return
      world.faults.set = () => Effect.succeed(SetOutcome.Lost({ current, verdicts: [] }))
      assert.strictEqual((yield* Effect.flip(repair))._tag, "PublishContended")
      world.faults.set = (entry, over, inner) => inner(entry, over)
      yield* repair
      assert.deepStrictEqual(yield* latest, all)
      yield* goesOn(all)
    })
  )

  fact("goes on though one source's record is damaged", files, (world) =>
    Effect.gen(function* () {
      const { second } = yield* begun
      yield* world.lose(second)
      const [record] = [...(yield* Stream.runCollect(world.records.list("docs/records/")))]
      yield* world.records.put(record ?? "", Bytes.fromUtf8("{"))
      assert.strictEqual((yield* repair).revision, 3n)
      assert.deepStrictEqual(yield* latest, all)
    })
  )

  fact("lets no announced publication of before count, whose files may not be in it", files, (world) =>
    Effect.gen(function* () {
      yield* begun
      yield* later
      yield* world.disk.put("/two/new", "n")
      world.faults.saveRecord = () =>
        new VaultStateError({ reason: "Full", vault: "docs", record: "r", detail: "no room" })
      yield* Effect.flip(backup(two))
      world.faults.saveRecord = (inner) => inner
      assert.lengthOf(yield* world.state.intents("docs", "two"), 1)
      yield* world.lose((yield* head).node.root)
      yield* repair
      assert.deepStrictEqual(yield* world.state.intents("docs", "two"), [])
      yield* goesOn({ ...all, "two/new": "n" })
    })
  )

  fact("publishes rivals merged, as the next publication would", files, (world) =>
    Effect.gen(function* () {
      const { backends, multi } = yield* Rivals.registries(2)
      const [left, right] = [backends[0], backends[1]!]
      yield* Rivals.backupAt(world, multi, one)
      const other = yield* Rivals.home(world)
      yield* world.disk.put("/three/t", "4")
      yield* Rivals.backupAt(other, right.service, mapping("/three"))
      yield* Rivals.backupAt(world, left.service, two)
      const result = yield* repair.pipe(Rivals.over(multi))
      assert.lengthOf(result.from, 2)
      assert.deepStrictEqual(result.lost, [])
      assert.deepStrictEqual(left.bytes, right.bytes)
      assert.deepStrictEqual(yield* latest.pipe(Rivals.over(multi)), { ...all, "three/": "", "three/t": "4" })
      const again = yield* repair.pipe(Rivals.over(multi))
      assert.isUndefined(again.revision)
    })
  )
})
