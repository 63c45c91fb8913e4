/**
 * Which part of another tree a tree can have to do with.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../schema/Bytes.ts"
import type { KeyRange } from "./ReadableLayer.ts"
import * as Snapshot from "./Snapshot.ts"
import type { TreeError } from "./TreeError.ts"
import * as TreeReader from "./TreeReader.ts"

/** The smallest and the greatest key; reads one node of each level. */
const bounds = Effect.fnUntraced(function* (
  snapshot: Snapshot.Snapshot
): Effect.fn.Return<ReadonlyArray<string>, TreeError> {
  if (snapshot.isEmpty) return []
  let at = yield* TreeReader.readRoot(snapshot.pipeline, Snapshot.rootOf(snapshot))
  const first = at.node.entries[0]?.[0]
  while (at.node.header.level > 0) at = yield* TreeReader.readChild(at, at.node.entries.length - 1)
  const last = at.node.entries.at(-1)?.[0]
  return first === undefined || last === undefined ? [] : [first, last]
})

const slash = "/".charCodeAt(0)

/** The ends of the proper beginnings of `key`, shortest first, that a character not after `/` follows. */
const endings = (key: string): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let end = 1; end < key.length; end++) if (key.charCodeAt(end) <= slash) found.push(end)
  return found
}

const mostSingleKeys = 32

/**
 * The ranges, in order, of every key between the smallest and the greatest of `trees`, of every file that is named as a
 * folder of theirs is, and of everything in a folder that is named as a file of theirs is.
 *
 * @since 0.1.0
 * @category reading
 */
export const around = Effect.fnUntraced(function* (
  trees: ReadonlyArray<Snapshot.Snapshot>
): Effect.fn.Return<ReadonlyArray<KeyRange>, TreeError> {
  const keys = (yield* Effect.forEach(trees, bounds)).flat().sort(Bytes.compareUtf8)
  const low = keys[0]
  const high = keys.at(-1)
  if (low === undefined || high === undefined) return []
  // a file's folder lies behind every key that begins with its name and goes on with nothing after the slash
  const names = endings(high).map((at) => high.slice(0, at))
  let last = high
  for (const name of names) {
    if (names.length > mostSingleKeys || (yield* Effect.forEach(trees, (tree) => tree.get(name))).some(Boolean)) {
      last = name
      break
    }
  }
  const range = { from: low, until: `${last}0` }
  const files = endings(low).map((at) => low.slice(0, at))
  return files.length > mostSingleKeys
    ? [{ ...range, from: files[0]! }]
    : [...files.map((key) => ({ from: key, until: `${key}\0` })), range]
})
