import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Merge from "../../src/fs5/Merge.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import type { TreeError } from "../../src/fs5/TreeError.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import { contentIn, contents, encoded, file, folder, hex, merged, type Tree } from "./mergeModel.ts"
import { build, collect, countingStore, pipelineOver, rootOf } from "./trees.ts"

const mask = 3

/** Keys so close together that files, folders and what sorts between them meet. */
const names = ["a", "a-b", "a.txt", "b", "c.tar.gz", "a/x", "a/x/y", "a/z.md", "d/q"]
const folders = ["a/", "a/x/", "d/"]

/** A name that a conflict copy of content 1 at `a` would take, given by hand to other content. */
const takenName = `a (conflict ${hex(1)})`

const filler: Tree = new Map(
  Array.from(
    { length: 60 },
    (_, index) => [`${"acz"[index % 3]}${index % 3 === 0 ? "." : "/"}${index}`, file(1000 + index)] as const
  )
)

/** A tree that a file system could hold: what stands in the way of `key` is gone. */
const put = (tree: Tree, key: string, entry: NodeEntry | undefined): Map<string, NodeEntry> => {
  const out = new Map(tree)
  if (entry === undefined) {
    out.delete(key)
    return out
  }
  const parts = key.split("/")
  for (let length = 1; length < parts.length; length++) out.delete(parts.slice(0, length).join("/"))
  if (!key.endsWith("/")) for (const each of tree.keys()) if (each.startsWith(`${key}/`)) out.delete(each)
  return out.set(key, entry)
}

const anyFile = FastCheck.record({
  content: FastCheck.integer({ min: 1, max: 4 }),
  mtime: FastCheck.integer({ min: 98, max: 103 }),
  mode: FastCheck.constantFrom(0o644, 0o600),
  ctime: FastCheck.integer({ min: 1, max: 3 }),
  encoding: FastCheck.nat(1)
}).map(({ content, ...rest }) => file(content, rest))

const anyFolder = FastCheck.tuple(FastCheck.integer({ min: 98, max: 102 }), FastCheck.constantFrom(0o755, 0o700)).map(
  ([mtime, mode]) => folder(mtime, mode)
)

/** A change of one key; metadata of what is there changes about as often as content. */
const anyChange: FastCheck.Arbitrary<(tree: Tree) => Map<string, NodeEntry>> = FastCheck.oneof(
  {
    weight: 5,
    arbitrary: FastCheck.tuple(FastCheck.constantFrom(...names), anyFile).map(
      ([key, entry]) =>
        (tree: Tree) =>
          put(tree, key, entry)
    )
  },
  {
    weight: 3,
    arbitrary: FastCheck.tuple(FastCheck.constantFrom(...names), anyFile).map(([key, entry]) => (tree: Tree) => {
      const was = tree.get(key)
      const { content } = was ?? entry
      return put(tree, key, content === undefined ? entry : { ...entry, content })
    })
  },
  {
    weight: 2,
    arbitrary: FastCheck.tuple(FastCheck.constantFrom(...folders), anyFolder).map(
      ([key, entry]) =>
        (tree: Tree) =>
          put(tree, key, entry)
    )
  },
  {
    weight: 3,
    arbitrary: FastCheck.constantFrom(...names, ...folders).map((key) => (tree: Tree) => put(tree, key, undefined))
  },
  {
    weight: 1,
    arbitrary: FastCheck.tuple(
      FastCheck.constantFrom(takenName, `${takenName}/q`),
      FastCheck.integer({ min: 7, max: 9 }),
      FastCheck.integer({ min: 98, max: 103 })
    ).map(
      ([key, content, mtime]) =>
        (tree: Tree) =>
          put(tree, key, file(content, { mtime }))
    )
  },
  {
    weight: 1,
    arbitrary: FastCheck.constantFrom(takenName, `${takenName}/q`).map(
      (key) => (tree: Tree) => put(tree, key, undefined)
    )
  }
)

const anyBase = FastCheck.tuple(
  FastCheck.array(
    FastCheck.oneof(
      FastCheck.tuple(FastCheck.constantFrom(...names), anyFile),
      FastCheck.tuple(FastCheck.constantFrom(...folders), anyFolder)
    ),
    { maxLength: 8 }
  ),
  FastCheck.boolean(),
  // the name is taken from the beginning, by a folder or a file
  FastCheck.option(FastCheck.tuple(FastCheck.constantFrom(takenName, `${takenName}/q`), FastCheck.constantFrom(7, 8)), {
    nil: undefined
  })
).map(([entries, isFull, taken]) => {
  let tree: Tree = new Map()
  if (taken !== undefined) tree = put(tree, taken[0], file(taken[1]))
  for (const [key, entry] of entries) tree = put(tree, key, entry)
  if (isFull) for (const [key, entry] of filler) tree = put(tree, key, entry)
  return tree
})

const edited = (base: Tree, changes: ReadonlyArray<(tree: Tree) => Tree>): Tree =>
  changes.reduce((tree, change) => change(tree), base)

const anyEdits = FastCheck.array(anyChange, { minLength: 0, maxLength: 7 })

const workbench = () => {
  const pipeline = pipelineOver(countingStore())
  const tree = (model: Tree) => build(pipeline, model, mask)
  const threeWay = (base: Snapshot.Snapshot | undefined, ours: Snapshot.Snapshot, theirs: Snapshot.Snapshot) =>
    Effect.map(Merge.threeWay({ base, ours, theirs }, { mask }), ({ conflicts, root }) => ({
      conflicts,
      root: root ?? Snapshot.empty(pipeline)
    }))
  const read = (snapshot: Snapshot.Snapshot) => Effect.map(collect(snapshot.scan()), (entries) => new Map(entries))
  return { pipeline, tree, threeWay, read }
}

const show = (tree: Tree) =>
  [...tree]
    .map(([key, entry]) => `${key} content ${contentIn(entry).slice(0, 8)} encoded ${encoded(entry).toString("hex")}`)
    .sort()

/** One root for one tree: how it came about leaves no trace. */
const expectTree = Effect.fnUntraced(function* (
  bench: ReturnType<typeof workbench>,
  found: Snapshot.Snapshot,
  model: Tree
) {
  const expected = yield* bench.tree(model)
  if (rootOf(found) !== rootOf(expected)) {
    assert.deepStrictEqual(show(yield* bench.read(found)), show(model))
    assert.fail("the same entries in another tree")
  }
})

const holds = <A extends [unknown, ...Array<unknown>]>(
  runs: number,
  arbitraries: { [K in keyof A]: FastCheck.Arbitrary<A[K]> },
  check: (...values: A) => Effect.Effect<void, TreeError>
) =>
  Effect.promise(() =>
    FastCheck.assert(
      FastCheck.asyncProperty(FastCheck.tuple(...arbitraries), (values) => Effect.runPromise(check(...(values as A)))),
      { numRuns: runs }
    )
  )

const permutations = (of: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  of.length === 0
    ? [[]]
    : of.flatMap((first) => permutations(of.filter((each) => each !== first)).map((rest) => [first, ...rest]))

/** So many of them, spread evenly from the first to the last. */
const sample = <A>(of: ReadonlyArray<A>, count: number): ReadonlyArray<A> =>
  of.filter((_, index) => Math.floor((index * count) / of.length) !== Math.floor(((index - 1) * count) / of.length))

/** Everything that a writer published and nobody knowingly replaced or deleted is still there. */
const nothingLost = (base: Tree, writers: ReadonlyArray<Tree>, result: Tree) => {
  const reachable = contents(result)
  for (const [index, writer] of writers.entries()) {
    for (const [key, entry] of writer) {
      if (entry.content === undefined || reachable.has(contentIn(entry))) continue
      const was = base.get(key)
      assert.strictEqual(was && contentIn(was), contentIn(entry), `${key} of writer ${index} is lost`)
      const isReplaced = writers.some((other) => {
        const now = other.get(key)
        return now === undefined || contentIn(now) !== contentIn(entry)
      })
      assert.isTrue(isReplaced, `${key} is gone although nobody changed it`)
    }
  }
}

describe("merging two sides", () => {
  it.effect("gives what the model gives, loses nothing, and the sides may be swapped", () =>
    holds(120, [anyBase, anyEdits, anyEdits], (base, mine, other) =>
      Effect.gen(function* () {
        const bench = workbench()
        const [a, b] = [edited(base, mine), edited(base, other)]
        const [root, ours, theirs] = yield* Effect.all([bench.tree(base), bench.tree(a), bench.tree(b)])
        const one = yield* bench.threeWay(root, ours, theirs)
        const two = yield* bench.threeWay(root, theirs, ours)
        yield* expectTree(bench, one.root, merged(base, [a, b]))
        assert.strictEqual(rootOf(two.root), rootOf(one.root))
        assert.deepStrictEqual(
          two.conflicts.map(({ copy, path, reason }) => ({ copy, path, reason })),
          one.conflicts.map(({ copy, path, reason }) => ({ copy, path, reason }))
        )
        const found = yield* bench.read(one.root)
        nothingLost(base, [a, b], found)
        for (const { copy, side } of one.conflicts) {
          assert.isTrue(contents(side === "ours" ? a : b).has(contentIn(found.get(copy)!)))
        }
      })
    )
  )

  it.effect("again gives the same tree and no new conflict, with either side and with either as the base", () =>
    holds(60, [anyBase, anyEdits, anyEdits], (base, mine, other) =>
      Effect.gen(function* () {
        const bench = workbench()
        const trees = [bench.tree(base), bench.tree(edited(base, mine)), bench.tree(edited(base, other))] as const
        const [root, ours, theirs] = yield* Effect.all(trees)
        const { root: result } = yield* bench.threeWay(root, ours, theirs)
        for (const [before, a, b] of [
          [root, result, ours],
          [root, theirs, result],
          [root, result, result],
          [ours, result, ours],
          [theirs, theirs, result],
          [undefined, result, result]
        ] as const) {
          const again = yield* bench.threeWay(before, a, b)
          assert.strictEqual(rootOf(again.root), rootOf(result))
          assert.deepStrictEqual(again.conflicts, [])
        }
        assert.strictEqual(rootOf((yield* bench.threeWay(root, ours, ours)).root), rootOf(ours))
        assert.strictEqual(rootOf((yield* bench.threeWay(root, root, theirs)).root), rootOf(theirs))
        assert.strictEqual(rootOf((yield* bench.threeWay(root, ours, root)).root), rootOf(ours))
      })
    )
  )

  it.effect("without a readable base deletes nothing and loses no content", () =>
    holds(50, [anyBase, anyEdits, anyEdits], (base, mine, other) =>
      Effect.gen(function* () {
        const bench = workbench()
        const [a, b] = [edited(base, mine), edited(base, other)]
        const [ours, theirs] = yield* Effect.all([bench.tree(a), bench.tree(b)])
        const blind = yield* Merge.threeWay({ base: "unreadable", ours, theirs }, { mask })
        const result = blind.root ?? Snapshot.empty(bench.pipeline)
        yield* expectTree(bench, result, merged(new Map(), [a, b]))
        const reachable = contents(yield* bench.read(result))
        for (const content of [...contents(a), ...contents(b)]) assert.isTrue(reachable.has(content))
        assert.strictEqual(rootOf((yield* bench.threeWay(undefined, theirs, ours)).root), rootOf(result))
      })
    )
  )
})

describe("writers with one change each from one base", () => {
  it.effect("give the tree of the model in any order of publishing", () =>
    holds(
      80,
      [
        anyBase,
        FastCheck.array(anyChange, { minLength: 2, maxLength: 6 }),
        FastCheck.array(FastCheck.nat(), { minLength: 6, maxLength: 6 })
      ],
      (base, changes, ranks) =>
        Effect.gen(function* () {
          const bench = workbench()
          const writers = changes.map((change) => change(base))
          const root = yield* bench.tree(base)
          const shuffled = [...writers.keys()].sort((a, b) => ranks[a]! - ranks[b]!)
          const expected = merged(base, writers)
          for (const order of [shuffled, shuffled.toReversed()]) {
            let head = root
            for (const index of order) {
              head = (yield* bench.threeWay(root, yield* bench.tree(writers[index]!), head)).root
            }
            yield* expectTree(bench, head, expected)
          }
          nothingLost(base, writers, expected)
        })
    )
  )

  /** Writers that all have to do with `a` and with the name that a copy of content 1 at `a` would take. */
  const aboutOneName = FastCheck.oneof(
    FastCheck.tuple(FastCheck.constantFrom(1, 2, 3), FastCheck.integer({ min: 98, max: 103 })).map(
      ([content, mtime]) =>
        (tree: Tree) =>
          put(tree, "a", file(content, { mtime }))
    ),
    FastCheck.constantFrom("a", takenName, `${takenName}/q`).map((key) => (tree: Tree) => put(tree, key, undefined)),
    FastCheck.tuple(FastCheck.constantFrom(takenName, `${takenName}/q`), FastCheck.constantFrom(7, 8)).map(
      ([key, content]) =>
        (tree: Tree) =>
          put(tree, key, file(content))
    )
  )

  it.effect("give it too where somebody deletes, edits or makes what has the name that a conflict copy wants", () =>
    holds(
      25,
      [
        FastCheck.constantFrom(undefined, 1, 4),
        // an earlier copy of that very content, a file of a user, a folder
        FastCheck.constantFrom([takenName, 1] as const, [takenName, 7] as const, [`${takenName}/q`, 7] as const),
        FastCheck.array(aboutOneName, { minLength: 1, maxLength: 3 }),
        FastCheck.integer({ min: 98, max: 103 })
      ],
      (content, [name, taken], more, mtime) =>
        Effect.gen(function* () {
          const bench = workbench()
          const base: Tree = new Map([
            ...(content === undefined ? [] : [["a", file(content)] as const]),
            [name, file(taken)],
            ["z", file(9)]
          ])
          // content 1 loses the path to content 2, more often than not
          const rivals = [put(base, "a", file(1, { mtime })), put(base, "a", file(2, { mtime: 102 }))]
          const writers = [...more.map((change) => change(base)), ...rivals]
          const root = yield* bench.tree(base)
          const expected = merged(base, writers)
          for (const order of sample(permutations([...writers.keys()]), 6)) {
            let head = root
            for (const index of order) {
              head = (yield* bench.threeWay(root, yield* bench.tree(writers[index]!), head)).root
            }
            yield* expectTree(bench, head, expected)
          }
          nothingLost(base, writers, expected)
        })
    )
  )
})
