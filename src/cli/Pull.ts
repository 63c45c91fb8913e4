/**
 * `cairn pull [VAULT:]`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Devices from "../programs/Devices.ts"
import * as Head from "../programs/Head.ts"
import * as Joining from "../programs/Joining.ts"
import type * as Peer from "../programs/Peer.ts"
import * as Pull from "../programs/Pull.ts"
import * as Vault from "../programs/Vault.ts"
import * as Hash from "../schema/Hash.ts"
import * as DeviceList from "../services/DeviceList.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import * as Ending from "./Ending.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Peers from "./Peers.ts"
import * as PullVoice from "./PullVoice.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

const config = { reference: Args.optional(Verb.operand("VAULT:")), dryRun: Verb.dryRun }

/** Says which heads a pull would look at. */
const preview = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  loaded: ReadonlyArray<Peer.Loaded>,
  voice: Console.Voice
) {
  const own = yield* Head.newest(vault)
  const heads = loaded.flatMap(({ head }) => head ?? []).filter(({ hash }) => !Head.contains(own, Hash.toHex(hash)))
  yield* Console.emit(
    voice,
    PullVoice.dryRun(
      vault.name,
      heads.map(({ hash }) => hash)
    ),
    `${vault.name}: ${heads.length === 0 ? "nothing to take in" : `would take in ${heads.map(({ hash }) => Hash.toShort(hash)).join(", ")}`}; nothing was written`
  )
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "pull",
  description: "Take in what other devices published of a vault, of all vaults without one: pull [VAULT:]",
  config,
  handler: ({ dryRun, reference }, common) =>
    Effect.gen(function* () {
      const state = yield* VaultState.VaultState
      const asked = Option.isNone(reference) ? undefined : yield* Reference.parse(reference.value)
      if (asked !== undefined && (asked.path !== "" || asked.snapshot._tag !== "Latest" || asked.snapshot.back !== 0))
        return yield* new Argv.Usage({ problem: `pull takes a whole vault: cairn pull ${asked.vault}:` })
      // vaults that other devices made since this one joined
      if (!dryRun) {
        const missing = yield* Joining.takeMissing(asked?.vault)
        for (const problem of missing.problems) yield* Console.complain(problem)
        for (const { name } of missing.taken) yield* Console.note(common, `${name}: taken from your other devices`)
      }
      const names = asked === undefined ? yield* state.vaults : [asked.vault]
      let code: number = exitCode.done
      let reached = 0
      const failures: Array<Ending.Tagged> = []
      for (const name of names) {
        const vault = yield* Vault.open(name)
        const { loaded, problems } = yield* Peers.loadAll(vault)
        for (const problem of problems) yield* Console.complain(Peers.leftOut(name, problem))
        reached += loaded.length
        failures.push(...problems.map(({ error }) => error))
        if (problems.length > 0) code = exitCode.skipped
        if (dryRun) yield* preview(vault, loaded, common)
        else {
          code = Math.max(code, yield* PullVoice.tell(name, yield* Pull.pull(vault, loaded), common))
          // another device has removed one, and given the vault new keys
          if (yield* Devices.takeKeys(vault, loaded))
            yield* Console.note(common, `${name}: new keys of another device are used from now on`)
        }
      }
      // what was published before another device was let in is sealed for that one now
      if (!dryRun) for (const problem of yield* (yield* DeviceList.DeviceList).upkeep) yield* Console.complain(problem)
      yield* RecoveryHint.tell
      const [failure] = failures
      return failure !== undefined && reached === 0 ? new Ending.Told({ error: failure }) : code
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})
