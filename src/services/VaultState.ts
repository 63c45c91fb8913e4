/**
 * What this device remembers of its vaults: their keys (sealed), which folder feeds them, and what was last acknowledged.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * The device's own record of a vault could not be read or kept.
 *
 * - `Damaged`: a record is there but is not one.
 * - `Full`, `Denied`: it could not be written.
 * - `Unavailable`: the disk failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class VaultStateError extends Schema.TaggedError<VaultStateError>()("VaultStateError", {
  reason: Schema.Literal("Damaged", "Full", "Denied", "Unavailable"),
  vault: Schema.String,
  record: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: ${this.record}: ${this.detail}`
  }
}

const HashText = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))

/** A tree's root as a record names it: hex hashes. @since 0.1.0 @category models */
export class RootRecord extends Schema.Class<RootRecord>("RootRecord")({
  root: HashText,
  plaintextHash: Schema.optional(HashText)
}) {}

/** Which files of a source are taken. @since 0.1.0 @category models */
export class Selection extends Schema.Class<Selection>("Selection")({
  /** gitignore-style patterns, relative to the source. */
  exclude: Schema.Array(Schema.String),
  /** Heed `.gitignore`, `.ignore` and `.cairnignore`. */
  ignoreFiles: Schema.Boolean,
  /** Leave out folders that carry a valid `CACHEDIR.TAG`. */
  excludeCaches: Schema.Boolean,
  /** Do not descend into other file systems. */
  oneFileSystem: Schema.Boolean
}) {}

/** A folder or file on this device and its place in a vault. @since 0.1.0 @category models */
export class SourceMapping extends Schema.Class<SourceMapping>("SourceMapping")({
  /** Where it stands in the vault: a path without slashes at its ends, empty for the vault's top. */
  folder: Schema.String,
  /** Canonical absolute path on this device. */
  path: Schema.String,
  selection: Selection
}) {}

/**
 * What was last acknowledged for one source: base, root and scan as one atomic record.
 *
 * @since 0.1.0
 * @category models
 */
export class SourceRecord extends Schema.Class<SourceRecord>("SourceRecord")({
  /** The tree of the last acknowledged scan, which the next change starts from; absent when it was empty. */
  base: Schema.optional(RootRecord),
  /** The vault's merged tree as it was published with that scan. */
  root: Schema.optional(RootRecord),
  /** The registry revision of that publication. */
  revision: Schema.BigInt,
  /** The hash of the published transparent node in hex. */
  node: HashText,
  /** When the scan began, milliseconds since 1970. */
  scannedAt: Schema.Number,
  files: Schema.Number,
  /** The files' total size in bytes. */
  bytes: Schema.Number,
  /** Keys of conflict copies that the publication made. */
  conflicts: Schema.optional(Schema.Array(Schema.String))
}) {}

/** Another device's vault that is attached read-only. @since 0.1.0 @category models */
export class Peer extends Schema.Class<Peer>("Peer")({
  /** The folder that holds its blobs and registry entries, as s5-rs lays them out. */
  store: Schema.String,
  /** The public key its device publishes under, in hex. */
  device: HashText,
  /** In hex. */
  vaultId: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{32}$/)),
  /** The path of an age identity file that opens it. */
  identity: Schema.String
}) {}

/** Something that has to be done after a publication, and is tried until it is. @since 0.1.0 @category models */
export const Todo = Schema.Union(
  /** The node, by its hash in hex, that was to be published at `revision` is not in the meta target `store` yet. */
  Schema.TaggedStruct("Mirror", { store: Schema.String, node: HashText, revision: Schema.BigInt }),
  /** The vault's recovery entry, which names this device, may not be written yet (docs/format/node.md §1.8). */
  Schema.TaggedStruct("RecoveryEntry", {}),
  /** The registry of the place `store` does not lead to the head of `revision` yet. */
  Schema.TaggedStruct("Head", { store: Schema.String, revision: Schema.BigInt }),
  /** The vault's store `store` does not hold all of it yet. */
  Schema.TaggedStruct("Copy", { store: Schema.String })
)

/** @since 0.1.0 @category models */
export type Todo = typeof Todo.Type

/** @since 0.1.0 @category models */
export interface Service {
  /** The names of the vaults this device has, in order. */
  readonly vaults: Effect.Effect<ReadonlyArray<string>, VaultStateError>
  /** The attached vaults of other devices by name, in order. */
  readonly peers: Effect.Effect<ReadonlyArray<readonly [name: string, peer: Peer]>, VaultStateError>
  /** The attached vault of that name. */
  readonly peer: (name: string) => Effect.Effect<Peer | undefined, VaultStateError>
  /** Keeps an attachment: `false` when the name has one already, which stays. */
  readonly createPeer: (name: string, peer: Peer) => Effect.Effect<boolean, VaultStateError>
  /** Detaches it; what was seen of it is remembered, for when it is attached again. */
  readonly removePeer: (name: string) => Effect.Effect<void, VaultStateError>
  /** The highest revision that was ever seen under the name; 0 for none. */
  readonly seen: (name: string) => Effect.Effect<bigint, VaultStateError>
  /** Remembers a revision; a higher one that is there stays. */
  readonly saveSeen: (name: string, revision: bigint) => Effect.Effect<void, VaultStateError>
  /** Takes a lower revision for the highest one seen, as its owner asked for. */
  readonly forgetSeen: (name: string) => Effect.Effect<void, VaultStateError>
  /** The vault's own transparent node, sealed for this device (docs/format/node.md §0.4), or nothing. */
  readonly keys: (vault: string) => Effect.Effect<Uint8Array | undefined, VaultStateError>
  /** Keeps a new vault's sealed node: `false` when the vault has one already, which stays. */
  readonly createKeys: (vault: string, sealed: Uint8Array) => Effect.Effect<boolean, VaultStateError>
  /** Puts other keys in their place, in one step; the new ones have to read what the old ones do. */
  readonly replaceKeys: (vault: string, sealed: Uint8Array) => Effect.Effect<void, VaultStateError>
  /** The vault's saved sources, ordered by their folders. */
  readonly sources: (vault: string) => Effect.Effect<ReadonlyArray<SourceMapping>, VaultStateError>
  /** Keeps a new mapping: `false` when its folder has one already, which stays. */
  readonly createSource: (vault: string, mapping: SourceMapping) => Effect.Effect<boolean, VaultStateError>
  /** Replaces the mapping of its folder. */
  readonly saveSource: (vault: string, mapping: SourceMapping) => Effect.Effect<void, VaultStateError>
  /** Forgets the mapping of a folder; what is in the vault stays. */
  readonly removeSource: (vault: string, folder: string) => Effect.Effect<void, VaultStateError>
  /** What was last acknowledged for the source of `folder`. */
  readonly record: (vault: string, folder: string) => Effect.Effect<SourceRecord | undefined, VaultStateError>
  /** Replaces the record in one atomic, durable step. */
  readonly saveRecord: (vault: string, folder: string, record: SourceRecord) => Effect.Effect<void, VaultStateError>
  /** What was about to be published for `folder` when the process last knew. */
  readonly intents: (vault: string, folder: string) => Effect.Effect<ReadonlyArray<SourceRecord>, VaultStateError>
  /** Keeps, durably, what is about to be published. */
  readonly intend: (vault: string, folder: string, intent: SourceRecord) => Effect.Effect<void, VaultStateError>
  /** The sealed bytes of the node that this device published last, or nothing. */
  readonly lastNode: (vault: string) => Effect.Effect<Uint8Array | undefined, VaultStateError>
  /** Keeps them, so that what was published can be merged again when the head is lost. */
  readonly saveLastNode: (vault: string, sealed: Uint8Array) => Effect.Effect<void, VaultStateError>
  /** What is still to be done for the vault. */
  readonly todos: (vault: string) => Effect.Effect<ReadonlyArray<Todo>, VaultStateError>
  /** Keeps, durably, what is to be done. */
  readonly addTodo: (vault: string, todo: Todo) => Effect.Effect<void, VaultStateError>
  /** Forgets what was done. */
  readonly removeTodo: (vault: string, todo: Todo) => Effect.Effect<void, VaultStateError>
  /** Forgets an intent. */
  readonly forgetIntent: (vault: string, folder: string, intent: SourceRecord) => Effect.Effect<void, VaultStateError>
}

/** @since 0.1.0 @category services */
export class VaultState extends Context.Tag("cairn/VaultState")<VaultState, Service>() {}
