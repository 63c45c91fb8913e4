/**
 * What becomes of one path when two writers changed a tree.
 *
 * @since 0.1.0
 */
import * as Bytes from "../schema/Bytes.ts"
import * as Cbor from "../schema/Cbor.ts"
import type { Hash } from "../schema/Hash.ts"
import type { NodeEntry, SemanticMeta } from "../schema/Node.ts"
import * as Node from "../schema/Node.ts"
import * as ConflictName from "./ConflictName.ts"
import * as ContentId from "./ContentId.ts"
import { entryEquals } from "./EntryEquality.ts"

/** An entry with its content id, if that is known. @since 0.1.0 @category models */
export interface Version {
  readonly entry: NodeEntry
  readonly contentId?: Hash | undefined
}

interface Identified {
  readonly entry: NodeEntry
  readonly contentId: Hash
}

/** Whose state the path takes; `displaces` where the other's version must be kept beside it. @since 0.1.0 @category models */
export interface Decision {
  readonly keep: "ours" | "theirs"
  readonly displaces: boolean
}

/**
 * What a writer did to a path since the base: of two that differ the greater counts.
 *
 * Incidental is what never makes a difference: ctime, inode, device, link count, and how the content is stored.
 */
const change = { none: 0, incidental: 1, metadata: 2, deleted: 3, content: 4 } as const
type Change = (typeof change)[keyof typeof change]

/**
 * Whether two versions of the path have the same content; nothing where that takes content ids that are not known.
 *
 * @since 0.1.0
 * @category comparing
 */
export const sameContent = (key: string, a: Version, b: Version): boolean | undefined => {
  const left = a.entry.content
  const right = b.entry.content
  if (left === undefined || right === undefined) {
    if (left !== right) return false
    return ContentId.isDirectory(key) || ContentId.kindOf(a.entry) === ContentId.kindOf(b.entry)
  }
  if (ContentId.kindOf(a.entry) !== ContentId.kindOf(b.entry) || left.size !== right.size) return false
  if (left.structural === right.structural) {
    if (Bytes.equals(left.hash, right.hash)) return true
    // the same chunk tree, encoded in two ways
    if (left.plaintextHash !== undefined && right.plaintextHash !== undefined) {
      if (Bytes.equals(left.plaintextHash, right.plaintextHash)) return true
    }
  }
  return a.contentId === undefined || b.contentId === undefined ? undefined : Bytes.equals(a.contentId, b.contentId)
}

const significant = (semantic: SemanticMeta | undefined): NodeEntry => {
  if (semantic?.unix === undefined) return { ...(semantic !== undefined && { semantic }) }
  const { ctime: _, deviceId: __, inode: ___, nlink: ____, ...unix } = semantic.unix
  return { semantic: { ...semantic, unix } }
}

const sameMetadata = (a: NodeEntry, b: NodeEntry): boolean =>
  entryEquals(significant(a.semantic), significant(b.semantic))

const changeOf = (key: string, base: Version | undefined, now: Version | undefined): Change | undefined => {
  if (now === undefined) return base === undefined ? change.none : change.deleted
  if (base === undefined) {
    return ContentId.isDirectory(key) && now.entry.content === undefined ? change.metadata : change.content
  }
  if (entryEquals(base.entry, now.entry)) return change.none
  const same = sameContent(key, base, now)
  if (same === undefined) return undefined
  if (!same) return change.content
  return sameMetadata(base.entry, now.entry) ? change.incidental : change.metadata
}

/** By modification time; an entry without one is older than all others. @since 0.1.0 @category comparing */
export const compareTime = (a: NodeEntry, b: NodeEntry): number => {
  const seconds = (a.semantic?.timestamp ?? -1) - (b.semantic?.timestamp ?? -1)
  return seconds === 0 ? (a.semantic?.timestampSubsecNanos ?? 0) - (b.semantic?.timestampSubsecNanos ?? 0) : seconds
}

/** Whether `a` is to be kept rather than `b`, which has the same content: newer, or the bytewise smaller entry. @since 0.1.0 @category comparing */
export const isPreferred = (a: NodeEntry, b: NodeEntry): boolean => {
  const time = compareTime(a, b)
  return time === 0 ? Bytes.compare(Cbor.encode(Node.entryCodec, a), Cbor.encode(Node.entryCodec, b)) < 0 : time > 0
}

/** Whether `a` keeps the path against the other content `b`: newer, then smaller content id. */
const keepsPath = (key: string, a: Identified, b: Identified): boolean => {
  const left = a.contentId
  const right = b.contentId
  // a conflict copy yields its name, so that it ends where it would have if the name had been taken before
  const isCopy = ConflictName.isOwn(key, left)
  if (isCopy !== ConflictName.isOwn(key, right)) return !isCopy
  const time = isCopy ? 0 : compareTime(a.entry, b.entry)
  if (time !== 0) return time > 0
  const order = Bytes.compare(left, right)
  return order === 0 ? isPreferred(a.entry, b.entry) : order < 0
}

/**
 * Decides on a path of which at least one side differs from the base; nothing where content ids that are not known make
 * the difference.
 *
 * Changed on one side: that side, and a change of content is one against a change of metadata or a deletion, a deletion
 * against a change of metadata. Changed on both sides to the same content, or only in metadata: the newer. To different
 * content: the newer, then the smaller content id, and the other is displaced. Directories have only metadata. The answer
 * names the same version when the sides are swapped.
 *
 * A path has one version whole: new metadata that meets new content is not laid on it, and can be found in the history
 * only. It cannot be otherwise. Let one writer delete a file, one change its metadata and one its content. Deletion and
 * metadata merged give nothing, on which the new content arrives as its writer made it; so the order in which deletion and
 * content come first must end with that content too, and what it gives, before the metadata comes, is the same as if
 * nobody had deleted anything. Laid on there, the metadata would be kept in one order and lost in the other.
 *
 * `isForeign` says that our tree is stored under another context: then what is ours only in encoding is theirs.
 *
 * @since 0.1.0
 * @category deciding
 */
export const decide = (
  key: string,
  versions: {
    readonly base: Version | undefined
    readonly ours: Version | undefined
    readonly theirs: Version | undefined
  },
  isForeign = false
): Decision | undefined => {
  const { base, ours, theirs } = versions
  const keep = (isOurs: boolean): Decision => ({ keep: isOurs ? "ours" : "theirs", displaces: false })
  let mine = changeOf(key, base, ours)
  let other = changeOf(key, base, theirs)
  if (mine === undefined || other === undefined) return undefined
  if (isForeign && mine === change.incidental) mine = change.none
  if (isForeign && other === change.incidental) other = change.none
  if (mine !== other) return keep(mine > other)
  if (ours === undefined || theirs === undefined || mine === change.none) return keep(false)
  const same = mine === change.content ? sameContent(key, ours, theirs) : true
  if (same === undefined) return undefined
  if (same) {
    const isTheirs = isForeign && sameMetadata(ours.entry, theirs.entry)
    return keep(!isTheirs && isPreferred(ours.entry, theirs.entry))
  }
  if (ours.contentId === undefined || theirs.contentId === undefined) return undefined
  const isOurs = keepsPath(
    key,
    { entry: ours.entry, contentId: ours.contentId },
    { entry: theirs.entry, contentId: theirs.contentId }
  )
  return { keep: isOurs ? "ours" : "theirs", displaces: true }
}
