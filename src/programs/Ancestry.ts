/**
 * What several published nodes have in common: history is a graph.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { contextEquals } from "../fs5/EntryEquality.ts"
import * as Merge from "../fs5/Merge.ts"
import * as MergeBases from "../fs5/MergeBases.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import * as TreeWalk from "../fs5/TreeWalk.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import type * as Envelope from "../services/Envelope.ts"
import * as Head from "./Head.ts"
import * as Salvage from "./Salvage.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Vault from "./Vault.ts"

/** A published node, where it is read from, and the place in time that its history key gives it. */
interface Place {
  readonly hash: Hash.Hash
  readonly blob: Hash.Hash
  readonly time: bigint
}

/** Published nodes by the hex of their hashes. */
type Line = ReadonlyMap<string, Place>

/** The node itself and everything before it that it names inline; the node counts as newer than all of it. */
const inline = (published: Head.Published): Line => {
  const line = new Map<string, Place>()
  let latest = 0n
  for (const item of published.node.history) {
    const time = TransparentNode.parseHistoryKey(item.key) ?? 0n
    if (time > latest) latest = time
    const hash = TransparentNode.idOf(item)
    line.set(Hash.toHex(hash), { hash, blob: item.hash, time })
  }
  return line.set(Hash.toHex(published.hash), { hash: published.hash, blob: published.hash, time: latest + 1n })
}

/** As `inline`, with everything that is reached through the nodes it names. */
const whole = (vault: Vault.Readable, published: Head.Published) =>
  published.node.history.length < Snapshots.inlineHistory
    ? Effect.succeed(inline(published))
    : Effect.map(
        Snapshots.all(vault, published),
        (infos): Line =>
          new Map(
            infos.map(({ blob, id, number }) => [Hash.toHex(id), { hash: id, blob, time: BigInt(number) }] as const)
          )
      )

/** How many newest common nodes are looked for; more would take as many writers that crossed each other at once. */
const mostBases = 16

/** Reads the node from where one line has it, or the other: one may name what was sealed anew since. */
const readEither = (vault: Vault.Readable, a: Place, b: Place | undefined) => {
  const first = Head.read(vault, a.hash, a.blob)
  return b === undefined || Bytes.equals(a.blob, b.blob)
    ? first
    : Effect.catchIf(first, isLost, () => Head.read(vault, a.hash, b.blob))
}

/** The common nodes that are in no other common node's history, newest first. */
const newestCommon = Effect.fnUntraced(function* (vault: Vault.Readable, a: Line, b: Line) {
  let common = [...a].filter(([hex]) => b.has(hex)).sort(([, x], [, y]) => (x.time < y.time ? 1 : -1))
  const newest: Array<Head.Published> = []
  for (let first = common[0]; first !== undefined && newest.length < mostBases; first = common[0]) {
    const published = yield* readEither(vault, first[1], b.get(first[0]))
    const near = inline(published)
    common = common.filter(([hex]) => !near.has(hex))
    const before = common.length === 0 ? near : yield* whole(vault, published)
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
  treeOf: (node) => Effect.succeed(Head.tree(vault, node)),
  newestCommon: Effect.fnUntraced(function* (merged, next) {
    // the node itself is the newest that there can be
    const before = inline(next)
    if (merged.length === 1 && before.has(Hash.toHex(merged[0]!.hash))) return [merged[0]!]
    const all = yield* Effect.forEach(merged, (node) => whole(vault, node))
    return yield* newestCommon(vault, union(all), yield* whole(vault, next))
  })
})

/** @since 0.1.0 @category models */
export interface Options {
  /** Fail where a base cannot be read, instead of going on without it: trying again may find it. */
  readonly isPatient?: boolean
}

/** Several trees as one. @since 0.1.0 @category models */
export interface United {
  readonly tree: Snapshot.Snapshot
  readonly conflicts: Merge.Merged["conflicts"]
  /** Nodes that were merged without what they have in common with those before, as that cannot be read. */
  readonly baseless: ReadonlyArray<Hash.Hash>
  /** Whether each tree is what all of them come from. */
  readonly isBase: boolean
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
  nodes: ReadonlyArray<Head.Published>,
  options: Options = {}
): Effect.fn.Return<United, Failures, Envelope.Envelope> {
  const history = graph(vault)
  const isOwn = ({ node }: Head.Published) => contextEquals(node.context, vault.pipeline.context)
  const ordered = [...nodes].sort((a, b) => Bytes.compare(a.hash, b.hash))
  // the merged tree is kept under the vault's own context
  const [first, ...rest] = [...ordered.filter(isOwn), ...ordered.filter((node) => !isOwn(node))]
  let tree = Vault.snapshot(vault, first !== undefined && isOwn(first) ? first.root : undefined)
  let isBase = true
  const members = first === undefined ? [] : [first]
  const conflicts: Array<Merge.Merged["conflicts"][number]> = []
  const baseless: Array<Hash.Hash> = []
  if (first !== undefined && !isOwn(first))
    tree = (yield* Merge.threeWay({ base: undefined, ours: Head.tree(vault, first), theirs: tree })).root ?? tree
  for (const next of rest) {
    const base: Merge.Sides["base"] = yield* history.newestCommon(members, next).pipe(
      Effect.flatMap((common) => MergeBases.mergeBases(history, common)),
      // what both come from is lost: both are kept whole, and the conflicts say so
      Effect.catchIf(
        (error) => isLost(error) && !(options.isPatient === true && mayPass(error)),
        () => Effect.succeed("unreadable" as const)
      )
    )
    const ours = Head.tree(vault, next)
    isBase &&=
      base !== undefined && base !== "unreadable" && [ours, tree].every(({ hash }) => Bytes.equals(hash, base.hash))
    const merged = yield* threeWay({ base, ours, theirs: tree }, options)
    if (merged.isBaseless) baseless.push(next.hash)
    tree = merged.root ?? Vault.snapshot(vault, undefined)
    conflicts.push(...merged.conflicts)
    members.push(next)
  }
  return { tree, conflicts, baseless, isBase }
})

const isLost = (error: Failures): boolean => (error._tag === "HeadError" ? true : Salvage.isDamage(error))

/** Whether the store may have it after all: bytes that are wrong stay wrong. */
const mayPass = (error: Failures): boolean =>
  error._tag === "BlobStoreError" && (error.reason === "Missing" || error.reason === "Unreadable")

/** Whether the store says that a part of the tree is lost; every node of it is read to find out. */
const isUnreadable = (tree: Snapshot.Snapshot): Effect.Effect<boolean, TreeError> =>
  tree.isEmpty
    ? Effect.succeed(false)
    : Stream.runDrain(TreeWalk.nodes(tree.pipeline, Snapshot.rootOf(tree))).pipe(
        Effect.as(false),
        Effect.catchIf(Salvage.isDamage, () => Effect.succeed(true))
      )

/** @since 0.1.0 @category models */
export interface Merged extends Merge.Merged {
  /** Whether it had to go on without a base that there is. */
  readonly isBaseless: boolean
}

/**
 * `Merge.threeWay`, which goes on without a base that is found to be lost; what is lost of the other two is its error.
 *
 * @since 0.1.0
 * @category programs
 */
export const threeWay = (sides: Merge.Sides, options: Options = {}): Effect.Effect<Merged, TreeError> => {
  const without = (isBaseless: boolean) => (merged: Merge.Merged) => ({ ...merged, isBaseless })
  return Effect.catchIf(
    Effect.map(Merge.threeWay(sides), without(sides.base === "unreadable")),
    Salvage.isDamage,
    (error) => {
      const { base } = sides
      if (base === undefined || base === "unreadable") return Effect.fail(error)
      if (options.isPatient === true && mayPass(error)) return Effect.fail(error)
      return Effect.flatMap(isUnreadable(base), (lost) =>
        lost ? Effect.map(Merge.threeWay({ ...sides, base: "unreadable" }), without(true)) : Effect.fail(error)
      )
    }
  )
}
