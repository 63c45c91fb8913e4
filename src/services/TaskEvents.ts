/**
 * Whom a running task tells what it has to say.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Said } from "../schema/TaskEvent.ts"

/** @since 0.1.0 @category models */
export interface Service {
  /** Tells one thing; what was told first comes first. */
  readonly say: (said: Said) => Effect.Effect<void>
}

/** @since 0.1.0 @category services */
export class TaskEvents extends Context.Tag("cairn/TaskEvents")<TaskEvents, Service>() {}
