import * as fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { beforeEach, vi } from "vitest"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import { temporaryFolder } from "../support/folders.ts"

// what reaches the disk cannot be seen without cutting the power; which flushes are asked for can
const disk = vi.hoisted(() => ({
  flushed: [] as string[],
  before: (_path: string): Promise<void> => Promise.resolve()
}))
vi.mock("../../src/layers/NodeFile.ts", async (original) => {
  const real = await original<typeof import("../../src/layers/NodeFile.ts")>()
  const recorded = (flush: (path: string) => Promise<void>) => async (path: string) => {
    await disk.before(path)
    await flush(path)
    disk.flushed.push(path)
  }
  return { ...real, flushFile: recorded(real.flushFile), flushFolder: recorded(real.flushFolder) }
})

const flushedBelow = (folder: string) =>
  disk.flushed
    .splice(0)
    .map((path) => path.slice(folder.length))
    .toSorted()

const byte = new Uint8Array([1])

describe("the barrier of a store of files", () => {
  beforeEach(() => {
    disk.flushed.length = 0
    disk.before = () => Promise.resolve()
  })

  it.scopedLive("flushes every folder up to the first that was there, once, and later only what changed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const objects = yield* ObjectStoreFs.make({ directory: `${folder}/new/store` })
      yield* objects.put("a/b/1", byte)
      yield* objects.put("a/b/2", byte)
      assert.deepStrictEqual(flushedBelow(folder), [])
      yield* objects.sync
      assert.deepStrictEqual(flushedBelow(folder), ["", "/new", "/new/store", "/new/store/a", "/new/store/a/b"])
      yield* objects.sync
      assert.deepStrictEqual(flushedBelow(folder), [])
      yield* objects.put("a/b/3", byte)
      yield* objects.sync
      assert.deepStrictEqual(flushedBelow(folder), ["/new/store/a/b"])
    })
  )

  it.scopedLive("flushes what another process wrote and we only saw: the file and every name that leads to it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      fs.mkdirSync(`${folder}/s/a/b`, { recursive: true })
      fs.writeFileSync(`${folder}/s/a/b/1`, "x")
      const objects = yield* ObjectStoreFs.make({ directory: `${folder}/s` })
      yield* objects.size("a/b/1")
      yield* objects.size("a/b/2")
      yield* objects.sync
      assert.deepStrictEqual(flushedBelow(folder), ["", "/s", "/s/a", "/s/a/b", "/s/a/b/1"])
    })
  )

  it.scopedLive("is behind every create before it answers, whether it won or lost", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const one = yield* ObjectStoreFs.make({ directory: folder })
      const two = yield* ObjectStoreFs.make({ directory: folder })
      assert.isTrue(yield* one.create("a/1", byte))
      const won = flushedBelow(folder)
      for (const path of ["", "/a"]) assert.include(won, path)
      assert.isFalse(yield* two.create("a/1", byte))
      const lost = flushedBelow(folder)
      for (const path of ["", "/a", "/a/1"]) assert.include(lost, path)
    })
  )

  it.scopedLive("lets a second sync wait for what the first has taken", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const objects = yield* ObjectStoreFs.make({ directory: folder })
      yield* objects.put("a/1", byte)
      let open = () => {}
      const gate = new Promise<void>((done) => {
        open = done
      })
      let reached = () => {}
      const reaching = new Promise<void>((done) => {
        reached = done
      })
      disk.before = () => {
        reached()
        return gate
      }
      const first = yield* Effect.fork(objects.sync)
      yield* Effect.promise(() => reaching)
      let done = false
      const second = yield* Effect.fork(Effect.tap(objects.sync, () => Effect.sync(() => (done = true))))
      // a turn of the event loop through the disk: time enough for a sync that waits for nothing
      yield* objects.size("nothing")
      assert.isFalse(done)
      open()
      yield* Fiber.join(second)
      yield* Fiber.join(first)
      assert.include(flushedBelow(folder), "/a")
    })
  )

  it.scopedLive("takes up again what an interrupted sync left, and trusts no disk again that has failed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const objects = yield* ObjectStoreFs.make({ directory: folder })
      yield* objects.put("a/1", byte)
      let reached = () => {}
      const reaching = new Promise<void>((done) => {
        reached = done
      })
      disk.before = () => {
        reached()
        return new Promise(() => {})
      }
      const first = yield* Effect.fork(objects.sync)
      yield* Effect.promise(() => reaching)
      yield* Fiber.interrupt(first)
      disk.before = () => Promise.resolve()
      disk.flushed.length = 0
      yield* objects.sync
      assert.include(flushedBelow(folder), "/a")

      yield* objects.put("a/2", byte)
      disk.before = () => Promise.reject(Object.assign(new Error("EIO: i/o error"), { code: "EIO" }))
      assert.strictEqual((yield* Effect.flip(objects.sync)).reason, "Unavailable")
      disk.before = () => Promise.resolve()
      assert.strictEqual((yield* Effect.flip(objects.sync)).reason, "Unavailable")
    })
  )
})
