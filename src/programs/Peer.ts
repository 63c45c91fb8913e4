/**
 * The vault of another device, read from where that device publishes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { PublicKey } from "../schema/PublicKey.ts"
import type { RegistryEntry } from "../schema/RegistryEntry.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import type { VaultId } from "../schema/VaultId.ts"
import * as BlobStore from "../services/BlobStore.ts"
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

/** What cannot be written is a program's mistake. */
const readOnly = Effect.dieMessage("what peers are read from is not written to")

/**
 * Several places where a device publishes as one, to be read: the entries of the highest revision that any of them has. Those
 * that cannot be reached, or have something damaged, count only where no other answers; nobody sees less than was seen
 * before by that (`Options.atLeast`).
 *
 * @since 0.1.0
 * @category combinators
 */
export const newestOf = (registries: readonly [Registry.Service, ...ReadonlyArray<Registry.Service>]) => {
  const entries: Registry.Service["entries"] = Effect.fnUntraced(function* (key) {
    const answers = yield* Effect.forEach(registries, (registry) => Effect.either(registry.entries(key)), {
      concurrency: "unbounded"
    })
    const failures = answers.flatMap((answer) => (Either.isLeft(answer) ? [answer.left] : []))
    const [failure] = failures
    // a place that is damaged must not hide what another has, nor one that is away
    if (failure !== undefined && failures.length === answers.length) return yield* failure
    const found = new Map<string, RegistryEntry>()
    for (const answer of answers)
      if (Either.isRight(answer))
        for (const entry of answer.right) found.set(`${entry.revision} ${Hash.toHex(entry.hash)}`, entry)
    const highest = [...found.values()].reduce((most, { revision }) => (revision > most ? revision : most), 0n)
    return [...found.values()]
      .filter(({ revision }) => revision === highest)
      .sort((a, b) => Bytes.compare(b.hash, a.hash))
  })
  const service: Registry.Service = {
    name: registries.map(({ name }) => name).join(", "),
    entries,
    set: () => readOnly,
    changes: (key) => Stream.unwrap(Effect.map(entries(key), Stream.fromIterable))
  }
  return registries.length === 1 ? registries[0] : service
}

/**
 * Several stores as one: what the first does not give is read from the others in turn; everything else is the first's
 * alone. A blob is lost only where no store could not be reached, for that one may have it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const firstOf = (
  stores: readonly [BlobStore.Service, ...ReadonlyArray<BlobStore.Service>]
): BlobStore.Service => {
  const [first, ...others] = new Set(stores)
  if (first === undefined || others.length === 0) return stores[0]
  const get: BlobStore.Service["get"] = Effect.fnUntraced(function* (hash) {
    const failures: Array<BlobStore.BlobStoreError> = []
    for (const store of [first, ...others]) {
      const answer = yield* Effect.either(store.get(hash))
      if (Either.isRight(answer)) return answer.right
      failures.push(answer.left)
    }
    const [own] = failures
    const reason = failures.some((error) => error.reason === "Unavailable") ? "Unavailable" : own!.reason
    const detail = failures.map((error) => `${error.store}: ${error.detail}`).join("; ")
    return yield* new BlobStore.BlobStoreError({ ...own!, reason, detail })
  })
  return { ...first, get }
}
