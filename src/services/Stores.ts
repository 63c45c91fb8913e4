/**
 * The configured stores by their names.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as BlobStore from "./BlobStore.ts"
import type * as ObjectStore from "./ObjectStore.ts"

/**
 * There is no store to be had under this name.
 *
 * - `NotConfigured`: no store is called that.
 * - `NotObjects`: the store keeps blobs only, no objects under paths.
 * - `NotOpened`: it is configured but could not be opened; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownStore extends Schema.TaggedError<UnknownStore>()("UnknownStore", {
  reason: Schema.Literal("NotConfigured", "NotObjects", "NotOpened"),
  store: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `store ${this.store}: ${this.detail}`
  }
}

/** @since 0.1.0 @category models */
export interface Service {
  /** Every configured name, in the order of the configuration. */
  readonly names: ReadonlyArray<string>
  /** The objects of the store `name`: the same value every time, open as long as this service. */
  readonly objects: (name: string) => Effect.Effect<ObjectStore.Service, UnknownStore>
  /** The blobs of the store `name`: the same value every time, open as long as this service. */
  readonly blobs: (name: string) => Effect.Effect<BlobStore.Service, UnknownStore>
}

/** @since 0.1.0 @category services */
export class Stores extends Context.Tag("cairn/Stores")<Stores, Service>() {}
