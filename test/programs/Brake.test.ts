import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as ApprovalsObjectStore from "../../src/layers/ApprovalsObjectStore.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as Backup from "../../src/programs/Backup.ts"
import * as Brake from "../../src/programs/Brake.ts"
import * as Vault from "../../src/programs/Vault.ts"
import type { Numbers } from "../../src/schema/Approval.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type * as Approvals from "../../src/services/Approvals.ts"
import { head, later, latest, make, mapping, type World } from "../support/programs.ts"

const files = (count: number, text = "text"): Readonly<Record<string, LocalTreeMemory.Value>> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`/docs/f${index}`, `${text} ${index}`]))

const docs = mapping("/docs")

type Run = (
  options?: Partial<Brake.Options>
) => Effect.Effect<
  Either.Either<Backup.Result, { readonly _tag: string; readonly message: string }>,
  never,
  Layer.Layer.Success<World["layer"]>
>

interface Stage {
  readonly world: World
  readonly approvals: Approvals.Service
  /** An unattended run, unless it is told otherwise. */
  readonly run: Run
}

/** A source of `count` files that was backed up once. */
const fact = <E>(
  name: string,
  count: number,
  test: (stage: Stage) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const world = yield* make(files(count))
      const objects = yield* ObjectStoreMemory.make()
      yield* Effect.gen(function* () {
        const approvals = yield* ApprovalsObjectStore.make(objects)
        yield* later
        const vault = yield* Vault.ensure("docs")
        yield* Backup.saveMapping("docs", docs)
        const run: Run = (options = {}) =>
          Effect.zipRight(
            later,
            Effect.either(Backup.backup(vault, docs, { brake: { attended: false, approvals, ...options } }))
          )
        yield* Effect.flatten(run())
        yield* test({ world, approvals, run })
      }).pipe(Effect.provide(world.layer))
    })
  )

const remove = ({ disk }: World, from: number, until: number) =>
  Effect.forEach(
    Array.from({ length: until - from }, (_, index) => from + index),
    (index) => disk.remove(`/docs/f${index}`)
  )

const stopped = (result: Either.Either<Backup.Result, { readonly _tag: string }>) => {
  if (Either.isRight(result)) throw new Error(`it went on: ${result.right.published.outcome}`)
  if (!(result.left instanceof Brake.ApprovalNeeded)) throw new Error(`it failed otherwise: ${result.left._tag}`)
  return result.left
}

const filesOfHead = Effect.map(latest, (all) => Object.keys(all).filter((key) => !key.endsWith("/")).length)

describe("an unattended run", () => {
  fact("that deletes half of the files stops, and the head stays", 40, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      const before = (yield* head).hash
      yield* remove(world, 0, 20)
      const error = stopped(yield* run())
      assert.strictEqual(
        error.message,
        "source /docs: of 40 files 20 are deleted and 0 rewritten since its last backup; nothing was published: if it is meant, `cairn approve docs:docs`"
      )
      assert.deepStrictEqual((yield* head).hash, before)
      const pending = yield* approvals.pending("docs", "docs")
      assert.deepInclude(pending, { reason: "MassChange", path: "/docs" })
      assert.deepInclude(pending?.numbers, { files: 40, deleted: 20, rewritten: 0, moved: 0, added: 0 })
      assert.strictEqual((yield* approvals.all).length, 1)
    })
  )

  fact("that deletes less than half goes on, and so do deletions of few files", 40, ({ run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 19)
      assert.isTrue(Either.isRight(yield* run()))
      yield* remove(world, 19, 28)
      assert.isTrue(Either.isRight(yield* run()))
      // nine of twelve are fewer than ten
      yield* remove(world, 28, 37)
      assert.isTrue(Either.isRight(yield* run()))
      assert.strictEqual(yield* filesOfHead, 3)
    })
  )

  fact("that rewrites half of the files, as ransomware does, stops", 40, ({ run, world }) =>
    Effect.gen(function* () {
      for (let index = 0; index < 20; index++) yield* world.disk.put(`/docs/f${index}`, `scrambled ${index}`)
      const { deleted, rewritten } = stopped(yield* run())
      assert.deepStrictEqual([deleted, rewritten], [0, 20])
    })
  )

  fact("that finds every file scrambled under a new name stops", 40, ({ run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 40)
      for (let index = 0; index < 40; index++) yield* world.disk.put(`/docs/f${index}.locked`, `scrambled ${index}`)
      assert.strictEqual(stopped(yield* run()).deleted, 40)
    })
  )

  fact("that finds files moved, touched or added goes on", 40, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 30)
      for (let index = 0; index < 30; index++) yield* world.disk.put(`/docs/moved/f${index}`, `text ${index}`)
      for (let index = 30; index < 40; index++)
        yield* world.disk.put(`/docs/f${index}`, { content: `text ${index}`, mtimeNs: 7n, mode: 0o600 })
      for (let index = 0; index < 60; index++) yield* world.disk.put(`/docs/new${index}`, `new ${index}`)
      assert.isTrue(Either.isRight(yield* run()))
      assert.strictEqual(yield* filesOfHead, 100)
      assert.deepStrictEqual(yield* approvals.all, [])
    })
  )

  fact("stops at the share that it was given", 40, ({ run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 4)
      assert.strictEqual(stopped(yield* run({ policy: { share: 0.1, least: 3 } })).deleted, 4)
    })
  )

  fact("that finds nothing left stops, however few files there were", 1, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 1)
      const error = stopped(yield* run())
      assert.strictEqual(
        error.message,
        "source /docs: it is empty, and had 1 file at its last backup (is its disk mounted?); nothing was published: if it is meant, `cairn approve docs:docs`"
      )
      assert.strictEqual((yield* approvals.pending("docs", "docs"))?.reason, "Emptied")
      assert.strictEqual(yield* filesOfHead, 1)
    })
  )

  fact("that finds only empty folders, as those of a mount point, stops", 12, ({ run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 12)
      yield* world.disk.put("/docs/lost+found", { kind: "directory" })
      assert.strictEqual(stopped(yield* run()).change, "Emptied")
    })
  )

  fact("whose source is gone publishes nothing and asks for nothing", 12, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      yield* world.disk.remove("/docs")
      const result = yield* run()
      assert.strictEqual(Either.isLeft(result) ? result.left._tag : "", "SourceUnreadable")
      assert.deepStrictEqual(yield* approvals.all, [])
      assert.strictEqual(yield* filesOfHead, 12)
    })
  )

  fact("whose old tree is rotten stops by the number of files alone", 40, ({ run, world }) =>
    Effect.gen(function* () {
      const { root } = yield* head
      yield* world.lose(root?.hash ?? Hash.zero)
      yield* remove(world, 0, 30)
      assert.strictEqual(stopped(yield* run()).deleted, 30)
    })
  )

  fact("after the files came back asks for nothing any more", 40, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 40)
      stopped(yield* run())
      for (const [path, text] of Object.entries(files(40))) yield* world.disk.put(path, text)
      assert.isTrue(Either.isRight(yield* run()))
      assert.deepStrictEqual(yield* approvals.all, [])
    })
  )
})

describe("a run that a person has asked for", () => {
  fact("goes on with much that is deleted, and says so", 40, ({ run, world }) =>
    Effect.gen(function* () {
      const told: Array<Numbers> = []
      yield* remove(world, 0, 30)
      const result = yield* run({ attended: true, onMassChange: (numbers) => Effect.sync(() => told.push(numbers)) })
      assert.isTrue(Either.isRight(result))
      assert.deepStrictEqual(
        told.map(({ deleted, files }) => [deleted, files]),
        [[30, 40]]
      )
    })
  )

  fact("stops when nothing is left, unless it was said beforehand that anything goes", 5, ({ run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 5)
      assert.strictEqual(stopped(yield* run({ attended: true })).change, "Emptied")
      assert.isTrue(Either.isRight(yield* run({ attended: true, anything: true })))
      assert.strictEqual(yield* filesOfHead, 0)
    })
  )
})

describe("an approval", () => {
  fact("lets the change go on, and is used up", 40, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 30)
      stopped(yield* run())
      const approved = yield* approvals.pending("docs", "docs")
      assert.isTrue(Either.isRight(yield* run(approved === undefined ? {} : { approved })))
      assert.strictEqual(yield* filesOfHead, 10)
      assert.deepStrictEqual(yield* approvals.all, [])
    })
  )

  fact("covers less, and new files beside it, but not more", 40, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 30)
      stopped(yield* run())
      const approved = yield* approvals.pending("docs", "docs")
      if (approved === undefined) throw new Error("nothing waits")
      yield* remove(world, 30, 31)
      assert.strictEqual(stopped(yield* run({ approved })).deleted, 31)
      assert.strictEqual((yield* approvals.pending("docs", "docs"))?.numbers.deleted, 31)
      yield* world.disk.put("/docs/f30", "text 30")
      yield* world.disk.put("/docs/f29", "text 29")
      yield* world.disk.put("/docs/new", "new")
      assert.isTrue(Either.isRight(yield* run({ approved })))
    })
  )

  fact("of a change that left files does not cover one that leaves none", 40, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      for (let index = 0; index < 40; index++) yield* world.disk.put(`/docs/f${index}`, `scrambled ${index}`)
      stopped(yield* run())
      const approved = yield* approvals.pending("docs", "docs")
      yield* remove(world, 0, 40)
      assert.strictEqual(stopped(yield* run(approved === undefined ? {} : { approved })).change, "Emptied")
    })
  )

  fact("does not outlive the scan that it was given against", 40, ({ approvals, run, world }) =>
    Effect.gen(function* () {
      yield* remove(world, 0, 30)
      stopped(yield* run())
      const approved = yield* approvals.pending("docs", "docs")
      for (const [path, text] of Object.entries(files(50))) yield* world.disk.put(path, text)
      yield* Effect.flatten(run())
      yield* remove(world, 0, 30)
      stopped(yield* run(approved === undefined ? {} : { approved }))
    })
  )
})
