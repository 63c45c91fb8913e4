/**
 * What this device remembers of the identity it belongs to.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * The device's record of its identity could not be read or kept.
 *
 * - `Damaged`: a record is there but is not one.
 * - `Full`, `Denied`: it could not be written.
 * - `Unavailable`: the disk failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class IdentityStateError extends Schema.TaggedError<IdentityStateError>()("IdentityStateError", {
  reason: Schema.Literal("Damaged", "Full", "Denied", "Unavailable"),
  record: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `identity: ${this.record}: ${this.detail}`
  }
}

/** The highest revisions of an identity's own entries that this device has seen. @since 0.1.0 @category models */
export class Seen extends Schema.Class<Seen>("IdentitySeen")({
  /** The warm key that they are of, in hex. */
  warm: Schema.String,
  secrets: Schema.BigInt,
  config: Schema.BigInt,
  /** The devices' age recipients at that revision of the secrets. */
  devices: Schema.optional(Schema.Array(Schema.String))
}) {}

/** What of the identity a place holds for certain. @since 0.1.0 @category models */
export class Copied extends Schema.Class<Copied>("IdentityCopied")({
  place: Schema.String,
  /** The hashes that its entries name, in hex, and the pointer's: equal to the newest ones when nothing is to be done. */
  entries: Schema.Array(Schema.String),
  /** It keeps no entries at all, so it holds none of them, and is not asked again before there are others. */
  cannot: Schema.optional(Schema.Boolean)
}) {}

/** What this device last told the identity of a store. @since 0.1.0 @category models */
export class Listed extends Schema.Class<Listed>("IdentityListed")({
  store: Schema.String,
  /** The BLAKE3 of its configuration, in hex. */
  hash: Schema.String
}) {}

/** Whom all snapshots of a vault were last sealed for by this device. @since 0.1.0 @category models */
export class SealedFor extends Schema.Class<SealedFor>("IdentitySealedFor")({
  vault: Schema.String,
  /** None while they are being sealed anew. */
  recipients: Schema.Array(Schema.String)
}) {}

/** The last word under a warm key that is in force no more, on its way to every place. @since 0.1.0 @category models */
export class Retired extends Schema.Class<Retired>("IdentityRetired")({
  /** The key, in hex. */
  warm: Schema.String,
  /** Places that have it. */
  places: Schema.Array(Schema.String)
}) {}

/** A vault that a removal is not done with. @since 0.1.0 @category models */
export class RemovedFrom extends Schema.Class<RemovedFrom>("IdentityRemovedFrom")({
  /** Its id in hex, and what it was called. */
  id: Schema.String,
  name: Schema.String,
  /** It has the keys that the device knows. */
  lacksKeys: Schema.Boolean,
  /** What the device published of it last was not taken in. */
  lacksContent: Schema.Boolean
}) {}

/** A device that was taken out of the list, and that has the warm key all the same until there is another. @since 0.1.0 @category models */
export class Removed extends Schema.Class<Removed>("IdentityRemoved")({
  label: Schema.String,
  /** The key that it publishes under, in hex. */
  device: Schema.String,
  /** The warm key that it has, in hex. */
  warm: Schema.String,
  /** When, in milliseconds since 1970. */
  at: Schema.Number,
  /** What is left to be done of it; absent in a record of before that was kept. */
  vaults: Schema.optional(Schema.Array(RemovedFrom))
}) {}

/** Taking away the tokens of a device that was removed, place by place. @since 0.1.0 @category models */
export class Withdrawal extends Schema.Class<Withdrawal>("IdentityWithdrawal")({
  /** The key that it publishes under, in hex. */
  device: Schema.String,
  label: Schema.String,
  /** Places where all was done that this device can do. */
  done: Schema.Array(Schema.String),
  /** Places that did not answer. */
  waiting: Schema.Array(Schema.String)
}) {}

/** A recovery that was tried out. @since 0.1.0 @category models */
export class Rehearsal extends Schema.Class<Rehearsal>("Rehearsal")({
  /** When, in milliseconds since 1970. */
  at: Schema.Number,
  /** The identity that the words led to. */
  did: Schema.String,
  /** The place it was done from. */
  place: Schema.String,
  vaults: Schema.Number,
  files: Schema.Number,
  bytes: Schema.Number
}) {}

/** @since 0.1.0 @category models */
export interface Service {
  readonly seen: (warm: string) => Effect.Effect<Seen | undefined, IdentityStateError>
  /** Remembers them; what is there and higher stays. */
  readonly saveSeen: (seen: Seen) => Effect.Effect<void, IdentityStateError>
  readonly copied: (place: string) => Effect.Effect<Copied | undefined, IdentityStateError>
  readonly saveCopied: (copied: Copied) => Effect.Effect<void, IdentityStateError>
  readonly listed: (store: string) => Effect.Effect<Listed | undefined, IdentityStateError>
  readonly saveListed: (listed: Listed) => Effect.Effect<void, IdentityStateError>
  readonly sealedFor: (vault: string) => Effect.Effect<SealedFor | undefined, IdentityStateError>
  readonly saveSealedFor: (sealed: SealedFor) => Effect.Effect<void, IdentityStateError>
  /** Warm keys whose end is not known everywhere yet. */
  readonly retired: Effect.Effect<ReadonlyArray<Retired>, IdentityStateError>
  readonly saveRetired: (retired: Retired) => Effect.Effect<void, IdentityStateError>
  readonly removeRetired: (warm: string) => Effect.Effect<void, IdentityStateError>
  /** Devices that this one has taken out of the list. */
  readonly removed: Effect.Effect<ReadonlyArray<Removed>, IdentityStateError>
  readonly saveRemoved: (removed: Removed) => Effect.Effect<void, IdentityStateError>
  /** How far the tokens of removed devices were taken away; none for a device of which that was not begun. */
  readonly withdrawals: Effect.Effect<ReadonlyArray<Withdrawal>, IdentityStateError>
  readonly saveWithdrawal: (withdrawal: Withdrawal) => Effect.Effect<void, IdentityStateError>
  /** The last rehearsal. */
  readonly rehearsal: Effect.Effect<Rehearsal | undefined, IdentityStateError>
  readonly saveRehearsal: (rehearsal: Rehearsal) => Effect.Effect<void, IdentityStateError>
}

/** @since 0.1.0 @category services */
export class IdentityState extends Context.Tag("cairn/IdentityState")<IdentityState, Service>() {}
