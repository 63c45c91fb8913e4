import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { ObjectStore } from "../../src/services/ObjectStore.ts"
import * as ObjectStoreConformance from "../conformance/ObjectStore.ts"
import { content } from "../support/content.ts"
import { temporaryFolder } from "../support/folders.ts"

const fresh = (hardLinks?: boolean) =>
  Layer.scoped(
    ObjectStore,
    Effect.flatMap(temporaryFolder, (folder) =>
      ObjectStoreFs.make({ directory: `${folder}/deep/store`, ...(hardLinks === undefined ? {} : { hardLinks }) })
    )
  )

ObjectStoreConformance.suite("files", fresh())
ObjectStoreConformance.suite("files without hard links", fresh(false))

const worker = fileURLToPath(new URL("../support/objectStoreWorker.ts", import.meta.url))
const node = [process.execPath, "--import", "tsx", worker]

interface Running {
  readonly child: ChildProcess
  readonly lines: Array<string>
  readonly ended: Promise<void>
  readonly said: (count: number) => Promise<void>
}

const start = (command: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync((): Running => {
      const child = spawn(command[0]!, command.slice(1), { stdio: ["pipe", "pipe", "inherit"] })
      const lines: Array<string> = []
      let rest = ""
      const waiting: Array<() => void> = []
      child.stdout!.on("data", (data) => {
        const parts = (rest + data).split("\n")
        rest = parts.pop()!
        lines.push(...parts)
        for (const wake of waiting.splice(0)) wake()
      })
      const ended = new Promise<void>((done) => child.on("close", () => done()))
      const said = async (count: number) => {
        while (lines.length < count && child.exitCode === null) {
          await Promise.race([new Promise<void>((wake) => waiting.push(wake)), ended])
        }
      }
      return { child, lines, ended, said }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

const list = (objects: ObjectStore["Type"], prefix = "") =>
  Effect.map(Stream.runCollect(objects.list(prefix)), (found) => Chunk.toReadonlyArray(found).toSorted())

describe.each([true, false])("files among processes (hard links: %s)", (hardLinks) => {
  it.scopedLive("exactly one of several processes creates each path, and its bytes are there", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const count = 60
      const running = yield* Effect.forEach([1, 2, 3], () =>
        start([...node, "race", directory, String(hardLinks), String(count)])
      )
      yield* Effect.promise(() => Promise.all(running.map(({ said }) => said(1))))
      for (const { child } of running) child.stdin!.end()
      yield* Effect.promise(() => Promise.all(running.map(({ ended }) => ended)))
      const objects = yield* ObjectStoreFs.make({ directory })
      for (let i = 0; i < count; i++) {
        const winners = running.filter(({ lines }) => lines[i + 1] === "true")
        assert.strictEqual(winners.length, 1, `claim ${i}`)
        assert.strictEqual(Bytes.toUtf8(yield* objects.get(`claims/${i}`)), String(winners[0]!.child.pid))
      }
      const outcomes = running.map(({ lines }) => lines.length)
      assert.deepStrictEqual(outcomes, [count + 1, count + 1, count + 1])
      assert.deepStrictEqual(fs.readdirSync(`${directory}/.tmp`), [])
    })
  )

  it.scopedLive("a process killed while it writes leaves whole objects only, and its leftovers are not listed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const { child, ended, lines, said } = yield* start([...node, "fill", directory, String(hardLinks)])
      yield* Effect.promise(() => said(8))
      child.kill("SIGKILL")
      yield* Effect.promise(() => ended)
      const objects = yield* ObjectStoreFs.make({ directory })
      const paths = yield* list(objects)
      assert.isAbove(paths.length, 300)
      yield* Effect.forEach(
        paths,
        (path) =>
          Effect.map(objects.get(path), (bytes) => {
            assert.match(path, /^(put|create)\/\d+\/\d+$/)
            assert.isTrue(Bytes.equals(bytes, content(Number(path.split("/")[2]))), path)
          }),
        { concurrency: 16, discard: true }
      )
      // what it said it had put is there
      for (const line of lines.slice(1)) assert.include(paths, `put/${Number(line) % 64}/${line}`)
      yield* objects.sync
    })
  )
})

describe("files", () => {
  it.scopedLive("a file larger than the user may have is Full, and what was there stays", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      // 512-byte or 1 KiB blocks: 1 MiB or 2 MiB
      const { ended, lines } = yield* start(["sh", "-c", 'ulimit -f 2048; exec "$@"', "sh", ...node, "full", directory])
      yield* Effect.promise(() => ended)
      assert.deepStrictEqual(JSON.parse(lines[1] ?? "null"), { put: "Full", create: "Full", kept: 1000, size: null })
      assert.deepStrictEqual(fs.readdirSync(`${directory}/.tmp`), [])
    })
  )

  it.scopedLive("hostile paths and prefixes touch nothing beside the store", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      fs.mkdirSync(`${folder}/store/inside`, { recursive: true })
      fs.writeFileSync(`${folder}/secret`, "secret")
      const objects = yield* ObjectStoreFs.make({ directory: `${folder}/store` })
      for (const path of ["../secret", "inside/../../secret", `${folder}/secret`, "./../secret", "a/../../secret"]) {
        for (const use of [
          Effect.asVoid(objects.get(path)),
          objects.put(path, Bytes.fromUtf8("x")),
          objects.remove(path)
        ]) {
          assert.strictEqual((yield* Effect.flip(use)).reason, "BadPath")
        }
      }
      assert.deepStrictEqual(yield* list(objects, "inside/../../"), [])
      assert.deepStrictEqual(fs.readdirSync(folder).toSorted(), ["secret", "store"])
      assert.strictEqual(fs.readFileSync(`${folder}/secret`, "utf8"), "secret")
    })
  )

  it.scopedLive("a symbolic link is no object: not listed, not read, and replaced without following it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      fs.mkdirSync(`${folder}/store`)
      fs.writeFileSync(`${folder}/outside`, "outside")
      fs.symlinkSync("../outside", `${folder}/store/link`)
      const objects = yield* ObjectStoreFs.make({ directory: `${folder}/store` })
      assert.deepStrictEqual(yield* list(objects), [])
      assert.isUndefined(yield* objects.size("link"))
      assert.strictEqual((yield* Effect.flip(objects.get("link"))).reason, "NotFound")
      yield* objects.put("link", Bytes.fromUtf8("inside"))
      assert.strictEqual(fs.readFileSync(`${folder}/outside`, "utf8"), "outside")
      assert.strictEqual(Bytes.toUtf8(yield* objects.get("link")), "inside")
    })
  )

  it.scopedLive("objects created without hard links are seen by a store that has them, and the other way round", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const linked = yield* ObjectStoreFs.make({ directory })
      const unlinked = yield* ObjectStoreFs.make({ directory, hardLinks: false })
      assert.isTrue(yield* unlinked.create("a/1", Bytes.fromUtf8("one")))
      assert.isFalse(yield* linked.create("a/1", Bytes.fromUtf8("two")))
      assert.isTrue(yield* linked.create("a/2", Bytes.fromUtf8("two")))
      assert.isFalse(yield* unlinked.create("a/2", Bytes.fromUtf8("one")))
      assert.strictEqual(Bytes.toUtf8(yield* linked.get("a/1")), "one")
      assert.deepStrictEqual(yield* list(linked), ["a/1", "a/2"])
      assert.isTrue(fs.statSync(`${directory}/a/1`).isDirectory())
      assert.isTrue(fs.statSync(`${directory}/a/2`).isFile())
    })
  )

  it.scopedLive("the empty folder of a removal that was cut short stands for nothing and is in nobody's way", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      for (const path of ["a/1", "a/2", "a/3"]) fs.mkdirSync(`${directory}/${path}`, { recursive: true })
      const linked = yield* ObjectStoreFs.make({ directory })
      const unlinked = yield* ObjectStoreFs.make({ directory, hardLinks: false })
      assert.isUndefined(yield* linked.size("a/1"))
      assert.isTrue(yield* linked.create("a/1", Bytes.fromUtf8("one")))
      assert.isTrue(yield* unlinked.create("a/2", Bytes.fromUtf8("two")))
      yield* linked.put("a/3", Bytes.fromUtf8("three"))
      assert.deepStrictEqual(yield* list(linked), ["a/1", "a/2", "a/3"])
    })
  )

  it.scopedLive("leftovers older than a day go when a store is opened, younger ones stay", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      fs.mkdirSync(`${directory}/.tmp/blob`, { recursive: true })
      const old = new Date(Date.now() - 25 * 60 * 60 * 1000)
      for (const name of ["1-old", "blob/x.tmp.1.0", "2-young"]) fs.writeFileSync(`${directory}/.tmp/${name}`, "x")
      for (const name of ["1-old", "blob/x.tmp.1.0", "blob"]) fs.utimesSync(`${directory}/.tmp/${name}`, old, old)
      yield* ObjectStoreFs.make({ directory })
      yield* Effect.iterate(0, {
        while: (tries) => tries < 2000 && fs.existsSync(`${directory}/.tmp/1-old`),
        body: (tries) =>
          Effect.as(
            Effect.promise(() => new Promise((next) => setImmediate(next))),
            tries + 1
          )
      })
      yield* Effect.iterate(0, {
        while: (tries) => tries < 2000 && fs.existsSync(`${directory}/.tmp/blob/x.tmp.1.0`),
        body: (tries) =>
          Effect.as(
            Effect.promise(() => new Promise((next) => setImmediate(next))),
            tries + 1
          )
      })
      assert.deepStrictEqual(fs.readdirSync(`${directory}/.tmp`).toSorted(), ["2-young", "blob"])
      assert.deepStrictEqual(fs.readdirSync(`${directory}/.tmp/blob`), [])
    })
  )

  it.scopedLive(
    "a sync after the folder of what was put has vanished is a failure, and putting it again heals it",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryFolder
        const objects = yield* ObjectStoreFs.make({ directory })
        yield* objects.put("a/b", Bytes.fromUtf8("x"))
        fs.rmSync(`${directory}/a`, { recursive: true })
        assert.strictEqual((yield* Effect.flip(objects.sync)).reason, "Unavailable")
        yield* objects.put("a/b", Bytes.fromUtf8("x"))
        yield* objects.sync
      })
  )
})
