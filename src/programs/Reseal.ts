/**
 * Sealing a vault anew, head and history, when somebody more may read it.
 *
 * A published node is never changed. What was sealed anew is another blob, and the history entry that names it says which
 * publication it is (`TransparentNode.resealed`), so that ids, intents and the common past of two devices stay what they were.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Snapshot from "../fs5/Snapshot.ts"
import * as AgeHeader from "../schema/AgeHeader.ts"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as Envelope from "../services/Envelope.ts"
import * as Ancestry from "./Ancestry.ts"
import * as Head from "./Head.ts"
import * as Publish from "./Publish.ts"
import * as Salvage from "./Salvage.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Todos from "./Todos.ts"
import * as Vault from "./Vault.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** Somebody took another's place, so that the number of recipients tells nothing: every snapshot is sealed anew. */
  readonly isForOthers?: boolean
}

/** What was done. @since 0.1.0 @category models */
export interface Result {
  /** The new revision, or nothing where everything was sealed for all recipients already. */
  readonly revision: bigint | undefined
  /** How many snapshots were sealed anew. */
  readonly resealed: number
  /** Those that cannot be read here, and stay as they are. */
  readonly unreadable: ReadonlyArray<Hash.Hash>
}

/**
 * Whether the sealed node is for everybody that the vault is sealed for now. An envelope does not say for whom it is, only
 * for how many: recipients are only ever added to a vault.
 */
const isForAll = (recipients: ReadonlyArray<string>, sealed: Uint8Array): boolean =>
  AgeHeader.recipientCount(sealed) >= new Set(recipients).size

/** The history items with what was sealed anew in the place of what it was before. */
const renamed = (history: ReadonlyArray<TransparentNode.HistoryEntry>, blobs: ReadonlyMap<string, Hash.Hash>) =>
  history.map((item) => {
    const blob = blobs.get(Hash.toHex(TransparentNode.idOf(item)))
    return blob === undefined ? item : TransparentNode.resealed(item, blob)
  })

/** Seals one snapshot anew, its own history named as in `blobs`; nothing where that is not needed. */
const resealOne = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  { blob, id }: Snapshots.Info,
  blobs: ReadonlyMap<string, Hash.Hash>,
  { isForOthers, recipients }: { readonly isForOthers: boolean; readonly recipients: ReadonlyArray<string> }
) {
  const envelope = yield* Envelope.Envelope
  if (!isForOthers && isForAll(recipients, yield* vault.blobs.get(blob))) return undefined
  const { node } = yield* Head.read(vault, id, blob)
  const anew = TransparentNode.encode({ ...node, history: renamed(node.history, blobs) })
  const sealed = yield* envelope.seal(recipients, anew)
  const hash = vault.primitives.blake3(sealed)
  yield* vault.blobs.put(hash, sealed)
  return hash
})

/**
 * Makes every snapshot of the vault readable for all its present recipients: they are sealed anew, oldest first, and the
 * head's tree is published again and names them. Publishes nothing when that is so already.
 *
 * A snapshot that is damaged or missing is told and left; a store that cannot be reached ends it, with nothing changed.
 * Other writers may publish meanwhile.
 *
 * @since 0.1.0
 * @category programs
 */
export const reseal = Effect.fn("Reseal.reseal")(function* (vault: Vault.Vault, { isForOthers = false }: Options = {}) {
  const recipients = yield* Vault.recipientsNow(vault)
  const blobs = new Map<string, Hash.Hash>()
  const looked = new Set<string>()
  const unreadable: Array<Hash.Hash> = []

  const look = Effect.fnUntraced(function* (info: Snapshots.Info) {
    const hex = Hash.toHex(info.id)
    if (looked.has(hex)) return
    const blob = yield* Effect.catchIf(
      resealOne(vault, info, blobs, { isForOthers, recipients }),
      (error) => error._tag === "HeadError" || (error._tag === "BlobStoreError" && Salvage.isDamage(error)),
      () => Effect.sync(() => void unreadable.push(info.id))
    )
    if (blob !== undefined) blobs.set(hex, blob)
    looked.add(hex)
  })

  const attempt = Effect.gen(function* () {
    const current = yield* Head.current(vault)
    for (const head of current.heads) for (const info of yield* Snapshots.all(vault, head)) yield* look(info)
    if (blobs.size === 0) return undefined
    const { tree } = yield* Ancestry.unite(vault, current.heads)
    const heads = current.heads.map((head) => {
      const blob = blobs.get(Hash.toHex(head.hash))
      const node = { ...head.node, history: renamed(head.node.history, blobs) }
      return { ...head, node, ...(blob !== undefined && { blob }) }
    })
    const root = tree.isEmpty ? undefined : Snapshot.rootOf(tree)
    return (yield* Publish.replace(vault, root, { ...current, heads })).revision
  })

  // what was sealed anew is kept for the next attempt: only what came meanwhile is looked at again
  const revision = yield* Effect.retry(attempt, {
    schedule: Publish.backoff,
    while: (error) =>
      error._tag === "PublishContended" ||
      ((error._tag === "RegistryError" || error._tag === "BlobStoreError") &&
        (error.reason === "Unavailable" || error.reason === "Unreached"))
  })
  yield* Todos.workOff(vault)
  const result: Result = { revision, resealed: blobs.size, unreadable }
  return result
})

/**
 * Whether the newest snapshot or the one before it is sealed for fewer than the vault has recipients now, as it is after
 * somebody was made one.
 *
 * @since 0.1.0
 * @category programs
 */
export const isNeeded = Effect.fn("Reseal.isNeeded")(function* (vault: Vault.Vault) {
  // what was ever published is sealed for this device
  const recipients = yield* Vault.recipientsNow(vault)
  if (recipients.length <= 1) return false
  const head = yield* Head.newest(vault)
  if (head === undefined) return false
  const before = TransparentNode.chronological(head.node.history).at(-1)
  for (const hash of [head.hash, ...(before === undefined ? [] : [before.hash])])
    if (!isForAll(recipients, yield* vault.blobs.get(hash))) return true
  return false
})
