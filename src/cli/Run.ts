/**
 * `cairn run TASK`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as DaemonSocket from "../layers/DaemonSocket.ts"
import { TaskCancelled } from "../schema/TaskInfo.ts"
import type * as Console from "./Console.ts"
import * as Home from "./Home.ts"
import * as TaskConfig from "./TaskConfig.ts"
import * as TaskExecutor from "./TaskExecutor.ts"
import * as TaskFollow from "./TaskFollow.ts"
import * as TaskRun from "./TaskRun.ts"
import * as TaskVoice from "./TaskVoice.ts"
import * as Verb from "./Verb.ts"

const here = (name: string, voice: Console.Voice) =>
  Effect.gen(function* () {
    const submission = yield* TaskConfig.submission(name, true)
    const executor = yield* TaskExecutor.make()
    const say = yield* TaskVoice.make(voice)
    const first = yield* executor.submit(submission)
    return yield* TaskFollow.follow({ ...executor, lost: new TaskCancelled({ task: name }) }, first, say)
  }).pipe(Effect.scoped)

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "run",
  description: "Run a task of the configuration, and what follows it: run TASK",
  config: { task: Verb.operand("TASK") },
  handler: ({ task }, common) =>
    Effect.gen(function* () {
      const socket = yield* DaemonSocket.answering(Home.mine.data)
      if (socket === undefined) return yield* here(task, common)
      return yield* TaskRun.orHere(socket, { _tag: "Named", name: task }, common, here(task, common))
    })
})
