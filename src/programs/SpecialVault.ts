/**
 * The small vaults that an identity keeps about itself: a map of keys to bytes, written whole with fresh keys each time
 * (docs/format/node.md §2.4).
 *
 * The history of a node names those it was built on, so that of two entries it can be told which follows which.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as FileExport from "../fs5/FileExport.ts"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import * as TreeBuilder from "../fs5/TreeBuilder.ts"
import * as AgeHeader from "../schema/AgeHeader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { Entries } from "../schema/SpecialVault.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Envelope from "../services/Envelope.ts"

/** A special vault as it was published. @since 0.1.0 @category models */
export interface Published {
  readonly hash: Hash.Hash
  readonly entries: Entries
  readonly history: ReadonlyArray<TransparentNode.HistoryEntry>
  /** Milliseconds since 1970, when it says so. */
  readonly publishedAt: number | undefined
  /** For how many it is sealed. */
  readonly recipientCount: number
}

/** Older predecessors are forgotten. @since 0.1.0 @category constants */
export const maxHistory = 256

/** Whether `hash` is among the predecessors of the node. @since 0.1.0 @category guards */
export const follows = (published: Published, hash: Hash.Hash): boolean =>
  published.history.some((item) => Bytes.equals(item.hash, hash))

/** Reads the vault whose node is `hash`; every blob is verified. @since 0.1.0 @category programs */
export const read = Effect.fn("SpecialVault.read")(function* (
  blobs: BlobStore.Service,
  hash: Hash.Hash,
  identities: ReadonlyArray<Redacted.Redacted<string>>
) {
  const { primitives } = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope
  const sealed = yield* blobs.get(hash)
  const node = yield* TransparentNode.decode(yield* envelope.open(identities, sealed))
  const pipeline = Pipeline.make({ primitives, blobs, context: node.context, cache: NodeCache.make() })
  const tree = Snapshot.make({ hash: node.root, plaintextHash: node.plaintextHash, kind: "namespace", pipeline })
  const entries = new Map<string, Uint8Array>()
  for (const [key, entry] of yield* Stream.runCollect(tree.scan())) {
    if (entry.content === undefined) continue
    entries.set(key, Bytes.concat(...(yield* Stream.runCollect(FileExport.exportFile(pipeline, entry)))))
  }
  const published: Published = {
    hash,
    entries,
    history: node.history,
    publishedAt: TransparentNode.publishedAt(node),
    recipientCount: AgeHeader.recipientCount(sealed)
  }
  return published
})

/**
 * Keeps `entries` as a vault that comes after `before` and is sealed for `recipients`, durably, and answers its hash.
 *
 * @since 0.1.0
 * @category programs
 */
export const write = Effect.fn("SpecialVault.write")(function* (
  blobs: BlobStore.Service,
  entries: Entries,
  options: { readonly recipients: ReadonlyArray<string>; readonly before: ReadonlyArray<Published> }
) {
  const { primitives, randomBytes } = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope
  const context = TraversalContext.vaultRoot({
    leaf: yield* randomBytes(32),
    node: yield* randomBytes(32),
    recovery: yield* randomBytes(32)
  })
  const pipeline = Pipeline.make({ primitives, blobs, context, cache: NodeCache.make() })
  const builder = TreeBuilder.make(pipeline, { kind: "namespace", mask: TreeBuilder.defaultMask })
  for (const [key, bytes] of [...entries].sort(([a], [b]) => Bytes.compareUtf8(a, b)))
    yield* builder.push(key, yield* pipeline.writeLeaf(bytes))
  const built = yield* builder.finish
  const now = Math.floor(yield* Clock.currentTimeMillis)
  const known = new Map(options.before.flatMap(({ history }) => history.map((item) => [item.key, item] as const)))
  const history = options.before.reduce<ReadonlyArray<TransparentNode.HistoryEntry>>(
    (all, { hash }) => TransparentNode.addHistory(all, now, hash),
    [...known.values()]
  )
  const node = TransparentNode.make({
    root: built?.link.hash ?? Hash.zero,
    ...(built === undefined ? {} : { plaintextHash: built.link.plaintextHash }),
    context,
    history: TransparentNode.chronological(history).slice(-maxHistory),
    publishedAt: now
  })
  const sealed = yield* envelope.seal(options.recipients, TransparentNode.encode(node))
  const hash = primitives.blake3(sealed)
  yield* blobs.sync
  yield* blobs.put(hash, sealed)
  yield* blobs.sync
  return hash
})

/** Copies the vault whose node is `hash`, all of it and durably. @since 0.1.0 @category programs */
export const copy = Effect.fn("SpecialVault.copy")(function* (
  from: BlobStore.Service,
  to: BlobStore.Service,
  hash: Hash.Hash,
  identities: ReadonlyArray<Redacted.Redacted<string>>
) {
  const copied: Array<readonly [Hash.Hash, Uint8Array]> = []
  yield* read(
    { ...from, get: (blob) => Effect.tap(from.get(blob), (bytes) => Effect.sync(() => copied.push([blob, bytes]))) },
    hash,
    identities
  )
  // the node itself was read first, and comes last
  for (const [blob, bytes] of copied.reverse()) yield* to.put(blob, bytes)
  yield* to.sync
})

const find = (entries: Entries | undefined, key: string) => entries?.get(key)

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && Bytes.equals(a, b))

/**
 * What both sides of a fork come to: a key that only one side changed since `base` is as that side has it, else as `ours`.
 * Without a base nothing counts as removed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge = (base: Entries | undefined, ours: Entries, theirs: Entries): Entries => {
  const merged = new Map<string, Uint8Array>()
  for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
    const [before, mine, other] = [find(base, key), ours.get(key), theirs.get(key)]
    const isMineUnchanged = isSame(before, mine)
    const kept = isMineUnchanged ? other : (mine ?? (isSame(before, other) ? undefined : other))
    if (kept !== undefined) merged.set(key, kept)
  }
  return merged
}
