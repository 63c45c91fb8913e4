import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as Backup from "../../src/programs/Backup.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as LocalPath from "../../src/schema/LocalPath.ts"
import { BlobStoreError } from "../../src/services/BlobStore.ts"
import { LocalTree } from "../../src/services/LocalTree.ts"
import * as Progress from "../../src/services/Progress.ts"
import {
  backup,
  entriesOf,
  head,
  later,
  latest,
  make,
  mapping,
  patiently,
  selection,
  type World
} from "../support/programs.ts"

type Files = Readonly<Record<string, LocalTreeMemory.Value>>
const fact = <E>(
  name: string,
  files: Files,
  run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>
) =>
  it.effect(name, () =>
    Effect.flatMap(make(files), (world) => Effect.zipRight(later, run(world)).pipe(Effect.provide(world.layer)))
  )

const docs = mapping("/docs")
const files = { "/docs/a.txt": "a", "/docs/sub/b.txt": "b", "/docs/sub/c.txt": "c" }

describe("a change of the source", () => {
  fact("none at all spends no revision and reads no file", files, () =>
    Effect.gen(function* () {
      const first = yield* backup(docs)
      assert.strictEqual(first.published.outcome, "published")
      assert.strictEqual(first.scan.readFiles, 3)
      yield* later
      const second = yield* backup(docs)
      assert.strictEqual(second.published.outcome, "unchanged")
      assert.strictEqual(second.published.revision, 1n)
      assert.strictEqual(second.scan.readFiles, 0)
      assert.strictEqual(second.scan.files, 3)
      assert.deepStrictEqual((yield* head).hash, first.published.node)
    })
  )

  const big = Object.fromEntries(
    ["x", "y", "z"].map(
      (name, index) =>
        [`/docs/${name}`, new Uint8Array(4_000_000).map((_, at) => at * (index + 3) + (at >> 9))] as const
    )
  )
  fact(
    "its progress tells of files and bytes while they are read, each once, and never more",
    { ...files, ...big },
    () =>
      Effect.gen(function* () {
        const seen: Array<{ readonly files: number; readonly bytes: number }> = []
        let [done, bytes] = [0, 0]
        const { scan } = yield* Effect.provideService(backup(docs), Progress.Progress, {
          phase: () => Effect.void,
          step: (step) =>
            Effect.sync(() => {
              done += step.files ?? 0
              bytes += step.bytes ?? 0
              seen.push({ files: done, bytes })
            })
        })
        assert.deepStrictEqual(seen.at(-1), { files: scan.files, bytes: scan.bytes })
        assert.isAbove(new Set(seen.map((each) => each.bytes)).size, 5, "a big file is told of as it is read")
        for (const each of seen) assert.isAtMost(each.bytes, scan.bytes)
      })
  )

  fact("changed, added, deleted and renamed files are in the head exactly so", files, (world) =>
    Effect.gen(function* () {
      yield* backup(docs)
      yield* later
      yield* world.disk.put("/docs/a.txt", "a, changed")
      yield* world.disk.put("/docs/new/d.txt", "d")
      yield* world.disk.remove("/docs/sub/b.txt")
      yield* world.disk.remove("/docs/sub/c.txt")
      yield* world.disk.put("/docs/sub/renamed.txt", "c")
      const second = yield* backup(docs)
      assert.deepStrictEqual(second.problems, [])
      assert.deepStrictEqual(yield* latest, {
        "docs/": "",
        "docs/a.txt": "a, changed",
        "docs/new/": "",
        "docs/new/d.txt": "d",
        "docs/sub/": "",
        "docs/sub/renamed.txt": "c"
      })
    })
  )

  fact("a file that becomes a folder, and a folder that becomes a file, are in the head exactly so", files, (world) =>
    Effect.gen(function* () {
      yield* backup(docs)
      yield* world.disk.remove("/docs/a.txt")
      yield* world.disk.put("/docs/a.txt/inside", "deep")
      yield* world.disk.remove("/docs/sub")
      yield* world.disk.put("/docs/sub", "flat")
      yield* backup(docs)
      const expected = { "docs/": "", "docs/a.txt/": "", "docs/a.txt/inside": "deep", "docs/sub": "flat" }
      assert.deepStrictEqual(yield* latest, expected)
      yield* world.disk.remove("/docs")
      yield* world.disk.put("/docs", "the source itself is a file now")
      yield* backup(docs)
      assert.deepStrictEqual(yield* latest, { docs: "the source itself is a file now" })
    })
  )

  fact("every kind of change leaves the head as a model has it", { "/docs/start": "0" }, (world) =>
    Effect.gen(function* () {
      const model = new Map<string, string>([["/docs/start", "0"]])
      let state = 12345
      const dice = (below: number) => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0
        return (state >>> 8) % below
      }
      for (let round = 0; round < 12; round++) {
        for (let step = 0; step < 10; step++) {
          const path = `/docs/${["a", "b", "c-", "c"][dice(4)]}/${["x", "y", "é"][dice(3)]}${dice(5)}`
          if (dice(3) === 0) {
            model.delete(path)
            yield* world.disk.remove(path)
          } else {
            model.set(path, `${round} ${step}`)
            yield* world.disk.put(path, `${round} ${step}`)
          }
        }
        yield* backup(docs)
        const found = Object.entries(yield* latest).filter(([key]) => !key.endsWith("/"))
        const wanted = [...model].map(([path, text]) => [path.slice(1), text])
        assert.deepStrictEqual(new Map(found), new Map(wanted as Array<[string, string]>))
        if (round % 2 === 0) yield* later
      }
    })
  )

  fact("one within the second of the last scan, its time put back by the writer, is not missed", files, (world) =>
    Effect.gen(function* () {
      yield* world.disk.put("/docs/racy", { content: "old!", mtimeNs: 5_000_000_000n })
      yield* backup(docs)
      yield* TestClock.adjust("100 millis")
      yield* world.disk.put("/docs/racy", { content: "new!", mtimeNs: 5_000_000_000n })
      yield* later
      yield* backup(docs)
      assert.strictEqual((yield* latest)["docs/racy"], "new!")
    })
  )

  fact("of the mode alone is seen", files, (world) =>
    Effect.gen(function* () {
      yield* backup(docs)
      yield* later
      yield* world.disk.put("/docs/a.txt", { content: "a", mtimeNs: 1_000_000_000n, mode: 0o600 })
      yield* backup(docs)
      const entry = (yield* entriesOf(yield* head)).get("docs/a.txt")
      assert.strictEqual((entry?.semantic?.unix?.permissions ?? 0) & 0o777, 0o600)
    })
  )

  fact("back to an empty folder empties the head, and is no error", files, (world) =>
    Effect.gen(function* () {
      yield* backup(docs)
      yield* world.disk.remove("/docs/a.txt")
      yield* world.disk.remove("/docs/sub")
      const emptied = yield* backup(docs)
      assert.strictEqual(emptied.published.outcome, "published")
      assert.deepStrictEqual(yield* latest, { "docs/": "" })
    })
  )
})

describe("what cannot be read", () => {
  fact("a file keeps its last state and is told", files, (world) =>
    Effect.gen(function* () {
      yield* backup(docs)
      yield* later
      yield* world.disk.put("/docs/a.txt", "unseen")
      world.faults.denied.add("/docs/a.txt")
      const second = yield* backup(docs)
      assert.deepStrictEqual(second.problems, [{ display: "/docs/a.txt", detail: "not allowed" }])
      assert.strictEqual(second.scan.problems, 1)
      assert.strictEqual((yield* latest)["docs/a.txt"], "a")
      // and once it can be read, its new state is in
      world.faults.denied.clear()
      yield* backup(docs)
      assert.strictEqual((yield* latest)["docs/a.txt"], "unseen")
    })
  )

  fact("a folder keeps everything in it and is told once", files, (world) =>
    Effect.gen(function* () {
      for (let i = 0; i < 600; i++) yield* world.disk.put(`/docs/sub/many/${i}`, `${i}`)
      yield* backup(docs)
      const before = yield* latest
      world.faults.denied.add("/docs/sub")
      yield* world.disk.put("/docs/z.txt", "z")
      const second = yield* backup(docs)
      assert.deepStrictEqual(second.problems, [{ display: "/docs/sub", detail: "not allowed" }])
      assert.deepStrictEqual(yield* latest, { ...before, "docs/z.txt": "z" })
    })
  )

  fact("a file that was never read is told and left out", files, (world) =>
    Effect.gen(function* () {
      world.faults.denied.add("/docs/a.txt")
      const first = yield* backup(docs)
      assert.lengthOf(first.problems, 1)
      assert.isUndefined((yield* latest)["docs/a.txt"])
    })
  )

  fact("a file that vanished between listing and reading is told and gone", files, (world) =>
    Effect.gen(function* () {
      world.faults.touch = (path) => (path === "/docs/a.txt" ? world.disk.remove(path) : Effect.void)
      const first = yield* backup(docs)
      assert.deepStrictEqual(
        first.problems.map(({ display }) => display),
        ["/docs/a.txt"]
      )
      assert.isUndefined((yield* latest)["docs/a.txt"])
    })
  )

  fact("a folder that vanished before it was entered is told and gone", files, (world) =>
    Effect.gen(function* () {
      world.faults.touch = (path) => (path === "/docs/sub" ? world.disk.remove(path) : Effect.void)
      const first = yield* backup(docs)
      assert.deepStrictEqual(
        first.problems.map(({ display }) => display),
        ["/docs/sub"]
      )
      assert.deepStrictEqual(yield* latest, { "docs/": "", "docs/a.txt": "a" })
    })
  )

  fact("a file that an editor replaced between listing and reading is read as it is now", files, (world) =>
    Effect.gen(function* () {
      let replaced = false
      world.faults.touch = (path) => {
        if (path !== "/docs/a.txt" || replaced) return Effect.void
        replaced = true
        return Effect.zipRight(world.disk.remove(path), world.disk.put(path, "saved by an editor"))
      }
      const first = yield* backup(docs)
      assert.deepStrictEqual(first.problems, [])
      assert.strictEqual((yield* latest)["docs/a.txt"], "saved by an editor")
    })
  )

  fact("a source that is not there is an error, and nothing is published", files, (world) =>
    Effect.gen(function* () {
      yield* backup(docs)
      const before = yield* latest
      yield* world.disk.remove("/docs")
      const error = yield* Effect.flip(backup(docs))
      assert.strictEqual(error._tag, "SourceUnreadable")
      assert.include(error.message, "nothing was backed up")
      assert.deepStrictEqual(yield* latest, before)
      assert.strictEqual((yield* head).entry.revision, 1n)
    })
  )

  for (const [name, when] of [
    ["right after it was found", "/docs"],
    ["while it was read", "/docs/sub"]
  ] as const)
    fact(`a source that disappeared ${name} is an error, and nothing is published`, files, (world) =>
      Effect.gen(function* () {
        yield* backup(docs)
        const before = yield* latest
        world.faults.touch = (path) => (path === when ? world.disk.remove("/docs") : Effect.void)
        const error = yield* Effect.flip(backup(docs))
        assert.strictEqual(error._tag, "SourceUnreadable")
        assert.deepStrictEqual(yield* latest, before)
      })
    )

  fact("a source whose place was taken by another folder meanwhile is an error", files, (world) =>
    Effect.gen(function* () {
      yield* backup(docs)
      world.faults.touch = (path) =>
        path === "/docs/sub"
          ? Effect.zipRight(world.disk.remove("/docs"), world.disk.put("/docs/other", "mounted over"))
          : Effect.void
      const error = yield* Effect.flip(backup(docs))
      assert.strictEqual(error._tag, "SourceUnreadable")
    })
  )

  fact("a source that is one unreadable file is an error", { "/one": "1" }, (world) =>
    Effect.gen(function* () {
      world.faults.denied.add("/one")
      const error = yield* Effect.flip(backup(mapping("/one")))
      assert.strictEqual(error._tag, "SourceUnreadable")
      assert.isEmpty(world.entries)
    })
  )

  fact("a source that is a pipe is an error", { "/pipe": { kind: "fifo" } }, () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(backup(mapping("/pipe")))
      assert.strictEqual(error._tag, "SourceUnreadable")
      assert.include(error.message, "fifo")
    })
  )

  fact("a name that is not UTF-8 is told, and everything else is kept", files, (world) =>
    Effect.gen(function* () {
      const odd = LocalPath.name(new Uint8Array([0x66, 0xff]))
      const tree = {
        ...world.disk.service,
        entries: (path: LocalPath.LocalPath) =>
          Effect.map(world.disk.service.entries(path), (all) => [
            ...all,
            ...all.slice(0, 1).map((one) => ({ ...one, name: odd, path: LocalPath.child(path, odd) }))
          ])
      }
      const first = yield* Effect.provideService(backup(docs), LocalTree, tree)
      assert.deepStrictEqual(
        first.problems.map(({ display }) => display),
        ["/docs/f\\xff", "/docs/sub/f\\xff"]
      )
      assert.include(first.problems[0]!.detail, "UTF-8")
      assert.strictEqual((yield* latest)["docs/sub/c.txt"], "c")
    })
  )
})

describe("what is selected", () => {
  const odd: Files = {
    ...files,
    "/docs/socket": { kind: "socket" },
    "/docs/pipe": { kind: "fifo" },
    "/docs/sub/link": { symlink: "../a.txt" }
  }

  fact("sockets and pipes are left out and counted; a link is kept as its target's text", odd, () =>
    Effect.gen(function* () {
      const first = yield* backup(docs)
      assert.strictEqual(first.scan.leftOut, 2)
      assert.deepStrictEqual(first.problems, [])
      const found = yield* latest
      assert.isUndefined(found["docs/socket"])
      assert.strictEqual(found["docs/sub/link"], "../a.txt")
    })
  )

  const ignoring: Files = {
    "/docs/.gitignore": "*.log\n",
    "/docs/.cairnignore": "secret/\n",
    "/docs/x.log": "log",
    "/docs/x.txt": "text",
    "/docs/secret/key": "k",
    "/docs/deep/.gitignore": "!kept.log\n",
    "/docs/deep/kept.log": "kept",
    "/docs/deep/tmp/t": "t"
  }

  fact("cairn's own ignore file counts always, others when asked", ignoring, () =>
    Effect.gen(function* () {
      yield* backup(docs)
      assert.deepStrictEqual(
        Object.keys(yield* latest).filter((key) => !key.includes("ignore")),
        ["docs/", "docs/deep/", "docs/deep/kept.log", "docs/deep/tmp/", "docs/deep/tmp/t", "docs/x.log", "docs/x.txt"]
      )
      yield* backup(mapping("/docs", "docs", { ignoreFiles: true, exclude: ["/deep/tmp"] }))
      assert.deepStrictEqual(
        Object.keys(yield* latest).filter((key) => !key.includes("ignore")),
        ["docs/", "docs/deep/", "docs/deep/kept.log", "docs/x.txt"]
      )
    })
  )

  const tag = "Signature: 8a477f597d28d172789f06886806bc55\n"
  const caches: Files = {
    "/docs/cache/CACHEDIR.TAG": tag,
    "/docs/cache/c": "c",
    "/docs/fake/CACHEDIR.TAG": "no",
    "/docs/fake/f": "f"
  }

  fact("marked caches are left out unless asked for", caches, () =>
    Effect.gen(function* () {
      yield* backup(docs)
      assert.deepStrictEqual(Object.keys(yield* latest), [
        "docs/",
        "docs/fake/",
        "docs/fake/CACHEDIR.TAG",
        "docs/fake/f"
      ])
      yield* backup(mapping("/docs", "docs", { excludeCaches: false }))
      assert.strictEqual((yield* latest)["docs/cache/c"], "c")
    })
  )

  fact(
    "a source that is itself a marked cache is an error, not an empty tree",
    { "/docs/CACHEDIR.TAG": tag, "/docs/f": "f" },
    (world) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(backup(docs))
        assert.strictEqual(error._tag, "SourceUnreadable")
        assert.include(error.message, "--include-caches")
        assert.isEmpty(world.entries)
        yield* backup(mapping("/docs", "docs", { excludeCaches: false }))
        assert.strictEqual((yield* latest)["docs/f"], "f")
      })
  )

  fact("with one file system, a mount point is kept without what is in it", files, (world) =>
    Effect.gen(function* () {
      const tree = {
        ...world.disk.service,
        entries: (path: LocalPath.LocalPath) =>
          Effect.map(world.disk.service.entries(path), (all) =>
            all.map((one) =>
              one.name.text === "sub" ? { ...one, status: Either.map(one.status, (s) => ({ ...s, device: 2n })) } : one
            )
          )
      }
      const run = (oneFileSystem: boolean) =>
        Effect.provideService(backup(mapping("/docs", "docs", { oneFileSystem })), LocalTree, tree)
      yield* run(true)
      assert.deepStrictEqual(Object.keys(yield* latest), ["docs/", "docs/a.txt", "docs/sub/"])
      yield* run(false)
      assert.strictEqual((yield* latest)["docs/sub/b.txt"], "b")
    })
  )

  fact("our own unfinished writes are never kept", { ...files, "/docs/.cairn-0123456789abcdef.tmp": "half" }, () =>
    Effect.gen(function* () {
      yield* backup(docs)
      assert.notInclude(Object.keys(yield* latest).join(), "cairn-")
    })
  )
})

describe("two sources of one vault", () => {
  const two: Files = { "/one/f": "1", "/two/f": "2", "/two/g": "2" }

  fact("never touch each other's folder", two, (world) =>
    Effect.gen(function* () {
      yield* backup(mapping("/one"))
      yield* backup(mapping("/two"))
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "two/": "", "two/f": "2", "two/g": "2" })
      yield* world.disk.remove("/two/f")
      yield* backup(mapping("/two"))
      yield* backup(mapping("/one"))
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "two/": "", "two/g": "2" })
    })
  )

  fact("cannot take the same folder, one inside the other, or another path's", two, (world) =>
    Effect.gen(function* () {
      yield* backup(mapping("/one", "a/b"))
      for (const other of [
        mapping("/two", "a/b"),
        mapping("/two", "a"),
        mapping("/two", "a/b/c"),
        mapping("/two", ""),
        mapping("/one", "a")
      ]) {
        const error = yield* Effect.flip(backup(other))
        assert.strictEqual(error._tag, "SourceCollision", other.folder)
        assert.deepStrictEqual(
          (yield* world.state.sources("docs")).map(({ folder, path }) => [folder, path]),
          [["a/b", "/one"]]
        )
        const preview = yield* Effect.flip(Backup.preview("docs", other))
        assert.strictEqual(preview._tag, "SourceCollision")
      }
      yield* backup(mapping("/two", "a/b-2"))
    })
  )

  fact("a mapping given again with another selection is the one that stays", two, (world) =>
    Effect.gen(function* () {
      yield* backup(mapping("/two"))
      yield* backup(mapping("/two", "two", { exclude: ["g"] }))
      assert.deepStrictEqual((yield* world.state.sources("docs"))[0]?.selection, selection({ exclude: ["g"] }))
      assert.deepStrictEqual(yield* latest, { "two/": "", "two/f": "2" })
    })
  )
})

describe("a store that cannot be reached", () => {
  const unavailable = new BlobStoreError({ reason: "Unavailable", store: "memory", blob: "x", detail: "cable pulled" })

  fact("ends the run with its error and changes nothing", files, (world) =>
    Effect.gen(function* () {
      yield* backup(docs)
      const [before, records] = [yield* latest, yield* world.state.record("docs", "docs")]
      yield* world.disk.put("/docs/a.txt", "changed")
      let puts = 0
      world.faults.put = Effect.suspend(() => (++puts > 1 ? unavailable : Effect.void))
      const error = yield* Effect.flip(patiently(backup(docs)))
      assert.strictEqual(error.message, unavailable.message)
      world.faults.put = Effect.void
      assert.deepStrictEqual(yield* latest, before)
      assert.deepStrictEqual(yield* world.state.record("docs", "docs"), records)
      assert.strictEqual((yield* head).entry.revision, 1n)
      yield* backup(docs)
      assert.strictEqual((yield* latest)["docs/a.txt"], "changed")
    })
  )
})

describe("a dry run", () => {
  fact("counts what would be read and writes nothing anywhere", files, (world) =>
    Effect.gen(function* () {
      const scan = yield* Backup.preview("docs", docs)
      assert.deepStrictEqual([scan.files, scan.readFiles, scan.bytes], [3, 3, 3])
      assert.isEmpty([...(yield* Stream.runCollect(world.objects.list("")))])
      assert.isEmpty([...(yield* Stream.runCollect(world.records.list("")))])
      assert.isEmpty(world.entries)
      yield* backup(docs)
      yield* later
      yield* world.disk.put("/docs/a.txt", "changed")
      const stored = [...(yield* Stream.runCollect(world.objects.list("")))].sort()
      const again = yield* Backup.preview("docs", docs)
      assert.strictEqual(again.readFiles, 1)
      assert.deepStrictEqual([...(yield* Stream.runCollect(world.objects.list("")))].sort(), stored)
      yield* Vault.open("docs")
      assert.isNotEmpty(Bytes.toHex((yield* head).hash))
    })
  )
})
