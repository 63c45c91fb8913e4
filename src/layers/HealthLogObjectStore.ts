/**
 * The automations' records as small objects of a private store: `automations/<hash of the name>.json`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bytes from "../schema/Bytes.ts"
import { Health } from "../schema/Health.ts"
import * as Crypto from "../services/Crypto.ts"
import * as HealthLog from "../services/HealthLog.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as JsonRecords from "./internal/jsonRecords.ts"

/** Records kept in `objects`, which must be private to this user. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service) {
  const { primitives } = yield* Crypto.Crypto
  const records = JsonRecords.make(objects, primitives, "automations", Health)
  const failed = (automation: string) => (error: JsonRecords.Failed) =>
    new HealthLog.HealthLogError({ ...error, automation })
  return {
    all: records.all.pipe(
      Effect.map((all) => all.sort((a, b) => Bytes.compareUtf8(a.name, b.name))),
      Effect.mapError(failed("(all)"))
    ),
    load: (name) => Effect.mapError(records.load(name), failed(name)),
    save: (health) => Effect.mapError(records.save(health.name, health), failed(health.name)),
    remove: (name) => Effect.mapError(records.remove(name), failed(name))
  } satisfies HealthLog.Service
})

/** Records kept in `objects`. @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service): Layer.Layer<HealthLog.HealthLog, never, Crypto.Crypto> =>
  Layer.effect(HealthLog.HealthLog, make(objects))
