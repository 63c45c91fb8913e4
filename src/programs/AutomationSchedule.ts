/**
 * When an automation is due: pure, from its trigger, what is remembered of it, and the wall clock.
 *
 * @since 0.1.0
 */
import * as Cron from "effect/Cron"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Health } from "../schema/Health.ts"
import * as Trigger from "../schema/Trigger.ts"

/** A trigger that time pulls. @since 0.1.0 @category models */
export type Timed = Extract<Trigger.Trigger, { readonly _tag: "Every" | "Cron" }>

const minute = 60_000
const day = 24 * 60 * minute

/** What is later than that was missed: the machine slept, or nothing ran. @since 0.1.0 @category constants */
export const grace = 5 * minute

/**
 * The first time after `after` that the schedule names, in milliseconds since 1970.
 *
 * Where clocks are put forward, a time that is skipped is answered once, as much later; where they are put back, a time that
 * comes twice is answered once, at its first coming.
 *
 * @since 0.1.0
 * @category accessors
 */
export const occurrence = (cron: Cron.Cron, after: number): number => {
  let found = Cron.next(cron, new Date(after)).getTime()
  // within an hour that comes a second time the library answers its first coming: on from there, minute by minute
  for (let probe = Math.floor(after / minute) * minute; found <= after; probe += minute)
    found = Cron.next(cron, new Date(probe)).getTime()
  return found
}

/** The schedule of a cron trigger; nothing when this device knows no such time zone or expression. */
const cronOf = (trigger: Extract<Timed, { readonly _tag: "Cron" }>): Cron.Cron | undefined =>
  Option.getOrUndefined(
    Option.flatMap(Trigger.zoneOf(trigger.timeZone), (zone) =>
      Either.getRight(Trigger.parseCron(trigger.expression, zone))
    )
  )

/** The first regular time after a time. */
const regular = (trigger: Timed): ((from: number) => number) => {
  if (trigger._tag === "Every") return (from) => from + trigger.intervalMillis
  const cron = cronOf(trigger)
  if (cron === undefined) return () => Number.POSITIVE_INFINITY
  // asked every minute for the same
  let known = { from: Number.NaN, at: 0 }
  return (from) => {
    if (known.from !== from) known = { from, at: occurrence(cron, from) }
    return known.at
  }
}

/** How long after the `failures`-th failure in a row a run is tried again; `regular` is the time between two runs. */
const retryDelay = (failures: number, regular: number): number => {
  const first = Math.min(regular, 30_000)
  const most = Math.max(5 * minute, Math.min(regular, 60 * minute))
  return Math.min(first * 2 ** Math.min(failures - 1, 30), most)
}

/** The delay of watching and its runs after failures: 1 s (or `first`), doubled up to `most`. @since 0.1.0 @category accessors */
export const doubling = (failures: number, first: number, most: number): number =>
  Math.min(first * 2 ** Math.min(Math.max(failures - 1, 0), 30), most)

/** When the next run is due. @since 0.1.0 @category models */
export interface Plan {
  /** Milliseconds since 1970; not after `now` when it is due. Jitter comes on top, unless it is a retry. */
  readonly at: number
  readonly reason: "schedule" | "retry" | "resumed"
  /** From when the next run is counted: what was believed, corrected by what the clock says. */
  readonly anchor: number
}

/** What of a record the schedule depends on. @since 0.1.0 @category models */
export type Remembered = Pick<Health, "anchor" | "pending" | "failures" | "failure">

/**
 * Tells the next run of what is remembered, as things are at `now`.
 *
 * - `every` counts from the end of the last run, cron from the last time that was served.
 * - Times that passed unserved, however many, are one run, at once; without `catchUp` they are none.
 * - A clock that was put back by up to a day makes cron serve no time twice; by more, it was wrong before and is believed now.
 *   An interval begins anew.
 * - After a failure the next try comes with a delay that doubles, or at the next regular time, whichever is first.
 * - A run that was due or under way when the process ended is made up for at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const planner = (trigger: Timed): ((remembered: Remembered, now: number) => Plan) => {
  const regularFrom = regular(trigger)
  return (remembered, now) => {
    const ahead = remembered.anchor - now
    const anchor = ahead > 0 && (trigger._tag === "Every" || ahead > day) ? now : remembered.anchor
    if (remembered.pending) return { at: now, reason: "resumed", anchor }
    const next = regularFrom(anchor)
    const retries = remembered.failures > 0 && remembered.failure?.tag !== "ApprovalNeeded"
    if (retries) {
      const delay = retryDelay(remembered.failures, trigger._tag === "Every" ? trigger.intervalMillis : 60 * minute)
      const retry = anchor + delay
      // an interval shorter than the delay does not hammer what is broken
      if (retry <= next || trigger._tag === "Every") return { at: retry, reason: "retry", anchor }
    }
    if (!trigger.catchUp && now - next > grace) return { at: regularFrom(now), reason: "schedule", anchor: now }
    return { at: next, reason: "schedule", anchor }
  }
}
