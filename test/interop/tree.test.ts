import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as MapLayer from "../../src/fs5/MapLayer.ts"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import type { Pipeline } from "../../src/fs5/Pipeline.ts"
import type { KeyedEntry, ReadableLayer } from "../../src/fs5/ReadableLayer.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import * as TreeEdit from "../../src/fs5/TreeEdit.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Node from "../../src/schema/Node.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import {
  applied,
  build,
  type CountingStore,
  collect,
  countingStore,
  pipelineOver,
  primitives,
  rootOf,
  through
} from "../fs5/trees.ts"
import { right } from "../support/either.ts"
import * as nodeJson from "./nodeJson.ts"
import {
  hex,
  isAbsent,
  type Json,
  type JsonObject,
  list,
  load,
  number,
  object,
  objects,
  text,
  toHex,
  untested
} from "./vectors.ts"

const vectors = load("tree.json")
const older = load("fs5-vectors.json")

type Model = Map<string, Node.NodeEntry>

const digits = (value: number, length: number) => String(value).padStart(length, "0")

const key = (index: number) => `dir${digits(index % 100, 3)}/file${digits(index, 6)}.txt`

const entry = (index: number, version = 0): Node.NodeEntry => ({
  content: {
    structural: "leaf",
    hash: primitives.blake3(Bytes.fromUtf8(`content:${index}:${version}`)),
    size: BigInt(index * 7 + version)
  },
  semantic: { timestamp: 1700000000 + index + version, timestampSubsecNanos: 0, unix: { fileType: "regular" } }
})

const tombstone: Node.NodeEntry = { tombstone: {} }

const range = (length: number, from = 0) => Array.from({ length }, (_, index) => from + index)

const modelOf = (indices: ReadonlyArray<number>): Model => new Map(indices.map((index) => [key(index), entry(index)]))

const contexts = new Map(objects(vectors.contexts).map((each) => [text(each.name), nodeJson.context(each.context)]))

const contextNamed = (name: Json | undefined): TraversalContext.TraversalContext => {
  if (name === undefined) return TraversalContext.plain
  const found = contexts.get(text(name))
  if (found === undefined) throw new Error(`no context named ${text(name)}`)
  return found
}

const u32 = (name: string) => {
  const hash = primitives.blake3(Bytes.fromUtf8(name))
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0, true)
}

/** The layer without what makes it a tree, so that everything is read and built anew. */
const opaque = ({ chunkMask, get, getRaw, scan }: ReadableLayer): ReadableLayer => ({ chunkMask, get, getRaw, scan })

/** All nodes of the tree by level, leaves first, in key order. */
const levelsOf = Effect.fnUntraced(function* (tree: Snapshot.Snapshot) {
  const levels: Array<ReadonlyArray<{ readonly hash: string; readonly node: Node.Node }>> = []
  if (tree.isEmpty) return levels
  let links: ReadonlyArray<Pick<Node.ContentRef, "hash" | "plaintextHash">> = [
    { hash: tree.hash, ...(tree.plaintextHash !== undefined && { plaintextHash: tree.plaintextHash }) }
  ]
  while (links.length > 0) {
    const nodes = yield* Effect.forEach(links, (link) => tree.pipeline.readNode(link))
    levels.unshift(nodes.map((node, index) => ({ hash: toHex(links[index]!.hash), node })))
    links = nodes.flatMap((node) =>
      node.header.level === 0 ? [] : node.entries.map(([, { content }]) => content).filter((link) => link !== undefined)
    )
  }
  return levels
})

/** Compares the tree with `{ root, root_plaintext_hash, depth }`, where null stands for no tree. */
const compareRoot = Effect.fnUntraced(function* (tree: Snapshot.Snapshot | undefined, expected: Json | undefined) {
  if (expected === null) return assert.isUndefined(rootOf(tree))
  const result = object(expected, "result")
  assert.strictEqual(rootOf(tree), text(result.root))
  assert.isDefined(tree?.plaintextHash)
  assert.strictEqual(toHex(tree!.plaintextHash!), text(result.root_plaintext_hash))
  const levels = yield* levelsOf(tree!)
  assert.strictEqual(levels.length - 1, number(result.depth))
})

const compareCounts = Effect.fnUntraced(function* (tree: Snapshot.Snapshot | undefined, value: JsonObject) {
  const counts = (tree === undefined ? [] : yield* levelsOf(tree)).map((level) => level.length)
  if (!isAbsent(value.leaf_nodes)) assert.strictEqual(counts[0], number(value.leaf_nodes))
  if (!isAbsent(value.internal_nodes)) {
    const internal = counts.slice(1).reduce((sum, count) => sum + count, 0)
    assert.strictEqual(internal, number(value.internal_nodes))
  }
})

const compareLevels = Effect.fnUntraced(function* (
  tree: Snapshot.Snapshot,
  store: CountingStore,
  expected: Json | undefined
) {
  if (isAbsent(expected)) return
  const levels = yield* levelsOf(tree)
  const actual = levels.map((nodes, level) => ({
    level,
    nodes: nodes.length,
    entries: nodes.reduce((sum, { node }) => sum + node.entries.length, 0),
    stored_bytes: nodes.reduce((sum, { hash }) => sum + (store.blobs.get(hash)?.length ?? 0), 0),
    node_hashes_blake3: toHex(primitives.blake3(Bytes.concat(...nodes.map(({ hash }) => hex(hash))))),
    cbor_concatenation_blake3: toHex(primitives.blake3(Bytes.concat(...nodes.map(({ node }) => Node.encode(node))))),
    entries_per_node: nodes.map(({ node }) => node.entries.length),
    first_keys: nodes.map(({ node }) => node.entries[0]?.[0]),
    node_hashes: nodes.map(({ hash }) => hash)
  }))
  const wanted = objects(expected, "levels")
  assert.strictEqual(actual.length, wanted.length)
  for (const [at, level] of wanted.entries()) {
    const ours = new Map<string, unknown>(Object.entries(actual[at]!))
    for (const [field, value] of Object.entries(level))
      if (value !== null) assert.deepStrictEqual(ours.get(field), value, `${at}.${field}`)
  }
})

const buildInto = Effect.fnUntraced(function* (model: Model, context: Json | undefined) {
  const store = countingStore()
  const cache = NodeCache.make({ capacity: 64 * 1024 * 1024 })
  const tree = yield* build(pipelineOver(store, contextNamed(context), cache), model)
  return { cache, store, tree }
})

describe("tree.json", () => {
  it("no list goes unchecked", () => {
    const tested = ["contexts", "entry_examples", "boundaries", "boundary_indices", "builds", "adversarial"]
    assert.deepStrictEqual(untested(vectors, [...tested, "key_shapes", "edits", "merges"]), [])
  })

  it.each(objects(vectors.entry_examples).map((each) => [`${each.index} version ${each.version}`, each] as const))(
    "entry %s is understood",
    (_, value) => {
      assert.strictEqual(key(number(value.index)), text(value.key))
      assert.deepStrictEqual(entry(number(value.index), number(value.version)), nodeJson.entry(value.entry))
    }
  )

  it.each(objects(vectors.boundaries).map((each) => [JSON.stringify(each.key).slice(0, 60), each] as const))(
    "boundary of %s",
    (_, value) => {
      assert.strictEqual(u32(text(value.key)), number(value.value))
      const masks = Object.keys(value).flatMap((field) => /^boundary_(\d+)$/.exec(field)?.[1] ?? [])
      assert.isNotEmpty(masks)
      for (const expected of masks) {
        const mask = Number(expected) - 1
        assert.strictEqual(
          TreeBuilder.isBoundary(primitives, text(value.key), mask),
          value[`boundary_${expected}`],
          `mask ${mask}`
        )
      }
    }
  )

  it("the first cut points", () => {
    const expected = list(vectors.boundary_indices).map((index) => number(index))
    const found: Array<number> = []
    for (let index = 0; found.length < expected.length; index++) {
      if (TreeBuilder.isBoundary(primitives, key(index), 63)) found.push(index)
    }
    assert.deepStrictEqual(found, expected)
  })

  it.effect.each(
    objects(vectors.builds).map((each) => [`${number(each.count)} entries, ${text(each.context)}`, each] as const)
  )("build: %s", ([, value]) =>
    Effect.gen(function* () {
      const { store, tree } = yield* buildInto(modelOf(range(number(value.count))), value.context)
      yield* compareRoot(tree, value.result)
      yield* compareCounts(tree, value)
      yield* compareLevels(tree, store, value.levels)
    })
  )

  const adversarial = (name: string): Model => {
    const found = /^the first (\d+) indices whose key is (a|not a) boundary$/.exec(name)
    if (found === null) throw new Error(`no rule for ${name}`)
    const indices: Array<number> = []
    for (let index = 0; indices.length < Number(found[1]); index++) {
      if (((u32(key(index)) & 63) === 0) === (found[2] === "a")) indices.push(index)
    }
    return modelOf(indices)
  }

  it.effect.each(objects(vectors.adversarial).map((each) => [text(each.name), each] as const))("%s", ([name, value]) =>
    Effect.gen(function* () {
      const { store, tree } = yield* buildInto(adversarial(name), value.context)
      yield* compareRoot(tree, value.result)
      yield* compareLevels(tree, store, value.levels)
    })
  )

  /** The number that `pattern` finds in the description of a shape or an edit. */
  const stated = (name: string, pattern: RegExp, otherwise: number): number =>
    Number(pattern.exec(name)?.[1] ?? otherwise)

  const shape = (name: string): Model => {
    const directory = {
      semantic: { timestamp: 1700000000, timestampSubsecNanos: 0, unix: { fileType: "directory" } }
    } as const
    const stems = (/^unicode: key = \[(.*?)\]\[i mod/.exec(name)?.[1] ?? "")
      .split(", ")
      .map((stem) => (/^U\+[0-9A-F]+$/.test(stem) ? String.fromCodePoint(Number.parseInt(stem.slice(2), 16)) : stem))
    const depth = stated(name, /\(i mod (\d+)\) times/, 40)
    const perFolder = stated(name, /i mod (\d+) = 0/, 10)
    const rules: Record<string, (index: number) => KeyedEntry> = {
      deep: (index) => [`${"d/".repeat(index % depth)}f${index}`, entry(index)],
      unicode: (index) => [`${stems[index % stems.length]}-${index}`, entry(index)],
      directories: (index) => {
        const folder = `dir${digits(Math.floor(index / perFolder), 3)}/`
        return index % perFolder === 0 ? [folder, directory] : [`${folder}f${digits(index, 3)}`, entry(index)]
      }
    }
    const rule = rules[name.slice(0, name.indexOf(":"))]
    if (rule === undefined) throw new Error(`no rule for ${name}`)
    return new Map(range(1 + stated(name, /i = 0\.\.(\d+)/, 299)).map(rule))
  }

  it.effect.each(
    objects(vectors.key_shapes).map((each) => [`${text(each.name)}, ${text(each.context)}`, each] as const)
  )("key shape %s", ([name, value]) =>
    Effect.gen(function* () {
      const { store, tree } = yield* buildInto(shape(name), value.context)
      yield* compareRoot(tree, value.result)
      yield* compareLevels(tree, store, value.levels)
    })
  )

  const changesOf = (name: string, count: number): Model => {
    const n = count
    /** An index as the descriptions write them: 5, n, n-1, n+49. */
    const at = (word: string | undefined): number => {
      const found = /^(?:(n)(?:([+-])(\d+))?|(\d+))$/.exec(word ?? "")
      if (found === null) throw new Error(`no index ${word} in the edit ${name}`)
      if (found[1] === undefined) return Number(found[4])
      return n + (found[2] === "-" ? -1 : 1) * Number(found[3] ?? 0)
    }
    const word = (pattern: RegExp) => pattern.exec(name)
    if (/^no change/.test(name)) return new Map()
    if (/^delete everything/.test(name)) return new Map(range(n).map((index) => [key(index), tombstone]))
    const missing = word(/^delete a key that is not there \('(.*)'\)/)
    if (missing !== null) return new Map([[missing[1] ?? "", tombstone]])
    const own = word(/^insert key '(.*?)'/)
    if (own !== null) return new Map([[own[1] ?? "", entry(n)]])
    const many = word(
      /^overwrite \(version (\d+)\) every i mod (\d+) = (\d+), insert ([n\d+-]+)\.\.([n\d+-]+), delete every i mod (\d+) = (\d+)/
    )
    if (many !== null) {
      const [, version, every, first, from, to, gone, rest] = many
      const changes: Model = new Map()
      for (let index = at(first); index < n; index += at(every)) changes.set(key(index), entry(index, at(version)))
      for (const index of range(at(to) + 1 - at(from), at(from))) changes.set(key(index), entry(index))
      for (let index = at(rest); index < n; index += at(gone)) changes.set(key(index), tombstone)
      return changes
    }
    const one = word(
      /^(insert|delete|rewrite|overwrite)(?: the same)? (?:index|entry) ([n\d+-]+)(?: \(version (\d+)\))?$/
    )
    if (one === null) throw new Error(`no rule for the edit ${name}`)
    const index = at(one[2])
    return new Map([[key(index), one[1] === "delete" ? tombstone : entry(index, at(one[3] ?? "0"))]])
  }

  const bases = new Map<string, Effect.Effect.Success<ReturnType<typeof buildInto>>>()

  /** A store of its own that holds the build of `count`. */
  const baseOf = Effect.fnUntraced(function* (count: number, context: Json | undefined) {
    const name = `${count} ${JSON.stringify(context)}`
    const built = bases.get(name) ?? (yield* buildInto(modelOf(range(count)), context))
    bases.set(name, built)
    const store = countingStore()
    for (const [hash, bytes] of built.store.blobs) store.blobs.set(hash, bytes)
    return { store, tree: through(built.tree, pipelineOver(store, contextNamed(context), built.cache)) }
  })

  it.effect.each(
    objects(vectors.edits).map((each) => [`${each.count} entries, ${each.context}: ${each.edit}`, each] as const)
  )("edit of %s", ([, value]) =>
    Effect.gen(function* () {
      const count = number(value.count)
      const changes = MapLayer.make(changesOf(text(value.edit), count))
      // building anew takes long: once is enough for the largest trees
      const isRebuilt = count <= 1000 || value.context === "plain"
      for (const view of isRebuilt
        ? [opaque, (base: Snapshot.Snapshot) => base]
        : [(base: Snapshot.Snapshot) => base]) {
        const { store, tree } = yield* baseOf(count, value.context)
        const edited = yield* TreeEdit.mergeAndPersist({ base: view(tree), changes, pipeline: tree.pipeline })
        const written = store.writes.length
        yield* compareRoot(edited, value.result)
        yield* compareCounts(edited, value)
        assert.strictEqual(
          edited === undefined ? 0 : (yield* collect(edited.scan())).length,
          number(value.entries_after)
        )
        if (!isAbsent(value.nodes_newly_written)) assert.strictEqual(written, number(value.nodes_newly_written))
      }
    })
  )

  /** The changes of tree `name` of a merge of trees with `n` entries, as the rule of the file describes them. */
  const side = (name: "a" | "b", n: number): Model => {
    const found = new RegExp(
      `Tree ${name} = base with: version (\\d+) for i mod (\\d+) = 0; new n(?:\\+(\\d+))?\\.\\.n\\+(\\d+) ` +
        "\\(version (\\d+)\\); deleted i mod (\\d+) = (\\d+)"
    ).exec(text(vectors.rule))
    if (found === null) throw new Error(`the rule does not say what tree ${name} is`)
    const [version, every, from, to, fresh, gone, rest] = found.slice(1).map((digits) => Number(digits ?? 0))
    const changes: Model = new Map()
    for (let index = 0; index < n; index += every!) changes.set(key(index), entry(index, version))
    for (let index = n + from!; index <= n + to!; index++) changes.set(key(index), entry(index, fresh))
    for (let index = rest!; index < n; index += gone!) changes.set(key(index), tombstone)
    return changes
  }

  it.effect.each(objects(vectors.merges).map((each) => [`${each.count} entries, ${each.context}`, each] as const))(
    "merge of two trees of %s",
    ([, value]) =>
      Effect.gen(function* () {
        const count = number(value.count)
        const { store, tree: base } = yield* baseOf(count, value.context)
        assert.strictEqual(rootOf(base), text(value.base))
        const pipeline: Pipeline = base.pipeline
        const edit = (of: Model) => TreeEdit.mergeAndPersist({ base, changes: MapLayer.make(of), pipeline })
        const a = yield* edit(side("a", count))
        const b = yield* edit(side("b", count))
        yield* compareRoot(a, value.a)
        yield* compareRoot(b, value.b)
        for (const view of [opaque, (layer: ReadableLayer) => layer]) {
          const merge = (under: Snapshot.Snapshot, over: Snapshot.Snapshot) =>
            TreeEdit.mergeAndPersist({ base: view(under), changes: view(over), pipeline })
          const first = yield* merge(a!, b!)
          yield* compareRoot(first, value.merge_a_with_changes_b)
          yield* compareRoot(yield* merge(b!, a!), value.merge_b_with_changes_a)
          assert.strictEqual((yield* collect(first!.scan())).length, number(value.entries_in_first_merge))
          assert.strictEqual((yield* first!.get(key(5))) !== undefined, value.index_5_deleted_in_a_is_back)
        }
        assert.isNotEmpty(store.writes)
      })
  )
})

describe("fs5-vectors.json", () => {
  const boundary = object(older.boundary)
  const numbers = (value: Json | undefined) => list(value).map((each) => number(each))

  it.each(Object.entries(object(boundary["u32le_of_blake3(key)"])))("the word of %j", (name, value) => {
    assert.strictEqual(u32(name), Number(text(value)))
    assert.strictEqual(TreeBuilder.isBoundary(primitives, name, 63), (Number(text(value)) & 63) === 0)
  })

  it("boundary keys of three families", () => {
    const cuts = (count: number, name: (index: number) => string) =>
      range(count).filter((index) => TreeBuilder.isBoundary(primitives, name(index), Number(text(boundary.mask))))
    assert.deepStrictEqual(
      cuts(1000, (index) => `file${digits(index, 4)}.txt`),
      numbers(boundary["boundary_keys_file%04d.txt_0..999"])
    )
    assert.deepStrictEqual(
      cuts(512, (index) => (index * 65536).toString(16).padStart(16, "0")),
      numbers(boundary["boundary_keys_hex16(i*65536)_i<512"])
    )
    const first = list(boundary["boundary_keys_k%d_first"]).map((name) => text(name))
    assert.deepStrictEqual(
      cuts(5000, (index) => `k${index}`)
        .slice(0, first.length)
        .map((index) => `k${index}`),
      first
    )
  })

  const split = TraversalContext.vaultRoot({
    leaf: new Uint8Array(32).fill(0x2a),
    node: new Uint8Array(32).fill(0x2b),
    recovery: new Uint8Array(32).fill(0xc8),
    paddingBlock: 4096
  })

  const files = (count: number): Model =>
    new Map(
      range(count).map((index) => {
        const name = `file${digits(index, 4)}.txt`
        const hash = primitives.blake3(Bytes.fromUtf8(name))
        return [name, { content: { structural: "leaf", hash, size: BigInt(index) } }]
      })
    )

  const trees = Object.entries(object(older.trees)).filter(([name]) => name !== "what")

  it.effect.each(trees)("tree %s", ([name, json]) =>
    Effect.gen(function* () {
      const value = object(json)
      const parts = /^(plain|enc)_(\d+)(?:_mask_(0x[0-9a-f]+))?(?:_without_(\w+))?$/.exec(name)
      if (parts === null) throw new Error(`no rule for the tree ${name}`)
      const model = files(Number(parts[2]))
      const pipeline = pipelineOver(countingStore(), parts[1] === "enc" ? split : TraversalContext.plain)
      let tree: Snapshot.Snapshot | undefined = yield* build(pipeline, model, Number(parts[3] ?? 63))
      if (parts[4] !== undefined) {
        const changes = MapLayer.make([[`${parts[4]}.txt`, tombstone]])
        assert.strictEqual(applied(model, changes.entries).size, model.size - 1)
        tree = yield* TreeEdit.mergeAndPersist({ base: tree, changes, pipeline })
      }
      assert.strictEqual(rootOf(tree), text(value.root))
      if (value.plaintext_hash !== undefined)
        assert.strictEqual(toHex(tree!.plaintextHash!), text(value.plaintext_hash))
      const counts = (yield* levelsOf(tree!)).map((level) => level.length)
      if (value.leaves !== undefined) assert.strictEqual(counts[0], number(value.leaves))
      if (value.depth !== undefined) assert.strictEqual(counts.length - 1, number(value.depth))
      if (value.internal !== undefined) {
        assert.strictEqual(
          counts.slice(1).reduce((sum, count) => sum + count, 0),
          number(value.internal)
        )
      }
    })
  )

  it.effect("the links to the level-0 nodes of 1000 entries", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const tree = yield* build(pipeline, files(1000))
      const root = yield* pipeline.readNode({ hash: tree.hash })
      assert.deepStrictEqual(
        root.entries.map(([name, { content }]) => ({
          first_key: name,
          size: Number(content?.size),
          stored_blocks: Number(content?.storedBlocks)
        })),
        objects(older.tree_plain_1000_level0_nodes).map((each) => ({
          first_key: text(each.first_key),
          size: number(each.size),
          stored_blocks: number(each.stored_blocks)
        }))
      )
    })
  )

  it.effect("deleting 4000 of 5000 gives the tree of the other 1000", () =>
    Effect.gen(function* () {
      const pipeline = pipelineOver(countingStore())
      const base = yield* build(pipeline, files(5000))
      const gone = [...files(5000).keys()].slice(1000).map((name) => [name, tombstone] as const)
      const edited = yield* TreeEdit.mergeAndPersist({ base, changes: MapLayer.make(gone), pipeline })
      assert.strictEqual(rootOf(edited), text(object(object(older.trees).plain_1000).root))
    })
  )

  it.effect("keys are in the order of their UTF-8 bytes", () =>
    Effect.gen(function* () {
      const value = object(older.key_order)
      const names = list(value.keys_in_order).map((name) => text(name))
      const store = countingStore()
      const layer = MapLayer.make([...names].reverse().map((name) => [name, {}] as const))
      const pipeline = pipelineOver(store)
      const tree = yield* TreeEdit.mergeAndPersist({ base: Snapshot.empty(pipeline), changes: layer, pipeline })
      assert.strictEqual(rootOf(tree), text(value.root))
      assert.strictEqual(toHex(store.blobs.get(text(value.root))!), text(value.hex))
      assert.deepStrictEqual(
        (yield* collect(tree!.scan())).map(([name]) => name),
        names
      )
    })
  )

  it.effect("the small vault's tree", () =>
    Effect.gen(function* () {
      const value = object(older.small_vault)
      const node = right(Node.decode(hex(value.root_cbor_hex)))
      const tree = yield* build(pipelineOver(countingStore(), split), node.entries)
      assert.strictEqual(rootOf(tree), text(value.root))
      assert.strictEqual(toHex(tree.plaintextHash!), text(value.root_plaintext_hash))
    })
  )
})
