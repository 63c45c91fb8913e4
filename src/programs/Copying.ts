/**
 * Bringing what a vault holds to a store that lacks it: one that was configured later, or that has lost something.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as TreeWalk from "../fs5/TreeWalk.ts"
import type * as Hash from "../schema/Hash.ts"
import * as HashSet from "../schema/HashSet.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Head from "./Head.ts"
import * as Salvage from "./Salvage.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Vault from "./Vault.ts"

/** Blobs on their way at once. */
const concurrency = 8

/**
 * Whether `store` lacks the newest published node or the one before it, by which a store is known that does not hold the
 * vault: both come to it last.
 *
 * @since 0.1.0
 * @category programs
 */
export const isIncomplete = Effect.fn("Copying.isIncomplete")(function* (vault: Vault.Vault, store: BlobStore.Service) {
  const head = yield* Head.newest(vault)
  if (head === undefined) return false
  const before = TransparentNode.chronological(head.node.history).at(-1)
  const nodes = [head.hash, ...(before === undefined ? [] : [before.hash])]
  return yield* Effect.exists(nodes, (hash) => Effect.map(store.has(hash), (has) => !has))
})

/**
 * Puts every blob that the vault's snapshots and its last scans reach into `store`, unless it is there, trees before the
 * nodes that name them, and makes all of it durable. What no store of the vault can give back is passed over.
 *
 * @since 0.1.0
 * @category programs
 */
export const copy = Effect.fn("Copying.copy")(function* (vault: Vault.Vault, store: BlobStore.Service) {
  const state = yield* VaultState.VaultState
  const { primitives } = vault
  const pipeline = Pipeline.make({
    primitives,
    blobs: vault.blobs,
    context: vault.context,
    cache: NodeCache.make({ capacity: 0 })
  })
  const seen = yield* HashSet.make
  const bring = Effect.fnUntraced(function* (hash: Hash.Hash) {
    if (yield* store.has(hash)) return
    const read = yield* Effect.either(vault.blobs.get(hash))
    if (Either.isRight(read)) return yield* store.put(hash, read.right)
    // nothing is lost by going on: what is damaged everywhere is what `verify` tells
    if (!Salvage.isDamage(read.left)) return yield* Effect.fail(read.left)
  })
  const tree = (root: TreeReader.Root | undefined, keys = pipeline) =>
    root === undefined || seen.has(root.hash)
      ? Effect.void
      : TreeWalk.inspect(keys, root, { skip: seen.has }).pipe(
          Stream.mapEffect(
            (item) => {
              if (item._tag === "Unreadable" && !Salvage.isDamage(item.error)) return Effect.fail(item.error)
              if (!seen.add(item.hash)) return Effect.void
              return bring(item.hash)
            },
            { concurrency, unordered: true }
          ),
          Stream.runDrain
        )

  const head = yield* Head.newest(vault)
  if (head === undefined) return
  const snapshots = yield* Snapshots.all(vault, head)
  for (const info of snapshots) {
    const published = yield* Effect.either(Head.read(vault, info.id, info.blob))
    if (Either.isRight(published)) yield* tree(published.right.root, Head.pipelineOf(pipeline, published.right))
    else if (published.left._tag === "BlobStoreError" && !Salvage.isDamage(published.left))
      return yield* Effect.fail(published.left)
  }
  for (const mapping of yield* state.sources(vault.name)) {
    const record = yield* state.record(vault.name, mapping.folder)
    yield* tree(Vault.rootFromRecord(record?.base))
  }
  yield* store.sync
  for (const { blob } of snapshots) yield* bring(blob)
  yield* store.sync
})
