import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ApprovalsObjectStore from "../../src/layers/ApprovalsObjectStore.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as StagingObjectStore from "../../src/layers/StagingObjectStore.ts"
import * as MergedHeads from "../../src/programs/MergedHeads.ts"
import * as Task from "../../src/programs/Task.ts"
import * as TaskHost from "../../src/programs/TaskHost.ts"
import * as Vault from "../../src/programs/Vault.ts"
import type * as TaskEvent from "../../src/schema/TaskEvent.ts"
import type * as TaskSpec from "../../src/schema/TaskSpec.ts"
import * as TaskEvents from "../../src/services/TaskEvents.ts"
import { later, latest, make } from "../support/programs.ts"

const place = (path: string) => ({ path, shown: `.${path}` })
const keep = { folder: "", attended: true, reread: false, dryRun: false } as const
const backup = (...paths: ReadonlyArray<string>): TaskSpec.Of<"Backup"> => ({
  _tag: "Backup",
  vault: "docs",
  sources: paths.map(place),
  ...keep
})
const ingest: TaskSpec.TaskSpec = {
  _tag: "Ingest",
  vault: "docs",
  folder: "",
  sources: [place("/home/docs")],
  attended: true
}
const publish: TaskSpec.TaskSpec = { _tag: "Publish", vault: "docs" }
const restoring = {
  vault: "docs",
  snapshot: { _tag: "Latest", back: 0 },
  path: "",
  directory: place("/own/there"),
  overwrite: false,
  owner: false,
  setuid: false,
  dryRun: false
} as const

/** A device on which tasks are done, one after the other, and what each said and came to. */
const device = Effect.fnUntraced(function* (files: Parameters<typeof make>[0]) {
  const world = yield* make(files)
  const objects = yield* ObjectStoreMemory.make()
  const services = Layer.mergeAll(
    StagingObjectStore.layer(objects),
    ApprovalsObjectStore.layer(objects),
    Layer.succeed(TaskHost.TaskHost, {
      own: ["/own"],
      isOwn: (path) => path.startsWith("/own"),
      openVault: (name) => Effect.provide(Vault.open(name), world.layer),
      openTogether: (name) =>
        Effect.gen(function* () {
          const { snapshot } = yield* MergedHeads.view(yield* Vault.open(name), [])
          return { snapshot, leftOut: [`${name}: device phone is left out: away`] }
        }).pipe(Effect.provide(world.layer))
    })
  ).pipe(Layer.provideMerge(world.layer))
  const run = Effect.fnUntraced(function* (spec: TaskSpec.TaskSpec) {
    yield* later
    const said: Array<TaskEvent.Said> = []
    const came = yield* Task.perform(spec).pipe(
      Effect.provideService(TaskEvents.TaskEvents, { say: (event) => Effect.sync(() => void said.push(event)) }),
      Effect.provide(services),
      Effect.either
    )
    const source = said.flatMap((event) => (event._tag === "Source" ? [event.record] : []))
    const problems = said.flatMap((event) => (event._tag === "Problem" ? [event] : []))
    const complaints = said.flatMap((event) => (event._tag === "Complaint" ? [event.text] : []))
    return { came, source, problems, complaints }
  })
  return { run, tree: Effect.provide(latest, world.layer), world }
})

const files = { "/home/docs/a": "1", "/home/docs/b": "2", "/home/more/c": "3" }

describe("a backup", () => {
  it.effect("tells of each source, and of one that is not there as its user wrote it", () =>
    Effect.gen(function* () {
      const { run, tree } = yield* device(files)
      const { came, problems, source } = yield* run(backup("/home/docs", "/nowhere", "/home/more"))
      assert.deepStrictEqual(
        source.map(({ files, folder, outcome }) => [folder, outcome, files]),
        [
          ["docs", "published", 2],
          ["more", "published", 1]
        ]
      )
      assert.match(problems[0]?.complaint ?? "", /^source \.\/nowhere: /)
      assert.strictEqual(Either.getOrThrow(came).error?._tag, "SourceUnreadable")
      assert.deepInclude(yield* tree, { "docs/a": "1", "docs/b": "2", "more/c": "3" })
    })
  )

  it.effect("without sources does the saved ones again; of Cairn's own folders none", () =>
    Effect.gen(function* () {
      const { run } = yield* device({ ...files, "/own/secret": "x" })
      yield* run(backup("/home/docs"))
      const own = yield* run(backup("/own"))
      assert.strictEqual(Either.getOrThrow(own.came).error?._tag, "Usage")
      const again = yield* run(backup())
      assert.deepStrictEqual(
        again.source.map(({ folder, outcome }) => [folder, outcome]),
        [["docs", "unchanged"]]
      )
    })
  )

  it.effect("that would write two sources over each other does nothing", () =>
    Effect.gen(function* () {
      const { run } = yield* device({ "/one/d/a": "1", "/two/d/b": "2" })
      const { came, source } = yield* run(backup("/one/d", "/two/d"))
      assert.strictEqual(Either.isLeft(came) && came.left._tag, "SourceCollision")
      assert.deepStrictEqual(source, [])
    })
  )

  it.effect("of a source that is empty now waits for a person, and goes on with what a person agreed to", () =>
    Effect.gen(function* () {
      const { run, tree, world } = yield* device(files)
      yield* run(backup("/home/docs"))
      yield* world.disk.remove("/home/docs/a")
      yield* world.disk.remove("/home/docs/b")
      const stopped = yield* run(backup())
      assert.strictEqual(Either.getOrThrow(stopped.came).error?._tag, "ApprovalNeeded")
      assert.deepInclude(yield* tree, { "docs/a": "1" })
      yield* run({ ...backup(), anything: true })
      assert.notProperty(yield* tree, "docs/a")
    })
  )
})

describe("ingesting and publishing apart", () => {
  it.effect("publishes what was ingested, not what has changed since", () =>
    Effect.gen(function* () {
      const { run, tree, world } = yield* device(files)
      const { source } = yield* run(ingest)
      assert.deepStrictEqual(
        source.map(({ folder, outcome }) => [folder, outcome]),
        [["docs", "ingested"]]
      )
      assert.strictEqual((yield* Effect.exit(tree))._tag, "Failure")
      yield* world.disk.put("/home/docs/a", "changed")
      const published = yield* run(publish)
      assert.deepStrictEqual(
        published.source.map(({ folder, outcome }) => [folder, outcome]),
        [["docs", "published"]]
      )
      assert.deepInclude(yield* tree, { "docs/a": "1", "docs/b": "2" })
      assert.deepStrictEqual((yield* run(publish)).source, [])
    })
  )

  it.effect("an older scan never goes over a later backup", () =>
    Effect.gen(function* () {
      const { run, tree, world } = yield* device(files)
      yield* run(ingest)
      yield* world.disk.put("/home/docs/a", "newer")
      yield* run(backup("/home/docs"))
      assert.deepStrictEqual((yield* run(publish)).source, [])
      assert.deepInclude(yield* tree, { "docs/a": "newer" })
    })
  )

  it.effect("of two scans the later is published", () =>
    Effect.gen(function* () {
      const { run, tree, world } = yield* device(files)
      yield* run(ingest)
      yield* world.disk.put("/home/docs/a", "second")
      yield* run(ingest)
      assert.strictEqual((yield* run(publish)).source.length, 1)
      assert.deepInclude(yield* tree, { "docs/a": "second" })
    })
  )
})

describe("a restore", () => {
  it.effect("goes into none of Cairn's own folders, and from a distance only out of an attached vault", () =>
    Effect.gen(function* () {
      const { run } = yield* device(files)
      yield* run(backup("/home/docs"))
      const own = yield* run({ _tag: "Restore", ...restoring })
      assert.strictEqual(Either.isLeft(own.came) && own.came.left._tag, "Usage")
      const far = yield* run({ _tag: "RemoteRestore", ...restoring, directory: place("/else") })
      assert.match(Either.isLeft(far.came) ? far.came.left.message : "", /no attached vault/)
    })
  )

  it.effect("of what all devices have together names who was left out, and is of no device or snapshot", () =>
    Effect.gen(function* () {
      const { run } = yield* device(files)
      yield* run(backup("/home/docs"))
      const together = { _tag: "Restore", ...restoring, directory: place("/else"), peers: true } as const
      const done = yield* run(together)
      assert.deepStrictEqual(Either.getOrThrow(done.came), { outcome: "skipped" })
      assert.deepStrictEqual(done.complaints, ["docs: device phone is left out: away"])
      for (const more of [{ device: "phone" }, { snapshot: { _tag: "Latest", back: 1 } as const }]) {
        const refused = yield* run({ ...together, ...more })
        assert.strictEqual(Either.isLeft(refused.came) && refused.came.left._tag, "Usage")
      }
    })
  )
})
