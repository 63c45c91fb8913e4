/**
 * Signed, revisioned pointers, one stream per key (docs/format/core.md §9).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { RegistryEntry } from "../schema/RegistryEntry.ts"
import type { StreamKey } from "../schema/StreamKey.ts"

/**
 * A registry could not answer or keep an entry.
 *
 * - `Corrupt`: what is stored is no valid entry for its key; `detail` says where.
 * - `Refused`: the entry given is not one that a registry keeps (not a registry message, bad signature).
 * - `Unreached`: too few backends answered for a safe answer; trying again may help.
 * - `Denied`, `Full`: it could not be written.
 * - `Unsupported`: nothing can ever be written there, as in a bucket that ignores conditional writes.
 * - `Unavailable`: the backend failed; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class RegistryError extends Schema.TaggedError<RegistryError>()("RegistryError", {
  reason: Schema.Literal("Corrupt", "Refused", "Unreached", "Denied", "Unsupported", "Full", "Unavailable"),
  registry: Schema.String,
  /** The storage key in hex. */
  key: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `registry ${this.registry}: entry ${this.key}: ${this.detail}`
  }
}

/** What one backend made of a write. @since 0.1.0 @category models */
export interface Verdict {
  readonly registry: string
  readonly outcome: "stored" | "lost" | "failed" | "skipped"
  readonly detail?: string
}

/** What became of a write: kept, or refused because `current` was there first. @since 0.1.0 @category models */
export type SetOutcome = Data.TaggedEnum<{
  Stored: { readonly verdicts: ReadonlyArray<Verdict> }
  Lost: { readonly current: RegistryEntry; readonly verdicts: ReadonlyArray<Verdict> }
}>

/** @since 0.1.0 @category constructors */
export const SetOutcome = Data.taggedEnum<SetOutcome>()

/** @since 0.1.0 @category models */
export interface Service {
  /** What people call this registry. */
  readonly name: string
  /**
   * Every distinct verified entry that a backend holds for `key`, best first. A single backend holds at most one, unless
   * another program wrote into its files without asking; whoever publishes builds on all of them.
   */
  readonly entries: (key: StreamKey) => Effect.Effect<ReadonlyArray<RegistryEntry>, RegistryError>
  /**
   * Compare-and-swap: keeps `entry` only if its revision is higher and what is stored is nothing or one of `over`, the
   * entries it was built on; a damaged entry is never overwritten. Atomic against other fibers and other processes;
   * `Stored` means durable; the same entry again is `Stored`.
   */
  readonly set: (entry: RegistryEntry, over: ReadonlyArray<RegistryEntry>) => Effect.Effect<SetOutcome, RegistryError>
  /**
   * Makes sure that an entry which was read is kept as `set` would keep it, as nobody may have been told that it is; only
   * where a write can be half done. `over` is everything that was read with it.
   */
  readonly confirm?: (
    entry: RegistryEntry,
    over: ReadonlyArray<RegistryEntry>
  ) => Effect.Effect<SetOutcome, RegistryError>
  /**
   * Fails with `Unsupported` where every `set` would, before there is anything to keep; absent where that cannot be found out
   * or is never so.
   */
  readonly supported?: Effect.Effect<void, RegistryError>
  /**
   * The newest entry of `key`, if there is one, and then newer ones in rising order of revision; the newest always
   * arrives, overtaken ones may be skipped. A failure ends it.
   */
  readonly changes: (key: StreamKey) => Stream.Stream<RegistryEntry, RegistryError>
}

/** @since 0.1.0 @category services */
export class Registry extends Context.Tag("cairn/Registry")<Registry, Service>() {}
