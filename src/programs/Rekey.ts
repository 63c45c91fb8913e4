/**
 * New keys for what a vault publishes from now on, after somebody who has the old ones was removed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Merge from "../fs5/Merge.ts"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import type * as TraversalContext from "../schema/TraversalContext.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Envelope from "../services/Envelope.ts"
import * as VaultSettings from "../services/VaultSettings.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Ancestry from "./Ancestry.ts"
import * as Head from "./Head.ts"
import * as Publish from "./Publish.ts"
import * as Salvage from "./Salvage.ts"
import * as Todos from "./Todos.ts"
import * as Vault from "./Vault.ts"

/** The first slot that is given out here: those before it have a meaning (docs/format/fs5.md §1). */
const firstSlot = 0x20

/** Slots are one byte, and none is ever used again: what is stored under its key stays so. */
const endOfSlots = 0x100

/** A vault whose key slots are all taken: it cannot be given new keys. @since 0.1.0 @category errors */
export class NoKeySlot extends Schema.TaggedError<NoKeySlot>()("NoKeySlot", { vault: Schema.String }) {
  override get message() {
    return `vault ${this.vault}: its ${endOfSlots - firstSlot} key slots are taken, so it can get no new keys; back its sources up into a new vault (\`cairn backup FOLDER NEW:\`), and keep this one for what it has`
  }
}

/** The context with a new master for leaves and one for nodes under slots that it does not use; the old keys stay in it. */
const fresh = Effect.fnUntraced(function* (vault: string, context: TraversalContext.TraversalContext) {
  const { randomBytes } = yield* Crypto.Crypto
  const keys = new Map(context.keys ?? [])
  const free = Array.from({ length: endOfSlots - firstSlot }, (_, index) => firstSlot + index).filter(
    (slot) => !keys.has(slot)
  )
  const take = Effect.gen(function* () {
    // drawn, so that two devices that do this at once do not meet in one slot
    const [drawn = 0] = yield* randomBytes(1)
    const [slot] = free.splice((drawn * free.length) >> 8, 1)
    if (slot === undefined) return yield* new NoKeySlot({ vault })
    keys.set(slot, yield* randomBytes(Hash.length))
    return slot
  })
  const under = (pipeline: TraversalContext.BlobPipeline | undefined, slot: number): TraversalContext.BlobPipeline => ({
    ...pipeline,
    encryption: { strategy: pipeline?.encryption?.strategy ?? "deterministic_chacha20", slot }
  })
  const next: TraversalContext.TraversalContext = {
    ...context,
    keys,
    leaf: under(context.leaf, yield* take),
    node: under(context.node, yield* take)
  }
  return next
})

/** What was done. @since 0.1.0 @category models */
export interface Result {
  /** Nothing where the vault was never published. */
  readonly revision: bigint | undefined
}

/**
 * Gives the vault new keys for leaves and nodes, and publishes its tree with every node written anew under them, sealed for
 * its present recipients. Content stays as it is stored: its keys are in the new tree, for whoever may read that.
 *
 * The old keys stay in the vault's own record too, so that every snapshot can be read. After an interruption it may be run
 * again; a backup in between publishes under the old keys or the new ones, and loses nothing. `wanted` is a context that
 * has all keys of the old one, in place of a new one; without it, and with fewer than two slots left, it is `NoKeySlot`.
 *
 * @since 0.1.0
 * @category programs
 */
export const rekey = Effect.fn("Rekey.rekey")(function* (
  vault: Vault.Vault,
  wanted?: TraversalContext.TraversalContext
) {
  const { primitives } = vault
  const envelope = yield* Envelope.Envelope
  const state = yield* VaultState.VaultState
  const context = wanted ?? (yield* fresh(vault.name, vault.context))
  const next: Vault.Vault = {
    ...vault,
    context,
    pipeline: Pipeline.make({ primitives, blobs: vault.blobs, context, cache: NodeCache.make() })
  }
  const carryOver = Effect.fnUntraced(function* (root: TreeReader.Root | undefined) {
    const { root: moved } = yield* Merge.threeWay({
      base: undefined,
      ours: Vault.snapshot(vault, root),
      theirs: Vault.snapshot(next, undefined)
    })
    return moved === undefined ? undefined : Snapshot.rootOf(moved)
  })

  // what sources had acknowledged is read by the vault's own keys, so it is written anew before those change
  const records: Array<{ readonly folder: string; readonly record: VaultState.SourceRecord }> = []
  for (const { folder } of yield* state.sources(vault.name)) {
    const record = yield* state.record(vault.name, folder)
    if (record === undefined) continue
    const carried = yield* Effect.either(carryOver(Vault.rootFromRecord(record.base)))
    if (Either.isLeft(carried)) {
      if (!Salvage.isDamage(carried.left)) return yield* Effect.fail(carried.left)
      // under keys of before a run that was cut short, or lost: the source's next backup goes on without it and deletes nothing
      continue
    }
    const base = Vault.rootToRecord(carried.right)
    const { base: _, ...rest } = record
    records.push({ folder, record: new VaultState.SourceRecord({ ...rest, ...(base === undefined ? {} : { base }) }) })
  }
  yield* vault.blobs.sync
  const { keyRecipient = vault.device.recipient } = yield* (yield* VaultSettings.VaultSettings).settings(vault.name)
  const own = TransparentNode.make({ root: Hash.zero, context, history: [] })
  yield* state.replaceKeys(vault.name, yield* envelope.seal([keyRecipient], TransparentNode.encode(own)))
  for (const { folder, record } of records) yield* state.saveRecord(vault.name, folder, record)

  const attempt = Effect.gen(function* () {
    const current = yield* Head.current(next)
    if (current.heads.length === 0) return undefined
    const { tree } = yield* Ancestry.unite(next, current.heads)
    return (yield* Publish.replace(next, tree.isEmpty ? undefined : Snapshot.rootOf(tree), current)).revision
  })
  const revision = yield* Effect.retry(attempt, {
    schedule: Publish.backoff,
    while: (error) =>
      error._tag === "PublishContended" ||
      ((error._tag === "RegistryError" || error._tag === "BlobStoreError") &&
        (error.reason === "Unavailable" || error.reason === "Unreached"))
  })
  yield* Todos.workOff(next)
  const result: Result = { revision }
  return result
})

const keyOf = ({ keys }: TraversalContext.TraversalContext, slot: number | undefined) =>
  slot === undefined ? undefined : keys?.get(slot)

/**
 * The keys that another device has given the vault since, if its head has some that came after this device's own: it has
 * all of these, and writes with others.
 *
 * @since 0.1.0
 * @category accessors
 */
export const successor = (
  own: TraversalContext.TraversalContext,
  heads: ReadonlyArray<Head.Published>
): TraversalContext.TraversalContext | undefined =>
  heads
    .map(({ node }) => node.context)
    .find((context) => {
      const hasAll = [...(own.keys ?? [])].every(([slot, key]) => {
        const other = keyOf(context, slot)
        return other !== undefined && Bytes.equals(other, key)
      })
      const slots = [context.leaf?.encryption?.slot, context.node?.encryption?.slot]
      return hasAll && slots.every((slot) => slot !== undefined && keyOf(own, slot) === undefined)
    })

/**
 * The one of the heads whose vault has the newest keys, for a device that has none yet.
 *
 * @since 0.1.0
 * @category accessors
 */
export const newest = <A extends Head.Published>(heads: ReadonlyArray<A>): A | undefined =>
  heads.reduce<A | undefined>(
    (best, head) => (best === undefined || successor(best.node.context, [head]) !== undefined ? head : best),
    undefined
  )
