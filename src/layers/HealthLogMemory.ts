/**
 * The automations' records in memory, for those that end with their process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bytes from "../schema/Bytes.ts"
import type { Health } from "../schema/Health.ts"
import { HealthLog, type Service } from "../services/HealthLog.ts"

/** No records yet. @since 0.1.0 @category constructors */
export const make = (): Service => {
  const records = new Map<string, Health>()
  return {
    all: Effect.sync(() => [...records.values()].sort((a, b) => Bytes.compareUtf8(a.name, b.name))),
    load: (name) => Effect.sync(() => records.get(name)),
    save: (health) => Effect.sync(() => void records.set(health.name, health)),
    remove: (name) => Effect.sync(() => void records.delete(name))
  }
}

/** @since 0.1.0 @category layers */
export const layer: Layer.Layer<HealthLog> = Layer.sync(HealthLog, make)
