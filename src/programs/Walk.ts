/**
 * The things of a source in the order of their keys.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import { maxKeyLength } from "../schema/Node.ts"
import * as LocalTree from "../services/LocalTree.ts"
import type { Selection } from "../services/VaultState.ts"
import * as Folder from "./Folder.ts"
import * as SourceFilter from "./SourceFilter.ts"

/** Something that is not kept as it is on disk, and why. @since 0.1.0 @category models */
export interface Problem {
  /** Fit to be shown. */
  readonly display: string
  readonly detail: string
}

/** A file, directory or symbolic link to keep. @since 0.1.0 @category models */
export interface Found {
  readonly _tag: "Found"
  /** Its key in the tree: a directory's ends in a slash. */
  readonly key: string
  readonly path: LocalPath.LocalPath
  readonly status: LocalTree.FileStatus
}

/** @since 0.1.0 @category models */
export type Item =
  | Found
  /** What stands at the key, or below it when it ends in a slash, could not be looked at; told once where it takes two. */
  | { readonly _tag: "Unreadable"; readonly key: string; readonly problem?: Problem }
  /** A socket, pipe or device: it holds no data of its own. */
  | { readonly _tag: "LeftOut"; readonly display: string }
  /** It cannot be kept at all. */
  | { readonly _tag: "Skipped"; readonly problem: Problem }

/** @since 0.1.0 @category models */
export interface Options {
  readonly root: { readonly path: LocalPath.LocalPath; readonly status: LocalTree.FileStatus }
  readonly folder: string
  readonly selection: Selection
  /** Directories that are never entered, wherever they are met. */
  readonly without?: ReadonlyArray<LocalTree.FileStatus>
}

interface Frame {
  readonly items: ReadonlyArray<Pending>
  next: number
}

/** What a frame still has to do: give an item, and go into the directory that it is. */
interface Pending {
  readonly item: Item
  readonly descend?: Descent
}

interface Descent {
  readonly path: LocalPath.LocalPath
  /** The key of the directory without its slash. */
  readonly key: string
  /** The rules for the directory, given the ignore files in it. */
  readonly filter: (ignoreFiles: ReadonlyArray<SourceFilter.IgnoreFile>) => SourceFilter.SourceFilter
}

/** Heeded whether or not other ignore files are. */
const ownIgnoreFile = ".cairnignore"

/** Sockets, pipes and devices hold no bytes of their own and are left out. */
const holdsData = (status: LocalTree.FileStatus): boolean =>
  status.kind === "regular" || status.kind === "directory" || status.kind === "symlink"

/** Whether the key, or that of a directory of the name, is longer than a tree's key may be. */
const isTooLong = (key: string): boolean =>
  key.length * 3 >= maxKeyLength && Bytes.fromUtf8(key).length + 1 > maxKeyLength

/** The two ends of a path that no line has room for. */
const abridged = (path: string): string => `${path.slice(0, 100)} … ${path.slice(-100)}`

/**
 * Everything the selection takes, each directory before what is in it, keys ascending by UTF-8 bytes; memory is bounded by
 * the largest directory on the way down. Fails when the root itself is gone or must not be read, so that this never looks
 * like an empty source.
 *
 * @since 0.1.0
 * @category constructors
 */
export const walk = (tree: LocalTree.Service, options: Options): Stream.Stream<Item, LocalTree.LocalTreeError> => {
  const { folder, root, selection, without = [] } = options

  const text = (path: LocalPath.LocalPath, name: string) =>
    tree.open(LocalPath.child(path, LocalPath.nameOf(name))).pipe(
      Effect.flatMap((reading) => Stream.runCollect(Stream.take(reading.content, 1))),
      Effect.map((chunks) => Bytes.concat(...chunks)),
      Effect.scoped
    )

  const ignoreFileNames = selection.ignoreFiles ? SourceFilter.ignoreFileNames : [ownIgnoreFile]

  const list = Effect.fnUntraced(function* ({ filter: rules, key: folder, path }: Descent) {
    const pending: Array<readonly [order: string, Pending]> = []
    const problem = (display: string, detail: string) => ({ display, detail })
    const entries = yield* tree.entries(path)
    const names = new Set(entries.map((entry) => entry.name.text))

    if (selection.excludeCaches && names.has(SourceFilter.cacheDirectoryTagName)) {
      const tag = yield* Effect.option(text(path, SourceFilter.cacheDirectoryTagName))
      if (Option.isSome(tag) && SourceFilter.isCacheDirTag(tag.value)) return undefined
    }
    const ignoreFiles: Array<SourceFilter.IgnoreFile> = []
    for (const name of ignoreFileNames) {
      if (!names.has(name)) continue
      const read = yield* Effect.either(text(path, name))
      if (Either.isRight(read)) ignoreFiles.push({ name, text: Bytes.toUtf8(read.right) ?? "" })
      else {
        const skipped = problem(LocalPath.display(path), `${name}: ${read.left.detail}`)
        pending.push(["", { item: { _tag: "Skipped", problem: skipped } }])
      }
    }
    const filter = rules(ignoreFiles)

    for (const entry of entries) {
      const display = () => LocalPath.display(entry.path)
      const name = entry.name.text
      if (name === undefined) {
        pending.push([
          "",
          {
            item: {
              _tag: "Skipped",
              problem: problem(display(), "its name is not valid UTF-8, which the format cannot hold")
            }
          }
        ])
        continue
      }
      if (LocalPath.isTemporary(name)) continue
      const key = Folder.join(folder, name)
      if (isTooLong(key)) {
        const detail = `its path in the vault is longer than ${maxKeyLength} bytes, which the format cannot hold`
        if (filter.includes(name, Either.isRight(entry.status) && entry.status.right.kind === "directory"))
          pending.push([name, { item: { _tag: "Skipped", problem: problem(abridged(display()), detail) } }])
        continue
      }
      if (Either.isLeft(entry.status)) {
        if (!filter.includes(name, false)) continue
        // neither is known whether it is a file nor a directory
        pending.push([
          name,
          { item: { _tag: "Unreadable", key, problem: problem(display(), entry.status.left.detail) } }
        ])
        pending.push([`${name}/`, { item: { _tag: "Unreadable", key: `${key}/` } }])
        continue
      }
      const status = entry.status.right
      const isDirectory = status.kind === "directory"
      if (!filter.includes(name, isDirectory)) continue
      if (isDirectory && without.some((own) => LocalTree.sameFile(own, status))) continue
      if (!holdsData(status)) {
        pending.push([name, { item: { _tag: "LeftOut", display: display() } }])
        continue
      }
      const item: Found = { _tag: "Found", key: isDirectory ? `${key}/` : key, path: entry.path, status }
      const stays = isDirectory && (!selection.oneFileSystem || status.device === root.status.device)
      pending.push([
        isDirectory ? `${name}/` : name,
        stays ? { item, descend: { path: entry.path, key, filter: (files) => filter.enter(name, files) } } : { item }
      ])
    }
    return pending.sort(([a], [b]) => Bytes.compareUtf8(a, b)).map(([, one]) => one)
  })

  const isCache = (path: LocalPath.LocalPath) =>
    new LocalTree.LocalTreeError({
      reason: "Unsupported",
      path: LocalPath.display(path),
      operation: "back up",
      detail: "it is marked as a cache (CACHEDIR.TAG); --include-caches takes it all the same"
    })

  if (root.status.kind !== "directory")
    return Stream.succeed({
      _tag: "Found",
      key: folder,
      path: root.path,
      status: root.status
    })

  const top: Item = {
    _tag: "Found",
    key: `${folder}/`,
    path: root.path,
    status: root.status
  }
  const start: Frame = {
    items: [
      {
        item: top,
        descend: {
          path: root.path,
          key: folder,
          filter: (files) => SourceFilter.make({ excludes: selection.exclude }, files)
        }
      }
    ],
    next: 0
  }

  return Stream.unfoldChunkEffect([start] as ReadonlyArray<Frame>, (stack) =>
    Effect.gen(function* () {
      const out: Array<Item> = []
      const frames = [...stack]
      while (frames.length > 0) {
        const frame = frames[frames.length - 1]!
        const one = frame.items[frame.next]
        if (one === undefined) {
          frames.pop()
          continue
        }
        frame.next += 1
        if (one.descend === undefined) {
          out.push(one.item)
          continue
        }
        const { descend, item } = one
        const isRoot = item === top
        const inside = yield* Effect.either(list(descend))
        if (Either.isLeft(inside)) {
          const { detail, reason } = inside.left
          if (isRoot) return yield* inside.left
          const problem = { display: LocalPath.display(descend.path), detail }
          if (reason === "NotFound" || reason === "Vanished") out.push({ _tag: "Skipped", problem })
          else out.push({ _tag: "Unreadable", key: `${descend.key}/`, problem })
        } else if (inside.right === undefined) {
          if (isRoot) return yield* isCache(descend.path)
        } else {
          // the vault's top has no entry of its own
          if (item._tag === "Found" && item.key !== "/") out.push(item)
          frames.push({ items: inside.right, next: 0 })
        }
        if (out.length >= 256) break
      }
      return out.length === 0 ? Option.none() : Option.some([Chunk.unsafeFromArray(out), frames] as const)
    })
  )
}
