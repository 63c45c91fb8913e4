/**
 * The executor of a process: the daemon's, or that of a run that has several tasks to do.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RcRef from "effect/RcRef"
import * as Executor from "../programs/Executor.ts"
import type { TaskInfo } from "../schema/TaskInfo.ts"
import type { TaskSpec } from "../schema/TaskSpec.ts"
import * as ConfigChoice from "./ConfigChoice.ts"
import { exitCode } from "./ExitCode.ts"
import * as TaskLive from "./TaskLive.ts"

/** An executor on the live layers, which are open only while somebody needs them, and those layers. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (
  options: { readonly onChange?: (task: TaskInfo) => Effect.Effect<void> } = {}
) {
  const choice = yield* ConfigChoice.Choice
  const services = yield* RcRef.make({
    acquire: Effect.provideService(Layer.build(TaskLive.layer), ConfigChoice.Choice, choice)
  })
  /** Does something on the live layers. */
  const use = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.scoped(Effect.flatMap(RcRef.get(services), (context) => Effect.provide(effect, context)))
  const run = (spec: TaskSpec) =>
    Effect.catchAll(use(TaskLive.complete(spec)), (error) => Effect.succeed(TaskLive.failed(error)))
  const executor = yield* Executor.make<never>({ ...options, run, cancelledCode: exitCode.interrupted })
  return { ...executor, use }
})
