/** What cannot be read, changes, or dies in the middle of a source that takes several batches. */
import * as fs from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as SealerWorkers from "../../src/layers/SealerWorkers.ts"
import * as Scan from "../../src/programs/Scan.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Progress from "../../src/services/Progress.ts"
import * as Sealer from "../../src/services/Sealer.ts"
import * as Built from "../e2e/cairn.ts"
import { temporaryFolder } from "../support/folders.ts"
import { backup, head, later, latest, make, mapping, primitives, selection, type World } from "../support/programs.ts"

const crypto = await Effect.runPromise(CryptoAuto.make())
const docs = mapping("/docs")

/** Three folders of files: the first is more than a batch, and the others are in the next. Of an edition every fifth file differs. */
const tree = (edition: string): Record<string, string> => {
  const out: Record<string, string> = {}
  for (const [folder, count] of [
    ["a", 1040],
    ["m", 60],
    ["z", 150]
  ] as const)
    for (let at = 0; at < count; at++)
      out[`/docs/${folder}/f${String(at).padStart(4, "0")}`] = at % 5 === 0 ? `${edition} ${at}` : `${folder} ${at}`
  return out
}
/** The keys and contents of a tree's files, as they are to be in the head. */
const filesOf = (all: Record<string, string>) =>
  Object.fromEntries(Object.entries(all).map(([path, text]) => [path.slice(1), text]))
const withoutFolders = (all: Record<string, string>) =>
  Object.fromEntries(Object.entries(all).filter(([key]) => !key.endsWith("/")))
const below = (all: Record<string, string>, folder: string) =>
  Object.fromEntries(Object.entries(all).filter(([path]) => path.startsWith(folder)))

const fact = <E>(name: string, run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>) =>
  it.effect(name, () =>
    Effect.flatMap(make(tree("old")), (world) => Effect.zipRight(later, run(world)).pipe(Effect.provide(world.layer)))
  )
const rewrite = Effect.fnUntraced(function* (world: World) {
  yield* later
  const before = tree("old")
  for (const [path, text] of Object.entries(tree("changed")))
    if (before[path] !== text) yield* world.disk.put(path, text)
})

describe("in the middle of a source of several batches", () => {
  fact(
    "a folder that cannot be read keeps what the last backup saw below it; everything else is as it is now",
    (world) =>
      Effect.gen(function* () {
        yield* backup(docs)
        yield* rewrite(world)
        world.faults.denied.add("/docs/m")
        const { problems, scan } = yield* backup(docs)
        assert.deepStrictEqual(problems, [{ display: "/docs/m", detail: "not allowed" }])
        assert.strictEqual(scan.problems, 1)
        const expected = { ...tree("changed"), ...below(tree("old"), "/docs/m/") }
        assert.deepStrictEqual(withoutFolders(yield* latest), filesOf(expected))
        assert.strictEqual(scan.files, 1250)
      })
  )

  fact("a folder that no backup ever saw and that cannot be read is told and is not there", (world) =>
    Effect.gen(function* () {
      world.faults.denied.add("/docs/m")
      const { problems } = yield* backup(docs)
      assert.deepStrictEqual(problems, [{ display: "/docs/m", detail: "not allowed" }])
      const found = yield* latest
      assert.deepStrictEqual(
        withoutFolders(found),
        filesOf({ ...below(tree("old"), "/docs/a/"), ...below(tree("old"), "/docs/z/") })
      )
      assert.notProperty(found, "docs/m/")
    })
  )

  fact(
    "a file of a later batch that cannot be read keeps its last state; a new one is told and is not there",
    (world) =>
      Effect.gen(function* () {
        yield* backup(docs)
        yield* rewrite(world)
        yield* world.disk.put("/docs/z/new", "new")
        const denied = ["/docs/z/f0070", "/docs/z/new"]
        for (const path of denied) world.faults.denied.add(path)
        const { problems } = yield* backup(docs)
        assert.deepStrictEqual(
          problems,
          denied.map((display) => ({ display, detail: "not allowed" }))
        )
        const expected = { ...tree("changed"), "/docs/z/f0070": tree("old")["/docs/z/f0070"]! }
        assert.deepStrictEqual(withoutFolders(yield* latest), filesOf(expected))
      })
  )

  fact(
    "files of a later batch that grew, shrank and vanished since they were listed are as they are when read",
    (world) =>
      Effect.gen(function* () {
        yield* backup(docs)
        yield* rewrite(world)
        const changes = new Map<string, string | undefined>([
          ["/docs/z/f0040", "longer than it was when it was listed"],
          ["/docs/z/f0050", "-"],
          ["/docs/z/f0060", undefined]
        ])
        const left = new Map(changes)
        world.faults.touch = (path) => {
          if (!left.has(path)) return Effect.void
          const text = left.get(path)
          left.delete(path)
          return Effect.orDie(text === undefined ? world.disk.remove(path) : world.disk.put(path, text))
        }
        const { problems } = yield* backup(docs)
        assert.strictEqual(left.size, 0)
        const wanted = tree("changed")
        for (const [path, text] of changes) {
          if (text === undefined) delete wanted[path]
          else wanted[path] = text
        }
        assert.deepStrictEqual(withoutFolders(yield* latest), filesOf(wanted))
        assert.deepStrictEqual(
          problems.map(({ display }) => display),
          ["/docs/z/f0060"]
        )
        assert.strictEqual((yield* head).entry.revision, 2n)
      })
  )
})

describe("a thread that dies in the middle of a scan", () => {
  const real = pathToFileURL(`${Built.repository}/dist/internal/sealerWorker.js`)
  beforeAll(() => {
    if (!fs.existsSync(real)) Built.build()
  })

  for (const [what, kind] of [
    ["gathering", "source"],
    ["sealing", "buffers"]
  ] as const)
    it.scopedLive(
      `while it is ${what} costs time or the scan with one clear error, never a file and never an end`,
      () =>
        Effect.gen(function* () {
          const folder = fs.realpathSync(yield* temporaryFolder)
          const source = join(folder, "s")
          fs.mkdirSync(source)
          for (let at = 0; at < 1300; at++) fs.writeFileSync(join(source, `f${at}`), `${at} `.repeat(300 + (at % 50)))
          const scanned = Effect.fnUntraced(function* (sealer: Sealer.Service) {
            const blobs = BlobStoreObjects.fromObjects(yield* ObjectStoreMemory.make(), primitives)
            const context = TraversalContext.vaultRoot({
              leaf: new Uint8Array(32).fill(1),
              node: new Uint8Array(32).fill(2),
              recovery: new Uint8Array(32).fill(3)
            })
            const pipeline = Pipeline.make({ primitives, blobs, context, cache: NodeCache.make() })
            const { files, problems, root } = yield* Scan.scan(pipeline, {
              path: source,
              folder: "s",
              metadata: "kind",
              selection: selection()
            }).pipe(
              Effect.provideService(Sealer.Sealer, sealer),
              Effect.provide(Progress.layerSilent),
              Effect.provide(LocalTreeNode.layer)
            )
            return { files, problems, root: root && Hash.toHex(root.hash) }
          })
          const expected = yield* scanned(SealerInline.make(primitives))
          assert.strictEqual(expected.files, 1300)
          for (const dying of ["both", "one"]) {
            const mark = join(folder, `died-${dying}`)
            const script = join(folder, `${dying}.mjs`)
            fs.writeFileSync(
              script,
              `import * as fs from "node:fs"
             import { parentPort } from "node:worker_threads"
             let count = 0
             parentPort.on("message", (request) => {
               if (!(${JSON.stringify(kind)} in request) || ++count < 2) return
               try {
                 // who makes the mark first dies
                 fs.writeFileSync(${JSON.stringify(mark)}, "", { flag: ${JSON.stringify(dying === "one" ? "wx" : "w")} })
               } catch {
                 return
               }
               process.exit(1)
             })
             await import(${JSON.stringify(real.href)})`
            )
            const sealer = yield* Effect.provideService(
              SealerWorkers.make({ workers: 2, inlineBytes: 0, script: pathToFileURL(script) }),
              Crypto.Crypto,
              crypto
            )
            yield* sealer.filed!.expect(1 << 30)
            yield* sealer.filed!.verify(TraversalContext.plain, [])
            // each thread can end one scan at the most, and which of them ends which is up to chance
            let failed = 0
            for (;;) {
              const result = yield* Effect.either(Effect.timeout(scanned(sealer), "20 seconds"))
              assert.isTrue(fs.existsSync(mark), "no thread died")
              if (Either.isRight(result)) {
                assert.deepStrictEqual(result.right, expected)
                break
              }
              assert.strictEqual(result.left._tag, "SealError")
              assert.include(result.left.message, "worker thread ended")
              assert.notInclude(result.left.message, "\n")
              failed += 1
              assert.isAtMost(failed, dying === "one" ? 1 : 2)
            }
            // the next one goes on with whoever is left
            if (dying === "one") assert.deepStrictEqual(yield* scanned(sealer), expected)
          }
        })
    )
})
