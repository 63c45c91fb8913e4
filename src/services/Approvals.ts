/**
 * The changes of this device's sources that wait for a person.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Approval } from "../schema/Approval.ts"

/**
 * A pending change could not be read or kept.
 *
 * @since 0.1.0
 * @category errors
 */
export class ApprovalsError extends Schema.TaggedError<ApprovalsError>()("ApprovalsError", {
  reason: Schema.Literal("Damaged", "Full", "Denied", "Unavailable"),
  vault: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: its pending approvals: ${this.detail}`
  }
}

/** @since 0.1.0 @category models */
export interface Service {
  /** Everything that waits, in the order of vaults and folders. */
  readonly all: Effect.Effect<ReadonlyArray<Approval>, ApprovalsError>
  /** What waits for the source of `folder`. */
  readonly pending: (vault: string, folder: string) => Effect.Effect<Approval | undefined, ApprovalsError>
  /** Keeps it durably, in place of an older one of the same source. */
  readonly save: (approval: Approval) => Effect.Effect<void, ApprovalsError>
  /** Forgets what waits for the source; nothing there is success. */
  readonly remove: (vault: string, folder: string) => Effect.Effect<void, ApprovalsError>
}

/** @since 0.1.0 @category services */
export class Approvals extends Context.Tag("cairn/Approvals")<Approvals, Service>() {}
