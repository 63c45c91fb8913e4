/**
 * What the places say about an identity's own entries, and which of it counts.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Order from "effect/Order"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as Hash from "../schema/Hash.ts"
import type { Primitives } from "../schema/Primitives.ts"
import type { PublicKey } from "../schema/PublicKey.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as Values from "../schema/SpecialVault.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import type * as Places from "../services/Places.ts"
import * as SpecialVault from "./SpecialVault.ts"

/**
 * The identity that this device belongs to cannot be read or changed now.
 *
 * - `Unreachable`: the place that decides does not answer; trying again may help.
 * - `RolledBack`: every place that answers has less than this device has seen before.
 * - `NotForUs`: it is not sealed for this device.
 * - `Damaged`: what is published is not an identity.
 * - `Replaced`: another phrase is in force, which this device was not told of.
 * - `Contended`: others changed it again and again meanwhile.
 *
 * @since 0.1.0
 * @category errors
 */
export class IdentityError extends Schema.TaggedError<IdentityError>()("IdentityError", {
  reason: Schema.Literal("Unreachable", "RolledBack", "NotForUs", "Damaged", "Replaced", "Contended"),
  detail: Schema.String
}) {
  override get message() {
    return `identity: ${this.detail}`
  }
}

/** A place that answers. @since 0.1.0 @category models */
export interface Reached {
  readonly place: Places.Place
  /** What its registry holds, best first. */
  readonly entries: ReadonlyArray<RegistryEntry.RegistryEntry>
}

/** A published special vault together with the entry that names it. @since 0.1.0 @category models */
export interface Head extends SpecialVault.Published {
  readonly entry: RegistryEntry.RegistryEntry
  readonly place: Places.Place
}

/** A special vault as all reachable places together have it. @since 0.1.0 @category models */
export interface Current {
  /** Those that no other follows, best first; one, but where devices decide at different places. */
  readonly heads: readonly [Head, ...ReadonlyArray<Head>]
  /** What the heads come to. */
  readonly entries: Values.Entries
  /** The highest revision. */
  readonly revision: bigint
}

/** Where a special vault of a warm key is published. @since 0.1.0 @category conversions */
export const streamKey = (
  primitives: Primitives,
  warm: PublicKey,
  domain: keyof typeof Derivation.wellKnownDomain
): StreamKey.Vault => StreamKey.vault(warm, Derivation.wellKnownVaultId(primitives, Derivation.wellKnownDomain[domain]))

/** So long a place that only follows may take to answer. */
const patience = "15 seconds"

/** What each place answers, or why it does not. @since 0.1.0 @category programs */
export const ask = Effect.fnUntraced(function* (
  places: ReadonlyArray<Effect.Effect<Places.Place, { readonly message: string }>>,
  key: StreamKey.StreamKey
) {
  const answers = yield* Effect.forEach(
    places,
    (opened) =>
      Effect.gen(function* () {
        const place = yield* opened
        const reached: Reached = { place, entries: yield* place.registry.entries(key) }
        return reached
      }).pipe(
        Effect.timeoutFail({ duration: patience, onTimeout: () => ({ message: "no answer in time" }) }),
        Effect.mapError(({ message }) => message),
        Effect.either
      ),
    { concurrency: "unbounded" }
  )
  return answers
})

const better = Order.reverse(RegistryEntry.Order)

/** Older than every predecessor that a node can name. */
const isLongPast = (revision: bigint, newest: bigint) => newest - revision > BigInt(SpecialVault.maxHistory)

const sameEntry = (a: RegistryEntry.RegistryEntry, b: RegistryEntry.RegistryEntry) => Bytes.equals(a.hash, b.hash)

/**
 * The vault that the places' entries lead to; nothing where there are none. An entry that a better one follows is passed
 * over, so that a place which was left behind says nothing; what was written beside the best one is merged with it.
 *
 * @since 0.1.0
 * @category programs
 */
export const resolve = Effect.fnUntraced(function* (
  reached: ReadonlyArray<Reached>,
  identities: ReadonlyArray<Redacted.Redacted<string>>
) {
  const all = reached
    .flatMap(({ entries, place }) => entries.map((entry) => ({ entry, place })))
    .sort((a, b) => better(a.entry, b.entry))
  const newest = all[0]?.entry.revision
  if (newest === undefined) return undefined

  /** From the place that names it, else from any other: a store may have lost what it still points to. */
  const open = Effect.fnUntraced(function* (entry: RegistryEntry.RegistryEntry, named: Places.Place) {
    const places = [named, ...reached.map(({ place }) => place).filter((place) => place !== named)]
    let problem: { readonly _tag: string; readonly message: string; readonly reason?: unknown } | undefined
    for (const place of places) {
      const read = yield* Effect.either(SpecialVault.read(place.blobs, entry.hash, identities))
      if (Either.isRight(read)) return Either.right<Head>({ ...read.right, entry, place })
      problem ??= read.left
      if (read.left._tag === "EnvelopeError") problem = read.left
    }
    return Either.left(problem)
  })

  const heads: Array<Head> = []
  for (const { entry, place } of all) {
    if (isLongPast(entry.revision, newest)) break
    if (heads.some((head) => sameEntry(head.entry, entry) || SpecialVault.follows(head, entry.hash))) continue
    const opened = yield* open(entry, place)
    if (Either.isRight(opened)) {
      heads.push(opened.right)
      continue
    }
    // one beside a newer one that nobody can give back any more has nothing that could be kept
    if (heads.length > 0) {
      yield* Effect.logDebug(`identity: ${Hash.toShort(entry.hash)} of ${place.name}: ${opened.left?.message}`)
      continue
    }
    const isNotForUs = opened.left?._tag === "EnvelopeError" && opened.left.reason === "NotForUs"
    return yield* new IdentityError(
      isNotForUs
        ? { reason: "NotForUs", detail: "its newest secrets are not sealed for this device or phrase" }
        : {
            reason: opened.left?.reason === "Unavailable" ? "Unreachable" : "Damaged",
            detail: opened.left?.message ?? "nothing is there"
          }
    )
  }
  const [best, ...rivals] = heads
  if (best === undefined) return undefined
  let entries = Values.expand(best.entries)
  for (const rival of rivals) {
    const common = best.history.findLast((item) => SpecialVault.follows(rival, item.hash))
    let base: Values.Entries | undefined
    for (const { place } of common === undefined ? [] : reached) {
      if (base !== undefined || common === undefined) break
      // without it, nothing counts as removed
      const read = yield* Effect.option(SpecialVault.read(place.blobs, common.hash, identities))
      if (read._tag === "Some") base = Values.expand(read.value.entries)
    }
    entries = SpecialVault.merge(base, entries, Values.expand(rival.entries))
  }
  const current: Current = { heads: [best, ...rivals], entries: Values.collapse(entries), revision: newest }
  return current
})
