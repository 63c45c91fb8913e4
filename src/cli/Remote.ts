/**
 * Having tasks done by the daemon of this home; loaded only where one answers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as DaemonClient from "../layers/DaemonClient.ts"
import type * as Rpc from "../schema/Rpc.ts"
import * as TaskSpec from "../schema/TaskSpec.ts"
import * as ConfigChoice from "./ConfigChoice.ts"
import type * as Console from "./Console.ts"
import * as Home from "./Home.ts"
import * as TaskFailure from "./TaskFailure.ts"
import * as TaskFollow from "./TaskFollow.ts"
import * as TaskVoice from "./TaskVoice.ts"
import { version } from "./Verbs.ts"

/** Has the daemon do what is asked, and tells what it says; answers nothing when it was not asked. @since 0.1.0 @category programs */
export const run = (path: string, request: Rpc.Request, voice: Console.Voice) =>
  Effect.gen(function* () {
    const lost = DaemonClient.lost(request._tag === "Named" ? `task ${request.name}` : TaskSpec.title(request.spec))
    const gone = Effect.mapError(() => lost)
    const { option } = yield* ConfigChoice.Choice
    const config = ConfigChoice.chosen(option, process.env, Home.mine).file
    const client = yield* DaemonClient.open(path, version).pipe(
      Effect.map((opened) => (opened.hello.config === config ? opened.client : undefined)),
      // it ended before it was asked, so nobody does it twice
      Effect.catchIf(
        ({ reason }) => reason === "Absent",
        () => Effect.succeed(undefined)
      )
    )
    if (client === undefined) return undefined
    const answer = yield* gone(client.RunTask({ request }))
    if (answer._tag === "Refused") return yield* Effect.fail(TaskFailure.from(answer.error))
    const say = yield* TaskVoice.make(voice)
    return yield* TaskFollow.follow(
      {
        watch: (taskId) =>
          client
            .WatchTask({ taskId })
            .pipe(Stream.mapError((error) => (error._tag === "RpcClientError" ? lost : error))),
        cancel: (taskId) => client.CancelTask({ taskId }),
        lost
      },
      answer.taskId,
      say
    )
  }).pipe(Effect.scoped)
