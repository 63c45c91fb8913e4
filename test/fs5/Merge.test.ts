import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Merge from "../../src/fs5/Merge.ts"
import type * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import type { TreeError } from "../../src/fs5/TreeError.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import { contentHash, file, folder, hex, type Tree } from "./mergeModel.ts"
import { applied, build, collect, countingStore, entry, key, numbered, pipelineOver, rootOf, through } from "./trees.ts"

const tree = (entries: Record<string, NodeEntry>): Tree => new Map(Object.entries(entries))

const read = (snapshot: Snapshot.Snapshot | undefined): Effect.Effect<Record<string, NodeEntry>, TreeError> =>
  snapshot === undefined
    ? Effect.succeed({})
    : Effect.map(collect(snapshot.scan()), (entries) => Object.fromEntries(entries))

const mergeTrees = Effect.fnUntraced(function* (base: Tree, ours: Tree, theirs: Tree) {
  const pipeline = pipelineOver(countingStore())
  const [root, mine, other] = yield* Effect.all([build(pipeline, base), build(pipeline, ours), build(pipeline, theirs)])
  return yield* Merge.threeWay({ base: root, ours: mine, theirs: other })
})

/** Merges both ways round; the trees must be one. */
const check = Effect.fnUntraced(function* (base: Tree, ours: Tree, theirs: Tree, expected: Record<string, NodeEntry>) {
  const one = yield* mergeTrees(base, ours, theirs)
  const two = yield* mergeTrees(base, theirs, ours)
  assert.deepStrictEqual(yield* read(one.root), expected)
  assert.strictEqual(rootOf(one.root), rootOf(two.root))
  return one.conflicts
})

const none: Tree = new Map()
const suffixed = (stem: string, content: number, end = "", length = 8) =>
  `${stem} (conflict ${hex(content, length)})${end}`

describe("one path", () => {
  it.effect("a deletion stands against new metadata and yields to new content", () =>
    Effect.gen(function* () {
      const base = tree({ a: file(1), b: file(2) })
      const touched = tree({ a: file(1, { mtime: 200, mode: 0o600 }), b: file(2) })
      yield* check(base, tree({ b: file(2) }), touched, { b: file(2) })
      const edited = file(3, { mtime: 50 })
      yield* check(base, tree({ b: file(2) }), tree({ a: edited, b: file(2) }), { a: edited, b: file(2) })
      yield* check(base, tree({}), tree({}), {})
    })
  )

  it.effect("new content stands against new metadata, without a conflict", () =>
    Effect.gen(function* () {
      const edited = file(2, { mtime: 101 })
      const conflicts = yield* check(
        tree({ a: file(1) }),
        tree({ a: edited }),
        tree({ a: file(1, { mtime: 500, mode: 0o600 }) }),
        { a: edited }
      )
      assert.deepStrictEqual(conflicts, [])
    })
  )

  it.effect(
    "new metadata cannot be laid on new content: the order of merges would show where a third writer deletes",
    () =>
      Effect.gen(function* () {
        const base = tree({ a: file(1) })
        const edited = tree({ a: file(2, { mtime: 101 }) })
        const touched = tree({ a: file(1, { mode: 0o600 }) })
        const deleted = none
        // metadata yields to a deletion, and a deletion to content, each without a trace ...
        yield* check(base, touched, deleted, {})
        yield* check(base, edited, deleted, Object.fromEntries(edited))
        // ... so whoever merges the edit into either cannot know of the metadata, and nobody else may use it
        for (const order of [
          [deleted, touched, edited],
          [edited, deleted, touched],
          [edited, touched, deleted],
          [touched, edited, deleted]
        ]) {
          let head: Tree = base
          for (const writer of order) {
            const { root } = yield* mergeTrees(base, writer, head)
            head = tree(yield* read(root))
          }
          assert.deepStrictEqual(Object.fromEntries(head), Object.fromEntries(edited))
        }
      })
  )

  it.effect("of the same content the newer metadata is kept, of one time the bytewise smaller", () =>
    Effect.gen(function* () {
      const [old, young] = [file(2, { mtime: 101, mode: 0o600 }), file(2, { mtime: 102 })]
      yield* check(tree({ a: file(1) }), tree({ a: old }), tree({ a: young }), { a: young })
      yield* check(tree({ a: file(2, { mtime: 1 }) }), tree({ a: old }), tree({ a: young }), { a: young })
      yield* check(none, tree({ a: file(2, { mode: 0o600 }) }), tree({ a: file(2) }), { a: file(2, { mode: 0o600 }) })
      const nanos = (value: number): NodeEntry => ({
        ...young,
        semantic: { ...young.semantic, timestampSubsecNanos: value }
      })
      yield* check(none, tree({ a: nanos(9) }), tree({ a: nanos(8) }), { a: nanos(9) })
      const { semantic: _, ...timeless } = file(3)
      yield* check(none, tree({ a: timeless }), tree({ a: file(3, { mtime: 0 }) }), { a: file(3, { mtime: 0 }) })
    })
  )

  it.effect(
    "ctime, inode and encoding are no change: they neither keep a deleted file nor hold off other metadata",
    () =>
      Effect.gen(function* () {
        const again = file(1, { ctime: 99, encoding: 5 })
        yield* check(tree({ a: file(1) }), tree({ a: again }), tree({}), {})
        const touched = file(1, { mtime: 101 })
        yield* check(tree({ a: file(1) }), tree({ a: again }), tree({ a: touched }), { a: touched })
        yield* check(tree({ a: file(1) }), tree({ a: again }), tree({ a: file(1) }), { a: again })
      })
  )

  it.effect("the newer content keeps the path, then the smaller id, and the other stands beside it", () =>
    Effect.gen(function* () {
      const [two, three] = [file(2, { mtime: 101 }), file(3, { mtime: 102 })]
      const conflicts = yield* check(
        tree({ "d/a.txt": file(1) }),
        tree({ "d/a.txt": two }),
        tree({ "d/a.txt": three }),
        {
          "d/a.txt": three,
          [suffixed("d/a", 2, ".txt")]: two
        }
      )
      assert.deepStrictEqual(conflicts, [
        {
          path: "d/a.txt",
          copy: suffixed("d/a", 2, ".txt"),
          contentId: contentHash(2),
          side: "ours",
          reason: "changed"
        }
      ])
      const [first, second] = hex(2) < hex(3) ? [2, 3] : [3, 2]
      yield* check(none, tree({ a: file(2) }), tree({ a: file(3) }), {
        a: file(first),
        [suffixed("a", second)]: file(second)
      })
    })
  )

  it.effect("a symlink is not the file that holds its target", () =>
    Effect.gen(function* () {
      const link: NodeEntry = { ...file(2), semantic: { timestamp: 100, unix: { fileType: "symlink" } } }
      const found = yield* mergeTrees(tree({ a: file(1) }), tree({ a: link }), tree({ a: file(2, { mtime: 101 }) }))
      assert.strictEqual(found.conflicts.length, 1)
      assert.notDeepEqual(found.conflicts[0]?.contentId, contentHash(2))
      assert.deepStrictEqual((yield* read(found.root))[found.conflicts[0]!.copy], link)
    })
  )

  it.effect("directories have the newer metadata and never a copy", () =>
    Effect.gen(function* () {
      const conflicts = yield* check(
        tree({ "d/": folder(1) }),
        tree({ "d/": folder(5, 0o700), "n/": folder(7) }),
        tree({ "d/": folder(6), "n/": folder(6, 0o700) }),
        { "d/": folder(6), "n/": folder(7) }
      )
      assert.deepStrictEqual(conflicts, [])
    })
  )

  it.effect("what another side made in a deleted directory stays, the directory's own entry goes", () =>
    Effect.gen(function* () {
      const base = tree({ "d/": folder(1), "d/old": file(1) })
      yield* check(base, none, tree({ "d/": folder(2), "d/old": file(1), "d/new": file(2) }), { "d/new": file(2) })
    })
  )
})

describe("folder against file", () => {
  it.effect("the folder keeps the path, whichever side made it, though other keys sort between the two", () =>
    Effect.gen(function* () {
      const conflicts = yield* check(
        tree({ "a-b": file(8), "a.c": file(9) }),
        tree({ a: file(1), "a-b": file(8), "a.c": file(7, { mtime: 101 }) }),
        tree({ "a-b": file(8), "a.c": file(9), "a/x": file(2) }),
        { "a-b": file(8), "a.c": file(7, { mtime: 101 }), "a/x": file(2), [suffixed("a", 1)]: file(1) }
      )
      assert.deepStrictEqual(
        conflicts.map(({ path, reason }) => ({ path, reason })),
        [{ path: "a", reason: "folder" }]
      )
    })
  )

  it.effect("an empty new directory is a folder too", () =>
    check(none, tree({ a: file(1) }), tree({ "a/": folder() }), { "a/": folder(), [suffixed("a", 1)]: file(1) })
  )

  it.effect("a file that became a folder, edited on the other side, gives way", () =>
    check(tree({ "d/a.txt": file(1) }), tree({ "d/a.txt": file(2) }), tree({ "d/a.txt/x": file(3) }), {
      "d/a.txt/x": file(3),
      [suffixed("d/a", 2, ".txt")]: file(2)
    })
  )

  it.effect("a folder that became a file keeps the path only by what the other side changed in it", () =>
    Effect.gen(function* () {
      const base = tree({ "a/": folder(), "a/x": file(1), "a/y/z": file(2) })
      yield* check(base, tree({ a: file(3) }), base, { a: file(3) })
      yield* check(base, tree({ a: file(3) }), tree({ ...Object.fromEntries(base), "a/": folder(500) }), { a: file(3) })
      yield* check(base, tree({ a: file(3) }), tree({ ...Object.fromEntries(base), "a/y/z": file(4) }), {
        "a/y/z": file(4),
        [suffixed("a", 3)]: file(3)
      })
    })
  )

  it.effect("nested: each file gives way to the folder of the other side", () =>
    check(none, tree({ "a/b": file(1), "c/d/e/f": file(2) }), tree({ "a/b/c/d": file(3), "c/d": file(4) }), {
      "a/b/c/d": file(3),
      [suffixed("a/b", 1)]: file(1),
      "c/d/e/f": file(2),
      [suffixed("c/d", 4)]: file(4)
    })
  )

  it.effect("two files and a folder of one name all stay", () =>
    Effect.gen(function* () {
      const [two, three] = [file(2, { mtime: 101 }), file(3, { mtime: 102 })]
      const pipeline = pipelineOver(countingStore())
      const base = yield* build(pipeline, tree({ a: file(1), b: file(1) }))
      let head: Snapshot.Snapshot | undefined = base
      for (const writer of [
        { a: two, b: file(1) },
        { "a/x": file(4), b: file(1) },
        { a: three, b: file(1) }
      ]) {
        head = (yield* Merge.threeWay({ base, ours: yield* build(pipeline, tree(writer)), theirs: head! })).root
      }
      assert.deepStrictEqual(yield* read(head), {
        [suffixed("a", 2)]: two,
        [suffixed("a", 3)]: three,
        "a/x": file(4),
        b: file(1)
      })
    })
  )

  it.effect("a tree that has a file and a folder of one name is taken as it is", () =>
    check(tree({ z: file(1) }), tree({ a: file(2), "a/x": file(3), z: file(1) }), tree({ z: file(4) }), {
      a: file(2),
      "a/x": file(3),
      z: file(4)
    })
  )
})

describe("conflict names", () => {
  const [two, three] = [file(2, { mtime: 102 }), file(3, { mtime: 101 })]

  it.effect(
    "one that the base or a folder has is lengthened, one that came since with the same content is shared",
    () =>
      Effect.gen(function* () {
        const taken = (extra: Record<string, NodeEntry>) =>
          check(tree(extra), tree({ a: two, ...extra }), tree({ a: three, ...extra }), {
            a: two,
            ...extra,
            [suffixed("a", 3, "", 12)]: three
          })
        yield* taken({ [suffixed("a", 3)]: file(9) })
        yield* taken({ [`${suffixed("a", 3)}/x`]: file(9) })
        const same = { [suffixed("a", 3)]: file(3, { mtime: 105 }) }
        // whoever deletes it, before or after this, deletes that file and not the version that loses its path now
        yield* taken(same)
        yield* check(tree(same), tree({ a: two }), tree({ a: three, ...same }), {
          a: two,
          [suffixed("a", 3, "", 12)]: three
        })
        const conflicts = yield* check(none, tree({ a: two, ...same }), tree({ a: three, ...same }), {
          a: two,
          ...same
        })
        assert.deepStrictEqual(conflicts, [])
      })
  )

  it.effect("a copy that a user typed by hand is one, so that it goes when its content wins the path", () =>
    Effect.gen(function* () {
      // one tree that comes about in two ways: by a conflict of contents 2 and 3, or by 3 and a file that a user made
      const copy = suffixed("a", 2)
      const merged = { a: file(3, { mtime: 104 }), [copy]: file(2, { mtime: 102 }) }
      const conflict = yield* mergeTrees(none, tree({ a: file(2, { mtime: 102 }) }), tree({ a: merged.a }))
      assert.deepStrictEqual(yield* read(conflict.root), merged)
      const typed = yield* mergeTrees(none, tree({ [copy]: merged[copy]! }), tree({ a: merged.a }))
      assert.strictEqual(rootOf(typed.root), rootOf(conflict.root))
      // so both go on alike: the content is at the path, where the conflict of the first way must leave it alone
      yield* check(none, tree(merged), tree({ a: file(2, { mtime: 107 }) }), {
        a: file(2, { mtime: 107 }),
        [suffixed("a", 3)]: merged.a
      })
    })
  )

  it.effect("a file that takes the name of a copy meanwhile has it, in either order", () =>
    Effect.gen(function* () {
      const expected = { a: two, [suffixed("a", 3)]: file(9), [suffixed("a", 3, "", 12)]: three }
      yield* check(none, tree({ a: two, [suffixed("a", 3)]: three }), tree({ [suffixed("a", 3)]: file(9) }), expected)
      yield* check(none, tree({ a: two, [suffixed("a", 3)]: file(9) }), tree({ a: three }), expected)
      yield* check(
        none,
        tree({ a: two, [suffixed("a", 3)]: file(9) }),
        tree({ a: two, [suffixed("a", 3)]: three }),
        expected
      )
    })
  )

  it.effect("of two contents whose ids begin alike the smaller has the shorter name, in any order", () =>
    Effect.gen(function* () {
      const id = (last: number) => Hash.unsafeFromBytes(new Uint8Array(32).fill(0x7f).fill(last, 31))
      const version = (last: number, mtime: number): NodeEntry => {
        const { content, ...rest } = file(9, { mtime })
        return { ...rest, content: { ...content!, hash: id(last + 100), plaintextHash: id(last) } }
      }
      const writers = [two, version(1, 90), version(2, 91), version(3, 89)]
      const roots = new Set<string | undefined>()
      for (const order of [
        [0, 1, 2, 3],
        [3, 2, 1, 0],
        [2, 0, 3, 1],
        [1, 3, 0, 2],
        [0, 3, 2, 1]
      ]) {
        const pipeline = pipelineOver(countingStore())
        const base = yield* build(pipeline, tree({ z: file(1) }))
        let head: Snapshot.Snapshot | undefined = base
        for (const at of order) {
          const ours = yield* build(pipeline, tree({ "a.b": writers[at]!, z: file(1) }))
          head = (yield* Merge.threeWay({ base, ours, theirs: head! })).root
        }
        roots.add(rootOf(head))
        assert.deepStrictEqual(yield* read(head), {
          "a.b": two,
          "a (conflict 7f7f7f7f).b": version(1, 90),
          "a (conflict 7f7f7f7f7f7f).b": version(2, 91),
          "a (conflict 7f7f7f7f7f7f7f7f).b": version(3, 89),
          z: file(1)
        })
      }
      assert.strictEqual(roots.size, 1)
    })
  )

  it.effect("a copy whose content wins the path after all is taken away, unless it was in the base or is newer", () =>
    Effect.gen(function* () {
      const copy = suffixed("a", 2)
      const [early, late, rival] = [file(2, { mtime: 102 }), file(2, { mtime: 107 }), file(3, { mtime: 104 })]
      const merged = tree({ a: rival, [copy]: early })
      yield* check(tree({ a: file(1) }), merged, tree({ a: late }), { a: late, [suffixed("a", 3)]: rival })
      const before = tree({ a: file(1), [copy]: early })
      const expected = { a: late, [copy]: early, [suffixed("a", 3)]: rival }
      yield* check(before, merged, tree({ a: late, [copy]: early }), expected)
      const newer = file(2, { mtime: 200 })
      yield* check(tree({ a: file(1) }), tree({ a: rival, [copy]: newer }), tree({ a: late }), {
        ...expected,
        [copy]: newer
      })
    })
  )

  it.effect("a name of 255 bytes is cut, and merging again finds the copy", () =>
    Effect.gen(function* () {
      const long = `${"é".repeat(125)}.text`
      const copy = `${"é".repeat(115)} (conflict ${hex(3)}).text`
      assert.strictEqual(Buffer.byteLength(copy), 255)
      yield* check(none, tree({ [long]: two }), tree({ [long]: three }), { [long]: two, [copy]: three })
      yield* check(none, tree({ [long]: two, [copy]: three }), tree({ [long]: three }), { [long]: two, [copy]: three })
    })
  )

  it.effect("a path with no room for a copy is a typed error", () =>
    Effect.gen(function* () {
      const deep = `${"d".repeat(65_520)}/a`
      const error = yield* Effect.flip(mergeTrees(none, tree({ [deep]: two }), tree({ [deep]: three })))
      assert.strictEqual(error.reason, "Unsupported")
    })
  )
})

describe("the cost of a merge", () => {
  const changed = (model: Tree, every: number, from: number, value: number) =>
    applied(
      model,
      Array.from({ length: 25 }, (_, index) => [key(from + index * every), entry(value + index)] as const)
    )

  const inStore = Effect.fnUntraced(function* (base: Tree, ours: Tree, theirs: Tree) {
    const store = countingStore()
    const writer = pipelineOver(store)
    const built = yield* Effect.all([build(writer, base), build(writer, ours), build(writer, theirs)])
    store.reset()
    const fresh = pipelineOver(store)
    const [root, mine, other] = built.map((each) => through(each, fresh))
    const result = yield* Merge.threeWay({ base: root, ours: mine!, theirs: other! })
    return { store, result, built }
  })

  it.effect("of two trees of 20,000 that differ in 50 keys only the nodes that differ are read, each once", () =>
    Effect.gen(function* () {
      const base = numbered(20_000)
      const [ours, theirs] = [changed(base, 40, 1_000, 100_000), changed(base, 40, 12_000, 200_000)]
      const { result, store } = yield* inStore(base, ours, theirs)
      const expected = yield* build(pipelineOver(countingStore()), changed(ours, 40, 12_000, 200_000))
      assert.strictEqual(rootOf(result.root), rootOf(expected))
      assert.strictEqual(new Set(store.reads).size, store.reads.length, "a node was read twice")
      assert.isAtMost(store.reads.length, 65)
      assert.isAtMost(store.writes.length, 5)
    })
  )

  it.effect("far apart, each key costs its own leaf in the base and on its side", () =>
    Effect.gen(function* () {
      const base = numbered(20_000)
      const [ours, theirs] = [changed(base, 790, 5, 100_000), changed(base, 790, 400, 200_000)]
      const { result, store } = yield* inStore(base, ours, theirs)
      assert.isAtMost(store.reads.length, 140)
      assert.isAtMost(store.writes.length, 15)
      const found = new Map(yield* collect(result.root!.scan()))
      for (const [name, value] of base) {
        const expected = ours.get(name) === value ? theirs.get(name) : ours.get(name)
        assert.strictEqual(found.get(name)?.content?.size, expected?.content?.size)
      }
    })
  )

  it.effect("what other sources have in the tree is not read", () =>
    Effect.gen(function* () {
      const under = (name: string, model: Tree) =>
        [...model].map(([each, value]) => [`${name}/${each}`, value] as const)
      const base = new Map(under("m", numbered(3000)))
      const ours = applied(base, [[`m/${key(1500)}`, entry(99_999)]])
      const theirs = new Map([
        ...under("a", numbered(20_000)),
        ...base,
        ...under("m-old", numbered(500)),
        ...under("z", numbered(20_000))
      ])
      const { result, store } = yield* inStore(base, ours, theirs)
      const expected = yield* build(pipelineOver(countingStore()), applied(theirs, [[`m/${key(1500)}`, entry(99_999)]]))
      assert.strictEqual(rootOf(result.root), rootOf(expected))
      assert.isAtMost(store.reads.length, 20)
    })
  )

  it.effect("nothing is read where one side did nothing or both did the same", () =>
    Effect.gen(function* () {
      const base = numbered(2000)
      const other = changed(base, 10, 0, 5_000)
      for (const [ours, theirs] of [
        [base, other],
        [other, base],
        [other, other]
      ] as const) {
        const { built, result, store } = yield* inStore(base, ours, theirs)
        assert.deepStrictEqual(store.reads, [])
        assert.deepStrictEqual(store.writes, [])
        assert.strictEqual(rootOf(result.root), rootOf(ours === base ? built[2] : built[1]))
      }
    })
  )
})

describe("trees that cannot be read", () => {
  const built = Effect.fnUntraced(function* (pipeline: Pipeline.Pipeline) {
    const base = yield* build(pipeline, numbered(500))
    const ours = yield* build(pipeline, applied(numbered(500), [[key(3), entry(9_999)]]))
    const theirs = yield* build(pipeline, applied(numbered(500), [[key(400), entry(8_888)]]))
    return { base, ours, theirs }
  })

  it.effect("are errors, whichever of the three it is", () =>
    Effect.gen(function* () {
      for (const which of ["base", "ours", "theirs"] as const) {
        const store = countingStore()
        const trees = yield* built(pipelineOver(store))
        store.blobs.delete(Hash.toHex(trees[which].hash))
        const fresh = pipelineOver(store)
        const error = yield* Effect.flip(
          Merge.threeWay({
            base: through(trees.base, fresh),
            ours: through(trees.ours, fresh),
            theirs: through(trees.theirs, fresh)
          })
        )
        assert.strictEqual(error.reason, "Missing")
      }
    })
  )

  it.effect("a base that is said to be unreadable is not read, and both sides stay whole", () =>
    Effect.gen(function* () {
      const store = countingStore()
      const trees = yield* built(pipelineOver(store))
      store.blobs.delete(Hash.toHex(trees.base.hash))
      const fresh = pipelineOver(store)
      const { conflicts, root } = yield* Merge.threeWay({
        base: "unreadable",
        ours: through(trees.ours, fresh),
        theirs: through(trees.theirs, fresh)
      })
      assert.strictEqual((yield* collect(root!.scan())).length, 502)
      assert.deepStrictEqual(
        conflicts.map(({ path }) => path),
        [key(3), key(400)]
      )
    })
  )

  it.effect("an empty tree on any side is a tree", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const empty = Snapshot.empty(pipeline)
      const full = yield* build(pipeline, numbered(100))
      const rootFrom = (base: Snapshot.Snapshot | undefined, ours: Snapshot.Snapshot, theirs: Snapshot.Snapshot) =>
        Effect.map(Merge.threeWay({ base, ours, theirs }), ({ root }) => rootOf(root))
      assert.strictEqual(yield* rootFrom(undefined, full, empty), rootOf(full))
      assert.strictEqual(yield* rootFrom(undefined, empty, full), rootOf(full))
      assert.strictEqual(yield* rootFrom(empty, full, empty), rootOf(full))
      assert.isUndefined(yield* rootFrom(full, empty, full))
      assert.isUndefined(yield* rootFrom(full, full, empty))
      assert.isUndefined(yield* rootFrom(full, empty, empty))
      assert.isUndefined(yield* rootFrom(undefined, empty, empty))
    })
  )
})
