import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as LocalTargetNode from "../../src/layers/LocalTargetNode.ts"
import * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as LocalPath from "../../src/schema/LocalPath.ts"
import { LocalTree, unchanged } from "../../src/services/LocalTree.ts"
import { suite } from "../conformance/LocalTree.ts"

const scratch = Effect.acquireRelease(
  Effect.sync(() => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "cairn-tree-")))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
)
const text = (content: string) => Stream.make(Bytes.fromUtf8(content))
const local = (...parts: ReadonlyArray<string>) => LocalPath.make(Bytes.fromUtf8(path.join(...parts)))
const joined = (directory: string, name: Buffer) => Buffer.concat([Buffer.from(`${directory}/`), name])

suite("Node", LocalTreeNode.layer, scratch)

let places = 0
suite(
  "memory",
  LocalTreeMemory.layer(),
  Effect.sync(() => `/scratch/${places++}`)
)

const onDisk = <E>(fact: string, run: (directory: string) => Effect.Effect<void, E, LocalTree | Scope.Scope>) =>
  it.scopedLive(fact, () => Effect.flatMap(scratch, run).pipe(Effect.provide(LocalTreeNode.layer)))

const supportsAttributes = (directory: string) =>
  spawnSync("python3", ["-c", "import os,sys; os.setxattr(sys.argv[1], b'user.t', b'')", directory]).status === 0

describe("LocalTreeNode", () => {
  onDisk("a pipe or socket in place of a file ends at once and is no file", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      execFileSync("mkfifo", [path.join(directory, "pipe")])
      const status = yield* tree.status(local(directory, "pipe"))
      assert.strictEqual(status.kind, "fifo")
      const error = yield* Effect.flip(Stream.runDrain(tree.read(local(directory, "pipe"))))
      assert.strictEqual(error.reason, "Vanished")
      assert.include(error.message, "fifo")
      const device = yield* Effect.flip(Stream.runDrain(tree.read(local("/dev/null"))))
      assert.strictEqual(device.reason, "Vanished")
    })
  )

  onDisk("a target where nothing can be made is an error at once", () =>
    Effect.gen(function* () {
      if (process.platform !== "linux") return
      const tree = yield* LocalTree
      const error = yield* Effect.flip(tree.openTarget("/proc/nothing/can-be-made-here"))
      assert.strictEqual(error.reason, "NotFound")
    })
  )

  onDisk("a file that is filled is as long as it should be, and one that cannot be says why", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      const target = yield* tree.openTarget(path.join(directory, "out"))
      const { fillFile } = target
      if (fillFile === undefined) return
      yield* fillFile(["file"], 300_000, (file) => file.write(Bytes.fromUtf8("words"), 100_000))
      const expected = Buffer.alloc(300_000)
      expected.write("words", 100_000)
      assert.isTrue(fs.readFileSync(path.join(directory, "out", "file")).equals(expected))
      // lengths that no file system takes: the lie is what is told, not a full disk
      for (const size of [2 ** 63, 2 ** 53 - 1])
        assert.strictEqual(yield* Effect.flip(fillFile(["lie"], size, () => Effect.fail("a lie"))), "a lie")
      assert.deepStrictEqual(fs.readdirSync(path.join(directory, "out")), ["file"])
    })
  )

  onDisk("names that are no UTF-8 are listed as bytes, read, and shown without harm", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      const raw = Buffer.from([0x66, 0xff, 0x1b, 0x5b, 0x32, 0x4a, 0xc3, 0xa9])
      fs.writeFileSync(joined(directory, raw), "x")
      fs.writeFileSync(joined(directory, Buffer.alloc(255, 0x61)), "long")
      const [long, odd] = yield* tree.entries(local(directory))
      assert.strictEqual(long?.name.text?.length, 255)
      assert.strictEqual(odd?.name.text, undefined)
      assert.deepStrictEqual(odd?.name.bytes, new Uint8Array(raw))
      assert.strictEqual(LocalPath.display(odd!.name), "f\\xff\\u{1b}[2Jé")
      assert.strictEqual(Either.getOrThrow(odd!.status).size, 1n)
      assert.deepStrictEqual(Bytes.concat(...(yield* Stream.runCollect(tree.read(odd!.path)))), Bytes.fromUtf8("x"))
    })
  )

  onDisk("a listing says of every kind of entry what the system says", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      const at = (name: string) => path.join(directory, name)
      fs.writeFileSync(at("file"), "12345")
      fs.writeFileSync(at("äöü 🎈"), "")
      fs.linkSync(at("file"), at("same"))
      fs.mkdirSync(at("folder/inside"), { recursive: true })
      fs.symlinkSync("nowhere", at("link"))
      execFileSync("mkfifo", [at("pipe")])
      execFileSync("truncate", ["-s", "5G", at("sparse")])
      fs.chmodSync(at("same"), 0o4751)
      execFileSync("touch", ["-h", "-d", "1969-07-20T20:17:40.123456789Z", at("link")])
      execFileSync("touch", ["-d", "2262-01-01T00:00:00.999999999Z", at("sparse")])
      const entries = yield* tree.entries(local(directory))
      assert.sameOrderedMembers(
        entries.map(({ name }) => name.text),
        fs.readdirSync(directory).sort()
      )
      for (const { name, path: where, status } of entries) {
        const { ctimeNs, dev, gid, ino, mode, mtimeNs, nlink, size, uid } = fs.lstatSync(at(name.text ?? ""), {
          bigint: true
        })
        const { kind, ...found } = Either.getOrThrow(status)
        assert.deepStrictEqual(
          { ...found, mode: BigInt(found.mode), uid: BigInt(found.uid), gid: BigInt(found.gid) },
          { size, mtimeNs, ctimeNs, inode: ino, device: dev, nlink, mode, uid, gid }
        )
        const kinds: Record<string, string> = { folder: "directory", link: "symlink", pipe: "fifo" }
        assert.strictEqual(kind, kinds[name.text ?? ""] ?? "regular")
        assert.deepStrictEqual(yield* tree.status(where), Either.getOrThrow(status))
        assert.deepStrictEqual(where.bytes, Bytes.fromUtf8(at(name.text ?? "")))
      }
    })
  )

  onDisk("others have their turn while directory after directory is listed", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      fs.writeFileSync(path.join(directory, "file"), "")
      let turns = 0
      const timer = setInterval(() => turns++, 1)
      const began = performance.now()
      while (performance.now() - began < 200) yield* tree.entries(local(directory))
      clearInterval(timer)
      assert.isAbove(turns, 2)
    })
  )

  onDisk("a directory swapped for a link after it was listed is not read through", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      fs.mkdirSync(path.join(directory, "mine/deep"), { recursive: true })
      fs.mkdirSync(path.join(directory, "secret/deep"), { recursive: true })
      fs.writeFileSync(path.join(directory, "mine/deep/f"), "mine")
      fs.writeFileSync(path.join(directory, "secret/deep/f"), "secret")
      const [listed] = yield* tree.entries(local(directory, "mine/deep"))
      fs.renameSync(path.join(directory, "mine"), path.join(directory, "old"))
      fs.symlinkSync("secret", path.join(directory, "mine"))
      for (const effect of [
        Stream.runDrain(tree.read(listed!.path)),
        tree.status(listed!.path),
        tree.list(local(directory, "mine/deep")),
        tree.extendedAttributes(listed!.path)
      ]) {
        assert.strictEqual((yield* Effect.flip(effect)).reason, "Unsafe")
      }
    })
  )

  onDisk("a path longer than the kernel takes at once is walked", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      const into = yield* tree.openTarget(directory)
      const names = Array.from({ length: 30 }, () => "d".repeat(200))
      yield* into.writeFile([...names, "f"], text("deep"))
      let at = into.path
      for (const name of names) at = LocalPath.child(at, LocalPath.nameOf(name))
      const [entry] = yield* tree.entries(at)
      assert.isAbove(entry!.path.bytes.length, 6000)
      assert.deepStrictEqual(
        Bytes.concat(...(yield* Stream.runCollect(tree.read(entry!.path)))),
        Bytes.fromUtf8("deep")
      )
      yield* into.remove([names[0]!], { recursive: true })
      assert.deepStrictEqual(fs.readdirSync(directory), [])
    })
  )

  onDisk("a growing file is read to the size that it had, and the growth is seen", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      fs.writeFileSync(path.join(directory, "log"), "one")
      const reading = yield* tree.open(local(directory, "log"))
      fs.appendFileSync(path.join(directory, "log"), "two")
      assert.deepStrictEqual(Bytes.concat(...(yield* Stream.runCollect(reading.content))), Bytes.fromUtf8("one"))
      assert.isFalse(unchanged(reading.before, yield* reading.after))
    })
  )

  onDisk("statuses agree with stat(1)", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      const file = path.join(directory, "f")
      fs.writeFileSync(file, "12345")
      fs.linkSync(file, path.join(directory, "g"))
      const status = yield* tree.status(local(file))
      const said = execFileSync("stat", ["-c", "%s %i %d %h %f %u %g %.9Y %.9Z %U %G", file])
        .toString()
        .trim()
        .split(" ")
      const seconds = (ns: bigint) => `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, "0")}`
      assert.deepStrictEqual(said, [
        ...[status.size, status.inode, status.device, status.nlink].map(String),
        status.mode.toString(16),
        String(status.uid),
        String(status.gid),
        seconds(status.mtimeNs),
        seconds(status.ctimeNs),
        (yield* tree.userName(status.uid)) ?? "UNKNOWN",
        (yield* tree.groupName(status.gid)) ?? "UNKNOWN"
      ])
      assert.strictEqual(yield* tree.userName(4_000_000_000), undefined)
    })
  )

  onDisk("modification times are exact to the nanosecond, before 1970 and far ahead too", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      assert.deepStrictEqual(tree.capabilities, { nanoseconds: true, extendedAttributes: true, notes: [] })
      const into = yield* tree.openTarget(directory)
      const times = [0n, 1n, -1n, -1_500_000_001n, 1_700_000_000_123_456_789n, 4_294_967_295_999_999_999n]
      for (const [i, mtimeNs] of times.entries()) {
        assert.deepStrictEqual(yield* into.writeFile([`f${i}`], text("x"), { mtimeNs }), [])
        assert.deepStrictEqual(yield* into.symlink([`l${i}`], Bytes.fromUtf8("x"), { mtimeNs }), [])
        yield* into.ensureDirectory([`d${i}`])
        assert.deepStrictEqual(yield* into.setDirectoryMetadata([`d${i}`], { mtimeNs }), [])
        for (const kind of ["f", "l", "d"]) {
          assert.strictEqual(fs.lstatSync(path.join(directory, `${kind}${i}`), { bigint: true }).mtimeNs, mtimeNs)
        }
      }
      const beyond = yield* into.writeFile(["beyond"], text("x"), { mtimeNs: 2n ** 62n * 1000n })
      assert.deepStrictEqual(
        beyond.map((note) => note.aspect),
        ["mtime"]
      )
    })
  )

  onDisk("without native calls times keep microseconds and lost attributes are said", (directory) =>
    Effect.gen(function* () {
      const into = yield* LocalTargetNode.make(undefined, directory)
      for (const [i, mtimeNs] of [1_700_000_000_123_456_789n, -1_500_000_000n].entries()) {
        const notes = yield* into.writeFile([`f${i}`], text("x"), {
          mtimeNs,
          extendedAttributes: [{ name: "user.k", value: Uint8Array.of(1) }]
        })
        assert.deepStrictEqual(
          notes.map((note) => note.aspect),
          ["extended attribute"]
        )
        const off = fs.lstatSync(path.join(directory, `f${i}`), { bigint: true }).mtimeNs - mtimeNs
        assert.isBelow(Math.abs(Number(off)), 2000)
      }
      yield* into.sync
    })
  )

  onDisk("a file that its owner may not write gets its attributes from anybody", (directory) =>
    Effect.gen(function* () {
      if (!supportsAttributes(directory)) return
      // root may do what others may not: it is somebody else for so long
      const { geteuid, seteuid } = process
      const isRoot = geteuid?.call(process) === 0
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          if (!isRoot) return
          fs.chmodSync(directory, 0o777)
          seteuid?.call(process, 65_534)
        }),
        () =>
          Effect.sync(() => {
            if (isRoot) seteuid?.call(process, 0)
          })
      )
      const tree = yield* LocalTree
      const into = yield* tree.openTarget(directory)
      const extendedAttributes = [{ name: "user.one", value: Uint8Array.of(0, 1, 255) }]
      for (const mode of [0o400, 0o444, 0o555, 0o644]) {
        const name = mode.toString(8)
        const metadata = { mode, extendedAttributes }
        assert.deepStrictEqual(yield* into.writeFile([name], text("x"), metadata), [])
        const bytes = Bytes.fromUtf8("x")
        const [small] = yield* into.writeAll([{ components: [`small ${name}`], bytes, metadata }])
        assert.deepStrictEqual(small, Either.right([]))
        for (const made of [name, `small ${name}`]) {
          const found = yield* tree.extendedAttributes(local(directory, made))
          assert.deepStrictEqual(
            found.map((attribute) => attribute.name),
            ["user.one"]
          )
          assert.strictEqual(fs.statSync(path.join(directory, made)).mode & 0o777, mode)
        }
      }
    })
  )

  onDisk("extended attributes go out and come back", (directory) =>
    Effect.gen(function* () {
      if (!supportsAttributes(directory)) return
      const tree = yield* LocalTree
      const into = yield* tree.openTarget(directory)
      const extendedAttributes = [
        { name: "user.one", value: Uint8Array.of(0, 1, 255) },
        { name: "user.empty", value: new Uint8Array(0) },
        { name: "user.big", value: new Uint8Array(2000).fill(7) }
      ]
      assert.deepStrictEqual(yield* into.writeFile(["f"], text("x"), { mode: 0o400, extendedAttributes }), [])
      yield* into.ensureDirectory(["d"])
      assert.deepStrictEqual(yield* into.setDirectoryMetadata(["d"], { extendedAttributes }), [])
      for (const name of ["f", "d"]) {
        const found = yield* tree.extendedAttributes(local(directory, name))
        assert.deepStrictEqual(
          new Map(found.map((a) => [a.name, a.value])),
          new Map(extendedAttributes.map((a) => [a.name, a.value]))
        )
      }
      const hex = execFileSync("python3", [
        "-c",
        "import os,sys; print(os.getxattr(sys.argv[1], 'user.one').hex())",
        path.join(directory, "f")
      ])
      assert.strictEqual(hex.toString().trim(), "0001ff")
      const notes = yield* into.writeFile(["g"], text("x"), {
        extendedAttributes: [
          { name: "security.capability", value: Uint8Array.of(1) },
          { name: "nonsense", value: Uint8Array.of(1) },
          { name: "user.none" }
        ]
      })
      assert.deepStrictEqual(
        notes.map((note) => note.aspect),
        ["extended attribute", "extended attribute"]
      )
      assert.deepStrictEqual(yield* tree.extendedAttributes(local(directory, "g")), [])
    })
  )

  onDisk("a file is private until its mode is set, and complete when it appears", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      const into = yield* tree.openTarget(directory)
      const seen: Array<readonly [number, boolean]> = []
      const spy = Stream.sync(() => {
        const [temporary] = fs.readdirSync(directory)
        seen.push([
          fs.lstatSync(path.join(directory, temporary ?? "")).mode & 0o777,
          LocalPath.isTemporary(temporary ?? "")
        ])
        return Bytes.fromUtf8("x")
      })
      yield* into.writeFile(["f"], spy, { mode: 0o644 })
      assert.deepStrictEqual(seen, [[0o600, true]])
      assert.deepStrictEqual(fs.readdirSync(directory), ["f"])
      assert.strictEqual(fs.lstatSync(path.join(directory, "f")).mode & 0o777, 0o644)
    })
  )

  onDisk("of more directories than are held open each is found again, made again, or refused as a link", (directory) =>
    Effect.gen(function* () {
      const out = path.join(directory, "out")
      const target = yield* (yield* LocalTree).openTarget(out)
      const names = Array.from({ length: 80 }, (_, number) => `d${number}`)
      const round = (file: string) =>
        Effect.forEach(names, (name) => Effect.either(target.writeFile([name, file], text(name))))
      assert.isTrue((yield* round("first")).every(Either.isRight))
      fs.rmSync(path.join(out, "d0"), { recursive: true })
      fs.mkdirSync(path.join(directory, "elsewhere"))
      fs.renameSync(path.join(out, "d1"), path.join(out, "moved"))
      fs.symlinkSync(path.join(directory, "elsewhere"), path.join(out, "d1"))
      fs.renameSync(path.join(out, "d2"), path.join(out, "moved too"))
      fs.writeFileSync(path.join(out, "d2"), "in the way")
      const [gone, link, file, ...others] = yield* round("second")
      assert.isTrue(gone !== undefined && Either.isRight(gone))
      assert.strictEqual(link !== undefined && Either.isLeft(link) && link.left.reason, "Unsafe")
      assert.strictEqual(file !== undefined && Either.isLeft(file) && file.left.reason, "NotADirectory")
      assert.isTrue(others.every(Either.isRight))
      assert.deepStrictEqual(fs.readdirSync(path.join(out, "d0")), ["second"])
      assert.deepStrictEqual(fs.readdirSync(path.join(directory, "elsewhere")), [])
      assert.deepStrictEqual(fs.readdirSync(path.join(out, "d79")), ["first", "second"])
    })
  )

  onDisk("left-overs of a killed run are removed, those of a running one are not", (directory) =>
    Effect.gen(function* () {
      const leftOver = `.cairn-${"0123456789abcdef"}.tmp`
      const running = `.cairn-${"f".repeat(16)}.tmp`
      const named = [".cairn-xyz.tmp", ".cairn-0123456789abcdef.tmp.bak"]
      for (const name of [leftOver, running, ...named]) fs.writeFileSync(path.join(directory, name), "half")
      fs.mkdirSync(path.join(directory, `.cairn-${"a".repeat(16)}.tmp`))
      const script = path.join(directory, "restore.ts")
      const source = (module: string) => JSON.stringify(path.resolve(import.meta.dirname, "../../src", module))
      fs.writeFileSync(
        script,
        `import * as Effect from "effect/Effect"
         import * as Stream from "effect/Stream"
         import * as LocalTreeNode from ${source("layers/LocalTreeNode.ts")}
         import { LocalTree } from ${source("services/LocalTree.ts")}
         const run = Effect.gen(function* () {
           const into = yield* (yield* LocalTree).openTarget(${JSON.stringify(directory)})
           yield* into.writeFile(["done"], Stream.empty)
         })
         await Effect.runPromise(Effect.scoped(run).pipe(Effect.provide(LocalTreeNode.layer)))`
      )
      // a process that holds the lock, as a writer does, while the other runs
      const tsx = path.resolve(import.meta.dirname, "../../node_modules/.bin/tsx")
      fs.symlinkSync(path.resolve(import.meta.dirname, "../../node_modules"), path.join(directory, "node_modules"))
      fs.writeFileSync(path.join(directory, "package.json"), '{"type":"module"}')
      const ran = spawnSync("flock", [path.join(directory, running), tsx, script])
      assert.strictEqual(ran.status, 0, ran.stderr.toString())
      const left = fs.readdirSync(directory)
      assert.notInclude(left, leftOver)
      assert.includeMembers(left, [running, ...named, `.cairn-${"a".repeat(16)}.tmp`, "done"])
    })
  )

  onDisk("descriptors are given back, whatever happened", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      const openNow = () => fs.readdirSync("/proc/self/fd").length
      const before = openNow()
      const scope = yield* Scope.make()
      const into = yield* tree.openTarget(directory).pipe(Scope.extend(scope))
      for (let i = 0; i < 200; i++) yield* into.writeFile([`d${i}`, "e", "f"], text("x"))
      assert.isBelow(openNow() - before, 80)
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => i),
        (i) => Effect.either(into.writeFile([`d${i}`, "e", "f"], i % 2 === 0 ? Stream.fail("no") : text("y"))),
        { concurrency: 100, discard: true }
      )
      yield* Scope.close(scope, Exit.void)
      yield* Effect.forEach(yield* tree.entries(local(directory)), (entry) => Effect.either(tree.list(entry.path)))
      assert.strictEqual(openNow(), before)
      const late = yield* Effect.flip(into.writeFile(["late"], text("x")))
      assert.strictEqual(late._tag, "LocalTreeError")
    })
  )

  onDisk("a link planted into a directory that is open does not lead out", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      const outside = path.join(directory, "outside")
      fs.mkdirSync(outside)
      const into = yield* tree.openTarget(path.join(directory, "target"))
      yield* into.writeFile(["d", "e", "f"], text("x"))
      fs.renameSync(path.join(directory, "target/d"), path.join(directory, "moved"))
      fs.symlinkSync(outside, path.join(directory, "target/d"))
      yield* Effect.either(into.writeFile(["d", "e", "g"], text("y")))
      yield* Effect.either(into.writeFile(["d", "h"], text("y")))
      assert.deepStrictEqual(fs.readdirSync(outside), [])
    })
  )

  onDisk("who is not root gets what can be had and a note for the rest", (directory) =>
    Effect.gen(function* () {
      if (process.geteuid?.() !== 0 || process.seteuid === undefined || process.setegid === undefined) return
      fs.chmodSync(directory, 0o777)
      fs.mkdirSync(path.join(directory, "closed"), { mode: 0o755 })
      const tree = yield* LocalTree
      const { setegid, seteuid } = process
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          setegid(65534)
          seteuid(65534)
        }),
        () =>
          Effect.sync(() => {
            seteuid(0)
            setegid(0)
          })
      )
      const into = yield* tree.openTarget(directory)
      const notes = yield* into.writeFile(["f"], text("x"), { uid: 0, gid: 0, mode: 0o600 })
      assert.deepStrictEqual(
        notes.map((note) => note.aspect),
        ["owner", "owner"]
      )
      assert.strictEqual((yield* into.existing(["f"]))?.uid, 65534)
      assert.strictEqual((yield* Effect.flip(into.writeFile(["closed", "f"], text("x"))))._tag, "LocalTreeError")
    })
  )
})

describe("A name that is longer than any file system takes", () => {
  onDisk("is an error of the directory, and no descriptor stays open", (directory) =>
    Effect.gen(function* () {
      const tree = yield* LocalTree
      if (process.platform !== "linux") return
      const open = () => fs.readdirSync("/proc/self/fd").length
      const before = open()
      for (let time = 0; time < 20; time++) {
        const error = yield* Effect.flip(tree.entries(local(directory, "x".repeat(300))))
        assert.strictEqual(error._tag, "LocalTreeError")
      }
      assert.isBelow(open(), before + 10)
    })
  )
})

describe("LocalPath", () => {
  it("nothing shown can steer a terminal", () => {
    const shown = LocalPath.display("a\u001b]0;x\u0007\r\n\u009b\u202e\u200b\\b\u007fé😀")
    assert.strictEqual(shown, "a\\u{1b}]0;x\\u{7}\\u{d}\\n\\u{9b}\\u{202e}\\u{200b}\\\\b\\u{7f}é😀")
  })

  it("parts, split and child agree", () => {
    const root = LocalPath.make(Bytes.fromUtf8("/"))
    const one = LocalPath.child(root, LocalPath.nameOf("a"))
    const two = LocalPath.child(one, LocalPath.nameOf("b c"))
    assert.strictEqual(LocalPath.display(two), "/a/b c")
    assert.deepStrictEqual(
      LocalPath.parts(two).map((part) => Bytes.toUtf8(part)),
      ["a", "b c"]
    )
    assert.deepStrictEqual(LocalPath.split(two)?.parent.bytes, one.bytes)
    assert.deepStrictEqual(LocalPath.split(one)?.parent.bytes, root.bytes)
    assert.strictEqual(LocalPath.split(root), undefined)
    assert.deepStrictEqual(LocalPath.parts(root), [])
  })
})
