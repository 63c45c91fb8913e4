/**
 * A local file system in memory, for examples and simulations: the same rules, no disk.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type { ExtendedAttribute, FileType } from "../schema/Node.ts"
import { LocalTree, type Service } from "../services/LocalTree.ts"
import * as MemoryTarget from "./internal/memoryTarget.ts"
import * as Tree from "./internal/memoryTree.ts"

/** What stands at a path: a file's bytes or text, or anything else described. @since 0.1.0 @category models */
export type Value =
  | string
  | Uint8Array
  | {
      readonly kind?: FileType
      readonly content?: string | Uint8Array
      /** Makes it a symbolic link to this. */
      readonly symlink?: string | Uint8Array
      readonly mtimeNs?: bigint
      readonly mode?: number
      readonly uid?: number
      readonly gid?: number
      readonly extendedAttributes?: ReadonlyArray<ExtendedAttribute>
    }

/** The service and the hands of whoever else uses the same files. @since 0.1.0 @category models */
export interface Memory {
  readonly service: Service
  /** Puts a value at an absolute path (its parents too); a file that is a file already keeps its inode. */
  readonly put: (path: string, value: Value) => Effect.Effect<void>
  /** Removes what is at an absolute path, whatever it is. */
  readonly remove: (path: string) => Effect.Effect<void>
  /** A file's bytes or a link's target, links not followed; nothing when neither is there. */
  readonly contentOf: (path: string) => Effect.Effect<Uint8Array | undefined>
  /** The absolute paths of everything, directories ending in `/`, ascending. */
  readonly paths: Effect.Effect<ReadonlyArray<string>>
}

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? Bytes.fromUtf8(content) : content
const partsOf = (path: string) => LocalPath.parts(LocalPath.make(Bytes.fromUtf8(`/${path}`)))
const rebuilt = (parts: ReadonlyArray<Uint8Array>): LocalPath.LocalPath =>
  parts.reduce((path, part) => LocalPath.child(path, LocalPath.name(part)), LocalPath.make(Bytes.fromUtf8("/")))

/** A file system that holds `files`, by path from `/`. @since 0.1.0 @category constructors */
export const make = (files: Readonly<Record<string, Value>> = {}): Effect.Effect<Memory> =>
  Effect.gen(function* () {
    const disk = yield* Tree.make
    const { inodeAt, inodeOf, linkAt, made, now, readingOf, root } = disk

    const put: Memory["put"] = (path, value) =>
      Effect.map(now, (time) => {
        const names = partsOf(path)
        const last = names[names.length - 1]
        if (last === undefined) return
        const given = typeof value === "string" || value instanceof Uint8Array ? { content: value } : value
        const kind = given.kind ?? (given.symlink === undefined ? "regular" : "symlink")
        const content = bytesOf(given.symlink ?? given.content ?? "")
        made(root, names.slice(0, -1), 0o755, time)
        const parent = Either.getOrThrow(Tree.walk(root, names.slice(0, -1), { operation: "put", path }))
        const known = Tree.childOf(parent, last)
        const inode = known !== undefined && known.kind === kind ? known : inodeOf(kind, content, time)
        if (inode !== known) Tree.link(parent, last, inode, time)
        inode.content = content
        inode.mtimeNs = given.mtimeNs ?? time
        inode.ctimeNs = time
        inode.mode = given.mode ?? inode.mode
        inode.uid = given.uid ?? inode.uid
        inode.gid = given.gid ?? inode.gid
        inode.attributes = given.extendedAttributes ?? inode.attributes
      })

    const names = (directory: LocalPath.LocalPath) =>
      Either.map(Tree.walk(root, LocalPath.parts(directory), Tree.place("list", directory)), (inode) =>
        [...inode.children.values()].sort((a, b) => Bytes.compare(a.name.bytes, b.name.bytes))
      )
    const open: Service["open"] = (path, options) =>
      Effect.suspend(() => {
        const at = Tree.place("read", path)
        return Either.flatMap(inodeAt(path, at), (found) => readingOf(found, at, options))
      })

    const service: Service = {
      capabilities: { nanoseconds: true, extendedAttributes: true, notes: [] },
      resolve: (path) =>
        Effect.suspend(() => {
          const given = typeof path === "string" ? LocalPath.make(Bytes.fromUtf8(`/${path}`)) : path
          const at = Tree.place("find", given)
          return Either.flatMap(Tree.follow(root, LocalPath.parts(given), at), (parts) => {
            const canonical = rebuilt(parts)
            return Either.map(inodeAt(canonical, at), (found) => ({ path: canonical, status: Tree.statusOf(found) }))
          })
        }),
      list: (directory) => Effect.suspend(() => Either.map(names(directory), (all) => all.map(({ name }) => name))),
      entries: (directory) =>
        Effect.suspend(() =>
          Either.map(names(directory), (all) =>
            all.map(({ inode, name }) => ({
              name,
              path: LocalPath.child(directory, name),
              status: Either.right(Tree.statusOf(inode))
            }))
          )
        ),
      status: (path) => Effect.suspend(() => Either.map(inodeAt(path, Tree.place("look at", path)), Tree.statusOf)),
      readLink: (path) =>
        Effect.suspend(() => {
          const at = Tree.place("read the link", path)
          return Either.flatMap(inodeAt(path, at), (found) => linkAt(found, at))
        }),
      extendedAttributes: (path) =>
        Effect.suspend(() =>
          Either.map(inodeAt(path, Tree.place("read the extended attributes of", path)), (found) => found.attributes)
        ),
      readWhole: (files, { attributes, limit }) =>
        Effect.sync(() =>
          files.map(({ expect, path }) => {
            const at = Tree.place("read", path)
            return Either.flatMap(inodeAt(path, at), (found) =>
              Either.map(readingOf(found, at, { expect }), ({ before }) => ({
                before,
                bytes: found.content.length > limit ? undefined : found.content.slice(),
                steady: true,
                attributes: Either.right(attributes ? found.attributes : [])
              }))
            )
          })
        ),
      userName: (uid) => Effect.succeed(uid === 0 ? "root" : undefined),
      groupName: (gid) => Effect.succeed(gid === 0 ? "root" : undefined),
      open,
      read: (path, options) => Stream.unwrapScoped(Effect.map(open(path, options), (reading) => reading.content)),
      openTarget: (directory, options = {}) =>
        Effect.gen(function* () {
          const at: Tree.Place = { operation: "open", path: LocalPath.display(directory) }
          const asked = partsOf(directory)
          const followed = Tree.follow(root, asked, at)
          const parts = Either.isRight(followed) ? followed.right : asked
          made(root, parts, options.directoryMode ?? 0o755, yield* now)
          yield* Tree.walk(root, parts, at).pipe(
            Either.mapLeft(() => Tree.failure(at, "NotADirectory", "something that is no directory is there already"))
          )
          return MemoryTarget.make(disk, rebuilt(parts), options)
        })
    }

    for (const [path, value] of Object.entries(files)) yield* put(path, value)
    return {
      service,
      put,
      remove: (path) =>
        Effect.map(now, (time) => {
          const parts = partsOf(path)
          const last = parts[parts.length - 1]
          const parent = Tree.walk(root, parts.slice(0, -1), { operation: "remove", path })
          if (last !== undefined && Either.isRight(parent)) Tree.unlink(parent.right, last, time)
        }),
      contentOf: (path) =>
        Effect.sync(() => {
          const found = inodeAt(LocalPath.make(Bytes.fromUtf8(`/${path}`)), { operation: "read", path })
          return Either.isRight(found) && (found.right.kind === "regular" || found.right.kind === "symlink")
            ? found.right.content.slice()
            : undefined
        }),
      paths: Effect.sync(() => {
        const out: Array<string> = []
        const visit = (inode: Tree.Inode, path: string) => {
          for (const { inode: child, name } of inode.children.values()) {
            const at = `${path}/${LocalPath.display(name)}`
            out.push(child.kind === "directory" ? `${at}/` : at)
            visit(child, at)
          }
        }
        visit(root, "")
        return out.sort(Bytes.compareUtf8)
      })
    }
  })

/** A file system in memory that holds `files`, by path from `/`. @since 0.1.0 @category layers */
export const layer = (files: Readonly<Record<string, Value>> = {}): Layer.Layer<LocalTree> =>
  Layer.effect(
    LocalTree,
    Effect.map(make(files), (memory) => memory.service)
  )
