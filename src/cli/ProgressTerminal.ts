/**
 * Progress for people: a line that is redrawn on a terminal, a heartbeat every 10 s elsewhere.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TaskProgress from "../programs/TaskProgress.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type * as TaskEvent from "../schema/TaskEvent.ts"
import * as Progress from "../services/Progress.ts"
import * as TaskEvents from "../services/TaskEvents.ts"
import * as Console from "./Console.ts"

const heartbeatEvery = 10_000

/** Milliseconds without news after which that is told. */
const stillAfter = 10_000

const duration = (seconds: number): string =>
  seconds < 60
    ? `${Math.round(seconds)} s`
    : seconds < 3600
      ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
      : `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`

// what East Asian scripts and pictures take, and marks that stand on the character before
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const mark = /\p{M}/u

/** As much of the text as fits into so many columns of a terminal. @since 0.1.0 @category conversions */
export const clip = (text: string, columns: number): string => {
  let taken = 0
  let fitting = ""
  for (const character of text) {
    taken += mark.test(character) ? 0 : wide.test(character) ? 2 : 1
    if (taken > columns) break
    fitting += character
  }
  return fitting
}

/** The line that tells how far it is, and for how many milliseconds nothing was new. @since 0.1.0 @category conversions */
export const line = ({ bytes, current, files, phase, rate, ...total }: TaskEvent.Progress, still = 0): string => {
  // a total may be what there was the last time: once there is more, nobody knows it
  const isKnown = files <= (total.totalFiles ?? files) && bytes <= (total.totalBytes ?? bytes)
  const { totalBytes, totalFiles } = isKnown ? total : {}
  const of = (done: string, all: string | undefined) => (all === undefined ? done : `${done} of ${all}`)
  const left =
    totalBytes !== undefined && rate > 0 && totalBytes > bytes ? `, ${duration((totalBytes - bytes) / rate)} left` : ""
  return [
    `${phase}: ${of(files.toLocaleString("en-US"), totalFiles?.toLocaleString("en-US"))} files`,
    of(Console.size(bytes), totalBytes === undefined ? undefined : Console.size(totalBytes)),
    `${still < stillAfter ? `${Console.size(rate)}/s${left}` : `nothing new for ${duration(still / 1000)}`}${current === undefined ? "" : `  ${LocalPath.display(current)}`}`
  ].join(", ")
}

/**
 * Says where a task stands: at each report where that is redrawn, every 10 s elsewhere; and that nothing is new, where that
 * is so, which somebody who waits for a disk or a server has to see.
 *
 * @since 0.1.0
 * @category output
 */
export const paced = Effect.fnUntraced(function* (out: {
  readonly say: (text: string) => Effect.Effect<void>
  readonly isRedrawn: boolean
}) {
  let last: TaskEvent.Progress | undefined
  let news = yield* Clock.currentTimeMillis
  let told = news
  const tell = (progress: TaskEvent.Progress, now: number) => {
    told = now
    return out.say(line(progress, now - news))
  }
  const tick = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    last === undefined || now - (out.isRedrawn ? news : told) < (out.isRedrawn ? stillAfter : heartbeatEvery)
      ? Effect.void
      : tell(last, now)
  )
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep("1 second"), tick)))
  return (progress: TaskEvent.Progress) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      last = progress
      news = now
      return out.isRedrawn || now - told >= heartbeatEvery ? tell(progress, now) : Effect.void
    })
})

/** Shows progress on standard error, as its kind allows; what is drawn goes away with the scope. @since 0.1.0 @category output */
export const show = (
  voice: Console.Voice
): Effect.Effect<(progress: TaskEvent.Progress) => Effect.Effect<void>, never, Scope.Scope> =>
  voice.quiet || voice.json
    ? Effect.succeed(() => Effect.void)
    : Effect.gen(function* () {
        yield* Effect.addFinalizer(() => Console.draw(undefined))
        return yield* paced(
          process.stderr.isTTY === true
            ? { isRedrawn: true, say: (text) => Console.draw(clip(text, (process.stderr.columns ?? 80) - 1)) }
            : { isRedrawn: false, say: Console.tell }
        )
      })

/** Reports on standard error, as its kind allows. @since 0.1.0 @category layers */
export const layer = (voice: Console.Voice): Layer.Layer<Progress.Progress> =>
  voice.quiet || voice.json
    ? Progress.layerSilent
    : Layer.provide(
        TaskProgress.layer,
        Layer.scoped(
          TaskEvents.TaskEvents,
          Effect.map(show(voice), (draw) => ({
            say: (said: TaskEvent.Said) => (said._tag === "Progress" ? draw(said) : Effect.void)
          }))
        )
      )
