/**
 * Bringing files of a snapshot back to disk.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as FileComparison from "../fs5/FileComparison.ts"
import * as FiledLeaves from "../fs5/FiledLeaves.ts"
import * as FileExport from "../fs5/FileExport.ts"
import type { KeyedEntry } from "../fs5/ReadableLayer.ts"
import * as SmallFiles from "../fs5/SmallFiles.ts"
import type * as Snapshot from "../fs5/Snapshot.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as LocalTree from "../services/LocalTree.ts"
import * as Progress from "../services/Progress.ts"
import * as Sealer from "../services/Sealer.ts"
import * as FileMetadata from "./FileMetadata.ts"
import * as Folder from "./Folder.ts"
import * as List from "./List.ts"
import * as Salvage from "./Salvage.ts"
import * as SyncAhead from "./SyncAhead.ts"

/** Something that is not on disk as it is in the snapshot, and why. @since 0.1.0 @category models */
export interface Problem {
  /** `damaged`: the vault could not give it; `skipped`: the disk did not take it; `metadata`: its bytes are there. */
  readonly kind: "damaged" | "skipped" | "metadata"
  /** Its path in the vault. */
  readonly path: string
  readonly detail: string
}

/** @since 0.1.0 @category models */
export interface Options {
  /** The vault's name, for messages. */
  readonly vault: string
  /** The folder or file of the snapshot to restore; its content comes directly into `directory`. */
  readonly path: string
  readonly directory: string
  /** Replace files and links that differ. */
  readonly overwrite: boolean
  /** Restore owner and group too. */
  readonly owner: boolean
  /** Keep setuid and setgid bits. */
  readonly allowSetuid: boolean
  /** Say what would be done, and write nothing. */
  readonly dryRun: boolean
  /** So many bytes are made durable while the next are written, since the end waits for the others; 128 MiB when absent. */
  readonly durableStep?: number
  readonly onProblem?: (problem: Problem) => Effect.Effect<void>
}

/** What a restore came to. @since 0.1.0 @category models */
export interface Result {
  readonly files: number
  /** Bytes written. */
  readonly bytes: number
  /** Files and links that were there already, as they should be. */
  readonly unchanged: number
  readonly problems: { readonly damaged: number; readonly skipped: number; readonly metadata: number }
}

/** Entries that are looked at together. */
const batch = 2048

/** Batches under way: one begins while the last files of the other are written. */
const batchesInFlight = 2

/** Small files that are in memory at once: so many bytes, or so many files. */
const groupBytes = 8n * 1024n * 1024n
const groupFiles = 1024

/** Groups that are under way at once: one is written while blobs of the next are on their way. */
const groupsInFlight = 2

/**
 * The longest file whose chunks are written in any order: file systems take positions up to there. Behind one that lies about
 * its length, others would be refused before the lie is found.
 */
const longestFilled = 1n << 42n

/** Other files that are written at the same time. */
const othersInFlight = 4

const defaultDurableStep = 128 * 1024 * 1024

/** A small file that has to be written. */
interface Small {
  readonly key: string
  readonly entry: SmallFiles.FileEntry
  readonly components: LocalTree.Components
}

/**
 * Writes what stands at `path` of the snapshot below `directory`: never outside of it, never over something that differs
 * unless told, each file at once or not at all; can be run again after any interruption.
 *
 * What cannot be restored is told to `onProblem` and the rest goes on; a store that cannot be reached ends it.
 *
 * @since 0.1.0
 * @category programs
 */
export const restore = Effect.fn("Restore.restore")(function* (snapshot: Snapshot.Snapshot, options: Options) {
  const tree = yield* LocalTree.LocalTree
  const progress = yield* Progress.Progress
  const sealer = yield* Sealer.Sealer
  const { dryRun, overwrite, path } = options
  const { pipeline } = snapshot
  const prefix = path === "" ? "" : `${path}/`

  const found = yield* List.at(options.vault, snapshot, path)
  const items: Stream.Stream<Salvage.Item, TreeError> =
    found._tag === "File"
      ? Stream.succeed({ _tag: "Entry", keyed: [path, found.entry] })
      : Salvage.scan(snapshot, Folder.below(path))
  const name = path.slice(path.lastIndexOf("/") + 1)
  const relative = (key: string) => (found._tag === "File" ? name : key.slice(prefix.length))

  const made = yield* Effect.isFailure(tree.resolve(options.directory))
  const result = { files: 0, bytes: 0, unchanged: 0, problems: { damaged: 0, skipped: 0, metadata: 0 } }
  const problem = (kind: Problem["kind"], key: string, detail: string) =>
    Effect.suspend(() => {
      result.problems[kind] += 1
      return options.onProblem?.({ kind, path: LocalPath.display(key), detail }) ?? Effect.void
    })

  /** Runs that were told of: the second reading tells what the first could still read. */
  const told = new Set<string>()
  const lost = ({ error, from, until }: Extract<Salvage.Item, { readonly _tag: "Lost" }>) =>
    Effect.suspend(() => {
      const run = JSON.stringify([from, until])
      if (told.has(run)) return Effect.void
      told.add(run)
      const end = until === undefined ? "the end" : LocalPath.display(until)
      const detail = `everything from here up to ${end} cannot be read: ${error.message}`
      return problem("damaged", from === "" ? path : from, detail)
    })

  // every node is read before anything is written
  yield* progress.phase("reading the tree")
  const total = { files: 0, bytes: 0 }
  yield* Stream.runForEachChunk(items, (chunk) => {
    const damaged: Array<Extract<Salvage.Item, { readonly _tag: "Lost" }>> = []
    for (const item of chunk) {
      if (item._tag === "Lost") {
        damaged.push(item)
        continue
      }
      const [key, entry] = item.keyed
      if (key.endsWith("/") || entry.tombstone !== undefined) continue
      total.files += 1
      total.bytes += Number(entry.content?.size ?? 0n)
    }
    return Effect.zipRight(
      Effect.forEach(damaged, lost, { discard: true }),
      dryRun || sealer.filed === undefined ? Effect.void : sealer.filed.expect(total.bytes)
    )
  })
  yield* progress.phase("restoring", total)
  if (dryRun) return { ...result, files: total.files, bytes: total.bytes } satisfies Result

  const target = yield* tree.openTarget(options.directory, { allowSetuid: options.allowSetuid })
  const scope = yield* Effect.scope
  const ahead = yield* SyncAhead.make(target.sync, options.durableStep ?? defaultDurableStep)
  /** Tells of so many bytes that are in files, with what else goes on. */
  const step = (bytes: number, about: Omit<Progress.Step, "bytes"> = {}) =>
    Effect.zipRight(ahead.wrote(bytes), progress.step({ bytes, ...about }))
  const metadata = (entry: NodeEntry) => FileMetadata.metadata(entry, { owner: options.owner })
  const noted = (key: string) => (notes: ReadonlyArray<LocalTree.Note>) =>
    Effect.forEach(notes, (note) => problem("metadata", key, `${note.aspect}: ${note.detail}`), { discard: true })

  const wrote = (bytes: number) =>
    Effect.suspend(() => {
      result.files += 1
      result.bytes += bytes
      return Effect.void
    })
  const kept = Effect.sync(() => {
    result.unchanged += 1
  })
  const differs = (key: string) => problem("skipped", key, "something else is there already; --overwrite replaces it")

  const restoreLink = Effect.fnUntraced(function* (key: string, at: LocalTree.Components, entry: NodeEntry) {
    const link = yield* pipeline.readLeaf(entry)
    const there = yield* target.existing(at)
    if (there?.kind === "symlink" && Bytes.equals(yield* target.readExistingLink(at), link)) return yield* kept
    if (there !== undefined && !overwrite) return yield* differs(key)
    yield* Effect.flatMap(target.symlink(at, link, { ...metadata(entry), overwrite }), noted(key))
    yield* wrote(0)
  })

  const restoreRegular = Effect.fnUntraced(function* (key: string, at: LocalTree.Components, entry: NodeEntry) {
    const size = entry.content?.size ?? 0n
    const wanted = metadata(entry)
    const there = yield* target.existing(at)
    if (there?.kind === "regular" && there.size === size) {
      const same = yield* Effect.scoped(
        Effect.flatMap(target.readExisting(at), ({ content }) => FileComparison.isSame(pipeline, entry, content))
      )
      const mtimeIs = wanted.mtimeNs === undefined || wanted.mtimeNs / 1000n === there.mtimeNs / 1000n
      if (same && mtimeIs) return yield* kept
    }
    if (there !== undefined && !overwrite) return yield* differs(key)
    const { filed } = sealer
    const isLinked = entry.content?.structural === "link" && size <= longestFilled
    if (filed !== undefined && target.fillFile !== undefined && isLinked) {
      const fill = (file: LocalTree.OpenFile) =>
        FileExport.fillFile(pipeline, entry, filed, file, (bytes) => step(bytes))
      yield* Effect.flatMap(target.fillFile(at, Number(size), fill, { ...wanted, overwrite }), noted(key))
      return yield* wrote(Number(size))
    }
    // a file of one leaf needs no stream, whose set-up would be most of a small file's cost
    const content =
      entry.content?.structural === "leaf"
        ? yield* pipeline.readLeaf(entry)
        : Stream.mapChunksEffect(FileExport.exportFile(pipeline, entry, sealer), (pieces) =>
            Effect.as(step(Chunk.reduce(pieces, 0, (sum, bytes) => sum + bytes.length)), pieces)
          )
    if (content instanceof Uint8Array) yield* step(content.length)
    yield* Effect.flatMap(target.writeFile(at, content, { ...wanted, overwrite }), noted(key))
    yield* wrote(Number(size))
  })

  /** Makes small files where nothing is yet out of what lies in files of this machine; the others are for later. */
  const makeFiled = Effect.fnUntraced(function* (all: ReadonlyArray<Small>) {
    const { filed } = sealer
    if (filed === undefined || target.orderAll === undefined || pipeline.blobs.bulk?.file === undefined) return all
    const free = yield* target.areFree(all.map(({ components }) => components))
    const later = all.filter((_, at) => free[at] !== true)
    const fresh = all.filter((_, at) => free[at] === true)
    const known: Array<Small> = []
    const wanted: Array<FiledLeaves.Wanted> = []
    yield* SmallFiles.prefetchNodes(
      pipeline,
      fresh.map(({ entry }) => entry)
    )
    for (const small of fresh) {
      const { components, entry } = small
      // a node is read only where there is one
      const chunks =
        entry.content.structural === "leaf"
          ? [{ entry, pipeline }]
          : Option.getOrUndefined(yield* Effect.option(FileExport.fewChunks(pipeline, small.entry)))
      if (chunks === undefined) later.push(small)
      else {
        known.push(small)
        wanted.push({ components, metadata: metadata(entry), chunks })
      }
    }
    const made = yield* FiledLeaves.make(filed, target.orderAll, wanted)
    let bytes = 0
    let files = 0
    for (const [at, small] of known.entries()) {
      const notes = made[at]
      if (notes === undefined) later.push(small)
      else {
        if (notes.length > 0) yield* noted(small.key)(notes)
        files += 1
        bytes += Number(small.entry.content.size)
      }
    }
    result.files += files
    result.bytes += bytes
    const last = known[known.length - 1]
    if (last !== undefined) yield* step(bytes, { files, current: last.key })
    return later
  })

  /** Reads and writes small files where nothing is yet; nothing is lost for those that do not go smoothly: they go one by one. */
  const restoreGroup = Effect.fnUntraced(function* (group: ReadonlyArray<Small>) {
    const free = yield* target.areFree(group.map(({ components }) => components))
    const fresh = group.filter((_, at) => free[at] === true)
    const others = group.filter((_, at) => free[at] !== true)
    const contents = yield* SmallFiles.read(
      sealer,
      pipeline,
      fresh.map(({ entry }) => entry)
    )
    const read: Array<LocalTree.WholeWrite> = []
    const readable: Array<Small> = []
    let bytes = 0
    for (const [at, small] of fresh.entries()) {
      const content = contents[at]
      if (content === undefined) {
        others.push(small)
        continue
      }
      read.push({ components: small.components, bytes: content, metadata: metadata(small.entry) })
      readable.push(small)
      bytes += content.length
    }
    const written = yield* target.writeAll(read)
    yield* step(bytes)
    for (const [at, small] of readable.entries()) {
      const outcome = written[at]
      if (outcome === undefined || Either.isLeft(outcome)) others.push(small)
      else {
        if (outcome.right.length > 0) yield* noted(small.key)(outcome.right)
        result.files += 1
        result.bytes += read[at]!.bytes.length
      }
    }
    const done = group.length - others.length
    const last = group[group.length - 1]
    if (done > 0 && last !== undefined) yield* progress.step({ files: done, current: last.key })
    yield* Effect.forEach(others, ({ entry, key }) => guarded([key, entry]), { discard: true })
  })

  /** Where a small file goes; nothing for everything else. */
  const smallOf = ([key, entry]: KeyedEntry): Small | undefined => {
    const { content, semantic } = entry
    const own = relative(key)
    if (own === "" || own.endsWith("/") || content === undefined || content.size > SmallFiles.longest) return undefined
    if ((semantic?.unix?.fileType ?? "regular") !== "regular") return undefined
    const components = own.split("/")
    return components.some((component) => LocalPath.componentProblem(component) !== undefined)
      ? undefined
      : { key, entry: { ...entry, content }, components }
  }

  const restoreBatch = Effect.fnUntraced(function* (items: ReadonlyArray<KeyedEntry>) {
    const groups: Array<Array<Small>> = []
    const others: Array<KeyedEntry> = []
    const smalls: Array<Small> = []
    for (const keyed of items) {
      const small = smallOf(keyed)
      if (small === undefined) others.push(keyed)
      else smalls.push(small)
    }
    let bytes = groupBytes
    for (const small of smalls.length === 0 ? smalls : yield* makeFiled(smalls)) {
      const { size } = small.entry.content
      const group = groups[groups.length - 1]
      bytes += size
      if (group !== undefined && bytes <= groupBytes && group.length < groupFiles) group.push(small)
      else {
        groups.push([small])
        bytes = size
      }
    }
    yield* Effect.forEach(groups, restoreGroup, { concurrency: groupsInFlight, discard: true })
    yield* Effect.forEach(others, guarded, { concurrency: othersInFlight, discard: true })
  })

  /** Keys of directories that are there now, and wait for their metadata. */
  const reached = new Set<string>()

  const restoreOne = Effect.fnUntraced(function* ([key, entry]: KeyedEntry) {
    const own = relative(key)
    // the restored folder itself is the directory that is restored into
    const isDirectory = own === "" || own.endsWith("/")
    const components = own === "" ? [] : (isDirectory ? own.slice(0, -1) : own).split("/")
    const bad = components.map(LocalPath.componentProblem).find((found) => found !== undefined)
    if (bad !== undefined) return yield* problem("skipped", key, `its path has ${bad}`)
    if (isDirectory) {
      yield* target.ensureDirectory(components)
      reached.add(key)
      return
    }
    const kind = entry.semantic?.unix?.fileType ?? "regular"
    if (kind === "symlink") yield* restoreLink(key, components, entry)
    else if (kind === "regular") yield* restoreRegular(key, components, entry)
    else yield* problem("skipped", key, `it is a ${kind.replace("_", " ")}, which holds no data`)
    yield* progress.step({ files: 1, current: key })
  })

  const guarded = (keyed: KeyedEntry) =>
    restoreOne(keyed).pipe(
      Effect.catchAll((error): Effect.Effect<void, LocalTree.LocalTreeError | TreeError> => {
        if (error._tag === "LocalTreeError")
          return error.reason === "Full" ? Effect.fail(error) : problem("skipped", keyed[0], error.detail)
        return Salvage.isDamage(error) ? problem("damaged", keyed[0], error.message) : Effect.fail(error)
      })
    )

  // a directory gets its metadata when everything in it is done, since each write inside changes its time
  const open: Array<{ readonly key: string; readonly entry: NodeEntry }> = []
  const close = Effect.fnUntraced(function* (next: string | undefined) {
    for (let top = open[open.length - 1]; top !== undefined; top = open[open.length - 1]) {
      if (next?.startsWith(top.key)) return
      open.pop()
      const own = relative(top.key).slice(0, -1)
      if (own === "" && !made) continue
      const { entry, key } = top
      yield* target.setDirectoryMetadata(own === "" ? [] : own.split("/"), metadata(entry)).pipe(
        Effect.flatMap(noted(key)),
        Effect.catchAll((error) => problem("metadata", key, error.detail))
      )
    }
  })

  const underWay: Array<{
    readonly keyed: ReadonlyArray<KeyedEntry>
    readonly fiber: Fiber.Fiber<void, LocalTree.LocalTreeError | TreeError>
  }> = []
  /** Waits for the batches in their order until only `most` are under way, and closes what they leave behind. */
  const settle = Effect.fnUntraced(function* (most: number) {
    for (let first = underWay[0]; first !== undefined && underWay.length > most; first = underWay[0]) {
      yield* Fiber.join(first.fiber)
      underWay.shift()
      for (const [key, entry] of first.keyed) {
        const top = open[open.length - 1]
        if (top !== undefined && !key.startsWith(top.key)) yield* close(key)
        if (reached.delete(key)) open.push({ key, entry })
      }
    }
  })
  yield* items.pipe(
    Stream.rechunk(batch),
    Stream.chunks,
    Stream.runForEach((chunk) =>
      Effect.gen(function* () {
        const keyed: Array<KeyedEntry> = []
        for (const item of chunk) {
          if (item._tag === "Lost") yield* lost(item)
          else if (item.keyed[1].tombstone === undefined) keyed.push(item.keyed)
        }
        yield* settle(batchesInFlight - 1)
        underWay.push({ keyed, fiber: yield* Effect.forkIn(restoreBatch(keyed), scope) })
      })
    )
  )
  yield* settle(0)
  yield* close(undefined)
  yield* ahead.finish
  return result satisfies Result
}, Effect.scoped)
