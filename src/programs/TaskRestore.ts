/**
 * The task that brings a snapshot, or a part of it, back to disk.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as LocalPath from "../schema/LocalPath.ts"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import { LocalTreeError } from "../services/LocalTree.ts"
import * as TaskEvents from "../services/TaskEvents.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Head from "./Head.ts"
import * as Restore from "./Restore.ts"
import * as Snapshots from "./Snapshots.ts"
import * as TaskHost from "./TaskHost.ts"

/** The error with the directory in it as the user wrote it. */
const asWritten = ({ path, shown }: TaskSpec.Place, error: TaskHost.Failed): TaskHost.Failed => {
  const absolute = LocalPath.display(path)
  return error instanceof LocalTreeError && error.path.startsWith(absolute)
    ? new LocalTreeError({ ...error, path: LocalPath.display(shown) + error.path.slice(absolute.length) })
    : error
}

/** What is to be brought back, and what is said of what had to be left out of it. */
const open = Effect.fnUntraced(function* ({
  device,
  peers = false,
  snapshot: selector,
  vault: name
}: TaskSpec.Of<"Restore"> | TaskSpec.Of<"RemoteRestore">) {
  const { openTogether, openVault } = yield* TaskHost.TaskHost
  if (!peers) {
    const vault = yield* openVault(name, device)
    const published = yield* Snapshots.resolve(vault, selector, () => (selector._tag === "At" ? selector.until : 0))
    return { snapshot: Head.tree(vault, published), leftOut: [] }
  }
  if (device !== undefined || selector._tag !== "Latest" || selector.back !== 0)
    return yield* new TaskHost.Misuse({
      problem: `${name}: what all devices have together is of now, and of no single device or snapshot`
    })
  return yield* openTogether(name)
})

/** Opens the snapshot and writes it below the directory. @since 0.1.0 @category programs */
export const perform = Effect.fn("TaskRestore.perform")(function* (
  spec: TaskSpec.Of<"Restore"> | TaskSpec.Of<"RemoteRestore">
) {
  const { say } = yield* TaskEvents.TaskEvents
  const { isOwn } = yield* TaskHost.TaskHost
  const { directory, dryRun, overwrite, owner, path, setuid } = spec
  if (isOwn(directory.path))
    return yield* new TaskHost.Misuse({
      problem: `${directory.shown}: Cairn keeps its own files there; restore somewhere else`
    })
  if (spec._tag === "RemoteRestore") {
    const state = yield* VaultState.VaultState
    if ((yield* state.peer(spec.vault)) === undefined)
      return yield* new TaskHost.Misuse({
        problem: `${spec.vault}: no attached vault is called that; \`cairn vault add ${spec.vault}\` attaches another device's`
      })
  }
  const { leftOut, snapshot } = yield* open(spec)
  for (const text of leftOut) yield* say({ _tag: "Complaint", text })
  const { bytes, files, problems, unchanged } = yield* Restore.restore(snapshot, {
    vault: spec.vault,
    path,
    directory: directory.path,
    overwrite,
    owner,
    allowSetuid: setuid,
    dryRun,
    onProblem: (problem) =>
      say({
        _tag: "Problem",
        record: { type: "problem", ...problem },
        complaint: `${spec.vault}:${problem.path}: ${problem.detail}`
      })
  }).pipe(Effect.mapError((error) => asWritten(directory, error)))
  yield* say({
    _tag: "Restored",
    directory: directory.shown,
    dryRun,
    record: { type: "summary", verb: "restore", counts: { files, bytes, unchanged, ...problems } }
  })
  yield* TaskHost.remind
  const outcome: TaskHost.Outcome = {
    outcome: problems.damaged > 0 ? "damaged" : problems.skipped + leftOut.length > 0 ? "skipped" : "done"
  }
  return outcome
}, Effect.scoped)
