/**
 * `cairn watch [VAULT:]`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as HealthLogMemory from "../layers/HealthLogMemory.ts"
import * as Automation from "../programs/Automation.ts"
import * as Backup from "../programs/Backup.ts"
import * as Vault from "../programs/Vault.ts"
import type { Health } from "../schema/Health.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import * as VaultSettings from "../services/VaultSettings.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as AutomationLive from "./AutomationLive.ts"
import * as AutomationVoice from "./AutomationVoice.ts"
import * as Console from "./Console.ts"
import * as Ending from "./Ending.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Reference from "./Reference.ts"
import * as TaskRun from "./TaskRun.ts"
import * as Verb from "./Verb.ts"

type Watched = Automation.Automation<TaskSpec.TaskSpec>

const config = { words: Args.repeated(Verb.operand("REF")), dryRun: Verb.dryRun }

/** A run ended in a way that is no success; what it was is told already. */
class RunFailed extends Data.Error<{ readonly _tag: string; readonly message: string }> {}

const watched = (vault: string, folder: string, paths: ReadonlyArray<string>): Watched => ({
  name: `${vault}:${LocalPath.display(folder)}`,
  vault,
  trigger: { _tag: "Watch", paused: false },
  paths,
  // whoever runs this sees what it says: much that is deleted or rewritten is told of, and only an emptied source stops
  task: { _tag: "Backup", vault, folder, sources: [], attended: true, reread: false, dryRun: false }
})

/** One automation for each saved source, and one for all that a vault is declared to keep. */
const plan = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
  const state = yield* VaultState.VaultState
  const settings = yield* VaultSettings.VaultSettings
  const known = yield* state.vaults
  const all = [...new Set([...known, ...settings.withSources])].sort()
  const asked = yield* Effect.forEach(words, Reference.parse)
  for (const { path, snapshot, vault } of asked) {
    yield* Vault.refuseAttached(vault)
    if (path !== "" || snapshot._tag !== "Latest" || snapshot.back !== 0)
      return yield* new Argv.Usage({ problem: "watch takes vaults, as in `cairn watch docs:`" })
    if (!all.includes(vault)) return yield* new Vault.NoSuchVault({ vault, known })
  }
  const vaults = words.length === 0 ? all : [...new Set(asked.map(({ vault }) => vault))]
  const found: Array<Watched> = []
  for (const vault of vaults) {
    const declared = settings.sources(vault).map(({ path }) => path)
    if (declared.length > 0) found.push(watched(vault, "", declared))
    else for (const { folder, path } of yield* state.sources(vault)) found.push(watched(vault, folder, [path]))
  }
  return found.length === 0 ? yield* new Backup.NoSources({ vault: vaults[0] ?? "" }) : found
})

/** What is told of one automation, when it is something new. */
const news = (before: Health | undefined, now: Health): string | undefined => {
  if (now.state === "detached" && before?.state !== "detached")
    return `${now.name}: ${now.failure?.message ?? "cannot be watched"}; tried again until it works`
  return now.means !== undefined &&
    (before?.means === undefined || before.state === "detached") &&
    now.state !== "detached"
    ? `${now.name}: watching, by ${now.means}`
    : undefined
}

const run = (automations: ReadonlyArray<Watched>, voice: Console.Voice) =>
  Effect.gen(function* () {
    // what runs without a daemon runs in this process, one backup at a time
    const turn = yield* Effect.makeSemaphore(1)
    const made = yield* Automation.make(({ task }: Watched) =>
      Effect.gen(function* () {
        const ended = yield* TaskRun.run(task, voice).pipe(
          Effect.tapError((error) => Console.complain(error.message)),
          Effect.mapError(({ _tag, message }) => new RunFailed({ _tag, message }))
        )
        if (ended instanceof Ending.Told) return yield* new RunFailed(ended.error)
        if (ended === exitCode.done) return {}
        if (ended === exitCode.skipped) return { problems: 1 }
        return yield* new RunFailed({ _tag: "RunFailed", message: `a run ended with ${ended}` })
      }).pipe(turn.withPermits(1))
    )
    yield* made.reconcile(automations)
    const before = new Map<string, Health>()
    return yield* Stream.runForEach(made.changes, (all) =>
      Effect.forEach(
        all,
        (health) => {
          const text = news(before.get(health.name), health)
          before.set(health.name, health)
          if (text === undefined) return Effect.void
          return Effect.zipRight(
            voice.json ? Console.json(AutomationVoice.record(health)) : Effect.void,
            health.state === "detached" ? Console.complain(text) : Console.note(voice, text)
          )
        },
        { discard: true }
      )
    )
  }).pipe(Effect.scoped, Effect.zipRight(Effect.never))

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "watch",
  description: "Back up saved sources whenever they change, until interrupted: watch · watch VAULT:",
  config,
  handler: ({ dryRun, words }, common) =>
    Effect.gen(function* () {
      // closed again before the backups open their own
      const { automations, events } = yield* Effect.all({
        automations: plan(words),
        events: AutomationLive.folderEvents
      }).pipe(Effect.provide(Live.layer))
      if (dryRun) {
        for (const { name, paths } of automations)
          yield* Console.emit(
            common,
            { type: "text", text: name },
            `${name}: would watch ${paths.map(LocalPath.display).join(", ")}`
          )
        return exitCode.done
      }
      yield* run(automations, common).pipe(Effect.provide(Layer.mergeAll(HealthLogMemory.layer, events)))
      return exitCode.done
    })
})
