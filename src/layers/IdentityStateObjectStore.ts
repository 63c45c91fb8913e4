/**
 * What is remembered of the identity, as small objects of a private store.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Crypto from "../services/Crypto.ts"
import * as IdentityState from "../services/IdentityState.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as jsonRecords from "./internal/jsonRecords.ts"

/** Records kept in `objects`, which must be private to this user. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service) {
  const { primitives } = yield* Crypto.Crypto
  const seen = jsonRecords.make(objects, primitives, "seen", IdentityState.Seen)
  const copied = jsonRecords.make(objects, primitives, "copied", IdentityState.Copied)
  const listed = jsonRecords.make(objects, primitives, "listed", IdentityState.Listed)
  const sealed = jsonRecords.make(objects, primitives, "sealed", IdentityState.SealedFor)
  const retired = jsonRecords.make(objects, primitives, "retired", IdentityState.Retired)
  const rehearsal = jsonRecords.make(objects, primitives, "rehearsal", IdentityState.Rehearsal)
  const removed = jsonRecords.make(objects, primitives, "removed", IdentityState.Removed)
  const withdrawals = jsonRecords.make(objects, primitives, "withdrawals", IdentityState.Withdrawal)
  const failed = (record: string) => (problem: jsonRecords.Failed) =>
    new IdentityState.IdentityStateError({ ...problem, record })
  const highest = (a: bigint, b = 0n) => (a > b ? a : b)
  return {
    seen: (warm) => Effect.mapError(seen.load(warm), failed("seen")),
    saveSeen: (next) =>
      seen.load(next.warm).pipe(
        Effect.flatMap((known) => {
          const devices = known !== undefined && known.secrets > next.secrets ? known.devices : next.devices
          const isKnown = known !== undefined && known.secrets >= next.secrets && known.config >= next.config
          if (isKnown && known.devices?.join() === devices?.join()) return Effect.void
          const highestOf = new IdentityState.Seen({
            warm: next.warm,
            secrets: highest(next.secrets, known?.secrets),
            config: highest(next.config, known?.config),
            ...(devices === undefined ? {} : { devices })
          })
          return seen.save(next.warm, highestOf)
        }),
        Effect.mapError(failed("seen"))
      ),
    copied: (place) => Effect.mapError(copied.load(place), failed("copied")),
    saveCopied: (value) => Effect.mapError(copied.save(value.place, value), failed("copied")),
    listed: (store) => Effect.mapError(listed.load(store), failed("listed")),
    saveListed: (value) => Effect.mapError(listed.save(value.store, value), failed("listed")),
    sealedFor: (vault) => Effect.mapError(sealed.load(vault), failed("sealed")),
    saveSealedFor: (value) => Effect.mapError(sealed.save(value.vault, value), failed("sealed")),
    retired: Effect.mapError(retired.all, failed("retired")),
    saveRetired: (value) => Effect.mapError(retired.save(value.warm, value), failed("retired")),
    removeRetired: (warm) => Effect.mapError(retired.remove(warm), failed("retired")),
    removed: Effect.mapError(removed.all, failed("removed")),
    saveRemoved: (value) => Effect.mapError(removed.save(value.device, value), failed("removed")),
    withdrawals: Effect.mapError(withdrawals.all, failed("withdrawals")),
    saveWithdrawal: (value) => Effect.mapError(withdrawals.save(value.device, value), failed("withdrawals")),
    rehearsal: Effect.mapError(rehearsal.load("last"), failed("rehearsal")),
    saveRehearsal: (value) => Effect.mapError(rehearsal.save("last", value), failed("rehearsal"))
  } satisfies IdentityState.Service
})

/** Records kept in `objects`. @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service): Layer.Layer<IdentityState.IdentityState, never, Crypto.Crypto> =>
  Layer.effect(IdentityState.IdentityState, make(objects))
