/**
 * Where a path store keeps a blob and its outboard (docs/format/core.md §4).
 *
 * @since 0.1.0
 */
import { base32crockford, base64urlnopad } from "@scure/base"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"

/** What a store says of itself; it decides the paths of blobs. @since 0.1.0 @category models */
export interface StoreFeatures {
  readonly caseSensitive: boolean
  /** Entries per folder, `Infinity` if that does not matter; below 10000, paths are cut into folders. */
  readonly recommendedMaxDirSize: number
}

const blobPrefix = "blob3/"
const outboardPrefix = "obao6/"
const splitBelow = 10_000

const name = (features: StoreFeatures, hash: Hash.Hash): string => {
  const text = features.caseSensitive ? base64urlnopad.encode(hash) : base32crockford.encode(hash).toLowerCase()
  if (features.recommendedMaxDirSize >= splitBelow) return text
  const folders = features.caseSensitive
    ? [text.slice(0, 2), text.slice(2, 4)]
    : [0, 2, 4].map((i) => text.slice(i, i + 2))
  return [...folders, text.slice(folders.length * 2)].join("/")
}

/** The path of the blob of `hash`, below `blob3/`. @since 0.1.0 @category conversions */
export const blob = (features: StoreFeatures, hash: Hash.Hash): string => blobPrefix + name(features, hash)

/** The path of the outboard of `hash`, below `obao6/`. @since 0.1.0 @category conversions */
export const outboard = (features: StoreFeatures, hash: Hash.Hash): string => outboardPrefix + name(features, hash)

/**
 * The hash whose blob lies at `path`; nothing if that is no blob's path, an error if a case-sensitive store holds a
 * name below `blob3/` that is no base64url.
 *
 * Stricter than the reference in one thing: only the very path that {@link blob} gives is a blob's path, so no two
 * paths are the same blob.
 *
 * @since 0.1.0
 * @category conversions
 */
export const hashOfBlob = (
  features: StoreFeatures,
  path: string
): Either.Either<Option.Option<Hash.Hash>, FormatError> => {
  const text = path.slice(blobPrefix.length).replaceAll("/", "")
  if (!path.startsWith(blobPrefix) || text === "") return Either.right(Option.none())
  // both decoders refuse left-over bits; what Crockford folds (case, i, l, o) does not survive the comparison below
  const decoded = Either.try({
    try: () => (features.caseSensitive ? base64urlnopad : base32crockford).decode(text),
    catch: () =>
      new FormatError({
        format: "blob path",
        at: `character ${blobPrefix.length}`,
        problem: "the name is not unpadded base64url"
      })
  })
  if (Either.isLeft(decoded)) return features.caseSensitive ? Either.left(decoded.left) : Either.right(Option.none())
  const hash = decoded.right
  return Either.right(Hash.is(hash) && blob(features, hash) === path ? Option.some(hash) : Option.none())
}
