/**
 * A promise of an object store, and what finds it broken.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import type { ObjectStoreError, Service } from "../services/ObjectStore.ts"

/** What a promise is called. @since 0.1.0 @category models */
export type Promised =
  | "bytes"
  | "absence"
  | "replacing"
  | "removing"
  | "listing"
  | "case"
  | "odd names"
  | "atomic put"
  | "ranges"
  | "big objects"
  | "creating"
  | "conditions"

/** The store did otherwise. @since 0.1.0 @category errors */
export class PromiseBroken extends Data.TaggedError("PromiseBroken")<{ readonly detail: string }> {}

/** Where a check may write. @since 0.1.0 @category models */
export interface Place {
  readonly objects: Service
  /** Nothing else is below it. */
  readonly folder: string
  readonly bigBytes: number
}

/** @since 0.1.0 @category models */
export interface Check {
  readonly promised: Promised
  readonly promise: string
  /** What the check's own folder is called. */
  readonly folder: string
  readonly run: (place: Place) => Effect.Effect<void, PromiseBroken | ObjectStoreError>
}

/** Bytes that differ for each seed and place, so that parts of two can be told apart. @since 0.1.0 @category constructors */
export const patterned = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = (seed + 1) * 0x9e3779b1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Breaks the promise with `detail` unless it holds. @since 0.1.0 @category assertions */
export const expect = (holds: boolean, detail: string) => (holds ? Effect.void : new PromiseBroken({ detail }))

/** Breaks the promise unless the bytes are the wanted ones; `what` came back with others. @since 0.1.0 @category assertions */
export const expectBytes = (found: Uint8Array, wanted: Uint8Array, what: string) =>
  expect(
    Bytes.equals(found, wanted),
    found.length === wanted.length
      ? `${what} came back with other bytes`
      : `${what} came back with ${found.length} bytes instead of ${wanted.length}`
  )

const listed = (objects: Service, prefix: string) =>
  Effect.map(Stream.runCollect(objects.list(prefix)), (found) => [...found].sort())

/** Breaks the promise unless the listing has exactly the wanted paths. @since 0.1.0 @category assertions */
export const expectListed = Effect.fnUntraced(function* (
  objects: Service,
  prefix: string,
  wanted: ReadonlyArray<string>
) {
  const found = yield* listed(objects, prefix)
  const missing = wanted.filter((path) => !found.includes(path))
  const surplus = found.filter((path) => !wanted.includes(path))
  yield* expect(
    missing.length === 0,
    `${missing.length} of ${wanted.length} objects are missing from the listing, such as ${JSON.stringify(missing[0])}`
  )
  yield* expect(
    surplus.length === 0,
    `the listing has ${surplus.length} paths too many, such as ${JSON.stringify(surplus[0])}`
  )
  yield* expect(found.length === wanted.length, "the listing has a path twice")
})

/** The numbers from 0 up to that. @since 0.1.0 @category constructors */
export const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

/** Breaks the promise unless `what`, at that path, is not there. @since 0.1.0 @category assertions */
export const expectAbsent = Effect.fnUntraced(function* (objects: Service, path: string, what: string) {
  yield* expect((yield* objects.size(path)) === undefined, `${what} has a size`)
  const reading = yield* Effect.flip(objects.get(path)).pipe(
    Effect.mapError(() => new PromiseBroken({ detail: `${what} can be read` }))
  )
  if (reading.reason !== "NotFound") return yield* reading
})
