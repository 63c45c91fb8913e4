/**
 * What changes in a folder while somebody looks.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"

/**
 * A folder cannot be watched, or no longer.
 *
 * - `NotFound`, `Denied`: it is not there, or out of reach.
 * - `Replaced`: something else stands in its place now, as when a disk is mounted or pulled out.
 * - `Unavailable`: the system does not watch it.
 *
 * @since 0.1.0
 * @category errors
 */
export class FolderEventsError extends Schema.TaggedError<FolderEventsError>()("FolderEventsError", {
  reason: Schema.Literal("NotFound", "Denied", "Replaced", "Unavailable"),
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `cannot watch ${this.path}: ${this.detail}`
  }
}

/** @since 0.1.0 @category models */
export type Event =
  /** From now on nothing is missed; what changed before is not told. `means` says how, for people. */
  | { readonly _tag: "Attached"; readonly means: string }
  /** Something changed at or below these paths. */
  | { readonly _tag: "Changed"; readonly paths: ReadonlyArray<string> }
  /** More changed than can be told: anything may have. */
  | { readonly _tag: "Overflow" }

/** @since 0.1.0 @category models */
export interface Service {
  /** Watches a folder with all below it, or a file, as long as the stream runs; begins with `Attached`. */
  readonly events: (path: string) => Stream.Stream<Event, FolderEventsError>
}

/** @since 0.1.0 @category services */
export class FolderEvents extends Context.Tag("cairn/FolderEvents")<FolderEvents, Service>() {}
