/**
 * What differs between two snapshots, as a user sees it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ContentId from "../fs5/ContentId.ts"
import type * as Snapshot from "../fs5/Snapshot.ts"
import * as TreeDiff from "../fs5/TreeDiff.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import * as Bytes from "../schema/Bytes.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as Folder from "./Folder.ts"

/** A path that is not the same in both. @since 0.1.0 @category models */
export interface Difference {
  /** From the vault's top, without a slash at its end. */
  readonly path: string
  readonly kind: "directory" | "file"
  /** `metadata`: the same content with other permissions or another time. */
  readonly change: "added" | "deleted" | "changed" | "metadata"
}

const live = (entry: NodeEntry | undefined) => (entry?.tombstone === undefined ? entry : undefined)

const metadata = ({ semantic }: NodeEntry) =>
  JSON.stringify([
    semantic?.timestamp,
    semantic?.timestampSubsecNanos,
    semantic?.unix?.permissions,
    semantic?.unix?.uid,
    semantic?.unix?.gid
  ])

const changeOf = Effect.fnUntraced(function* (
  before: Snapshot.Snapshot,
  after: Snapshot.Snapshot,
  { key, ...sides }: TreeDiff.Difference
): Effect.fn.Return<Difference["change"] | undefined, TreeError> {
  const [was, is] = [live(sides.before), live(sides.after)]
  if (was === undefined || is === undefined) return was === is ? undefined : was === undefined ? "added" : "deleted"
  const ids = yield* Effect.all([ContentId.of(before.pipeline, key, was), ContentId.of(after.pipeline, key, is)])
  if (!Bytes.equals(...ids)) return "changed"
  // inode, ctime and how it is stored are nobody's business
  return metadata(was) === metadata(is) ? undefined : "metadata"
})

/**
 * Every file and folder at or below `path` that differs, in key order; content is compared by what it is, whatever it is
 * stored as. Reads what differs alone.
 *
 * @since 0.1.0
 * @category programs
 */
export const between = (
  before: Snapshot.Snapshot,
  after: Snapshot.Snapshot,
  path: string
): Stream.Stream<Difference, TreeError> =>
  Stream.fromIterable(Folder.ranges(path)).pipe(
    Stream.flatMap((range) => TreeDiff.diff(before, after, range)),
    Stream.mapEffect((each) => Effect.map(changeOf(before, after, each), (change) => ({ key: each.key, change }))),
    Stream.filterMap(({ change, key }) => {
      if (change === undefined) return Option.none()
      const isDirectory = ContentId.isDirectory(key)
      const found: Difference = {
        path: isDirectory ? key.slice(0, -1) : key,
        kind: isDirectory ? "directory" : "file",
        change
      }
      return Option.some(found)
    })
  )
