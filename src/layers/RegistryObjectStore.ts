/**
 * A registry in an object store: a chain of claims, and the reference's `registry/<key>` as a projection of its end.
 *
 * **Why this is a compare-and-swap.** A claim is an object that is made by `ObjectStore.create`, which answers `true` to
 * one caller ever, and is never changed or removed. The first claim of a key goes to slot 0, any other to the slot *one
 * above the revision of the entry that it follows*, so all who build on one entry compete for one object and one wins:
 * every claim has at most one successor, and the claims are one chain. Revisions rise along it, hence slots do, too, and
 * no two entries lead to the same slot. A write that was decided on an entry that has been followed meanwhile, however
 * late it comes, finds its slot taken and is `Lost`. The newest entry is the end of the chain, which is reached from any of
 * its claims by going from slot to slot until one is missing. So where the search starts does not matter:
 *
 * - The projection is written after the claim. A crash between the two, or a late writer's old bytes, leave a projection
 *   that is some earlier entry of the chain: a start like any other. If it is missing or damaged, the start is the highest
 *   slot in the listing.
 * - A lost answer to `create` is answered by trying again: the end of the chain is then the very entry, which is `Stored`.
 * - Before a slot is claimed the claim below it is made durable, so a power cut leaves no hole in the chain.
 *
 * The reference writes the projection alone, without asking. Such an entry (in no claim, its revision not below the
 * chain's end) is held beside the end, and what is written must have been built on both. Two programs of which one never
 * claims cannot be atomic, so this narrows the reference's race and does not close it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import { Crypto } from "../services/Crypto.ts"
import * as ObjectStore from "../services/ObjectStore.ts"
import * as Registry from "../services/Registry.ts"
import * as RegistryRules from "./RegistryRules.ts"
import * as RegistryS3 from "./RegistryS3.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** What people call it; the store's name when absent. */
  readonly name?: string
  /** The folder of the entries; `registry` when absent, as in the reference (docs/format/core.md §9.3). */
  readonly prefix?: string
  /** How often `changes` looks; 5 seconds when absent. */
  readonly pollEvery?: Duration.DurationInput
}

/** One link of the chain. */
interface Claim {
  readonly slot: bigint
  readonly entry: RegistryEntry.RegistryEntry
}

interface Held {
  /** The end of the chain. */
  readonly end: Claim | undefined
  /** An entry that only the projection has and that is not older than the end. */
  readonly unclaimed: RegistryEntry.RegistryEntry | undefined
  readonly projected: boolean
}

/** More than any entry has (docs/format/core.md §7.3): whatever somebody puts there, no more of it comes into memory. */
const longestRead = 1024

const slotDigits = 20
const slotName = /^[0-9]{20}$/
const bestFirst = Order.reverse(RegistryEntry.Order)

/**
 * A registry in `objects`; where the store is a compare-and-swap by itself, as a bucket is, the one of `RegistryS3`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service, options: Options = {}) {
  // never two ways in one store: they would not see each other
  if (objects.versions !== undefined) return yield* RegistryS3.make({ ...objects, versions: objects.versions }, options)
  const { primitives } = yield* Crypto
  const { name = objects.name, prefix = "registry", pollEvery = Duration.seconds(5) } = options
  const rules = RegistryRules.make(name, primitives)

  const projectionPath = (key: StreamKey.StreamKey) => `${prefix}/${StreamKey.toHex(key)}`
  const claimsPath = (key: StreamKey.StreamKey) => `${prefix}/.claims/${StreamKey.toHex(key)}/`
  const claimPath = (key: StreamKey.StreamKey, slot: bigint) =>
    claimsPath(key) + slot.toString().padStart(slotDigits, "0")

  const failed = (key: StreamKey.StreamKey) => (error: ObjectStore.ObjectStoreError) => {
    const { reason } = error
    return rules.error(
      reason === "Full" || reason === "Denied" ? reason : reason === "BadPath" ? "Denied" : "Unavailable",
      key,
      error.message
    )
  }

  /** Only the store's own "there is none" is nothing; every other failure is one. */
  const read = (key: StreamKey.StreamKey, path: string) =>
    objects.get(path, { offset: 0, length: longestRead }).pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchIf(
        (error) => error.reason === "NotFound",
        () => Effect.succeed(undefined)
      ),
      Effect.mapError(failed(key))
    )

  const claimAt = Effect.fnUntraced(function* (key: StreamKey.StreamKey, slot: bigint) {
    const path = claimPath(key, slot)
    const bytes = yield* read(key, path)
    if (bytes === undefined) return undefined
    const entry = yield* rules.decode(key, bytes, path)
    if (entry.revision < slot) {
      return yield* rules.error(
        "Corrupt",
        key,
        `${path} holds revision ${entry.revision}, which cannot be in that slot`
      )
    }
    return { slot, entry }
  })

  /** The end of the chain that `claim` is part of. */
  const follow = Effect.fnUntraced(function* (key: StreamKey.StreamKey, claim: Claim) {
    let end = claim
    for (;;) {
      const next: Claim | undefined = yield* claimAt(key, end.entry.revision + 1n)
      if (next === undefined) return end
      end = next
    }
  })

  /** The end of the chain without knowing any of its claims. */
  const fromListing = Effect.fnUntraced(function* (key: StreamKey.StreamKey) {
    const folder = claimsPath(key)
    const highest = yield* objects.list(folder).pipe(
      Stream.map((path) => path.slice(folder.length)),
      // nothing is lost: no other name is ever a claim's
      Stream.filter((slot) => slotName.test(slot)),
      Stream.runFold(-1n, (most, slot) => (BigInt(slot) > most ? BigInt(slot) : most)),
      Effect.mapError(failed(key))
    )
    if (highest < 0n) return undefined
    const claim = yield* claimAt(key, highest)
    if (claim !== undefined) return yield* follow(key, claim)
    return yield* rules.error("Unavailable", key, `${claimPath(key, highest)} is listed, but cannot be read`)
  })

  const look = Effect.fnUntraced(function* (key: StreamKey.StreamKey) {
    const path = projectionPath(key)
    const bytes = yield* read(key, path)
    const projection = bytes === undefined ? undefined : rules.decode(key, bytes, path)
    const entry = projection !== undefined && Either.isRight(projection) ? projection.right : undefined
    if (entry !== undefined) {
      const start = yield* claimAt(key, entry.revision)
      if (start !== undefined && RegistryEntry.equals(start.entry, entry)) {
        const end = yield* follow(key, start)
        return { end, unclaimed: undefined, projected: end === start } satisfies Held
      }
    }
    const end = yield* fromListing(key)
    // without a claim the projection is all there is, so a damaged one hides what may be newer than anything written now
    if (end === undefined && projection !== undefined && Either.isLeft(projection)) return yield* projection.left
    const projected = entry !== undefined && end !== undefined && RegistryEntry.equals(end.entry, entry)
    const older = entry === undefined || (end !== undefined && entry.revision < end.entry.revision)
    return { end, unclaimed: projected || older ? undefined : entry, projected } satisfies Held
  })

  /** Writes the projection, again for as long as the chain has grown meanwhile. */
  const project = Effect.fnUntraced(function* (key: StreamKey.StreamKey, claim: Claim) {
    let last: Claim
    let end = claim
    do {
      last = end
      yield* Effect.mapError(objects.put(projectionPath(key), RegistryEntry.toBytes(last.entry)), failed(key))
      end = yield* follow(key, last)
    } while (end !== last)
    yield* Effect.mapError(objects.sync, failed(key))
  })

  /** Makes a claim durable that was found, whoever wrote it. */
  const secure = (key: StreamKey.StreamKey, claim: Claim) =>
    objects.size(claimPath(key, claim.slot)).pipe(Effect.zipRight(objects.sync), Effect.mapError(failed(key)))

  const entries: Registry.Service["entries"] = Effect.fnUntraced(function* (key) {
    const { end, unclaimed, projected } = yield* look(key)
    if (end !== undefined && unclaimed === undefined && !projected) {
      // nothing is lost: the claim is the truth, and whoever reads next tries again
      yield* Effect.catchAll(project(key, end), (error) => Effect.logDebug("the projection is behind", error))
    }
    const held = [end?.entry, unclaimed].filter((entry) => entry !== undefined)
    return held.sort(bestFirst)
  })

  /** The claim is made and durable, so the entry is stored whatever becomes of the projection. */
  const announce = (key: StreamKey.StreamKey, claim: Claim) =>
    project(key, claim).pipe(
      Effect.as(rules.stored()),
      Effect.catchAll((error) =>
        Effect.as(
          Effect.logWarning("an entry is stored, but other programs do not see it yet", error),
          rules.stored(`claimed; ${projectionPath(key)} is not up to date: ${error.detail}`)
        )
      )
    )

  const swap = Effect.fnUntraced(function* (
    { entry, bytes }: RegistryRules.Admitted,
    over: ReadonlyArray<RegistryEntry.RegistryEntry>
  ) {
    const { key } = entry
    // goes round again only when another writer took the slot, so somebody always gets ahead
    for (;;) {
      const { end, unclaimed } = yield* look(key)
      if (end !== undefined && RegistryEntry.equals(end.entry, entry)) {
        yield* secure(key, end)
        const mayProject = unclaimed === undefined || RegistryRules.decide(unclaimed, entry, over) !== "lost"
        return mayProject ? yield* announce(key, end) : rules.stored()
      }
      for (const stored of [end?.entry, unclaimed]) {
        if (stored !== undefined && RegistryRules.decide(stored, entry, over) === "lost") return rules.lost(stored)
      }
      if (end !== undefined) yield* secure(key, end)
      const slot = end === undefined ? 0n : end.entry.revision + 1n
      if (yield* Effect.mapError(objects.create(claimPath(key, slot), bytes), failed(key))) {
        return yield* announce(key, { slot, entry })
      }
      if ((yield* claimAt(key, slot)) === undefined) {
        return yield* rules.error("Unavailable", key, `${claimPath(key, slot)} is taken, but cannot be read`)
      }
    }
  })

  return Registry.Registry.of({
    name,
    entries,
    set: (entry, over) => Effect.flatMap(rules.admit(entry), (admitted) => swap(admitted, over)),
    changes: (key) => RegistryRules.rising(Stream.tick(pollEvery), entries(key))
  })
})

/** @since 0.1.0 @category layers */
export const layer = (options: Options = {}): Layer.Layer<Registry.Registry, never, Crypto | ObjectStore.ObjectStore> =>
  Layer.effect(
    Registry.Registry,
    Effect.flatMap(ObjectStore.ObjectStore, (objects) => make(objects, options))
  )
