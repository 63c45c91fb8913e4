/**
 * What has to be done after a publication, and is tried until it is.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
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
 * Remembers, before the head moves to `node`, what has to follow: its copies in the meta targets, and with the first
 * publication the recovery entry. A crash right after the move then forgets nothing.
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

/** Remembers the stores that turn out not to hold all of the vault: they were configured later, or have lost something. */
const notice = Effect.fnUntraced(function* (vault: Vault) {
  const state = yield* VaultState.VaultState
  for (const store of vault.stores ?? [])
    if (yield* Copying.isIncomplete(vault, store)) yield* state.addTodo(vault.name, { _tag: "Copy", store: store.name })
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
    case "Copy":
      return fill(vault, todo)
  }
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
  // nothing is lost where this fails: the next run asks again
  yield* Effect.ignore(notice(vault))
  for (const todo of yield* state.todos(vault.name)) {
    // whether it is done for good, which it is not for as long as its publication may still come
    const step = stepOf(vault, todo)
    const ended = yield* Effect.either(step)
    if (Either.isRight(ended) && ended.right) yield* state.removeTodo(vault.name, todo)
    if (Either.isRight(ended)) continue
    // nothing is lost: it stays on the list, and the caller is told
    yield* Effect.logDebug(ended.left.message)
    pending.push(todo)
  }
  return pending
})
