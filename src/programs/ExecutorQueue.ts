/**
 * Which of the tasks that wait may begin.
 *
 * @since 0.1.0
 */
import * as TaskSpec from "../schema/TaskSpec.ts"

/** What a queue knows of a task. @since 0.1.0 @category models */
export interface Claiming {
  readonly claim: TaskSpec.Claim
}

/**
 * The waiting tasks that begin now, first come first served: none that changes a vault which a running task, or one that
 * has waited longer, changes too; and not more than `width` in all.
 *
 * @since 0.1.0
 * @category combinators
 */
export const startable = <A extends Claiming>(
  waiting: ReadonlyArray<A>,
  running: ReadonlyArray<Claiming>,
  width: number
): ReadonlyArray<A> => {
  const before: Array<Claiming> = [...running]
  const chosen: Array<A> = []
  for (const task of waiting) {
    const isFree = !before.some(({ claim }) => TaskSpec.excludes(claim, task.claim))
    if (isFree && running.length + chosen.length < width) chosen.push(task)
    before.push(task)
  }
  return chosen
}
