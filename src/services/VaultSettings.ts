/**
 * What the configuration says of vaults, beyond what this device remembers of them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as BlobStore from "./BlobStore.ts"
import type * as Registry from "./Registry.ts"
import type * as VaultState from "./VaultState.ts"

/**
 * What is configured for a vault cannot be used now.
 *
 * - `Store`: one of its stores could not be opened.
 * - `Identity`: the identity of its key could not be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class VaultSettingsError extends Schema.TaggedError<VaultSettingsError>()("VaultSettingsError", {
  reason: Schema.Literal("Store", "Identity"),
  vault: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: ${this.detail}`
  }
}

/** What counts for one vault. @since 0.1.0 @category models */
export interface Settings {
  /** Where content, tree and published nodes are kept; the device's own store when absent. */
  readonly blobs?: BlobStore.Service
  /** The stores that each hold all of it; none where that is nobody's business. */
  readonly stores: ReadonlyArray<BlobStore.Service>
  /** The registries beside those stores, called as they are: each gets a copy of the vault's head. */
  readonly registries?: ReadonlyArray<Registry.Service>
  /** The registry beside the device's own store, where that is what keeps the vault. */
  readonly ownRegistry?: Registry.Service
  /** Further stores that get a copy of each published node, and nothing else. */
  readonly metaTargets: ReadonlyArray<BlobStore.Service>
  /** age recipients that published nodes are sealed for, beside this device and the recovery phrase. */
  readonly recipients: ReadonlyArray<string>
  /** The age recipient that the vault's keys on this device are sealed for; this device's own when absent. */
  readonly keyRecipient?: string
  /** Identities that open them, beside this device's own. */
  readonly identities: ReadonlyArray<Redacted.Redacted<string>>
}

/** A folder or file that a vault is declared to keep. @since 0.1.0 @category models */
export interface DeclaredSource {
  /** The name of the source that it belongs to. */
  readonly source: string
  /** Absolute. */
  readonly path: string
  readonly selection: VaultState.Selection
}

/** @since 0.1.0 @category models */
export interface Service {
  /** The names of vaults that the configuration declares, in its order. */
  readonly names: ReadonlyArray<string>
  /** The names of vaults with declared sources, in order. */
  readonly withSources: ReadonlyArray<string>
  /** What the vault is declared to keep; where there is anything, nothing else is kept without being named. */
  readonly sources: (vault: string) => ReadonlyArray<DeclaredSource>
  /** The share of a source's files, above 0 and up to 1, that a run may delete or rewrite before a person has to agree. */
  readonly approveAbove: (vault: string) => number | undefined
  /** What counts for the vault; stores are opened when they are first needed. */
  readonly settings: (vault: string) => Effect.Effect<Settings, VaultSettingsError>
  /** Folders with files of Cairn's own that the configuration names: never backed up, never restored into. */
  readonly own: ReadonlyArray<string>
}

/** Nothing beyond what the device remembers. @since 0.1.0 @category constants */
export const none: Service = {
  names: [],
  withSources: [],
  sources: () => [],
  approveAbove: () => undefined,
  settings: () => Effect.succeed({ stores: [], metaTargets: [], recipients: [], identities: [] }),
  own: []
}

/** Empty where nobody provides it. @since 0.1.0 @category services */
export class VaultSettings extends Context.Reference<VaultSettings>()("cairn/VaultSettings", {
  defaultValue: () => none
}) {}
