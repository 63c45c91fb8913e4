/**
 * Following a task, and what its success starts, to the end.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as TaskEvent from "../schema/TaskEvent.ts"
import type * as Ending from "./Ending.ts"
import * as TaskRun from "./TaskRun.ts"
import type * as TaskVoice from "./TaskVoice.ts"

/** Who runs the tasks. @since 0.1.0 @category models */
export interface Executing {
  readonly watch: (id: number) => Stream.Stream<TaskEvent.TaskEvent, Ending.Tagged>
  readonly cancel: (id: number) => Effect.Effect<void, Ending.Tagged>
  /** What is told when the events of a task end without its end. */
  readonly lost: Ending.Tagged
}

/** How long a cancelled task has to clear up before nobody waits for it any more. */
const patience = "30 seconds"

/**
 * Tells what the task says and what follows it, one after the other, and answers as the first of them that did not succeed ended;
 * interruption cancels them all.
 *
 * @since 0.1.0
 * @category programs
 */
export const follow = Effect.fnUntraced(function* (executing: Executing, first: number, say: TaskVoice.Say) {
  const open = [first]
  let worst: TaskEvent.End | undefined
  const one = Effect.fnUntraced(function* (id: number) {
    let end: TaskEvent.End | undefined
    yield* executing.watch(id).pipe(
      Stream.takeUntil(({ _tag }) => _tag === "End"),
      Stream.runForEach((event) => {
        if (event._tag !== "End") return say(event)
        end = event
        return Effect.void
      })
    )
    return end ?? (yield* Effect.fail(executing.lost))
  })
  const all = Effect.gen(function* () {
    for (let id = open[0]; id !== undefined; id = open[0]) {
      const end = yield* one(id)
      worst = worst === undefined || worst.code === 0 ? end : worst
      open.shift()
      open.push(...end.next)
    }
  })
  yield* Effect.onInterrupt(all, () =>
    // whatever happens here, the interruption is what is told
    Effect.forEach(open, executing.cancel, { concurrency: "unbounded", discard: true }).pipe(
      Effect.timeout(patience),
      Effect.ignore
    )
  )
  return worst === undefined ? yield* Effect.fail(executing.lost) : yield* TaskRun.answer(worst)
})
