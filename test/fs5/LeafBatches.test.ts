import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as BulkReads from "../../src/fs5/BulkReads.ts"
import * as FileExport from "../../src/fs5/FileExport.ts"
import * as FileImport from "../../src/fs5/FileImport.ts"
import * as LeafBatches from "../../src/fs5/LeafBatches.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import { generate } from "../interop/generators.ts"
import { implementations, primitives as portable } from "../support/primitives.ts"

const primitives = new Map(implementations).get("native") ?? portable
const sealer = SealerInline.make(primitives)
const key = (byte: number) => new Uint8Array(32).fill(byte)
const vault = TraversalContext.vaultRoot({ leaf: key(1), node: key(2), recovery: key(3) })

/** Text that compresses, noise that does not, nothing at all, and two that are the same. */
const contents = Array.from({ length: 60 }, (_, i) =>
  i % 20 === 7
    ? new Uint8Array(0)
    : generate({ kind: i % 3 === 0 ? "xorshift32" : "text", seed: i === 12 ? 9 : i + 1, length: 300 + i * 37 })
)

/** A packed store of small packs, counted reads, and pipelines over it that share nothing. */
const world = (packSize: number) =>
  Effect.gen(function* () {
    const objects = yield* ObjectStoreMemory.make()
    const index = yield* PackIndexMemory.make()
    const reads = { count: 0 }
    const store = yield* BlobStorePacked.make({
      objects: {
        ...objects,
        get: (path, range) =>
          Effect.suspend(() => {
            reads.count += 1
            return objects.get(path, range)
          })
      },
      index,
      primitives,
      packSize
    })
    const pipeline = (context = vault) => Pipeline.make({ primitives, blobs: store, context, cache: NodeCache.make() })
    /** Turns a bit of the blob's bytes in its pack. */
    const rot = Effect.fnUntraced(function* (entry: NodeEntry) {
      const [place] = yield* index.find(entry.content!.hash)
      const path = StorePath.blob(objects.features, place!.pack)
      const bytes = yield* objects.get(path)
      bytes[place!.offset + (place!.length >> 1)]! ^= 1
      yield* objects.put(path, bytes)
    })
    return { store, pipeline, reads, rot, index, objects }
  })

const leavesOf = (pipeline: Pipeline.Pipeline) => Effect.forEach(contents, (bytes) => pipeline.writeLeaf(bytes.slice()))

const wanted = (pipeline: Pipeline.Pipeline, entries: ReadonlyArray<NodeEntry>): ReadonlyArray<LeafBatches.Wanted> =>
  entries.map((entry) => ({ pipeline, entry: { ...entry, content: entry.content! } }))

describe("the plan of reads", () => {
  const place = FastCheck.record({
    object: FastCheck.constantFrom("a", "b", "c"),
    offset: FastCheck.integer({ min: 0, max: 6_000_000 }),
    length: FastCheck.integer({ min: 0, max: 300_000 })
  })
  const blob = FastCheck.record({ location: place, size: FastCheck.integer({ min: 0, max: 1_500_000 }) })

  it("has every blob once, inside the one read that brings it, and no group that is too long", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(blob, { maxLength: 60 }), (some) => {
        const found = some.map((each, at) => ({ ...each, at }))
        const groups = BulkReads.plan(found)
        const seen = groups.flatMap((group) => group.flatMap((run) => run.blobs.map(({ at }) => at)))
        assert.deepStrictEqual(
          [...seen].sort((a, b) => a - b),
          [...found.keys()]
        )
        for (const group of groups) {
          for (const { blobs, length, object, offset } of group)
            for (const { location } of blobs) {
              assert.strictEqual(location.object, object)
              assert.isAtLeast(location.offset, offset)
              assert.isAtMost(location.offset + location.length, offset + length)
            }
          const members = group.flatMap(({ blobs }) => blobs)
          const sum = (of: (one: BulkReads.Found) => number) => members.reduce((total, one) => total + of(one), 0)
          if (members.length > 1) {
            assert.isAtMost(
              sum(({ location }) => location.length),
              1024 * 1024
            )
            assert.isAtMost(
              sum(({ size }) => size),
              4 * 1024 * 1024
            )
          }
        }
      })
    )
  })
})

describe("many leaves at once", () => {
  it.scoped("are what they are one by one, in a few reads, whatever the packs", () =>
    Effect.forEach(
      [3_000, 20_000, 1_000_000],
      Effect.fnUntraced(function* (packSize) {
        const { index, pipeline, reads, store } = yield* world(packSize)
        const entries = yield* leavesOf(pipeline())
        yield* store.sync
        reads.count = 0
        const opened = yield* LeafBatches.read(sealer, wanted(pipeline(), entries))
        if (packSize === 1_000_000) assert.isAtMost(reads.count, 2)
        const verified = yield* LeafBatches.read(sealer, wanted(pipeline(), entries), { verifyOnly: true })
        for (const [at, entry] of entries.entries()) {
          assert.deepStrictEqual(yield* pipeline().readLeaf(entry), contents[at])
          // one that is alone at the barrier, or longer than a pack, lies by itself
          const isPacked = (yield* index.find(entry.content!.hash)).length > 0
          assert.deepStrictEqual(opened[at]?.bytes, isPacked ? contents[at] : undefined)
          assert.strictEqual(verified[at]?.length, isPacked ? contents[at]!.length : undefined)
          assert.isUndefined(verified[at]?.bytes)
        }
      }),
      { discard: true }
    )
  )

  it.scoped("one that rotted in the middle is not answered, and the others are", () =>
    Effect.gen(function* () {
      const { pipeline, rot, store } = yield* world(1_000_000)
      const entries = yield* leavesOf(pipeline())
      yield* store.sync
      yield* rot(entries[30]!)
      const opened = yield* LeafBatches.read(sealer, wanted(pipeline(), entries))
      assert.deepStrictEqual(
        [...opened.keys()].filter((at) => opened[at] === undefined),
        [30]
      )
      const error = yield* Effect.flip(pipeline().readLeaf(entries[30]!))
      assert.strictEqual(error.reason, "Damaged")
    })
  )

  it.scoped("a pack that vanished, or was cut short, takes only its own blobs along", () =>
    Effect.gen(function* () {
      const { index, objects, pipeline, store } = yield* world(20_000)
      const entries = yield* leavesOf(pipeline())
      yield* store.sync
      const places = yield* Effect.forEach(entries, (entry) => index.find(entry.content!.hash))
      const gone = places[3]![0]!
      const cut = places.find(([place]) => place !== undefined && !Bytes.equals(place.pack, gone.pack))![0]!
      const path = (pack: typeof gone.pack) => StorePath.blob(objects.features, pack)
      yield* objects.remove(path(gone.pack))
      const whole = yield* objects.get(path(cut.pack))
      yield* objects.put(path(cut.pack), whole.slice(0, cut.offset + 1))
      const opened = yield* LeafBatches.read(sealer, wanted(pipeline(), entries))
      for (const [at, [place]] of places.entries()) {
        const isLost =
          place === undefined ||
          Bytes.equals(place.pack, gone.pack) ||
          (Bytes.equals(place.pack, cut.pack) && place.offset + place.length > cut.offset + 1)
        assert.strictEqual(opened[at] === undefined, isLost)
      }
    })
  )

  it.scoped("leaves of another context, of another key, or with an unusual one are left to be read one by one", () =>
    Effect.gen(function* () {
      const { pipeline, store } = yield* world(1_000_000)
      const other = TraversalContext.merge(vault, { keys: new Map([[TraversalContext.keySlot.leaf, key(9)]]) })
      const [mine, theirs] = [pipeline(), pipeline(other)]
      const own = yield* mine.writeLeaf(contents[1]!.slice())
      const foreign = yield* theirs.writeLeaf(contents[1]!.slice())
      yield* store.sync
      const opened = yield* LeafBatches.read(sealer, [
        ...wanted(mine, [own]),
        ...wanted(theirs, [foreign]),
        // under the wrong key
        ...wanted(mine, [foreign]),
        ...wanted(mine, [{ ...foreign, childContext: { keys: other.keys! } }])
      ])
      assert.deepStrictEqual(
        opened.map((leaf) => leaf?.bytes),
        [contents[1], contents[1], undefined, undefined]
      )
    })
  )
})

describe("exporting with a sealer", () => {
  const bytes = Bytes.concat(
    generate({ kind: "xorshift32", seed: 5, length: 900_000 }),
    new Uint8Array(600_000),
    generate({ kind: "text", seed: 6, length: 700_000 })
  )
  const exported = (pipeline: Pipeline.Pipeline, entry: NodeEntry) =>
    Effect.map(Stream.runCollect(FileExport.exportFile(pipeline, entry, sealer)), (parts) =>
      Bytes.concat(...Chunk.toReadonlyArray(parts))
    )

  it.scoped("gives the bytes of the file; a chunk that rotted is the error that it is by itself", () =>
    Effect.gen(function* () {
      const { pipeline, rot, store } = yield* world(400_000)
      const entry = yield* FileImport.importFile(pipeline(), sealer, Stream.succeed(bytes.slice()))
      yield* store.sync
      assert.isTrue(Bytes.equals(yield* exported(pipeline(), entry), bytes))
      const chunks = Chunk.toReadonlyArray(yield* Stream.runCollect(FileExport.chunks(pipeline(), entry)))
      const middle = chunks[chunks.length >> 1]!.entry
      yield* rot(middle)
      const error = yield* Effect.flip(exported(pipeline(), entry))
      assert.strictEqual(error.reason, "Damaged")
    })
  )

  it.scoped("nodes that were read ahead are the nodes, and one that rotted is told of by who reads it", () =>
    Effect.gen(function* () {
      const { pipeline, reads, rot, store } = yield* world(4_000_000)
      const files = yield* Effect.forEach([1, 2, 3, 4], (seed) =>
        FileImport.importFile(
          pipeline(),
          sealer,
          Stream.succeed(generate({ kind: "xorshift32", seed, length: 300_000 }))
        )
      )
      yield* store.sync
      yield* rot(files[2]!)
      const reader = pipeline()
      reads.count = 0
      yield* reader.prefetchNodes(files.map(({ content }) => content!))
      const [first, second, third] = files
      const before = reads.count
      const few = yield* FileExport.fewChunks(reader, { ...first!, content: first!.content! })
      const all = Chunk.toReadonlyArray(yield* Stream.runCollect(FileExport.chunks(reader, first!)))
      assert.deepStrictEqual(
        few?.map(({ entry, offset }) => ({ entry, offset })),
        all.map(({ entry, offset }) => ({ entry, offset }))
      )
      yield* reader.readNode(second!.content!)
      assert.strictEqual(reads.count, before)
      assert.strictEqual((yield* Effect.flip(reader.readNode(third!.content!))).reason, "Damaged")
    })
  )
})
