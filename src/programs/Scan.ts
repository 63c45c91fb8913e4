/**
 * One reading of a source into a tree of its own.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Batches from "../fs5/Batches.ts"
import * as CarriedLeaves from "../fs5/CarriedLeaves.ts"
import type { Pipeline } from "../fs5/Pipeline.ts"
import type { KeyedEntry } from "../fs5/ReadableLayer.ts"
import type * as SortedStreams from "../fs5/SortedStreams.ts"
import * as TreeBuilder from "../fs5/TreeBuilder.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import * as LocalTree from "../services/LocalTree.ts"
import * as Progress from "../services/Progress.ts"
import * as Sealer from "../services/Sealer.ts"
import type { Selection } from "../services/VaultState.ts"
import * as FileMetadata from "./FileMetadata.ts"
import * as ScanImport from "./ScanImport.ts"
import * as Walk from "./Walk.ts"

/** The source itself cannot be read. @since 0.1.0 @category errors */
export class SourceUnreadable extends Schema.TaggedError<SourceUnreadable>()("SourceUnreadable", {
  path: Schema.String,
  reason: Schema.Literal("NotFound", "Denied", "NotASource", "Unavailable"),
  detail: Schema.String
}) {
  override get message() {
    return `source ${this.path}: ${this.detail}; nothing was backed up from it`
  }
}

/** @since 0.1.0 @category models */
export interface Options {
  /** The local path to read. */
  readonly path: string
  /** Where it stands in the vault; empty for the vault's top. */
  readonly folder: string
  /** The tree of the last acknowledged scan, and when that began (milliseconds since 1970). */
  readonly previous?: { readonly root: TreeReader.Root; readonly scannedAt: number } | undefined
  readonly selection: Selection
  /**
   * Cairn's own folders, by local path: they are left out wherever they are met, and are no sources, nor is anything in them.
   * A store that is kept in itself would grow by what it holds with every backup, and the keys are not for whoever reads it.
   */
  readonly own?: ReadonlyArray<string>
  /** `kind`: modification time and kind alone; `full`: everything the file system says. */
  readonly metadata: "full" | "kind"
  /** Files read at once. */
  readonly concurrency?: number
  /** Told of each thing that is not in the scan as it is on disk. */
  readonly onProblem?: (problem: Walk.Problem) => Effect.Effect<void>
}

/** What a scan saw. @since 0.1.0 @category models */
export interface Scan {
  /** Nothing when there was nothing to keep. */
  readonly root: TreeReader.Root | undefined
  /** Milliseconds since 1970. */
  readonly scannedAt: number
  readonly files: number
  readonly directories: number
  /** Total size of all files in bytes. */
  readonly bytes: number
  /** Files that were read because they were new or looked changed, and their bytes. */
  readonly readFiles: number
  readonly readBytes: number
  /** Sockets, pipes and devices, which hold no data. */
  readonly leftOut: number
  /** Things that are not in the scan as they are on disk, each told to `onProblem`. */
  readonly problems: number
}

/** Entries that are looked at together. */
const batch = 1024

/** Batches whose files are under way at once. */
const batchesInFlight = 2

/**
 * Reads the source at `path` and writes its blobs and its tree through `pipeline`; what did not change since `previous` is
 * carried over unread. Memory does not grow with files or tree. What cannot be read keeps its previous state and is told to
 * `onProblem`.
 *
 * @since 0.1.0
 * @category programs
 */
export const scan = Effect.fn("Scan.scan")(function* (pipeline: Pipeline, options: Options) {
  const tree = yield* LocalTree.LocalTree
  const sealer = yield* Sealer.Sealer
  const progress = yield* Progress.Progress
  const scannedAt = yield* Clock.currentTimeMillis
  const { folder, previous } = options
  const counts = yield* Ref.make({
    files: 0,
    directories: 0,
    bytes: 0,
    readFiles: 0,
    readBytes: 0,
    leftOut: 0,
    problems: 0
  })

  const unreadable = (error: LocalTree.LocalTreeError) =>
    new SourceUnreadable({
      path: options.path,
      reason:
        error.reason === "NotFound" || error.reason === "Denied"
          ? error.reason
          : error.reason === "Unsupported"
            ? "NotASource"
            : "Unavailable",
      detail: error.reason === "NotFound" ? "there is no such file or folder" : error.detail
    })
  const root = yield* Effect.mapError(tree.resolve(options.path), unreadable)
  if (root.status.kind === "directory") yield* Effect.mapError(tree.list(root.path), unreadable)
  if (root.status.kind !== "regular" && root.status.kind !== "directory")
    return yield* new SourceUnreadable({
      path: options.path,
      reason: "NotASource",
      detail: `it is a ${root.status.kind.replace("_", " ")}, not a file or folder`
    })

  const without: Array<LocalTree.FileStatus> = []
  for (const path of options.own ?? []) {
    const found = yield* Effect.option(tree.resolve(path))
    // one that is not there, or out of our reach, is out of this scan's reach too
    if (Option.isNone(found)) continue
    if (LocalPath.isWithin(root.path, found.value.path))
      return yield* new SourceUnreadable({
        path: options.path,
        reason: "NotASource",
        detail: `it is in ${LocalPath.display(found.value.path)}, where Cairn keeps its own files`
      })
    without.push(found.value.status)
  }

  const problem = (found: Walk.Problem) =>
    Ref.update(counts, (c) => ({ ...c, problems: c.problems + 1 })).pipe(
      Effect.zipRight(options.onProblem?.(found) ?? Effect.void)
    )

  /** What was told of the entries that are being made, before they are counted. */
  const told = { files: 0, bytes: 0 }
  const { importDue } = ScanImport.make({
    pipeline,
    sealer,
    tree,
    isFull: options.metadata === "full",
    concurrency: options.concurrency ?? 8,
    onlyFile: (item, error) => (item.path === root.path ? Effect.fail(unreadable(error)) : undefined),
    onProblem: problem,
    onRead: (files, bytes) =>
      Ref.update(counts, (c) => ({ ...c, readFiles: c.readFiles + files, readBytes: c.readBytes + bytes })),
    onAdvance: (current, bytes, files = 0) => {
      told.files += files
      told.bytes += bytes
      return progress.step({ files, bytes, current })
    }
  })

  const tally = (entries: ReadonlyArray<KeyedEntry>) =>
    Effect.gen(function* () {
      let [files, directories, bytes] = [0, 0, 0]
      for (const [key, entry] of entries) {
        if (key.endsWith("/")) directories += 1
        else files += 1
        bytes += Number(entry.content?.size ?? 0n)
      }
      yield* Ref.update(counts, (c) => ({
        ...c,
        files: c.files + files,
        directories: c.directories + directories,
        bytes: c.bytes + bytes
      }))
      const last = entries[entries.length - 1]
      // what was told of them while they were made is not told twice
      const before = { files: Math.min(told.files, files), bytes: Math.min(told.bytes, bytes) }
      told.files -= before.files
      told.bytes -= before.bytes
      const more = { files: files - before.files, bytes: bytes - before.bytes }
      yield* progress.step({ ...more, ...(last === undefined ? {} : { current: last[0] }) })
    })
  /** What was told of that came to nothing is taken back. */
  const untell = Effect.suspend(() => progress.step({ files: -told.files, bytes: -told.bytes }))

  const builder = TreeBuilder.make(pipeline, { kind: "namespace", mask: TreeBuilder.defaultMask })
  const carried =
    previous === undefined ? undefined : CarriedLeaves.make(pipeline, previous.root, TreeBuilder.defaultMask)
  // a tree's reader makes sure of the order of its entries
  const before = previousEntries(Batches.cursor(carried?.entries ?? Batches.of<KeyedEntry>([])))

  const keep = (entries: ReadonlyArray<KeyedEntry>) =>
    Effect.zipRight(carried?.pushAll(builder, entries) ?? builder.pushAll(entries), tally(entries))

  type Made = ReadonlyArray<KeyedEntry | undefined>
  const importing = yield* inTurn<Made, SourceUnreadable | TreeError | Sealer.SealError, TreeError>((entries) =>
    keep(entries.filter((keyed) => keyed !== undefined))
  )
  yield* Walk.walk(tree, { root, folder, selection: options.selection, without }).pipe(
    Stream.mapError(unreadable),
    Stream.rechunk(batch),
    Stream.chunks,
    Stream.runForEach(
      Effect.fnUntraced(function* (items) {
        let made: Array<KeyedEntry | undefined> = []
        let due: Array<ScanImport.Due> = []
        const finish = Effect.suspend(() => {
          const [entries, jobs] = [made, due]
          made = []
          due = []
          return importing.add(
            Effect.as(importDue(jobs, entries), entries),
            // nothing had to be read
            jobs.length === 0
          )
        })
        for (const item of items) {
          switch (item._tag) {
            case "Found": {
              if (!before.isAt(item.key)) yield* before.seek(item.key)
              const was = before.at(item.key)
              const isKept =
                was !== undefined &&
                previous !== undefined &&
                FileMetadata.isUnchanged(was[1], item.status, previous.scannedAt)
              if (!isKept) due.push({ item, was: was?.[1], place: made.length })
              made.push(isKept ? was : undefined)
              break
            }
            case "Unreadable": {
              if (item.problem !== undefined) yield* problem(item.problem)
              yield* finish
              yield* importing.settle
              // what is not seen is not deleted: its last state stays
              yield* before.under(item.key, keep)
              break
            }
            case "LeftOut":
              yield* Ref.update(counts, (c) => ({ ...c, leftOut: c.leftOut + 1 }))
              break
            case "Skipped":
              yield* problem(item.problem)
          }
        }
        yield* finish
      })
    )
  )
  yield* importing.settle
  yield* untell
  // a disk that was pulled out looks as if everything in it had been deleted
  const still = yield* Effect.mapError(tree.resolve(options.path), unreadable)
  if (root.status.kind === "directory" && !LocalTree.sameFile(still.status, root.status))
    return yield* new SourceUnreadable({
      path: options.path,
      reason: "Unavailable",
      detail: "something else took its place while it was read"
    })
  const finished = yield* builder.finish
  const result: Scan = {
    ...(yield* Ref.get(counts)),
    scannedAt,
    root: finished === undefined ? undefined : { hash: finished.link.hash, plaintextHash: finished.link.plaintextHash }
  }
  return result
}, Effect.scoped)

/** Runs several at once and gives what they answer to `use` in the order in which they were added, one after the other. */
const inTurn = Effect.fnUntraced(function* <A, E, E2>(use: (answer: A) => Effect.Effect<void, E2>) {
  const scope = yield* Effect.scope
  const running: Array<Fiber.Fiber<A, E>> = []
  const next = Effect.suspend(() => {
    const first = running.shift()
    return first === undefined ? Effect.void : Effect.flatMap(Fiber.join(first), use)
  })
  const settle: Effect.Effect<void, E | E2> = Effect.whileLoop({
    while: () => running.length > 0,
    body: () => next,
    step: () => {}
  })
  return {
    /** Waits for the oldest if there are enough; what is `atOnce` is no matter of running. */
    add: (effect: Effect.Effect<A, E>, atOnce: boolean): Effect.Effect<void, E | E2> =>
      atOnce && running.length === 0
        ? Effect.flatMap(effect, use)
        : Effect.zipRight(
            running.length < batchesInFlight ? Effect.void : next,
            Effect.map(Effect.forkIn(effect, scope), (fiber) => {
              running.push(fiber)
            })
          ),
    settle
  }
})

/** The previous scan's entries, asked for in ascending order. */
const previousEntries = (cursor: SortedStreams.Cursor) => {
  const next = Effect.map(cursor.fill, () => cursor.peek())
  /** Goes on to the first entry at or after `key` as far as memory goes; whether it was found there. */
  const isAt = (key: string): boolean => {
    let here = cursor.peek()
    for (; here !== undefined && Bytes.compareUtf8(here[0], key) < 0; here = cursor.peek()) cursor.advance()
    return here !== undefined || cursor.isDone()
  }
  /** Goes on to the first entry at or after `key`. */
  const seek = Effect.fnUntraced(function* (key: string) {
    while (!isAt(key)) yield* cursor.fill
  })
  return {
    isAt,
    seek,
    /** The entry at `key`, once it was sought. */
    at: (key: string): KeyedEntry | undefined => {
      const here = cursor.peek()
      return here !== undefined && here[0] === key ? here : undefined
    },
    /** Gives the entry at `key`, or all that begin with it when it ends in a slash, to `keep` in portions. */
    under: Effect.fnUntraced(function* (
      key: string,
      keep: (entries: ReadonlyArray<KeyedEntry>) => Effect.Effect<void, TreeError>
    ) {
      yield* seek(key)
      const belongs = (found: string) => (key.endsWith("/") ? found.startsWith(key) : found === key)
      let kept: Array<KeyedEntry> = []
      for (let at = yield* next; at !== undefined && belongs(at[0]); at = yield* next) {
        kept.push(at)
        cursor.advance()
        if (kept.length < batch) continue
        yield* keep(kept)
        kept = []
      }
      yield* keep(kept)
    })
  }
}
