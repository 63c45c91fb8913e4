/**
 * The explicit way out when a vault's head can no longer be published upon.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Mending from "../fs5/Mending.ts"
import * as Merge from "../fs5/Merge.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import * as TreeEdit from "../fs5/TreeEdit.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import * as TreeWalk from "../fs5/TreeWalk.ts"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Ancestry from "./Ancestry.ts"
import * as Head from "./Head.ts"
import * as Publish from "./Publish.ts"
import * as Salvage from "./Salvage.ts"
import * as Snapshots from "./Snapshots.ts"
import type * as Vault from "./Vault.ts"

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
  /** The snapshots whose trees are in the new head; of damaged ones, what can be read. */
  readonly from: ReadonlyArray<Hash.Hash>
  /** The snapshots that could not be read whole, with the reason. */
  readonly lost: ReadonlyArray<{ readonly id: Hash.Hash; readonly detail: string }>
}

/** A node whose tree can be read, if only because what could not is as it was before. */
interface Found {
  readonly published: Head.Published
  readonly from: ReadonlyArray<Hash.Hash>
}

/** Reads published nodes and what their trees hold; what cannot be read whole is told in `lost`. */
const reader = (vault: Vault.Vault) => {
  const lost = new Map<string, Result["lost"][number]>()
  const whole = new Map<string, Head.Published>()

  const read = Effect.fnUntraced(function* (hash: Hash.Hash, blob: Hash.Hash = hash) {
    const result = yield* Effect.either(Head.read(vault, hash, blob))
    if (Either.isRight(result)) return result.right
    const error = result.left
    if (error._tag !== "HeadError" && !Salvage.isDamage(error)) return yield* Effect.fail(error)
    lost.set(Hash.toHex(hash), { id: hash, detail: error._tag === "HeadError" ? error.detail : error.message })
    return undefined
  })

  /** Whether the whole tree can be read, chunk trees too, and the keys of the files whose own cannot. */
  const inspect = Effect.fnUntraced(function* (published: Head.Published) {
    const files = new Set<string>()
    let first: TreeError | undefined
    if (published.root !== undefined)
      yield* Stream.runForEach(
        TreeWalk.inspect(Head.pipelineOf(vault.pipeline, published), published.root),
        Effect.fnUntraced(function* (item) {
          if (item._tag !== "Unreadable") return
          if (!Salvage.isDamage(item.error)) return yield* Effect.fail(item.error)
          first ??= item.error
          if (item.path[0] !== undefined) files.add(item.path[0])
        })
      )
    const hex = Hash.toHex(published.hash)
    if (first !== undefined) lost.set(hex, { id: published.hash, detail: first.message })
    else {
      whole.set(hex, published)
      lost.delete(hex)
    }
    return { isWhole: first === undefined, files }
  })

  /** The newest node before this one that is whole. */
  const before = Effect.fnUntraced(function* ({ node }: Head.Published) {
    for (const item of [...TransparentNode.chronological(node.history)].reverse()) {
      const hash = TransparentNode.idOf(item)
      const hex = Hash.toHex(hash)
      if (whole.has(hex)) return whole.get(hex)
      const earlier = lost.has(hex) ? undefined : yield* read(hash, item.hash)
      if (earlier !== undefined && (yield* inspect(earlier)).isWhole) return earlier
    }
    return undefined
  })

  /** The node; where its tree is damaged, with what can still be read laid over the newest whole tree before it. */
  const find = Effect.fnUntraced(function* (hash: Hash.Hash) {
    const published = yield* read(hash)
    if (published === undefined) return undefined
    const { files, isWhole } = yield* inspect(published)
    if (isWhole) return { published, from: [hash] } satisfies Found
    const earlier = yield* before(published)
    let kept = 0
    const readable = Salvage.scan(Head.tree(vault, published)).pipe(
      Stream.filterMap((item) => (item._tag === "Entry" ? Option.some(item.keyed) : Option.none())),
      Stream.filter(([key]) => !files.has(key)),
      Stream.tap(() => Effect.sync(() => kept++))
    )
    const nothing = Head.tree(vault, { ...published, root: undefined })
    // under the keys of this node, whichever the earlier one has
    const below =
      earlier && (yield* Merge.threeWay({ base: undefined, ours: Head.tree(vault, earlier), theirs: nothing }))
    const tree = yield* TreeEdit.edit(below?.root ?? nothing, readable)
    const from = [...(kept > 0 ? [hash] : []), ...(earlier === undefined ? [] : [earlier.hash])]
    const root = tree === undefined ? undefined : Snapshot.rootOf(tree)
    return from.length === 0 ? undefined : ({ published: { ...published, root }, from } satisfies Found)
  })

  return { lost, find }
}

/** What this device last had acknowledged for each source. */
const acknowledged = Effect.fnUntraced(function* (vault: Vault.Vault) {
  const state = yield* VaultState.VaultState
  return yield* Effect.forEach(yield* state.sources(vault.name), ({ folder }) =>
    state.record(vault.name, folder).pipe(
      // a record that is damaged tells nothing here; that source's own backup tells it
      Effect.catchIf(
        (error) => error.reason === "Damaged",
        () => Effect.succeed(undefined)
      ),
      Effect.map((record) => ({ folder, record }))
    )
  )
})

/** Lets a source begin anew: with its base, its next backup would take what the new head lacks for deleted by others. */
const startOver = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  folder: string,
  record: VaultState.SourceRecord | undefined
) {
  const state = yield* VaultState.VaultState
  for (const intent of yield* state.intents(vault.name, folder)) yield* state.forgetIntent(vault.name, folder, intent)
  if (record === undefined) return
  const { base: _, ...rest } = record
  yield* state.saveRecord(vault.name, folder, new VaultState.SourceRecord(rest))
})

const highest = (revisions: ReadonlyArray<bigint | undefined>): bigint =>
  revisions.reduce<bigint>((most, revision = 0n) => (revision > most ? revision : most), 0n)

/**
 * Publishes everything that can still be read: the trees of all entries in the registry and of what this device published
 * last, merged, under a revision above all that were ever seen. What cannot be read of a tree is as it was in the newest
 * whole snapshot before it. Nothing is published when the head is whole.
 *
 * A source whose files may be missing from the new head begins anew: its next backup reads and adds all of them.
 *
 * @since 0.1.0
 * @category programs
 */
export const repair = Effect.fn("Repair.repair")(function* (vault: Vault.Vault) {
  const state = yield* VaultState.VaultState
  const { find, lost } = reader(vault)
  const found = new Map<string, Found>()
  const take = Effect.fnUntraced(function* (hash: Hash.Hash) {
    const one = found.has(Hash.toHex(hash)) ? undefined : yield* find(hash)
    if (one !== undefined) found.set(Hash.toHex(hash), one)
  })
  const newest = () => {
    const all = [...found].map(([hex, one]) => ({ ...one, hex }))
    return all.filter((one) => !all.some((other) => other.hex !== one.hex && Head.contains(other.published, one.hex)))
  }

  const entries = yield* vault.registry.entries(vault.streamKey)
  const sources = yield* acknowledged(vault)
  const revision = highest(entries.map((entry) => entry.revision))
  const known = highest(sources.map(({ record }) => record?.revision))
  for (const { hash } of entries) yield* take(hash)
  if (lost.size === 0 && revision >= known && newest().length <= 1)
    return { revision: undefined, from: [], lost: [] } satisfies Result

  // what this device published last may be gone from the store, or be unknown to a registry that was made anew
  const last = yield* state.lastNode(vault.name)
  if (last !== undefined) {
    const hash = vault.primitives.blake3(last)
    yield* Mending.put(vault.blobs, hash, last)
    yield* take(hash)
  }
  if (found.size === 0)
    for (const { record } of sources) if (record !== undefined) yield* take(yield* Hash.fromHex(record.node))
  const chosen = newest()
  const heads = chosen.map(({ published }) => published)
  if (heads.length === 0) return yield* new NothingReadable({ vault: vault.name })
  const { tree } = yield* Ancestry.unite(vault, heads)

  const nodes = sources.flatMap(({ record }) => (record === undefined ? [] : [record.node]))
  const reached = yield* Snapshots.reached(vault, heads, nodes)
  for (const { folder, record } of sources)
    if (lost.size > 0 || record === undefined || !reached.has(record.node)) yield* startOver(vault, folder, record)
  const published = yield* Publish.replace(vault, tree.isEmpty ? undefined : Snapshot.rootOf(tree), {
    heads,
    entries,
    revision: highest([revision, known])
  })
  const from = new Map(chosen.flatMap((one) => one.from.map((id) => [Hash.toHex(id), id] as const)))
  return { revision: published.revision, from: [...from.values()], lost: [...lost.values()] } satisfies Result
})
