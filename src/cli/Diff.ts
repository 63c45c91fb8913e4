/**
 * `cairn diff REF [REF]`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Difference from "../programs/Difference.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import * as Live from "./Live.ts"
import * as Opening from "./Opening.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

const config = {
  before: Verb.operand("REF"),
  after: Args.optional(Verb.operand("REF")),
  device: Verb.device,
  peers: Verb.peers
}

const sign = { added: "+", deleted: "-", changed: "M", metadata: "m" } as const

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "diff",
  description:
    "What differs between two snapshots: diff VAULT@SNAP:[PATH] VAULT:[PATH] · diff VAULT: --device NAME (this device's and that one's) · diff VAULT: --peers (what a pull would change)",
  config,
  handler: ({ after, before, device, peers }, common) =>
    Effect.gen(function* () {
      const of = Option.getOrUndefined(device)
      if (Option.isNone(after) && of === undefined && !peers)
        return yield* new Argv.Usage({
          problem: "diff takes two snapshots, as in `cairn diff docs@latest~1: docs:`, or --device or --peers"
        })
      const one = yield* Reference.parse(before)
      const other = yield* Reference.parse(Option.getOrElse(after, () => before))
      if (one.vault !== other.vault || one.path !== other.path)
        return yield* new Argv.Usage({ problem: "diff takes two snapshots of one vault, and one path in both" })
      if (peers) yield* Reference.refuseWithPeers(other, of)
      const from = yield* Opening.open(one)
      const to = yield* Opening.look(other, { device: of, peers })
      yield* Stream.runForEach(Difference.between(from.snapshot, to.snapshot, one.path), ({ change, kind, path }) =>
        Console.emit(
          common,
          { type: "difference", path, kind, change },
          `${sign[change]} ${LocalPath.display(path)}${kind === "directory" ? "/" : ""}`
        )
      )
      yield* RecoveryHint.tell
      return to.code
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})
