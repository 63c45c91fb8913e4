/**
 * What can go wrong while a tree is read or written.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { BlobStoreError } from "../services/BlobStore.ts"

/**
 * A blob arrived but is not what its parent says.
 *
 * - `NotDecodable`: bytes, pipeline or node are not valid.
 * - `WrongKey`: the context has no key for it, or the plaintext is not the one promised.
 * - `Inconsistent`: a node or chunked file contradicts its links (order, offsets, sizes, kinds, depth).
 * - `Unsupported`: it cannot be written with the given context.
 *
 * @since 0.1.0
 * @category errors
 */
export class DamagedTree extends Schema.TaggedError<DamagedTree>()("DamagedTree", {
  reason: Schema.Literal("NotDecodable", "WrongKey", "Inconsistent", "Unsupported"),
  /** The stored blob's hash in hex, empty where none exists yet. */
  blob: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.blob === "" ? this.detail : `blob ${this.blob}: ${this.detail}`
  }
}

/** @since 0.1.0 @category errors */
export type TreeError = BlobStoreError | DamagedTree
