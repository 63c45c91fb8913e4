/**
 * Several registries as one, under a write policy.
 *
 * A write goes to the backends in the configured order and stops at the first that has a rival. So writers that meet
 * compete at the same backend first, and its winner is not disturbed at the others. A read must reach so many backends
 * that it meets every write that was acknowledged: N − w + 1 of N, when a write needs w.
 *
 * A write that ends in between leaves its entry at some backends. Readers get it, and whoever acknowledges what it holds
 * must confirm it first. A backend that fell behind is caught up by the next write, whose `over` names what the backend holds. There is no other
 * repair: an entry may only be overwritten by one that was built on it, and only the publisher can see that.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import type * as StreamKey from "../schema/StreamKey.ts"
import * as WritePolicy from "../schema/WritePolicy.ts"
import { Crypto } from "../services/Crypto.ts"
import * as Registry from "../services/Registry.ts"
import * as RegistryRules from "./RegistryRules.ts"

/** How many backends must have stored an entry before it is acknowledged. @since 0.1.0 @category models */
export type Policy = WritePolicy.WritePolicy

/** The policy of `all`, `any` or `quorum:<n>` for that many backends (docs/format/core.md §9.4). @since 0.1.0 @category conversions */
export const parsePolicy = WritePolicy.parse

/** How many of `backends` must have stored an entry. @since 0.1.0 @category getters */
export const writesNeeded = (policy: Policy, backends: number): number =>
  policy._tag === "All" ? backends : policy._tag === "Any" ? 1 : policy.count

/** Whether no two rivals can both be acknowledged: any two writes meet at a backend. @since 0.1.0 @category guards */
export const isExclusive = (policy: Policy, backends: number): boolean => writesNeeded(policy, backends) * 2 > backends

/** @since 0.1.0 @category models */
export interface Options {
  /** What people call it; `multi` when absent. */
  readonly name?: string
  /** At least one, in the order of writing. */
  readonly backends: readonly [Registry.Service, ...ReadonlyArray<Registry.Service>]
  /** A quorum must be between 1 and the number of backends, as {@link parsePolicy} sees to. */
  readonly policy: Policy
}

const bestFirst = Order.reverse(RegistryEntry.Order)

/** What all failures have in common, when trying again does not help; otherwise too few have answered. */
const commonReason = (failures: ReadonlyArray<Registry.RegistryError>): Registry.RegistryError["reason"] => {
  const [first, ...rest] = failures
  return first !== undefined && first.reason !== "Unavailable" && rest.every(({ reason }) => reason === first.reason)
    ? first.reason
    : "Unreached"
}

/** The backends as one registry. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { primitives } = yield* Crypto
  const { name = "multi", backends, policy } = options
  const rules = RegistryRules.make(name, primitives)
  const needed = writesNeeded(policy, backends.length)
  const readsNeeded = backends.length - needed + 1

  const entries: Registry.Service["entries"] = Effect.fnUntraced(function* (key) {
    const [failures, answers] = yield* Effect.partition(backends, (backend) => backend.entries(key), {
      concurrency: "unbounded"
    })
    if (answers.length < readsNeeded) {
      return yield* rules.error(
        commonReason(failures),
        key,
        `${answers.length} of ${backends.length} backends answered, ${readsNeeded} are needed to know the newest entry: ` +
          failures.map((failure) => failure.message).join("; ")
      )
    }
    const distinct: Array<RegistryEntry.RegistryEntry> = []
    for (const entry of answers.flat()) {
      if (!distinct.some((other) => RegistryEntry.equals(other, entry))) distinct.push(entry)
    }
    return distinct.sort(bestFirst)
  })

  const swap = Effect.fnUntraced(function* (
    entry: RegistryEntry.RegistryEntry,
    over: ReadonlyArray<RegistryEntry.RegistryEntry>
  ) {
    const verdicts: Array<Registry.Verdict> = []
    const failures: Array<Registry.RegistryError> = []
    let stored = 0
    let lost: RegistryEntry.RegistryEntry | undefined
    for (const backend of backends) {
      if (lost !== undefined || (policy._tag === "All" && failures.length > 0)) {
        verdicts.push({ registry: backend.name, outcome: "skipped" })
        continue
      }
      const answer = yield* Effect.either(backend.set(entry, over))
      if (Either.isLeft(answer)) {
        failures.push(answer.left)
        verdicts.push({ registry: backend.name, outcome: "failed", detail: answer.left.message })
        continue
      }
      verdicts.push(...answer.right.verdicts)
      if (answer.right._tag === "Stored") stored++
      else lost = answer.right.current
    }
    if (stored >= needed) return Registry.SetOutcome.Stored({ verdicts })
    if (lost !== undefined) return Registry.SetOutcome.Lost({ current: lost, verdicts })
    return yield* rules.error(
      commonReason(failures),
      entry.key,
      `${stored} of ${backends.length} backends stored revision ${entry.revision}, ${needed} are needed; setting the same ` +
        `entry again goes on from there: ${verdicts.map(describe).join("; ")}`
    )
  })

  /** Whether so many backends have the entry as a write needs; one that fails has it not. */
  const isKept = (entry: RegistryEntry.RegistryEntry) =>
    Effect.map(
      Effect.forEach(backends, (backend) => Effect.either(backend.entries(entry.key)), { concurrency: "unbounded" }),
      (answers) => {
        const has = answers.filter(
          (answer) => Either.isRight(answer) && answer.right.some((found) => RegistryEntry.equals(found, entry))
        )
        return has.length >= needed
      }
    )

  const set: Registry.Service["set"] = (entry, over) =>
    Effect.flatMap(rules.admit(entry), (admitted) => swap(admitted.entry, over))

  const changes = (key: StreamKey.StreamKey) =>
    Stream.mergeAll(
      backends.map((backend) => Stream.catchAll(Stream.map(backend.changes(key), Either.right), failedOnce)),
      { concurrency: "unbounded" }
    ).pipe(
      // nothing is lost while as many go on as a read needs: one of them has every entry that was acknowledged
      Stream.mapAccum(0, (failed, next) => {
        const failures = Either.isLeft(next) ? failed + 1 : failed
        return [
          failures,
          Either.isLeft(next) && backends.length - failures >= readsNeeded ? Option.none() : Option.some(next)
        ]
      }),
      Stream.filterMap((next) => next),
      Stream.mapEffect((next) => next),
      RegistryRules.onlyRising
    )

  return Registry.Registry.of({
    name,
    entries,
    set,
    confirm: (entry, over) =>
      Effect.flatMap(isKept(entry), (kept) => (kept ? Effect.succeed(rules.stored()) : set(entry, over))),
    changes
  })
})

const failedOnce = (error: Registry.RegistryError) => Stream.succeed(Either.left(error))

const describe = ({ registry, outcome, detail }: Registry.Verdict) =>
  `${registry} ${outcome}${detail === undefined ? "" : ` (${detail})`}`

/** @since 0.1.0 @category layers */
export const layer = (options: Options): Layer.Layer<Registry.Registry, never, Crypto> =>
  Layer.effect(Registry.Registry, make(options))
