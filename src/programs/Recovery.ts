/**
 * The recovery phrase: twelve words that can open every vault of this device.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as AgeKey from "../schema/AgeKey.ts"
import * as ColdPointer from "../schema/ColdPointer.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as Did from "../schema/Did.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RecoveryPhrase from "../schema/RecoveryPhrase.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Keyring from "../services/Keyring.ts"
import * as VaultState from "../services/VaultState.ts"
import * as IdentityUpkeep from "./IdentityUpkeep.ts"
import * as Reseal from "./Reseal.ts"
import * as Todos from "./Todos.ts"
import * as Vault from "./Vault.ts"

/** A new phrase, and what may be kept of it. @since 0.1.0 @category models */
export interface NewPhrase {
  readonly phrase: Redacted.Redacted<string>
  readonly recipient: Keyring.RecoveryRecipient
}

/** What the words lead to (docs/format/core.md §13, rows 1 to 4). @since 0.1.0 @category models */
export interface PhraseKeys {
  /** The Ed25519 key that only the words give; its DID is in `recovery`. */
  readonly cold: PublicKey.PublicKey
  readonly coldSeed: Redacted.Redacted<Uint8Array>
  /** The cold key of the next epoch. */
  readonly nextCold: PublicKey.PublicKey
  /** The age identity that opens everything sealed for the phrase. */
  readonly paper: Redacted.Redacted<string>
  readonly recovery: Keyring.RecoveryRecipient
}

/** The cold public key of a phrase, which is all that it takes to see whether a place knows it. @since 0.1.0 @category programs */
export const coldOf = Effect.fnUntraced(function* (phrase: Redacted.Redacted<string>) {
  const { primitives } = yield* Crypto.Crypto
  const entropy = yield* RecoveryPhrase.toEntropy(Redacted.value(phrase))
  const seed = Derivation.coldSeed(primitives, Derivation.rootMaster(primitives, entropy), 0)
  return PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(seed))
})

/** The keys of a phrase. @since 0.1.0 @category programs */
export const keysOf = Effect.fn("Recovery.keysOf")(function* (phrase: Redacted.Redacted<string>) {
  const { primitives } = yield* Crypto.Crypto
  const entropy = yield* RecoveryPhrase.toEntropy(Redacted.value(phrase))
  const master = Derivation.rootMaster(primitives, entropy)
  const coldSeed = Derivation.coldSeed(primitives, master, 0)
  const publicOf = (seed: Uint8Array) => PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(seed))
  const cold = publicOf(coldSeed)
  const paper = Derivation.paperAgeSeed(primitives, master)
  const keys: PhraseKeys = {
    cold,
    coldSeed: Redacted.make(coldSeed),
    nextCold: publicOf(Derivation.nextColdSeed(primitives, coldSeed)),
    paper: Redacted.make(AgeKey.identity(paper)),
    recovery: new Keyring.RecoveryRecipient({ recipient: AgeKey.recipient(paper), did: Did.toText(cold) })
  }
  return keys
})

/** Draws twelve words; nothing is kept anywhere yet (docs/format/core.md §13). @since 0.1.0 @category programs */
export const draw = Effect.fn("Recovery.draw")(function* () {
  const { randomBytes } = yield* Crypto.Crypto
  const phrase = Redacted.make(yield* RecoveryPhrase.fromEntropy(yield* randomBytes(RecoveryPhrase.entropyLength)))
  const drawn: NewPhrase = { phrase, recipient: (yield* keysOf(phrase)).recovery }
  return drawn
})

/**
 * A new warm key, named by the phrase's cold key: what every device of the person will hold. Nothing is kept anywhere yet.
 *
 * @since 0.1.0
 * @category programs
 */
export const found = Effect.fn("Recovery.found")(function* (phrase: Redacted.Redacted<string>) {
  const { primitives, randomBytes } = yield* Crypto.Crypto
  const keys = yield* keysOf(phrase)
  const warmSeed = yield* randomBytes(32)
  const warm = PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(warmSeed))
  const founded: Keyring.IdentityKeys = {
    warm,
    warmSeed: Redacted.make(warmSeed),
    pointer: yield* ColdPointer.sign(primitives, Redacted.value(keys.coldSeed), 1n, { warm, nextCold: keys.nextCold }),
    recovery: keys.recovery
  }
  return founded
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
 * Takes the keys that `found` made of a phrase into use, once its owner has it: this device speaks for its owner from here
 * on, and every vault is sealed for the phrase. Answers what could not be done yet and is tried again by every later run;
 * nothing when this device has keys of an identity already, which stay.
 *
 * @since 0.1.0
 * @category programs
 */
export const establish = Effect.fn("Recovery.establish")(function* (keys: Keyring.IdentityKeys, host: string) {
  const keyring = yield* Keyring.Keyring
  if (!(yield* keyring.createIdentity(keys))) return undefined
  return yield* complete(host)
})

/**
 * Does what is left to do of `establish`: publishes who this device belongs to, and seals what is not sealed for all of them.
 *
 * @since 0.1.0
 * @category programs
 */
export const complete = Effect.fn("Recovery.complete")(function* (host: string) {
  const state = yield* VaultState.VaultState
  // nothing is lost: the keys are kept, and the next run goes on from there
  const problems = yield* Effect.catchAll(IdentityUpkeep.run(host), (error) => Effect.succeed([error.message]))
  const pending: Array<string> = []
  for (const name of yield* state.vaults) {
    if ((yield* state.todos(name)).length === 0) continue
    const left = yield* Effect.either(Effect.flatMap(Vault.open(name), Todos.workOff))
    // nothing is lost either: what is left stays on the vault's own list
    if (Either.isLeft(left)) pending.push(left.left.message)
    else if (left.right.length > 0) pending.push(`vault ${name}: not every store has its newest snapshot yet`)
  }
  return [...problems, ...pending]
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
