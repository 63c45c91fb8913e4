/**
 * A task in the executor: what it has said so far, and who listens.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as TaskEvent from "../schema/TaskEvent.ts"
import type { TaskInfo } from "../schema/TaskInfo.ts"
import * as TaskSpec from "../schema/TaskSpec.ts"
import { pace } from "./TaskProgress.ts"

/** What is to be run, and what its success starts. @since 0.1.0 @category models */
export interface Submission {
  readonly spec: TaskSpec.TaskSpec
  /** Its name in the configuration, where it has one. */
  readonly name?: string
  readonly followers?: ReadonlyArray<Submission>
}

/** The most events of one task that are kept for those who listen late or slowly. @since 0.1.0 @category constants */
export const maxEvents = 100_000

/** How many events a listener gets in one piece. */
const atOnce = 256

/** @since 0.1.0 @category models */
export interface ExecutorTask {
  readonly id: number
  readonly submission: Submission
  readonly claim: TaskSpec.Claim
  readonly queuedAt: number
  readonly ended: Deferred.Deferred<TaskEvent.End>
  state: TaskInfo["state"]
  startedAt: number | undefined
  endedAt: number | undefined
  end: TaskEvent.End | undefined
  isCancelled: boolean
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** All that was said but progress, from the number `dropped` on. */
  readonly log: Array<TaskEvent.TaskEvent>
  dropped: number
  progress: TaskEvent.Progress | undefined
  /** Counts the values of progress that listeners are woken for. */
  progressed: number
  progressedAt: number
  changed: Deferred.Deferred<void>
}

/** @since 0.1.0 @category constructors */
export const make = (id: number, submission: Submission, now: number): ExecutorTask => ({
  id,
  submission,
  claim: TaskSpec.claim(submission.spec),
  queuedAt: now,
  ended: Deferred.unsafeMake(FiberId.none),
  state: "queued",
  startedAt: undefined,
  endedAt: undefined,
  end: undefined,
  isCancelled: false,
  fiber: undefined,
  log: [],
  dropped: 0,
  progress: undefined,
  progressed: 0,
  progressedAt: Number.NEGATIVE_INFINITY,
  changed: Deferred.unsafeMake(FiberId.none)
})

const wake = (task: ExecutorTask): void => {
  const { changed } = task
  task.changed = Deferred.unsafeMake(FiberId.none)
  Deferred.unsafeDone(changed, Effect.void)
}

/** Keeps what the task says at `now` and wakes who listens; for progress not more than five times in a second. @since 0.1.0 @category combinators */
export const hear = (task: ExecutorTask, said: TaskEvent.TaskEvent, now: number): void => {
  if (said._tag === "Progress") {
    task.progress = said
    if (now - task.progressedAt < pace) return
    task.progressedAt = now
    task.progressed += 1
    wake(task)
    return
  }
  if (task.log.length >= maxEvents) task.dropped += task.log.splice(0, maxEvents / 10).length
  task.log.push(said)
  wake(task)
}

/** What the task is called by people. @since 0.1.0 @category accessors */
export const title = ({ submission }: ExecutorTask): string => submission.name ?? TaskSpec.title(submission.spec)

/** @since 0.1.0 @category conversions */
export const info = (task: ExecutorTask): TaskInfo => ({
  id: task.id,
  ...(task.submission.name === undefined ? {} : { name: task.submission.name }),
  spec: task.submission.spec,
  state: task.state,
  queuedAt: task.queuedAt,
  ...(task.startedAt === undefined ? {} : { startedAt: task.startedAt }),
  ...(task.endedAt === undefined ? {} : { endedAt: task.endedAt }),
  ...(task.progress === undefined || task.state !== "running" ? {} : { progress: task.progress }),
  ...(task.end === undefined ? {} : { end: task.end })
})

/**
 * All that the task says, from its beginning to its end: whoever listens slowly misses values of progress and nothing else.
 *
 * @since 0.1.0
 * @category streams
 */
export const events = (task: ExecutorTask): Stream.Stream<TaskEvent.TaskEvent> =>
  Stream.unfoldChunkEffect({ heard: 0, progressed: 0, isOver: false }, (state) => {
    const next = Effect.suspend(
      (): Effect.Effect<Option.Option<readonly [Chunk.Chunk<TaskEvent.TaskEvent>, typeof state]>> => {
        if (state.isOver) return Effect.succeed(Option.none())
        const missed = Math.max(0, task.dropped - state.heard)
        const from = Math.max(0, state.heard - task.dropped)
        const news: Array<TaskEvent.TaskEvent> = task.log.slice(from, from + atOnce)
        const heard = task.dropped + from + news.length
        const isOver = news.at(-1)?._tag === "End"
        if (!isOver && task.progress !== undefined && task.progressed > state.progressed) news.push(task.progress)
        if (missed > 0) news.unshift({ _tag: "Complaint", text: `${missed} earlier messages are not kept any more` })
        if (news.length === 0) return Effect.zipRight(Deferred.await(task.changed), next)
        return Effect.succeed(
          Option.some([Chunk.unsafeFromArray(news), { heard, progressed: task.progressed, isOver }] as const)
        )
      }
    )
    return next
  })
