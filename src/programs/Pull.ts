/**
 * Taking in what other devices published of the same vault: their heads are merged into this device's own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as ConflictCopies from "../fs5/ConflictCopies.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import type * as VaultState from "../services/VaultState.ts"
import * as Ancestry from "./Ancestry.ts"
import * as Carrying from "./Carrying.ts"
import * as Head from "./Head.ts"
import * as MergedHeads from "./MergedHeads.ts"
import type * as Peer from "./Peer.ts"
import * as Publish from "./Publish.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Todos from "./Todos.ts"
import * as Vault from "./Vault.ts"

/** What a pull came to. @since 0.1.0 @category models */
export interface Result {
  /** `unchanged`: the own head had it all already, and no revision was spent. */
  readonly outcome: "published" | "unchanged"
  /** The own head now; nothing where nobody has published anything. */
  readonly head: { readonly revision: bigint; readonly node: Hash.Hash } | undefined
  /** The heads that are in the own history since. */
  readonly merged: ReadonlyArray<Hash.Hash>
  /** What stands beside its path since. */
  readonly conflicts: ReadonlyArray<ConflictCopies.Conflict>
  /** Heads that were merged without what they have in common with the own, which cannot be read: nothing was deleted. */
  readonly baseless: ReadonlyArray<Hash.Hash>
  /** What was brought into the vault's own store. */
  readonly carried: Carrying.Carried
  /** What is still to be done, and is tried again by the next run. */
  readonly pending: ReadonlyArray<VaultState.Todo>
}

const isOwn = (vault: Vault.Vault, peer: Peer.Loaded): boolean =>
  StreamKey.toHex(peer.vault.streamKey) === StreamKey.toHex(vault.streamKey)

/** What the heads name that none of `own` does, oldest first. */
const unknown = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  own: ReadonlyArray<Head.Published>,
  heads: ReadonlyArray<Head.Published>
) {
  const seen = new Set<string>()
  for (const head of own) for (const { id } of yield* Snapshots.all(vault, head)) seen.add(Hash.toHex(id))
  const infos: Array<Snapshots.Info> = []
  for (const head of heads)
    for (const info of yield* Snapshots.all(vault, head)) {
      if (seen.has(Hash.toHex(info.id))) continue
      seen.add(Hash.toHex(info.id))
      infos.push(info)
    }
  return infos
})

/**
 * Publishes the merge of the peers' heads into the vault's own, each from the newest that both have in common; a vault that
 * this device has not published yet begins with it. Publishes nothing where the own head has it all.
 *
 * The own history then names the peers' heads, and everything that leads to them is in the vault's own store before the
 * head moves: their trees, their content and their earlier snapshots. Where what two heads come from cannot be read nothing
 * is deleted, and it is told (`baseless`). Other writers may publish meanwhile. A peer that has this device's own key is what
 * this device published itself and its own registry does not know of, as after it was put back from an old copy: the next
 * revision is above both.
 *
 * @since 0.1.0
 * @category programs
 */
export const pull = Effect.fn("Pull.pull")(function* (vault: Vault.Vault, peers: ReadonlyArray<Peer.Loaded>) {
  const whole = MergedHeads.reading(vault, peers)
  const published = new Map<string, Hash.Hash>()
  const merged = new Map<string, Hash.Hash>()
  const ownElsewhere = peers.filter((peer) => isOwn(vault, peer)).flatMap(({ head }) => head?.entry.revision ?? [])

  const attempt = Effect.gen(function* () {
    const current = yield* Head.current(whole)
    const heads = yield* MergedHeads.unseen(whole, current.heads, peers)
    const [own] = current.heads
    const headNow = own && { revision: own.entry.revision, node: own.hash }
    const nothing = {
      outcome: [...published.keys()].some((node) => current.heads.some((head) => Head.contains(head, node)))
        ? ("published" as const)
        : ("unchanged" as const),
      head: headNow,
      conflicts: [],
      baseless: []
    }
    const carrying = Carrying.make({
      from: whole,
      to: vault.blobs,
      known: own === undefined ? Vault.snapshot(whole, undefined) : Head.tree(whole, own)
    })
    // writers of this device that could not see each other are merged here as they are by its next publication
    if (heads.length === 0 && current.heads.length <= 1) return { ...nothing, carried: carrying.done() }
    const united = yield* Ancestry.unite(whole, [...current.heads, ...heads])
    const root = united.tree.isEmpty ? undefined : Snapshot.rootOf(united.tree)
    const isSame = Bytes.equals(root?.hash ?? Hash.zero, own?.root?.hash ?? Hash.zero)
    if (own !== undefined && current.heads.length === 1 && isSame && united.isBase)
      return { ...nothing, carried: carrying.done() }

    for (const info of yield* unknown(whole, current.heads, heads)) yield* carrying.snapshot(info)
    yield* carrying.tree(united.tree)
    const highest = [current.revision, ...ownElsewhere].reduce((most, each) => (each > most ? each : most))
    const done = yield* Publish.replace(whole, root, {
      entries: current.entries,
      revision: highest,
      heads: [...current.heads, ...heads]
    })
    published.set(Hash.toHex(done.node), done.node)
    for (const { hash } of heads) merged.set(Hash.toHex(hash), hash)
    return {
      outcome: "published" as const,
      head: { revision: done.revision, node: done.node },
      conflicts: united.conflicts,
      baseless: united.baseless,
      carried: carrying.done()
    }
  })

  const done = yield* Effect.retry(attempt, {
    schedule: Publish.backoff,
    while: (error) =>
      error._tag === "PublishContended" ||
      ((error._tag === "RegistryError" || error._tag === "BlobStoreError") &&
        (error.reason === "Unavailable" || error.reason === "Unreached"))
  })
  const result: Result = { ...done, merged: [...merged.values()], pending: yield* Todos.workOff(vault) }
  return result
})
