/**
 * What the daemon starts by itself, as the configuration says.
 *
 * @since 0.1.0
 */
import { statSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as CryptoAuto from "../layers/CryptoAuto.ts"
import * as FolderEventsNode from "../layers/FolderEventsNode.ts"
import * as Automation from "../programs/Automation.ts"
import * as AutomationPlan from "../programs/AutomationPlan.ts"
import type * as Rpc from "../schema/Rpc.ts"
import type * as TaskEvent from "../schema/TaskEvent.ts"
import * as VaultState from "../services/VaultState.ts"
import * as AutomationLive from "./AutomationLive.ts"
import type * as Ending from "./Ending.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as TaskConfig from "./TaskConfig.ts"
import type * as TaskExecutor from "./TaskExecutor.ts"
import * as TaskFailure from "./TaskFailure.ts"

/** Five times in a second. @since 0.1.0 @category constants */
export const often = Schedule.spaced("200 millis")

/** How often the configuration file is looked at. */
const lookEvery = "10 seconds"
/** Every so many looks, sources that were saved meanwhile are looked for too. */
const sourcesEvery = 6

/** When the file was changed, as far as it can be seen. */
const stampOf = (file: string): string => {
  const status = statSync(file, { throwIfNoEntry: false })
  return status === undefined ? "" : `${status.mtimeMs} ${status.size} ${status.ino}`
}

/** What a task came to, as its automation remembers it. @since 0.1.0 @category programs */
export const outcomeOf = Effect.fnUntraced(function* <E>(events: Stream.Stream<TaskEvent.TaskEvent, E>) {
  let problems = 0
  let end: TaskEvent.End | undefined
  yield* Stream.runForEach(events, (event) =>
    Effect.sync(() => {
      if (event._tag === "Problem") problems += 1
      if (event._tag === "End") end = event
    })
  )
  if (end?.error !== undefined) return yield* Effect.fail(TaskFailure.from(end.error))
  if (end?.code === exitCode.damage) return yield* Effect.fail({ _tag: "Damage", message: "damage was found" })
  const outcome: Automation.Outcome = { problems }
  return outcome
})

/**
 * Starts what the configuration says starts by itself, and goes by the file as it changes; one with faults changes nothing.
 * Answers how it all is doing.
 *
 * @since 0.1.0
 * @category programs
 */
export const start = Effect.fnUntraced(function* <E extends Ending.Tagged>(
  run: (automation: Automation.Automation<Rpc.Request>) => Effect.Effect<Automation.Outcome, E>,
  use: Effect.Effect.Success<ReturnType<typeof TaskExecutor.make>>["use"]
) {
  const { own } = yield* use(Live.ownFolders)
  const log = Layer.provide(AutomationLive.healthLog, CryptoAuto.layerConfig)
  const events = FolderEventsNode.layer({ ignore: own })
  const automations = yield* Effect.provide(Automation.make(run), yield* Layer.build(Layer.merge(log, events)))

  const paths = use(
    Effect.gen(function* () {
      const state = yield* VaultState.VaultState
      const all = yield* Effect.forEach(yield* state.vaults, (vault) =>
        Effect.map(state.sources(vault), (sources) => [vault, sources.map(({ path }) => path)] as const)
      )
      return new Map(all)
    })
  )
  const look = Effect.gen(function* () {
    const { config, resolve } = yield* TaskConfig.load
    const saved = yield* paths
    yield* automations.reconcile(
      AutomationPlan.fromConfig({ config, resolve, saved: (vault) => saved.get(vault) ?? [] })
    )
  })

  const file = yield* TaskConfig.file
  let stamp = stampOf(file)
  let looks = 0
  yield* look
  const lookAgain = Effect.suspend(() => {
    const now = stampOf(file)
    looks += 1
    // now and then in any case: a source that was saved meanwhile is not in the file
    if (now === stamp && looks % sourcesEvery !== 0) return Effect.void
    stamp = now
    return Effect.catchAll(look, (error) =>
      // nothing is lost: all goes on as it was, until the file is mended
      Effect.logWarning(`${error.message}; the configuration from before still counts`)
    )
  })
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(lookEvery), lookAgain)))
  return automations.health
})
