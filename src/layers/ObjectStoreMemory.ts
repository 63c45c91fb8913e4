/**
 * Objects in memory: flat and case-sensitive (docs/format/core.md §17), gone with the process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { StoreFeatures } from "../schema/StorePath.ts"
import { ObjectStore, ObjectStoreError, type Service } from "../services/ObjectStore.ts"
import * as ObjectPath from "./ObjectPath.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** What people call the store; "memory" when absent. */
  readonly name?: string
  /** Another layout than flat and case-sensitive. */
  readonly features?: StoreFeatures
}

/** An empty store. Bytes are copied in and out. @since 0.1.0 @category constructors */
export const make = (options: Options = {}): Effect.Effect<Service> =>
  Effect.sync(() => {
    const name = options.name ?? "memory"
    const objects = new Map<string, Uint8Array>()

    const failed = (reason: ObjectStoreError["reason"], operation: string, path: string, detail: string) =>
      new ObjectStoreError({ reason, store: name, operation, path, detail })

    const at = <A>(operation: string, path: string, run: () => Effect.Effect<A, ObjectStoreError>) =>
      Effect.suspend(() => {
        const problem = ObjectPath.problem(path)
        return problem === undefined ? run() : failed("BadPath", operation, path, problem)
      })

    return {
      name,
      features: options.features ?? { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY },
      put: (path, bytes) =>
        at("put", path, () => {
          // not slice: a Buffer's does not copy
          objects.set(path, new Uint8Array(bytes))
          return Effect.void
        }),
      create: (path, bytes) =>
        at("create", path, () => {
          if (objects.has(path)) return Effect.succeed(false)
          objects.set(path, new Uint8Array(bytes))
          return Effect.succeed(true)
        }),
      get: (path, range) =>
        at("get", path, () => {
          const bytes = objects.get(path)
          if (bytes === undefined) return failed("NotFound", "get", path, "there is no such object")
          const offset = range?.offset ?? 0
          return Effect.succeed(bytes.slice(offset, offset + (range?.length ?? bytes.length)))
        }),
      size: (path) => at("size", path, () => Effect.succeed(objects.get(path)?.length)),
      list: (prefix) =>
        Stream.suspend(() => Stream.fromIterable([...objects.keys()].filter((path) => path.startsWith(prefix)))),
      remove: (path) =>
        at("remove", path, () => {
          objects.delete(path)
          return Effect.void
        }),
      sync: Effect.void
    }
  })

/** @since 0.1.0 @category layers */
export const layer = (options: Options = {}): Layer.Layer<ObjectStore> => Layer.effect(ObjectStore, make(options))
