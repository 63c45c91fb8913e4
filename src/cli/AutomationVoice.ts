/**
 * How automations are shown.
 *
 * @since 0.1.0
 */
import type { Health } from "../schema/Health.ts"
import * as Trigger from "../schema/Trigger.ts"
import * as Console from "./Console.ts"

const iso = (millis: number) => new Date(millis).toISOString()

/** The record of an automation. @since 0.1.0 @category conversions */
export const record = (health: Health) => {
  const { failure, failures, goodAt, means, name, nextRunAt, problems, restarts, state, trigger, vault } = health
  return {
    type: "automation" as const,
    name,
    ...(vault === undefined ? {} : { vault }),
    trigger: Trigger.describe(trigger),
    state,
    ...(goodAt === undefined ? {} : { lastGoodAt: iso(goodAt) }),
    ...(nextRunAt === undefined ? {} : { nextRunAt: iso(nextRunAt) }),
    failures,
    restarts,
    ...(failure === undefined
      ? {}
      : { lastError: { at: iso(failure.at), tag: failure.tag, message: failure.message } }),
    ...(problems === undefined ? {} : { problems }),
    ...(means === undefined ? {} : { means })
  }
}

const states = { waiting: "waiting", running: "running now", detached: "not watching, tries again", paused: "paused" }

/** An automation in one line, and its last error in another while it counts. @since 0.1.0 @category conversions */
export const lines = (health: Health): ReadonlyArray<string> => {
  const { failure, failures, goodAt, name, nextRunAt, problems, restarts, state, trigger } = health
  const good = goodAt === undefined ? "no good run yet" : `last good run ${Console.localTime(goodAt)}`
  const left = problems === undefined || problems === 0 ? "" : ` (${Console.count(problems, "item")} left out)`
  const next = nextRunAt === undefined ? "" : `, next ${Console.localTime(nextRunAt)}`
  const again = restarts === 0 ? "" : `, watching began anew ${Console.count(restarts, "time")}`
  const first = `${name}: ${Trigger.describe(trigger)}, ${states[state]}; ${good}${left}${next}${again}`
  const isAiling = failure !== undefined && (failures > 0 || state === "detached")
  return isAiling ? [first, `  ${Console.localTime(failure.at)}: ${failure.message}`] : [first]
}
