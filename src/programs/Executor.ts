/**
 * Running tasks: one at a time that changes a vault, independent ones beside each other, in the order in which they came.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as TaskEvent from "../schema/TaskEvent.ts"
import { ExecutorStopped, NoSuchTask, TaskCancelled, type TaskInfo } from "../schema/TaskInfo.ts"
import type { TaskSpec } from "../schema/TaskSpec.ts"
import * as TaskEvents from "../services/TaskEvents.ts"
import * as ExecutorQueue from "./ExecutorQueue.ts"
import * as ExecutorTask from "./ExecutorTask.ts"

/** How a task ended, before it is known what follows it. @since 0.1.0 @category models */
export type Ended = Omit<TaskEvent.End, "_tag" | "next">

/** @since 0.1.0 @category models */
export interface Options<R> {
  /** Does one task; interrupted when it is cancelled. */
  readonly run: (spec: TaskSpec) => Effect.Effect<Ended, never, R | TaskEvents.TaskEvents>
  /** The exit code of a task that was cancelled. */
  readonly cancelledCode: number
  /** Told whenever a task begins or ends. */
  readonly onChange?: (task: TaskInfo) => Effect.Effect<void>
  /** How many ended tasks are remembered; 100 when absent. */
  readonly history?: number
  /** How many tasks run at once; 4 when absent. */
  readonly width?: number
}

/** @since 0.1.0 @category models */
export interface Executor {
  /** Queues a task and answers its number. */
  readonly submit: (submission: ExecutorTask.Submission) => Effect.Effect<number, ExecutorStopped>
  /**
   * All that the task says, from its beginning to its end, whenever it is asked for: values of progress are skipped for whoever
   * listens slowly, and at most five a second.
   */
  readonly watch: (id: number) => Stream.Stream<TaskEvent.TaskEvent, NoSuchTask>
  /** Waits for the task's end. */
  readonly wait: (id: number) => Effect.Effect<TaskEvent.End, NoSuchTask>
  /** Takes a task out of the queue, or interrupts it and waits until it has ended; what has ended stays as it is. */
  readonly cancel: (id: number) => Effect.Effect<void, NoSuchTask>
  /** What waits, runs, and ended not long ago, in the order in which it came. */
  readonly list: Effect.Effect<ReadonlyArray<TaskInfo>>
  /** Takes no new task, cancels all others, and waits until they have ended. */
  readonly stop: Effect.Effect<void>
}

/** The most events of ended tasks that are kept, whatever their number. */
const maxKept = 200_000

/** An executor that stops with its scope. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* <R>(
  options: Options<R>
): Effect.fn.Return<Executor, never, R | Scope.Scope> {
  const { cancelledCode, history = 100, onChange = () => Effect.void, width = 4 } = options
  const context = yield* Effect.context<R>()
  const tasks = new Map<number, ExecutorTask.ExecutorTask>()
  const inState = (state: TaskInfo["state"]) => [...tasks.values()].filter((task) => task.state === state)
  let last = 0
  let isStopping = false

  const forget = () => {
    const ended = inState("ended").sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0) || a.id - b.id)
    let kept = ended.reduce((sum, { log }) => sum + log.length, 0)
    for (const [index, task] of ended.entries()) {
      // the one that has ended just now is always remembered
      const isTooMany = ended.length - index > Math.max(1, history) || (kept > maxKept && index < ended.length - 1)
      if (!isTooMany) return
      kept -= task.log.length
      tasks.delete(task.id)
    }
  }

  const queue = (submission: ExecutorTask.Submission, now: number): number => {
    const id = ++last
    tasks.set(id, ExecutorTask.make(id, submission, now))
    return id
  }

  const end = (task: ExecutorTask.ExecutorTask, ended: Ended) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const followers = task.submission.followers ?? []
      const next = ended.code === 0 && !isStopping ? followers.map((follower) => queue(follower, now)) : []
      if (next.length < followers.length) {
        const names = followers.map(({ name, spec }) => name ?? spec._tag.toLowerCase()).join(", ")
        const why = ended.code === 0 ? "the daemon is stopping" : `${ExecutorTask.title(task)} did not succeed`
        ExecutorTask.hear(task, { _tag: "Complaint", text: `${names}: not run, since ${why}` }, now)
      }
      const event: TaskEvent.End = { _tag: "End", ...ended, next }
      task.state = "ended"
      task.endedAt = now
      task.end = event
      ExecutorTask.hear(task, event, now)
      Deferred.unsafeDone(task.ended, Exit.succeed(event))
      forget()
      return onChange(ExecutorTask.info(task))
    })

  const cancelled = (task: ExecutorTask.ExecutorTask): Ended => {
    const error = new TaskCancelled({ task: ExecutorTask.title(task) })
    return { code: cancelledCode, error: { tag: error._tag, message: error.message }, isTold: false }
  }

  const start = (task: ExecutorTask.ExecutorTask): Effect.Effect<void> =>
    // whoever starts it may not be interruptible: only the run itself is
    Effect.uninterruptible(
      Effect.withFiberRuntime<Ended, never, R | TaskEvents.TaskEvents>((fiber) => {
        task.fiber = fiber
        return task.isCancelled ? Effect.interrupt : Effect.interruptible(options.run(task.submission.spec))
      }).pipe(
        Effect.provideService(TaskEvents.TaskEvents, {
          say: (said) => Effect.map(Clock.currentTimeMillis, (now) => ExecutorTask.hear(task, said, now))
        }),
        Effect.provide(context),
        Effect.exit,
        Effect.flatMap((exit) => {
          if (Exit.isSuccess(exit)) return end(task, exit.value)
          if (Exit.isInterrupted(exit)) return end(task, cancelled(task))
          const problem = Cause.squash(exit.cause)
          const text = problem instanceof Error ? `${problem.name}: ${problem.message}` : String(problem)
          const message = `this is a bug in cairn, please report it: ${text}`
          return end(task, { code: 1, error: { tag: "Bug", message }, isTold: false })
        }),
        Effect.zipRight(Effect.suspend(() => begin))
      )
    )

  /** Starts what can begin. */
  const begin: Effect.Effect<void> = Effect.uninterruptible(
    Effect.gen(function* () {
      if (isStopping) return
      const now = yield* Clock.currentTimeMillis
      const chosen = ExecutorQueue.startable(inState("queued"), inState("running"), width)
      for (const task of chosen) {
        task.state = "running"
        task.startedAt = now
      }
      for (const task of chosen) {
        yield* onChange(ExecutorTask.info(task))
        yield* Effect.forkDaemon(start(task))
      }
    })
  )

  const find = (id: number) =>
    Effect.suspend(() => {
      const task = tasks.get(id)
      return task === undefined ? Effect.fail(new NoSuchTask({ id })) : Effect.succeed(task)
    })

  const stopOne = (task: ExecutorTask.ExecutorTask) =>
    Effect.suspend(() => {
      task.isCancelled = true
      if (task.state === "queued") return Effect.zipRight(end(task, cancelled(task)), begin)
      const interrupted = task.fiber === undefined ? Effect.void : Fiber.interruptFork(task.fiber)
      return Effect.zipRight(interrupted, Effect.asVoid(Deferred.await(task.ended)))
    })

  const stop = Effect.suspend(() => {
    isStopping = true
    const all = [...inState("queued"), ...inState("running")]
    return Effect.forEach(all, stopOne, { concurrency: "unbounded", discard: true })
  })
  yield* Effect.addFinalizer(() => stop)

  return {
    submit: (submission) =>
      Effect.uninterruptible(
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          if (isStopping) return Effect.fail(new ExecutorStopped())
          const id = queue(submission, now)
          return Effect.as(begin, id)
        })
      ),
    watch: (id) => Stream.unwrap(Effect.map(find(id), ExecutorTask.events)),
    wait: (id) => Effect.flatMap(find(id), ({ ended }) => Deferred.await(ended)),
    cancel: (id) => Effect.flatMap(find(id), (task) => (task.state === "ended" ? Effect.void : stopOne(task))),
    list: Effect.sync(() => [...tasks.values()].map(ExecutorTask.info)),
    stop
  }
})
