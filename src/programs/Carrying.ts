/**
 * Bringing what another device published into the vault's own store, so that it stays when the other is gone.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Snapshot from "../fs5/Snapshot.ts"
import * as TreeDiff from "../fs5/TreeDiff.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import * as TreeWalk from "../fs5/TreeWalk.ts"
import * as Hash from "../schema/Hash.ts"
import type { NodeEntry } from "../schema/Node.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import * as Head from "./Head.ts"
import * as Salvage from "./Salvage.ts"
import type * as Snapshots from "./Snapshots.ts"
import type * as Vault from "./Vault.ts"

/** Blobs on their way at once. */
const concurrency = 8

/** @since 0.1.0 @category models */
export interface Options {
  /** Reads what is to be brought, and what is known already. */
  readonly from: Vault.Readable
  /** Where it is brought to. */
  readonly to: BlobStore.Service
  /** A tree of which `to` has everything. */
  readonly known: Snapshot.Snapshot
}

/** What was done. @since 0.1.0 @category models */
export interface Carried {
  readonly blobs: number
  readonly bytes: number
  /** Blobs that no store can give back. */
  readonly missing: ReadonlyArray<Hash.Hash>
  /** Snapshots that cannot be read here: nothing of their trees was brought. */
  readonly unreadable: ReadonlyArray<Hash.Hash>
}

/**
 * What brings trees and snapshots: each costs what differs from the tree before it. What no store can give back is passed
 * over and told; a store that cannot be reached ends it. Durable after the next `sync` of `to`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ from, known: before, to }: Options) => {
  let blobs = 0
  let bytes = 0
  let known = before
  const missing = new Map<string, Hash.Hash>()
  const unreadable: Array<Hash.Hash> = []

  const bring = Effect.fnUntraced(function* (hash: Hash.Hash) {
    if (yield* to.has(hash)) return
    const read = yield* Effect.either(from.blobs.get(hash))
    if (Either.isLeft(read)) {
      if (!Salvage.isDamage(read.left)) return yield* Effect.fail(read.left)
      return void missing.set(Hash.toHex(hash), hash)
    }
    yield* to.put(hash, read.right)
    blobs += 1
    bytes += read.right.length
  })

  /** All that an entry names: its blob, or the tree of its chunks. */
  const bringEntry = (tree: Snapshot.Snapshot, entry: NodeEntry | undefined): Effect.Effect<void, TreeError> => {
    const content = entry?.content
    if (entry === undefined || content === undefined) return Effect.void
    if (content.structural === "leaf") return bring(content.hash)
    return TreeWalk.inspect(tree.pipeline.within(entry.childContext), content).pipe(
      Stream.runForEach((item) =>
        item._tag === "Unreadable" && !Salvage.isDamage(item.error) ? Effect.fail(item.error) : bring(item.hash)
      )
    )
  }

  const bringDifference = Effect.fnUntraced(function* (
    earlier: Snapshot.Snapshot,
    tree: Snapshot.Snapshot
  ): Effect.fn.Return<void, TreeError> {
    const nodes: Array<Hash.Hash> = []
    const differences = TreeDiff.differences(earlier, tree, undefined, ({ hash }) => void nodes.push(hash))
    for (let batch = yield* differences.next; batch !== undefined; batch = yield* differences.next) {
      yield* Effect.forEach(nodes.splice(0), bring, { concurrency, discard: true })
      yield* Effect.forEach(batch, ({ after }) => bringEntry(tree, after), { concurrency, discard: true })
    }
    yield* Effect.forEach(nodes, bring, { concurrency, discard: true })
  })

  /** Brings the tree, which is then what later ones are held against. */
  const tree = (next: Snapshot.Snapshot): Effect.Effect<void, TreeError> =>
    Effect.suspend(() =>
      bringDifference(known, next).pipe(
        // what the last one lacks must not keep this one from being brought
        Effect.catchIf(Salvage.isDamage, (error) =>
          known.isEmpty ? Effect.fail(error) : bringDifference(Snapshot.empty(next.pipeline), next)
        ),
        Effect.tap(() =>
          Effect.sync(() => {
            known = next
          })
        )
      )
    )

  /** Brings one snapshot: its tree, and after it the node itself. */
  const snapshot = Effect.fnUntraced(function* ({ blob, id }: Pick<Snapshots.Info, "blob" | "id">) {
    const brought = yield* Effect.either(
      Effect.flatMap(Head.read(from, id, blob), (published) => tree(Head.tree(from, published)))
    )
    if (Either.isLeft(brought)) {
      const error = brought.left
      if (error._tag !== "HeadError" && !Salvage.isDamage(error)) return yield* Effect.fail(error)
      unreadable.push(id)
    }
    yield* bring(blob)
  })

  const done = (): Carried => ({ blobs, bytes, missing: [...missing.values()], unreadable })
  return { tree, snapshot, done }
}
