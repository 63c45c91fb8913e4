/**
 * Where blobs lie in the packs of one store.
 *
 * An index says only what is durable: a blob is entered after the pack that holds it survived a power cut. It can be lost:
 * the catalogues and the packs themselves tell it again.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Hash } from "../schema/Hash.ts"
import type * as PackCatalogue from "../schema/PackCatalogue.ts"

/**
 * An index could not be read or written.
 *
 * - `Full`, `Denied`: it could not be written.
 * - `Corrupt`: it is damaged; it can be removed and is made anew.
 * - `Unavailable`: it failed; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class PackIndexError extends Schema.TaggedError<PackIndexError>()("PackIndexError", {
  reason: Schema.Literal("Full", "Denied", "Corrupt", "Unavailable"),
  index: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.reason === "Corrupt"
      ? `index of packs ${this.index}: ${this.detail}; remove it, it is made anew from the store`
      : `index of packs ${this.index}: ${this.detail}`
  }
}

/**
 * How a pack came into the index.
 *
 * - `catalogued`: the store itself tells what is in it, so that everybody finds its blobs and whoever publishes may count on them.
 * - `found`: somebody looked into it; others, who looked before it was there, do not know of it.
 * - `partial`: the same, and some of its blobs could not be read then.
 *
 * @since 0.1.0
 * @category models
 */
export type Standing = "catalogued" | "found" | "partial"

/** One copy of a blob. @since 0.1.0 @category models */
export interface Place {
  /** The name of the pack. */
  readonly pack: Hash
  /** Whether the pack is catalogued: what is not is there to be read, but not to be counted on. */
  readonly isCatalogued: boolean
  /** The length of the whole pack. */
  readonly packLength: number
  readonly offset: number
  readonly length: number
}

/** @since 0.1.0 @category models */
export interface Service {
  /** Where it is, for people. */
  readonly name: string
  /** Every copy that is known of a blob, the newest first. */
  readonly find: (hash: Hash) => Effect.Effect<ReadonlyArray<Place>, PackIndexError>
  /** The same for many at once, in their order; an index that is as fast one by one lacks it. */
  readonly findAll?: (hashes: ReadonlyArray<Hash>) => Effect.Effect<ReadonlyArray<ReadonlyArray<Place>>, PackIndexError>
  /** How the pack was entered, if it was. */
  readonly standing: (pack: Hash) => Effect.Effect<Standing | undefined, PackIndexError>
  /**
   * Enters packs with their blobs, all of them or none, durable when this returns. What is there already stays as it is; blobs of
   * a known pack that were forgotten are back, and its standing may become better, never worse.
   */
  readonly add: (entries: ReadonlyArray<PackCatalogue.Entry>, standing: Standing) => Effect.Effect<void, PackIndexError>
  /** Forgets every copy of these blobs, durable when this returns; the packs still are known. */
  readonly remove: (hashes: ReadonlyArray<Hash>) => Effect.Effect<void, PackIndexError>
  /** The blobs, each once, in no particular order. */
  readonly list: Stream.Stream<Hash, PackIndexError>
  /** Whether every object of the store was looked at for packs that no catalogue names. */
  readonly isSearched: Effect.Effect<boolean, PackIndexError>
  /** Remembers that it was. */
  readonly markSearched: Effect.Effect<void, PackIndexError>
}

/** The better of two. @since 0.1.0 @category combinators */
export const better = (a: Standing, b: Standing): Standing =>
  a === "catalogued" || b === "catalogued" ? "catalogued" : a === "found" || b === "found" ? "found" : "partial"

/** @since 0.1.0 @category services */
export class PackIndex extends Context.Tag("cairn/PackIndex")<PackIndex, Service>() {}
