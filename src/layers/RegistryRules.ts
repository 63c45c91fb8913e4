/**
 * What every registry layer does the same: the checks of what comes in and goes out, the decision of a write, and the
 * stream of changes.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Primitives } from "../schema/Primitives.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import { RegistryError, SetOutcome } from "../services/Registry.ts"

/** An entry that a registry may keep, with its wire bytes. @since 0.1.0 @category models */
export interface Admitted {
  readonly entry: RegistryEntry.RegistryEntry
  readonly bytes: Uint8Array
}

/** The rules under one registry's name. @since 0.1.0 @category models */
export interface Rules {
  readonly error: (reason: RegistryError["reason"], key: StreamKey.StreamKey, detail: string) => RegistryError
  /** The entry if it is a registry message whose signature holds, looked at anew; otherwise `Refused`. */
  readonly admit: (entry: RegistryEntry.RegistryEntry) => Either.Either<Admitted, RegistryError>
  /** The verified entry that `bytes` found at `place` are, if it is one of `key`; otherwise `Corrupt`. */
  readonly decode: (
    key: StreamKey.StreamKey,
    bytes: Uint8Array,
    place: string
  ) => Either.Either<RegistryEntry.RegistryEntry, RegistryError>
  readonly stored: (detail?: string) => SetOutcome
  readonly lost: (current: RegistryEntry.RegistryEntry) => SetOutcome
}

/** The rules for the registry that people call `name`. @since 0.1.0 @category constructors */
export const make = (name: string, primitives: Primitives): Rules => {
  const error: Rules["error"] = (reason, key, detail) =>
    new RegistryError({ reason, registry: name, key: StreamKey.toHex(key), detail })
  return {
    error,
    admit: (entry) =>
      entry.type !== "registry"
        ? Either.left(error("Refused", entry.key, "only registry messages are kept, this is a stream message"))
        : Either.mapBoth(RegistryEntry.verify(primitives, entry), {
            onLeft: (problem) => error("Refused", entry.key, problem.message),
            onRight: (verified) => ({ entry: verified, bytes: RegistryEntry.toBytes(verified) })
          }),
    decode: (key, bytes, place) => {
      const corrupt = (problem: string) =>
        error(
          "Corrupt",
          key,
          `${place} is damaged (${problem}); nothing is written over it: put it back from a copy, or move it away if you ` +
            "accept that the newest entry may be forgotten"
        )
      return Either.mapLeft(RegistryEntry.fromBytes(primitives, bytes), (problem) => corrupt(problem.message)).pipe(
        Either.filterOrLeft(
          (entry) => StreamKey.equals(entry.key, key),
          (entry) => corrupt(`it is an entry of another key, ${StreamKey.toHex(entry.key)}`)
        ),
        Either.filterOrLeft(
          (entry) => entry.type === "registry",
          () => corrupt("it is a stream message")
        )
      )
    },
    stored: (detail) =>
      SetOutcome.Stored({
        verdicts: [{ registry: name, outcome: "stored", ...(detail === undefined ? {} : { detail }) }]
      }),
    lost: (current) =>
      SetOutcome.Lost({
        current,
        verdicts: [{ registry: name, outcome: "lost", detail: `revision ${current.revision} was there first` }]
      })
  }
}

/** What is to be done with a write. @since 0.1.0 @category models */
export type Decision = "write" | "same" | "lost"

/**
 * The compare-and-swap: `same` for the entry that is stored already, `write` over nothing or over an older one of `over`,
 * otherwise `lost`. Stricter than the write rule of docs/format/core.md §8, which overwrites anything older.
 *
 * @since 0.1.0
 * @category combinators
 */
export const decide = (
  stored: RegistryEntry.RegistryEntry | undefined,
  entry: RegistryEntry.RegistryEntry,
  over: ReadonlyArray<RegistryEntry.RegistryEntry>
): Decision => {
  if (stored === undefined) return "write"
  if (RegistryEntry.equals(stored, entry)) return "same"
  return entry.revision > stored.revision && over.some((one) => RegistryEntry.equals(one, stored)) ? "write" : "lost"
}

/**
 * What `newest` gives at each tick, when its revision is higher than what was given before. A tick that comes late or
 * stands for several changes loses only entries that were overtaken.
 *
 * @since 0.1.0
 * @category combinators
 */
export const rising = <T, E>(
  ticks: Stream.Stream<T, E>,
  newest: Effect.Effect<ReadonlyArray<RegistryEntry.RegistryEntry>, E>
): Stream.Stream<RegistryEntry.RegistryEntry, E> =>
  onlyRising(
    Stream.filterMap(
      Stream.mapEffect(ticks, () => newest),
      (entries) => Option.fromNullable(entries[0])
    )
  )

/** Those entries whose revision is higher than every one before. @since 0.1.0 @category combinators */
export const onlyRising = <E>(
  entries: Stream.Stream<RegistryEntry.RegistryEntry, E>
): Stream.Stream<RegistryEntry.RegistryEntry, E> =>
  entries.pipe(
    Stream.mapAccum(-1n, (highest, entry) =>
      entry.revision > highest ? [entry.revision, Option.some(entry)] : [highest, Option.none()]
    ),
    Stream.filterMap((entry) => entry)
  )
