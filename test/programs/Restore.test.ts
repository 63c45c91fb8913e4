import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as Restore from "../../src/programs/Restore.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as LocalPath from "../../src/schema/LocalPath.ts"
import type { FileType, NodeEntry } from "../../src/schema/Node.ts"
import { BlobStoreError } from "../../src/services/BlobStore.ts"
import { LocalTree } from "../../src/services/LocalTree.ts"
import { temporaryFolder } from "../support/folders.ts"
import { backup, entriesOf, head, later, make, mapping, type World } from "../support/programs.ts"

type Files = Readonly<Record<string, LocalTreeMemory.Value>>

const fact = <E>(
  name: string,
  files: Files,
  run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>
) => it.effect(name, () => Effect.flatMap(make(files), (world) => Effect.provide(run(world), world.layer)))

const one = mapping("/one")
const files: Files = {
  "/one/f": { content: "first", mtimeNs: 1_700_000_000_123_456_789n, mode: 0o640 },
  "/one/sub/deep/g": "second",
  "/one/link": { symlink: "../anywhere", mtimeNs: 1_600_000_000_000_000_000n },
  "/one/sub/run": { content: "#!", mode: 0o4755 }
}

const restore = Effect.fnUntraced(function* (options: Partial<Restore.Options> = {}, from?: Snapshot.Snapshot) {
  const found: Array<Restore.Problem> = []
  const snapshot = from ?? Vault.snapshot(yield* Vault.open("docs"), (yield* head).root)
  const result = yield* Restore.restore(snapshot, {
    vault: "docs",
    path: "one",
    directory: "/back",
    overwrite: false,
    owner: false,
    allowSetuid: false,
    dryRun: false,
    ...options,
    onProblem: (one) => Effect.sync(() => found.push(one))
  })
  const { damaged, metadata, skipped } = result.problems
  assert.strictEqual(damaged + skipped + metadata, found.length)
  return { ...result, found }
})

/** Everything below `directory` with its bytes as text. */
const below = Effect.fnUntraced(function* (world: World, directory: string) {
  const out: Record<string, string> = {}
  for (const path of yield* world.disk.paths) {
    if (!path.startsWith(`${directory}/`) || path === `${directory}/`) continue
    const content = yield* world.disk.contentOf(path)
    out[path.slice(directory.length + 1)] = content === undefined ? "" : (Bytes.toUtf8(content) ?? "(not text)")
  }
  return out
})

const status = (world: World, path: string) => world.disk.service.status(LocalPath.make(Bytes.fromUtf8(path)))

const whole = { f: "first", link: "../anywhere", "sub/": "", "sub/deep/": "", "sub/deep/g": "second", "sub/run": "#!" }

describe("restore", () => {
  fact("brings back bytes, links, empty folders, times and modes; setuid only when asked", files, (world) =>
    Effect.gen(function* () {
      yield* world.disk.put("/one/empty", { kind: "directory", mode: 0o700, mtimeNs: 1_500_000_000_000_000_001n })
      yield* backup(one)
      yield* later
      const result = yield* restore()
      assert.strictEqual(result.files, 4)
      assert.deepStrictEqual(
        result.found.map(({ kind, path }) => [kind, path]),
        [["metadata", "one/sub/run"]]
      )
      assert.deepStrictEqual(yield* below(world, "/back"), { "empty/": "", ...whole })
      const f = yield* status(world, "/back/f")
      assert.deepStrictEqual([f.mtimeNs, f.mode & 0o7777], [1_700_000_000_123_456_789n, 0o640])
      const link = yield* status(world, "/back/link")
      assert.deepStrictEqual([link.kind, link.mtimeNs], ["symlink", 1_600_000_000_000_000_000n])
      const empty = yield* status(world, "/back/empty")
      assert.deepStrictEqual([empty.mode & 0o7777, empty.mtimeNs], [0o700, 1_500_000_000_000_000_001n])
      for (const folder of ["", "/sub", "/sub/deep"]) {
        const [source, restored] = [yield* status(world, `/one${folder}`), yield* status(world, `/back${folder}`)]
        assert.strictEqual(restored.mtimeNs, source.mtimeNs, folder)
      }
      assert.strictEqual((yield* status(world, "/back/sub/run")).mode & 0o7777, 0o755)
      yield* restore({ directory: "/setuid", allowSetuid: true })
      assert.strictEqual((yield* status(world, "/setuid/sub/run")).mode & 0o7777, 0o4755)
    })
  )

  fact("of a folder puts its content directly into the directory; of a file, the file", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* restore({ path: "one/sub/deep", directory: "/x" })
      assert.deepStrictEqual(yield* below(world, "/x"), { g: "second" })
      yield* restore({ path: "one/sub/deep/g", directory: "/y" })
      assert.deepStrictEqual(yield* below(world, "/y"), { g: "second" })
      yield* restore({ path: "", directory: "/z" })
      assert.strictEqual((yield* below(world, "/z"))["one/sub/deep/g"], "second")
      const error = yield* Effect.flip(restore({ path: "one/su" }))
      assert.strictEqual(error._tag, "NoSuchPath")
    })
  )

  fact("again after an interruption writes only what is missing", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* restore()
      yield* world.disk.remove("/back/sub/deep")
      const again = yield* restore()
      assert.deepStrictEqual([again.files, again.unchanged, again.found], [1, 3, []])
      assert.deepStrictEqual(yield* below(world, "/back"), whole)
    })
  )

  fact("never overwrites what differs, and names it; with the option it does", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* world.disk.put("/back/f", "mine!")
      yield* world.disk.put("/back/link", "mine too")
      yield* world.disk.put("/back/sub/deep/other", "untouched")
      const careful = yield* restore()
      assert.sameDeepMembers(
        careful.found.filter(({ kind }) => kind === "skipped").map(({ path }) => path),
        ["one/f", "one/link"]
      )
      const expected = { ...whole, f: "mine!", link: "mine too", "sub/deep/other": "untouched" }
      assert.deepStrictEqual(yield* below(world, "/back"), expected)
      const bold = yield* restore({ overwrite: true })
      assert.deepStrictEqual(
        bold.found.filter(({ kind }) => kind !== "metadata"),
        []
      )
      assert.deepStrictEqual(yield* below(world, "/back"), { ...whole, "sub/deep/other": "untouched" })
    })
  )

  fact("a folder where a file belongs stays, even with the option, and is named", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* world.disk.put("/back/f/inside", "mine")
      const result = yield* restore({ overwrite: true })
      assert.include(
        result.found.map(({ path }) => path),
        "one/f"
      )
      assert.strictEqual((yield* below(world, "/back"))["f/inside"], "mine")
    })
  )

  fact("a dry run says how much there is and writes nothing", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const before = yield* world.disk.paths
      const result = yield* restore({ dryRun: true })
      assert.deepStrictEqual([result.files, result.bytes], [4, 5 + 6 + 2 + 11])
      assert.deepStrictEqual(yield* world.disk.paths, before)
    })
  )
})

describe("a damaged vault", () => {
  fact("a damaged file is named and not made; the rest is restored", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* world.flip((yield* entriesOf(yield* head)).get("one/f")!.content!.hash)
      const result = yield* restore()
      assert.deepInclude(
        result.found.map(({ kind, path }) => ({ kind, path })),
        { kind: "damaged", path: "one/f" }
      )
      const { f: _, ...rest } = whole
      assert.deepStrictEqual(yield* below(world, "/back"), rest)
    })
  )

  fact("a damaged node is named with the keys that are lost; everything beside it is restored", files, (world) =>
    Effect.gen(function* () {
      for (let i = 0; i < 400; i++) yield* world.disk.put(`/one/many/${String(i).padStart(3, "0")}`, `file ${i}`)
      yield* backup(one)
      const vault = yield* Vault.open("docs")
      const root = (yield* head).root!
      const reached = [...(yield* Stream.runCollect(TreeWalk.inspect(vault.pipeline, root)))]
      const leaves = reached.flatMap((item) => (item._tag === "Node" && item.level === 0 ? [item] : []))
      assert.isAbove(leaves.length, 2)
      const lost = leaves[1]!
      yield* world.lose(lost.hash)
      // opened anew, so that no cache answers
      const { found } = yield* restore()
      const [damaged, ...others] = found.filter(({ kind }) => kind === "damaged")
      assert.isEmpty(others)
      assert.include(damaged!.detail, "cannot be read")
      assert.match(damaged!.path, /^one\/many\//)
      const restored = Object.keys(yield* below(world, "/back")).filter((path) => /^many\/\d/.test(path))
      assert.isAtLeast(restored.length, 400 - lost.length)
      assert.isBelow(restored.length, 400)
      const dry = yield* restore({ dryRun: true, directory: "/dry" })
      assert.strictEqual(dry.problems.damaged, 1)
    })
  )

  fact("a store that cannot be reached ends it with that error", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const away = new BlobStoreError({ reason: "Unavailable", store: "memory", blob: "x", detail: "cable pulled" })
      let reads = 0
      world.faults.get = Effect.suspend(() => (++reads > 3 ? away : Effect.void))
      const error = yield* Effect.flip(restore())
      assert.strictEqual(error.message, away.message)
    })
  )
})

describe("a hostile tree", () => {
  const meta = (fileType: FileType) => ({ timestamp: 1_700_000_000, timestampSubsecNanos: 0, unix: { fileType } })
  const evil = "evil"

  /** A tree with exactly these keys: a folder for those that end in a slash, a link for those with a target. */
  const hostile = Effect.fnUntraced(function* (keys: Readonly<Record<string, string | undefined>>) {
    const vault = yield* Vault.ensure("docs")
    const builder = TreeBuilder.make(vault.pipeline, { kind: "namespace", mask: TreeBuilder.defaultMask })
    for (const key of Object.keys(keys).sort(Bytes.compareUtf8)) {
      const target = keys[key]
      const entry: NodeEntry = key.endsWith("/")
        ? { semantic: meta("directory") }
        : {
            ...(yield* vault.pipeline.writeLeaf(Bytes.fromUtf8(target ?? evil))),
            semantic: meta(target === undefined ? "regular" : "symlink")
          }
      yield* builder.push(key, entry)
    }
    const { link } = (yield* builder.finish)!
    return Snapshot.make({ hash: link.hash, plaintextHash: link.plaintextHash, pipeline: vault.pipeline })
  })

  const bad = ["../x", "/x", "a//b", "a/./b", "a/../../x", "nul\0l", "..", ".", "./y", "../d/", "q/../r/", "//", "/"]

  fact("keys that are no plain names are named and never made, and good ones are", { "/x": "mine" }, (world) =>
    Effect.gen(function* () {
      const tree = yield* hostile({ ...Object.fromEntries(bad.map((key) => [key, undefined])), good: undefined })
      const result = yield* restore({ path: "", directory: "/in/back" }, tree)
      assert.strictEqual(result.found.length, bad.length)
      assert.isTrue(result.found.every(({ kind }) => kind === "skipped"))
      assert.deepStrictEqual(yield* world.disk.paths, ["/in/", "/in/back/", "/in/back/good", "/x"])
      assert.strictEqual(Bytes.toUtf8((yield* world.disk.contentOf("/x"))!), "mine")
    })
  )

  const through = { a: "/outside", "a/b": undefined, "a/c/": undefined, "d/": undefined, "d/e": undefined }

  for (const overwrite of [false, true])
    fact(
      `nothing is written through a link that the tree made first (overwrite ${overwrite})`,
      { "/outside/o": "mine" },
      (world) =>
        Effect.gen(function* () {
          const tree = yield* hostile(through)
          yield* restore({ path: "", overwrite }, tree)
          yield* restore({ path: "", overwrite }, tree)
          assert.deepStrictEqual(yield* below(world, "/outside"), { o: "mine" })
        })
    )

  fact(
    "nothing is written through a link that somebody else put into the directory",
    { "/outside/o": "mine" },
    (world) =>
      Effect.gen(function* () {
        const tree = yield* hostile({ "d/": undefined, "d/e": undefined })
        yield* world.disk.put("/back/d", { symlink: "/outside" })
        const result = yield* restore({ path: "", overwrite: true }, tree)
        assert.deepStrictEqual(yield* below(world, "/outside"), { o: "mine" })
        assert.isAtLeast(result.problems.skipped, 1)
      })
  )

  it.scopedLive("on a real disk, neither bad keys nor links lead outside the directory", () =>
    Effect.gen(function* () {
      const world = yield* make()
      const folder = yield* temporaryFolder
      const run = Effect.gen(function* () {
        const tree = yield* LocalTree
        const outside = yield* tree.openTarget(`${folder}/outside`)
        yield* outside.writeFile(["o"], Bytes.fromUtf8("mine"))
        const keys = { ...Object.fromEntries(bad.map((key) => [key, undefined])), ...through, a: `${folder}/outside` }
        const snapshot = yield* hostile(keys)
        for (const overwrite of [false, true, true])
          yield* restore({ path: "", directory: `${folder}/in/back`, overwrite }, snapshot)
        const names = Effect.fnUntraced(function* (directory: string) {
          const all = yield* tree.list(LocalPath.make(Bytes.fromUtf8(directory)))
          return all.map(LocalPath.display)
        })
        assert.deepStrictEqual(yield* names(folder), ["in", "outside"])
        assert.deepStrictEqual(yield* names(`${folder}/in`), ["back"])
        assert.deepStrictEqual(yield* names(`${folder}/outside`), ["o"])
        assert.deepStrictEqual(yield* names(`${folder}/in/back`), ["a", "d"])
        assert.deepStrictEqual(yield* names(`${folder}/in/back/d`), ["e"])
      }).pipe(Effect.scoped)
      yield* Effect.provide(run, Layer.merge(world.layer, LocalTreeNode.layer))
    })
  )
})
