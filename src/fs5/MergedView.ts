/**
 * Several layers seen as one (docs/format/fs5.md §15).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { NodeEntry } from "../schema/Node.ts"
import type { ReadableLayer } from "./ReadableLayer.ts"
import * as SortedStreams from "./SortedStreams.ts"
import { defaultMask } from "./TreeBuilder.ts"
import type { TreeError } from "./TreeError.ts"

/**
 * The union of `layers`, the first of them strongest: what it has under a key, tombstones too, hides the others.
 *
 * Entries keep no trace of their layer, so the layers must share one context to be decoded by. A scan ends at the first
 * failure of any layer. The chunk mask is the first layer's, or the default without layers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (layers: ReadonlyArray<ReadableLayer>): ReadableLayer => {
  const getRaw = Effect.fnUntraced(function* (key: string): Effect.fn.Return<NodeEntry | undefined, TreeError> {
    for (const layer of layers) {
      const found = yield* layer.getRaw(key)
      if (found !== undefined) return found
    }
    return undefined
  })
  return {
    getRaw,
    get: (key) => Effect.map(getRaw(key), (found) => (found?.tombstone === undefined ? found : undefined)),
    scan: (range) =>
      layers.length === 0 ? Stream.empty : SortedStreams.union(layers.map((layer) => layer.scan(range))),
    chunkMask: layers[0]?.chunkMask ?? Effect.succeed(defaultMask)
  }
}
