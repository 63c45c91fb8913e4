/**
 * The root of a vault: which tree it holds, how to read it, and what was published before (docs/format/fs5.md §14.2,
 * docs/format/node.md §0.2).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import type { Hash } from "./Hash.ts"
import * as Node from "./Node.ts"
import * as TraversalContext from "./TraversalContext.ts"

/** One earlier publication. @since 0.1.0 @category models */
export interface HistoryEntry {
  /** The time at which it was superseded (see `historyKey`), or any other non-empty text, such as `unknown`. */
  readonly key: string
  /** The hash of the published blob, as it was sealed. */
  readonly hash: Hash
  /** The entry as it was read, where it may say more than the hash. */
  readonly entry?: Node.NodeEntry
}

/**
 * What names the publication on every device: the hash of the blob that it was first sealed as, whatever it was sealed as
 * since (`resealed`).
 *
 * @since 0.1.0
 * @category accessors
 */
export const idOf = ({ entry, hash }: HistoryEntry): Hash => entry?.content?.plaintextHash ?? hash

/**
 * The same publication, to be read from `blob`, in which it was sealed anew for others than before. Its id is in the place of
 * the plaintext hash, which a history entry has no other use for, so that readers who do not know of it find the new blob.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resealed = (item: HistoryEntry, blob: Hash): HistoryEntry => ({
  key: item.key,
  hash: blob,
  entry: {
    ...item.entry,
    content: { size: 0n, ...item.entry?.content, structural: "leaf", hash: blob, plaintextHash: idOf(item) }
  }
})

/** @since 0.1.0 @category models */
export interface TransparentNode {
  /** The stored hash of the tree's root node; `Hash.zero` for an empty tree. */
  readonly root: Hash
  readonly plaintextHash?: Hash
  /** Everything that is needed to read the tree, keys included. */
  readonly context: TraversalContext.TraversalContext
  /** Oldest first; keys differ. */
  readonly history: ReadonlyArray<HistoryEntry>
  /** The root's entry as it was read, where it may say more than the fields above, which come before it. */
  readonly current?: Node.NodeEntry
  /** Entries that are neither the root nor a history entry; they are kept. */
  readonly others?: Node.Node["entries"]
}

const timestampOf = (millis: number): Node.SemanticMeta => {
  const seconds = Math.floor(millis / 1000)
  // a time that 32 bits of seconds cannot hold is left out
  return seconds < 0 || seconds > 0xffff_ffff
    ? {}
    : { timestamp: seconds, timestampSubsecNanos: Math.floor(millis - seconds * 1000) * 1_000_000 }
}

/**
 * A node as a writer makes it.
 *
 * A history entry whose key another one has moves on by nanoseconds, so none replaces another.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly root: Hash
  readonly plaintextHash?: Hash
  readonly context: TraversalContext.TraversalContext
  readonly history: ReadonlyArray<HistoryEntry>
  /** What else the superseded node holds, to be kept. */
  readonly others?: Node.Node["entries"]
  /** Milliseconds since 1970, written as the time of the root's entry. */
  readonly publishedAt?: number
}): TransparentNode => ({
  root: options.root,
  ...(options.plaintextHash !== undefined && { plaintextHash: options.plaintextHash }),
  context: options.context,
  history: distinct(options.history),
  ...(options.others !== undefined && { others: options.others }),
  ...(options.publishedAt !== undefined && { current: { semantic: timestampOf(options.publishedAt) } })
})

/** @since 0.1.0 @category accessors */
export const root = (node: TransparentNode): Hash => node.root

/** @since 0.1.0 @category accessors */
export const plaintextHash = (node: TransparentNode): Hash | undefined => node.plaintextHash

/** @since 0.1.0 @category accessors */
export const context = (node: TransparentNode): TraversalContext.TraversalContext => node.context

/** Oldest first. @since 0.1.0 @category accessors */
export const history = (node: TransparentNode): ReadonlyArray<HistoryEntry> => node.history

/** When the node was published, in milliseconds since 1970, when it says so. @since 0.1.0 @category accessors */
export const publishedAt = (node: TransparentNode): number | undefined => {
  const semantic = node.current?.semantic
  return semantic?.timestamp === undefined
    ? undefined
    : semantic.timestamp * 1000 + Math.floor((semantic.timestampSubsecNanos ?? 0) / 1_000_000)
}

/** The secret that names the vault, when the context has one (docs/format/fs5.md §5.4). @since 0.1.0 @category accessors */
export const recoverySecret = (node: TransparentNode): Redacted.Redacted<Uint8Array> | undefined => {
  const secret = node.context.keys?.get(TraversalContext.keySlot.recovery)
  return secret === undefined ? undefined : Redacted.make(secret)
}

const currentEntry = (node: TransparentNode): Node.NodeEntry => {
  const { plaintextHash: _, ...content } = node.current?.content ?? { size: 0n }
  // a node that was read without a context is written without one
  const lacksContext = node.current?.content !== undefined && node.current.childContext === undefined
  return {
    ...node.current,
    content: {
      ...content,
      structural: "link",
      hash: node.root,
      ...(node.plaintextHash !== undefined && { plaintextHash: node.plaintextHash })
    },
    ...(!(lacksContext && Object.keys(node.context).length === 0) && { childContext: node.context })
  }
}

const historyNodeEntry = (item: HistoryEntry): Node.NodeEntry => ({
  ...item.entry,
  content: { size: 0n, ...item.entry?.content, structural: "leaf", hash: item.hash }
})

/** The FS5 node that it is written as. @since 0.1.0 @category conversions */
export const toNode = (node: TransparentNode): Node.Node => ({
  header: { level: 0, kind: "transparent" },
  entries: [
    ["", currentEntry(node)] as const,
    ...node.history.map((item) => [item.key, historyNodeEntry(item)] as const),
    ...(node.others ?? [])
  ].sort(([a], [b]) => Bytes.compareUtf8(a, b))
})

/** The CBOR; two entries with one key are a defect (`RangeError`); `make` and `addHistory` see to that. @since 0.1.0 @category conversions */
export const encode = (node: TransparentNode): Uint8Array => Node.encode(toNode(node))

const isPlainHistory = (entry: Node.NodeEntry): boolean => {
  const { content, childContext, semantic, tombstone } = entry
  return (
    content !== undefined &&
    content.size === 0n &&
    content.plaintextHash === undefined &&
    content.storedBlocks === undefined &&
    childContext === undefined &&
    semantic === undefined &&
    tombstone === undefined
  )
}

/** The transparent node that an FS5 node is, or why it is none. @since 0.1.0 @category conversions */
export const fromNode = (node: Node.Node): Either.Either<TransparentNode, FormatError> => {
  const fail = (at: string, problem: string) =>
    Either.left(new FormatError({ format: "transparent node", at, problem }))
  if (node.header.kind !== "transparent") return fail("header.kind", `expected transparent, got ${node.header.kind}`)
  const history: Array<HistoryEntry> = []
  const others: Array<readonly [string, Node.NodeEntry]> = []
  let current: Node.NodeEntry | undefined
  for (const [key, entry] of node.entries) {
    if (key === "") current = entry
    else if (entry.content?.structural !== "leaf" || entry.tombstone !== undefined) others.push([key, entry])
    else history.push({ key, hash: entry.content.hash, ...(!isPlainHistory(entry) && { entry }) })
  }
  if (current === undefined) return fail('entries[""]', "is missing")
  if (current.tombstone !== undefined) return fail('entries[""]', "is a tombstone")
  const content = current.content
  if (content === undefined) return fail('entries[""].content', "is missing")
  if (content.structural !== "link") return fail('entries[""].content', "expected a link, got a leaf")
  const says =
    current.semantic !== undefined ||
    current.childContext === undefined ||
    content.size !== 0n ||
    content.storedBlocks !== undefined
  return Either.right({
    root: content.hash,
    ...(content.plaintextHash !== undefined && { plaintextHash: content.plaintextHash }),
    context: current.childContext ?? TraversalContext.empty,
    history: chronological(history),
    ...(says && { current }),
    ...(others.length > 0 && { others })
  })
}

/**
 * The transparent node that `bytes` are: of that kind, with a link under the empty key.
 *
 * An absent context reads as the empty one; history is sorted by time; what is not understood is kept for `encode`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = (bytes: Uint8Array): Either.Either<TransparentNode, FormatError> =>
  Either.flatMap(Node.decode(bytes), fromNode)

const nanosPerSecond = 1_000_000_000n
// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the years that RFC 3339 can write
const firstSecond = -62_167_219_200n
const lastSecond = 253_402_300_799n

/**
 * The history key of a time: RFC 3339 in UTC with nine fraction digits, so that the order of bytes is the order of time.
 *
 * A number is milliseconds since 1970, a bigint nanoseconds; a time that RFC 3339 cannot write gives `unknown`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const historyKey = (time: number | bigint): string => {
  if (typeof time === "number" && !Number.isFinite(time)) return "unknown"
  const nanos = typeof time === "bigint" ? time : BigInt(Math.floor(time)) * 1_000_000n
  const fraction = ((nanos % nanosPerSecond) + nanosPerSecond) % nanosPerSecond
  const seconds = (nanos - fraction) / nanosPerSecond
  if (seconds < firstSecond || seconds > lastSecond) return "unknown"
  const text = new Date(Number(seconds) * 1000).toISOString()
  return `${text.slice(0, 19)}.${String(fraction).padStart(9, "0")}Z`
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/** The time of a history key in nanoseconds since 1970; nothing when it is no RFC 3339 time. @since 0.1.0 @category conversions */
export const parseHistoryKey = (key: string): bigint | undefined => {
  const match = rfc3339.exec(key)
  if (match === null) return undefined
  const part = (index: number) => Number(match[index] ?? 0)
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)]
  // second 60 is a leap second, which counts as the one that follows
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) return undefined
  if (part(9) > 23 || part(10) > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCDate() !== day) return undefined
  const offset = (match[8] === "-" ? -1 : 1) * (part(9) * 3600 + part(10) * 60)
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset
  return BigInt(seconds) * nanosPerSecond + BigInt((match[7] ?? "").slice(0, 9).padEnd(9, "0"))
}

/** History oldest first by the time in its keys; keys without a time come before all others. @since 0.1.0 @category combinators */
export const chronological = (history: ReadonlyArray<HistoryEntry>): ReadonlyArray<HistoryEntry> =>
  history
    .map((item) => ({ item, time: parseHistoryKey(item.key) }))
    .sort((a, b) => {
      if (a.time === b.time) return Bytes.compareUtf8(a.item.key, b.item.key)
      if (a.time === undefined || b.time === undefined) return a.time === undefined ? -1 : 1
      return a.time < b.time ? -1 : 1
    })
    .map(({ item }) => item)

const freeKey = (taken: ReadonlySet<string>, key: string): string => {
  let free = key
  let time = parseHistoryKey(key) ?? 0n
  while (free === "" || taken.has(free)) {
    time++
    // behind the last time that a key can say, the first second of 1970 has room
    if (historyKey(time) === "unknown") time = 0n
    free = historyKey(time)
  }
  return free
}

const distinct = (history: ReadonlyArray<HistoryEntry>): ReadonlyArray<HistoryEntry> => {
  const taken = new Set<string>()
  const moved = history.map((item) => {
    const key = freeKey(taken, item.key)
    taken.add(key)
    return key === item.key ? item : { ...item, key }
  })
  return chronological(moved)
}

/**
 * `history` with one more publication, superseded at `time` (as in `historyKey`).
 *
 * A key that is taken moves on by nanoseconds until one is free, so no publication ever replaces another.
 *
 * @since 0.1.0
 * @category combinators
 */
export const addHistory = (
  history: ReadonlyArray<HistoryEntry>,
  time: number | bigint,
  hash: Hash
): ReadonlyArray<HistoryEntry> => distinct([...history, { key: historyKey(time), hash }])
