/**
 * Having a task done for a verb: by the daemon of this home where one runs, in this process otherwise; nobody can tell the
 * difference by what is said.
 *
 * @since 0.1.0
 */
import { isAbsolute } from "node:path"
import * as Effect from "effect/Effect"
import * as DaemonSocket from "../layers/DaemonSocket.ts"
import type * as Rpc from "../schema/Rpc.ts"
import type * as TaskEvent from "../schema/TaskEvent.ts"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import * as TaskEvents from "../services/TaskEvents.ts"
import type * as Console from "./Console.ts"
import * as Ending from "./Ending.ts"
import * as Home from "./Home.ts"
import * as TaskFailure from "./TaskFailure.ts"
import * as TaskVoice from "./TaskVoice.ts"

/** The place that a word of the command line means, whatever the working directory of who goes there. @since 0.1.0 @category conversions */
export const place = (word: string): TaskSpec.Place => {
  // joined and not resolved: a link on the way before a ".." is followed
  const absolute = () => `${process.cwd() === "/" ? "" : process.cwd()}/${word}`
  return { path: isAbsolute(word) || word === "" ? word : absolute(), shown: word }
}

/** What a verb answers for a task that has ended. @since 0.1.0 @category conversions */
export const answer = (
  end: Pick<TaskEvent.End, "code" | "error" | "isTold">
): Effect.Effect<number | Ending.Told, Ending.Tagged> => {
  if (end.error === undefined) return Effect.succeed(end.code)
  const error = TaskFailure.from(end.error)
  return end.isTold ? Effect.succeed(new Ending.Told({ error })) : Effect.fail(error)
}

// all that tasks run on is loaded by who does one: whoever has it done need not wait for that
const loadLive = Effect.promise(() => import("./TaskLive.ts"))

const here = (spec: TaskSpec.TaskSpec, voice: Console.Voice) =>
  Effect.gen(function* () {
    const TaskLive = yield* loadLive
    const say = yield* TaskVoice.make(voice)
    const outcome = yield* TaskLive.perform(spec).pipe(
      Effect.provideService(TaskEvents.TaskEvents, { say }),
      Effect.provide(TaskLive.layer)
    )
    return outcome.error === undefined ? TaskLive.codeOf(outcome) : new Ending.Told({ error: outcome.error })
  }).pipe(Effect.scoped)

/** Has the daemon at `socket` do it; or does it `here`, where that was never asked or goes by another configuration. @since 0.1.0 @category programs */
export const orHere = <E extends Ending.Tagged>(
  socket: string,
  request: Rpc.Request,
  voice: Console.Voice,
  here: Effect.Effect<number | Ending.Told, E>
) =>
  // a chunk of this very program that cannot be loaded is a broken installation
  Effect.flatMap(
    Effect.promise(() => import("./Remote.ts")),
    (remote) =>
      Effect.flatMap(remote.run(socket, request, voice), (answered) =>
        answered === undefined ? here : Effect.succeed(answered)
      )
  )

/** Has the task done and tells what it says. @since 0.1.0 @category programs */
export const run = Effect.fn("TaskRun.run")(function* (spec: TaskSpec.TaskSpec, voice: Console.Voice) {
  const socket = yield* DaemonSocket.answering(Home.mine.data)
  if (socket === undefined) return yield* here(spec, voice)
  return yield* orHere(socket, { _tag: "Given", spec }, voice, here(spec, voice))
})
