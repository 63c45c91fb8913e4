/**
 * Running something whenever folders change: debounced, never twice at once, and all over again after what was missed.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as FolderEvents from "../services/FolderEvents.ts"
import { doubling } from "./AutomationSchedule.ts"

/** Why a run is made. @since 0.1.0 @category models */
export type Cause =
  /** Watching has begun, or begun again: anything may have changed before. */
  | { readonly _tag: "Start" }
  /** Something changed at or below these paths. */
  | { readonly _tag: "Changes"; readonly paths: ReadonlyArray<string> }
  /** Anything may have changed: events were lost, or the last look at everything was long ago. */
  | { readonly _tag: "Rescan" }
  /** The last run failed. */
  | { readonly _tag: "Retry" }

/** What happens beside the runs. @since 0.1.0 @category models */
export type Notice =
  | { readonly _tag: "Attached"; readonly path: string; readonly means: string }
  /** Watching failed, and is tried again after `delayMillis`. */
  | {
      readonly _tag: "Detached"
      readonly path: string
      readonly error: FolderEvents.FolderEventsError
      readonly delayMillis: number
    }

/** @since 0.1.0 @category models */
export interface Options<E, R> {
  readonly paths: ReadonlyArray<string>
  /** Changes are waited for until so long nothing more came. */
  readonly quiet?: Duration.DurationInput
  /** But not longer than this after the first of them. */
  readonly patience?: Duration.DurationInput
  /** Everything is looked at that long after the last run at the latest, whatever was told. */
  readonly rescan?: Duration.DurationInput
  readonly onNotice?: (notice: Notice) => Effect.Effect<void, never, R>
  /** Runs one at a time; a failure is tried again. */
  readonly run: (cause: Cause) => Effect.Effect<unknown, E, R>
}

/** @since 0.1.0 @category constants */
export const defaults = { quiet: "2 seconds", patience: "30 seconds", rescan: "1 hour" } as const

/** More paths than these are "anything". */
const mostPaths = 4096

/** How long one step of waiting is at most: a longer sleep does not wake after a suspend (and beyond 24.8 days never). */
const step = 60_000

/** The delays of new attempts to watch, and of new runs after a failure, in milliseconds: the first and the longest. */
const attaching = { first: 1000, most: 60_000 }
const failing = { first: 5000, most: 300_000 }

/**
 * Runs `run` when watching begins, after changes, after lost events and from time to time, for ever.
 *
 * What changes during a run is met by the next one. Where watching fails it is tried again after 1 s, doubled up to 60 s, and
 * everything is looked at once it works.
 *
 * @since 0.1.0
 * @category programs
 */
export const watch = Effect.fn("Watching.watch")(function* <E, R>(options: Options<E, R>) {
  const folderEvents = yield* FolderEvents.FolderEvents
  const quiet = Duration.toMillis(options.quiet ?? defaults.quiet)
  const patience = Duration.toMillis(options.patience ?? defaults.patience)
  const rescan = Duration.toMillis(options.rescan ?? defaults.rescan)
  const notice = options.onNotice ?? (() => Effect.void)

  // what is to be done, gathered until somebody takes it; `bell` rings when there is something new
  let changed = new Set<string>()
  let due: Cause | undefined
  let events = 0
  const bell = yield* Queue.sliding<void>(1)
  const note = (cause: Cause) => {
    // what says that anything may have changed is not forgotten for what says less
    if (due === undefined || due._tag === "Changes") due = cause
    events += 1
    return Queue.offer(bell, undefined)
  }
  const take = () => {
    const cause =
      due?._tag === "Changes"
        ? ({ _tag: "Changes", paths: [...changed] } as const)
        : (due ?? ({ _tag: "Rescan" } as const))
    due = undefined
    changed = new Set()
    return cause
  }

  const listen = (path: string) =>
    Effect.gen(function* () {
      let failures = 0
      while (true) {
        const ended = yield* folderEvents.events(path).pipe(
          Stream.runForEach((event) => {
            switch (event._tag) {
              case "Attached":
                failures = 0
                return Effect.zipRight(notice({ _tag: "Attached", path, means: event.means }), note({ _tag: "Start" }))
              case "Overflow":
                return note({ _tag: "Rescan" })
              case "Changed":
                for (const each of event.paths) if (changed.size <= mostPaths) changed.add(each)
                return note(changed.size > mostPaths ? { _tag: "Rescan" } : { _tag: "Changes", paths: [] })
            }
          }),
          Effect.either
        )
        failures += 1
        const delayMillis = doubling(failures, attaching.first, attaching.most)
        const error = Either.isLeft(ended)
          ? ended.left
          : new FolderEvents.FolderEventsError({ reason: "Unavailable", path, detail: "watching ended by itself" })
        yield* notice({ _tag: "Detached", path, error, delayMillis })
        yield* Effect.sleep(delayMillis)
      }
    })

  /** Until nothing more came for a while, or patience ends. */
  const settle = Effect.gen(function* () {
    for (let waited = 0; waited < patience; ) {
      const before = events
      const pause = Math.min(quiet, patience - waited)
      yield* Effect.sleep(pause)
      waited += pause
      if (events === before) return
    }
  })

  const work = Effect.gen(function* () {
    let failures = 0
    let lastRun = yield* Clock.currentTimeMillis
    while (true) {
      const wait = failures > 0 ? doubling(failures, failing.first, failing.most) : rescan
      // the clock may jump: a step forward is a rescan, one back begins the wait anew
      while (due === undefined || failures > 0) {
        const now = yield* Clock.currentTimeMillis
        if (now < lastRun) lastRun = now
        const left = lastRun + wait - now
        if (left <= 0) break
        const pause = Effect.sleep(Math.min(left, step))
        // after a failure changes bring no new attempt before its time, and are part of it
        yield* failures > 0 ? pause : Effect.race(pause, Queue.take(bell))
      }
      // several folders are attached one after the other, and looked at together
      if (failures === 0 && (due?._tag === "Changes" || (due !== undefined && options.paths.length > 1))) yield* settle
      const taken = take()
      const cause: Cause = failures > 0 ? { _tag: "Retry" } : taken
      const ended = yield* Effect.either(options.run(cause))
      lastRun = yield* Clock.currentTimeMillis
      failures = Either.isLeft(ended) ? failures + 1 : 0
    }
  })

  return yield* Effect.all([work, ...options.paths.map(listen)], { concurrency: "unbounded", discard: true }).pipe(
    Effect.zipRight(Effect.never)
  )
})
