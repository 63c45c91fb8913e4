/**
 * The snapshots of a vault, and the one that a reference names.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import type { SnapshotSelector } from "../schema/VaultRef.ts"
import * as Head from "./Head.ts"
import type { Vault } from "./Vault.ts"

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

/** One snapshot as `log` shows it. @since 0.1.0 @category models */
export interface Info {
  /** From 1, oldest first. */
  readonly number: number
  /** The hash of the published node. */
  readonly id: Hash.Hash
  /** Milliseconds since 1970, where it is known. */
  readonly publishedAt: number | undefined
}

const millis = (key: string): number | undefined => {
  const nanos = TransparentNode.parseHistoryKey(key)
  return nanos === undefined ? undefined : Number(nanos / 1_000_000n)
}

/**
 * Every snapshot that `head` reaches, oldest first and itself last; beyond the inline history through the nodes it names.
 *
 * @since 0.1.0
 * @category programs
 */
export const all = Effect.fn("Snapshots.all")(function* (vault: Vault, head: Head.Published) {
  let oldest: Head.Published = head
  let older = TransparentNode.chronological(oldest.node.history)
  // each snapshot but the last, with the time at which the next one took its place
  let chain: ReadonlyArray<TransparentNode.HistoryEntry> = older
  const seen = new Set(chain.map((entry) => Hash.toHex(entry.hash)))
  while (older[0] !== undefined) {
    oldest = yield* Head.read(vault, older[0].hash)
    older = TransparentNode.chronological(oldest.node.history).filter((entry) => !seen.has(Hash.toHex(entry.hash)))
    for (const entry of older) seen.add(Hash.toHex(entry.hash))
    chain = [...older, ...chain]
  }
  const infos: Array<Info> = chain.map((entry, index) => ({
    number: index + 1,
    id: entry.hash,
    publishedAt: index === 0 ? TransparentNode.publishedAt(oldest.node) : millis(chain[index - 1]!.key)
  }))
  const before = chain[chain.length - 1]
  infos.push({
    number: chain.length + 1,
    id: head.hash,
    publishedAt: TransparentNode.publishedAt(head.node) ?? (before === undefined ? undefined : millis(before.key))
  })
  return infos as ReadonlyArray<Info>
})

/**
 * The snapshot that `selector` names; `endOf` gives the last millisecond of a local date or minute.
 *
 * @since 0.1.0
 * @category programs
 */
export const resolve = Effect.fn("Snapshots.resolve")(function* (
  vault: Vault,
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
    info === undefined ? failed("NotFound", `${detail} (${hint})`) : Head.read(vault, info.id)
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
