/**
 * The tasks of a configuration as what is to be run (docs/format/node.md §3.7).
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import type { Config } from "../schema/Config.ts"
import * as Spelling from "../schema/Spelling.ts"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import * as VaultRef from "../schema/VaultRef.ts"
import type { Submission } from "./ExecutorTask.ts"

/**
 * There is no such task to be run.
 *
 * - `NotConfigured`: no task is called that.
 * - `Unusable`: what the configuration says of it cannot be done.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownTask extends Data.TaggedError("UnknownTask")<{
  readonly reason: "NotConfigured" | "Unusable"
  readonly task: string
  readonly detail: string
}> {
  override get message() {
    return `task ${this.task}: ${this.detail}`
  }
}

/** What depends on the machine and on who asks. @since 0.1.0 @category models */
export interface Options {
  readonly config: Config
  /** The absolute form of a path of the configuration. */
  readonly resolve: (path: string) => string
  /** The last millisecond of a local date or minute. */
  readonly endOf: (at: Extract<VaultRef.SnapshotSelector, { readonly _tag: "At" }>) => number
  /** Whether a person has asked for it. */
  readonly attended: boolean
}

const own = <A>(record: Readonly<Record<string, A>>, name: string): A | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined

/** What `[task.NAME]` says, and what its success starts, each with its own. @since 0.1.0 @category constructors */
export const submission = (name: string, options: Options): Either.Either<Submission, UnknownTask> => {
  const { attended, config, endOf, resolve } = options
  const task = own(config.task, name)
  const unusable = (detail: string) => Either.left(new UnknownTask({ reason: "Unusable", task: name, detail }))
  if (task === undefined) {
    const names = Object.keys(config.task)
    const near = Spelling.nearest(name, names)
    const hint =
      near !== undefined
        ? `did you mean ${near}?`
        : names.length === 0
          ? "none is configured"
          : `there is ${names.join(", ")}`
    return Either.left(
      new UnknownTask({ reason: "NotConfigured", task: name, detail: `no task is called that: ${hint}` })
    )
  }

  const place = (path: string): TaskSpec.Place => ({ path: resolve(path), shown: path })
  const sources = (source: string | undefined): ReadonlyArray<TaskSpec.Source> => {
    const table = source === undefined ? undefined : own(config.source, source)
    if (table === undefined) return []
    const selection = {
      exclude: [...(table.skip_hidden ? [".*"] : []), ...table.exclude],
      ignoreFiles: table.respect_ignore_files,
      excludeCaches: !table.include_caches,
      oneFileSystem: table.one_file_system
    }
    return table.paths.map((path) => ({ ...place(path), selection }))
  }
  const restoring = { overwrite: false, owner: false, setuid: false, dryRun: false }

  const spec = Either.gen(function* () {
    switch (task.type) {
      case "ingest": {
        const made: TaskSpec.TaskSpec = {
          _tag: "Ingest",
          vault: task.vault,
          folder: "",
          sources: sources(task.source),
          attended
        }
        return made
      }
      case "publish": {
        const made: TaskSpec.TaskSpec = { _tag: "Publish", vault: task.vault }
        return made
      }
      case "backup": {
        const made: TaskSpec.TaskSpec = {
          _tag: "Backup",
          vault: task.vault,
          folder: "",
          sources: sources(task.source),
          attended,
          reread: false,
          dryRun: false
        }
        return made
      }
      case "restore": {
        const asked = yield* Either.mapLeft(VaultRef.parseSnapshot(task.snapshot ?? "latest"), ({ message }) => message)
        const path = yield* Either.mapLeft(VaultRef.parsePath(task.subtree ?? ""), ({ message }) => message)
        const snapshot: TaskSpec.Snapshot = asked._tag === "At" ? { ...asked, until: endOf(asked) } : asked
        const directory = place(task.target_path)
        const made: TaskSpec.TaskSpec = {
          _tag: "Restore",
          vault: task.vault,
          snapshot,
          path,
          directory,
          ...restoring
        }
        return made
      }
      case "remote_restore": {
        const made: TaskSpec.TaskSpec = {
          _tag: "RemoteRestore",
          vault: task.vault,
          snapshot: { _tag: "Latest", back: 0 },
          path: "",
          directory: place(task.target_path),
          ...restoring
        }
        return made
      }
      case "verify": {
        const made: TaskSpec.TaskSpec = {
          _tag: "Verify",
          ...(task.vault === undefined ? {} : { vault: task.vault }),
          share: 1
        }
        return made
      }
    }
  })
  if (Either.isLeft(spec)) return unusable(spec.left)
  // the configuration has no cycle of tasks: that is one of its rules
  return Either.map(Either.all(task.then.map((next) => submission(next, options))), (followers) => ({
    name,
    spec: spec.right,
    followers
  }))
}
