/**
 * The explicit way out when a vault's head can no longer be published upon.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Snapshot from "../fs5/Snapshot.ts"
import * as TreeWalk from "../fs5/TreeWalk.ts"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Ancestry from "./Ancestry.ts"
import * as Head from "./Head.ts"
import * as Publish from "./Publish.ts"
import * as Salvage from "./Salvage.ts"
import type { Vault } from "./Vault.ts"

/** Nothing that was ever published of the vault can be read any more. @since 0.1.0 @category errors */
export class NothingReadable extends Schema.TaggedError<NothingReadable>()("NothingReadable", {
  vault: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: no published tree of it can be read any more; back up its sources into a new vault`
  }
}

/** What a repair came to. @since 0.1.0 @category models */
export interface Result {
  /** The new revision, or nothing when there was nothing to repair. */
  readonly revision: bigint | undefined
  /** The snapshots whose trees are in the new head. */
  readonly from: ReadonlyArray<Hash.Hash>
  /** The snapshots that could not be read, with the reason. */
  readonly lost: ReadonlyArray<{ readonly id: Hash.Hash; readonly detail: string }>
}

/** The highest revision this device knows of, whatever the registry answers. */
const highestKnown = Effect.fnUntraced(function* (vault: Vault) {
  const state = yield* VaultState.VaultState
  const records = yield* Effect.forEach(yield* state.sources(vault.name), ({ folder }) =>
    state.record(vault.name, folder)
  )
  return records.reduce((highest, record) => {
    const revision = record?.revision ?? 0n
    return revision > highest ? revision : highest
  }, 0n)
})

/**
 * Publishes the newest trees that can still be read: of each entry in the registry, or of the newest node before it, and of
 * what this device published last, merged; under a revision above everything that was ever seen. Nothing is published when
 * the head is whole.
 *
 * @since 0.1.0
 * @category programs
 */
export const repair = Effect.fn("Repair.repair")(function* (vault: Vault) {
  const state = yield* VaultState.VaultState
  const entries = yield* vault.registry.entries(vault.streamKey)
  const known = yield* highestKnown(vault)
  const lost: Array<Result["lost"][number]> = []

  /** The node, if it and every node of its tree can be read. */
  const whole = Effect.fnUntraced(function* (hash: Hash.Hash) {
    const read = yield* Effect.either(
      Effect.flatMap(Head.read(vault, hash), (published) =>
        published.root === undefined
          ? Effect.succeed(published)
          : Effect.as(Stream.runDrain(TreeWalk.nodes(vault.pipeline, published.root)), published)
      )
    )
    if (Either.isRight(read)) return read.right
    const error = read.left
    if (error._tag !== "HeadError" && !Salvage.isDamage(error)) return yield* Effect.fail(error)
    lost.push({ id: hash, detail: error.message })
    return undefined
  })

  /** The newest whole node at `hash` or in its history. */
  const newestWhole = Effect.fnUntraced(function* (hash: Hash.Hash) {
    const first = yield* whole(hash)
    if (first !== undefined) return first
    const node = yield* Effect.option(Head.read(vault, hash))
    if (node._tag === "None") return undefined
    for (const { hash: before } of [...TransparentNode.chronological(node.value.node.history)].reverse()) {
      const found = yield* whole(before)
      if (found !== undefined) return found
    }
    return undefined
  })

  const found = new Map<string, Head.Published>()
  const take = (published: Head.Published | undefined) => {
    if (published !== undefined) found.set(Hash.toHex(published.hash), published)
  }
  for (const { hash } of entries) take(yield* newestWhole(hash))
  const revision = entries.reduce((highest, entry) => (entry.revision > highest ? entry.revision : highest), 0n)
  if (lost.length === 0 && revision >= known && entries.length <= 1)
    return { revision: undefined, from: [], lost } satisfies Result

  // what this device published last may be gone from the store, or be unknown to a registry that was made anew
  const last = yield* state.lastNode(vault.name)
  if (last !== undefined) {
    const hash = vault.primitives.blake3(last)
    yield* vault.blobs.put(hash, last)
    take(yield* newestWhole(hash))
  }
  const nodes = [...found.values()]
  if (nodes.length === 0) return yield* new NothingReadable({ vault: vault.name })
  const heads = nodes.filter(
    (node) => !nodes.some((other) => other !== node && Head.contains(other, Hash.toHex(node.hash)))
  )
  const { tree } = yield* Ancestry.unite(vault, heads)
  const published = yield* Publish.replace(vault, tree.isEmpty ? undefined : Snapshot.rootOf(tree), {
    heads,
    entries,
    revision: revision > known ? revision : known
  })
  return { revision: published.revision, from: heads.map(({ hash }) => hash), lost } satisfies Result
})
