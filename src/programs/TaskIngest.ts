/**
 * The two halves of a backup as tasks of their own: keeping the content, and publishing it (docs/format/node.md §5.3).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Hash from "../schema/Hash.ts"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import * as DeviceList from "../services/DeviceList.ts"
import * as Progress from "../services/Progress.ts"
import * as Staging from "../services/Staging.ts"
import * as TaskEvents from "../services/TaskEvents.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Backup from "./Backup.ts"
import * as Publish from "./Publish.ts"
import * as TaskBackup from "./TaskBackup.ts"
import * as TaskHost from "./TaskHost.ts"
import * as Vault from "./Vault.ts"

/** Keeps the content and the tree of the sources, durably, and notes what is to be published. @since 0.1.0 @category programs */
export const ingest = Effect.fn("TaskIngest.ingest")(function* (spec: TaskSpec.Of<"Ingest">) {
  const { say } = yield* TaskEvents.TaskEvents
  const staging = yield* Staging.Staging
  const jobs = yield* TaskBackup.plan(spec)
  const { fail, first } = yield* TaskBackup.failures
  let problems = 0

  const run = Effect.fnUntraced(function* (job: TaskBackup.Job) {
    yield* TaskBackup.refuseOwn(job)
    const { mapping, vault: name } = job
    const vault = yield* Vault.ensure(name)
    yield* Backup.saveMapping(name, mapping)
    const { scan } = yield* Backup.ingest(vault, mapping, yield* TaskBackup.scanning(spec, job))
    yield* vault.blobs.sync
    const root = Vault.rootToRecord(scan.root)
    yield* staging.stage(
      name,
      new Staging.Staged({
        folder: mapping.folder,
        ...(root === undefined ? {} : { root }),
        scannedAt: scan.scannedAt,
        files: scan.files,
        bytes: scan.bytes
      })
    )
    problems += scan.problems
    const { bytes, files, leftOut, readBytes, readFiles } = scan
    yield* say({
      _tag: "Source",
      record: {
        type: "source",
        vault: name,
        folder: mapping.folder,
        path: mapping.path,
        outcome: "ingested",
        files,
        bytes,
        readFiles,
        readBytes,
        leftOut,
        problems: scan.problems
      }
    })
  })

  yield* TaskBackup.refuseCollisions(jobs.flatMap((job) => (Either.isRight(job) ? [job.right] : [])))
  for (const job of jobs) {
    if (Either.isLeft(job)) yield* fail(job.left.path, job.left)
    else yield* Effect.catchAll(run(job.right), (error: TaskHost.Failed) => fail(job.right.mapping.path, error))
  }
  yield* TaskHost.remind
  const error = first()
  const outcome: TaskHost.Outcome = {
    outcome: problems > 0 ? "skipped" : "done",
    ...(error === undefined ? {} : { error })
  }
  return outcome
})

/** Publishes every scan that waits, unless a later one of its source was published meanwhile. @since 0.1.0 @category programs */
export const publish = Effect.fn("TaskIngest.publish")(function* (spec: TaskSpec.Of<"Publish">) {
  const { say } = yield* TaskEvents.TaskEvents
  const state = yield* VaultState.VaultState
  const staging = yield* Staging.Staging
  const progress = yield* Progress.Progress
  const vault = yield* Vault.open(spec.vault)
  const mappings = yield* state.sources(vault.name)
  const staged = yield* staging.staged(vault.name)
  yield* progress.phase("publishing")
  for (const one of staged) {
    const { bytes, files, folder, scannedAt } = one
    const { base, record } = yield* Publish.settle(vault, folder)
    if (record !== undefined && record.scannedAt >= scannedAt) {
      yield* staging.forget(vault.name, one)
      continue
    }
    const published = yield* Publish.publish(vault, {
      folder,
      base,
      ours: Vault.rootFromRecord(one.root),
      scannedAt,
      files,
      bytes
    })
    yield* staging.forget(vault.name, one)
    yield* say({
      _tag: "Source",
      record: {
        type: "source",
        vault: vault.name,
        folder,
        path: mappings.find((mapping) => mapping.folder === folder)?.path ?? "",
        outcome: published.outcome,
        snapshot: Hash.toHex(published.node),
        revision: Number(published.revision),
        files,
        bytes,
        readFiles: 0,
        readBytes: 0,
        leftOut: 0,
        problems: 0
      }
    })
    yield* TaskBackup.tellConflicts(vault.name, published)
  }
  if (staged.length === 0)
    yield* say({ _tag: "Note", text: `${vault.name}: nothing was ingested since the last publication` })
  for (const text of yield* (yield* DeviceList.DeviceList).upkeep) yield* say({ _tag: "Complaint", text })
  yield* TaskHost.remind
  const outcome: TaskHost.Outcome = { outcome: "done" }
  return outcome
})
