/**
 * What is said of a pull, by every verb that does one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Pull from "../programs/Pull.ts"
import * as Hash from "../schema/Hash.ts"
import type * as Output from "../schema/Output.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Peers from "./Peers.ts"

/** The line of what a pull came to. @since 0.1.0 @category conversions */
export const record = (
  vault: string,
  { baseless, carried, conflicts, head, merged, outcome }: Pull.Result
): typeof Output.Pull.Type => ({
  type: "pull",
  vault,
  outcome,
  ...(head === undefined ? {} : { revision: Number(head.revision), snapshot: Hash.toHex(head.node) }),
  merged: merged.map(Hash.toHex),
  conflicts: conflicts.map(({ copy }) => copy),
  blobs: carried.blobs,
  bytes: carried.bytes,
  missing: carried.missing.length,
  baseless: baseless.length
})

/** The line of a pull that would take in these heads. @since 0.1.0 @category conversions */
export const dryRun = (vault: string, heads: ReadonlyArray<Hash.Hash>): typeof Output.Pull.Type => ({
  type: "pull",
  vault,
  outcome: "dry-run",
  merged: heads.map(Hash.toHex),
  conflicts: [],
  blobs: 0,
  bytes: 0,
  missing: 0,
  baseless: 0
})

/** What a person has to know of a pull that did not go as it should. @since 0.1.0 @category programs */
export const complain = Effect.fnUntraced(function* (vault: string, { baseless, carried, conflicts }: Pull.Result) {
  for (const { copy, path } of conflicts)
    yield* Console.complain(`${vault}: ${path} was changed on both sides; the other version is ${copy}`)
  if (baseless.length > 0) yield* Console.complain(Peers.baselessText(vault))
  if (carried.missing.length > 0)
    yield* Console.complain(
      `${vault}: ${Console.count(carried.missing.length, "blob")} of other devices are in no store that answers; back up on that device again, \`cairn verify ${vault}:\` names the files`
    )
  if (carried.unreadable.length > 0)
    yield* Console.complain(
      `${vault}: ${Console.count(carried.unreadable.length, "earlier snapshot")} of other devices cannot be opened here`
    )
})

/** Says what a pull came to, and answers its exit code. @since 0.1.0 @category programs */
export const tell = Effect.fnUntraced(function* (vault: string, result: Pull.Result, voice: Console.Voice) {
  const { carried, head, merged, outcome, pending } = result
  const name = head === undefined ? "" : `, snapshot ${Hash.toShort(head.node)}, revision ${head.revision}`
  const text =
    outcome === "unchanged"
      ? `${vault}: nothing new${name}`
      : `${vault}: took in ${Console.count(merged.length, "snapshot")}${name}, ${Console.size(carried.bytes)} brought here`
  yield* Console.emit(voice, record(vault, result), voice.quiet ? undefined : text)
  yield* complain(vault, result)
  if (pending.length > 0)
    yield* Console.note(voice, `${vault}: ${Console.count(pending.length, "copy", "copies")} to other stores wait`)
  return carried.missing.length > 0 ? exitCode.skipped : exitCode.done
})
