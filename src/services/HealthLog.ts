/**
 * What this device remembers of its automations, so that a restart keeps their schedule.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Health } from "../schema/Health.ts"

/**
 * The record of an automation could not be read or kept.
 *
 * - `Damaged`: a record is there but is not one.
 * - `Full`, `Denied`: it could not be written.
 * - `Unavailable`: the disk failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class HealthLogError extends Schema.TaggedError<HealthLogError>()("HealthLogError", {
  reason: Schema.Literal("Damaged", "Full", "Denied", "Unavailable"),
  automation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `the record of automation ${this.automation}: ${this.detail}`
  }
}

/** @since 0.1.0 @category models */
export interface Service {
  /** Every record that can be read, ordered by name. */
  readonly all: Effect.Effect<ReadonlyArray<Health>, HealthLogError>
  readonly load: (name: string) => Effect.Effect<Health | undefined, HealthLogError>
  /** Replaces the record in one atomic, durable step. */
  readonly save: (health: Health) => Effect.Effect<void, HealthLogError>
  readonly remove: (name: string) => Effect.Effect<void, HealthLogError>
}

/** @since 0.1.0 @category services */
export class HealthLog extends Context.Tag("cairn/HealthLog")<HealthLog, Service>() {}
