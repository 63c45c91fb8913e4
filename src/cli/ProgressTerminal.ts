/**
 * Progress for people: a line that is redrawn on a terminal, a heartbeat every 10 s elsewhere.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LocalPath from "../schema/LocalPath.ts"
import * as Progress from "../services/Progress.ts"
import * as Console from "./Console.ts"

const redrawEvery = 200
const heartbeatEvery = 10_000

const duration = (seconds: number): string =>
  seconds < 60
    ? `${Math.round(seconds)} s`
    : seconds < 3600
      ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
      : `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`

/** Reports on standard error, as its kind allows. @since 0.1.0 @category layers */
export const layer = (voice: Console.Voice): Layer.Layer<Progress.Progress> =>
  voice.quiet || voice.json
    ? Progress.layerSilent
    : Layer.scoped(
        Progress.Progress,
        Effect.gen(function* () {
          const terminal = process.stderr.isTTY === true
          const every = terminal ? redrawEvery : heartbeatEvery
          let name = ""
          let total: { readonly files?: number; readonly bytes?: number } = {}
          let files = 0
          let bytes = 0
          let began = yield* Clock.currentTimeMillis
          let drawn = began

          const line = (now: number, current: string | undefined) => {
            const seconds = Math.max((now - began) / 1000, 0.001)
            const rate = bytes / seconds
            const left =
              total.bytes !== undefined && rate > 0 && total.bytes > bytes
                ? `, ${duration((total.bytes - bytes) / rate)} left`
                : ""
            const of = (done: string, all: string | undefined) => (all === undefined ? done : `${done} of ${all}`)
            return [
              `${name}: ${of(files.toLocaleString("en-US"), total.files?.toLocaleString("en-US"))} files`,
              `${of(Console.size(bytes), total.bytes === undefined ? undefined : Console.size(total.bytes))}`,
              `${Console.size(Math.round(rate))}/s${left}${current === undefined ? "" : `  ${LocalPath.display(current)}`}`
            ].join(", ")
          }
          const clear = Console.draw(undefined)
          yield* Effect.addFinalizer(() => clear)
          return {
            phase: (next, totals) =>
              Effect.gen(function* () {
                yield* clear
                began = yield* Clock.currentTimeMillis
                name = next
                total = totals ?? {}
                files = 0
                bytes = 0
              }),
            step: (step) =>
              Effect.gen(function* () {
                files += step.files ?? 0
                bytes += step.bytes ?? 0
                const now = yield* Clock.currentTimeMillis
                if (now - drawn < every) return
                drawn = now
                const text = line(now, step.current)
                if (!terminal) return yield* Console.tell(text)
                const width = (process.stderr.columns ?? 80) - 1
                yield* Console.draw(text.slice(0, width))
              })
          }
        })
      )
