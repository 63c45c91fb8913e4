/**
 * `cairn verify [REF]`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Backup from "../programs/Backup.ts"
import * as Verify from "../programs/Verify.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as ProgressTerminal from "./ProgressTerminal.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

const config = {
  reference: Args.optional(Verb.operand("REF")),
  sample: Options.text("sample").pipe(
    Options.withDescription("read this share of the content, as in 5%; trees and snapshots are always read whole"),
    Options.optional
  )
}

const share = (text: string): number | undefined => {
  const match = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text)
  const percent = match === null ? Number.NaN : Number(match[1])
  return percent > 0 && percent <= 100 ? percent / 100 : undefined
}

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "verify",
  description: "Read and check everything that snapshots reach: verify VAULT: · verify (all vaults)",
  config,
  handler: ({ reference, sample }, common) =>
    Effect.gen(function* () {
      const wanted = Option.isNone(sample) ? 1 : share(sample.value)
      if (wanted === undefined)
        return yield* new Argv.Usage({ problem: "--sample takes a percentage above 0 and up to 100, as in 5%" })
      const state = yield* VaultState.VaultState
      const ref = Option.isSome(reference) ? yield* Reference.parse(reference.value) : undefined
      if (ref !== undefined && (ref.path !== "" || ref.snapshot._tag !== "Latest" || ref.snapshot.back !== 0))
        return yield* new Argv.Usage({ problem: `verify checks whole vaults with their history: verify ${ref.vault}:` })
      const names = ref === undefined ? yield* state.vaults : [ref.vault]
      if (names.length === 0) return yield* new Backup.NoSources({ vault: "" })
      let damaged = 0
      for (const name of names) {
        const vault = yield* Reference.openVault(name)
        const result = yield* Verify.verify(vault, {
          sample: wanted,
          onDamage: (damage) =>
            Effect.zipRight(
              Console.complain(`${name}: ${damage.at} ${damage.detail}`),
              common.json
                ? Console.json({
                    type: "problem",
                    kind: "damaged",
                    path: damage.at,
                    detail: `${damage.kind} ${damage.hash}: ${damage.detail}`
                  })
                : Effect.void
            )
        })
        damaged += result.damaged
        const verdict = result.damaged === 0 ? "all good" : `${Console.count(result.damaged, "damage")} found`
        const unread = result.unread === 0 ? "" : `, ${Console.count(result.unread, "blob")} left out of the sample`
        yield* Console.emit(
          common,
          { type: "summary", verb: "verify", counts: { ...result } },
          common.quiet
            ? undefined
            : `${name}: ${verdict}: ${Console.count(result.snapshots, "snapshot")}, ${Console.count(result.nodes, "node")}, ${Console.count(result.blobs, "blob")}, ${Console.size(result.bytes)} read${unread}`
        )
      }
      yield* RecoveryHint.tell
      return damaged > 0 ? exitCode.damage : exitCode.done
    }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(Live.layer, ProgressTerminal.layer(common))))
})
