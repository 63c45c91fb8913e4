/**
 * What in a folder tree is not known to survive a power cut yet, and the barrier that brings it to the disk.
 *
 * A name is durable when the folder it stands in was flushed after the name came to be, and so on up to the root. Which
 * folders were made durable in their parents is remembered, so that a barrier costs one flush for each folder that
 * changed; nobody may delete folders below a base that is in use.
 *
 * @since 0.1.0
 */
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import * as NodeFile from "./NodeFile.ts"
import * as ObjectPath from "./ObjectPath.ts"

/** Something could not be flushed. @since 0.1.0 @category errors */
export interface FlushFailure {
  readonly path: string
  readonly cause: unknown
}

/** Paths are relative to the base, "" being the base itself. @since 0.1.0 @category models */
export interface FsBarrier {
  /** Makes the folder and those above it. */
  readonly makeFolder: (folder: string) => Promise<void>
  /** A name in `folder` was made or replaced; the file it names is flushed already. */
  readonly changed: (folder: string) => void
  /** The file was seen, whoever wrote it. */
  readonly saw: (file: string) => void
  /** The file is gone: there is nothing left to flush. */
  readonly forget: (file: string) => void
  /** Flushes one file (unless `written` by us) and every name that leads to it. */
  readonly anchor: (file: string, written: boolean) => Effect.Effect<void, FlushFailure>
  /** Flushes everything changed or seen before. */
  readonly sync: Effect.Effect<void, FlushFailure>
  /** As `sync`, if what was seen has become too much to remember. */
  readonly relieve: Effect.Effect<void, FlushFailure>
}

// flushes run in the thread pool, whose size bounds them anyway; this bounds open files
const concurrency = 16
// a few MB of paths
const mostSeen = 16_384

/** A barrier over the tree at `base`, an absolute path. @since 0.1.0 @category constructors */
export const make = (base: string, folderMode = 0o777): FsBarrier => {
  let folders = new Set<string>()
  let files = new Set<string>()
  const anchored = new Set<string>()
  // above the base: the base's own name may be new even if another process made it; flushed with the first barrier
  let above = new Set([dirname(base)])
  const madeAbove = new Set<string>()
  // a disk that failed a flush may answer the next with success although the bytes are lost
  let broken: FlushFailure | undefined
  const turn = Effect.unsafeMakeSemaphore(1)

  const absolute = (path: string) => (path === "" ? base : `${base}/${path}`)

  const attempt = (path: string, run: () => Promise<unknown>) =>
    Effect.tryPromise({ try: run, catch: (cause): FlushFailure => ({ path, cause }) })

  const flush = (someFiles: ReadonlySet<string>, someFolders: ReadonlySet<string>) =>
    Effect.suspend(() => {
      if (broken !== undefined) return Effect.fail(broken)
      const toFlush = new Set(someFolders)
      const toAnchor: Array<string> = []
      for (const folder of someFolders) {
        for (let at = folder; at !== "" && !anchored.has(at); at = ObjectPath.folder(at)) {
          toAnchor.push(at)
          toFlush.add(ObjectPath.folder(at))
        }
      }
      const ups = above
      return Effect.forEach(
        someFiles,
        // a file that is gone was removed since: there is nothing to lose
        (file) => attempt(file, () => NodeFile.unless(NodeFile.absent, NodeFile.flushFile(absolute(file)))),
        { concurrency, discard: true }
      ).pipe(
        Effect.zipRight(
          // a folder that is gone is a failure: what was put into it went with it
          Effect.forEach(toFlush, (folder) => attempt(folder, () => NodeFile.flushFolder(absolute(folder))), {
            concurrency,
            discard: true
          })
        ),
        Effect.zipRight(
          Effect.forEach(
            ups,
            (folder) =>
              attempt(folder, () =>
                // what we may not even read, and did not make, is older than this store
                NodeFile.unless(madeAbove.has(folder) ? [] : ["EACCES", "EPERM"], NodeFile.flushFolder(folder))
              ),
            { discard: true }
          )
        ),
        Effect.tapError((failure) =>
          Effect.sync(() => {
            if (NodeFile.codeOf(failure.cause) === "EIO") broken = failure
          })
        ),
        Effect.zipRight(
          Effect.sync(() => {
            for (const folder of toAnchor) anchored.add(folder)
            if (above === ups) above = new Set()
          })
        )
      )
    })

  const flushAll = Effect.suspend(() => {
    if (files.size === 0 && folders.size === 0) return Effect.void
    const takenFiles = files
    const takenFolders = folders
    files = new Set()
    folders = new Set()
    return Effect.onExit(flush(takenFiles, takenFolders), (exit) =>
      Effect.sync(() => {
        if (exit._tag === "Success") return
        for (const file of takenFiles) files.add(file)
        for (const folder of takenFolders) folders.add(folder)
      })
    )
  })

  return {
    makeFolder: async (folder) => {
      const first = await NodeFile.mkdir(absolute(folder), { recursive: true, mode: folderMode })
      for (let at = folder; at !== ""; at = ObjectPath.folder(at)) anchored.delete(at)
      if (first === undefined || first.length > base.length) return
      const ups = new Set(above)
      for (let at = base; at.length >= first.length; at = dirname(at)) {
        ups.add(dirname(at))
        madeAbove.add(dirname(at))
      }
      above = ups
    },
    changed: (folder) => {
      folders.add(folder)
    },
    saw: (file) => {
      files.add(file)
      folders.add(ObjectPath.folder(file))
    },
    forget: (file) => {
      files.delete(file)
    },
    anchor: (file, written) => flush(new Set(written ? [] : [file]), new Set([ObjectPath.folder(file)])),
    // one at a time: whoever comes second also waits for what the first has taken
    sync: turn.withPermits(1)(flushAll),
    relieve: Effect.suspend(() =>
      files.size < mostSeen
        ? Effect.void
        : turn.withPermits(1)(Effect.suspend(() => (files.size < mostSeen ? Effect.void : flushAll)))
    )
  }
}
