/**
 * Places that survive alone: stores that each have a registry of their own.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as BlobStore from "./BlobStore.ts"
import type * as Registry from "./Registry.ts"
import type * as Stores from "./Stores.ts"

/**
 * Another device cannot be let in to a place.
 *
 * - `Refused`: the place does not let this device do so.
 * - `Unavailable`: it could not be reached; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class DelegationError extends Schema.TaggedError<DelegationError>()("DelegationError", {
  reason: Schema.Literal("Refused", "Unavailable"),
  place: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `store ${this.place}: no token for another device: ${this.detail}`
  }
}

/**
 * The tokens of another device cannot be taken away at a place.
 *
 * - `Refused`: the place does not let this device do so.
 * - `Unavailable`: it could not be reached; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class WithdrawalError extends Schema.TaggedError<WithdrawalError>()("WithdrawalError", {
  reason: Schema.Literal("Refused", "Unavailable"),
  place: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `store ${this.place}: ${this.detail}`
  }
}

/** Tokens that were taken away at a place. @since 0.1.0 @category models */
export interface Withdrawn {
  /** Names of the device's own; none where this device's token let in none of that device. */
  readonly tokens: ReadonlyArray<string>
  /** Names of those that ended with them, as that device had let them in. */
  readonly others: ReadonlyArray<string>
}

/** What another device's token may do. @since 0.1.0 @category models */
export interface Delegation {
  /** The device's name at the place. */
  readonly name: string
  /** When it ends, in milliseconds from now; never when absent. */
  readonly lifetimeMillis?: number
  /** How many bytes it may write in all. */
  readonly maxTotalBytes?: number
  /** Whether it may let in others in its turn; not when absent. */
  readonly mayDelegate?: boolean
  /** The key that the device publishes under, in hex, for `Place.withdraw`. */
  readonly device?: string
}

/** A store and its registry. @since 0.1.0 @category models */
export interface Place {
  readonly name: string
  readonly blobs: BlobStore.Service
  /** The entries that are kept beside the blobs. */
  readonly registry: Registry.Service
  /** The JSON of its `[store.NAME]` table with its secrets, for another device; nothing for what only this device reaches. */
  readonly portable: Effect.Effect<Redacted.Redacted<string> | undefined, Stores.UnknownStore>
  /** Asks the place for a write token of another device, where it has such. */
  readonly delegate?: (delegation: Delegation) => Effect.Effect<Redacted.Redacted<string>, DelegationError>
  /** Takes away every token that this device, or one that it let in, asked for the device of that key (hex). */
  readonly withdraw?: (device: string) => Effect.Effect<Withdrawn, WithdrawalError>
}

/** @since 0.1.0 @category models */
export interface Service {
  /**
   * The names of all places; the first decides about the identity's own entries, the others follow. The last one is this
   * device's own store.
   */
  readonly names: readonly [string, ...ReadonlyArray<string>]
  /** Those of them that give each device a token of its own, and can take it away. */
  readonly withTokens: ReadonlyArray<string>
  /** The place of that name: the same value every time, open as long as this service. */
  readonly open: (name: string) => Effect.Effect<Place, Stores.UnknownStore>
}

/** @since 0.1.0 @category services */
export class Places extends Context.Tag("cairn/Places")<Places, Service>() {}
