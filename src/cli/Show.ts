/**
 * `cairn show REF`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as List from "../programs/List.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import * as Live from "./Live.ts"
import * as Opening from "./Opening.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "show",
  description: "A file's bytes on standard output: show VAULT[@SNAP]:PATH",
  config: { reference: Verb.operand("REF"), peers: Verb.peers },
  handler: ({ peers, reference }, common) =>
    Effect.gen(function* () {
      const ref = yield* Reference.parse(reference)
      if (ref.path === "")
        return yield* new Argv.Usage({ problem: `${reference} names no file; \`cairn list ${reference}\` shows them` })
      if (common.json)
        return yield* new Argv.Usage({ problem: "show prints the file's own bytes, which --json cannot hold" })
      const { code, snapshot } = yield* Opening.look(ref, { peers })
      const content = yield* List.show(ref.vault, snapshot, ref.path)
      yield* Stream.runForEach(content, Console.bytes)
      yield* RecoveryHint.tell
      return code
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})
