/** One packed store and the indexes of several homes, each of which knows something else of it: found by the simulator. */
import { assert, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Mending from "../../src/fs5/Mending.ts"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as PackIndexLmdb from "../../src/layers/PackIndexLmdb.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as Hash from "../../src/schema/Hash.ts"
import { ObjectStoreError, type Service as Objects } from "../../src/services/ObjectStore.ts"
import type { Service as Index } from "../../src/services/PackIndex.ts"
import { blobOf } from "../conformance/BlobStore.ts"
import { temporaryFolder } from "../support/folders.ts"
import { life, PackDisk } from "../support/packDisk.ts"
import { primitives } from "../support/primitives.ts"

const blobs = [blobOf("one"), blobOf("two")] as const
const nobodys = blobOf("nobody has this")

const open = (objects: Objects, index: Index) => BlobStorePacked.make({ objects, index, primitives })

const store = Effect.fnUntraced(function* (blobStore: BlobStorePacked.Packed) {
  for (const { bytes, hash } of blobs) yield* blobStore.put(hash, bytes)
  yield* blobStore.sync
})

const refusing = (objects: Objects, isRefused: (path: string) => boolean, reason: ObjectStoreError["reason"]) => ({
  ...objects,
  put: (path: string, bytes: Uint8Array) =>
    isRefused(path)
      ? new ObjectStoreError({ reason, store: objects.name, operation: "put", path, detail: "refused" })
      : objects.put(path, bytes)
})

const isCatalogue = (path: string) => path.startsWith("packs/")

/** A store in which somebody died between a pack and its catalogue, and the index of a home that looked everywhere before. */
const orphaned = Effect.gen(function* () {
  const objects = yield* ObjectStoreMemory.make()
  const searched = yield* PackIndexMemory.make()
  yield* Effect.flip((yield* open(objects, searched)).get(nobodys.hash))
  assert.isTrue(yield* searched.isSearched)
  yield* Effect.flip(store(yield* open(refusing(objects, isCatalogue, "Unavailable"), yield* PackIndexMemory.make())))
  return { objects, searched }
})

it.scoped("what one home counts on in a pack that it found without a catalogue, every other home finds, too", () =>
  Effect.gen(function* () {
    const { objects, searched } = yield* orphaned
    const finder = yield* open(objects, yield* PackIndexMemory.make())
    yield* Effect.flip(finder.get(nobodys.hash))
    yield* store(finder)
    const other = yield* open(objects, searched)
    for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* other.get(hash), bytes)
  })
)

it.scoped("a pack without a catalogue is read where nothing can be written", () =>
  Effect.gen(function* () {
    const { objects } = yield* orphaned
    for (const reason of ["Denied", "Unsupported", "Full"] as const) {
      const reader = yield* open(
        refusing(objects, () => true, reason),
        yield* PackIndexMemory.make()
      )
      for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* reader.get(hash), bytes)
    }
    assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(objects.list("packs/"))), [])
  })
)

it.scoped.each(["NotFound", "Unreadable"] as const)(
  "blobs that were %s when a pack without a catalogue was looked at are found once it has one",
  (reason) =>
    Effect.gen(function* () {
      const { objects } = yield* orphaned
      let isTroubled = true
      const troubled: Objects = {
        ...objects,
        // what is behind the header
        get: (path, range) =>
          isTroubled && (range?.offset ?? 0) >= 4096
            ? new ObjectStoreError({ reason, store: objects.name, operation: "get", path, detail: "for a moment" })
            : objects.get(path, range)
      }
      const index = yield* PackIndexMemory.make()
      yield* Effect.flip((yield* open(troubled, index)).get(nobodys.hash))
      isTroubled = false
      yield* store(yield* open(objects, yield* PackIndexMemory.make()))
      // another process of the home that looked
      const reader = yield* open(objects, index)
      for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* reader.get(hash), bytes)
      const other = yield* open(objects, yield* PackIndexMemory.make())
      for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* other.get(hash), bytes)
    })
)

it.scoped("reading a pack without a catalogue writes nothing, and needs nothing to be written", () =>
  Effect.gen(function* () {
    for (const isFailing of [false, true]) {
      const { objects } = yield* orphaned
      const before = Chunk.toReadonlyArray(yield* Stream.runCollect(objects.list("")))
      const reader = yield* open(
        isFailing ? refusing(objects, () => true, "Unavailable") : objects,
        yield* PackIndexMemory.make()
      )
      for (const { bytes, hash } of blobs) {
        assert.deepStrictEqual(yield* reader.get(hash), bytes)
        assert.strictEqual(yield* reader.size!(hash), bytes.length)
      }
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(objects.list(""))), before)
    }
  })
)

it.scopedLive("a pack that could get no catalogue is not counted on, until it has one", () =>
  Effect.gen(function* () {
    const indexes = [yield* PackIndexMemory.make(), yield* PackIndexLmdb.make({ directory: yield* temporaryFolder })]
    for (const index of indexes) {
      const { objects, searched } = yield* orphaned
      const full = yield* open(refusing(objects, isCatalogue, "Full"), index)
      for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* full.get(hash), bytes)
      for (const { hash } of blobs) assert.isFalse(yield* full.has(hash))
      const other = yield* open(objects, searched)
      for (const { hash } of blobs) assert.strictEqual((yield* Effect.flip(other.get(hash))).reason, "Missing")
      // another process of that home, once there is room
      const roomy = yield* open(objects, index)
      for (const { hash } of blobs) assert.isTrue(yield* roomy.has(hash))
      for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* other.get(hash), bytes)
    }
  })
)

it.scoped.each(["Unreadable", "rotten"] as const)(
  "blobs of a pack without a catalogue that were %s for a moment are found by the next process, without anybody's help",
  (harm) =>
    Effect.gen(function* () {
      const { objects, searched } = yield* orphaned
      let isTroubled = true
      const troubled: Objects = {
        ...objects,
        get: (path, range) =>
          !isTroubled || (range?.offset ?? 0) < 4096
            ? objects.get(path, range)
            : harm === "rotten"
              ? Effect.map(objects.get(path, range), (bytes) => bytes.map((byte) => byte ^ 1))
              : new ObjectStoreError({
                  reason: harm,
                  store: objects.name,
                  operation: "get",
                  path,
                  detail: "for a moment"
                })
      }
      const index = yield* PackIndexMemory.make()
      const first = yield* open(troubled, index)
      for (const { hash } of blobs) yield* Effect.flip(first.get(hash))
      isTroubled = false
      const second = yield* open(objects, index)
      for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* second.get(hash), bytes)
      for (const { hash } of blobs) assert.isTrue(yield* second.has(hash))
      const other = yield* open(objects, searched)
      for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* other.get(hash), bytes)
    })
)

it.scoped.each([0, 1])("a pack whose header could not be read for a moment (read %i) is looked at again", (failing) =>
  Effect.gen(function* () {
    const { objects } = yield* orphaned
    let reads = 0
    const troubled: Objects = {
      ...objects,
      get: (path, range) =>
        path.startsWith("blob3/") && range?.offset === 0 && reads++ === failing
          ? new ObjectStoreError({
              reason: "Unreadable",
              store: objects.name,
              operation: "get",
              path,
              detail: "for a moment"
            })
          : objects.get(path, range)
    }
    const index = yield* PackIndexMemory.make()
    const first = yield* Effect.either((yield* open(troubled, index)).get(nobodys.hash))
    assert.strictEqual(first._tag, "Left")
    assert.isAbove(reads, failing)
    assert.isFalse(yield* index.isSearched)
    // another process of that home
    const reader = yield* open(objects, index)
    for (const { bytes, hash } of blobs) assert.deepStrictEqual(yield* reader.get(hash), bytes)
  })
)

it.scoped("a catalogue that tells of part of a pack does not make the rest of it count for who found it before", () =>
  Effect.gen(function* () {
    const objects = yield* ObjectStoreMemory.make()
    const index = yield* PackIndexMemory.make()
    const [{ bytes, hash }] = blobs
    const third = blobOf("three")
    /** Once, behind the pack and before the catalogue. */
    let meanwhile: Effect.Effect<void> = Effect.void
    const hooked: Objects = {
      ...objects,
      put: (path, object) =>
        Effect.tap(objects.put(path, object), () =>
          Effect.suspend(() => {
            const now = meanwhile
            meanwhile = Effect.void
            return now
          })
        )
    }
    const writer = yield* open(hooked, yield* PackIndexMemory.make())
    yield* writer.put(third.hash, third.bytes)
    for (const each of blobs) yield* writer.put(each.hash, each.bytes)
    meanwhile = Effect.orDie(
      Effect.gen(function* () {
        yield* Effect.flip((yield* open(objects, index)).get(nobodys.hash))
        assert.strictEqual((yield* index.find(hash)).length, 1)
        yield* writer.remove(hash)
      }).pipe(Effect.scoped)
    )
    yield* writer.sync
    // later processes: of the home that found the pack, and of one that knows nothing
    const finder = yield* open(objects, index)
    yield* Effect.flip(finder.get(nobodys.hash))
    yield* finder.batch!.putNew(hash, bytes)
    yield* finder.sync
    assert.deepStrictEqual(yield* (yield* open(objects, yield* PackIndexMemory.make())).get(hash), bytes)
  })
)

it.scoped("a blob that could not be read for a moment and was mended is there after a power cut", () =>
  Effect.gen(function* () {
    // what was not flushed is gone
    const disk = new PackDisk(new Map(), () => 0.5)
    const index = yield* PackIndexMemory.make()
    const objects = disk.opened(yield* life)
    yield* store(yield* open(objects, index))
    const [{ bytes, hash }] = blobs
    const unreadable: Objects = {
      ...objects,
      get: (path, range) =>
        // the blob itself, whose pack is there
        range?.length !== bytes.length
          ? objects.get(path, range)
          : new ObjectStoreError({
              reason: "Unreadable",
              store: "disk",
              operation: "get",
              path,
              detail: "for a moment"
            })
    }
    yield* Mending.put(yield* open(unreadable, index), hash, bytes)
    disk.cut()
    assert.deepStrictEqual(yield* (yield* open(disk.opened(yield* life), index)).get(hash), bytes)
  })
)

it.scopedLive("what was removed and stored again in the very same pack is there", () =>
  Effect.gen(function* () {
    const indexes = [yield* PackIndexMemory.make(), yield* PackIndexLmdb.make({ directory: yield* temporaryFolder })]
    for (const index of indexes) {
      const objects = yield* ObjectStoreMemory.make()
      const packed = yield* open(objects, index)
      yield* store(packed)
      for (const { hash } of blobs) yield* packed.remove(hash)
      for (const { hash } of blobs) assert.isFalse(yield* packed.has(hash))
      yield* store(packed)
      for (const { bytes, hash } of blobs) {
        assert.deepStrictEqual(yield* packed.get(hash), bytes)
        assert.strictEqual((yield* index.find(hash)).length, 1)
      }
      const listed = Chunk.toReadonlyArray(yield* Stream.runCollect(packed.list)).map(Hash.toHex)
      assert.sameMembers(
        listed,
        blobs.map(({ hash }) => Hash.toHex(hash))
      )
    }
  })
)
