/** What a packed store does about packs that rotted, were cut short, vanished, or were written by others. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Mending from "../../src/fs5/Mending.ts"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Pack from "../../src/schema/Pack.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import { ObjectStoreError, type Service as Objects } from "../../src/services/ObjectStore.ts"
import type { Service as Index } from "../../src/services/PackIndex.ts"
import { blobOf } from "../conformance/BlobStore.ts"
import { primitives } from "../support/primitives.ts"

const blobs = Array.from({ length: 30 }, (_, i) => blobOf(`blob ${i} ${"x".repeat(i * 17)}`))

const world = Effect.gen(function* () {
  const objects = yield* ObjectStoreMemory.make()
  const index = yield* PackIndexMemory.make()
  const open = (other: { readonly objects?: Objects; readonly index?: Index; readonly packSize?: number } = {}) =>
    BlobStorePacked.make({ objects, index, primitives, packSize: 2000, ...other })
  const fill = Effect.gen(function* () {
    const store = yield* open()
    for (const { bytes, hash } of blobs) yield* store.put(hash, bytes)
    yield* store.sync
  })
  const paths = (prefix: string) => Effect.map(Stream.runCollect(objects.list(prefix)), Chunk.toReadonlyArray)
  const place = (hash: Hash.Hash) => Effect.map(index.find(hash), ([first]) => first!)
  const change = (path: string, how: (bytes: Uint8Array) => Uint8Array) =>
    Effect.flatMap(objects.get(path), (bytes) => objects.put(path, how(bytes)))
  const packPath = (pack: Hash.Hash) => StorePath.blob(objects.features, pack)
  return { objects, index, open, fill, paths, place, change, packPath }
})

const fact = <E>(name: string, effect: Effect.Effect<void, E, Scope.Scope>) => it.scoped(name, () => effect)

const readable = Effect.fnUntraced(function* (store: BlobStorePacked.Packed) {
  const results = yield* Effect.forEach(blobs, ({ bytes, hash }) =>
    Effect.either(Effect.map(store.get(hash), (got) => assert.deepStrictEqual(got, bytes)))
  )
  return results.map((result) => (result._tag === "Left" ? result.left.reason : "ok"))
})
const allOk = blobs.map(() => "ok")

describe("a packed store", () => {
  fact(
    "makes few objects of many blobs, and flushes once for a barrier, before its index says anything",
    Effect.gen(function* () {
      const { index, objects, open } = yield* world
      const done: Array<string> = []
      const told = <A, E>(what: string, effect: Effect.Effect<A, E>) => {
        done.push(what)
        return effect
      }
      const store = yield* open({
        objects: {
          ...objects,
          put: (path, bytes) => told(path.slice(0, 5), objects.put(path, bytes)),
          sync: Effect.suspend(() => told("sync", objects.sync))
        },
        index: {
          ...index,
          add: (entries, standing) => Effect.suspend(() => told("index", index.add(entries, standing)))
        }
      })
      for (const { bytes, hash } of blobs) yield* store.put(hash, bytes)
      const total = blobs.reduce((sum, { bytes }) => sum + bytes.length, 0)
      yield* store.sync
      assert.deepStrictEqual(done.slice(-3), ["packs", "sync", "index"])
      assert.strictEqual(done.filter((what) => what === "sync").length, 1)
      const packs = done.filter((what) => what === "blob3").length
      assert.isAtMost(packs, Math.ceil(total / 1500))
      done.length = 0
      for (const { bytes, hash } of blobs) yield* store.put(hash, bytes)
      yield* store.sync
      assert.deepStrictEqual(done, ["sync"])
    })
  )

  fact(
    "keeps a blob that is alone at a barrier as an object of its own, where every reader finds it",
    Effect.gen(function* () {
      const { objects, open, paths } = yield* world
      const store = yield* open()
      yield* store.put(blobs[3]!.hash, blobs[3]!.bytes)
      yield* store.sync
      assert.deepStrictEqual(yield* paths(""), [StorePath.blob(objects.features, blobs[3]!.hash)])
    })
  )

  fact(
    "every pack is one by the format's header, under its own hash, and holds what was put",
    Effect.gen(function* () {
      const { fill, objects, paths } = yield* world
      yield* fill
      const prefixes: Array<string> = []
      for (const path of yield* paths("blob3/")) {
        const bytes = yield* objects.get(path)
        assert.strictEqual(StorePath.blob(objects.features, primitives.blake3(bytes)), path)
        const decoded = Pack.decode(bytes)
        assert.strictEqual(decoded._tag, "Right")
        if (decoded._tag === "Left") continue
        assert.strictEqual(decoded.right.length, bytes.length)
        prefixes.push(...decoded.right.members.map(({ prefix }) => Bytes.toHex(prefix)))
      }
      assert.deepStrictEqual(prefixes.toSorted(), blobs.map(({ hash }) => Hash.toHex(hash).slice(0, 24)).toSorted())
    })
  )

  fact(
    "reads, lists and does not store again what lies as objects of their own",
    Effect.gen(function* () {
      const { objects, open, paths } = yield* world
      const plain = BlobStoreObjects.fromObjects(objects, primitives)
      for (const { bytes, hash } of blobs) yield* plain.put(hash, bytes)
      const before = yield* paths("")
      const store = yield* open()
      assert.deepStrictEqual(yield* readable(store), allOk)
      for (const { bytes, hash } of blobs) {
        assert.isTrue(yield* store.has(hash))
        yield* store.put(hash, bytes)
      }
      yield* store.sync
      assert.deepStrictEqual(yield* paths(""), before)
      assert.strictEqual((yield* Stream.runCollect(store.list)).length, blobs.length)
    })
  )

  fact(
    "answers Damaged to the one blob in which a bit turned, and a mended one wins, also when the index was lost",
    Effect.gen(function* () {
      const { change, fill, open, packPath, place } = yield* world
      yield* fill
      const { bytes, hash } = blobs[7]!
      const { offset, pack } = yield* place(hash)
      yield* change(packPath(pack), (all) => {
        all[offset] = all[offset]! ^ 1
        return all
      })
      const hurt = blobs.map((_, i) => (i === 7 ? "Damaged" : "ok"))
      assert.deepStrictEqual(yield* readable(yield* open()), hurt)
      assert.isTrue(yield* (yield* open()).has(hash))
      const mender = yield* open()
      yield* Mending.put(mender, hash, bytes)
      yield* mender.sync
      assert.deepStrictEqual(yield* readable(yield* open()), allOk)
      assert.deepStrictEqual(yield* readable(yield* open({ index: yield* PackIndexMemory.make() })), allOk)
    })
  )

  fact(
    "does not take a blob for present whose pack is cut short or gone, so that it is stored again",
    Effect.gen(function* () {
      for (const harm of ["cut", "gone"] as const) {
        const { change, fill, objects, open, packPath, place } = yield* world
        yield* fill
        const { bytes, hash } = blobs[29]!
        const { pack } = yield* place(hash)
        if (harm === "cut") yield* change(packPath(pack), (all) => all.slice(0, -1))
        else yield* objects.remove(packPath(pack))
        const store = yield* open()
        assert.isFalse(yield* store.has(hash))
        yield* store.put(hash, bytes)
        yield* store.sync
        assert.deepStrictEqual(yield* store.get(hash), bytes)
        assert.deepStrictEqual(yield* (yield* open()).get(hash), bytes)
      }
    })
  )

  fact(
    "sets a torn pack aside and tells of it, when the index is made anew",
    Effect.gen(function* () {
      const { change, fill, open, packPath, place } = yield* world
      yield* fill
      const { pack } = yield* place(blobs[0]!.hash)
      yield* change(packPath(pack), (all) => all.slice(0, 4000))
      const index = yield* PackIndexMemory.make()
      const store = yield* open({ index })
      const reasons = yield* readable(store)
      assert.strictEqual(reasons[0], "Missing")
      assert.isAbove(reasons.filter((reason) => reason === "ok").length, 0)
      assert.isUndefined(yield* index.standing(pack))
      const problems = yield* store.problems
      assert.strictEqual(problems.length, 1)
      assert.include(problems[0], Hash.toHex(pack))
    })
  )

  fact(
    "finds packs that no catalogue names, the reference's own, by the whole hashes of what is in them",
    Effect.gen(function* () {
      const { change, objects, open, packPath, paths } = yield* world
      const foreign = Pack.encode(blobs)
      const name = primitives.blake3(foreign)
      yield* objects.put(packPath(name), foreign)
      const store = yield* open()
      assert.deepStrictEqual(yield* readable(store), allOk)
      assert.isTrue(yield* store.has(blobs[2]!.hash))
      assert.strictEqual((yield* Stream.runCollect(store.list)).length, blobs.length)
      // a header alone is no proof: the same pack with a blob that is not what its header says
      const { members } = Pack.layout(blobs.map(({ bytes, hash }) => ({ hash, length: bytes.length })))
      const rotten = members[4]!
      yield* change(packPath(name), (all) => {
        all[rotten.offset] = all[rotten.offset]! ^ 1
        return all
      })
      // whoever looked before left a catalogue, which is believed
      for (const path of yield* paths("packs/")) yield* objects.remove(path)
      const other = yield* open({ index: yield* PackIndexMemory.make() })
      yield* other.rebuild
      assert.strictEqual((yield* Effect.flip(other.get(rotten.hash))).reason, "Missing")
      assert.strictEqual((yield* other.get(members[5]!.hash)).length, members[5]!.length)
      // it gets no catalogue, which would hide the rest of it from others: nothing in it is counted on
      assert.isFalse(yield* other.has(members[5]!.hash))
    })
  )

  fact(
    "a blob whose hash begins like another's is another blob",
    Effect.gen(function* () {
      const { objects } = yield* world
      const one = blobs[0]!
      const twin = { bytes: Bytes.fromUtf8("a twin"), hash: Hash.unsafeFromBytes(one.hash.slice()) }
      twin.hash[20]! ^= 1
      // a hash function for which somebody has found such a pair
      const blake3 = (bytes: Uint8Array) => (Bytes.equals(bytes, twin.bytes) ? twin.hash : primitives.blake3(bytes))
      const open = Effect.flatMap(PackIndexMemory.make(), (index) =>
        BlobStorePacked.make({ objects, index, primitives: { ...primitives, blake3 } })
      )
      const store = yield* open
      yield* store.put(one.hash, one.bytes)
      yield* store.put(blobs[1]!.hash, blobs[1]!.bytes)
      yield* store.sync
      assert.isFalse(yield* store.has(twin.hash))
      yield* store.put(twin.hash, twin.bytes)
      yield* store.put(blobs[2]!.hash, blobs[2]!.bytes)
      yield* store.sync
      for (const reader of [store, yield* open]) {
        assert.deepStrictEqual(yield* reader.get(one.hash), one.bytes)
        assert.deepStrictEqual(yield* reader.get(twin.hash), twin.bytes)
      }
      // both at once
      const both = yield* Effect.flatMap(ObjectStoreMemory.make(), (fresh) =>
        Effect.flatMap(PackIndexMemory.make(), (index) =>
          BlobStorePacked.make({ objects: fresh, index, primitives: { ...primitives, blake3 } })
        )
      )
      yield* both.put(one.hash, one.bytes)
      yield* both.put(twin.hash, twin.bytes)
      yield* both.sync
      assert.deepStrictEqual(yield* both.get(one.hash), one.bytes)
      assert.deepStrictEqual(yield* both.get(twin.hash), twin.bytes)
    })
  )

  fact(
    "a damaged catalogue costs nothing but a look at every object",
    Effect.gen(function* () {
      const { change, fill, open, paths } = yield* world
      yield* fill
      for (const path of yield* paths("packs/")) yield* change(path, (bytes) => bytes.fill(0, 50, 60))
      const store = yield* open({ index: yield* PackIndexMemory.make() })
      assert.deepStrictEqual(yield* readable(store), allOk)
      assert.include((yield* store.problems)[0], "catalogue is damaged")
    })
  )

  fact(
    "a full disk is Full, for put and for sync, bounds what is kept in memory, and loses nothing once there is room",
    Effect.gen(function* () {
      const { objects, open } = yield* world
      let isFull = true
      const full = (operation: string, path: string) =>
        new ObjectStoreError({ reason: "Full", store: "memory", operation, path, detail: "no room" })
      const store = yield* open({
        objects: {
          ...objects,
          put: (path, bytes) => Effect.suspend(() => (isFull ? full("put", path) : objects.put(path, bytes)))
        }
      })
      const outcomes = yield* Effect.forEach(blobs, ({ bytes, hash }) => Effect.either(store.put(hash, bytes)))
      const refused = outcomes.flatMap((outcome, i) =>
        outcome._tag === "Left" ? [[i, outcome.left.reason] as const] : []
      )
      // two packs are in memory, the third has nowhere to go
      assert.isAbove(refused.length, 5)
      assert.deepStrictEqual([...new Set(refused.map(([, reason]) => reason))], ["Full"])
      assert.strictEqual((yield* Effect.flip(store.sync)).reason, "Full")
      assert.strictEqual((yield* Effect.flip(store.sync)).reason, "Full")
      isFull = false
      for (const [i] of refused) yield* store.put(blobs[i]!.hash, blobs[i]!.bytes)
      yield* store.sync
      assert.deepStrictEqual(yield* readable(yield* open({ index: yield* PackIndexMemory.make() })), allOk)
    })
  )

  fact(
    "two that write the same at the same time, each with an index of its own, both have it",
    Effect.gen(function* () {
      const { open } = yield* world
      const stores = [yield* open({ index: yield* PackIndexMemory.make() }), yield* open()]
      yield* Effect.forEach(
        stores,
        (store) =>
          Effect.zipRight(
            Effect.forEach(blobs, ({ bytes, hash }) => store.put(hash, bytes), { concurrency: 4 }),
            store.sync
          ),
        { concurrency: 2 }
      )
      for (const store of [...stores, yield* open({ index: yield* PackIndexMemory.make() })]) {
        assert.deepStrictEqual(yield* readable(store), allOk)
        assert.strictEqual((yield* Stream.runCollect(store.list)).length, blobs.length)
      }
    })
  )
})
