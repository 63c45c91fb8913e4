/**
 * One reading of a source into a tree of its own.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as CarriedLeaves from "../fs5/CarriedLeaves.ts"
import * as FileImport from "../fs5/FileImport.ts"
import * as KnownChunks from "../fs5/KnownChunks.ts"
import type { Pipeline } from "../fs5/Pipeline.ts"
import type { KeyedEntry } from "../fs5/ReadableLayer.ts"
import * as SortedStreams from "../fs5/SortedStreams.ts"
import * as TreeBuilder from "../fs5/TreeBuilder.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as LocalTree from "../services/LocalTree.ts"
import * as Progress from "../services/Progress.ts"
import * as Sealer from "../services/Sealer.ts"
import type { Selection } from "../services/VaultState.ts"
import * as FileMetadata from "./FileMetadata.ts"
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

/** A file of at most so many bytes is read into memory. */
const inMemory = 1024 * 1024

/** Batches of about 1 MiB of one larger file that are sealed and stored at once, with several files beside each other. */
const batchesInFlight = 2

/** How often a file is read again when it changed while it was read. */
const rereads = 1

/** Entries that are looked at together. */
const batch = 1024

/** Small files that are read and sealed together: so many bytes, or so many files. */
const groupLength = 2 * 1024 * 1024
const groupFiles = 256

/** Groups of small files that are under way at once: one is read while others are sealed and stored. */
const groupsInFlight = 4

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
  const full = options.metadata === "full"
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

  const names = { user: new Map<number, string | undefined>(), group: new Map<number, string | undefined>() }
  const nameOf = (kind: keyof typeof names, id: number) => {
    const known = names[kind]
    if (known.has(id)) return Effect.succeed(known.get(id))
    return Effect.map(kind === "user" ? tree.userName(id) : tree.groupName(id), (name) => {
      known.set(id, name)
      return name
    })
  }
  /** `attributes` when they are at hand. */
  const extras = Effect.fnUntraced(function* (item: Walk.Found, attributes?: LocalTree.WholeFile["attributes"]) {
    if (!full) return undefined
    const found =
      attributes !== undefined && Either.isRight(attributes)
        ? attributes.right
        : yield* (attributes ?? tree.extendedAttributes(item.path)).pipe(
            Effect.catchAll((error) =>
              // named, so nothing is lost without a word; the file's bytes are kept all the same
              Effect.as(problem({ display: displayOf(item), detail: `extended attributes: ${error.detail}` }), [])
            )
          )
    return {
      user: yield* nameOf("user", item.status.uid),
      group: yield* nameOf("group", item.status.gid),
      extendedAttributes: found
    }
  })
  const countRead = (files: number, bytes: number) =>
    Ref.update(counts, (c) => ({ ...c, readFiles: c.readFiles + files, readBytes: c.readBytes + bytes }))

  /** What was told of the entries that are being made, before they are counted. */
  const told = { files: 0, bytes: 0 }
  const advance = (current: string, bytes: number, files = 0) => {
    told.files += files
    told.bytes += bytes
    return progress.step({ files, bytes, current })
  }

  const importRegular = Effect.fnUntraced(function* (item: Walk.Found) {
    for (let attempt = 0; ; attempt++) {
      const read = yield* Effect.scoped(
        Effect.gen(function* () {
          const reading = yield* tree.open(item.path, attempt === 0 ? { expect: item.status } : {})
          const content = Stream.tap(reading.content, ({ length }) => advance(item.key, length))
          const entry = yield* FileImport.importFile(pipeline, sealer, content, {
            concurrency: batchesInFlight,
            given: true,
            known
          })
          const after = yield* reading.after
          return { entry, before: reading.before, steady: LocalTree.unchanged(reading.before, after) }
        })
      ).pipe(
        // another file took the name since it was listed, as editors save: that one is read
        Effect.catchIf(
          (error) => error._tag === "LocalTreeError" && error.reason === "Vanished" && attempt < rereads,
          () => Effect.succeed(undefined)
        )
      )
      if (read === undefined || (!read.steady && attempt < rereads)) continue
      if (!read.steady) yield* problem({ display: displayOf(item), detail: "changed while it was read" })
      yield* countRead(1, Number(read.entry.content?.size ?? 0n))
      yield* advance(item.key, 0, 1)
      return { ...read.entry, semantic: FileMetadata.semantic(read.before, yield* extras(item)) }
    }
  })

  const importItem = Effect.fnUntraced(function* (item: Walk.Found) {
    switch (item.status.kind) {
      case "regular":
        return yield* importRegular(item)
      case "symlink": {
        const target = yield* tree.readLink(item.path)
        const entry = yield* pipeline.writeLeaf(target)
        return { ...entry, semantic: FileMetadata.semantic(item.status, yield* extras(item)) }
      }
      default:
        return { semantic: FileMetadata.semantic(item.status, yield* extras(item)) }
    }
  })

  /** The entry of something new or changed; nothing when it is gone, the previous one when it cannot be read. */
  const entryOf = ({ item, was }: Due): Effect.Effect<KeyedEntry | undefined, Failures> => {
    const instead = (error: LocalTree.LocalTreeError): Effect.Effect<KeyedEntry | undefined, SourceUnreadable> => {
      // a source that is one file: there is nothing else to publish
      if (item.path === root.path && was === undefined) return unreadable(error)
      const isGone = error.reason === "NotFound" || error.reason === "Vanished"
      return Effect.as(
        problem({ display: displayOf(item), detail: error.detail }),
        isGone || was === undefined ? undefined : ([item.key, was] as const)
      )
    }
    return importItem(item).pipe(
      Effect.map((entry): KeyedEntry => [item.key, entry]),
      Effect.catchAll(
        (error): Effect.Effect<KeyedEntry | undefined, Failures> =>
          error._tag === "LocalTreeError" ? instead(error) : Effect.fail(error)
      )
    )
  }
  const importOne = (due: Due, made: Array<KeyedEntry | undefined>) =>
    Effect.map(entryOf(due), (keyed) => {
      made[due.place] = keyed
    })

  /** Small files, read and sealed together; what does not go smoothly is done again by itself, as a large file is. */
  const importGroup = Effect.fnUntraced(function* (group: ReadonlyArray<Due>, made: Array<KeyedEntry | undefined>) {
    const files = yield* tree.readWhole(
      group.map(({ item }) => ({ path: item.path, expect: item.status })),
      { limit: inMemory, attributes: full }
    )
    const good: Array<{ readonly due: Due; readonly file: LocalTree.WholeFile; readonly bytes: Uint8Array }> = []
    const others: Array<Due> = []
    for (const [at, due] of group.entries()) {
      const read = files[at]
      if (read !== undefined && Either.isRight(read) && read.right.steady && read.right.bytes !== undefined)
        good.push({ due, file: read.right, bytes: read.right.bytes })
      else others.push(due)
    }
    let bytes = 0
    for (const { file } of good) bytes += Number(file.before.size)
    const entries = yield* FileImport.importAll(
      pipeline,
      sealer,
      good.map((each) => each.bytes),
      { known }
    )
    for (const [at, { due, file }] of good.entries()) {
      const semantic = FileMetadata.semantic(file.before, yield* extras(due.item, file.attributes))
      made[due.place] = [due.item.key, { ...entries[at]!, semantic }]
    }
    yield* countRead(good.length, bytes)
    const last = good[good.length - 1]
    if (last !== undefined) yield* advance(last.due.item.key, bytes, good.length)
    for (const due of others) yield* importOne(due, made)
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
      // what was told of them while they were made is not told twice, and taken back where it came to nothing
      const more = { files: files - told.files, bytes: bytes - told.bytes }
      told.files = 0
      told.bytes = 0
      yield* progress.step({ ...more, ...(last === undefined ? {} : { current: last[0] }) })
    })

  const builder = TreeBuilder.make(pipeline, { kind: "namespace", mask: TreeBuilder.defaultMask })
  const known = KnownChunks.make()
  const carried =
    previous === undefined ? undefined : CarriedLeaves.make(pipeline, previous.root, TreeBuilder.defaultMask)
  const before = yield* previousEntries(carried?.entries ?? Stream.empty)

  const keep = (entries: ReadonlyArray<KeyedEntry>) =>
    Effect.zipRight(carried?.pushAll(builder, entries) ?? builder.pushAll(entries), tally(entries))

  /** What the items become, in their order; those that are `undefined` become nothing. */
  const importDue = Effect.fnUntraced(function* (due: ReadonlyArray<Due>, made: Array<KeyedEntry | undefined>) {
    const small: Array<Array<Due>> = []
    const others: Array<Due> = []
    let length = groupLength
    for (const each of due) {
      const { kind, size } = each.item.status
      if (kind !== "regular" || size > BigInt(inMemory)) others.push(each)
      else {
        const group = small[small.length - 1]
        length += Number(size)
        if (group !== undefined && length <= groupLength && group.length < groupFiles) group.push(each)
        else {
          small.push([each])
          length = Number(size)
        }
      }
    }
    yield* Effect.forEach(small, (group) => importGroup(group, made), { concurrency: groupsInFlight, discard: true })
    yield* Effect.forEach(others, (each) => importOne(each, made), {
      concurrency: options.concurrency ?? 8,
      discard: true
    })
  })

  yield* Walk.walk(tree, { root, folder, selection: options.selection, without }).pipe(
    Stream.mapError(unreadable),
    Stream.rechunk(batch),
    Stream.chunks,
    Stream.runForEach(
      Effect.fnUntraced(function* (items) {
        let made: Array<KeyedEntry | undefined> = []
        let due: Array<Due> = []
        const finish = Effect.suspend(() => {
          const [entries, jobs] = [made, due]
          made = []
          due = []
          return Effect.flatMap(importDue(jobs, entries), () => keep(entries.filter((keyed) => keyed !== undefined)))
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

type Failures = SourceUnreadable | TreeError | Sealer.SealError

/** Something that has to be read, and where its entry belongs. */
interface Due {
  readonly item: Walk.Found
  readonly was: NodeEntry | undefined
  readonly place: number
}

const displayOf = (item: Walk.Found): string => LocalPath.display(item.path)

/** The previous scan's entries, asked for in ascending order. */
const previousEntries = Effect.fnUntraced(function* (stream: Stream.Stream<KeyedEntry, TreeError>) {
  const cursor = yield* SortedStreams.cursor(stream)
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
})
