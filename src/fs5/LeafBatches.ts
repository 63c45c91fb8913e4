/**
 * Reading many leaves with few reads, opened and verified together (docs/format/fs5.md §6.3).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { ContentRef, NodeEntry } from "../schema/Node.ts"
import type { Bulk } from "../services/BlobStore.ts"
import type { OpenedLeaf, Service as Sealer, StoredLeaf } from "../services/Sealer.ts"
import * as BlobCodec from "./BlobCodec.ts"
import * as BulkReads from "./BulkReads.ts"
import type { Pipeline } from "./Pipeline.ts"

/** A leaf entry, and what reads it. @since 0.1.0 @category models */
export interface Wanted {
  readonly pipeline: Pipeline
  readonly entry: NodeEntry & { readonly content: ContentRef }
}

/** The longest leaf that is read together with others, in bytes of plaintext. @since 0.1.0 @category constants */
export const longest = 1024n * 1024n

/** Whether the leaf is neither too long nor encoded in an unusual way. @since 0.1.0 @category guards */
export const isUsual = ({ entry: { childContext, content } }: Wanted): boolean =>
  content.size <= longest && (childContext === undefined || BlobCodec.isSkipMarker(childContext))

/** Groups of leaves that are read and opened at the same time. */
const groupsInFlight = 4

/**
 * The leaves, each verified down to the hash of its plaintext. Nothing stands for one that has to be read by itself: it is
 * too long, encoded in an unusual way, not where many are, or not what it should be.
 *
 * The caller bounds the sum of sizes; with `verifyOnly`, for which no plaintext is answered, it need not.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = (
  sealer: Sealer,
  wanted: ReadonlyArray<Wanted>,
  options: { readonly verifyOnly?: boolean } = {}
): Effect.Effect<ReadonlyArray<OpenedLeaf | undefined>> =>
  Effect.suspend(() => {
    const opened: Array<OpenedLeaf | undefined> = new Array(wanted.length).fill(undefined)
    const alike = new Map<Pipeline["context"], Map<Pipeline["blobs"], Array<number>>>()
    for (const [at, one] of wanted.entries()) {
      const { pipeline } = one
      if (pipeline.blobs.bulk === undefined || !isUsual(one)) continue
      const stores = alike.get(pipeline.context) ?? new Map<Pipeline["blobs"], Array<number>>()
      alike.set(pipeline.context, stores)
      const some = stores.get(pipeline.blobs)
      if (some === undefined) stores.set(pipeline.blobs, [at])
      else some.push(at)
    }

    const readSome = Effect.fnUntraced(function* (
      context: Pipeline["context"],
      bulk: Bulk,
      some: ReadonlyArray<number>
    ) {
      const blobs = some.map((at) => {
        const { hash, size } = wanted[at]!.entry.content
        return { at, hash, size: Number(size) }
      })
      yield* Effect.forEach(
        yield* BulkReads.groups(bulk, blobs),
        (group) =>
          Effect.flatMap(BulkReads.readGroup(bulk, group), (read) => {
            const leaves = read.map(({ at, stored }): StoredLeaf => {
              const { childContext, content } = wanted[at]!.entry
              return { content, isSkipped: childContext !== undefined, stored }
            })
            return Effect.map(sealer.unseal(context, leaves, options), (answers) => {
              for (const [index, { at }] of read.entries()) opened[at] = answers[index]
            })
          }),
        { concurrency: groupsInFlight, discard: true }
      )
    })

    return Effect.as(
      Effect.forEach(
        [...alike].flatMap(([context, stores]) => [...stores].map(([{ bulk }, some]) => ({ context, bulk, some }))),
        ({ bulk, context, some }) => (bulk === undefined ? Effect.void : readSome(context, bulk, some)),
        { discard: true }
      ),
      opened
    )
  })
