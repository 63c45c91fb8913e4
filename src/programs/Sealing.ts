/**
 * The node that a publication puts after the heads it was built on: its history, and its sealed bytes.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as Envelope from "../services/Envelope.ts"
import type * as Head from "./Head.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Vault from "./Vault.ts"

/**
 * The time for the history keys of nodes that are superseded `now` (milliseconds): after everything in their histories, so
 * that a clock that was put back, or another device's that is ahead, neither changes the order of snapshots nor pushes the
 * newest out of the inline history.
 */
const supersededAt = (history: Iterable<TransparentNode.HistoryEntry>, now: number): bigint => {
  let time = BigInt(now) * 1_000_000n
  for (const { key } of history) {
    const other = TransparentNode.parseHistoryKey(key)
    if (other !== undefined && other >= time) time = other + 1n
  }
  return time
}

/** How many entries more than others a history may have so that those that were superseded together stay together. */
const mostTogether = 64

/** The newest entries; those that were superseded together are kept or left out together, so that each leads to its past. */
const newest = (history: ReadonlyArray<TransparentNode.HistoryEntry>) => {
  let from = Math.max(0, history.length - Snapshots.inlineHistory)
  const least = Math.max(0, from - mostTogether)
  while (from > least && Snapshots.isTogether(history[from - 1]!, history[from]!)) from -= 1
  return history.slice(from)
}

/** The history of a node that comes after `heads`, and what else they hold. */
const inherit = (heads: ReadonlyArray<Head.Published>, now: number) => {
  const history = new Map<string, TransparentNode.HistoryEntry>()
  const others = new Map<string, NodeEntry>()
  for (const { node } of heads) {
    for (const item of node.history) {
      const id = Hash.toHex(TransparentNode.idOf(item))
      const known = history.get(id)
      // one that was sealed anew since opens for more
      const isResealed = known !== undefined && Hash.toHex(known.hash) === id
      if (known === undefined || isResealed) history.set(id, item)
    }
    for (const [key, entry] of node.others ?? []) if (!others.has(key)) others.set(key, entry)
  }
  // the oldest head first, so that the best one is the newest in the history too
  let all: ReadonlyArray<TransparentNode.HistoryEntry> = [...history.values()]
  const time = supersededAt(all, now)
  for (const { blob, hash } of [...heads].reverse()) {
    all = TransparentNode.addHistory(all, time, hash)
    if (blob !== undefined)
      all = all.map((item) => (Bytes.equals(item.hash, hash) ? TransparentNode.resealed(item, blob) : item))
  }
  return { history: newest(TransparentNode.chronological(all)), others: [...others] }
}

/**
 * Puts the node for `tree` that comes after `heads` beside the blobs it names, sealed for the vault's recipients, and makes
 * all of it durable.
 *
 * @since 0.1.0
 * @category programs
 */
export const seal = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  tree: TreeReader.Root | undefined,
  heads: ReadonlyArray<Head.Published>
) {
  const envelope = yield* Envelope.Envelope
  const now = Math.floor(yield* Clock.currentTimeMillis)
  const { history, others } = inherit(heads, now)
  const node = TransparentNode.make({
    root: tree?.hash ?? Hash.zero,
    ...(tree?.plaintextHash === undefined ? {} : { plaintextHash: tree.plaintextHash }),
    context: vault.context,
    history,
    ...(others.length === 0 ? {} : { others }),
    publishedAt: now
  })
  const sealed = yield* envelope.seal(yield* Vault.recipientsNow(vault), TransparentNode.encode(node))
  const hash = vault.primitives.blake3(sealed)
  yield* vault.blobs.sync
  yield* vault.blobs.put(hash, sealed)
  yield* vault.blobs.sync
  return { hash, sealed }
})
