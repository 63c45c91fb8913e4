/**
 * What several published nodes have in common: history is a graph.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Merge from "../fs5/Merge.ts"
import * as MergeBases from "../fs5/MergeBases.ts"
import type * as Snapshot from "../fs5/Snapshot.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import type * as Envelope from "../services/Envelope.ts"
import * as Head from "./Head.ts"
import * as Salvage from "./Salvage.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Vault from "./Vault.ts"

/** Published nodes by the hex of their hashes, each with the place in time that its history key gives it. */
type Line = ReadonlyMap<string, { readonly hash: Hash.Hash; readonly time: bigint }>

/** The node itself and everything before it that it names inline; the node counts as newer than all of it. */
const inline = (published: Head.Published): Line => {
  const line = new Map<string, { readonly hash: Hash.Hash; readonly time: bigint }>()
  let latest = 0n
  for (const { hash, key } of published.node.history) {
    const time = TransparentNode.parseHistoryKey(key) ?? 0n
    if (time > latest) latest = time
    line.set(Hash.toHex(hash), { hash, time })
  }
  return line.set(Hash.toHex(published.hash), { hash: published.hash, time: latest + 1n })
}

/** As `inline`, with everything that is reached through the nodes it names. */
const whole = Effect.fnUntraced(function* (vault: Vault.Readable, published: Head.Published) {
  const infos = yield* Snapshots.all(vault, published)
  return new Map(infos.map(({ id, number }) => [Hash.toHex(id), { hash: id, time: BigInt(number) }] as const)) as Line
})

/** How many newest common nodes are looked for; more would take as many writers that crossed each other at once. */
const mostBases = 16

/** The common nodes that are in no other common node's history, newest first. */
const newestCommon = Effect.fnUntraced(function* (vault: Vault.Readable, a: Line, b: Line) {
  let common = [...a].filter(([hex]) => b.has(hex)).sort(([, x], [, y]) => (x.time < y.time ? 1 : -1))
  const newest: Array<Head.Published> = []
  for (let first = common[0]; first !== undefined && newest.length < mostBases; first = common[0]) {
    const published = yield* Head.read(vault, first[1].hash)
    const before = inline(published)
    newest.push(published)
    common = common.filter(([hex]) => !before.has(hex))
  }
  return newest
})

/** The lines of several nodes as one. */
const union = (lines: ReadonlyArray<Line>): Line => new Map(lines.flatMap((line) => [...line]))

/** The graph of a vault's published nodes. */
const graph = (vault: Vault.Readable): MergeBases.History<Head.Published, Failures, Envelope.Envelope> => ({
  idOf: (node) => node.hash,
  treeOf: (node) => Effect.succeed(Vault.snapshot(vault, node.root)),
  newestCommon: Effect.fnUntraced(function* (merged, next) {
    const near = yield* newestCommon(vault, union(merged.map(inline)), inline(next))
    if (near.length > 0) return near
    const all = yield* Effect.forEach(merged, (node) => whole(vault, node))
    return yield* newestCommon(vault, union(all), yield* whole(vault, next))
  })
})

/** Several trees as one. @since 0.1.0 @category models */
export interface United {
  readonly tree: Snapshot.Snapshot
  readonly conflicts: Merge.Merged["conflicts"]
}

type Failures = TreeError | Head.HeadError

/**
 * The trees of several published nodes merged into one, whatever their order; each pair from the newest nodes that both
 * histories contain. Where such a node cannot be read nothing is deleted, and what differs stands side by side.
 *
 * @since 0.1.0
 * @category programs
 */
export const unite = Effect.fn("Ancestry.unite")(function* (
  vault: Vault.Readable,
  nodes: ReadonlyArray<Head.Published>
): Effect.fn.Return<United, Failures, Envelope.Envelope> {
  const history = graph(vault)
  const [first, ...rest] = [...nodes].sort((a, b) => Bytes.compare(a.hash, b.hash))
  let tree = Vault.snapshot(vault, first?.root)
  const members = first === undefined ? [] : [first]
  const conflicts: Array<Merge.Merged["conflicts"][number]> = []
  for (const next of rest) {
    const base: Merge.Sides["base"] = yield* history.newestCommon(members, next).pipe(
      Effect.flatMap((common) => MergeBases.mergeBases(history, common)),
      // what both come from is lost: both are kept whole, and the conflicts say so
      Effect.catchIf(isLost, () => Effect.succeed("unreadable" as const))
    )
    const merged = yield* threeWay({ base, ours: Vault.snapshot(vault, next.root), theirs: tree })
    tree = merged.root ?? Vault.snapshot(vault, undefined)
    conflicts.push(...merged.conflicts)
    members.push(next)
  }
  return { tree, conflicts }
})

const isLost = (error: Failures): boolean => (error._tag === "HeadError" ? true : Salvage.isDamage(error))

/**
 * `Merge.threeWay`, which goes on without a base that turns out to be damaged.
 *
 * @since 0.1.0
 * @category programs
 */
export const threeWay = (sides: Merge.Sides): Effect.Effect<Merge.Merged, TreeError> =>
  Effect.catchIf(
    Merge.threeWay(sides),
    (error) => sides.base !== "unreadable" && Salvage.isDamage(error),
    () =>
      // if it was ours or theirs that is damaged, this fails with the same error
      Merge.threeWay({ ...sides, base: "unreadable" })
  )
