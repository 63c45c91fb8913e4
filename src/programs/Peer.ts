/**
 * The vault of another device, read from where that device publishes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import type { PublicKey } from "../schema/PublicKey.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import type { VaultId } from "../schema/VaultId.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import * as Crypto from "../services/Crypto.ts"
import type * as Registry from "../services/Registry.ts"
import * as Head from "./Head.ts"
import type { Readable } from "./Vault.ts"

/** Which vault of which device, and where it is. @since 0.1.0 @category models */
export interface Options {
  /** What it is called here. */
  readonly name: string
  /** The key its device publishes under. */
  readonly publicKey: PublicKey
  readonly vaultId: VaultId
  readonly registry: Registry.Service
  readonly blobs: BlobStore.Service
  readonly identities: ReadonlyArray<Redacted.Redacted<string>>
  /** The highest revision seen before: anything lower is refused. */
  readonly atLeast: bigint
}

/** A peer's vault, with what it published last. @since 0.1.0 @category models */
export interface Loaded {
  readonly vault: Readable
  /** Nothing when nothing was published yet. */
  readonly head: Head.Head | undefined
}

/**
 * Loads the newest snapshot of a peer: its registry entry's signature, the hashes of all blobs, and that the node belongs to
 * the vault `vaultId` (by the secret in its slot 0x12) are verified; a revision below `atLeast` is `RolledBack`.
 *
 * @since 0.1.0
 * @category programs
 */
export const load = Effect.fn("Peer.load")(function* (options: Options) {
  const { primitives } = yield* Crypto.Crypto
  const { atLeast, blobs, identities, name, publicKey, registry, vaultId } = options
  const under = (context: TraversalContext.TraversalContext): Readable => ({
    name,
    id: vaultId,
    isAttached: true,
    streamKey: StreamKey.vault(publicKey, vaultId),
    identities,
    blobs,
    registry,
    primitives,
    pipeline: Pipeline.make({ primitives, blobs, context, cache: NodeCache.make() })
  })
  // the keys of its trees are in the node that is read first
  const head = yield* Head.newest(under(TraversalContext.empty), atLeast)
  const loaded: Loaded = { vault: under(head?.node.context ?? TraversalContext.empty), head }
  return loaded
})
