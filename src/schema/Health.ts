/**
 * How an automation is doing, as its record keeps it and `status` shows it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Trigger } from "./Trigger.ts"

const optional = Schema.optional

/** Why a run failed. @since 0.1.0 @category models */
export class Failure extends Schema.Class<Failure>("Failure")({
  /** Milliseconds since 1970. */
  at: Schema.Number,
  tag: Schema.String,
  message: Schema.String
}) {}

/** One automation; times are milliseconds since 1970. @since 0.1.0 @category models */
export class Health extends Schema.Class<Health>("Health")({
  name: Schema.String,
  trigger: Trigger,
  vault: optional(Schema.String),
  /**
   * - `waiting`: for the next run, or for changes.
   * - `running`: now.
   * - `detached`: its folder cannot be watched at present; that is tried again.
   * - `paused`: by its configuration.
   */
  state: Schema.Literal("waiting", "running", "detached", "paused"),
  /** The time from which the next run is counted. */
  anchor: Schema.Number,
  /** A run became due and has not ended yet: after a restart it is made up for at once. */
  pending: Schema.Boolean,
  startedAt: optional(Schema.Number),
  endedAt: optional(Schema.Number),
  /** When the last run without failure ended. */
  goodAt: optional(Schema.Number),
  /** Things that the last good run left out, each told by it. */
  problems: optional(Schema.Int),
  nextRunAt: optional(Schema.Number),
  /** The last failure, even if runs after it were good. */
  failure: optional(Failure),
  /** Failures since the last good run. */
  failures: Schema.Int,
  /** How often watching had to begin anew. */
  restarts: Schema.Int,
  /** How changes are noticed. */
  means: optional(Schema.String)
}) {}

/** Whether something is wrong at present. @since 0.1.0 @category guards */
export const isAiling = (health: Health): boolean => health.failures > 0 || health.state === "detached"
