/**
 * The task that reads and checks vaults.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import * as TaskEvents from "../services/TaskEvents.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Backup from "./Backup.ts"
import * as TaskHost from "./TaskHost.ts"
import * as Verify from "./Verify.ts"

/** Verifies one vault after the other, and tells what each came to. @since 0.1.0 @category programs */
export const perform = Effect.fn("TaskVerify.perform")(function* (spec: TaskSpec.Of<"Verify">) {
  const { say } = yield* TaskEvents.TaskEvents
  const { openVault } = yield* TaskHost.TaskHost
  const state = yield* VaultState.VaultState
  const names = spec.vault === undefined ? yield* state.vaults : [spec.vault]
  if (names.length === 0) return yield* new Backup.NoSources({ vault: "" })
  let damaged = 0
  for (const name of names) {
    const vault = yield* openVault(name)
    const result = yield* Verify.verify(vault, {
      sample: spec.share,
      onDamage: ({ at, detail, hash, kind }) =>
        say({
          _tag: "Problem",
          record: { type: "problem", kind: "damaged", path: at, detail: `${kind} ${hash}: ${detail}` },
          complaint: `${name}: ${at} ${detail}`
        })
    })
    damaged += result.damaged
    yield* say({
      _tag: "Verified",
      vault: name,
      record: { type: "summary", verb: "verify", counts: { ...result } }
    })
    // what was never backed up from here is not here to be stored again
    if (result.damaged > 0 && (yield* state.sources(name)).length > 0)
      yield* say({
        _tag: "Note",
        text: `${name}: files that are still on this device are stored again by \`cairn backup --reread ${name}:\``
      })
  }
  yield* TaskHost.remind
  const outcome: TaskHost.Outcome = { outcome: damaged > 0 ? "damaged" : "done" }
  return outcome
}, Effect.scoped)
