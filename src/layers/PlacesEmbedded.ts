/**
 * This device's own store as the only place, as it is without a configuration.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as BlobStore from "../services/BlobStore.ts"
import { type Place, Places, type Service } from "../services/Places.ts"
import type * as Registry from "../services/Registry.ts"
import { UnknownStore } from "../services/Stores.ts"

/** What this device keeps by itself. @since 0.1.0 @category models */
export interface Embedded {
  readonly blobs: BlobStore.Service
  /** The entries beside those blobs. */
  readonly registry: Registry.Service
}

/** What this device's own store is called where others have the names that are `taken`. @since 0.1.0 @category constructors */
export const nameBeside = (taken: ReadonlyArray<string>): string => {
  let name = "local"
  while (taken.includes(name)) name += "_"
  return name
}

/** The place of that name; no other device reaches it. @since 0.1.0 @category constructors */
export const place = (name: string, { blobs, registry }: Embedded): Place => ({
  name,
  blobs,
  registry,
  portable: Effect.succeed(undefined)
})

/** @since 0.1.0 @category constructors */
export const make = (embedded: Embedded): Service => {
  const name = nameBeside([])
  const only = place(name, embedded)
  return {
    names: [name],
    withTokens: [],
    open: (asked) =>
      asked === name
        ? Effect.succeed(only)
        : new UnknownStore({ reason: "NotConfigured", store: asked, detail: "no store is configured; add one first" })
  }
}

/** @since 0.1.0 @category layers */
export const layer = (embedded: Embedded): Layer.Layer<Places> => Layer.succeed(Places, make(embedded))
