/**
 * Reading the nodes of a tree, each held against the link that names it (docs/format/fs5.md §11).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { ContentRef, Node, NodeEntry, NodeKind } from "../schema/Node.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import * as Batches from "./Batches.ts"
import * as KeyOrder from "./KeyOrder.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { KeyedEntry, KeyRange } from "./ReadableLayer.ts"
import { DamagedTree, type TreeError } from "./TreeError.ts"

/** The greatest level that a root may have; every level has at most a quarter of the nodes below it. @since 0.1.0 @category constants */
export const maxLevel = 32

/** Where a tree begins. @since 0.1.0 @category models */
export interface Root extends Pick<ContentRef, "hash" | "plaintextHash"> {
  /** What the tree must be made of; anything when absent. */
  readonly kind?: NodeKind
}

/** A node in its place in a tree. @since 0.1.0 @category models */
export interface TreeNode {
  readonly hash: Hash.Hash
  readonly node: Node
  /** What its links and entries are read with. */
  readonly pipeline: Pipeline
  /** What the links from the root to here add to the root's context; nothing in trees that any known writer makes. */
  readonly override: TraversalContext.TraversalContext | undefined
  /** All its keys are before this one; absent at the end of the tree. */
  readonly until: string | undefined
}

const inconsistent = (hash: Hash.Hash, detail: string) =>
  new DamagedTree({ reason: "Inconsistent", blob: Hash.toHex(hash), detail })

const quoted = (key: string | undefined) => JSON.stringify(key)

// nodes come from a cache, so that most of them are met again and again
const wellFormed = new WeakSet<Node>()

const problemWithin = (node: Node): string | undefined => {
  if (wellFormed.has(node)) return undefined
  let last: string | undefined
  for (const [key, entry] of node.entries) {
    if (last !== undefined && Bytes.compareUtf8(last, key) >= 0) {
      return `keys do not ascend: ${quoted(key)} follows ${quoted(last)}`
    }
    last = key
    if (node.header.level > 0 && (entry.content?.structural !== "link" || entry.tombstone !== undefined)) {
      return `a node of level ${node.header.level} has something other than a link at ${quoted(key)}`
    }
  }
  if (last === undefined) return "a node without entries"
  wellFormed.add(node)
  return undefined
}

/** The most nodes that are read ahead together. @since 0.1.0 @category constants */
export const aheadNodes = 64

/** Nodes that are read ahead at first; as many times more with every time that they did not suffice. */
const firstAhead = 1
const moreAhead = 4

/**
 * Reads ahead what the links of a node name, `nodes` entries, or `aheadNodes`, from the one at `index` on. Links at or behind `until` are left alone, and so is what `skip` says.
 *
 * @since 0.1.0
 * @category reading
 */
export const readAhead = (
  { node, pipeline }: TreeNode,
  index: number,
  options: {
    readonly until?: string | undefined
    readonly skip?: ((hash: Hash.Hash) => boolean) | undefined
    readonly nodes?: number
  } = {}
): Effect.Effect<void> => {
  const links: Array<ContentRef> = []
  const end = Math.min(node.entries.length, index + (options.nodes ?? aheadNodes))
  for (let at = index; at < end; at++) {
    const [key, { childContext, content }] = node.entries[at]!
    if (!KeyOrder.isBefore(key, options.until)) break
    if (content?.structural !== "link" || childContext !== undefined || options.skip?.(content.hash) === true) continue
    links.push(content)
  }
  return links.length < 2 ? Effect.void : pipeline.prefetchNodes(links)
}

/** The root node of the tree, or why it cannot be one. @since 0.1.0 @category reading */
export const readRoot = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  root: Root
): Effect.fn.Return<TreeNode, TreeError> {
  const node = yield* pipeline.readNode(root)
  const { kind, level } = node.header
  if (level > maxLevel) return yield* inconsistent(root.hash, `a root of level ${level}; ${maxLevel} is the highest`)
  if (root.kind !== undefined && kind !== root.kind) {
    return yield* inconsistent(root.hash, `the root of a ${kind} tree, expected ${root.kind}`)
  }
  const problem = problemWithin(node)
  if (problem !== undefined) return yield* inconsistent(root.hash, problem)
  if (level > 0 && node.entries.length === 1) return yield* inconsistent(root.hash, "a root with a single link")
  return { hash: root.hash, node, pipeline, override: undefined, until: undefined }
})

/** The node that the link at `index` of an internal node names, or why it cannot stand there. @since 0.1.0 @category reading */
export const readChild = Effect.fnUntraced(function* (
  parent: TreeNode,
  index: number
): Effect.fn.Return<TreeNode, TreeError> {
  const [key, link] = parent.node.entries[index]!
  const content = link.content!
  const pipeline = link.childContext === undefined ? parent.pipeline : parent.pipeline.within(link.childContext)
  const override =
    link.childContext === undefined
      ? parent.override
      : TraversalContext.merge(parent.override ?? TraversalContext.empty, link.childContext)
  const until = parent.node.entries[index + 1]?.[0] ?? parent.until
  const node = yield* pipeline.readNode(content)
  const { kind, level } = node.header
  if (level !== parent.node.header.level - 1) {
    return yield* inconsistent(content.hash, `level ${level} below a node of level ${parent.node.header.level}`)
  }
  if (kind !== parent.node.header.kind) {
    return yield* inconsistent(content.hash, `a ${kind} node below a ${parent.node.header.kind} node`)
  }
  const problem = problemWithin(node)
  if (problem !== undefined) return yield* inconsistent(content.hash, problem)
  if (node.entries[0]?.[0] !== key) {
    return yield* inconsistent(
      content.hash,
      `begins with ${quoted(node.entries[0]?.[0])}, its link says ${quoted(key)}`
    )
  }
  const last = node.entries.at(-1)?.[0]
  if (last !== undefined && !KeyOrder.isBefore(last, until)) {
    return yield* inconsistent(content.hash, `reaches ${quoted(last)}, but the next node begins with ${quoted(until)}`)
  }
  return { hash: content.hash, node, pipeline, override, until }
})

/** An entry of a leaf node so that it is decoded by the root's context. @since 0.1.0 @category reading */
export const entryOf = (leaf: TreeNode, entry: NodeEntry): NodeEntry =>
  leaf.override === undefined || entry.content === undefined
    ? entry
    : {
        ...entry,
        childContext: TraversalContext.merge(leaf.override, entry.childContext ?? TraversalContext.empty)
      }

/** The entries of a leaf node so that they are decoded by the root's context. @since 0.1.0 @category reading */
export const entriesOf = (leaf: TreeNode): ReadonlyArray<KeyedEntry> =>
  leaf.override === undefined
    ? leaf.node.entries
    : leaf.node.entries.map(([key, entry]) => [key, entryOf(leaf, entry)] as const)

/** The entry at `key`, a tombstone too; reads one node of each level. @since 0.1.0 @category reading */
export const get = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  root: Root,
  key: string
): Effect.fn.Return<NodeEntry | undefined, TreeError> {
  let at = yield* readRoot(pipeline, root)
  while (at.node.header.level > 0) {
    const index = KeyOrder.lastAtMost(at.node.entries, key)
    if (index < 0) return undefined
    at = yield* readChild(at, index)
  }
  const found = KeyOrder.find(at.node.entries, key)
  return found === undefined ? undefined : entryOf(at, found[1])
})

/**
 * The entries in `range` in key order; holds one node of each level at a time.
 *
 * `onLeaf` is told of each leaf node below the root, with the link to it, before its entries come.
 *
 * @since 0.1.0
 * @category reading
 */
export const batches = (
  pipeline: Pipeline,
  root: Root,
  range?: KeyRange,
  onLeaf?: (leaf: TreeNode, link: KeyedEntry) => void
): Batches.Batches<KeyedEntry, TreeError> => {
  const stack: Array<{ readonly node: TreeNode; next: number; ahead: number }> = []
  let started = false
  // whoever wants the first entries alone does not pay for the others
  let nodes = firstAhead
  const first = (node: TreeNode) =>
    range?.from === undefined ? 0 : Math.max(0, KeyOrder.lastAtMost(node.node.entries, range.from))
  const enter = (node: TreeNode): ReadonlyArray<KeyedEntry> => {
    if (node.node.header.level === 0) return KeyOrder.within(entriesOf(node), range)
    const next = first(node)
    stack.push({ node, next, ahead: next })
    return []
  }
  return {
    next: Effect.suspend(() => {
      if (!started) {
        started = true
        return Effect.map(readRoot(pipeline, root), enter)
      }
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const link = top.node.node.entries[top.next]
        if (link !== undefined && KeyOrder.isBefore(link[0], range?.until)) {
          const index = top.next++
          const child = Effect.map(readChild(top.node, index), (child) => {
            if (child.node.header.level === 0) onLeaf?.(child, link)
            return enter(child)
          })
          if (index < top.ahead) return child
          top.ahead = index + nodes
          const ahead = readAhead(top.node, index, { until: range?.until, nodes })
          nodes = Math.min(nodes * moreAhead, aheadNodes)
          return Effect.zipRight(ahead, child)
        }
        stack.pop()
      }
      return Effect.succeed(undefined)
    })
  }
}

/** `batches` as a stream. @since 0.1.0 @category reading */
export const scan = (pipeline: Pipeline, root: Root, range?: KeyRange): Stream.Stream<KeyedEntry, TreeError> =>
  Batches.toStream(() => batches(pipeline, root, range))
