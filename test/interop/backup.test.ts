import { realpathSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as Scan from "../../src/programs/Scan.ts"
import type * as Walk from "../../src/programs/Walk.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Node from "../../src/schema/Node.ts"
import * as LocalTree from "../../src/services/LocalTree.ts"
import * as Progress from "../../src/services/Progress.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import { type CountingStore, collect, countingStore, pipelineOver, primitives } from "../fs5/trees.ts"
import { temporaryFolder } from "../support/folders.ts"
import { generate } from "./generators.ts"
import * as nodeJson from "./nodeJson.ts"
import { big, hex, type Json, type JsonObject, list, load, number, objects, text, toHex, untested } from "./vectors.ts"

const vectors = load("backup")
const items = objects(vectors.items)

const selection = new VaultState.Selection({
  exclude: [],
  ignoreFiles: false,
  excludeCaches: false,
  oneFileSystem: false
})

const mtimeNs = (item: JsonObject) => big(item.mtime_seconds) * 1_000_000_000n + big(item.mtime_nanos)

/** Makes the listed items below `directory`, the times of directories last and the deepest first. */
const lay = Effect.fnUntraced(function* (directory: string) {
  const tree = yield* LocalTree.LocalTree
  const target = yield* tree.openTarget(directory)
  const components = (item: JsonObject) => text(item.path).split("/")
  for (const item of items) {
    const settings = { mtimeNs: mtimeNs(item), overwrite: true }
    const notes =
      item.type === "file"
        ? yield* target.writeFile(components(item), generate(item.content), settings)
        : item.type === "symlink"
          ? yield* target.symlink(components(item), Bytes.fromUtf8(text(item.target)), settings)
          : yield* Effect.as(target.ensureDirectory(components(item)), [])
    assert.deepStrictEqual(notes, [], text(item.path))
  }
  const directories = items.filter((item) => item.type === "directory")
  for (const item of [...directories].sort((a, b) => components(b).length - components(a).length)) {
    const notes = yield* target.setDirectoryMetadata(components(item), { mtimeNs: mtimeNs(item) })
    assert.deepStrictEqual(notes, [], text(item.path))
  }
}, Effect.scoped)

/** What `tree.json` says of the levels of a tree. */
const levelsOf = Effect.fnUntraced(function* (tree: Snapshot.Snapshot, store: CountingStore) {
  const levels: Array<JsonObject> = []
  let links: ReadonlyArray<Pick<Node.ContentRef, "hash" | "plaintextHash">> = [
    { hash: tree.hash, ...(tree.plaintextHash !== undefined && { plaintextHash: tree.plaintextHash }) }
  ]
  while (links.length > 0) {
    const nodes = yield* Effect.forEach(links, (link) => tree.pipeline.readNode(link))
    const hashes = links.map(({ hash }) => toHex(hash))
    levels.unshift({
      level: nodes[0]!.header.level,
      nodes: nodes.length,
      entries: nodes.reduce((sum, node) => sum + node.entries.length, 0),
      stored_bytes: hashes.reduce((sum, hash) => sum + (store.blobs.get(hash)?.length ?? 0), 0),
      node_hashes_blake3: toHex(primitives.blake3(Bytes.concat(...hashes.map((hash) => hex(hash))))),
      cbor_concatenation_blake3: toHex(primitives.blake3(Bytes.concat(...nodes.map((node) => Node.encode(node))))),
      entries_per_node: nodes.map((node) => node.entries.length),
      first_keys: nodes.map((node) => node.entries[0]![0]),
      node_hashes: hashes
    })
    links = nodes.flatMap((node) =>
      node.header.level === 0 ? [] : node.entries.map(([, { content }]) => content).filter((link) => link !== undefined)
    )
  }
  return levels
})

const expectedEntries = (value: Json | undefined) =>
  list(value).map((pair) => {
    const [key, entry] = list(pair)
    return [text(key), nodeJson.entry(entry)] as const
  })

const backsUp = Effect.fnUntraced(function* (directory: string, run: JsonObject) {
  yield* lay(directory)
  const store = countingStore()
  const pipeline = pipelineOver(store, nodeJson.context(run.traversal_context))
  const told: Array<Walk.Problem> = []
  const scan = yield* Scan.scan(pipeline, {
    path: directory,
    folder: "",
    selection,
    metadata: "kind",
    onProblem: (problem) => Effect.sync(() => told.push(problem))
  })
  assert.deepStrictEqual(told, [])
  assert.isDefined(scan.root)
  const tree = Snapshot.make({ ...scan.root!, pipeline })
  const wanted = expectedEntries(run.entries)
  const found = yield* collect(tree.scan())
  // key by key first, so that a difference is shown where it is
  assert.deepStrictEqual(
    found.map(([key]) => key),
    wanted.map(([key]) => key)
  )
  for (const [index, [key, entry]] of wanted.entries()) assert.deepStrictEqual(found[index]![1], entry, key)
  const levels = yield* levelsOf(tree, store)
  const named = objects(run.levels)
  assert.strictEqual(levels.length, named.length)
  for (const [index, level] of named.entries())
    for (const [field, value] of Object.entries(level))
      if (value !== null) assert.deepStrictEqual(levels[index]![field], value, field)
  assert.strictEqual(toHex(tree.hash), text(run.root))
  assert.strictEqual(toHex(tree.plaintextHash!), text(run.root_plaintext_hash))
  const regular = found.filter(([, entry]) => entry.semantic?.unix?.fileType === "regular")
  assert.strictEqual(regular.length, number(run.files))
})

const services = Layer.mergeAll(SealerInline.layer, Progress.layerSilent).pipe(
  Layer.provideMerge(CryptoAuto.layerConfig)
)

describe("backup.json", () => {
  it("lists items of known types and at least one run, and nothing else", () => {
    assert.isNotEmpty(objects(vectors.runs))
    assert.isNotEmpty(items)
    for (const item of items) assert.include(["file", "directory", "symlink"], text(item.type), text(item.path))
    assert.deepStrictEqual(untested(vectors, ["items", "runs"]), [])
  })

  for (const [index, run] of objects(vectors.runs).entries()) {
    const name = `run ${index}, ${text(run.context)}`

    it.scopedLive(`${name}: a folder on disk becomes the reference's tree`, () =>
      Effect.flatMap(temporaryFolder, (folder) => backsUp(`${realpathSync(folder)}/source`, run)).pipe(
        Effect.provide(Layer.merge(services, LocalTreeNode.layer))
      )
    )

    it.effect(`${name}: a folder in memory becomes the reference's tree`, () =>
      backsUp("/source", run).pipe(Effect.provide(Layer.merge(services, LocalTreeMemory.layer())))
    )
  }
})
