import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
import * as Backup from "../../src/programs/Backup.ts"
import * as Repair from "../../src/programs/Repair.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Verify from "../../src/programs/Verify.ts"
import type * as Hash from "../../src/schema/Hash.ts"
import { backup, head, later, latest, make, mapping, patiently } from "../support/programs.ts"

const docs = mapping("/docs")
const files = { "/docs/a.txt": "a", "/docs/sub/b.txt": "b", "/docs/sub/c.txt": "c" }
const wanted = { "docs/": "", "docs/a.txt": "a", "docs/sub/": "", "docs/sub/b.txt": "b", "docs/sub/c.txt": "c" }

/** The stored blobs of the head's tree: its nodes, and the leaves in them. */
const blobsOfHead = Effect.gen(function* () {
  const vault = yield* Vault.open("docs")
  const { root } = yield* head
  const nodes: Array<Hash.Hash> = []
  const leaves: Array<Hash.Hash> = []
  if (root !== undefined)
    yield* Stream.runForEach(TreeWalk.inspect(vault.pipeline, root, { skip: () => false }), (item) =>
      Effect.sync(() => (item._tag === "Leaf" ? leaves : nodes).push(item.hash))
    )
  return { nodes, leaves }
})

const damagedNow = Effect.gen(function* () {
  return (yield* Verify.verify(yield* Vault.open("docs"))).damaged
})

describe("a bit that turned in a node of the tree, its length as before", () => {
  it.effect("is put right by the next backup, which never calls the rotten tree unchanged", () =>
    Effect.flatMap(make(files), (world) =>
      Effect.gen(function* () {
        yield* later
        yield* backup(docs)
        for (const hash of (yield* blobsOfHead).nodes) yield* world.flip(hash)
        yield* later
        yield* backup(docs)
        assert.deepStrictEqual(yield* latest, wanted)
        assert.strictEqual(yield* damagedNow, 0)
      }).pipe(Effect.provide(world.layer))
    )
  )

  it.effect("takes the rotten leaves beside it along, since everything is read again", () =>
    Effect.flatMap(make(files), (world) =>
      Effect.gen(function* () {
        yield* later
        yield* backup(docs)
        const { leaves, nodes } = yield* blobsOfHead
        for (const hash of [...nodes, ...leaves]) yield* world.flip(hash)
        yield* later
        yield* backup(docs)
        assert.deepStrictEqual(yield* latest, wanted)
        assert.strictEqual(yield* damagedNow, 0)
      }).pipe(Effect.provide(world.layer))
    )
  )

  it.effect("does not come back into the head after a repair and a backup", () =>
    Effect.flatMap(make({ ...files, "/music/d.txt": "d" }), (world) =>
      Effect.gen(function* () {
        yield* later
        const music = mapping("/music")
        yield* backup(music)
        yield* backup(docs)
        // the node that holds both sources is in neither source's last scan
        for (const hash of (yield* blobsOfHead).nodes) yield* world.flip(hash)
        yield* later
        yield* Repair.repair(yield* Vault.open("docs"))
        yield* patiently(backup(music))
        yield* patiently(backup(docs))
        assert.deepStrictEqual(yield* latest, { ...wanted, "music/": "", "music/d.txt": "d" })
      }).pipe(Effect.provide(world.layer))
    )
  )
})

describe("a bit that turned in a file's blob", () => {
  it.effect("is put right by a backup that reads everything again", () =>
    Effect.flatMap(make(files), (world) =>
      Effect.gen(function* () {
        yield* later
        const { vault } = yield* backup(docs)
        for (const hash of (yield* blobsOfHead).leaves) yield* world.flip(hash)
        yield* later
        const again = yield* Backup.backup(vault, docs, { reread: true })
        assert.strictEqual(again.published.outcome, "unchanged")
        assert.strictEqual(yield* damagedNow, 0)
        assert.deepStrictEqual(yield* latest, wanted)
      }).pipe(Effect.provide(world.layer))
    )
  )

  it.effect("a file that cannot be read just then keeps its last state in a backup that reads everything again", () =>
    Effect.flatMap(make(files), (world) =>
      Effect.gen(function* () {
        yield* later
        const { vault } = yield* backup(docs)
        yield* later
        world.faults.denied.add("/docs/a.txt")
        world.faults.denied.add("/docs/sub")
        const { scan } = yield* Backup.backup(vault, docs, { reread: true })
        assert.strictEqual(scan.problems, 2)
        assert.deepStrictEqual(yield* latest, wanted)
      }).pipe(Effect.provide(world.layer))
    )
  )

  it.effect("stays as it is in a preview, which writes and removes nothing", () =>
    Effect.flatMap(make(files), (world) =>
      Effect.gen(function* () {
        yield* later
        yield* backup(docs)
        const { leaves, nodes } = yield* blobsOfHead
        for (const hash of leaves) yield* world.flip(hash)
        yield* later
        yield* world.disk.put("/docs/a.txt", "a, changed")
        yield* Backup.preview("docs", docs)
        for (const hash of [...nodes, ...leaves]) assert.isTrue(yield* world.blobs.has(hash))
      }).pipe(Effect.provide(world.layer))
    )
  )
})
