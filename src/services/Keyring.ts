/**
 * This device's own keys, and the public half of the recovery phrase.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { PublicKey } from "../schema/PublicKey.ts"
import type { RegistryEntry } from "../schema/RegistryEntry.ts"

/**
 * Keys could not be read or kept.
 *
 * - `Missing`: this device has no keys yet.
 * - `Damaged`: a key file is there but is not one.
 * - `Unavailable`: it could not be read or written.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyringError extends Schema.TaggedError<KeyringError>()("KeyringError", {
  reason: Schema.Literal("Missing", "Damaged", "Unavailable"),
  file: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `key file ${this.file}: ${this.detail}`
  }
}

/** What a device signs and decrypts with. @since 0.1.0 @category models */
export interface DeviceKeys {
  /** The Ed25519 key under which this device publishes. */
  readonly publicKey: PublicKey
  /** Its 32-byte seed. */
  readonly signingSeed: Redacted.Redacted<Uint8Array>
  /** An age identity: one `AGE-SECRET-KEY-1…` line. */
  readonly identity: Redacted.Redacted<string>
  /** The identity's recipient: `age1…`. */
  readonly recipient: string
  /** Its Ed25519 key for access to blobs (docs/format/core.md §11.2). */
  readonly aclKey: PublicKey
  /** Its Ed25519 key for connections. */
  readonly irohKey: PublicKey
}

/** The public half of a recovery phrase: enough to encrypt for it and to name who it belongs to. @since 0.1.0 @category models */
export class RecoveryRecipient extends Schema.Class<RecoveryRecipient>("RecoveryRecipient")({
  /** The phrase's age recipient: `age1…` (docs/format/core.md §13, row 4). */
  recipient: Schema.String,
  /** The phrase's cold public key as a DID (docs/format/core.md §11.1). */
  did: Schema.String
}) {}

/** What every device of a person holds to speak for that person (docs/format/core.md §11.3). @since 0.1.0 @category models */
export interface IdentityKeys {
  /** The Ed25519 key under which the person's devices, stores and vaults are published. */
  readonly warm: PublicKey
  /** Its 32-byte seed. */
  readonly warmSeed: Redacted.Redacted<Uint8Array>
  /** The entry by which the phrase's cold key names the warm key; made with the words, and kept to be copied to new places. */
  readonly pointer: RegistryEntry
  readonly recovery: RecoveryRecipient
}

/** @since 0.1.0 @category models */
export interface Service {
  /** The keys of this device; `Missing` where there are none. */
  readonly device: Effect.Effect<DeviceKeys, KeyringError>
  /** The keys of this device, made now if there are none: whoever comes second gets what the first made. */
  readonly ensureDevice: Effect.Effect<DeviceKeys, KeyringError>
  /** The recovery phrase's public half, if a phrase was made. */
  readonly recovery: Effect.Effect<RecoveryRecipient | undefined, KeyringError>
  /** Keeps the phrase's public half: `false` when there is one already, which stays. */
  readonly createRecovery: (recovery: RecoveryRecipient) => Effect.Effect<boolean, KeyringError>
  /** The keys of the person this device belongs to; nothing before a phrase was made or the device was let in. */
  readonly identity: Effect.Effect<IdentityKeys | undefined, KeyringError>
  /** Keeps them, and with them the phrase's public half: `false` when there are some already, which stay. */
  readonly createIdentity: (keys: IdentityKeys) => Effect.Effect<boolean, KeyringError>
  /** Takes others in their place, in one step: the phrase was changed. */
  readonly replaceIdentity: (keys: IdentityKeys) => Effect.Effect<void, KeyringError>
  /** The keys that a change of the phrase was begun with, until it has ended. */
  readonly nextIdentity: Effect.Effect<IdentityKeys | undefined, KeyringError>
  /** Keeps, durably, what a change of the phrase is begun with. */
  readonly saveNextIdentity: (keys: IdentityKeys) => Effect.Effect<void, KeyringError>
  /** Forgets it. */
  readonly removeNextIdentity: Effect.Effect<void, KeyringError>
}

/** @since 0.1.0 @category services */
export class Keyring extends Context.Tag("cairn/Keyring")<Keyring, Service>() {}
