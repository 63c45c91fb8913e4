import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as LocalPath from "../../src/schema/LocalPath.ts"
import { LocalTree, type LocalTreeError, type Metadata, unchanged } from "../../src/services/LocalTree.ts"

const text = (content: string) => Stream.make(Bytes.fromUtf8(content))
const below = (path: LocalPath.LocalPath, ...names: ReadonlyArray<string>) =>
  names.reduce((at, name) => LocalPath.child(at, LocalPath.nameOf(name)), path)
const reasonOf = <A, R>(effect: Effect.Effect<A, LocalTreeError, R>) =>
  Effect.map(Effect.either(effect), (result) => (Either.isLeft(result) ? result.left.reason : "succeeded"))
const bytesAt = (path: LocalPath.LocalPath) =>
  Effect.gen(function* () {
    const tree = yield* LocalTree
    return Bytes.concat(...(yield* Stream.runCollect(tree.read(path))))
  })

/** What every local tree must do; `scratch` is an empty place of its own for each test. */
export const suite = (
  name: string,
  layer: Layer.Layer<LocalTree>,
  scratch: Effect.Effect<string, never, Scope.Scope>
) => {
  const test = (fact: string, run: Effect.Effect<void, LocalTreeError, LocalTree | Scope.Scope>) =>
    it.scopedLive(fact, () => Effect.provide(run, layer))
  const target = Effect.flatMap(Effect.all([LocalTree, scratch]), ([tree, directory]) => tree.openTarget(directory))

  describe(`LocalTree: ${name}`, () => {
    test(
      "what was written is listed, described and read back",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const into = yield* target
        assert.strictEqual(yield* into.ensureDirectory(["a", "b"]), true)
        assert.strictEqual(yield* into.ensureDirectory(["a", "b"]), false)
        yield* into.writeFile(["a", "b", "file"], text("hello"), { mode: 0o640, mtimeNs: 1_700_000_000_123_456_000n })
        yield* into.writeFile(["made", "on", "the", "way"], Stream.empty)
        yield* into.symlink(["a", "link"], Bytes.fromUtf8("../nowhere"))
        const names = yield* tree.list(into.path)
        assert.deepStrictEqual(
          names.map((found) => found.text),
          ["a", "made"]
        )
        const entries = yield* tree.entries(below(into.path, "a"))
        assert.deepStrictEqual(
          entries.map((entry) => [entry.name.text, Either.getOrThrow(entry.status).kind]),
          [
            ["b", "directory"],
            ["link", "symlink"]
          ]
        )
        const file = below(into.path, "a", "b", "file")
        const status = yield* tree.status(file)
        assert.strictEqual(status.kind, "regular")
        assert.strictEqual(status.size, 5n)
        assert.strictEqual(status.mode, 0o100640)
        assert.strictEqual(status.mtimeNs, 1_700_000_000_123_456_000n)
        assert.deepStrictEqual(yield* bytesAt(file), Bytes.fromUtf8("hello"))
        assert.deepStrictEqual(yield* bytesAt(below(into.path, "made", "on", "the", "way")), new Uint8Array(0))
        assert.deepStrictEqual(yield* tree.readLink(below(into.path, "a", "link")), Bytes.fromUtf8("../nowhere"))
        assert.deepStrictEqual(yield* into.readExistingLink(["a", "link"]), Bytes.fromUtf8("../nowhere"))
        assert.strictEqual((yield* into.existing(["a", "b", "file"]))?.size, 5n)
        assert.strictEqual(yield* into.existing(["a", "none"]), undefined)
        assert.strictEqual(yield* into.existing(["none", "none"]), undefined)
        assert.strictEqual((yield* into.existing([]))?.kind, "directory")
        yield* into.sync
      })
    )

    test(
      "names are listed by their bytes",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const into = yield* target
        const names = [
          "a",
          "a-b",
          "a.b",
          "\ud83d\ude00",
          "\uffee",
          "Z",
          "é",
          "e\u0301",
          "back\\slash",
          "new\nline",
          "\u001b[31m"
        ]
        for (const each of names) yield* into.writeFile([each], text(each))
        const listed = (yield* tree.list(into.path)).map((found) => found.text)
        assert.deepStrictEqual(listed, [...names].sort(Bytes.compareUtf8))
        for (const each of names) assert.deepStrictEqual(yield* bytesAt(below(into.path, each)), Bytes.fromUtf8(each))
      })
    )

    test(
      "a large file comes in buffers of their own, in order",
      Effect.gen(function* () {
        const into = yield* target
        const size = 2_500_001
        const content = new Uint8Array(size).map((_, i) => (i * 31) ^ (i >> 9))
        content.fill(0, 70_000, 700_000)
        yield* into.writeFile(["big"], Stream.make(content.subarray(0, 100_001), content.subarray(100_001)))
        const tree = yield* LocalTree
        const reading = yield* tree.open(below(into.path, "big"))
        const pulled: Array<Uint8Array> = []
        for (let next = yield* reading.next; next !== undefined; next = yield* reading.next) pulled.push(next)
        assert.strictEqual(Bytes.compare(Bytes.concat(...pulled), content), 0)
        yield* into.writeFile(["at once"], content)
        assert.strictEqual(Bytes.compare(yield* bytesAt(below(into.path, "at once")), content), 0)
        const chunks = [...(yield* Stream.runCollect(tree.read(below(into.path, "big"))))]
        assert.isAtMost(Math.max(...chunks.map((chunk) => chunk.length)), 1 << 20)
        assert.strictEqual(Bytes.compare(Bytes.concat(...chunks), content), 0)
      })
    )

    test(
      "a file of zeros only keeps its length",
      Effect.gen(function* () {
        const into = yield* target
        yield* into.writeFile(["zeros"], Stream.make(new Uint8Array(300_000), new Uint8Array(5)))
        assert.deepStrictEqual(yield* bytesAt(below(into.path, "zeros")), new Uint8Array(300_005))
      })
    )

    test(
      "what is there is only overwritten when told to, and a directory never",
      Effect.gen(function* () {
        const into = yield* target
        yield* into.writeFile(["f"], text("old"))
        yield* into.ensureDirectory(["d"])
        yield* into.symlink(["l"], Bytes.fromUtf8("f"))
        assert.strictEqual(yield* reasonOf(into.writeFile(["f"], text("new"))), "Exists")
        assert.strictEqual(yield* reasonOf(into.writeFile(["l"], text("new"))), "Exists")
        assert.strictEqual(yield* reasonOf(into.symlink(["f"], Bytes.fromUtf8("x"))), "Exists")
        assert.strictEqual(yield* reasonOf(into.writeFile(["d"], text("new"), { overwrite: true })), "Exists")
        assert.strictEqual(yield* reasonOf(into.symlink(["d"], Bytes.fromUtf8("x"), { overwrite: true })), "Exists")
        yield* into.writeFile(["l"], text("instead of the link"), { overwrite: true })
        assert.deepStrictEqual(yield* bytesAt(below(into.path, "f")), Bytes.fromUtf8("old"))
        assert.deepStrictEqual(yield* bytesAt(below(into.path, "l")), Bytes.fromUtf8("instead of the link"))
        yield* into.symlink(["f"], Bytes.fromUtf8("y"), { overwrite: true })
        assert.deepStrictEqual(yield* into.readExistingLink(["f"]), Bytes.fromUtf8("y"))
        assert.strictEqual(yield* reasonOf(into.ensureDirectory(["l"])), "NotADirectory")
        assert.strictEqual(yield* reasonOf(into.writeFile(["l", "x"], text(""))), "NotADirectory")
        assert.deepStrictEqual(
          (yield* (yield* LocalTree).list(into.path)).map((found) => found.text),
          ["d", "f", "l"]
        )
      })
    )

    test(
      "no name leaves the target",
      Effect.gen(function* () {
        const into = yield* target
        const bad = [[], [""], ["."], [".."], ["a", "..", "b"], ["/etc"], ["a/b"], ["a\0b"], ["\ud800"], ["", "a"]]
        for (const components of bad) {
          assert.strictEqual(
            yield* reasonOf(into.writeFile(components, text("x"))),
            "Unsafe",
            JSON.stringify(components)
          )
          assert.strictEqual(yield* reasonOf(into.symlink(components, Bytes.fromUtf8("x"))), "Unsafe")
          assert.strictEqual(yield* reasonOf(into.remove(components)), "Unsafe")
          if (components.length > 0) assert.strictEqual(yield* reasonOf(into.ensureDirectory(components)), "Unsafe")
          if (components.length > 0) assert.strictEqual(yield* reasonOf(into.existing(components)), "Unsafe")
        }
        assert.deepStrictEqual(yield* (yield* LocalTree).list(into.path), [])
      })
    )

    test(
      "a symbolic link on the way is refused by everything and stays",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const outside = yield* target
        const into = yield* target
        yield* outside.writeFile(["secret"], text("s"))
        yield* into.symlink(["a"], outside.path.bytes)
        yield* into.symlink(["chain"], Bytes.fromUtf8("a"))
        for (const first of ["a", "chain"]) {
          assert.strictEqual(yield* reasonOf(into.writeFile([first, "b"], text("x"), { overwrite: true })), "Unsafe")
          assert.strictEqual(yield* reasonOf(into.ensureDirectory([first])), "Unsafe")
          assert.strictEqual(yield* reasonOf(into.ensureDirectory([first, "sub"])), "Unsafe")
          assert.strictEqual(yield* reasonOf(into.symlink([first, "b"], Bytes.fromUtf8("x"))), "Unsafe")
          assert.strictEqual(yield* reasonOf(into.remove([first, "secret"], { recursive: true })), "Unsafe")
          assert.strictEqual(yield* reasonOf(into.setDirectoryMetadata([first], { mode: 0 })), "Unsafe")
          assert.strictEqual(yield* reasonOf(into.existing([first, "secret"])), "Unsafe")
          assert.strictEqual(yield* reasonOf(Effect.scoped(into.readExisting([first, "secret"]))), "Unsafe")
          assert.strictEqual(yield* reasonOf(tree.list(below(into.path, first))), "Unsafe")
          assert.strictEqual(yield* reasonOf(bytesAt(below(into.path, first, "secret"))), "Unsafe")
          assert.strictEqual(yield* reasonOf(bytesAt(below(into.path, first))), "Unsafe")
          assert.strictEqual(yield* reasonOf(tree.status(below(into.path, first, "secret"))), "Unsafe")
        }
        assert.deepStrictEqual(
          (yield* tree.list(outside.path)).map((found) => found.text),
          ["secret"]
        )
        assert.strictEqual((yield* into.existing(["a"]))?.kind, "symlink")
        yield* into.remove(["a"], { recursive: true })
        assert.deepStrictEqual(yield* bytesAt(below(outside.path, "secret")), Bytes.fromUtf8("s"))
      })
    )

    test(
      "a failure of the content reaches the caller and leaves nothing",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const into = yield* target
        yield* into.writeFile(["kept"], text("old"))
        const broken = Stream.concat(text("half"), Stream.fail("lost connection" as const))
        for (const file of ["new", "kept"]) {
          const error = yield* Effect.flip(into.writeFile([file], broken, { overwrite: true })).pipe(Effect.orDie)
          assert.strictEqual(error, "lost connection")
        }
        assert.deepStrictEqual(
          (yield* tree.list(into.path)).map((found) => found.text),
          ["kept"]
        )
        assert.deepStrictEqual(yield* bytesAt(below(into.path, "kept")), Bytes.fromUtf8("old"))
      })
    )

    test(
      "an interrupted write leaves nothing",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const into = yield* target
        let begun: (value: Effect.Effect<void>) => void = () => {}
        const started = Effect.async<void>((resume) => {
          begun = resume
        })
        const waiting = yield* Effect.fork(started)
        yield* Effect.yieldNow()
        const endless = Stream.concat(
          text("half"),
          Stream.fromEffect(
            Effect.zipRight(
              Effect.sync(() => begun(Effect.void)),
              Effect.never
            )
          )
        )
        const fiber = yield* Effect.fork(into.writeFile(["f"], endless))
        yield* Fiber.join(waiting)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* tree.list(into.path), [])
      })
    )

    test(
      "setuid and setgid are left off and said so, unless allowed",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const directory = yield* scratch
        const into = yield* tree.openTarget(directory)
        const trusting = yield* tree.openTarget(directory, { allowSetuid: true })
        const notes = yield* into.writeFile(["f"], text(""), { mode: 0o107755 })
        assert.deepStrictEqual(
          notes.map((note) => note.aspect),
          ["mode"]
        )
        assert.strictEqual((yield* into.existing(["f"]))?.mode, 0o101755)
        yield* into.ensureDirectory(["d"])
        yield* into.setDirectoryMetadata(["d"], { mode: 0o42777 })
        assert.strictEqual((yield* into.existing(["d"]))?.mode, 0o40777)
        assert.deepStrictEqual(yield* trusting.writeFile(["g"], text(""), { mode: 0o104755 }), [])
        assert.strictEqual((yield* trusting.existing(["g"]))?.mode, 0o104755)
      })
    )

    test(
      "a directory keeps the time that it is given last",
      Effect.gen(function* () {
        const into = yield* target
        const metadata: Metadata = { mtimeNs: 1_600_000_000_000_001_000n, mode: 0o750 }
        yield* into.writeFile(["d", "e", "f"], text("x"))
        yield* into.setDirectoryMetadata(["d", "e"], metadata)
        yield* into.setDirectoryMetadata(["d"], metadata)
        for (const at of [["d", "e"], ["d"]]) {
          const status = yield* into.existing(at)
          assert.strictEqual(status?.mtimeNs, metadata.mtimeNs)
          assert.strictEqual(status?.mode, 0o40750)
        }
      })
    )

    test(
      "a file that changes while it is read is noticed, and another file in its place too",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const into = yield* target
        yield* into.writeFile(["f"], text("one"))
        const path = below(into.path, "f")
        const listed = yield* tree.status(path)
        const reading = yield* tree.open(path, { expect: listed })
        assert.isTrue(unchanged(listed, reading.before))
        assert.isTrue(unchanged(reading.before, yield* reading.after))
        yield* into.writeFile(["f"], text("two"), { overwrite: true })
        assert.deepStrictEqual(Bytes.concat(...(yield* Stream.runCollect(reading.content))), Bytes.fromUtf8("one"))
        assert.strictEqual(yield* reasonOf(Stream.runDrain(tree.read(path, { expect: listed }))), "Vanished")
        yield* into.remove(["f"])
        assert.strictEqual(yield* reasonOf(Effect.scoped(tree.open(path))), "NotFound")
      })
    )

    test(
      "removing takes a full directory only when told to",
      Effect.gen(function* () {
        const into = yield* target
        yield* into.writeFile(["d", "e", "f"], text("x"))
        yield* into.remove(["not", "there"])
        assert.strictEqual(yield* reasonOf(into.remove(["d"])), "Exists")
        yield* into.remove(["d"], { recursive: true })
        assert.strictEqual(yield* into.existing(["d"]), undefined)
        yield* into.writeFile(["d"], text("now a file"))
        assert.strictEqual((yield* into.existing(["d"]))?.kind, "regular")
        yield* into.remove(["d"])
        yield* into.writeFile(["d", "again"], text("y"))
        assert.strictEqual((yield* into.existing(["d"]))?.kind, "directory")
      })
    )

    test(
      "a root given as a link is followed, a missing one is not found",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const into = yield* target
        yield* into.ensureDirectory(["real", "inner"])
        yield* into.symlink(["way"], Bytes.fromUtf8("./real/../real"))
        const resolved = yield* tree.resolve(`${LocalPath.display(into.path)}/way/inner`)
        assert.deepStrictEqual(resolved.path.bytes, below(into.path, "real", "inner").bytes)
        assert.strictEqual(resolved.status.kind, "directory")
        assert.strictEqual(yield* reasonOf(tree.resolve(`${LocalPath.display(into.path)}/none`)), "NotFound")
        yield* into.symlink(["loop"], Bytes.fromUtf8("loop"))
        assert.strictEqual(yield* reasonOf(tree.resolve(`${LocalPath.display(into.path)}/loop`)), "Unsafe")
        assert.strictEqual(yield* reasonOf(tree.list(below(into.path, "none"))), "NotFound")
        yield* into.writeFile(["file"], text(""))
        assert.strictEqual(yield* reasonOf(tree.list(below(into.path, "file"))), "NotADirectory")
        assert.strictEqual(yield* reasonOf(tree.openTarget(`${LocalPath.display(into.path)}/file`)), "NotADirectory")
      })
    )

    test(
      "many writers in one target do not disturb each other",
      Effect.gen(function* () {
        const tree = yield* LocalTree
        const into = yield* target
        const paths = Array.from({ length: 200 }, (_, i) => [`d${i % 100}`, `e${i % 7}`, `f${i}`])
        yield* Effect.forEach(paths, (at) => into.writeFile(at, text(at.join("/"))), { concurrency: 16, discard: true })
        for (const at of paths)
          assert.deepStrictEqual(yield* bytesAt(below(into.path, ...at)), Bytes.fromUtf8(at.join("/")))
        assert.strictEqual((yield* tree.list(into.path)).length, 100)
      })
    )
  })
}
