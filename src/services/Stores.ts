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
import type * as Registry from "./Registry.ts"

/**
 * There is no store to be had under this name.
 *
 * - `NotConfigured`: no store is called that.
 * - `NotObjects`: the store keeps blobs only, no objects under paths.
 * - `NoRegistry`: no entries are kept beside its blobs, or not where they were asked for.
 * - `NotOpened`: it is configured but could not be opened; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownStore extends Schema.TaggedError<UnknownStore>()("UnknownStore", {
  reason: Schema.Literal("NotConfigured", "NotObjects", "NoRegistry", "NotOpened"),
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
  /** The entries kept beside the blobs of the store `name`, in the folder `prefix` of it where it has folders; `registry` when absent. */
  readonly registry: (name: string, prefix?: string) => Effect.Effect<Registry.Service, UnknownStore>
}

/** @since 0.1.0 @category services */
export class Stores extends Context.Tag("cairn/Stores")<Stores, Service>() {}
