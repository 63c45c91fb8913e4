/**
 * The daemon itself: tasks, and what starts by itself, served until it is told to stop.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as DaemonServer from "../layers/DaemonServer.ts"
import type * as Automation from "../programs/Automation.ts"
import * as Head from "../programs/Head.ts"
import * as Snapshots from "../programs/Snapshots.ts"
import * as Hash from "../schema/Hash.ts"
import type { Health } from "../schema/Health.ts"
import type * as Output from "../schema/Output.ts"
import type * as Rpc from "../schema/Rpc.ts"
import type { TaskInfo } from "../schema/TaskInfo.ts"
import * as TaskSpec from "../schema/TaskSpec.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Config from "./Config.ts"
import * as ConfigChoice from "./ConfigChoice.ts"
import * as Console from "./Console.ts"
import * as DaemonAutomations from "./DaemonAutomations.ts"
import * as Home from "./Home.ts"
import * as Opening from "./Opening.ts"
import * as TaskConfig from "./TaskConfig.ts"
import * as TaskExecutor from "./TaskExecutor.ts"
import * as TaskFailure from "./TaskFailure.ts"
import { version } from "./Verbs.ts"

/** How long those who follow a task have to hear of its end, when the daemon stops. */
const patience = "5 seconds"

/** What is said in the log of a task that begins or ends. */
const logged = ({ end, id, name, spec, state }: TaskInfo): string => {
  const title = `task ${id} (${name === undefined ? "" : `${name}, `}${TaskSpec.title(spec)})`
  if (state !== "ended" || end === undefined) return `${title} began`
  return `${title} ended with ${end.code}${end.error === undefined ? "" : `: ${end.error.message}`}`
}

const snapshotsOf = Effect.fnUntraced(function* (name: string) {
  const vault = yield* Opening.openVault(name)
  const head = yield* Head.newest(vault)
  const all = head === undefined ? [] : yield* Snapshots.all(vault, head)
  return all.map(({ id, number, publishedAt }): typeof Output.Snapshot.Type => ({
    type: "snapshot",
    vault: name,
    number,
    id: Hash.toHex(id),
    ...(publishedAt === undefined ? {} : { publishedAt: new Date(publishedAt).toISOString() })
  }))
})

/** What went wrong in the background, as lines on standard error. */
const logger = (voice: Console.Voice) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => {
      const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
      Effect.runSync(Console.note(voice, `cairn: ${text}`))
    })
  )

/**
 * Serves this home until `Shutdown` is asked, or until it is interrupted: then nothing new is taken, what runs is cancelled, and
 * whoever follows it is told.
 *
 * @since 0.1.0
 * @category programs
 */
export const serve = Effect.fnUntraced(
  function* (voice: Console.Voice) {
    const choice = yield* ConfigChoice.Choice
    // nothing is started with a configuration that has a fault
    yield* TaskConfig.load
    const hello = {
      version,
      config: yield* TaskConfig.file,
      pid: process.pid,
      startedAt: yield* Clock.currentTimeMillis
    }
    const stopped = yield* Deferred.make<void>()
    const executor = yield* TaskExecutor.make({
      onChange: (task) => Console.note(voice, `cairn: ${logged(task)}`)
    })
    let following = 0
    let health: Effect.Effect<ReadonlyArray<Health>> = Effect.succeed([])

    const submit = Effect.fnUntraced(
      function* (request: Rpc.Request, attended: boolean) {
        const submission =
          request._tag === "Given" ? { spec: request.spec } : yield* TaskConfig.submission(request.name, attended)
        return { taskId: yield* executor.submit(submission), spec: submission.spec }
      },
      Effect.provideService(ConfigChoice.Choice, choice)
    )

    const socket = yield* DaemonServer.serve(Home.mine.data, {
      Hello: () => Effect.succeed(hello),
      Shutdown: () => Effect.asVoid(Deferred.succeed(stopped, undefined)),
      RunTask: ({ request }) =>
        Effect.match(submit(request, true), {
          onFailure: (error) => ({ _tag: "Refused" as const, error: TaskFailure.to(error) }),
          onSuccess: (spawned) => ({ _tag: "Spawned" as const, ...spawned })
        }),
      WatchTask: ({ taskId }) =>
        Stream.ensuring(
          Stream.onStart(
            executor.watch(taskId),
            Effect.sync(() => {
              following += 1
            })
          ),
          Effect.sync(() => {
            following -= 1
          })
        ),
      CancelTask: ({ taskId }) => executor.cancel(taskId),
      ListTasks: () => executor.list,
      GetStatus: () =>
        Effect.map(Effect.all([executor.list, health]), ([tasks, automations]) => ({
          ...hello,
          data: Home.mine.data,
          tasks,
          automations
        })),
      GetConfig: () =>
        TaskConfig.load.pipe(
          Effect.provideService(ConfigChoice.Choice, choice),
          Effect.map(({ config }) => JSON.stringify(Config.shown(config))),
          Effect.mapError(TaskFailure.to)
        ),
      ListSnapshots: ({ vault }) =>
        executor
          .use(
            Effect.gen(function* () {
              const state = yield* VaultState.VaultState
              const names = vault === undefined ? yield* state.vaults : [vault]
              return (yield* Effect.forEach(names, snapshotsOf)).flat()
            })
          )
          .pipe(Effect.mapError(TaskFailure.to))
    })
    // before the socket goes: who follows a task hears of its end
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        executor.stop,
        Effect.suspend(() => (following > 0 ? Effect.fail("somebody follows") : Effect.void)).pipe(
          Effect.retry({ while: () => true, schedule: DaemonAutomations.often }),
          // or the time would wait for it: a finalizer is not interrupted
          Effect.interruptible,
          Effect.timeout(patience),
          // nothing is lost: the tasks have ended, and who is cut off finds the connection gone, which a client tells as a failure
          Effect.ignore
        )
      )
    )
    // before the executor stops: what runs by itself is interrupted, and made up for by the next daemon
    const run = Effect.fnUntraced(function* ({ task }: Automation.Automation<Rpc.Request>) {
      const { taskId } = yield* submit(task, false)
      // nothing is lost where it cannot be cancelled: it has ended by itself
      return yield* Effect.onInterrupt(DaemonAutomations.outcomeOf(executor.watch(taskId)), () =>
        Effect.ignore(executor.cancel(taskId))
      )
    })
    health = yield* DaemonAutomations.start(run, executor.use)
    yield* Console.note(voice, `cairn: daemon ${process.pid} listens at ${socket}`)
    yield* Deferred.await(stopped)
  },
  Effect.scoped,
  (effect, voice) => Effect.provide(effect, logger(voice))
)
