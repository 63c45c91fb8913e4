/**
 * What a scan found new or changed, read into the vault's store.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Chunker from "../fs5/Chunker.ts"
import * as FileImport from "../fs5/FileImport.ts"
import * as KnownChunks from "../fs5/KnownChunks.ts"
import type { Pipeline } from "../fs5/Pipeline.ts"
import type { KeyedEntry } from "../fs5/ReadableLayer.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as LocalTree from "../services/LocalTree.ts"
import type { Cut, Filed, GatheredFile, SealError, Service as Sealer } from "../services/Sealer.ts"
import * as FileMetadata from "./FileMetadata.ts"
import type { Found, Problem } from "./Walk.ts"

/** Something that has to be read, and where its entry belongs. @since 0.1.0 @category models */
export interface Due {
  readonly item: Found
  /** The entry that it had. */
  readonly was: NodeEntry | undefined
  readonly place: number
}

/** @since 0.1.0 @category models */
export interface Options<E> {
  readonly pipeline: Pipeline
  readonly sealer: Sealer
  readonly tree: LocalTree.Service
  /** Whether everything that the file system says is kept, or modification time and kind alone. */
  readonly isFull: boolean
  /** Files larger than those that are read together that are read at once. */
  readonly concurrency: number
  /** For a source that is one file, what its loss is: there is nothing else to publish. */
  readonly onlyFile: (item: Found, error: LocalTree.LocalTreeError) => Effect.Effect<never, E> | undefined
  /** Told of each thing that is not kept as it is on disk. */
  readonly onProblem: (problem: Problem) => Effect.Effect<void>
  /** Told of files that were read, and their bytes. */
  readonly onRead: (files: number, bytes: number) => Effect.Effect<void>
  /** Told of progress: bytes, and files, up to and with `current`. */
  readonly onAdvance: (current: string, bytes: number, files?: number) => Effect.Effect<void>
}

/** @since 0.1.0 @category models */
export interface Importer<E> {
  /** What the items become, each at its place in `made`; those that stay `undefined` become nothing. */
  readonly importDue: (
    due: ReadonlyArray<Due>,
    made: Array<KeyedEntry | undefined>
  ) => Effect.Effect<void, E | TreeError | SealError>
}

/** A file of at most so many bytes is read into memory. */
const inMemory = 1024 * 1024

/** Batches of about 1 MiB of one larger file that are sealed and stored at once, with several files beside each other. */
const batchesInFlight = 2

/** How often a file is read again when it changed while it was read. */
const rereads = 1

/** Bytes of a larger file that are read at once by another thread. */
const partLength = 2 * 1024 * 1024

/** Larger files that are read by other threads at once: each has some parts in memory. */
const partedFiles = 4

/** Small files that are read and sealed together: so many bytes, or so many files. */
const groupLength = 2 * 1024 * 1024
const groupFiles = 256

/** Groups of small files that are under way at once: one is read while others are sealed and stored. */
const groupsInFlight = 4

/** A part could not be read by another thread; the file is read by this one, which tells why. */
class NoPart extends Data.TaggedError("NoPart") {}

/** For one scan. @since 0.1.0 @category constructors */
export const make = <E = never>(options: Options<E>): Importer<E> => {
  type Failures = E | TreeError | SealError
  const { isFull, onAdvance, onProblem, onRead, pipeline, sealer, tree } = options
  const known = KnownChunks.make()
  /** Where other threads can read the files. */
  const filed = tree.isOfSystem === true ? sealer.filed : undefined
  /** Parts need chunks that are far shorter. */
  const takesParts = Chunker.isContentDefined(pipeline.context.chunking)
  const groups = Effect.unsafeMakeSemaphore(groupsInFlight)
  const files = Effect.unsafeMakeSemaphore(
    filed === undefined ? options.concurrency : Math.min(options.concurrency, partedFiles)
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
  const attributesOf = (item: Found) =>
    Effect.catchAll(tree.extendedAttributes(item.path), (error) =>
      // named, so nothing is lost without a word; the file's bytes are kept all the same
      Effect.as(onProblem({ display: displayOf(item), detail: `extended attributes: ${error.detail}` }), [])
    )
  const semanticOf = Effect.fnUntraced(function* (item: Found, status = item.status) {
    if (!isFull) return FileMetadata.semantic(status, undefined)
    return FileMetadata.semantic(status, {
      user: yield* nameOf("user", item.status.uid),
      group: yield* nameOf("group", item.status.gid),
      extendedAttributes: yield* attributesOf(item)
    })
  })

  /** The parts of an open file, read by other threads. */
  const partsOf = ({ before }: LocalTree.Reading, descriptor: number, { gatherPart }: Filed) =>
    Stream.unfoldEffect<number | undefined, Cut, NoPart, never>(0, (offset) => {
      if (offset === undefined) return Effect.succeedNone
      const left = Number(before.size) - offset
      const part = { offset, length: Math.min(left, partLength), isEnd: left <= partLength }
      return Effect.flatMap(gatherPart(pipeline.context, descriptor, part), (read) =>
        read === undefined ? new NoPart() : Effect.succeedSome([read, read.isEnd ? undefined : read.next])
      )
    })

  const readOnce = (item: Found, reading: LocalTree.Reading, byThreads: boolean) => {
    const { before, descriptor } = reading
    if (byThreads && filed !== undefined && takesParts && descriptor !== undefined && before.size > 0n) {
      const parts = Stream.tap(partsOf(reading, descriptor, filed), ({ chunks }) =>
        onAdvance(item.key, lengthOf(chunks))
      )
      return FileImport.importCut(pipeline, sealer, parts, { concurrency: batchesInFlight, known })
    }
    const content = Stream.tap(reading.content, ({ length }) => onAdvance(item.key, length))
    return FileImport.importFile(pipeline, sealer, content, { concurrency: batchesInFlight, given: true, known })
  }

  const importRegular = Effect.fnUntraced(function* (item: Found) {
    let byThreads = tree.isElsewhere?.(item.path) !== true
    for (let attempt = 0; ; attempt++) {
      const read = yield* Effect.scoped(
        Effect.gen(function* () {
          const reading = yield* tree.open(item.path, attempt === 0 ? { expect: item.status } : {})
          const entry = yield* readOnce(item, reading, byThreads)
          const after = yield* reading.after
          return { entry, before: reading.before, steady: LocalTree.unchanged(reading.before, after) }
        })
      ).pipe(
        // another file took the name since it was listed, as editors save: that one is read
        Effect.catchIf(
          (error) => error._tag === "LocalTreeError" && error.reason === "Vanished" && attempt < rereads,
          () => Effect.succeed(undefined)
        ),
        Effect.catchTag("NoPart", () => {
          byThreads = false
          attempt--
          return Effect.succeed(undefined)
        })
      )
      if (read === undefined || (!read.steady && attempt < rereads)) continue
      if (!read.steady) yield* onProblem({ display: displayOf(item), detail: "changed while it was read" })
      yield* onRead(1, Number(read.entry.content?.size ?? 0n))
      yield* onAdvance(item.key, 0, 1)
      return { ...read.entry, semantic: yield* semanticOf(item, read.before) }
    }
  })

  const importItem = Effect.fnUntraced(function* (item: Found) {
    switch (item.status.kind) {
      case "regular":
        return yield* importRegular(item)
      case "symlink": {
        const target = yield* tree.readLink(item.path)
        const entry = yield* pipeline.writeLeaf(target)
        return { ...entry, semantic: yield* semanticOf(item) }
      }
      default:
        return { semantic: yield* semanticOf(item) }
    }
  })

  /** The entry of something new or changed; nothing when it is gone, the previous one when it cannot be read. */
  const entryOf = ({ item, was }: Due): Effect.Effect<KeyedEntry | undefined, Failures> => {
    const instead = (error: LocalTree.LocalTreeError): Effect.Effect<KeyedEntry | undefined, E> => {
      const lost = was === undefined ? options.onlyFile(item, error) : undefined
      if (lost !== undefined) return lost
      const isGone = error.reason === "NotFound" || error.reason === "Vanished"
      return Effect.as(
        onProblem({ display: displayOf(item), detail: error.detail }),
        isGone || was === undefined ? undefined : ([item.key, was] as const)
      )
    }
    return importItem(item).pipe(
      Effect.map((entry): KeyedEntry | undefined => [item.key, entry]),
      Effect.catchTag("LocalTreeError", instead)
    )
  }
  const importOne = (due: Due, made: Array<KeyedEntry | undefined>) =>
    Effect.map(entryOf(due), (keyed) => {
      made[due.place] = keyed
    })

  /** The small files, as they are when they are read; nothing stands for one that has to be read by itself. */
  const readGroup = (
    group: ReadonlyArray<Due>
  ): Effect.Effect<ReadonlyArray<(GatheredFile & { readonly before: LocalTree.FileStatus }) | undefined>> => {
    const wanted = group.map(({ item }) => ({ path: item.path, expect: item.status }))
    if (filed !== undefined && !wanted.some(({ path }) => tree.isElsewhere?.(path) === true))
      return Effect.map(filed.gather(pipeline.context, wanted, { attributes: isFull }), (read) =>
        read.map((file, at) => file && { ...file, before: wanted[at]!.expect })
      )
    return Effect.map(tree.readWhole(wanted, { limit: inMemory, attributes: isFull }), (read) =>
      read.map((file) => {
        if (Either.isLeft(file) || !file.right.steady || file.right.bytes === undefined) return undefined
        const { attributes, before, bytes } = file.right
        const cut = FileImport.cut(pipeline.context, bytes)
        if (Either.isLeft(attributes) || Either.isLeft(cut)) return undefined
        return { ...cut.right, attributes: attributes.right, before }
      })
    )
  }

  /** Small files, read and sealed together; what does not go smoothly is done again by itself, as a large file is. */
  const importGroup = Effect.fnUntraced(function* (group: ReadonlyArray<Due>, made: Array<KeyedEntry | undefined>) {
    const read = yield* readGroup(group)
    const good = read.flatMap((file, at) => (file === undefined ? [] : [{ due: group[at]!, file }]))
    const entries = yield* FileImport.importAll(
      pipeline,
      sealer,
      good.map(({ file }) => file),
      { known }
    )
    let bytes = 0
    for (const [at, { due, file }] of good.entries()) {
      const { attributes, before } = file
      const { item, place } = due
      bytes += Number(before.size)
      if (isFull && !names.user.has(before.uid)) yield* nameOf("user", before.uid)
      if (isFull && !names.group.has(before.gid)) yield* nameOf("group", before.gid)
      const semantic = FileMetadata.semantic(
        before,
        isFull
          ? { user: names.user.get(before.uid), group: names.group.get(before.gid), extendedAttributes: attributes }
          : undefined
      )
      made[place] = [item.key, { ...entries[at]!, semantic }]
    }
    yield* onRead(good.length, bytes)
    const last = good[good.length - 1]
    if (last !== undefined) yield* onAdvance(last.due.item.key, bytes, good.length)
    for (const [at, due] of group.entries()) if (read[at] === undefined) yield* importOne(due, made)
  })

  return {
    importDue: Effect.fnUntraced(function* (due, made) {
      let expected = 0
      for (const { item } of due) if (item.status.kind === "regular") expected += Number(item.status.size)
      yield* filed?.expect(expected) ?? Effect.void
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
      yield* Effect.forEach(small, (group) => groups.withPermits(1)(importGroup(group, made)), {
        concurrency: groupsInFlight,
        discard: true
      })
      yield* Effect.forEach(others, (each) => files.withPermits(1)(importOne(each, made)), {
        concurrency: options.concurrency,
        discard: true
      })
    })
  }
}

const lengthOf = (chunks: ReadonlyArray<Uint8Array>): number => {
  let length = 0
  for (const chunk of chunks) length += chunk.length
  return length
}

const displayOf = (item: Found): string => LocalPath.display(item.path)
