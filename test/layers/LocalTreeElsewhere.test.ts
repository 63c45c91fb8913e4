/** Files that are mounted from elsewhere: they are asked for by other threads, and a server that hangs keeps nobody else waiting. */
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Mounts from "../../src/layers/internal/mounts.ts"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as LocalPath from "../../src/schema/LocalPath.ts"
import { LocalTree, type Service } from "../../src/services/LocalTree.ts"
import { suite } from "../conformance/LocalTree.ts"
import { temporaryFolder } from "../support/folders.ts"

const bytesOf = (text: string) => Bytes.fromUtf8(text)
const local = (...parts: ReadonlyArray<string>) => LocalPath.make(bytesOf(path.join(...parts)))
const scratch = Effect.map(temporaryFolder, (folder) => fs.realpathSync(folder))

const everything = Mounts.make((done) => done([""]))
const nothing = Mounts.make((done) => done([]))
const elsewhere = Layer.effect(LocalTree, LocalTreeNode.makeWith(everything))

suite("Node, everything being elsewhere", elsewhere, scratch)

describe("the table of mounts", () => {
  const table = [
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    "23 22 0:21 / /proc rw - proc proc rw",
    "24 22 0:45 / /home/me/my\\040nas rw,relatime shared:7 master:2 - nfs4 host:/x rw,addr=10.0.0.1",
    "25 22 0:46 / /mnt/b\\134s rw - fuse.sshfs me@host: rw",
    "26 22 0:47 / /mnt/usb rw - vfat /dev/sdb1 rw",
    "27 22 0:48 / /mnt/\xc3\xa9 rw - 9p host rw",
    ""
  ].join("\n")

  it("of Linux tells what is not known to be local, its names as bytes", () => {
    assert.deepStrictEqual(Mounts.pointsOfLinux(table), ["/proc", "/home/me/my nas", "/mnt/b\\s", "/mnt/\xc3\xa9"])
    assert.deepStrictEqual(Mounts.pointsOfLinux("1 0 0:2 / / rw - 9p host rw"), [""])
  })

  it("of macOS tells what is not called local", () => {
    const text = `/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//me@host/share on /Volumes/my share (1) (smbfs, nodev, nosuid, mounted by me)
`
    assert.deepStrictEqual(Mounts.pointsOfBsd(text), ["/System/Volumes/Data/home", "/Volumes/my share (1)"])
  })

  it.effect("says where something is elsewhere: there, below it, and not beside it", () =>
    Effect.gen(function* () {
      const mounts = Mounts.make((done) => done(Mounts.pointsOfLinux(table)))
      yield* mounts.known
      const answers = (paths: ReadonlyArray<string>, ask: (path: Uint8Array) => boolean) =>
        paths.filter((path) => ask(bytesOf(path)))
      const paths = [
        "/",
        "/home",
        "/home/me",
        "/home/me/my nas",
        "/home/me/my nas/a/b",
        "/home/me/my nas2",
        "/mnt",
        "/mnt/é",
        "/mnt/usb"
      ]
      assert.deepStrictEqual(answers(paths, mounts.isElsewhere), ["/home/me/my nas", "/home/me/my nas/a/b", "/mnt/é"])
      assert.deepStrictEqual(answers(paths, mounts.holdsElsewhere), [
        "/",
        "/home/me",
        "/home/me/my nas",
        "/home/me/my nas/a/b",
        "/mnt",
        "/mnt/é"
      ])
    })
  )

  it.effect("is read once by all who wait for it, and again after some seconds", () =>
    Effect.gen(function* () {
      let [clock, reads] = [0, 0]
      const pending: Array<(points: ReadonlyArray<string> | undefined) => void> = []
      const mounts = Mounts.make(
        (done) => {
          reads++
          pending.push(done)
        },
        () => clock
      )
      const isElsewhere = () => mounts.isElsewhere(bytesOf("/a/b"))
      assert.isTrue(isElsewhere(), "before anything is known")
      assert.isFalse(mounts.isKnown())
      const all = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 9 }, () => mounts.known),
          { concurrency: 9 }
        )
      )
      yield* Effect.yieldNow()
      assert.strictEqual(reads, 1)
      pending.pop()?.(["/x"])
      yield* all
      assert.isTrue(mounts.isKnown())
      assert.isFalse(isElsewhere())
      clock += 9_999
      yield* mounts.known
      assert.strictEqual(reads, 1)
      clock += 1
      const again = yield* Effect.fork(mounts.known)
      yield* Effect.yieldNow()
      assert.strictEqual(reads, 2)
      assert.isFalse(isElsewhere(), "what was known stands until more is")
      pending.pop()?.(undefined)
      yield* again
      assert.isTrue(isElsewhere(), "a table that cannot be read tells nothing")
    })
  )

  it.effect("of this system has what is no local file system", () =>
    Effect.gen(function* () {
      if (process.platform !== "linux") return
      yield* Mounts.ofSystem.known
      assert.isTrue(Mounts.ofSystem.isElsewhere(bytesOf("/proc/self")))
      assert.isTrue(Mounts.ofSystem.holdsElsewhere(bytesOf("/")))
    })
  )
})

describe("what is elsewhere", () => {
  const onDisk = <E>(name: string, run: (folder: string) => Effect.Effect<void, E, Scope.Scope>) =>
    it.scopedLive(name, () => Effect.flatMap(scratch, run))
  const both = Effect.all([LocalTreeNode.makeWith(nothing), LocalTreeNode.makeWith(everything)])

  onDisk("is told as what is here, whatever its kind and its name", (folder) =>
    Effect.gen(function* () {
      fs.writeFileSync(path.join(folder, "file"), "12345")
      fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xff, 0x80)]), "")
      fs.mkdirSync(path.join(folder, "d/e"), { recursive: true })
      fs.symlinkSync("nowhere", path.join(folder, "link"))
      execFileSync("mkfifo", [path.join(folder, "pipe")])
      spawnSync("python3", [
        "-c",
        "import os,sys\nfor i in range(40): os.setxattr(sys.argv[1], b'user.n%d'%i, b'x'*i)",
        path.join(folder, "file")
      ])
      const [near, far] = yield* both
      const seen = (tree: Service) =>
        Effect.gen(function* () {
          const entries = yield* tree.entries(local(folder))
          const files = entries.flatMap(({ path, status }) =>
            Either.isRight(status) && status.right.kind === "regular" ? [{ path, expect: status.right }] : []
          )
          return {
            entries: entries.map(({ name, path, status }) => [name.text, [...name.bytes], [...path.bytes], status]),
            names: (yield* tree.list(local(folder))).map(({ bytes }) => [...bytes]),
            whole: yield* tree.readWhole(files, { limit: 100, attributes: true }),
            tooLarge: yield* tree.readWhole(files, { limit: 4, attributes: false }),
            attributes: yield* tree.extendedAttributes(local(folder, "file")),
            link: yield* tree.readLink(local(folder, "link")),
            root: yield* tree.status(local("/")),
            errors: yield* Effect.forEach(
              [
                Effect.asVoid(tree.status(local(folder, "none"))),
                tree.list(local(folder, "file")),
                tree.entries(local(folder, "none/x")),
                tree.entries(local(folder, "link")),
                tree.readLink(local(folder, "file")),
                tree.extendedAttributes(local(folder, "none")),
                Effect.scoped(tree.open(local(folder, "pipe"))),
                Effect.scoped(tree.open(local(folder, "none")))
              ],
              (each) => Effect.map(Effect.flip(Effect.asVoid(each)), ({ message, reason }) => [reason, message])
            )
          }
        })
      const [here, there] = [yield* seen(near), yield* seen(far)]
      assert.deepStrictEqual(there, here)
      assert.lengthOf(here.entries, 5)
    })
  )

  onDisk("is not read through a link that took a directory's place", (folder) =>
    Effect.gen(function* () {
      fs.mkdirSync(path.join(folder, "real/in"), { recursive: true })
      fs.writeFileSync(path.join(folder, "real/in/f"), "x")
      fs.symlinkSync("real", path.join(folder, "d"))
      const [, far] = yield* both
      const errors = yield* Effect.forEach(
        [
          Effect.asVoid(far.entries(local(folder, "d"))),
          far.list(local(folder, "d/in")),
          far.status(local(folder, "d/in/f")),
          Effect.scoped(far.open(local(folder, "d/in/f")))
        ],
        (each) => Effect.map(Effect.flip(Effect.asVoid(each)), ({ reason }) => reason)
      )
      assert.deepStrictEqual(errors, ["Unsafe", "Unsafe", "Unsafe", "Unsafe"])
    })
  )

  onDisk("gives every descriptor back, also when nobody waits for it any more", (folder) =>
    Effect.gen(function* () {
      if (process.platform !== "linux") return
      const [, far] = yield* both
      fs.writeFileSync(path.join(folder, "f"), "x")
      const file = local(folder, "f")
      const openNow = () => fs.readdirSync("/proc/self/fd").length
      yield* far.status(file)
      const before = openNow()
      for (let round = 0; round < 60; round++) {
        const reading = yield* Effect.fork(Effect.scoped(far.open(file)))
        const listing = yield* Effect.fork(far.entries(local(folder)))
        for (let turn = 0; turn < round % 12; turn++) yield* Effect.promise(() => new Promise(setImmediate))
        yield* reading.interruptAsFork(reading.id())
        yield* listing.interruptAsFork(listing.id())
      }
      // those that were under way are over before what is asked after them
      for (let turn = 0; turn < 40; turn++) yield* Effect.scoped(far.open(file))
      for (let turn = 0; turn < 200 && openNow() > before; turn++)
        yield* Effect.promise(() => new Promise((resolve) => fs.stat("/", resolve)))
      assert.isAtMost(openNow(), before)
    })
  )
})

/** In a space of mounts of its own, a mount whose server answers nothing while the rest runs; 99 where none can be made. */
const hung = `exec 3<>/dev/fuse || exit 99
mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung "$1" || exit 99
shift
"$@" 3>&-`

describe("a mounted file system that hangs", () => {
  it.scopedLive(
    "keeps who asks for it waiting, and neither this process nor its neighbours; it ends when told to",
    (context) =>
      Effect.gen(function* () {
        const folder = yield* scratch
        const source = (module: string) => JSON.stringify(path.resolve(import.meta.dirname, "../../src", module))
        fs.mkdirSync(path.join(folder, "s/nas"), { recursive: true })
        fs.mkdirSync(path.join(folder, "s/near"))
        fs.writeFileSync(path.join(folder, "s/near/f"), "x")
        fs.symlinkSync(path.resolve(import.meta.dirname, "../../node_modules"), path.join(folder, "node_modules"))
        fs.writeFileSync(path.join(folder, "package.json"), '{"type":"module"}')
        const script = path.join(folder, "ask.ts")
        fs.writeFileSync(
          script,
          `import * as Effect from "effect/Effect"
         import * as Fiber from "effect/Fiber"
         import * as LocalTreeNode from ${source("layers/LocalTreeNode.ts")}
         import * as LocalPath from ${source("schema/LocalPath.ts")}
         const at = (path) => LocalPath.make(Buffer.from(${JSON.stringify(`${folder}/s`)} + path))
         const turns = (count) => Effect.promise(async () => {
           for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
         })
         await Effect.runPromise(Effect.gen(function* () {
           const tree = yield* LocalTreeNode.make
           const first = yield* Effect.fork(tree.entries(at("")))
           yield* turns(50)
           const near = yield* tree.entries(at("/near"))
           const asked = [
             tree.entries(at("/nas")), tree.list(at("/nas")), tree.status(at("/nas")), tree.status(at("/nas/x/y")),
             tree.readLink(at("/nas/x")), Effect.scoped(tree.open(at("/nas/x"))), tree.extendedAttributes(at("/nas"))
           ]
           const fibers = [first]
           for (const each of asked) fibers.push(yield* Effect.fork(each))
           yield* turns(50)
           const isOver = fibers.map((fiber) => fiber.unsafePoll() !== null)
           yield* Fiber.interruptAll(fibers)
           console.log(JSON.stringify({ near: near.length, isOver }))
         }))
         process.exit(42)`
        )
        const tsx = path.resolve(import.meta.dirname, "../../node_modules/.bin/tsx")
        const words = [
          "-m",
          "--propagation",
          "private",
          "sh",
          "-c",
          hung,
          "sh",
          path.join(folder, "s/nas"),
          tsx,
          script
        ]
        const ran = spawnSync("unshare", words, { encoding: "utf8", timeout: 30_000, killSignal: "SIGKILL" })
        // nobody but the superuser of a machine with FUSE can make one
        if (ran.error !== undefined || ran.status === 99 || /unshare/.test(ran.stderr)) return context.skip()
        assert.deepStrictEqual(JSON.parse(ran.stdout), { near: 1, isOver: Array.from({ length: 8 }, () => false) })
        assert.strictEqual(ran.status, 42, ran.stderr)
      })
  )
})
