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
import * as Head from "./Head.ts"
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
  built: { readonly entries: ReadonlyArray<RegistryEntry.RegistryEntry> }
) {
  const state = yield* VaultState.VaultState
  for (const { name } of vault.metaTargets)
    yield* state.addTodo(vault.name, { _tag: "Mirror", store: name, node: Hash.toHex(node) })
  if (built.entries.length === 0) yield* state.addTodo(vault.name, { _tag: "RecoveryEntry" })
})

/** The recovery entry of docs/format/node.md §1.8: where a holder of the vault's root finds a device's head. */
const writeRecoveryEntry = Effect.fnUntraced(function* (vault: Vault) {
  const seed = Derivation.recoverySigningSeed(vault.primitives, Redacted.value(vault.recoverySecret))
  const publicKey = PublicKey.unsafeFromBytes(vault.primitives.ed25519PublicKey(seed))
  const present = yield* vault.registry.entries(StreamKey.vault(publicKey, vault.id))
  if (present.length > 0) return
  const entry = yield* RegistryEntry.sign(vault.primitives, seed, {
    vaultId: vault.id,
    revision: 1n,
    hash: yield* Hash.fromBytes(vault.device.publicKey)
  })
  // lost to another device: its entry stands, and leads to the vault as well
  yield* vault.registry.set(entry, [])
})

/** Copies a published node to a meta target; one that never was published, or whose target is gone, has nothing to copy. */
const mirror = Effect.fnUntraced(function* (vault: Vault, store: string, hex: string) {
  const target = vault.metaTargets.find(({ name }) => name === store)
  const { heads } = yield* Head.current(vault)
  if (target === undefined || !heads.some((head) => Head.contains(head, hex))) return
  const hash = Either.getOrThrow(Hash.fromHex(hex))
  yield* target.put(hash, yield* vault.blobs.get(hash))
  yield* target.sync
})

/**
 * Does what is to be done for the vault, and answers what could not be; that stays on the list for the next run.
 *
 * @since 0.1.0
 * @category programs
 */
export const workOff = Effect.fn("Todos.workOff")(function* (vault: Vault) {
  const state = yield* VaultState.VaultState
  const pending: Array<VaultState.Todo> = []
  for (const todo of yield* state.todos(vault.name)) {
    const step: Effect.Effect<void, { readonly message: string }, Envelope.Envelope | VaultState.VaultState> =
      todo._tag === "Mirror" ? mirror(vault, todo.store, todo.node) : writeRecoveryEntry(vault)
    const isDone = yield* step.pipe(
      Effect.as(true),
      // nothing is lost: it stays on the list, and the caller is told
      Effect.catchAll((error) => Effect.as(Effect.logDebug(error.message), false))
    )
    if (isDone) yield* state.removeTodo(vault.name, todo)
    else pending.push(todo)
  }
  return pending
})
