/**
 * What the devices of a vault published, as one tree: what a pull publishes, and what it would publish.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as ConflictCopies from "../fs5/ConflictCopies.ts"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import type * as Snapshot from "../fs5/Snapshot.ts"
import * as Hash from "../schema/Hash.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import * as Ancestry from "./Ancestry.ts"
import * as Head from "./Head.ts"
import * as Peer from "./Peer.ts"
import * as Snapshots from "./Snapshots.ts"
import type * as Vault from "./Vault.ts"

/** The vault with other stores behind it. */
const over = <V extends Vault.Readable>(vault: V, blobs: BlobStore.Service): V => {
  const { context } = vault.pipeline
  const { primitives } = vault
  return { ...vault, blobs, pipeline: Pipeline.make({ primitives, blobs, context, cache: NodeCache.make() }) }
}

/**
 * The vault with everything read from the peers' stores too that its own does not give; written to its own alone.
 *
 * @since 0.1.0
 * @category combinators
 */
export const reading = <V extends Vault.Readable>(vault: V, peers: ReadonlyArray<Peer.Loaded>): V => {
  const others = peers.map((peer) => peer.vault)
  return {
    ...over(vault, Peer.firstOf([vault.blobs, ...others.map(({ blobs }) => blobs)])),
    identities: [...new Set([vault, ...others].flatMap(({ identities }) => identities))]
  }
}

/**
 * Those of the peers' heads that neither `own` nor one of the others contains.
 *
 * @since 0.1.0
 * @category programs
 */
export const unseen = Effect.fn("MergedHeads.unseen")(function* (
  vault: Vault.Readable,
  own: ReadonlyArray<Head.Published>,
  peers: ReadonlyArray<Peer.Loaded>
) {
  const byId = new Map(
    peers.flatMap(({ head }) => (head === undefined ? [] : [[Hash.toHex(head.hash), head] as const]))
  )
  const known = yield* Snapshots.reached(vault, own, [...byId.keys()])
  for (const hex of known) byId.delete(hex)
  for (const [hex, head] of byId) {
    const others = [...byId.keys()].filter((other) => other !== hex)
    for (const other of yield* Snapshots.reached(vault, [head], others)) byId.delete(other)
  }
  return [...byId.values()]
})

/** The store, with what is written to it in memory alone. */
const inMemory = ({ replace: _, ...store }: BlobStore.Service): BlobStore.Service => {
  const kept = new Map<string, { readonly hash: Hash.Hash; readonly bytes: Uint8Array }>()
  const { size } = store
  return {
    ...store,
    has: (hash) => (kept.has(Hash.toHex(hash)) ? Effect.succeed(true) : store.has(hash)),
    ...(size !== undefined && {
      size: (hash: Hash.Hash) => {
        const found = kept.get(Hash.toHex(hash))
        return found === undefined ? size(hash) : Effect.succeed(found.bytes.length)
      }
    }),
    get: (hash) => {
      const found = kept.get(Hash.toHex(hash))
      return found === undefined ? store.get(hash) : Effect.succeed(found.bytes.slice())
    },
    put: (hash, bytes) => Effect.sync(() => void kept.set(Hash.toHex(hash), { hash, bytes: bytes.slice() })),
    list: Stream.concat(
      store.list,
      Stream.suspend(() => Stream.fromIterable([...kept.values()].map(({ hash }) => hash)))
    ),
    remove: (hash) => Effect.sync(() => void kept.delete(Hash.toHex(hash))),
    sync: Effect.void
  }
}

/** The tree of all devices of a vault. @since 0.1.0 @category models */
export interface View {
  readonly snapshot: Snapshot.Snapshot
  /** What stands beside its path in it, and does not yet in any device's own. */
  readonly conflicts: ReadonlyArray<ConflictCopies.Conflict>
  /** Heads that were merged without what they have in common with the others, which cannot be read: nothing was deleted. */
  readonly baseless: ReadonlyArray<Hash.Hash>
}

/**
 * The tree that `Pull.pull` would publish for the same peers now. Nothing is published and nothing is written: the nodes
 * that the merge makes, which grow with what differs between the heads, are in memory for as long as the view is.
 *
 * @since 0.1.0
 * @category programs
 */
export const view = Effect.fn("MergedHeads.view")(function* (vault: Vault.Readable, peers: ReadonlyArray<Peer.Loaded>) {
  const read = reading(vault, peers)
  const whole = over(read, inMemory(read.blobs))
  const { heads: own } = yield* Head.current(whole)
  const heads = [...own, ...(yield* unseen(whole, own, peers))]
  if (heads.length === 0)
    return yield* new Snapshots.NoSuchSnapshot({
      vault: vault.name,
      reason: "NothingPublished",
      detail: "nothing was published yet"
    })
  const { baseless, conflicts, tree } = yield* Ancestry.unite(whole, heads)
  const seen: View = { snapshot: tree, conflicts, baseless }
  return seen
})
