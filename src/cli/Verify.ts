/**
 * `cairn verify [REF]`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argv from "./Argv.ts"
import * as Reference from "./Reference.ts"
import * as TaskRun from "./TaskRun.ts"
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
      if (Option.isNone(reference)) return yield* TaskRun.run({ _tag: "Verify", share: wanted }, common)
      const { path, snapshot, vault } = yield* Reference.parse(reference.value)
      if (path !== "" || snapshot._tag !== "Latest" || snapshot.back !== 0)
        return yield* new Argv.Usage({ problem: `verify checks whole vaults with their history: verify ${vault}:` })
      return yield* TaskRun.run({ _tag: "Verify", vault, share: wanted }, common)
    })
})
