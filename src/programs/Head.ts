/**
 * The newest published node of a vault, and the ones before it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { contextEquals } from "../fs5/EntryEquality.ts"
import type { Pipeline } from "../fs5/Pipeline.ts"
import type * as Snapshot from "../fs5/Snapshot.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as Hash from "../schema/Hash.ts"
import type { RegistryEntry } from "../schema/RegistryEntry.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as Envelope from "../services/Envelope.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Vault from "./Vault.ts"

type Readable = Vault.Readable

/**
 * A published node cannot be used.
 *
 * - `NotForUs`: it is not encrypted for this device.
 * - `Damaged`: it is not a transparent node.
 * - `Substituted`: it belongs to another vault: its recovery secret is not this vault's.
 * - `RolledBack`: the registry answers an older revision than was seen before.
 *
 * @since 0.1.0
 * @category errors
 */
export class HeadError extends Schema.TaggedError<HeadError>()("HeadError", {
  reason: Schema.Literal("NotForUs", "Damaged", "Substituted", "RolledBack"),
  vault: Schema.String,
  node: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: snapshot ${this.node.slice(0, 10)}: ${this.detail}`
  }
}

/** A published node: one snapshot and its history. @since 0.1.0 @category models */
export interface Published {
  /** The snapshot's id: the hash of the blob that it was first sealed as. */
  readonly hash: Hash.Hash
  /** What it was sealed as since, where that is another blob. */
  readonly blob?: Hash.Hash
  readonly node: TransparentNode.TransparentNode
  /** Its tree, nothing when it is empty. */
  readonly root: TreeReader.Root | undefined
}

/** A published node together with the registry entry that names it. @since 0.1.0 @category models */
export interface Head extends Published {
  readonly entry: RegistryEntry
}

const rootOf = (node: TransparentNode.TransparentNode): TreeReader.Root | undefined =>
  Bytes.equals(node.root, Hash.zero)
    ? undefined
    : { hash: node.root, ...(node.plaintextHash === undefined ? {} : { plaintextHash: node.plaintextHash }) }

/**
 * Reads the published node `hash`, and checks that it is this vault's; from `blob` where it was sealed anew.
 *
 * @since 0.1.0
 * @category programs
 */
export const read = Effect.fn("Head.read")(function* (vault: Readable, hash: Hash.Hash, blob: Hash.Hash = hash) {
  const envelope = yield* Envelope.Envelope
  const failed = (reason: HeadError["reason"], detail: string) =>
    new HeadError({ reason, vault: vault.name, node: Hash.toHex(hash), detail })
  const sealed = yield* vault.blobs.get(blob)
  const plain = yield* Effect.mapError(envelope.open(vault.identities, sealed), (error) =>
    error.reason === "NotForUs"
      ? failed("NotForUs", "it is not encrypted for this device; have a device that can read it publish again")
      : failed(error.reason === "BadIdentity" ? "NotForUs" : "Damaged", error.message)
  )
  const node = yield* Effect.mapError(TransparentNode.decode(plain), (error) => failed("Damaged", error.message))
  const secret = TransparentNode.recoverySecret(node)
  // the vault's id is made of its secret: whoever cannot name the secret cannot put another tree in its place
  if (secret === undefined || !Bytes.equals(Derivation.vaultId(vault.primitives, Redacted.value(secret)), vault.id))
    return yield* failed(
      "Substituted",
      "it carries another vault's secret, so something wrote a foreign head here; nothing was changed"
    )
  const published: Published = { hash, node, root: rootOf(node) }
  return published
})

/** The highest revision that this device has seen acknowledged for one of the vault's sources. */
const seen = Effect.fnUntraced(function* (vault: Readable) {
  const state = yield* VaultState.VaultState
  const records = yield* Effect.forEach(yield* state.sources(vault.name), ({ folder }) =>
    state.record(vault.name, folder).pipe(
      // a record that is damaged proves nothing, and must not keep anybody from reading; that source's backup tells it
      Effect.catchIf(
        (error) => error.reason === "Damaged",
        () => Effect.succeed(undefined)
      )
    )
  )
  return records.reduce((highest, record) => {
    const revision = record?.revision ?? 0n
    return revision > highest ? revision : highest
  }, 0n)
})

/** Everything that the registry holds for a vault. @since 0.1.0 @category models */
export interface Current {
  /** Those that are in no other's history, best first; one, but where writers could not see each other. */
  readonly heads: ReadonlyArray<Head>
  /** All entries: what the next one is built on. */
  readonly entries: ReadonlyArray<RegistryEntry>
  /** The highest revision, or what this device has seen before where that is higher; 0 for nothing. */
  readonly revision: bigint
}

/**
 * The vault's heads as the registry has them now; a registry that answers less than `atLeast`, or than what any of the
 * vault's saved sources had acknowledged, is `RolledBack`.
 *
 * @since 0.1.0
 * @category programs
 */
export const current = Effect.fn("Head.current")(function* (vault: Readable, floor = 0n) {
  const known = yield* seen(vault)
  const atLeast = known > floor ? known : floor
  const entries = yield* vault.registry.entries(vault.streamKey)
  const revision = entries.reduce((highest, entry) => (entry.revision > highest ? entry.revision : highest), 0n)
  if (revision < atLeast)
    return yield* new HeadError({
      reason: "RolledBack",
      vault: vault.name,
      node: entries[0] === undefined ? "(none)" : Hash.toHex(entries[0].hash),
      detail: `registry ${vault.registry.name} answers revision ${revision}, but this device has seen ${atLeast}: it was replaced or restored from an old copy; bring the newer one back, or go on from here with \`cairn vault ${vault.isAttached === true ? "trust" : "repair"} ${vault.name}:\``
    })
  const heads: Array<Head> = []
  // best first: revisions rise along a history, so that no entry is in the history of a later one
  for (const entry of entries) {
    if (heads.some((head) => contains(head, Hash.toHex(entry.hash)))) continue
    heads.push({ ...(yield* read(vault, entry.hash)), entry })
  }
  return { heads, entries, revision } satisfies Current
})

/**
 * The vault's head as the registry has it now, or nothing when it was never published; the best one where there are several,
 * which the next publication merges.
 *
 * @since 0.1.0
 * @category programs
 */
export const newest = Effect.fn("Head.newest")(function* (vault: Readable, floor = 0n) {
  return (yield* current(vault, floor)).heads[0]
})

/** The pipeline with the keys that were published with the node. @since 0.1.0 @category accessors */
export const pipelineOf = (pipeline: Pipeline, { node }: Published): Pipeline =>
  contextEquals(node.context, pipeline.context) ? pipeline : pipeline.within(node.context)

/** The node's tree, read with the keys that were published with it. @since 0.1.0 @category accessors */
export const tree = (vault: Pick<Readable, "pipeline">, published: Published): Snapshot.Snapshot =>
  Vault.snapshot({ pipeline: pipelineOf(vault.pipeline, published) }, published.root)

/** Whether `hash` is the node or stands in its inline history. @since 0.1.0 @category guards */
export const contains = (published: Published | undefined, hash: string): boolean =>
  published !== undefined &&
  (Hash.toHex(published.hash) === hash ||
    published.node.history.some((predecessor) => Hash.toHex(TransparentNode.idOf(predecessor)) === hash))
