import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Verify from "../../src/programs/Verify.ts"
import * as Hash from "../../src/schema/Hash.ts"
import { BlobStoreError } from "../../src/services/BlobStore.ts"
import { backup, entriesOf, head, make, mapping, type World } from "../support/programs.ts"

const one = mapping("/one")
const big = new Uint8Array(700_000).map((_, index) => (index * 7919) >> 5)

const fact = <E>(name: string, run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>) =>
  it.effect(name, () =>
    Effect.flatMap(make({ "/one/f": "first", "/one/big": big }), (world) => Effect.provide(run(world), world.layer))
  )

const verify = Effect.fnUntraced(function* (options: Verify.Options = {}) {
  const found: Array<Verify.Damage> = []
  const vault = yield* Vault.open("docs")
  const result = yield* Verify.verify(vault, { ...options, onDamage: (one) => Effect.sync(() => found.push(one)) })
  assert.strictEqual(result.damaged, found.length)
  return { ...result, found }
})

/** Hundreds of files, so that the tree has several nodes. */
const many = Effect.fnUntraced(function* (world: World) {
  for (let i = 0; i < 400; i++) yield* world.disk.put(`/one/many/${String(i).padStart(3, "0")}`, `file ${i}`)
  yield* backup(one)
})

const nodesOf = Effect.gen(function* () {
  const vault = yield* Vault.open("docs")
  const root = (yield* head).root!
  const reached = [...(yield* Stream.runCollect(TreeWalk.inspect(vault.pipeline, root)))]
  return reached.flatMap((item) => (item._tag === "Node" ? [item] : []))
})

const contentOf = Effect.fnUntraced(function* (key: string) {
  return (yield* entriesOf(yield* head)).get(key)!.content!.hash
})

describe("verify", () => {
  fact("reads every snapshot, node and blob of a sound vault once", (world) =>
    Effect.gen(function* () {
      yield* many(world)
      yield* world.disk.put("/one/f", "second")
      yield* backup(one)
      const result = yield* verify()
      assert.deepStrictEqual(result.found, [])
      assert.strictEqual(result.snapshots, 2)
      // everything that is stored is reached: published nodes, tree nodes and content
      const stored = [...(yield* Stream.runCollect(world.blobs.list))].length
      assert.strictEqual(result.snapshots + result.nodes + result.blobs, stored)
      assert.strictEqual(result.unread, 0)
    })
  )

  fact("a sample reads a part of the content and says how much it left out", (world) =>
    Effect.gen(function* () {
      yield* many(world)
      const whole = yield* verify()
      const part = yield* verify({ sample: 0.25 })
      assert.strictEqual(part.blobs + part.unread, whole.blobs)
      assert.isAbove(part.blobs, whole.blobs * 0.1)
      assert.isBelow(part.blobs, whole.blobs * 0.4)
      assert.strictEqual(part.nodes, whole.nodes)
    })
  )

  for (const [what, hurt, says] of [
    ["flipped", (world: World, hash: Hash.Hash) => world.flip(hash), "not the ones that were stored"],
    ["missing", (world: World, hash: Hash.Hash) => world.lose(hash), "does not have it"]
  ] as const) {
    fact(`a ${what} blob is found, with the snapshot and the path where it is`, (world) =>
      Effect.gen(function* () {
        yield* many(world)
        const hash = yield* contentOf("one/many/123")
        yield* hurt(world, hash)
        const { found } = yield* verify()
        assert.lengthOf(found, 1)
        assert.deepInclude(found[0], { kind: "blob", hash: Hash.toHex(hash), at: "snapshot 1: one/many/123" })
        assert.include(found[0]!.detail, says)
      })
    )

    fact(`a ${what} chunk of a large file is found under the file's path`, (world) =>
      Effect.gen(function* () {
        yield* many(world)
        const vault = yield* Vault.open("docs")
        const root = (yield* head).root!
        const reached = [...(yield* Stream.runCollect(TreeWalk.inspect(vault.pipeline, root)))]
        const chunk = reached.find((item) => item._tag === "Leaf" && item.path[0] === "one/big" && item.path.length > 1)
        yield* hurt(world, chunk!.hash)
        const { found } = yield* verify()
        assert.lengthOf(found, 1)
        assert.match(found[0]!.at, /^snapshot 1: one\/big /)
      })
    )

    fact(`a ${what} node is found, and everything beside it is verified all the same`, (world) =>
      Effect.gen(function* () {
        yield* many(world)
        const whole = yield* verify()
        const leaf = (yield* nodesOf).find((node) => node.level === 0 && node.kind === "namespace")!
        yield* hurt(world, leaf.hash)
        const { blobs, found } = yield* verify()
        assert.lengthOf(found, 1)
        assert.deepInclude(found[0], { kind: "node", hash: Hash.toHex(leaf.hash) })
        assert.match(found[0]!.at, /^snapshot 1:/)
        assert.isAbove(blobs, whole.blobs / 2)
        assert.isBelow(blobs, whole.blobs)
      })
    )

    fact(`a ${what} published node is found, and the other snapshots are verified all the same`, (world) =>
      Effect.gen(function* () {
        const first = yield* backup(one)
        yield* world.disk.put("/one/f", "second")
        yield* backup(one)
        yield* world.disk.put("/one/f", "third")
        yield* backup(one)
        yield* hurt(world, first.published.node)
        const { found, snapshots } = yield* verify()
        assert.strictEqual(snapshots, 3)
        assert.lengthOf(found, 1)
        assert.deepInclude(found[0], { kind: "snapshot", hash: Hash.toHex(first.published.node), at: "snapshot 1:" })
      })
    )

    fact(`a ${what} head is found, and the last scan is verified all the same`, (world) =>
      Effect.gen(function* () {
        const { published } = yield* backup(one)
        yield* hurt(world, published.node)
        const { blobs, found } = yield* verify()
        assert.lengthOf(found, 1)
        assert.deepInclude(found[0], { kind: "snapshot", hash: Hash.toHex(published.node) })
        assert.isAbove(blobs, 1)
      })
    )
  }

  fact("a root that several snapshots share is damaged once", (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const { root } = yield* head
      yield* world.disk.put("/one/f", "second")
      yield* backup(one)
      yield* world.disk.put("/one/f", "first")
      yield* backup(one)
      yield* world.flip(root!.hash)
      assert.lengthOf((yield* verify()).found, 1)
    })
  )

  fact("a store that cannot be reached is no damage: it ends the verification", (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      let reads = 0
      const away = new BlobStoreError({ reason: "Unavailable", store: "memory", blob: "x", detail: "cable pulled" })
      world.faults.get = Effect.suspend(() => (++reads > 3 ? away : Effect.void))
      const error = yield* Effect.flip(verify())
      assert.strictEqual(error.message, away.message)
    })
  )
})
