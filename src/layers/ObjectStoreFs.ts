/**
 * Objects as files in a folder, in the reference's layout (docs/format/core.md §16), safe against other processes,
 * kill -9 and power cuts.
 *
 * Every object is written to a file of its own under `.tmp/`, flushed, and then renamed or linked to its name. Symbolic
 * links are no objects: they are not listed, not read, and replaced by what is put there.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import { resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ObjectStore, ObjectStoreError, type Service } from "../services/ObjectStore.ts"
import * as FsBarrier from "./FsBarrier.ts"
import * as FsLeftovers from "./FsLeftovers.ts"
import * as FsListing from "./FsListing.ts"
import * as Turns from "./internal/turns.ts"
import * as NodeFile from "./NodeFile.ts"
import * as ObjectPath from "./ObjectPath.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** Made with its parents when the first object is put. */
  readonly directory: string
  /** What people call the store; its directory when absent. */
  readonly name?: string
  /** `false` goes without hard links, as on filesystems that have none; found out by itself when absent. */
  readonly hardLinks?: boolean
  /** Nothing in the folder is ever changed; writing is `Denied`. */
  readonly readOnly?: boolean
  /** Files and folders are made for this user alone (0600, 0700); otherwise as the umask says. */
  readonly private?: boolean
}

// what link(2) answers where there are no hard links
const noHardLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"]

const reasons: Record<string, { readonly reason: ObjectStoreError["reason"]; readonly detail: string }> = {
  ENOSPC: { reason: "Full", detail: "no room left on the disk; free some and run it again" },
  EDQUOT: { reason: "Full", detail: "the disk quota is used up; free some of it and run it again" },
  EFBIG: { reason: "Full", detail: "the file is larger than this filesystem or user may have" },
  EROFS: { reason: "Denied", detail: "the filesystem is read-only" },
  EACCES: { reason: "Denied", detail: "permission denied; check who owns the store's folder" },
  EPERM: { reason: "Denied", detail: "permission denied; check who owns the store's folder" },
  ENOENT: { reason: "Unavailable", detail: "a file or folder of the store vanished" },
  ENAMETOOLONG: { reason: "BadPath", detail: "the path is too long for this filesystem" },
  ENOTDIR: { reason: "BadPath", detail: "a part of the path is an object" },
  EEXIST: { reason: "BadPath", detail: "a part of the path is an object" },
  EISDIR: { reason: "BadPath", detail: "there is a folder of objects at that path" },
  ENOTEMPTY: { reason: "BadPath", detail: "there is a folder of objects at that path" },
  EMFILE: { reason: "Unavailable", detail: "too many open files; raise the limit or lower the concurrency" },
  EIO: { reason: "Unavailable", detail: "the disk failed; check it before trusting it again" }
}

// a bad place on the disk concerns the one object: whoever reads many goes on with the others
const readingReasons: typeof reasons = {
  EIO: { reason: "Unreadable", detail: "the disk cannot read it; copy what can still be read to another disk" }
}

/** A store over `options.directory`; old leftovers of dead processes are removed in the background. @since 0.1.0 @category constructors */
export const make = (options: Options): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const base = resolve(options.directory)
    const name = options.name ?? options.directory
    const fileMode = options.private === true ? 0o600 : 0o666
    const folderMode = options.private === true ? 0o700 : 0o777
    const barrier = FsBarrier.make(base, folderMode)
    const readNow = NodeFile.quickReader(base)
    const temporaryFolder = `${base}/${ObjectPath.temporary}`
    // not Effect's Random: names must differ between processes and machines even where a test seeds chance
    const ours = `${process.pid}-${yield* Effect.sync(randomUUID)}`
    let written = 0
    let hardLinks = options.hardLinks ?? true

    const failed = (operation: string, path: string) => (cause: unknown) => {
      const code = NodeFile.codeOf(cause)
      const known = (operation === "get" ? readingReasons[code] : undefined) ??
        reasons[code] ?? {
          reason: "Unavailable" as const,
          detail: cause instanceof Error ? cause.message : String(cause)
        }
      const detail = `${known.detail} (${code})`
      return new ObjectStoreError({ reason: known.reason, store: name, operation, path, detail })
    }
    const notFlushed = (operation: string) => (failure: FsBarrier.FlushFailure) =>
      failed(operation, failure.path)(failure.cause)

    /** Runs to its end even if interrupted, so that no temporary file is left behind and no change goes unmarked. */
    const attempt = <A>(operation: string, path: string, run: () => Promise<A>) =>
      Effect.suspend(() => {
        const problem = ObjectPath.problem(path)
        return problem === undefined
          ? Effect.uninterruptible(Effect.tryPromise({ try: run, catch: failed(operation, path) }))
          : new ObjectStoreError({ reason: "BadPath", store: name, operation, path, detail: problem })
      })

    /** Where the bytes of the object are and how many. */
    const locate = async (path: string) => {
      const stat = await NodeFile.unless(NodeFile.absent, NodeFile.lstat(`${base}/${path}`))
      if (stat?.isFile()) return { file: path, size: stat.size }
      if (!stat?.isDirectory()) return undefined
      const file = `${path}/${ObjectPath.entry}`
      const inside = await NodeFile.unless(NodeFile.absent, NodeFile.lstat(`${base}/${file}`))
      return inside?.isFile() ? { file, size: inside.size } : undefined
    }

    /** Runs `step`, once more after making `folder` if it was not there. */
    const inFolder = async <A>(folder: string, step: () => Promise<A>): Promise<A> => {
      try {
        return await step()
      } catch (cause) {
        if (NodeFile.codeOf(cause) !== "ENOENT") throw cause
        await barrier.makeFolder(folder)
        return await step()
      }
    }

    /** Gives a name under `.tmp/` that nobody else has to `use`, and removes what is left of it afterwards. */
    const withTemporary = async <A>(use: (path: string) => Promise<A>): Promise<A> => {
      const path = `${temporaryFolder}/${ours}-${written++}`
      try {
        return await use(path)
      } catch (cause) {
        // best effort, the first failure is the one to tell; a leftover goes after a day
        await NodeFile.unlink(path).catch(() => undefined)
        throw cause
      }
    }

    const replace = (path: string, bytes: Uint8Array) =>
      withTemporary(async (temporary) => {
        await inFolder(ObjectPath.temporary, () => NodeFile.writeNew(temporary, bytes, fileMode))
        try {
          await inFolder(ObjectPath.folder(path), () => NodeFile.rename(temporary, `${base}/${path}`))
          barrier.changed(ObjectPath.folder(path))
        } catch (cause) {
          const there = await locate(path)
          if (there?.file === path) throw cause
          if (there === undefined) {
            // an empty folder is what a removal that was cut short leaves
            await NodeFile.rmdir(`${base}/${path}`).catch(() => Promise.reject(cause))
            await NodeFile.rename(temporary, `${base}/${path}`)
            barrier.changed(ObjectPath.folder(path))
            return
          }
          await NodeFile.rename(temporary, `${base}/${there.file}`)
          barrier.changed(path)
        }
      })

    const createByLink = (path: string, bytes: Uint8Array) =>
      withTemporary(async (temporary) => {
        await inFolder(ObjectPath.temporary, () => NodeFile.writeNew(temporary, bytes, fileMode))
        const won = await inFolder(ObjectPath.folder(path), () => NodeFile.link(temporary, `${base}/${path}`)).then(
          () => true,
          async (cause) => {
            if (NodeFile.codeOf(cause) === "EEXIST") {
              // over a network the link may have been made and its answer lost
              if (await NodeFile.isSameFile(temporary, `${base}/${path}`)) return true
              // an empty folder is what a removal that was cut short leaves: no object, and to be had by the other way
              return (await locate(path)) === undefined ? undefined : false
            }
            if (!noHardLinks.includes(NodeFile.codeOf(cause))) throw cause
            hardLinks = false
            return undefined
          }
        )
        // the link counts, its other name does not; a leftover goes after a day
        await NodeFile.unlink(temporary).catch(() => undefined)
        return won
      })

    const createByFolder = async (path: string, bytes: Uint8Array) => {
      const temporary = `${temporaryFolder}/${ours}-${written++}`
      const file = `${temporary}/${ObjectPath.entry}`
      try {
        await inFolder(ObjectPath.temporary, () => NodeFile.mkdir(temporary, folderMode))
        await NodeFile.writeNew(file, bytes, fileMode)
        await NodeFile.flushFolder(temporary)
        await inFolder(ObjectPath.folder(path), () => NodeFile.rename(temporary, `${base}/${path}`))
        return true
      } catch (cause) {
        // best effort, the failure or the other's object is what counts; a leftover goes after a day
        await NodeFile.unlink(file).catch(() => undefined)
        await NodeFile.rmdir(temporary).catch(() => undefined)
        if ((await locate(path)) !== undefined) return false
        throw cause
      }
    }

    const create = async (path: string, bytes: Uint8Array) => {
      if ((await locate(path)) !== undefined) return false
      const linked = hardLinks ? await createByLink(path, bytes) : undefined
      return linked ?? (await createByFolder(path, bytes))
    }

    const get = async (path: string, offset: number, length: number) => {
      const bytes = await NodeFile.readRange(`${base}/${path}`, offset, length)
      if (bytes !== "folder") return bytes
      const inside = await NodeFile.readRange(`${base}/${path}/${ObjectPath.entry}`, offset, length)
      return inside === "folder" ? undefined : inside
    }

    const remove = async (path: string) => {
      const there = await locate(path)
      const file = there?.file ?? path
      const gone = await NodeFile.unless(
        // a folder that is no object is none of ours to remove; macOS calls it EPERM
        there === undefined ? [...NodeFile.absent, "EISDIR", "EPERM"] : NodeFile.absent,
        NodeFile.unlink(`${base}/${file}`).then(() => true)
      )
      barrier.forget(file)
      if (gone === undefined) return
      if (file !== path) {
        await NodeFile.unless([...NodeFile.absent, "ENOTEMPTY", "EEXIST"], NodeFile.rmdir(`${base}/${path}`))
      }
      barrier.changed(ObjectPath.folder(path))
    }

    const now = yield* Clock.currentTimeMillis
    if (options.readOnly !== true) yield* Effect.forkScoped(FsLeftovers.remove(temporaryFolder, now))
    const denied = (operation: string) => (path: string) =>
      new ObjectStoreError({
        reason: "Denied",
        store: name,
        operation,
        path,
        detail: "the store is opened for reading"
      })

    const service: Service = {
      name,
      features: { caseSensitive: false, recommendedMaxDirSize: 1024 },
      put: (path, bytes) => attempt("put", path, () => replace(path, bytes)),
      create: (path, bytes) =>
        Effect.flatMap(
          attempt("create", path, async () => {
            const won = await create(path, bytes)
            const file = (await locate(path))?.file
            // somebody removed it at once: a winner that has nothing to show for it must not be told that it won
            if (won && file === undefined) throw Object.assign(new Error("the object vanished"), { code: "ENOENT" })
            return { won, file }
          }),
          ({ won, file }) =>
            file === undefined
              ? Effect.succeed(won)
              : Effect.as(Effect.mapError(barrier.anchor(file, won), notFlushed("create")), won)
        ),
      get: (path, range) =>
        Turns.between((): Effect.Effect<Uint8Array, ObjectStoreError> => {
          const [offset, length] = [range?.offset ?? 0, range?.length ?? Number.POSITIVE_INFINITY]
          const now = ObjectPath.problem(path) === undefined ? readNow(`${base}/${path}`, offset, length) : undefined
          if (now !== undefined) return Effect.succeed(now)
          return Effect.flatMap(
            attempt("get", path, () => get(path, offset, length)),
            (bytes) =>
              bytes === undefined
                ? new ObjectStoreError({
                    reason: "NotFound",
                    store: name,
                    operation: "get",
                    path,
                    detail: "there is no such object"
                  })
                : Effect.succeed(bytes)
          )
        }),
      size: (path) =>
        Effect.tap(
          attempt("size", path, async () => {
            const there = await locate(path)
            if (there === undefined) return undefined
            barrier.saw(there.file)
            return there.size
          }),
          () => Effect.mapError(barrier.relieve, notFlushed("size"))
        ),
      list: (prefix) =>
        Stream.flattenIterables(
          Stream.suspend(() => Stream.fromAsyncIterable(FsListing.batches(base, prefix), failed("list", prefix)))
        ),
      remove: (path) => attempt("remove", path, () => remove(path)),
      sync: Effect.mapError(barrier.sync, notFlushed("sync")),
      file: (path) => `${base}/${path}`
    }
    return options.readOnly === true
      ? { ...service, put: denied("put"), create: denied("create"), remove: denied("remove"), sync: Effect.void }
      : service
  })

/** @since 0.1.0 @category layers */
export const layer = (options: Options): Layer.Layer<ObjectStore> => Layer.scoped(ObjectStore, make(options))
