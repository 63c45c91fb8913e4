/**
 * Attached vaults of other devices, opened where they are.
 *
 * @since 0.1.0
 */
import { readdir } from "node:fs/promises"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as BlobStorePacked from "../layers/BlobStorePacked.ts"
import { identities } from "../layers/IdentityFile.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as PackIndexMemory from "../layers/PackIndexMemory.ts"
import * as RegistryObjectStore from "../layers/RegistryObjectStore.ts"
import * as Peer from "../programs/Peer.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as VaultId from "../schema/VaultId.ts"
import * as Crypto from "../services/Crypto.ts"
import * as VaultState from "../services/VaultState.ts"

/** The folder of an attached vault is not there. @since 0.1.0 @category errors */
export class StoreAbsent extends Data.TaggedError("StoreAbsent")<{ readonly folder: string; readonly detail: string }> {
  override get message() {
    return `store ${this.folder}: ${this.detail}; if it is on a drive or a share, connect that first`
  }
}

const open = Effect.fnUntraced(function* (name: string, peer: VaultState.Peer, atLeast: bigint) {
  const { primitives } = yield* Crypto.Crypto
  // an absent folder would look like one in which nothing was published
  yield* Effect.tryPromise({
    try: () => readdir(peer.store),
    catch: (cause) =>
      new StoreAbsent({ folder: peer.store, detail: cause instanceof Error ? cause.message : "it cannot be read" })
  })
  const objects = yield* ObjectStoreFs.make({ directory: peer.store, name, readOnly: true })
  return yield* Peer.load({
    name,
    publicKey: Either.getOrThrow(PublicKey.fromHex(peer.device)),
    vaultId: Either.getOrThrow(VaultId.fromHex(peer.vaultId)),
    registry: yield* RegistryObjectStore.make(objects, { name }),
    blobs: yield* BlobStorePacked.make({ objects, index: yield* PackIndexMemory.make(), primitives }),
    identities: yield* identities(peer.identity),
    atLeast
  })
})

/** Loads the attached vault `name`, never older than it was seen before, and remembers the revision that it is at. @since 0.1.0 @category programs */
export const load = Effect.fnUntraced(function* (name: string, peer: VaultState.Peer) {
  const state = yield* VaultState.VaultState
  const loaded = yield* open(name, peer, yield* state.seen(name))
  if (loaded.head !== undefined && (yield* state.peer(name)) !== undefined)
    yield* state.saveSeen(name, loaded.head.entry.revision)
  return loaded
})

/** What an attached vault publishes now, however old it is. @since 0.1.0 @category programs */
export const inspect = (name: string, peer: VaultState.Peer) => Effect.map(open(name, peer, 0n), ({ head }) => head)
