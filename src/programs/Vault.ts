/**
 * A vault as this device holds it: its keys, its stores and who it is sealed for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as Hash from "../schema/Hash.ts"
import type { Primitives } from "../schema/Primitives.ts"
import type { StreamKey } from "../schema/StreamKey.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import type { VaultId } from "../schema/VaultId.ts"
import * as BlobStore from "../services/BlobStore.ts"
import * as Crypto from "../services/Crypto.ts"
import * as DeviceList from "../services/DeviceList.ts"
import * as Envelope from "../services/Envelope.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Registry from "../services/Registry.ts"
import * as VaultSettings from "../services/VaultSettings.ts"
import * as VaultState from "../services/VaultState.ts"

/** This device has no vault of that name. @since 0.1.0 @category errors */
export class NoSuchVault extends Schema.TaggedError<NoSuchVault>()("NoSuchVault", {
  vault: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message() {
    const rest =
      this.known.length === 0
        ? `there is none yet: \`cairn backup FOLDER ${this.vault}:\` makes it`
        : `there is ${this.known.map((name) => `${name}:`).join(", ")}`
    return `no vault ${this.vault}: (${rest})`
  }
}

/** The name is that of another device's vault, which is attached to be read. @since 0.1.0 @category errors */
export class ReadOnlyVault extends Schema.TaggedError<ReadOnlyVault>()("ReadOnlyVault", { vault: Schema.String }) {
  override get message() {
    return `vault ${this.vault}: it is another device's, attached to be read; what is on this device goes into a vault of its own, as in \`cairn backup FOLDER OTHER:\``
  }
}

/** The keys of a vault on this device cannot be used. @since 0.1.0 @category errors */
export class VaultLocked extends Schema.TaggedError<VaultLocked>()("VaultLocked", {
  vault: Schema.String,
  reason: Schema.Literal("WrongKey", "Damaged"),
  detail: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: its keys on this device cannot be opened: ${this.detail}`
  }
}

/** A vault that can be read: this device's own, or a peer's. @since 0.1.0 @category models */
export interface Readable {
  readonly name: string
  readonly id: VaultId
  /** It is another device's. */
  readonly isAttached?: boolean
  /** Where its device publishes. */
  readonly streamKey: StreamKey
  readonly identities: ReadonlyArray<Redacted.Redacted<string>>
  /** Where content, tree and published nodes are kept. */
  readonly blobs: BlobStore.Service
  readonly registry: Registry.Service
  readonly primitives: Primitives
  /** The registries of the places that keep it, called as their stores are: each has a copy of the head. */
  readonly registries?: ReadonlyArray<Registry.Service>
  /** Reads its trees, over one shared node cache. */
  readonly pipeline: Pipeline.Pipeline
}

/** A vault of this device, which can be published to. @since 0.1.0 @category models */
export interface Vault extends Readable {
  /** Keys and pipelines of its trees. */
  readonly context: TraversalContext.TraversalContext
  /** The secret that names it; never used to encrypt. */
  readonly recoverySecret: Redacted.Redacted<Uint8Array>
  readonly device: Keyring.DeviceKeys
  /** Whom a published node is sealed for where no list of devices says more (`recipientsNow`). */
  readonly recipients: ReadonlyArray<string>
  /** Whom it is sealed for by the newest signed list of devices; absent where there is nobody to ask. */
  readonly newestRecipients?: Effect.Effect<ReadonlyArray<string>, DeviceList.DeviceListError>
  /** Further stores that get a copy of each published node, and nothing else (docs/format/node.md §1.6). */
  readonly metaTargets: ReadonlyArray<BlobStore.Service>
  /** Stores behind `blobs` that each hold all of the vault; what one lacks is copied to it. */
  readonly stores?: ReadonlyArray<BlobStore.Service>
}

/** What opening a vault needs. @since 0.1.0 @category models */
export type Requirements =
  | BlobStore.BlobStore
  | Crypto.Crypto
  | Envelope.Envelope
  | Keyring.Keyring
  | Registry.Registry
  | VaultState.VaultState

const fromKeys = Effect.fnUntraced(function* (name: string, device: Keyring.DeviceKeys, sealed: Uint8Array) {
  const { primitives } = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope
  const keyring = yield* Keyring.Keyring
  const registry = yield* Registry.Registry
  const settings = yield* (yield* VaultSettings.VaultSettings).settings(name)
  const blobs = settings.blobs ?? (yield* BlobStore.BlobStore)
  const identities = [device.identity, ...settings.identities]
  const locked = (reason: VaultLocked["reason"], detail: string) => new VaultLocked({ vault: name, reason, detail })

  const plain = yield* Effect.mapError(envelope.open(identities, sealed), (error) =>
    locked(error.reason === "NotForUs" ? "WrongKey" : "Damaged", error.message)
  )
  const node = yield* Effect.mapError(TransparentNode.decode(plain), (error) => locked("Damaged", error.message))
  const { context } = node
  const secret = TransparentNode.recoverySecret(node)
  if (secret === undefined)
    return yield* locked("Damaged", "it has no recovery secret, so it has no name to publish under")
  const recovery = yield* keyring.recovery
  const id = Derivation.vaultId(primitives, Redacted.value(secret))
  const list = yield* DeviceList.DeviceList
  const withOwn = (others: ReadonlyArray<string>) => [...new Set([device.recipient, ...others, ...settings.recipients])]
  const recipients = withOwn(recovery === undefined ? [] : [recovery.recipient])
  const vault: Vault = {
    name,
    id,
    context,
    recoverySecret: secret,
    device,
    streamKey: { _tag: "Vault", publicKey: device.publicKey, vaultId: id },
    recipients,
    newestRecipients: Effect.map(list.recipients, (listed) => (listed === undefined ? recipients : withOwn(listed))),
    identities,
    blobs,
    metaTargets: settings.metaTargets,
    stores: settings.stores,
    registry,
    // this device's own disk is a place to recover from once there are words to do it with
    registries: [
      ...(settings.registries ?? []),
      ...(recovery === undefined || settings.ownRegistry === undefined ? [] : [settings.ownRegistry])
    ],
    primitives,
    pipeline: Pipeline.make({ primitives, blobs, context, cache: NodeCache.make() })
  }
  return vault
})

/**
 * Whom a node that is published now is sealed for: this device, the phrase, configured recipients, and every device of the
 * newest signed list. Fails where that list cannot be had, so that nothing is sealed for a device that was removed.
 *
 * @since 0.1.0
 * @category programs
 */
export const recipientsNow = (vault: Vault): Effect.Effect<ReadonlyArray<string>, DeviceList.DeviceListError> =>
  vault.newestRecipients ?? Effect.succeed(vault.recipients)

/** Refuses the name of an attached vault. @since 0.1.0 @category programs */
export const refuseAttached = Effect.fnUntraced(function* (name: string) {
  const state = yield* VaultState.VaultState
  if ((yield* state.peer(name)) !== undefined) return yield* new ReadOnlyVault({ vault: name })
})

/** Opens the vault `name` of this device. @since 0.1.0 @category programs */
export const open = Effect.fn("Vault.open")(function* (name: string) {
  const state = yield* VaultState.VaultState
  const keyring = yield* Keyring.Keyring
  const sealed = yield* state.keys(name)
  if (sealed === undefined) yield* refuseAttached(name)
  if (sealed === undefined) return yield* new NoSuchVault({ vault: name, known: yield* state.vaults })
  return yield* fromKeys(name, yield* keyring.device, sealed)
})

/** Opens the vault `name`, making it and this device's keys first where they are missing; two that race get the same one. @since 0.1.0 @category programs */
export const ensure = Effect.fn("Vault.ensure")(function* (name: string) {
  const state = yield* VaultState.VaultState
  const keyring = yield* Keyring.Keyring
  const existing = yield* state.keys(name)
  if (existing === undefined) yield* refuseAttached(name)
  const device = yield* keyring.ensureDevice
  if (existing !== undefined) return yield* fromKeys(name, device, existing)

  const crypto = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope
  const context = TraversalContext.vaultRoot({
    leaf: yield* crypto.randomBytes(32),
    node: yield* crypto.randomBytes(32),
    recovery: yield* crypto.randomBytes(32)
  })
  const node = TransparentNode.make({ root: Hash.zero, context, history: [] })
  const { keyRecipient = device.recipient } = yield* (yield* VaultSettings.VaultSettings).settings(name)
  const sealed = yield* envelope.seal([keyRecipient], TransparentNode.encode(node))
  yield* state.createKeys(name, sealed)
  // whoever came second uses what the first made
  const kept = yield* state.keys(name)
  return yield* fromKeys(name, device, kept ?? sealed)
})

/** The tree under `root` in the vault's context; nothing for a tree without entries. @since 0.1.0 @category constructors */
export const snapshot = (vault: Pick<Readable, "pipeline">, root: TreeReader.Root | undefined): Snapshot.Snapshot =>
  Snapshot.make({ ...(root ?? { hash: Hash.zero }), kind: "namespace", pipeline: vault.pipeline })

/** The root that a record names in hex. @since 0.1.0 @category conversions */
export const rootFromRecord = (record: VaultState.RootRecord | undefined): TreeReader.Root | undefined =>
  record === undefined
    ? undefined
    : {
        hash: Either.getOrThrow(Hash.fromHex(record.root)),
        ...(record.plaintextHash === undefined
          ? {}
          : { plaintextHash: Either.getOrThrow(Hash.fromHex(record.plaintextHash)) })
      }

/** The hex form of a root for a record. @since 0.1.0 @category conversions */
export const rootToRecord = (root: TreeReader.Root | undefined): VaultState.RootRecord | undefined =>
  root === undefined
    ? undefined
    : new VaultState.RootRecord({
        root: Hash.toHex(root.hash),
        ...(root.plaintextHash === undefined ? {} : { plaintextHash: Hash.toHex(root.plaintextHash) })
      })
