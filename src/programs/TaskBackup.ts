/**
 * The task that keeps sources in vaults.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Numbers } from "../schema/Approval.ts"
import * as Hash from "../schema/Hash.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import * as Approvals from "../services/Approvals.ts"
import * as DeviceList from "../services/DeviceList.ts"
import * as TaskEvents from "../services/TaskEvents.ts"
import * as VaultSettings from "../services/VaultSettings.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Backup from "./Backup.ts"
import * as Brake from "./Brake.ts"
import * as Folder from "./Folder.ts"
import type * as Publish from "./Publish.ts"
import * as Scan from "./Scan.ts"
import * as TaskHost from "./TaskHost.ts"
import * as Vault from "./Vault.ts"

/** A source of a vault that is to be backed up. @since 0.1.0 @category models */
export interface Job {
  readonly vault: string
  readonly mapping: VaultState.SourceMapping
}

const isBelow = (folder: string, top: string): boolean => top === "" || folder === top || folder.startsWith(`${top}/`)

type Planned = Either.Either<Job, Scan.SourceUnreadable>

/** A source as it is to be kept: as it was saved before, where nobody says what to take of it. */
const named = Effect.fnUntraced(function* (
  vault: string,
  { path, selection, shown }: TaskSpec.Source,
  place: { readonly folder?: string; readonly parent?: string }
) {
  const state = yield* VaultState.VaultState
  const known = yield* state.sources(vault)
  return yield* Backup.mappingOf({
    source: path,
    selection: selection === undefined ? Backup.defaultSelection : new VaultState.Selection(selection),
    ...place
  }).pipe(
    Effect.map((mapping): Job => {
      const before = known.find((one) => one.folder === mapping.folder && one.path === mapping.path)
      // what was left out when the source was saved is not taken just because nobody said it again
      return { vault, mapping: selection === undefined && before !== undefined ? before : mapping }
    }),
    Effect.mapError((error) => (error.path === path ? new Scan.SourceUnreadable({ ...error, path: shown }) : error)),
    Effect.either
  )
})

/** What a vault keeps when nobody names a source: what the configuration declares, or what was saved. */
const usual = Effect.fnUntraced(function* (vault: string, folder: string) {
  const state = yield* VaultState.VaultState
  const settings = yield* VaultSettings.VaultSettings
  const declared = settings.sources(vault)
  if (declared.length > 0) {
    const jobs = yield* Effect.forEach(declared, ({ path, selection }) =>
      named(vault, { path, shown: path, selection }, {})
    )
    return jobs.filter((job) => Either.isLeft(job) || isBelow(job.right.mapping.folder, folder))
  }
  const known = yield* state.vaults
  if (!known.includes(vault)) return yield* new Vault.NoSuchVault({ vault, known })
  return (yield* state.sources(vault)).flatMap(
    (mapping): ReadonlyArray<Planned> => (isBelow(mapping.folder, folder) ? [Either.right({ vault, mapping })] : [])
  )
})

/** The sources that the task names, or the usual ones; one that is not there is told among them. @since 0.1.0 @category programs */
export const plan = Effect.fnUntraced(function* (spec: TaskSpec.Of<"Backup"> | TaskSpec.Of<"Ingest">) {
  const state = yield* VaultState.VaultState
  const settings = yield* VaultSettings.VaultSettings
  const { folder, sources, vault } = spec
  if (vault === undefined) {
    const vaults = [...new Set([...(yield* state.vaults), ...settings.withSources])].sort()
    const all = (yield* Effect.forEach(vaults, (name) => usual(name, ""))).flat()
    return all.length === 0 ? yield* new Backup.NoSources({ vault: vaults[0] ?? "" }) : all
  }
  yield* Vault.refuseAttached(vault)
  if (sources.length === 0) {
    const again = yield* usual(vault, folder)
    return again.length === 0 ? yield* new Backup.NoSources({ vault }) : again
  }
  const place = folder === "" ? {} : sources.length === 1 ? { folder } : { parent: folder }
  return yield* Effect.forEach(sources, (source) => named(vault, source, place))
})

/** How the task scans: without Cairn's own folders, and stopped by what deletes or rewrites much. @since 0.1.0 @category programs */
export const scanning = Effect.fnUntraced(function* (
  { anything = false, approved, attended }: Pick<TaskSpec.Of<"Backup">, "anything" | "approved" | "attended">,
  { mapping, vault }: Job
) {
  const { say } = yield* TaskEvents.TaskEvents
  const { own } = yield* TaskHost.TaskHost
  const approvals = yield* Approvals.Approvals
  const share = (yield* VaultSettings.VaultSettings).approveAbove(vault)
  const onProblem = ({ detail, display }: { readonly display: string; readonly detail: string }) =>
    say({
      _tag: "Problem",
      record: { type: "problem", kind: "skipped", path: display, detail },
      complaint: `${display}: ${detail}`
    })
  return {
    own,
    onProblem,
    brake: {
      attended,
      anything,
      approvals,
      ...(share === undefined ? {} : { policy: { ...Brake.defaultPolicy, share } }),
      ...(approved === undefined || approved.vault !== vault || approved.folder !== mapping.folder ? {} : { approved }),
      onMassChange: ({ deleted, files, rewritten }: Numbers) =>
        say({
          _tag: "Note",
          text: `source ${LocalPath.display(mapping.path)}: of ${files} files ${deleted} are deleted and ${rewritten} rewritten since its last backup; older snapshots keep them`
        })
    }
  }
})

/** Refuses two sources of one run that would write over each other, before anything is read. @since 0.1.0 @category programs */
export const refuseCollisions = Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>) {
  for (const [index, one] of jobs.entries()) {
    const other = jobs
      .slice(0, index)
      .find((before) => before.vault === one.vault && Folder.overlap(before.mapping.folder, one.mapping.folder))
    if (other === undefined || other.mapping.path === one.mapping.path) continue
    return yield* new Backup.SourceCollision({
      vault: one.vault,
      folder: one.mapping.folder,
      path: one.mapping.path,
      takenBy: other.mapping.path,
      takenFolder: other.mapping.folder
    })
  }
})

const repairable: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  BlobStoreError: ["Missing", "Damaged", "Unreadable"],
  DamagedTree: ["NotDecodable", "Inconsistent"],
  HeadError: ["Damaged"]
}

/** The error of a head that cannot be built upon, with what helps. */
const withWayOut = (vault: string, error: TaskHost.Failed): TaskHost.Failed =>
  repairable[error._tag]?.includes(error.reason) === true
    ? {
        _tag: error._tag,
        reason: error.reason,
        message: `${error.message}; \`cairn vault repair ${vault}:\` goes on from what can be read`
      }
    : error

/**
 * Tells what fails in one source, and goes on with the others: the first failure is the run's, and what all have in common
 * is told once.
 *
 * @since 0.1.0
 * @category programs
 */
export const failures = Effect.gen(function* () {
  const { say } = yield* TaskEvents.TaskEvents
  const messages = new Set<string>()
  let first: TaskHost.Failed | undefined
  return {
    first: () => first,
    fail: (path: string, error: TaskHost.Failed) =>
      Effect.suspend(() => {
        first ??= error
        const isNew = !messages.has(error.message)
        messages.add(error.message)
        return say({
          _tag: "Problem",
          record: { type: "problem", kind: "skipped", path, detail: error.message },
          ...(isNew ? { complaint: error.message } : {})
        })
      })
  }
})

/** Refuses Cairn's own folders, before anything is saved that would be tried again with every later run. @since 0.1.0 @category programs */
export const refuseOwn = Effect.fnUntraced(function* ({ mapping }: Job) {
  const { isOwn } = yield* TaskHost.TaskHost
  if (isOwn(mapping.path))
    return yield* new TaskHost.Misuse({
      problem: `source ${LocalPath.display(mapping.path)}: Cairn keeps its own files there`
    })
})

/** Tells what stands beside its path since a publication, and what is still to be done after it. @since 0.1.0 @category programs */
export const tellConflicts = Effect.fnUntraced(function* (
  vault: string,
  { conflicts, pending }: Pick<Publish.Outcome, "conflicts" | "pending">
) {
  const { say } = yield* TaskEvents.TaskEvents
  for (const { copy, path } of conflicts) {
    const detail = `changed by several writers; the other version is kept as ${LocalPath.display(copy)}`
    yield* say({
      _tag: "Problem",
      record: { type: "problem", kind: "conflict", path, detail },
      complaint: `${vault}:${LocalPath.display(path)}: ${detail}`
    })
  }
  if (pending.length > 0)
    yield* say({
      _tag: "Complaint",
      text: `${vault}: ${pending.length} ${pending.length === 1 ? "step" : "steps"} after the publication could not be done yet (a copy of the head elsewhere, or the recovery entry); the next run tries again`
    })
})

/** Keeps the sources, one after the other, and tells what became of each. @since 0.1.0 @category programs */
export const perform = Effect.fn("TaskBackup.perform")(function* (spec: TaskSpec.Of<"Backup">) {
  const { say } = yield* TaskEvents.TaskEvents
  const { dryRun, reread } = spec
  const jobs = yield* plan(spec)
  const { fail, first } = yield* failures
  let problems = 0

  const report = (
    { mapping, vault }: Job,
    { bytes, files, leftOut, problems, readBytes, readFiles }: Scan.Scan,
    outcome: "published" | "unchanged" | "dry-run",
    snapshot?: { readonly id: Hash.Hash; readonly revision: bigint }
  ) =>
    say({
      _tag: "Source",
      record: {
        type: "source",
        vault,
        folder: mapping.folder,
        path: mapping.path,
        outcome,
        ...(snapshot === undefined ? {} : { snapshot: Hash.toHex(snapshot.id), revision: Number(snapshot.revision) }),
        files,
        bytes,
        readFiles,
        readBytes,
        leftOut,
        problems
      }
    })

  const run = Effect.fnUntraced(function* (job: Job) {
    yield* refuseOwn(job)
    const { mapping, vault: name } = job
    const options = yield* scanning(spec, job)
    if (dryRun) {
      const scan = yield* Backup.preview(name, mapping, { own: options.own, onProblem: options.onProblem })
      problems += scan.problems
      return yield* report(job, scan, "dry-run")
    }
    const vault = yield* Vault.ensure(name)
    yield* Backup.saveMapping(name, mapping)
    const { published, scan } = yield* Backup.backup(vault, mapping, { ...options, reread })
    problems += scan.problems
    yield* report(job, scan, published.outcome, { id: published.node, revision: published.revision })
    yield* tellConflicts(name, published)
  })

  yield* refuseCollisions(jobs.flatMap((job) => (Either.isRight(job) ? [job.right] : [])))
  for (const job of jobs) {
    if (Either.isLeft(job)) yield* fail(job.left.path, job.left)
    else
      yield* Effect.catchAll(run(job.right), (error: TaskHost.Failed) =>
        fail(job.right.mapping.path, withWayOut(job.right.vault, error))
      )
  }
  if (!dryRun) {
    for (const text of yield* (yield* DeviceList.DeviceList).upkeep) yield* say({ _tag: "Complaint", text })
    yield* TaskHost.remind
  }
  const error = first()
  const outcome: TaskHost.Outcome = {
    outcome: problems > 0 ? "skipped" : "done",
    ...(error === undefined ? {} : { error })
  }
  return outcome
})
