/**
 * A folder of packs, with its index in another folder of this machine.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Primitives } from "../schema/Primitives.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as BlobStorePacked from "./BlobStorePacked.ts"
import * as ObjectStoreFs from "./ObjectStoreFs.ts"
import * as PackIndexAuto from "./PackIndexAuto.ts"

/** @since 0.1.0 @category models */
export interface Options extends ObjectStoreFs.Options {
  /** Where the index lies: on a disk of this machine, also where the store is on a share. */
  readonly index: string
  readonly primitives: Primitives
}

/** @since 0.1.0 @category models */
export interface Opened {
  readonly objects: ObjectStore.Service
  readonly blobs: BlobStorePacked.Packed
}

/** Nothing is made on disk before something is stored. @since 0.1.0 @category constructors */
export const make = ({
  index: directory,
  primitives,
  ...options
}: Options): Effect.Effect<Opened, never, Scope.Scope> =>
  Effect.gen(function* () {
    const objects = yield* ObjectStoreFs.make(options)
    const isPrivate = options.private === true
    const index = yield* PackIndexAuto.make({ directory, private: isPrivate })
    return { objects, blobs: yield* BlobStorePacked.make({ objects, index, primitives }) }
  })
