/**
 * The progress of a task, told at a pace that people and sockets can follow.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as TaskEvent from "../schema/TaskEvent.ts"
import * as Progress from "../services/Progress.ts"
import * as TaskEvents from "../services/TaskEvents.ts"

/** Milliseconds between two tellings: at most five in a second. @since 0.1.0 @category constants */
export const pace = 200

/** Counts steps and tells where the task stands, where that has changed, at every tick of {@link pace}. @since 0.1.0 @category layers */
export const layer: Layer.Layer<Progress.Progress, never, TaskEvents.TaskEvents> = Layer.scoped(
  Progress.Progress,
  Effect.gen(function* () {
    const { say } = yield* TaskEvents.TaskEvents
    let phase = ""
    let total: { readonly files?: number; readonly bytes?: number } = {}
    let files = 0
    let bytes = 0
    let current: string | undefined
    let began = 0
    let isNew = false

    const tell = Effect.gen(function* () {
      if (!isNew) return
      isNew = false
      const seconds = Math.max(((yield* Clock.currentTimeMillis) - began) / 1000, 0.001)
      const said: TaskEvent.Progress = {
        _tag: "Progress",
        phase,
        files,
        bytes,
        ...(total.files === undefined ? {} : { totalFiles: total.files }),
        ...(total.bytes === undefined ? {} : { totalBytes: total.bytes }),
        rate: Math.round(bytes / seconds),
        ...(current === undefined ? {} : { current })
      }
      yield* say(said)
    })
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(pace), tell)))
    return {
      phase: (next, totals) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          phase = next
          total = totals ?? {}
          files = 0
          bytes = 0
          current = undefined
          began = now
          isNew = true
        }),
      step: (step) =>
        Effect.sync(() => {
          files += step.files ?? 0
          bytes += step.bytes ?? 0
          current = step.current ?? current
          isNew = true
        })
    }
  })
)
