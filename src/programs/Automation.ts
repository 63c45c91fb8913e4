/**
 * Tasks that start by themselves: at intervals, at set times, and when their source changes.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Health from "../schema/Health.ts"
import * as Trigger from "../schema/Trigger.ts"
import type * as FolderEvents from "../services/FolderEvents.ts"
import * as HealthLog from "../services/HealthLog.ts"
import * as AutomationSchedule from "./AutomationSchedule.ts"
import * as Watching from "./Watching.ts"

/** A task with what starts it. @since 0.1.0 @category models */
export interface Automation<Task> {
  /** Names its record; one automation each. */
  readonly name: string
  readonly trigger: Trigger.Trigger
  /** For people. */
  readonly vault?: string
  /** The folders that are watched when the trigger is `Watch`. */
  readonly paths: ReadonlyArray<string>
  readonly task: Task
  /** Changes with the task, so that a changed one is started anew; its trigger and paths are heeded anyway. */
  readonly version?: string
}

/** Why a run is made. @since 0.1.0 @category models */
export type Reason = AutomationSchedule.Plan["reason"] | "start" | "changes" | "rescan"

/** What became of a run that did not fail. @since 0.1.0 @category models */
export interface Outcome {
  /** Things that it left out, each told by it. */
  readonly problems?: number
}

/** An error as runs fail with it. @since 0.1.0 @category models */
export interface Tagged {
  readonly _tag: string
  readonly message: string
}

/** The automations of this process. @since 0.1.0 @category models */
export interface Automations<Task> {
  /**
   * Makes these the automations: new ones start, changed ones start anew, all others go on undisturbed. One that is not among
   * them ends, its run with it, and its record is forgotten.
   */
  readonly reconcile: (automations: ReadonlyArray<Automation<Task>>) => Effect.Effect<void>
  /** How each of them is doing, ordered by name. */
  readonly health: Effect.Effect<ReadonlyArray<Health.Health>>
  /** The same at every change. */
  readonly changes: Stream.Stream<ReadonlyArray<Health.Health>>
}

const reasons = { Start: "start", Changes: "changes", Rescan: "rescan", Retry: "retry" } as const

/** How long one step of waiting is at most: a longer sleep does not notice a suspend (and beyond 24.8 days never wakes). */
const step = 60_000

const identity = <Task>({ paths, task: _, trigger, version }: Automation<Task>): string =>
  JSON.stringify([trigger, paths, version ?? ""])

/**
 * Automations that live as long as the scope; `run` does a task and decides itself what may run beside what.
 *
 * A failed run is recorded and tried again; nothing ends an automation but `reconcile` and the scope. Every record is durable:
 * a restart keeps the schedule, makes up for what was missed and for what had begun.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fn("Automation.make")(function* <Task, E extends Tagged, R>(
  run: (automation: Automation<Task>, reason: Reason) => Effect.Effect<Outcome, E, R>
) {
  const log = yield* HealthLog.HealthLog
  const context = yield* Effect.context<R | FolderEvents.FolderEvents>()
  const fibers = yield* FiberMap.make<string>()
  const current = new Map<string, string>()
  const state = yield* SubscriptionRef.make<ReadonlyMap<string, Health.Health>>(new Map())
  const sorted = (all: ReadonlyMap<string, Health.Health>) =>
    [...all.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const reconciling = yield* Effect.makeSemaphore(1)

  const show = (health: Health.Health) => SubscriptionRef.update(state, (all) => new Map(all).set(health.name, health))

  /** Keeps the record. */
  const keep = (health: Health.Health) =>
    Effect.zipRight(
      show(health),
      Effect.catchAll(log.save(health), (error) =>
        // nothing is lost: this process goes by what it has in memory, and a restart by the last record, whose runs are at
        // worst made once more
        Effect.logWarning(error.message)
      )
    )

  /** What is remembered of an automation, as it goes on from here. */
  const remembered = (automation: Automation<Task>) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { name, trigger, vault } = automation
      const record = yield* Effect.catchAll(log.load(name), (error) =>
        // nothing is lost but when the last run was: the schedule begins anew
        Effect.as(Effect.logWarning(error.message), undefined)
      )
      const was = record?.trigger
      // another schedule owes nothing that the former one named
      const isSame =
        was?._tag === trigger._tag && (was._tag !== "Cron" || JSON.stringify(was) === JSON.stringify(trigger))
      return new Health.Health({
        pending: false,
        failures: 0,
        ...record,
        name,
        trigger,
        vault,
        state: Trigger.isActive(trigger) ? "waiting" : "paused",
        anchor: record !== undefined && isSame ? record.anchor : now,
        nextRunAt: undefined,
        means: undefined,
        restarts: 0
      })
    })

  /** The record of an automation that is under way, in one place. */
  const open = (automation: Automation<Task>) =>
    Effect.map(remembered(automation), (first) => {
      let health = first
      return {
        get: () => health,
        update: (change: Partial<Health.Health>) =>
          Effect.suspend(() => {
            health = new Health.Health({ ...health, ...change })
            return keep(health)
          })
      }
    })

  /**
   * One run, recorded before and after. When this fiber ends meanwhile its record stays pending, and whoever starts next makes
   * up for it.
   */
  const once = (automation: Automation<Task>, cell: Effect.Effect.Success<ReturnType<typeof open>>, reason: Reason) =>
    Effect.gen(function* () {
      const startedAt = yield* Clock.currentTimeMillis
      yield* cell.update({ state: "running", pending: true, startedAt, nextRunAt: undefined })
      const exit = yield* Effect.exit(run(automation, reason))
      const endedAt = yield* Clock.currentTimeMillis
      const ended = { state: "waiting", pending: false, endedAt } as const
      // an interval counts from the end; a clock that was put back makes no set time be served again
      const anchor = automation.trigger._tag === "Cron" ? Math.max(cell.get().anchor, startedAt, endedAt) : endedAt
      if (Exit.isSuccess(exit))
        return yield* cell.update({
          ...ended,
          anchor,
          goodAt: endedAt,
          failures: 0,
          problems: exit.value.problems
        })
      const error = Cause.squash(exit.cause)
      const isCancelled = Cause.isInterruptedOnly(exit.cause) || (isTagged(error) && error._tag === "TaskCancelled")
      const failure = new Health.Failure({
        at: endedAt,
        tag: isCancelled ? "Cancelled" : isTagged(error) ? error._tag : "Bug",
        message: isCancelled ? "the run was cancelled" : messageOf(error)
      })
      // who cancels a run does not want it back at once
      const failures = cell.get().failures + (isCancelled ? 0 : 1)
      yield* cell.update({ ...ended, anchor, failure, failures })
    })

  const timed = (automation: Automation<Task>, trigger: AutomationSchedule.Timed) =>
    Effect.gen(function* () {
      const cell = yield* open(automation)
      const plan = AutomationSchedule.planner(trigger)
      const draw = Effect.map(Random.next, (chance) => Math.floor(chance * trigger.jitterMillis))
      let jitter = yield* draw
      let isFirst = true
      while (true) {
        const now = yield* Clock.currentTimeMillis
        const next = plan(cell.get(), now)
        const at = next.reason === "schedule" ? next.at + jitter : next.at
        if (at <= now) {
          // the clock was put back: what is counted from the future is not served earlier for it
          if (next.anchor !== cell.get().anchor) yield* cell.update({ anchor: next.anchor })
          yield* once(automation, cell, next.reason)
          jitter = yield* draw
          continue
        }
        const nextRunAt = Number.isFinite(at) ? at : undefined
        const { anchor, nextRunAt: before } = cell.get()
        if (isFirst || nextRunAt !== before || next.anchor !== anchor)
          yield* cell.update({ anchor: next.anchor, nextRunAt })
        isFirst = false
        yield* Effect.sleep(Math.min(at - now, step))
      }
    })

  const watching = (automation: Automation<Task>) =>
    Effect.gen(function* () {
      const cell = yield* open(automation)
      yield* cell.update({})
      const detached = new Set<string>()
      const idle = () => ({ state: detached.size > 0 ? ("detached" as const) : ("waiting" as const) })
      const stateNow = () => (cell.get().state === "running" ? {} : idle())
      yield* Watching.watch({
        paths: automation.paths,
        onNotice: (notice) =>
          Effect.gen(function* () {
            if (notice._tag === "Attached") {
              detached.delete(notice.path)
              return yield* cell.update({ means: notice.means, ...stateNow() })
            }
            const { error, path } = notice
            detached.add(path)
            const at = yield* Clock.currentTimeMillis
            const failure = new Health.Failure({ at, tag: error._tag, message: error.message })
            yield* cell.update({ restarts: cell.get().restarts + 1, failure, ...stateNow() })
          }),
        run: (cause) =>
          Effect.gen(function* () {
            yield* once(automation, cell, reasons[cause._tag])
            yield* cell.update(idle())
            const { failure, failures } = cell.get()
            // what waits for a person waits for the next change or rescan too
            if (failures > 0 && failure?.tag !== "ApprovalNeeded") return yield* Effect.fail("failed" as const)
          })
      })
    })

  const start = (automation: Automation<Task>): Effect.Effect<unknown, never, R | FolderEvents.FolderEvents> => {
    const { trigger } = automation
    if (!Trigger.isActive(trigger) || trigger._tag === "Manual") return Effect.flatMap(remembered(automation), keep)
    const body: Effect.Effect<unknown, never, R | FolderEvents.FolderEvents> =
      trigger._tag === "Watch" ? watching(automation) : timed(automation, trigger)
    return body.pipe(
      Effect.catchAllDefect((defect) => Effect.logError(`automation ${automation.name}`, defect)),
      // a bug of our own ends no automation for good
      Effect.zipRight(Effect.sleep(step)),
      Effect.forever
    )
  }

  const reconcile = (wanted: ReadonlyArray<Automation<Task>>) =>
    Effect.gen(function* () {
      const next = new Map(
        wanted.filter(({ trigger }) => trigger._tag !== "Manual").map((automation) => [automation.name, automation])
      )
      const stored = yield* Effect.catchAll(log.all, () => Effect.succeed([] as ReadonlyArray<Health.Health>))
      for (const name of new Set([...current.keys(), ...stored.map((health) => health.name)])) {
        if (next.has(name)) continue
        yield* FiberMap.remove(fibers, name)
        current.delete(name)
        yield* SubscriptionRef.update(state, (all) => new Map([...all].filter(([other]) => other !== name)))
        // a record that stays is shown by nobody and removed by the next start
        yield* Effect.ignore(log.remove(name))
      }
      for (const [name, automation] of next) {
        if (current.get(name) === identity(automation)) continue
        current.set(name, identity(automation))
        yield* FiberMap.remove(fibers, name)
        yield* FiberMap.run(fibers, name, Effect.provide(start(automation), context))
      }
    }).pipe(reconciling.withPermits(1))

  const automations: Automations<Task> = {
    reconcile,
    health: Effect.map(SubscriptionRef.get(state), sorted),
    changes: Stream.map(state.changes, sorted)
  }
  return automations
})

const isTagged = (error: unknown): error is { readonly _tag: string } =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"

const messageOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error && typeof error.message === "string"
    ? error.message
    : String(error)
