/**
 * Taking a vault of another device of the same person on this device, so that it can publish to it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as VaultId from "../schema/VaultId.ts"
import * as VaultRef from "../schema/VaultRef.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Envelope from "../services/Envelope.ts"
import * as Keyring from "../services/Keyring.ts"
import * as VaultSettings from "../services/VaultSettings.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Vault from "./Vault.ts"

/**
 * A published node is not one that a vault can be made of here.
 *
 * - `Foreign`: its secret is not that of the vault it should be.
 * - `BadName`: the vault's name is not one.
 *
 * @since 0.1.0
 * @category errors
 */
export class AdoptVaultError extends Schema.TaggedError<AdoptVaultError>()("AdoptVaultError", {
  reason: Schema.Literal("Foreign", "BadName"),
  vault: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: ${this.detail}`
  }
}

/** What a vault became here. @since 0.1.0 @category models */
export interface Adopted {
  /** What it is called here: a number is added where the name is another vault's. */
  readonly name: string
  /** It was here already. */
  readonly isKnown: boolean
}

/** The name under which this device has the vault of that id, if it has it. @since 0.1.0 @category programs */
export const find = Effect.fn("AdoptVault.find")(function* (id: VaultId.VaultId) {
  const state = yield* VaultState.VaultState
  for (const name of yield* state.vaults) if (Bytes.equals((yield* Vault.open(name)).id, id)) return name
  return undefined
})

/** A name that no vault of this device has, nor one of `alsoTaken`. */
const freeName = Effect.fnUntraced(function* (wanted: string, alsoTaken: ReadonlyArray<string> = []) {
  const state = yield* VaultState.VaultState
  const taken = [...(yield* state.vaults), ...(yield* state.peers).map(([name]) => name), ...alsoTaken]
  let name = wanted
  for (let number = 2; taken.includes(name); number++) name = `${wanted.slice(0, 60)}-${number}`
  return name
})

/**
 * What the vaults of an identity are called here, or will be once each is adopted in this order: one that is here keeps its
 * name, the others get the one that they have, with a number where it is another vault's.
 *
 * @since 0.1.0
 * @category programs
 */
export const names = Effect.fn("AdoptVault.names")(function* (
  vaults: Iterable<readonly [wanted: string, { readonly vaultId: VaultId.VaultId }]>
) {
  const given = new Map<string, string>()
  for (const [wanted, { vaultId }] of vaults)
    given.set(wanted, (yield* find(vaultId)) ?? (yield* freeName(wanted, [...given.values()])))
  return given
})

/**
 * Keeps the vault `id` as one of this device's own, under `wanted` or a name near it, with the keys of a published node of
 * it. The node has to be the vault's: its secret gives the id. Nothing happens when this device has the vault.
 *
 * @since 0.1.0
 * @category programs
 */
export const adopt = Effect.fn("AdoptVault.adopt")(function* (
  wanted: string,
  id: VaultId.VaultId,
  node: TransparentNode.TransparentNode
) {
  const { primitives } = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope
  const keyring = yield* Keyring.Keyring
  const state = yield* VaultState.VaultState
  if (!VaultRef.isVaultName(wanted))
    return yield* new AdoptVaultError({ reason: "BadName", vault: wanted, detail: "that is no name for a vault" })
  const secret = TransparentNode.recoverySecret(node)
  if (secret === undefined || !Bytes.equals(Derivation.vaultId(primitives, Redacted.value(secret)), id))
    return yield* new AdoptVaultError({
      reason: "Foreign",
      vault: wanted,
      detail: `what was published is of another vault than ${VaultId.toHex(id)}`
    })
  const device = yield* keyring.ensureDevice
  for (;;) {
    const known = yield* find(id)
    if (known !== undefined) return { name: known, isKnown: true } satisfies Adopted
    const name = yield* freeName(wanted)
    const own = TransparentNode.make({ root: Hash.zero, context: node.context, history: [] })
    const { keyRecipient = device.recipient } = yield* (yield* VaultSettings.VaultSettings).settings(name)
    const sealed = yield* envelope.seal([keyRecipient], TransparentNode.encode(own))
    // another run may have taken the name meanwhile
    if (yield* state.createKeys(name, sealed)) return { name, isKnown: false } satisfies Adopted
  }
})
