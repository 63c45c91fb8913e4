/**
 * The recovery phrase: twelve words that can open every vault of this device.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as AgeKey from "../schema/AgeKey.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as Did from "../schema/Did.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RecoveryPhrase from "../schema/RecoveryPhrase.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Keyring from "../services/Keyring.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Reseal from "./Reseal.ts"
import * as Vault from "./Vault.ts"

/** A new phrase, and what may be kept of it. @since 0.1.0 @category models */
export interface NewPhrase {
  readonly phrase: Redacted.Redacted<string>
  readonly recipient: Keyring.RecoveryRecipient
}

/** Draws twelve words; nothing is kept anywhere yet (docs/format/core.md §13). @since 0.1.0 @category programs */
export const draw = Effect.fn("Recovery.draw")(function* () {
  const { primitives, randomBytes } = yield* Crypto.Crypto
  const entropy = yield* randomBytes(RecoveryPhrase.entropyLength)
  const phrase = yield* RecoveryPhrase.fromEntropy(entropy)
  const master = Derivation.rootMaster(primitives, entropy)
  const cold = primitives.ed25519PublicKey(Derivation.coldSeed(primitives, master, 0))
  const drawn: NewPhrase = {
    phrase: Redacted.make(phrase),
    recipient: new Keyring.RecoveryRecipient({
      recipient: AgeKey.recipient(Derivation.paperAgeSeed(primitives, master)),
      did: Did.toText(PublicKey.unsafeFromBytes(cold))
    })
  }
  return drawn
})

/**
 * Takes the phrase into use, once its owner has it: every snapshot of every vault is sealed for the phrase too. `false` when
 * this device has a phrase already, which stays.
 *
 * @since 0.1.0
 * @category programs
 */
export const adopt = Effect.fn("Recovery.adopt")(function* (recipient: Keyring.RecoveryRecipient) {
  const keyring = yield* Keyring.Keyring
  if (!(yield* keyring.createRecovery(recipient))) return false
  yield* sealAll()
  return true
})

/**
 * Seals every vault of this device, head and history, for everybody who may read it now (`Reseal.reseal`). One that is sealed
 * so already is left as it is.
 *
 * @since 0.1.0
 * @category programs
 */
export const sealAll = Effect.fn("Recovery.sealAll")(function* () {
  const state = yield* VaultState.VaultState
  for (const name of yield* state.vaults) yield* Reseal.reseal(yield* Vault.open(name))
})
