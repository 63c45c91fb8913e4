/**
 * Named objects in one place: a folder, a bucket, memory (docs/format/core.md §15.1).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { StoreFeatures } from "../schema/StorePath.ts"

/**
 * An object store did not do what was asked.
 *
 * - `NotFound`: there is no object at `path`.
 * - `BadPath`: `path` is one that this store never writes (empty, absolute, `..`, NUL, backslash …).
 * - `Full`: no room left.
 * - `Denied`: not allowed to.
 * - `Unsupported`: the store cannot do that at all, such as a write on a condition; trying again is in vain.
 * - `Unreadable`: the object is there, but the medium does not give back its bytes; others may be fine.
 * - `Unavailable`: the backend failed; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class ObjectStoreError extends Schema.TaggedError<ObjectStoreError>()("ObjectStoreError", {
  reason: Schema.Literal("NotFound", "BadPath", "Full", "Denied", "Unsupported", "Unreadable", "Unavailable"),
  store: Schema.String,
  operation: Schema.String,
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `store ${this.store}: ${this.operation} ${this.path}: ${this.detail}`
  }
}

/** Which bytes of an object: from `offset`, at most `length` (to the end when absent), clamped to its end. @since 0.1.0 @category models */
export interface Range {
  readonly offset: number
  readonly length?: number
}

/** An object's bytes, and what tells them from what is there at other times. @since 0.1.0 @category models */
export interface Versioned {
  readonly bytes: Uint8Array
  readonly version: string
}

/** Replacing an object only if it is still what was read. @since 0.1.0 @category models */
export interface Versions {
  /** The object as it is, or nothing when there is none. */
  readonly read: (path: string) => Effect.Effect<Versioned | undefined, ObjectStoreError>
  /**
   * Writes the object if what is there is of that `version`, or if there is none when `version` is absent: atomic against
   * all fibers and processes. `true` means written and durable, `false` that something else was there. The same bytes
   * again may be the same version.
   */
  readonly replace: (
    path: string,
    bytes: Uint8Array,
    version: string | undefined
  ) => Effect.Effect<boolean, ObjectStoreError>
  /** Fails with `Unsupported` where `replace` always would; absent where it never does. */
  readonly supported?: Effect.Effect<void, ObjectStoreError>
}

/** @since 0.1.0 @category models */
export interface Service {
  /** What people call this store. */
  readonly name: string
  readonly features: StoreFeatures
  /** Creates or replaces the object at `path`; readers see the old bytes or the new ones, never a part. Durable after `sync`. */
  readonly put: (path: string, bytes: Uint8Array) => Effect.Effect<void, ObjectStoreError>
  /**
   * Creates the object at `path` if there is none: `true` for exactly one caller among all fibers and processes, ever, and
   * then durable; `false` when something was there first.
   */
  readonly create: (path: string, bytes: Uint8Array) => Effect.Effect<boolean, ObjectStoreError>
  /** The object's bytes; an offset at or past the end gives none. */
  readonly get: (path: string, range?: Range) => Effect.Effect<Uint8Array, ObjectStoreError>
  /**
   * Its length in bytes, or nothing when there is no such object. An object that was seen here is durable after the next
   * `sync`, whoever wrote it.
   */
  readonly size: (path: string) => Effect.Effect<number | undefined, ObjectStoreError>
  /** Every object's path that begins with `prefix`, in no particular order; the store's own temporary files are not listed. */
  readonly list: (prefix: string) => Stream.Stream<string, ObjectStoreError>
  /** Removes the object; one that is not there is success. */
  readonly remove: (path: string) => Effect.Effect<void, ObjectStoreError>
  /** When this returns, everything put or seen through this value before survives a power cut. */
  readonly sync: Effect.Effect<void, ObjectStoreError>
  /**
   * The file that holds the object's bytes and nothing else, if it is there, where objects are files of this machine: for
   * reading it from other threads. What cannot be read there says nothing: `get` does.
   */
  readonly file?: (path: string) => string
  /** Where the store itself is a compare-and-swap, as a bucket is; a registry in it uses nothing else. */
  readonly versions?: Versions
}

/** @since 0.1.0 @category services */
export class ObjectStore extends Context.Tag("cairn/ObjectStore")<ObjectStore, Service>() {}
