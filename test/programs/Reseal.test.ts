import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ancestry from "../../src/programs/Ancestry.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import * as Reseal from "../../src/programs/Reseal.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as AgeHeader from "../../src/schema/AgeHeader.ts"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Derivation from "../../src/schema/Derivation.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as RecoveryPhrase from "../../src/schema/RecoveryPhrase.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import { right } from "../support/either.ts"
import {
  backup,
  contents,
  head,
  latest,
  make,
  mapping,
  patiently,
  primitives,
  type World
} from "../support/programs.ts"

const fact = <E>(name: string, run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>) =>
  it.effect(name, () => Effect.flatMap(make({ "/one/f": "1" }), (world) => Effect.provide(run(world), world.layer)))

const one = mapping("/one")

/** Publishes snapshots in which the file holds 1, 2, …; answers their ids. */
const publish = Effect.fnUntraced(function* (world: World, count: number) {
  const ids: Array<string> = []
  for (let number = 1; number <= count; number++) {
    yield* world.disk.put("/one/f", `${number}`)
    ids.push(Hash.toHex((yield* backup(one)).published.node))
  }
  return ids
})

const adopt = Effect.gen(function* () {
  const { phrase, recipient } = yield* Recovery.draw()
  yield* Recovery.adopt(recipient)
  const entropy = right(RecoveryPhrase.toEntropy(Redacted.value(phrase)))
  const seed = Derivation.paperAgeSeed(primitives, Derivation.rootMaster(primitives, entropy))
  return Redacted.make(AgeKey.identity(seed))
})

/** The vault as somebody sees it who has nothing but that identity. */
const seenBy = (identity: Redacted.Redacted<string>) =>
  Effect.map(Vault.open("docs"), (vault): Vault.Vault => ({ ...vault, identities: [identity] }))

const ids = (vault: Vault.Vault) =>
  Effect.flatMap(
    Effect.map(Head.newest(vault), (found) => found!),
    (found) => Snapshots.all(vault, found)
  )

describe("sealing a vault anew", () => {
  fact("opens every snapshot to a phrase that came later, under the ids that they had", (world) =>
    Effect.gen(function* () {
      const published = yield* publish(world, 4)
      const vault = yield* seenBy(yield* adopt)
      const infos = yield* ids(vault)
      assert.deepStrictEqual(
        infos.slice(0, 4).map(({ id }) => Hash.toHex(id)),
        published
      )
      for (const [index, { blob, id }] of infos.entries()) {
        const found = yield* Head.read(vault, id, blob)
        assert.strictEqual((yield* contents(found))["one/f"], `${Math.min(index + 1, 4)}`)
        assert.deepStrictEqual(found.hash, id)
      }
      const first = yield* Snapshots.resolve(vault, { _tag: "Number", number: 1 }, () => 0)
      assert.strictEqual((yield* contents(first))["one/f"], "1")
      const named = yield* Snapshots.resolve(vault, { _tag: "Id", prefix: published[1]!.slice(0, 12) }, () => 0)
      assert.strictEqual((yield* contents(named))["one/f"], "2")
    })
  )

  fact("is done once: a second run publishes nothing, and what is published later stays open", (world) =>
    Effect.gen(function* () {
      yield* publish(world, 3)
      const identity = yield* adopt
      const { entry } = yield* head
      const again = yield* Reseal.reseal(yield* Vault.open("docs"))
      assert.deepStrictEqual(again, { revision: undefined, resealed: 0, unreadable: [] })
      yield* Recovery.sealAll()
      assert.strictEqual((yield* head).entry.revision, entry.revision)
      yield* world.disk.put("/one/f", "5")
      yield* backup(one)
      const vault = yield* seenBy(identity)
      for (const { blob, id } of yield* ids(vault)) yield* Head.read(vault, id, blob)
      assert.strictEqual((yield* latest)["one/f"], "5")
    })
  )

  fact("does not cut the past that two writers have in common", (world) =>
    Effect.gen(function* () {
      yield* publish(world, 3)
      const vault = yield* Vault.open("docs")
      const before = (yield* Head.newest(vault))!
      const record = yield* world.state.record("docs", "one")
      yield* adopt
      const after = (yield* Head.newest(yield* Vault.open("docs")))!
      assert.isTrue(Head.contains(after, Hash.toHex(before.hash)))
      for (const item of before.node.history)
        assert.isTrue(Head.contains(after, Hash.toHex(TransparentNode.idOf(item))))
      assert.deepStrictEqual([...(yield* Snapshots.reached(vault, [after], [record!.node]))], [record!.node])
      // a head that another device built on the same past, before it was sealed anew: the file it deleted stays deleted
      const rival: Head.Published = {
        hash: primitives.blake3(new Uint8Array(1)),
        root: undefined,
        node: {
          ...before.node,
          root: Hash.zero,
          history: TransparentNode.addHistory(before.node.history, Date.UTC(2026, 5), before.hash)
        }
      }
      const { tree } = yield* Ancestry.unite(vault, [after, rival])
      assert.isTrue(tree.isEmpty)
    })
  )

  fact("names what was sealed anew in older snapshots too, so that the inline history is no limit", (world) =>
    Effect.gen(function* () {
      const published = yield* publish(world, 4)
      const identity = yield* adopt
      const vault = yield* seenBy(identity)
      const [, , third] = yield* ids(vault)
      // as if the first two had been pushed out of the inline history of the head
      const found = yield* Head.read(vault, third!.id, third!.blob)
      assert.deepStrictEqual(
        found.node.history.map((item) => Hash.toHex(TransparentNode.idOf(item))),
        published.slice(0, 2)
      )
      for (const item of found.node.history) yield* Head.read(vault, TransparentNode.idOf(item), item.hash)
    })
  )

  fact("leaves what is damaged as it is and tells it", (world) =>
    Effect.gen(function* () {
      const published = yield* publish(world, 3)
      yield* world.flip(right(Hash.fromHex(published[1]!)))
      const recovery = yield* Recovery.draw()
      yield* world.keyring.createRecovery(recovery.recipient)
      const result = yield* Reseal.reseal(yield* Vault.open("docs"))
      assert.deepStrictEqual(result.unreadable.map(Hash.toHex), [published[1]])
      assert.strictEqual(result.resealed, 2)
      const again = yield* Reseal.reseal(yield* Vault.open("docs"))
      assert.isUndefined(again.revision)
    })
  )

  fact("goes on when another writer publishes meanwhile, and loses nothing of it", (world) =>
    Effect.gen(function* () {
      yield* publish(world, 2)
      yield* world.keyring.createRecovery((yield* Recovery.draw()).recipient)
      const vault = yield* Vault.open("docs")
      let raced = false
      world.faults.set = (entry, over, inner) =>
        Effect.suspend(() => {
          if (raced) return inner(entry, over)
          raced = true
          return Effect.zipRight(
            world.disk
              .put("/one/f", "overtook")
              .pipe(Effect.zipRight(backup(one)), Effect.provide(world.layer), Effect.orDie),
            inner(entry, over)
          )
        })
      assert.isDefined((yield* patiently(Reseal.reseal(vault))).revision)
      assert.isTrue(raced)
      assert.strictEqual((yield* latest)["one/f"], "overtook")
    })
  )

  it("an age header tells for how many it is, and anything else is for none", () => {
    const header =
      "age-encryption.org/v1\n-> X25519 abc\nbody\n-> X25519 def\nbody\n-> x-grease 1\n\n--- mac\n-> X25519 no\n"
    const bytes = new TextEncoder().encode(header)
    assert.strictEqual(AgeHeader.recipientCount(bytes), 2)
    for (const text of ["", "nonsense", header.slice(1), header.slice(0, 60), "-> X25519 a\n--- b\n"])
      assert.strictEqual(AgeHeader.recipientCount(new TextEncoder().encode(text)), 0)
  })
})
