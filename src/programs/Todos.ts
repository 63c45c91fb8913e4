/**
 * What has to be done after a publication, and is tried until it is.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Bytes from "../schema/Bytes.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as Hash from "../schema/Hash.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import type * as Envelope from "../services/Envelope.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Copying from "./Copying.ts"
import * as Head from "./Head.ts"
import * as Snapshots from "./Snapshots.ts"
import type { Vault } from "./Vault.ts"

/**
 * Remembers, before the head moves to `node`, what has to follow: its copies in the meta targets, the head itself in the
 * places that keep the vault, and with the first publication the recovery entry. A crash right after the move then forgets nothing.
 *
 * @since 0.1.0
 * @category programs
 */
export const plan = Effect.fnUntraced(function* (
  vault: Vault,
  node: Hash.Hash,
  built: Pick<Head.Current, "entries" | "revision">
) {
  const state = yield* VaultState.VaultState
  for (const { name } of vault.metaTargets)
    yield* state.addTodo(vault.name, {
      _tag: "Mirror",
      store: name,
      node: Hash.toHex(node),
      revision: built.revision + 1n
    })
  for (const { name } of vault.registries ?? [])
    yield* state.addTodo(vault.name, { _tag: "Head", store: name, revision: built.revision + 1n })
  if (built.entries.length === 0) yield* state.addTodo(vault.name, { _tag: "RecoveryEntry" })
})

/** The recovery entry of docs/format/node.md §1.8: where a holder of the vault's root finds a device's head. */
const writeRecoveryEntry = Effect.fnUntraced(function* (vault: Vault) {
  const seed = Derivation.recoverySigningSeed(vault.primitives, Redacted.value(vault.recoverySecret))
  const publicKey = PublicKey.unsafeFromBytes(vault.primitives.ed25519PublicKey(seed))
  const present = yield* vault.registry.entries(StreamKey.vault(publicKey, vault.id))
  if (present.length > 0) return true
  const entry = yield* RegistryEntry.sign(vault.primitives, seed, {
    vaultId: vault.id,
    revision: 1n,
    hash: yield* Hash.fromBytes(vault.device.publicKey)
  })
  // lost to another device: its entry stands, and leads to the vault as well
  yield* vault.registry.set(entry, [])
  return true
})

/** Copies a published node to a meta target; one that was never published, or whose target is gone, has nothing to copy. */
const mirror = Effect.fnUntraced(function* (vault: Vault, todo: Extract<VaultState.Todo, { readonly _tag: "Mirror" }>) {
  const target = vault.metaTargets.find(({ name }) => name === todo.store)
  if (target === undefined) return true
  const { heads, revision } = yield* Head.current(vault)
  const reached = yield* Snapshots.reached(vault, heads, [todo.node])
  // one that may still win its compare-and-swap belongs to a run that is alive
  if (!reached.has(todo.node)) return revision >= todo.revision
  const hash = Either.getOrThrow(Hash.fromHex(todo.node))
  yield* target.put(hash, yield* vault.blobs.get(hash))
  yield* target.sync
  return true
})

const newestOf = (entries: ReadonlyArray<RegistryEntry.RegistryEntry>): RegistryEntry.RegistryEntry | undefined =>
  entries.reduce<RegistryEntry.RegistryEntry | undefined>(
    (newest, entry) => (newest === undefined || entry.revision > newest.revision ? entry : newest),
    undefined
  )

/**
 * Remembers the stores that turn out not to hold all of the vault, and the places that do not lead to its head: they were
 * configured later, or have lost something.
 */
const notice = Effect.fnUntraced(function* (vault: Vault) {
  const state = yield* VaultState.VaultState
  const held = newestOf(yield* vault.registry.entries(vault.streamKey))
  if (held === undefined) return
  const stores = (vault.stores ?? []).map((store) =>
    Effect.flatMap(Copying.isIncomplete(vault, store), (isIncomplete) =>
      isIncomplete ? state.addTodo(vault.name, { _tag: "Copy", store: store.name }) : Effect.void
    )
  )
  const places = (vault.registries ?? []).map((registry) =>
    Effect.flatMap(registry.entries(vault.streamKey), (entries) =>
      (newestOf(entries)?.revision ?? 0n) < held.revision
        ? state.addTodo(vault.name, { _tag: "Head", store: registry.name, revision: held.revision })
        : Effect.void
    )
  )
  // nothing is lost where one fails: the next run asks again, and the others are asked now
  yield* Effect.forEach([...stores, ...places], (look) => Effect.ignore(look), { concurrency: 8, discard: true })
})

/** A place has a head of this device that is not the one its registry leads to. */
class HeadAhead extends Data.TaggedError("HeadAhead")<{
  readonly vault: string
  readonly store: string
  readonly revision: bigint
  readonly ours: bigint
}> {
  override get message() {
    return `vault ${this.vault}: store ${this.store} has this device's head at revision ${this.revision}, and here it is at ${this.ours}: the registry here was restored from an old copy; \`cairn pull ${this.vault}:\` brings both together`
  }
}

/** Those of the nodes that the vault's heads contain. */
const reachedNow = (vault: Vault, nodes: ReadonlyArray<string>) =>
  Effect.flatMap(Head.current(vault), ({ heads }) => Snapshots.reached(vault, heads, nodes))

/**
 * Copies the head to the registry of a place, over entries of a lower revision that come before it, once the place holds what it leads to.
 * A place that is none of the vault's any more has nothing to get.
 */
const mirrorHead = Effect.fnUntraced(function* (
  vault: Vault,
  todo: Extract<VaultState.Todo, { readonly _tag: "Head" }>
) {
  const registry = vault.registries?.find(({ name }) => name === todo.store)
  if (registry === undefined) return true
  const head = newestOf(yield* vault.registry.entries(vault.streamKey))
  // one that may still win its compare-and-swap belongs to a run that is alive
  if (head === undefined || head.revision < todo.revision) return false
  // nobody is led to what is not there: the copy is on the list, too
  const store = vault.stores?.find(({ name }) => name === todo.store)
  if (store !== undefined && !(yield* store.has(head.hash))) return false
  for (;;) {
    const held = yield* registry.entries(vault.streamKey)
    const there = newestOf(held)
    const isSame = there !== undefined && Bytes.equals(there.hash, head.hash)
    if (there !== undefined && there.revision >= head.revision && !(isSame && there.revision === head.revision)) {
      // another run of this device was faster with a newer head
      const newest = newestOf(yield* vault.registry.entries(vault.streamKey))
      if (newest !== undefined && newest.revision >= there.revision && newest.revision > head.revision) return true
      return yield* new HeadAhead({
        vault: vault.name,
        store: todo.store,
        revision: there.revision,
        ours: head.revision
      })
    }
    // a lower one may be what this device published before its registry was put back: others have read it
    const others = held.filter(({ hash }) => !Bytes.equals(hash, head.hash)).map(({ hash }) => Hash.toHex(hash))
    const known = others.length === 0 ? new Set() : yield* reachedNow(vault, others)
    if (others.some((hash) => !known.has(hash)))
      return yield* new HeadAhead({
        vault: vault.name,
        store: todo.store,
        revision: there?.revision ?? 0n,
        ours: head.revision
      })
    const outcome = yield* Effect.catchIf(
      registry.set(head, held),
      ({ reason }) => reason === "Unsupported",
      // nothing is lost: the place keeps blobs and can keep no entry, so that there is nothing to wait for
      () => Effect.succeed(undefined)
    )
    // what is there changes only upwards, so this ends
    if (outcome === undefined || outcome._tag === "Stored") return true
  }
})

/** Copies all of the vault to a store of it; one that is none any more has nothing to get. */
const fill = Effect.fnUntraced(function* (vault: Vault, todo: Extract<VaultState.Todo, { readonly _tag: "Copy" }>) {
  const store = vault.stores?.find(({ name }) => name === todo.store)
  if (store !== undefined) yield* Copying.copy(vault, store)
  return true
})

const stepOf = (
  vault: Vault,
  todo: VaultState.Todo
): Effect.Effect<boolean, { readonly message: string }, Envelope.Envelope | VaultState.VaultState> => {
  switch (todo._tag) {
    case "Mirror":
      return mirror(vault, todo)
    case "RecoveryEntry":
      return writeRecoveryEntry(vault)
    case "Head":
      return mirrorHead(vault, todo)
    case "Copy":
      return fill(vault, todo)
  }
}

/** The list in the order of working: whole copies before the heads that lead to them, newer heads before older ones. */
const inOrder = (todos: ReadonlyArray<VaultState.Todo>): ReadonlyArray<VaultState.Todo> => {
  const heads = todos.filter((todo) => todo._tag === "Head")
  const others = todos.filter((todo) => todo._tag !== "Head")
  return [...others, ...heads.sort((a, b) => (a.revision < b.revision ? 1 : -1))]
}

/**
 * Does what is to be done for the vault, and answers what could not be; that stays on the list for the next run.
 *
 * @since 0.1.0
 * @category programs
 */
export const workOff = Effect.fn("Todos.workOff")(function* (vault: Vault) {
  const state = yield* VaultState.VaultState
  const pending: Array<VaultState.Todo> = []
  // the places whose newest head is settled, or cannot be now: an older one has nothing to add
  const led = new Map<string, "done" | "failed">()
  // nothing is lost where this fails: the next run asks again
  yield* Effect.ignore(notice(vault))
  for (const todo of inOrder(yield* state.todos(vault.name))) {
    const before = todo._tag === "Head" ? led.get(todo.store) : undefined
    if (before === "done") yield* state.removeTodo(vault.name, todo)
    if (before !== undefined) continue
    // whether it is done for good, which it is not for as long as its publication may still come
    const ended = yield* Effect.either(stepOf(vault, todo))
    const isDone = Either.isRight(ended) && ended.right
    if (isDone) yield* state.removeTodo(vault.name, todo)
    if (todo._tag === "Head" && (isDone || Either.isLeft(ended))) led.set(todo.store, isDone ? "done" : "failed")
    if (Either.isRight(ended)) continue
    // nothing is lost: it stays on the list, and the caller is told
    yield* Effect.logDebug(ended.left.message)
    pending.push(todo)
  }
  return pending
})
