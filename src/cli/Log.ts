/**
 * `cairn log REF`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Head from "../programs/Head.ts"
import * as Snapshots from "../programs/Snapshots.ts"
import * as Hash from "../schema/Hash.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Opening from "./Opening.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "log",
  description: "The snapshots of a vault, newest first: log VAULT:",
  config: { reference: Verb.operand("REF"), device: Verb.device },
  handler: ({ device, reference }, common) =>
    Effect.gen(function* () {
      const ref = yield* Reference.parse(reference)
      const vault = yield* Opening.openVault(ref.vault, Option.getOrUndefined(device))
      const head = yield* Head.newest(vault)
      const snapshots = head === undefined ? [] : yield* Snapshots.all(vault, head)
      for (const { id, number, publishedAt } of [...snapshots].reverse()) {
        const time = publishedAt === undefined ? "(time unknown)" : Console.localTime(publishedAt)
        yield* Console.emit(
          common,
          {
            type: "snapshot",
            vault: vault.name,
            number,
            id: Hash.toHex(id),
            ...(publishedAt === undefined ? {} : { publishedAt: new Date(publishedAt).toISOString() })
          },
          `${String(number).padStart(5)}  ${Hash.toShort(id)}  ${time}`
        )
      }
      yield* RecoveryHint.tell
      return exitCode.done
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})
