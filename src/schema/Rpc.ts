/**
 * What the daemon answers, over a socket that only its own user can reach (docs/format/node.md §4).
 *
 * Between versions only `Hello` and `Shutdown` stay as they are: everything else is asked of a daemon of the same version.
 *
 * @since 0.1.0
 */
import * as Rpc from "@effect/rpc/Rpc"
import * as RpcGroup from "@effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import { Health } from "./Health.ts"
import * as Output from "./Output.ts"
import { Failure, TaskEvent } from "./TaskEvent.ts"
import { NoSuchTask, TaskInfo } from "./TaskInfo.ts"
import { TaskSpec } from "./TaskSpec.ts"

/** Who answers. @since 0.1.0 @category models */
export const Hello = Schema.Struct({
  version: Schema.String,
  /** The configuration file that it goes by, whether or not there is one. */
  config: Schema.String,
  pid: Schema.Int,
  /** Milliseconds since 1970. */
  startedAt: Schema.Number
})

/** @since 0.1.0 @category models */
export type Hello = typeof Hello.Type

/** Which task is to be run. @since 0.1.0 @category models */
export const Request = Schema.Union(
  /** A task of the configuration, with what follows it. */
  Schema.TaggedStruct("Named", { name: Schema.String }),
  Schema.TaggedStruct("Given", { spec: TaskSpec })
)

/** @since 0.1.0 @category models */
export type Request = typeof Request.Type

/** What became of a request to run a task. @since 0.1.0 @category models */
export const Answer = Schema.Union(
  Schema.TaggedStruct("Spawned", { taskId: Schema.Int, spec: TaskSpec }),
  Schema.TaggedStruct("Refused", { error: Failure })
)

/** How the daemon is. @since 0.1.0 @category models */
export const Status = Schema.Struct({
  ...Hello.fields,
  /** The folder that it serves. */
  data: Schema.String,
  tasks: Schema.Array(TaskInfo),
  /** What runs by itself. */
  automations: Schema.Array(Health)
})

/** @since 0.1.0 @category models */
export type Status = typeof Status.Type

/** The operations. @since 0.1.0 @category models */
export class Group extends RpcGroup.make(
  Rpc.make("Hello", { success: Hello }),
  Rpc.make("Shutdown"),
  Rpc.make("RunTask", { payload: { request: Request }, success: Answer }),
  /** Everything from the task's beginning to its end; values of progress may be skipped. */
  Rpc.make("WatchTask", { payload: { taskId: Schema.Int }, success: TaskEvent, error: NoSuchTask, stream: true }),
  /** Answers when the task has ended. */
  Rpc.make("CancelTask", { payload: { taskId: Schema.Int }, error: NoSuchTask }),
  Rpc.make("ListTasks", { success: Schema.Array(TaskInfo) }),
  Rpc.make("GetStatus", { success: Status }),
  /** The configuration as JSON, its secrets left out. */
  Rpc.make("GetConfig", { success: Schema.String, error: Failure }),
  /** The snapshots of one vault, or of all, oldest first. */
  Rpc.make("ListSnapshots", {
    payload: { vault: Schema.optional(Schema.String) },
    success: Schema.Array(Output.Snapshot),
    error: Failure
  })
) {}
