/**
 * A task as others see it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { End, Progress } from "./TaskEvent.ts"
import { TaskSpec } from "./TaskSpec.ts"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** A task that waits, runs, or has ended not long ago. Times are milliseconds since 1970. @since 0.1.0 @category models */
export const TaskInfo = Schema.Struct({
  /** Counts from 1 in each process. */
  id: Schema.Int,
  /** Its name in the configuration, where it has one. */
  name: optional(Schema.String),
  spec: TaskSpec,
  state: Schema.Literal("queued", "running", "ended"),
  queuedAt: Schema.Number,
  startedAt: optional(Schema.Number),
  endedAt: optional(Schema.Number),
  progress: optional(Progress),
  end: optional(End)
})

/** @since 0.1.0 @category models */
export type TaskInfo = typeof TaskInfo.Type

/** No task has this number, or it ended so long ago that it was forgotten. @since 0.1.0 @category errors */
export class NoSuchTask extends Schema.TaggedError<NoSuchTask>()("NoSuchTask", { id: Schema.Int }) {
  override get message() {
    return `no task has the number ${this.id} (any more)`
  }
}

/** The task was stopped by somebody else than who waits for it. @since 0.1.0 @category errors */
export class TaskCancelled extends Schema.TaggedError<TaskCancelled>()("TaskCancelled", { task: Schema.String }) {
  override get message() {
    return `${this.task}: it was cancelled; what was done before is kept, run it again to go on`
  }
}

/** Nothing new is begun, since the process is about to end. @since 0.1.0 @category errors */
export class ExecutorStopped extends Schema.TaggedError<ExecutorStopped>()("ExecutorStopped", {}) {
  override get message() {
    return "the daemon is stopping and takes no new task; run it again when it has stopped"
  }
}
