/** A restore that ends in the middle, and what the next one makes of it. */
import * as fs from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as Restore from "../../src/programs/Restore.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as LocalPath from "../../src/schema/LocalPath.ts"
import type * as BlobStore from "../../src/services/BlobStore.ts"
import * as LocalTree from "../../src/services/LocalTree.ts"
import * as Progress from "../../src/services/Progress.ts"
import { filesBelow, temporaryFolder } from "../support/folders.ts"
import { backup, head, later, make, mapping, primitives, type World } from "../support/programs.ts"

/** Bytes that nothing compresses. */
const noise = new Uint8Array(3 << 20)
for (let at = 0, state = 1; at < noise.length; at++) {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  noise[at] = state >>> 24
}

/** More small files than are written together, in folders, and a large one. */
const smallFiles = 26
const nameOf = (at: number) => `d${at % 5}/f${at}`
const sources: Record<string, LocalTreeMemory.Value> = { "/one/large": noise }
for (let at = 0; at < smallFiles; at++)
  sources[`/one/${nameOf(at)}`] = {
    content: noise.subarray(at * 65_521, at * 65_521 + 400_000),
    mode: 0o600 + (at % 2) * 0o40,
    mtimeNs: 1_600_000_000_000_000_000n + BigInt(at) * 1_000_000_123n
  }

/** The store's blobs side by side in one object, as a packed store has them. */
const packed = Effect.fnUntraced(function* (blobs: BlobStore.Service) {
  const places = new Map<string, BlobStore.Location>()
  const parts: Array<Uint8Array> = []
  let offset = 0
  for (const hash of yield* Stream.runCollect(blobs.list)) {
    const bytes = yield* blobs.get(hash)
    places.set(Hash.toHex(hash), { object: "pack", offset, length: bytes.length })
    parts.push(bytes)
    offset += bytes.length
  }
  const all = Bytes.concat(...parts)
  const bulk: BlobStore.Bulk = {
    locate: (hashes) => Effect.sync(() => hashes.map((hash) => places.get(Hash.toHex(hash)))),
    read: (_, from, length) => Effect.sync(() => all.slice(from, from + length))
  }
  return bulk
})

const snapshotOver = Effect.fnUntraced(function* (blobs: BlobStore.Service) {
  const { root } = yield* head
  const { context } = yield* Vault.open("docs")
  assert.isDefined(root)
  const pipeline = Pipeline.make({ primitives, blobs, context, cache: NodeCache.make({ capacity: 0 }) })
  return Snapshot.make({ hash: root!.hash, plaintextHash: root!.plaintextHash, pipeline })
})

const options = (directory: string): Restore.Options => ({
  vault: "docs",
  path: "one",
  directory,
  overwrite: false,
  owner: false,
  allowSetuid: false,
  dryRun: false
})

const names = (directory: string): ReadonlyArray<string> =>
  fs.existsSync(directory)
    ? filesBelow(directory)
        .map((path) => path.slice(directory.length + 1))
        .sort()
    : []

const status = (world: World, path: string) => world.disk.service.status(LocalPath.make(Bytes.fromUtf8(path)))

/** Whether it is, with bytes, mode and time, the file that was kept. */
const assertWhole = Effect.fnUntraced(function* (world: World, directory: string, name: string) {
  const kept = yield* world.disk.contentOf(`/one/${name}`)
  assert.isDefined(kept, name)
  assert.isTrue(Bytes.equals(new Uint8Array(fs.readFileSync(join(directory, name))), kept!), name)
  const [is, was] = [fs.statSync(join(directory, name), { bigint: true }), yield* status(world, `/one/${name}`)]
  assert.deepStrictEqual([is.mtimeNs / 1000n, Number(is.mode)], [was.mtimeNs / 1000n, was.mode], name)
})

describe("a restore that is interrupted", () => {
  for (const [text, stopAt] of [
    ["while the first contents are read", { read: 3 }],
    ["in the middle of the first group of files", { write: 1 }],
    ["in the middle of the second group of files", { write: 2 }],
    ["while a large file is written", { large: 2 }]
  ] as ReadonlyArray<[string, { readonly read?: number; readonly write?: number; readonly large?: number }]>)
    it.scopedLive(`${text} leaves whole files only, and the next one brings the rest`, () =>
      Effect.gen(function* () {
        const world = yield* make(sources)
        const directory = join(yield* temporaryFolder, "back")
        yield* Effect.gen(function* () {
          yield* backup(mapping("/one"))
          const bulk = yield* packed(world.blobs)
          const reached = yield* Deferred.make<void>()
          const stop = Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
          const seen = { read: 0, write: 0, large: 0 }
          const tree = yield* Effect.provide(LocalTree.LocalTree, LocalTreeNode.layer)
          const broken: LocalTree.Service = {
            ...tree,
            openTarget: (path, settings) =>
              Effect.map(tree.openTarget(path, settings), (target) => ({
                ...target,
                writeAll: (files) =>
                  Effect.suspend(() => {
                    seen.write += 1
                    if (seen.write !== stopAt.write) return target.writeAll(files)
                    return Effect.zipRight(target.writeAll(files.slice(0, files.length >> 1)), stop)
                  }),
                writeFile: (components, bytes, more) =>
                  target.writeFile(
                    components,
                    bytes instanceof Uint8Array
                      ? bytes
                      : Stream.mapEffect(bytes, (piece) => {
                          seen.large += 1
                          return seen.large === stopAt.large ? Effect.as(stop, piece) : Effect.succeed(piece)
                        }),
                    more
                  )
              }))
          }
          const reading: BlobStore.Bulk = {
            ...bulk,
            read: (...args) =>
              Effect.suspend(() => {
                seen.read += 1
                return seen.read === stopAt.read ? Effect.zipRight(stop, bulk.read(...args)) : bulk.read(...args)
              })
          }
          const first = yield* snapshotOver({ ...world.blobs, bulk: reading }).pipe(
            Effect.flatMap((snapshot) => Restore.restore(snapshot, options(directory))),
            Effect.provideService(LocalTree.LocalTree, broken),
            Effect.fork
          )
          yield* Effect.raceFirst(Deferred.await(reached), Fiber.join(first))
          assert.strictEqual((yield* Fiber.interrupt(first))._tag, "Failure", "it was in the middle")

          const left = names(directory)
          assert.isBelow(left.length, smallFiles + 1)
          assert.strictEqual(left.length > 0, stopAt.read === undefined, `${left.length} files`)
          for (const name of left) yield* assertWhole(world, directory, name)

          const problems: Array<Restore.Problem> = []
          const again = yield* Restore.restore(yield* snapshotOver({ ...world.blobs, bulk }), {
            ...options(directory),
            onProblem: (problem) => Effect.sync(() => problems.push(problem))
          }).pipe(Effect.provideService(LocalTree.LocalTree, tree))
          assert.deepStrictEqual(problems, [])
          assert.deepStrictEqual([again.files, again.unchanged], [smallFiles + 1 - left.length, left.length])
          const all = ["large", ...Array.from({ length: smallFiles }, (_, at) => nameOf(at))].sort()
          assert.deepStrictEqual(names(directory), all)
          for (const name of all) yield* assertWhole(world, directory, name)
          for (let at = 0; at < 5; at++) {
            const [is, was] = [
              fs.statSync(join(directory, `d${at}`), { bigint: true }),
              yield* status(world, `/one/d${at}`)
            ]
            assert.deepStrictEqual([is.mtimeNs / 1000n, Number(is.mode)], [was.mtimeNs / 1000n, was.mode], `d${at}`)
          }
        }).pipe(Effect.provide(world.layer))
      })
    )

  it.effect("tells what it could read when it looked at the tree, and no more when it wrote", () =>
    Effect.gen(function* () {
      const world = yield* make({ "/one/f": "first", "/one/g": "second" })
      yield* Effect.gen(function* () {
        yield* backup(mapping("/one"))
        yield* later
        const snapshot = yield* snapshotOver(world.blobs)
        const losing: Progress.Service = {
          phase: (name) => (name === "restoring" ? Effect.orDie(world.lose(snapshot.hash)) : Effect.void),
          step: () => Effect.void
        }
        const problems: Array<Restore.Problem> = []
        const result = yield* Restore.restore(snapshot, {
          ...options("/back"),
          onProblem: (problem) => Effect.sync(() => problems.push(problem))
        }).pipe(Effect.provideService(Progress.Progress, losing))
        assert.deepStrictEqual([result.files, result.problems.damaged], [0, 1])
        assert.deepStrictEqual(
          problems.map(({ kind }) => kind),
          ["damaged"]
        )
      }).pipe(Effect.provide(world.layer))
    })
  )

  it.effect("fails where a part could not be made durable meanwhile, though nothing more is told at the end", () =>
    Effect.gen(function* () {
      const world = yield* make(sources)
      yield* Effect.gen(function* () {
        yield* backup(mapping("/one"))
        const tree = yield* LocalTree.LocalTree
        let syncs = 0
        const failing = (nth: number): LocalTree.Service => ({
          ...tree,
          openTarget: (path, settings) =>
            Effect.map(tree.openTarget(path, settings), (target) => ({
              ...target,
              sync: Effect.suspend(() => {
                syncs += 1
                if (syncs !== nth) return target.sync
                return new LocalTree.LocalTreeError({
                  operation: "make durable",
                  path,
                  reason: "Unavailable",
                  detail: "EIO"
                })
              })
            }))
        })
        const run = (nth: number, directory: string) =>
          Effect.gen(function* () {
            syncs = 0
            return yield* Restore.restore(yield* snapshotOver(world.blobs), {
              ...options(directory),
              durableStep: 1 << 20
            })
          }).pipe(Effect.provideService(LocalTree.LocalTree, failing(nth)))
        const error = yield* Effect.flip(run(1, "/back"))
        assert.strictEqual(error._tag === "LocalTreeError" && error.detail, "EIO")
        // no further part is tried, and the end is
        assert.strictEqual(syncs, 2)
        const whole = yield* run(0, "/again")
        assert.strictEqual(whole.files, smallFiles + 1)
        assert.isAbove(syncs, 2)
      }).pipe(Effect.provide(world.layer))
    })
  )
})
