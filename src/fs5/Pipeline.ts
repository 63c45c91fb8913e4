/**
 * Nodes and leaves to and from a blob store, under one context (docs/format/fs5.md §6).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as Node from "../schema/Node.ts"
import type { Primitives } from "../schema/Primitives.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import * as BlobStore from "../services/BlobStore.ts"
import * as BlobCodec from "./BlobCodec.ts"
import * as BulkReads from "./BulkReads.ts"
import * as Mending from "./Mending.ts"
import type { NodeCache } from "./NodeCache.ts"
import { DamagedTree, type TreeError } from "./TreeError.ts"

/** A node that was written. @since 0.1.0 @category models */
export interface WrittenNode {
  readonly hash: Hash.Hash
  readonly plaintextHash: Hash.Hash
  /** The length of the stored blob in bytes. */
  readonly storedLength: number
}

/** Reads and writes under one context. @since 0.1.0 @category models */
export interface Pipeline {
  readonly primitives: Primitives
  readonly blobs: BlobStore.Service
  readonly context: TraversalContext.TraversalContext
  /** The same pipeline under `merge(context, child)`, sharing the node cache. */
  readonly within: (child: TraversalContext.TraversalContext | undefined) => Pipeline
  /**
   * The node that `link` names, verified against both of its hashes; from the cache when it is there. A link without
   * plaintext hash is always read from the store.
   */
  readonly readNode: (link: Pick<Node.ContentRef, "hash" | "plaintextHash">) => Effect.Effect<Node.Node, TreeError>
  /**
   * Brings the nodes that `links` name into the cache with few reads, where the store has them side by side. What does not come
   * this way, as what is damaged, comes and is told of by `readNode`. The caller bounds the number.
   */
  readonly prefetchNodes: (links: ReadonlyArray<Pick<Node.ContentRef, "hash" | "plaintextHash">>) => Effect.Effect<void>
  /** Says that the node that `link` names will hardly be read again: the cache need not keep it. */
  readonly forgetNode: (link: Pick<Node.ContentRef, "hash">) => void
  /**
   * Encodes and keeps a node; what the store has it does not write again, what only the cache has is written. A node that
   * the store has and that was not read lately is read, and replaced if it is damaged.
   *
   * A node pipeline with `skipWhenUnhelpful` is `DamagedTree` `Unsupported`: a skipped node could not be read back.
   */
  readonly writeNode: (node: Node.Node) => Effect.Effect<WrittenNode, TreeError>
  /**
   * The plaintext of a leaf entry under `merge(context, entry.childContext)`, verified (docs/format/fs5.md §6.3); one that
   * is not as long as a `size` other than 0 is `DamagedTree` `Inconsistent`.
   */
  readonly readLeaf: (entry: Node.NodeEntry) => Effect.Effect<Uint8Array, TreeError>
  /** Encodes and keeps `plaintext`, and answers its entry without semantic (docs/format/fs5.md §6.2). */
  readonly writeLeaf: (plaintext: Uint8Array) => Effect.Effect<Node.NodeEntry, TreeError>
}

/** @since 0.1.0 @category models */
export interface Options {
  readonly primitives: Primitives
  readonly blobs: BlobStore.Service
  readonly context: TraversalContext.TraversalContext
  /** Shared with whoever reads the same store. */
  readonly cache: NodeCache
}

/** @since 0.1.0 @category constructors */
export const make = (options: Options): Pipeline => {
  const { blobs, cache, context, primitives } = options

  /** The stored bytes, hashed here once more: a store may be anybody's. */
  const load = (hash: Hash.Hash): Effect.Effect<Uint8Array, TreeError> =>
    Effect.filterOrFail(
      blobs.get(hash),
      (stored) => Bytes.equals(primitives.blake3(stored), hash),
      () =>
        new BlobStore.BlobStoreError({
          reason: "Damaged",
          store: blobs.name,
          blob: Hash.toHex(hash),
          detail: "its bytes do not hash to its name"
        })
    )

  const decodeNode = (link: Pick<Node.ContentRef, "hash" | "plaintextHash">, stored: Uint8Array) =>
    Either.gen(function* () {
      const cbor = yield* BlobCodec.decodeNode(primitives, context.node, context.keys, link, stored)
      const node = yield* Either.mapLeft(
        Node.decode(cbor),
        (error) => new DamagedTree({ reason: "NotDecodable", blob: Hash.toHex(link.hash), detail: error.message })
      )
      if (link.plaintextHash !== undefined) cache.put(link.hash, link.plaintextHash, node, cbor.length)
      return node
    })

  const encodeNode = (node: Node.Node) => {
    if (context.node?.skipWhenUnhelpful === true) {
      return Either.left(
        new DamagedTree({
          reason: "Unsupported",
          blob: "",
          detail: "a node pipeline cannot skip unhelpful compression: the node could not be read back"
        })
      )
    }
    const tooLarge = (size: string) =>
      new DamagedTree({
        reason: "Unsupported",
        blob: "",
        detail: `a node of ${size} could not be read back: too many names in a row, none of which ends a node`
      })
    if (node.entries.length > Node.maxEntries) return Either.left(tooLarge(`${node.entries.length} entries`))
    const cbor = Node.encode(node)
    if (cbor.length > BlobCodec.maximumNodeLength) return Either.left(tooLarge(`${cbor.length} bytes`))
    return Either.map(BlobCodec.encode(primitives, context.node, "meta", context.keys, cbor), (blob) => ({
      blob,
      weight: cbor.length
    }))
  }

  return {
    primitives,
    blobs,
    context,
    within: (child) =>
      make(child === undefined ? options : { ...options, context: TraversalContext.merge(context, child) }),
    readNode: (link) =>
      Effect.suspend(() => {
        const cached = link.plaintextHash === undefined ? undefined : cache.get(link.hash, link.plaintextHash)
        return cached === undefined
          ? Effect.flatMap(load(link.hash), (stored) => decodeNode(link, stored))
          : Effect.succeed(cached)
      }),
    prefetchNodes: (links) =>
      Effect.suspend(() => {
        const { bulk } = blobs
        if (bulk === undefined) return Effect.void
        const wanted = links.flatMap(({ hash, plaintextHash }, at) =>
          plaintextHash === undefined || cache.get(hash, plaintextHash) !== undefined ? [] : [{ at, hash, size: 0 }]
        )
        // one is read as fast by itself
        if (wanted.length < 2) return Effect.void
        return Effect.flatMap(BulkReads.groups(bulk, wanted), (groups) =>
          Effect.forEach(
            groups,
            (group) =>
              Effect.map(BulkReads.readGroup(bulk, group), (read) => {
                for (const { at, stored } of read) {
                  const link = links[at]
                  // one that is not what it should be is read again, which tells what is wrong
                  if (link !== undefined && Bytes.equals(primitives.blake3(stored), link.hash)) decodeNode(link, stored)
                }
              }),
            { discard: true }
          )
        )
      }),
    forgetNode: (link) => cache.remove(link.hash),
    writeNode: (node) =>
      Effect.suspend(() =>
        Effect.flatMap(encodeNode(node), ({ blob, weight }) => {
          const isKnownGood = cache.get(blob.hash, blob.plaintextHash) !== undefined
          const kept = isKnownGood ? blobs.put(blob.hash, blob.stored) : Mending.put(blobs, blob.hash, blob.stored)
          return Effect.map(kept, () => {
            cache.putWritten(blob.hash, blob.plaintextHash, node, weight)
            return { hash: blob.hash, plaintextHash: blob.plaintextHash, storedLength: blob.stored.length }
          })
        })
      ),
    readLeaf: (entry) =>
      Effect.suspend(() => {
        const content = entry.content
        if (content === undefined || content.structural !== "leaf") {
          return Effect.fail(
            new DamagedTree({
              reason: "Inconsistent",
              blob: content === undefined ? "" : Hash.toHex(content.hash),
              detail: content === undefined ? "an entry without content has no bytes" : "a link is no leaf"
            })
          )
        }
        const effective =
          entry.childContext === undefined ? context : TraversalContext.merge(context, entry.childContext)
        return Effect.flatMap(load(content.hash), (stored) =>
          BlobCodec.openLeaf(primitives, effective, content, stored)
        )
      }),
    writeLeaf: (plaintext) =>
      Effect.suspend(() =>
        Effect.flatMap(BlobCodec.encodeLeaf(primitives, context, plaintext), (leaf) =>
          Effect.as(blobs.put(leaf.hash, leaf.stored), leaf.entry)
        )
      )
  }
}
