/**
 * Every snapshot sealed for whom it should be, after the devices or the phrase of an identity changed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as IdentityState from "../services/IdentityState.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Identity from "./Identity.ts"
import * as Reseal from "./Reseal.ts"
import * as Vault from "./Vault.ts"

/** Whether `next` has all of `before`, so that counting recipients tells what is sealed for too few. */
const isMore = (before: ReadonlyArray<string>, next: ReadonlyArray<string>) =>
  before.every((recipient) => next.includes(recipient))

/**
 * Seals the history of one vault for these recipients, unless this device has done so for these very ones, and answers how
 * many snapshots were sealed anew.
 *
 * @since 0.1.0
 * @category programs
 */
export const seal = Effect.fn("IdentitySealing.seal")(function* (name: string, wanted: ReadonlyArray<string>) {
  const state = yield* IdentityState.IdentityState
  const recipients = [...wanted].sort()
  const known = yield* state.sealedFor(name)
  if (known !== undefined && known.recipients.join() === recipients.join()) return 0
  // where one of before is gone, or a run was cut short, the number of recipients tells nothing
  const isForOthers = known !== undefined && (known.recipients.length === 0 || !isMore(known.recipients, recipients))
  yield* state.saveSealedFor(new IdentityState.SealedFor({ vault: name, recipients: [] }))
  const { resealed } = yield* Reseal.reseal(yield* Vault.open(name), { isForOthers })
  yield* state.saveSealedFor(new IdentityState.SealedFor({ vault: name, recipients }))
  return resealed
})

/**
 * Seals the history of every vault of this device for the identity's devices and phrase, and answers what failed; the next
 * run tries again. Nothing to do where it is known to be so.
 *
 * @since 0.1.0
 * @category programs
 */
export const sealAll = Effect.fn("IdentitySealing.sealAll")(function* () {
  const state = yield* VaultState.VaultState
  const problems: Array<string> = []
  const recipients = yield* Identity.recipients()
  if (recipients === undefined) return problems
  for (const name of yield* state.vaults)
    yield* seal(name, recipients).pipe(
      // nothing is lost: it is not remembered as sealed, and the caller is told
      Effect.catchAll((error) => Effect.sync(() => void problems.push(error.message)))
    )
  return problems
})

/** The vaults whose history is not known to be sealed for those that it should be for. @since 0.1.0 @category programs */
export const behind = Effect.fn("IdentitySealing.behind")(function* (recipients: ReadonlyArray<string>) {
  const state = yield* IdentityState.IdentityState
  const names: Array<string> = []
  for (const name of yield* (yield* VaultState.VaultState).vaults) {
    const known = yield* state.sealedFor(name)
    if (known === undefined || !isMore(recipients, known.recipients)) names.push(name)
  }
  return names as ReadonlyArray<string>
})
