/**
 * The snapshots of a vault, and the one that a reference names.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import type { SnapshotSelector } from "../schema/VaultRef.ts"
import * as Head from "./Head.ts"
import * as Salvage from "./Salvage.ts"
import type { Readable } from "./Vault.ts"

/** A reference names no snapshot, or more than one. @since 0.1.0 @category errors */
export class NoSuchSnapshot extends Schema.TaggedError<NoSuchSnapshot>()("NoSuchSnapshot", {
  vault: Schema.String,
  reason: Schema.Literal("NothingPublished", "NotFound", "Ambiguous"),
  detail: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: ${this.detail}`
  }
}

/** History entries a published node carries inline; older ones are reached through the nodes it names. @since 0.1.0 @category constants */
export const inlineHistory = 256

/** One snapshot as `log` shows it. @since 0.1.0 @category models */
export interface Info {
  /** From 1, oldest first. */
  readonly number: number
  /** The hash of the published node, as it was first sealed. */
  readonly id: Hash.Hash
  /** Where it is read from: what it was sealed as last. */
  readonly blob: Hash.Hash
  /** Milliseconds since 1970, where it is known. */
  readonly publishedAt: number | undefined
}

const millis = (key: string): number | undefined => {
  const nanos = TransparentNode.parseHistoryKey(key)
  return nanos === undefined ? undefined : Number(nanos / 1_000_000n)
}

/** The first of `entries` whose node can be read; those before it are passed over, as each is named by others too. */
const firstReadable = Effect.fnUntraced(function* (
  vault: Readable,
  entries: ReadonlyArray<TransparentNode.HistoryEntry>
) {
  for (const entry of entries) {
    const read = yield* Effect.either(Head.read(vault, TransparentNode.idOf(entry), entry.hash))
    if (Either.isRight(read)) return read.right
    // nothing is lost: what cannot be read stays listed, and whoever asks for it is told why
    if (read.left._tag === "BlobStoreError" && !Salvage.isDamage(read.left)) return yield* Effect.fail(read.left)
  }
  return undefined
})

const timeOf = ({ key }: TransparentNode.HistoryEntry) => TransparentNode.parseHistoryKey(key)

/**
 * Whether one node superseded both, one after the other in time: it merged them, and each leads to a past of its own. They
 * have one time, but for the nanoseconds that keep their keys apart.
 *
 * @since 0.1.0
 * @category guards
 */
export const isTogether = (earlier: TransparentNode.HistoryEntry, later: TransparentNode.HistoryEntry): boolean => {
  const [a, b] = [timeOf(earlier), timeOf(later)]
  return a !== undefined && b !== undefined && b - a < 1_000_000n
}

/** Those of `entries`, oldest first, that were merged. */
const crossings = (entries: ReadonlyArray<TransparentNode.HistoryEntry>) =>
  entries.filter((entry, at) => {
    const [before, after] = [entries[at - 1], entries[at + 1]]
    return (before !== undefined && isTogether(before, entry)) || (after !== undefined && isTogether(entry, after))
  })

/**
 * Every snapshot that `head` reaches, oldest first and itself last; beyond the inline history through the nodes it names.
 *
 * A node that is damaged hides at most what nothing else names: one more snapshot before it. Reads one node in 256, and the
 * nodes that were merged.
 *
 * @since 0.1.0
 * @category programs
 */
export const all = Effect.fn("Snapshots.all")(function* (vault: Readable, head: Head.Published) {
  // what was followed is never followed again, so that the walk ends whatever the nodes say
  const seen = new Set([Hash.toHex(head.hash)])
  const followed = new Set(seen)
  const idOf = (entry: TransparentNode.HistoryEntry) => Hash.toHex(TransparentNode.idOf(entry))
  const isUnseen = (entry: TransparentNode.HistoryEntry) => !seen.has(idOf(entry)) && seen.add(idOf(entry))
  // each snapshot but the last, with the time at which the next one took its place
  let chain: ReadonlyArray<TransparentNode.HistoryEntry> = []
  let isCrossed = false
  let oldest: Head.Published | undefined = head
  const pending: Array<Head.Published> = [head]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const inline = TransparentNode.chronological(next.node.history)
    const older = inline.filter(isUnseen)
    chain = [...older, ...chain]
    const isFull = inline.length >= inlineHistory
    const left = isFull ? inline : older
    if (left[0] !== undefined && !followed.has(idOf(left[0]))) {
      const before = yield* firstReadable(vault, left)
      if (next === oldest) oldest = before
      const hex = before === undefined ? undefined : Hash.toHex(before.hash)
      if (before !== undefined && hex !== undefined && !followed.has(hex)) {
        followed.add(hex)
        pending.push(before)
      }
    }
    // no list that is not full has left anything out
    if (!isFull) continue
    for (const parent of crossings(inline)) {
      if (followed.has(idOf(parent))) continue
      followed.add(idOf(parent))
      isCrossed = true
      const other = yield* firstReadable(vault, [parent])
      if (other !== undefined) pending.unshift(other)
    }
  }
  if (isCrossed) chain = TransparentNode.chronological(chain)
  const first = chain[0]
  const isFirst = first !== undefined && oldest !== undefined && Bytes.equals(TransparentNode.idOf(first), oldest.hash)
  const begun = oldest !== undefined && isFirst ? TransparentNode.publishedAt(oldest.node) : undefined
  const infos: Array<Info> = chain.map((entry, index) => ({
    number: index + 1,
    id: TransparentNode.idOf(entry),
    blob: entry.hash,
    publishedAt: index === 0 ? begun : millis(chain[index - 1]!.key)
  }))
  const before = chain[chain.length - 1]
  infos.push({
    number: chain.length + 1,
    id: head.hash,
    blob: head.hash,
    publishedAt: TransparentNode.publishedAt(head.node) ?? (before === undefined ? undefined : millis(before.key))
  })
  return infos as ReadonlyArray<Info>
})

/**
 * Those of the nodes (hashes in hex) that are among `heads` or come before them; what other publications have pushed out of
 * the inline history is looked for all the way.
 *
 * @since 0.1.0
 * @category programs
 */
export const reached = Effect.fn("Snapshots.reached")(function* (
  vault: Readable,
  heads: ReadonlyArray<Head.Published>,
  nodes: ReadonlyArray<string>
) {
  const found = new Set(nodes.filter((node) => heads.some((head) => Head.contains(head, node))))
  if (found.size === nodes.length) return found
  for (const head of heads) {
    if (head.node.history.length < inlineHistory) continue
    const before = new Set((yield* all(vault, head)).map(({ id }) => Hash.toHex(id)))
    for (const node of nodes) if (before.has(node)) found.add(node)
  }
  return found
})

/**
 * The snapshot that `selector` names; `endOf` gives the last millisecond of a local date or minute.
 *
 * @since 0.1.0
 * @category programs
 */
export const resolve = Effect.fn("Snapshots.resolve")(function* (
  vault: Readable,
  selector: SnapshotSelector,
  endOf: (at: Extract<SnapshotSelector, { readonly _tag: "At" }>) => number
) {
  const failed = (reason: NoSuchSnapshot["reason"], detail: string) =>
    new NoSuchSnapshot({ vault: vault.name, reason, detail })
  const head = yield* Head.newest(vault)
  if (head === undefined) return yield* failed("NothingPublished", "nothing was published yet")
  if (selector._tag === "Latest" && selector.back === 0) return head as Head.Published

  const snapshots = yield* all(vault, head)
  const hint = `there are ${snapshots.length}, \`cairn log ${vault.name}:\` shows them`
  const pick = (info: Info | undefined, detail: string) =>
    info === undefined ? failed("NotFound", `${detail} (${hint})`) : Head.read(vault, info.id, info.blob)
  switch (selector._tag) {
    case "Latest":
      return yield* pick(
        snapshots[snapshots.length - 1 - selector.back],
        `there is no snapshot ${selector.back} before the latest`
      )
    case "Number":
      return yield* pick(snapshots[selector.number - 1], `there is no snapshot ${selector.number}`)
    case "At": {
      const end = endOf(selector)
      const found = snapshots.filter((info) => info.publishedAt !== undefined && info.publishedAt <= end)
      return yield* pick(found[found.length - 1], "there is no snapshot that old")
    }
    case "Id": {
      const found = snapshots.filter((info) => Hash.toHex(info.id).startsWith(selector.prefix))
      if (found.length > 1)
        return yield* failed(
          "Ambiguous",
          `${found.length} snapshots begin with ${selector.prefix}: give more of the id`
        )
      return yield* pick(found[0], `there is no snapshot ${selector.prefix}`)
    }
  }
})
