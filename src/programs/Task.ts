/**
 * Doing what a task says, whoever asked for it and wherever it runs.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import * as TaskBackup from "./TaskBackup.ts"
import type * as TaskHost from "./TaskHost.ts"
import * as TaskIngest from "./TaskIngest.ts"
import * as TaskRestore from "./TaskRestore.ts"
import * as TaskVerify from "./TaskVerify.ts"

const dispatch = (spec: TaskSpec.TaskSpec) => {
  switch (spec._tag) {
    case "Ingest":
      return TaskIngest.ingest(spec)
    case "Publish":
      return TaskIngest.publish(spec)
    case "Backup":
      return TaskBackup.perform(spec)
    case "Restore":
    case "RemoteRestore":
      return TaskRestore.perform(spec)
    case "Verify":
      return TaskVerify.perform(spec)
  }
}

/** What a task needs. @since 0.1.0 @category models */
export type Requirements = Effect.Effect.Context<ReturnType<typeof dispatch>>

/**
 * Does what `spec` says and tells `TaskEvents` what there is to say; interruption leaves everything whole.
 *
 * @since 0.1.0
 * @category programs
 */
export const perform = (spec: TaskSpec.TaskSpec): Effect.Effect<TaskHost.Outcome, TaskHost.Failed, Requirements> =>
  dispatch(spec)
