import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Merge from "../../src/fs5/Merge.ts"
import * as MergeBases from "../../src/fs5/MergeBases.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import type { TreeError } from "../../src/fs5/TreeError.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import type * as Hash from "../../src/schema/Hash.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import { contentIn, contents, file, hex, type Tree } from "./mergeModel.ts"
import { build, collect, countingStore, pipelineOver, primitives, rootOf } from "./trees.ts"

/** A published tree with what it was made from. */
interface Published {
  readonly id: Hash.Hash
  readonly tree: Snapshot.Snapshot
  readonly parents: ReadonlyArray<Published>
}

const pasts = new WeakMap<Published, ReadonlySet<Published>>()

/** The node and everything before it. */
const past = (node: Published): ReadonlySet<Published> => {
  const known = pasts.get(node)
  if (known !== undefined) return known
  const found = new Set([node, ...node.parents.flatMap((parent) => [...past(parent)])])
  pasts.set(node, found)
  return found
}

const newestCommon = (merged: ReadonlyArray<Published>, next: Published): ReadonlyArray<Published> => {
  const mine = new Set(merged.flatMap((node) => [...past(node)]))
  const common = [...past(next)].filter((node) => mine.has(node))
  return common.filter((node) => !common.some((other) => other !== node && past(other).has(node)))
}

const history = {
  idOf: (node: Published) => node.id,
  treeOf: (node: Published) => Effect.succeed(node.tree),
  newestCommon: (merged: ReadonlyArray<Published>, next: Published) => Effect.succeed(newestCommon(merged, next))
}

const mask = 3

const world = () => {
  const pipeline = pipelineOver(countingStore())
  let count = 0
  const publish = (tree: Snapshot.Snapshot, ...parents: ReadonlyArray<Published>): Published => ({
    id: primitives.blake3(Bytes.fromUtf8(`node ${count++}`)),
    tree,
    parents
  })
  const read = (node: Published): Effect.Effect<Map<string, NodeEntry>, TreeError> =>
    Effect.map(collect(node.tree.scan()), (entries) => new Map(entries))
  const write = (model: Tree, ...parents: ReadonlyArray<Published>) =>
    Effect.map(build(pipeline, model, mask), (tree) => publish(tree, ...parents))
  /** What a device at `mine` has after pulling from one at `other`. */
  const pull = Effect.fnUntraced(function* (mine: Published, other: Published) {
    if (past(mine).has(other)) return mine
    if (past(other).has(mine)) return other
    const base = yield* MergeBases.mergeBases(history, newestCommon([mine], other))
    const { root } = yield* Merge.threeWay({ base, ours: mine.tree, theirs: other.tree }, { mask })
    return publish(root ?? Snapshot.empty(pipeline), mine, other)
  })
  return { publish, read, write, pull }
}

const tree = (entries: Record<string, NodeEntry>): Tree => new Map(Object.entries(entries))

describe("histories that cross", () => {
  const names = ["a", "a/x", "a.txt", "b/c", "d"]
  const anyStep = FastCheck.oneof(
    {
      weight: 4,
      arbitrary: FastCheck.tuple(FastCheck.constant("put"), FastCheck.nat(2), FastCheck.nat(4), FastCheck.nat(9))
    },
    {
      weight: 2,
      arbitrary: FastCheck.tuple(FastCheck.constant("touch"), FastCheck.nat(2), FastCheck.nat(4), FastCheck.nat(9))
    },
    {
      weight: 1,
      arbitrary: FastCheck.tuple(FastCheck.constant("remove"), FastCheck.nat(2), FastCheck.nat(30), FastCheck.nat(9))
    },
    {
      weight: 3,
      arbitrary: FastCheck.tuple(FastCheck.constant("pull"), FastCheck.nat(2), FastCheck.nat(2), FastCheck.nat(9))
    },
    {
      weight: 2,
      arbitrary: FastCheck.tuple(FastCheck.constant("cross"), FastCheck.nat(2), FastCheck.nat(2), FastCheck.nat(9))
    }
  )

  it.effect("devices that pull from each other end with equal trees, and no version is lost that nobody replaced", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(FastCheck.array(anyStep, { maxLength: 25 }), (steps) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const { pull, read, write } = world()
              const first = yield* write(tree({ d: file(1), z: file(2) }))
              const devices = [first, first, first]
              const published = new Set(contents(yield* read(first)))
              let content = 10
              for (const [kind, at, what, extra] of steps) {
                const device = devices[at]!
                if (kind === "pull") {
                  devices[at] = yield* pull(device, devices[what]!)
                  continue
                }
                if (kind === "cross") {
                  const other = devices[what]!
                  devices[at] = yield* pull(device, other)
                  devices[what] = yield* pull(other, device)
                  assert.strictEqual(rootOf(devices[at].tree), rootOf(devices[what].tree), "both pulled at once")
                  continue
                }
                const model = yield* read(device)
                const drop = (key: string) => {
                  const was = model.get(key)
                  if (was !== undefined) published.delete(contentIn(was))
                  model.delete(key)
                }
                const existing = [...model.keys()]
                const key = kind === "put" ? names[what]! : existing[what % Math.max(existing.length, 1)]
                if (key === undefined) continue
                const was = model.get(key)
                if (kind === "touch" && was !== undefined) {
                  model.set(key, { ...was, semantic: { ...was.semantic, timestamp: 100 + extra } })
                } else {
                  drop(key)
                  if (kind === "put") {
                    drop(key.split("/")[0]!)
                    for (const each of existing) if (each.startsWith(`${key}/`)) drop(each)
                    const added = file(content++, { mtime: 100 + extra })
                    model.set(key, added)
                    published.add(contentIn(added))
                  }
                }
                devices[at] = yield* write(model, device)
              }
              // everyone learns of everything
              devices[0] = yield* pull(devices[0]!, devices[1]!)
              devices[0] = yield* pull(devices[0], devices[2]!)
              devices[1] = yield* pull(devices[1]!, devices[0])
              devices[2] = yield* pull(devices[2]!, devices[1])
              assert.strictEqual(rootOf(devices[1].tree), rootOf(devices[0].tree))
              assert.strictEqual(rootOf(devices[2].tree), rootOf(devices[0].tree))
              const reachable = contents(yield* read(devices[0]))
              for (const each of published) assert.isTrue(reachable.has(each), "a version is lost")
            })
          )
        ),
        { numRuns: 50 }
      )
    )
  )

  it.effect("an edit after an edit that the other side merged meanwhile is one change, not a conflict", () =>
    Effect.gen(function* () {
      const { pull, read, write } = world()
      const first = yield* write(tree({ a: file(1) }))
      const one = yield* write(tree({ a: file(2, { mtime: 101 }) }), first)
      const other = yield* write(tree({ a: file(1), b: file(5) }), first)
      const pulled = yield* pull(other, one)
      const two = yield* write(tree({ a: file(3, { mtime: 90 }) }), one)
      assert.deepStrictEqual(
        yield* read(yield* pull(pulled, two)),
        new Map([
          ["a", file(3, { mtime: 90 })],
          ["b", file(5)]
        ])
      )
    })
  )

  it.effect("a file deleted after the other side took it stays deleted on both", () =>
    Effect.gen(function* () {
      const { pull, read, write } = world()
      const first = yield* write(tree({ a: file(1) }))
      const added = yield* write(tree({ a: file(1), b: file(2) }), first)
      const other = yield* pull(yield* write(tree({ a: file(1), c: file(3) }), first), added)
      assert.isTrue((yield* read(other)).has("b"))
      const removed = yield* write(tree({ a: file(1) }), added)
      const result = yield* pull(other, removed)
      assert.deepStrictEqual([...(yield* read(result)).keys()], ["a", "c"])
      assert.deepStrictEqual([...(yield* read(yield* pull(removed, result))).keys()], ["a", "c"])
    })
  )

  it.effect("after both merged the same conflict, a copy that one side deletes stays deleted", () =>
    Effect.gen(function* () {
      const { pull, read, write } = world()
      const first = yield* write(tree({ a: file(1) }))
      const left = yield* write(tree({ a: file(2, { mtime: 102 }) }), first)
      const right = yield* write(tree({ a: file(3, { mtime: 101 }) }), first)
      const mine = yield* pull(left, right)
      const other = yield* pull(right, left)
      const copy = `a (conflict ${hex(3)})`
      assert.deepStrictEqual([...(yield* read(mine)).keys()], ["a", copy])
      const tidied = yield* write(tree({ a: file(2, { mtime: 102 }) }), mine)
      const edited = yield* write(new Map([...(yield* read(other)), ["b", file(4)]]), other)
      assert.deepStrictEqual(newestCommon([tidied], edited).length, 2)
      assert.deepStrictEqual([...(yield* read(yield* pull(tidied, edited))).keys()], ["a", "b"])
      assert.deepStrictEqual([...(yield* read(yield* pull(edited, tidied))).keys()], ["a", "b"])
    })
  )
})

describe("mergeBases", () => {
  it.effect("gives nothing for no common node and the only one's tree as it is", () =>
    Effect.gen(function* () {
      const { write } = world()
      const only = yield* write(tree({ a: file(1) }))
      assert.isUndefined(yield* MergeBases.mergeBases(history, []))
      assert.strictEqual(rootOf(yield* MergeBases.mergeBases(history, [only, only])), rootOf(only.tree))
    })
  )

  it.effect("gives one tree whatever the order of the nodes, also for unrelated ones", () =>
    Effect.gen(function* () {
      const { write } = world()
      const first = yield* write(tree({ a: file(1), b: file(1) }))
      const nodes = [
        yield* write(tree({ a: file(2), b: file(1) }), first),
        yield* write(tree({ a: file(3) }), first),
        yield* write(tree({ a: file(4), c: file(9) }))
      ]
      const forward = yield* MergeBases.mergeBases(history, nodes)
      assert.strictEqual(rootOf(yield* MergeBases.mergeBases(history, nodes.toReversed())), rootOf(forward))
      const keys = (yield* collect(forward!.scan())).map(([key]) => key)
      assert.strictEqual(keys.filter((key) => key.startsWith("a")).length, 3)
      assert.isTrue(keys.includes("c"))
    })
  )

  it.effect("common nodes that are all empty by now still delete", () =>
    Effect.gen(function* () {
      const { read, pull, write } = world()
      const first = yield* write(tree({ a: file(1), b: file(2) }))
      const left = yield* write(tree({ a: file(1) }), first)
      const right = yield* write(tree({ b: file(2) }), first)
      const base = yield* MergeBases.mergeBases(history, [left, right])
      assert.isTrue(base?.isEmpty)
      assert.strictEqual((yield* read(yield* pull(left, right))).size, 0)
    })
  )

  it.effect("a ladder of crossings is walked in steps, not in paths", () =>
    Effect.gen(function* () {
      const { pull, publish, write } = world()
      const first = yield* write(tree({ a: file(1) }))
      let [left, right] = [
        yield* write(tree({ a: file(1), l: file(2) }), first),
        yield* write(tree({ a: file(1), r: file(3) }), first)
      ]
      for (let index = 0; index < 40; index++) {
        ;[left, right] = [publish(left.tree, left, right), publish(right.tree, right, left)]
      }
      let steps = 0
      const counted = {
        ...history,
        newestCommon: (merged: ReadonlyArray<Published>, next: Published) => {
          steps++
          return history.newestCommon(merged, next)
        }
      }
      yield* MergeBases.mergeBases(counted, [left, right])
      assert.isAtMost(steps, 41)
      assert.isDefined(yield* pull(left, right))
    })
  )
})
