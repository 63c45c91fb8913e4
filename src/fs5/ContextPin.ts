/**
 * Entries that move between trees of different contexts (docs/format/fs5.md §5).
 *
 * @since 0.1.0
 */
import * as Bytes from "../schema/Bytes.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import { contextEquals } from "./EntryEquality.ts"

/** The pipeline with everything said that silence would leave to the parent. */
const explicit = (pipeline: TraversalContext.BlobPipeline | undefined): TraversalContext.BlobPipeline => ({
  compression: { _tag: "Uncompressed" },
  paddingBlock: 1,
  encryption: { strategy: "plaintext", slot: 0 },
  skipWhenUnhelpful: false,
  ...pipeline
})

const slotOf = (pipeline: TraversalContext.BlobPipeline): number | undefined =>
  pipeline.encryption?.strategy === "plaintext" ? undefined : pipeline.encryption?.slot

/**
 * `entry` of a tree with context `from` so that it reads the same in a tree with context `to`.
 *
 * Its child context then states its whole leaf pipeline, for a chunked file also the node pipeline, and those keys that
 * `to` has not under their slots: of a leaf its own slot, of a chunked file every slot but the recovery secret, as any
 * chunk may refer to any. Who can read the tree can read those keys: between vaults with different readers entries are
 * copied instead. Nothing is stored anew, and an entry that reads the same as it is stays as it is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const pin = (
  from: TraversalContext.TraversalContext,
  to: TraversalContext.TraversalContext,
  entry: NodeEntry
): NodeEntry => {
  if (entry.content === undefined || from === to || contextEquals(from, to)) return entry
  const child = entry.childContext ?? TraversalContext.empty
  const was = TraversalContext.merge(from, child)
  const would = TraversalContext.merge(to, child)
  const isLink = entry.content.structural === "link"
  const leaf = explicit(was.leaf)
  const node = isLink ? explicit(was.node) : undefined

  const slot = slotOf(leaf)
  const slots = isLink
    ? [...(was.keys?.keys() ?? [])].filter((each) => each !== TraversalContext.keySlot.recovery)
    : slot === undefined
      ? []
      : [slot]
  const missing = slots.flatMap((each) => {
    const key = was.keys?.get(each)
    const present = would.keys?.get(each)
    return key === undefined || (present !== undefined && Bytes.equals(key, present)) ? [] : [[each, key] as const]
  })
  const readsTheSame =
    missing.length === 0 &&
    contextEquals({ leaf }, { leaf: explicit(would.leaf) }) &&
    (node === undefined || contextEquals({ node }, { node: explicit(would.node) }))
  if (readsTheSame) return entry
  const keys = new Map([...(child.keys ?? []), ...missing])
  return {
    ...entry,
    childContext: { ...child, ...(keys.size > 0 && { keys }), leaf, ...(node !== undefined && { node }) }
  }
}
