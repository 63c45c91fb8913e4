/**
 * The newest published node of a vault, and the ones before it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { RegistryEntry } from "../schema/RegistryEntry.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as Envelope from "../services/Envelope.ts"
import type { Vault } from "./Vault.ts"

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
  /** The hash of the sealed blob, which is the snapshot's id. */
  readonly hash: Hash.Hash
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

/** Reads the published node `hash`, and checks that it is this vault's. @since 0.1.0 @category programs */
export const read = Effect.fn("Head.read")(function* (vault: Vault, hash: Hash.Hash) {
  const envelope = yield* Envelope.Envelope
  const failed = (reason: HeadError["reason"], detail: string) =>
    new HeadError({ reason, vault: vault.name, node: Hash.toHex(hash), detail })
  const sealed = yield* vault.blobs.get(hash)
  const plain = yield* Effect.mapError(envelope.open(vault.identities, sealed), (error) =>
    error.reason === "NotForUs"
      ? failed("NotForUs", "it is not encrypted for this device; have a device that can read it publish again")
      : failed("Damaged", error.message)
  )
  const node = yield* Effect.mapError(TransparentNode.decode(plain), (error) => failed("Damaged", error.message))
  const secret = TransparentNode.recoverySecret(node)
  if (secret === undefined || !Bytes.equals(Redacted.value(secret), Redacted.value(vault.recoverySecret)))
    return yield* failed(
      "Substituted",
      "it carries another vault's secret, so something wrote a foreign head here; nothing was changed"
    )
  const published: Published = { hash, node, root: rootOf(node) }
  return published
})

/** The vault's head as the registry has it now, or nothing when it was never published. @since 0.1.0 @category programs */
export const newest = Effect.fn("Head.newest")(function* (vault: Vault, atLeast = 0n) {
  const [entry] = yield* vault.registry.entries(vault.streamKey)
  const revision = entry?.revision ?? 0n
  if (revision < atLeast)
    return yield* new HeadError({
      reason: "RolledBack",
      vault: vault.name,
      node: entry === undefined ? "(none)" : Hash.toHex(entry.hash),
      detail: `registry ${vault.registry.name} answers revision ${revision}, but this device has seen ${atLeast}: it was replaced or restored from an old copy; bring the newer one back`
    })
  if (entry === undefined) return undefined
  const published = yield* read(vault, entry.hash)
  const head: Head = { ...published, entry }
  return head
})

/** Whether `hash` is the head or stands in its inline history. @since 0.1.0 @category guards */
export const contains = (head: Head | undefined, hash: string): boolean =>
  head !== undefined &&
  (Hash.toHex(head.hash) === hash || head.node.history.some((predecessor) => Hash.toHex(predecessor.hash) === hash))
