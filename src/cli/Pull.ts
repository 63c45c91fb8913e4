/**
 * `cairn pull [VAULT:]`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Devices from "../programs/Devices.ts"
import * as Head from "../programs/Head.ts"
import * as Joining from "../programs/Joining.ts"
import type * as Peer from "../programs/Peer.ts"
import * as Pull from "../programs/Pull.ts"
import * as Rekey from "../programs/Rekey.ts"
import * as Vault from "../programs/Vault.ts"
import * as Hash from "../schema/Hash.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import * as Ending from "./Ending.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Peers from "./Peers.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

const config = { reference: Args.optional(Verb.operand("VAULT:")), dryRun: Verb.dryRun }

/** The heads of all other devices that can be read now, and the errors of those that cannot. */
const loadAll = Effect.fnUntraced(function* (vault: Vault.Vault) {
  const loaded: Array<Peer.Loaded> = []
  const problems: Array<Ending.Tagged> = []
  for (const other of yield* Peers.others(vault)) {
    const peer = yield* Effect.either(other.load)
    if (Either.isRight(peer)) loaded.push(peer.right)
    else {
      problems.push(peer.left)
      yield* Console.complain(`${vault.name}: device ${other.name} is left out: ${peer.left.message}`)
    }
  }
  const own = yield* Devices.elsewhere(vault)
  return { loaded: own === undefined ? loaded : [own, ...loaded], problems }
})

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
    {
      type: "pull",
      vault: vault.name,
      outcome: "dry-run",
      merged: heads.map(({ hash }) => Hash.toHex(hash)),
      conflicts: [],
      blobs: 0,
      bytes: 0,
      missing: 0,
      baseless: 0
    },
    `${vault.name}: ${heads.length === 0 ? "nothing to take in" : `would take in ${heads.map(({ hash }) => Hash.toShort(hash)).join(", ")}`}; nothing was written`
  )
})

const tell = Effect.fnUntraced(function* (vault: Vault.Vault, result: Pull.Result, voice: Console.Voice) {
  const { baseless, carried, conflicts, head, merged, outcome, pending } = result
  const name = head === undefined ? "" : `, snapshot ${Hash.toShort(head.node)}, revision ${head.revision}`
  const text =
    outcome === "unchanged"
      ? `${vault.name}: nothing new${name}`
      : `${vault.name}: took in ${Console.count(merged.length, "snapshot")}${name}, ${Console.size(carried.bytes)} brought here`
  yield* Console.emit(
    voice,
    {
      type: "pull",
      vault: vault.name,
      outcome,
      ...(head === undefined ? {} : { revision: Number(head.revision), snapshot: Hash.toHex(head.node) }),
      merged: merged.map(Hash.toHex),
      conflicts: conflicts.map(({ copy }) => copy),
      blobs: carried.blobs,
      bytes: carried.bytes,
      missing: carried.missing.length,
      baseless: baseless.length
    },
    voice.quiet ? undefined : text
  )
  for (const { copy, path } of conflicts)
    yield* Console.complain(`${vault.name}: ${path} was changed on both sides; the other version is ${copy}`)
  if (baseless.length > 0)
    yield* Console.complain(
      `${vault.name}: what this device and another come from cannot be read, so nothing was deleted and what differs stands side by side`
    )
  if (carried.missing.length > 0)
    yield* Console.complain(
      `${vault.name}: ${Console.count(carried.missing.length, "blob")} of other devices are in no store that answers; back up on that device again, \`cairn verify ${vault.name}:\` names the files`
    )
  if (carried.unreadable.length > 0)
    yield* Console.complain(
      `${vault.name}: ${Console.count(carried.unreadable.length, "earlier snapshot")} of other devices cannot be opened here`
    )
  if (pending.length > 0)
    yield* Console.note(voice, `${vault.name}: ${Console.count(pending.length, "copy", "copies")} to other stores wait`)
  return carried.missing.length > 0 ? exitCode.skipped : exitCode.done
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
        const { loaded, problems } = yield* loadAll(vault)
        reached += loaded.length
        failures.push(...problems)
        if (problems.length > 0) code = exitCode.skipped
        if (dryRun) yield* preview(vault, loaded, common)
        else {
          code = Math.max(code, yield* tell(vault, yield* Pull.pull(vault, loaded), common))
          // another device has removed one, and given the vault new keys
          const keys = Rekey.successor(
            vault.context,
            loaded.flatMap(({ head }) => head ?? [])
          )
          if (keys !== undefined) {
            yield* Rekey.rekey(vault, keys)
            yield* Console.note(common, `${name}: new keys of another device are used from now on`)
          }
        }
      }
      yield* RecoveryHint.tell
      const [failure] = failures
      return failure !== undefined && reached === 0 ? new Ending.Told({ error: failure }) : code
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})
