/**
 * The base of two histories that have crossed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as Merge from "./Merge.ts"
import * as Snapshot from "./Snapshot.ts"
import type { TreeError } from "./TreeError.ts"

/** A graph of published nodes. @since 0.1.0 @category models */
export interface History<N, E, R> {
  /** What names a node on every device. */
  readonly idOf: (node: N) => Hash.Hash
  readonly treeOf: (node: N) => Effect.Effect<Snapshot.Snapshot, E, R>
  /** The newest nodes that the history of `next` and that of any of `merged` contain, themselves included; none contains another. */
  readonly newestCommon: (merged: ReadonlyArray<N>, next: N) => Effect.Effect<ReadonlyArray<N>, E, R>
}

/**
 * The tree to merge from where `nodes` are the newest that two histories both contain: that of the only one, nothing where
 * there is none, else their merge by `Merge.threeWay`.
 *
 * Several are merged one onto the other in the order of their ids, so that every device gets the same tree; the base of
 * each of those merges is found in the same way. What was in conflict between them stands side by side in the result, as it
 * does in both histories, so that a copy that one side has deleted since stays deleted. The merged trees are written
 * through the trees' own pipelines, though nothing links to them.
 *
 * @since 0.1.0
 * @category merging
 */
export const mergeBases = <N, E, R>(
  history: History<N, E, R>,
  nodes: ReadonlyArray<N>
): Effect.Effect<Snapshot.Snapshot | undefined, E | TreeError, R> =>
  Effect.suspend(() => {
    // histories that cross again and again come back to the same nodes
    const known = new Map<string, Snapshot.Snapshot>()

    const merged: (among: ReadonlyArray<N>) => Effect.Effect<Snapshot.Snapshot | undefined, E | TreeError, R> =
      Effect.fnUntraced(function* (among: ReadonlyArray<N>) {
        const byId = new Map(among.map((node) => [Hash.toHex(history.idOf(node)), node] as const))
        const ordered = [...byId.values()].sort((a, b) => Bytes.compare(history.idOf(a), history.idOf(b)))
        const [first, ...rest] = ordered
        if (first === undefined) return undefined
        const name = [...byId.keys()].sort().join(" ")
        const before = known.get(name)
        if (before !== undefined) return before
        let tree = yield* history.treeOf(first)
        for (const [index, next] of rest.entries()) {
          const base = yield* merged(yield* history.newestCommon(ordered.slice(0, index + 1), next))
          const theirs = yield* history.treeOf(next)
          const { root } = yield* Merge.threeWay({ base, ours: tree, theirs })
          tree = root ?? Snapshot.empty(theirs.pipeline)
        }
        known.set(name, tree)
        return tree
      })
    return merged(nodes)
  })
