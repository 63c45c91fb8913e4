/** Restoring and verifying out of files of this machine, in which the blobs lie side by side. */
import * as fs from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FileExport from "../../src/fs5/FileExport.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as SealerWorkers from "../../src/layers/SealerWorkers.ts"
import * as Restore from "../../src/programs/Restore.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Verify from "../../src/programs/Verify.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import * as Sealer from "../../src/services/Sealer.ts"
import * as Built from "../e2e/cairn.ts"
import { noise } from "../e2e/cairn.ts"
import { filesBelow, temporaryFolder } from "../support/folders.ts"
import { backup, entriesOf, head, make, mapping, primitives, type World } from "../support/programs.ts"

const script = pathToFileURL(`${Built.repository}/dist/internal/sealerWorker.js`)
beforeAll(Built.build, 60_000)

const zeros = new Uint8Array(1 << 20)
/** Chunks that come again, holes, and bytes that nothing compresses. */
const large = new Uint8Array([...noise(1, 700_000), ...zeros, ...noise(1, 700_000), 1, ...zeros])
const sources: Record<string, LocalTreeMemory.Value> = {
  "/one/large": large,
  "/one/zeros": zeros,
  "/one/empty": "",
  "/one/two chunks": noise(2, 300_000),
  "/one/again": noise(3, 5000)
}
for (let at = 0; at < 60; at++)
  sources[`/one/d${at % 7}/e${at % 3}/f${at}`] = {
    content: at % 2 === 0 ? "a line of words\n".repeat(at * 50 + 1) : noise(at % 9, 3000 + at),
    mode: 0o600 + (at % 2) * 0o44,
    mtimeNs: 1_600_000_000_123_456_789n + BigInt(at) * 1_000_000_001n
  }

interface Packed {
  readonly blobs: BlobStore.Service
  /** Turns a bit of what lies in the file for the blob. */
  readonly rot: (hash: Hash.Hash) => void
  /** Blobs that were asked for by themselves. */
  readonly asked: Array<string>
}

/** The store's blobs in a file; none of them but nodes can be had many at once any other way. */
const packed = Effect.fnUntraced(function* (blobs: BlobStore.Service, folder: string) {
  const places = new Map<string, BlobStore.Location>()
  const file = join(folder, "pack")
  const fd = fs.openSync(file, "w")
  let offset = 0
  for (const hash of yield* Stream.runCollect(blobs.list)) {
    const bytes = yield* blobs.get(hash)
    places.set(Hash.toHex(hash), { object: "pack", offset, length: bytes.length })
    fs.writeSync(fd, bytes)
    offset += bytes.length
  }
  fs.closeSync(fd)
  const asked: Array<string> = []
  const out: Packed = {
    asked,
    blobs: {
      ...blobs,
      get: (hash) =>
        Effect.suspend(() => {
          asked.push(Hash.toHex(hash))
          return blobs.get(hash)
        }),
      bulk: {
        locate: (hashes) => Effect.sync(() => hashes.map((hash) => places.get(Hash.toHex(hash)))),
        read: (object) =>
          new BlobStore.BlobStoreError({ reason: "Unavailable", store: "test", blob: object, detail: "not this way" }),
        file: () => file
      }
    },
    rot: (hash) => {
      const { length, offset } = places.get(Hash.toHex(hash))!
      const open = fs.openSync(file, "r+")
      const byte = Buffer.alloc(1)
      fs.readSync(open, byte, 0, 1, offset + (length >> 1))
      byte[0]! ^= 1
      fs.writeSync(open, byte, 0, 1, offset + (length >> 1))
      fs.closeSync(open)
    }
  }
  return out
})

const pipelineOver = Effect.fnUntraced(function* (blobs: BlobStore.Service) {
  const { context } = yield* Vault.open("docs")
  return Pipeline.make({ primitives, blobs, context, cache: NodeCache.make() })
})

const restore = Effect.fnUntraced(function* (blobs: BlobStore.Service, directory: string) {
  const { root } = yield* head
  const { hash, plaintextHash } = root!
  const snapshot = Snapshot.make({ hash, plaintextHash, pipeline: yield* pipelineOver(blobs) })
  const problems: Array<Restore.Problem> = []
  const result = yield* Restore.restore(snapshot, {
    vault: "docs",
    path: "one",
    directory,
    overwrite: false,
    owner: false,
    allowSetuid: false,
    dryRun: false,
    onProblem: (problem) => Effect.sync(() => problems.push(problem))
  }).pipe(Effect.provide(LocalTreeNode.layer))
  return { ...result, problems, restored: problems.map(({ kind, path }) => `${kind} ${path}`) }
})

const filesIn = (directory: string): ReadonlyArray<string> =>
  filesBelow(directory)
    .map((path) => path.slice(directory.length + 1))
    .sort()

/** Holds every file but those that are left out against the source. */
const assertRestored = Effect.fnUntraced(function* (
  world: World,
  directory: string,
  without: ReadonlyArray<string> = []
) {
  const names = Object.keys(sources).map((path) => path.slice("/one/".length))
  assert.deepStrictEqual(filesIn(directory), names.filter((name) => !without.includes(name)).sort())
  for (const name of names) {
    if (without.includes(name)) continue
    const kept = yield* world.disk.contentOf(`/one/${name}`)
    assert.isTrue(Buffer.from(kept!).equals(fs.readFileSync(join(directory, name))), name)
    const value = sources[`/one/${name}`]!
    if (typeof value === "string" || value instanceof Uint8Array || !("mtimeNs" in value)) continue
    const { mode, mtimeNs } = fs.statSync(join(directory, name), { bigint: true })
    assert.deepStrictEqual([Number(mode) & 0o777, mtimeNs], [value.mode, value.mtimeNs], name)
  }
})

const contentOf = Effect.fnUntraced(function* (key: string) {
  return (yield* entriesOf(yield* head)).get(key)!
})

/** The first leaf of a file that has a tree of chunks. */
const firstChunk = Effect.fnUntraced(function* (world: World, key: string) {
  const [chunk] = yield* Stream.runCollect(FileExport.chunks(yield* pipelineOver(world.blobs), yield* contentOf(key)))
  return chunk!.entry.content.hash
})

for (const [where, options] of [
  ["on worker threads", { workers: 2, inlineBytes: 0 }],
  ["on the calling thread", { workers: 1 }]
] as ReadonlyArray<[string, SealerWorkers.Options]>) {
  const fact = <E>(
    name: string,
    run: (
      world: World,
      store: Packed,
      folder: string
    ) => Effect.Effect<void, E, Sealer.Sealer | Layer.Layer.Success<World["layer"]> | Scope.Scope>
  ) =>
    it.scopedLive(name, () =>
      Effect.gen(function* () {
        const world = yield* make(sources)
        const folder = yield* temporaryFolder
        yield* Effect.gen(function* () {
          yield* backup(mapping("/one"))
          const store = yield* packed(world.blobs, folder)
          const sealer = yield* SealerWorkers.make({ ...options, script })
          yield* Effect.provideService(run(world, store, folder), Sealer.Sealer, sealer)
        }).pipe(Effect.provide(world.layer))
      })
    )

  describe(`out of files, ${where}`, () => {
    fact(
      "everything comes back with its bytes, holes, modes and times, and no blob of content was asked for",
      (world, store, folder) =>
        Effect.gen(function* () {
          const directory = join(folder, "back")
          const result = yield* restore(store.blobs, directory)
          assert.deepStrictEqual(result.problems, [])
          assert.deepStrictEqual([result.files, result.unchanged], [Object.keys(sources).length, 0])
          yield* assertRestored(world, directory)
          const leaves = [yield* firstChunk(world, "one/large"), (yield* contentOf("one/again")).content!.hash]
          for (const leaf of leaves) assert.notInclude(store.asked, Hash.toHex(leaf))
          const { blocks, size } = fs.statSync(join(directory, "large"))
          assert.isBelow(blocks * 512, size - zeros.length, "zeros take no room")
        })
    )

    fact("what has rotted in the file alone is had from the store", (world, store, folder) =>
      Effect.gen(function* () {
        store.rot(yield* firstChunk(world, "one/large"))
        store.rot((yield* contentOf("one/again")).content!.hash)
        const directory = join(folder, "back")
        assert.deepStrictEqual((yield* restore(store.blobs, directory)).problems, [])
        yield* assertRestored(world, directory)
      })
    )

    fact("what has rotted is named and not made, without a trace; the rest is restored", (world, store, folder) =>
      Effect.gen(function* () {
        for (const hash of [
          yield* firstChunk(world, "one/two chunks"),
          (yield* contentOf("one/again")).content!.hash
        ]) {
          store.rot(hash)
          yield* world.flip(hash)
        }
        const directory = join(folder, "back")
        const { restored } = yield* restore(store.blobs, directory)
        assert.deepStrictEqual([...restored].sort(), ["damaged one/again", "damaged one/two chunks"])
        yield* assertRestored(world, directory, ["again", "two chunks"])
      })
    )

    fact("what is there already stays", (world, store, folder) =>
      Effect.gen(function* () {
        const directory = join(folder, "back")
        fs.mkdirSync(join(directory, "d1", "e1"), { recursive: true })
        fs.writeFileSync(join(directory, "d1", "e1", "f1"), "mine")
        fs.writeFileSync(join(directory, "large"), "mine too")
        const { restored } = yield* restore(store.blobs, directory)
        assert.deepStrictEqual([...restored].sort(), ["skipped one/d1/e1/f1", "skipped one/large"])
        assert.strictEqual(fs.readFileSync(join(directory, "d1", "e1", "f1"), "utf8"), "mine")
        assert.strictEqual(fs.readFileSync(join(directory, "large"), "utf8"), "mine too")
        assert.strictEqual(filesIn(directory).length, Object.keys(sources).length)
        fs.rmSync(join(directory, "large"))
        fs.rmSync(join(directory, "d1", "e1", "f1"))
        const again = yield* restore(store.blobs, directory)
        assert.deepStrictEqual([again.files, again.problems.length], [2, 0])
        yield* assertRestored(world, directory)
      })
    )

    fact("a verification reads all of it there, and names what has rotted", (world, store) =>
      Effect.gen(function* () {
        const found: Array<string> = []
        const verify = Effect.gen(function* () {
          const vault = yield* Vault.open("docs")
          return yield* Verify.verify(
            { ...vault, blobs: store.blobs },
            { onDamage: ({ at }) => Effect.sync(() => found.push(at)) }
          )
        })
        const sound = yield* verify
        const expected = yield* Verify.verify(yield* Vault.open("docs"))
        assert.deepStrictEqual(sound, expected)
        assert.isAbove(sound.blobs, 40)
        const leaf = (yield* contentOf("one/again")).content!.hash
        assert.notInclude(store.asked, Hash.toHex(leaf))
        store.rot(leaf)
        assert.strictEqual((yield* verify).damaged, 0, "the store has it")
        yield* world.flip(leaf)
        assert.strictEqual((yield* verify).damaged, 1)
        assert.deepStrictEqual(found, ["snapshot 1: one/again"])
      })
    )
  })
}
