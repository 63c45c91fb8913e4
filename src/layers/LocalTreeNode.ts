/**
 * The local file system through Node: reading.
 *
 * On Linux every name is looked up through an open descriptor of its directory, whose place was checked: a directory that
 * is swapped for a symbolic link while a backup runs cannot make it read something else.
 *
 * What is in this machine's memory is asked for on the calling thread. What is mounted from elsewhere (any kind of file system
 * that is not known to be local) is left to other threads: one that hangs keeps its backup waiting, and nothing else.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import { type Capabilities, type Entry, LocalTree, type LocalTreeError, type Service } from "../services/LocalTree.ts"
import * as Doors from "./internal/doors.ts"
import * as Files from "./internal/files.ts"
import * as FilesElsewhere from "./internal/filesElsewhere.ts"
import * as Listing from "./internal/listing.ts"
import * as Mounts from "./internal/mounts.ts"
import * as Native from "./internal/native.ts"
import * as Turns from "./internal/turns.ts"
import * as Waiting from "./internal/waiting.ts"
import * as WholeFiles from "./internal/wholeFiles.ts"
import * as LocalTargetNode from "./LocalTargetNode.ts"

/** lstat calls under way at once for one directory: Node's pool has four threads. */
const statusesAtOnce = 16

/** Files of others that are read at once. */
const filesAtOnce = 4

/** Directories after so many in a row that took long that are taken to be as slow. */
const slowInARow = 3
const directoriesAsSlow = 15

const names = (
  door: Doors.Door,
  at: Files.Place,
  isElsewhere: boolean
): Effect.Effect<ReadonlyArray<LocalPath.Name>, LocalTreeError> =>
  Files.call<Array<Buffer>>(
    at,
    (done) => fs.readdir(Buffer.concat([door.prefix, Buffer.from(".")]), { encoding: "buffer" }, done),
    isElsewhere
  ).pipe(Effect.map((found) => found.sort(Buffer.compare).map((bytes) => LocalPath.name(new Uint8Array(bytes)))))

const entryOf = (
  directory: LocalPath.LocalPath,
  name: LocalPath.Name,
  error: Error | null,
  stats: fs.BigIntStats | undefined
): Entry | undefined => {
  if (error !== null && Files.codeOf(error) === "ENOENT") return undefined
  const path = LocalPath.child(directory, name)
  if (error === null && stats !== undefined) return { name, path, status: Either.right(Files.statusOf(stats)) }
  return { name, path, status: Either.left(Files.errorOf(Files.place("look at", path), error)) }
}

const statuses = (
  directory: LocalPath.LocalPath,
  { prefix }: Doors.Door,
  found: ReadonlyArray<LocalPath.Name>,
  holdsElsewhere: boolean
): Effect.Effect<ReadonlyArray<Entry>> =>
  Effect.async((resume) => {
    const out: Array<Entry | undefined> = new Array(found.length)
    const finish = () => resume(Effect.succeed(out.filter((entry) => entry !== undefined)))
    let next = 0
    let left = found.length
    let stopped = false
    const step = () => {
      const index = next++
      const name = found[index]
      if (name === undefined || stopped) return
      const done = (error: Error | null, stats: fs.BigIntStats | undefined) => {
        out[index] = entryOf(directory, name, error, stats)
        left--
        if (left === 0) finish()
        else step()
      }
      fs.lstat(Buffer.concat([prefix, name.bytes]), { bigint: true }, holdsElsewhere ? Waiting.until(done) : done)
    }
    if (left === 0) finish()
    else for (let i = 0; i < statusesAtOnce; i++) step()
    return Effect.sync(() => {
      stopped = true
    })
  })

/** The names of a table such as /etc/passwd by the number in its third field. */
const tableOf = (file: string) =>
  Effect.cached(
    Files.call<Buffer>({ operation: "read", path: file }, (done) => fs.readFile(file, done)).pipe(
      Effect.map((bytes) => {
        const table = new Map<number, string>()
        for (const line of (Bytes.toUtf8(bytes) ?? "").split("\n")) {
          const [name, , id] = line.split(":")
          if (name !== undefined && id !== undefined && /^\d+$/.test(id) && !table.has(Number(id)))
            table.set(Number(id), name)
        }
        return table
      }),
      // a system without the table has no names: the numbers are kept anyway
      Effect.orElseSucceed(() => new Map<number, string>())
    )
  )

/** The local file system, where these are its mounts. @since 0.1.0 @category constructors */
export const makeWith = Effect.fnUntraced(function* (mounts: Mounts.Mounts): Effect.fn.Return<Service> {
  // loaded by the first who needs them: most verbs do not
  const native = (): Native.Native | undefined => {
    const loaded = Native.now()
    return "missing" in loaded ? undefined : loaded
  }
  const users = yield* tableOf("/etc/passwd")
  const groups = yield* tableOf("/etc/group")
  const capabilities = (): Capabilities => {
    const loaded = Native.now()
    const notes: Array<string> = []
    if ("missing" in loaded)
      notes.push(`times keep microseconds only, extended attributes are left out: ${loaded.missing}`)
    if (!Files.hasDoors) notes.push("no /proc: a directory swapped for a link at the wrong moment is noticed late")
    const isWhole = !("missing" in loaded)
    return { nanoseconds: isWhole, extendedAttributes: isWhole, notes }
  }

  /** Directories that are not even tried on this thread. */
  let slow = 0
  let strikes = 0

  /** Runs `use` with a path of the very entry at `path`. */
  const reaching = <A, R>(
    path: LocalPath.LocalPath,
    at: Files.Place,
    use: (path: Buffer, isElsewhere: boolean) => Effect.Effect<A, LocalTreeError, R>
  ): Effect.Effect<A, LocalTreeError, R> =>
    Effect.zipRight(
      mounts.known,
      Effect.suspend(() => {
        const split = LocalPath.split(path)
        const isElsewhere = mounts.isElsewhere(path.bytes)
        return split === undefined
          ? use(Buffer.from("/"), isElsewhere)
          : Doors.within(split.parent, at, mounts.isElsewhere(split.parent.bytes), ({ prefix }) =>
              use(Buffer.concat([prefix, split.name]), isElsewhere)
            )
      })
    )

  const status: Service["status"] = (path) => {
    const at = Files.place("look at", path)
    return reaching(path, at, (file, isElsewhere) =>
      Effect.map(
        Files.call<fs.BigIntStats>(at, (done) => fs.lstat(file, { bigint: true }, done), isElsewhere),
        Files.statusOf
      )
    )
  }

  const open: Service["open"] = (path, options) => {
    const at = Files.place("read", path)
    return reaching(path, at, (file, isElsewhere) =>
      Effect.map(Files.openFor(at, file, isElsewhere), (fd) => ({ fd, isElsewhere }))
    ).pipe(Effect.flatMap(({ fd, isElsewhere }) => Files.readingOf(fd, at, options, isElsewhere)))
  }

  const extendedAttributes: Service["extendedAttributes"] = (path) => {
    const at = Files.place("read the extended attributes of", path)
    return Effect.suspend(() => {
      const calls = native()
      if (calls === undefined) return Effect.succeed([])
      return reaching(path, at, (file, isElsewhere) =>
        isElsewhere ? Doors.attributesElsewhere(calls, file, at) : Doors.attributesAt(calls, file, at)
      )
    })
  }

  return {
    get capabilities() {
      return capabilities()
    },
    isOfSystem: true,
    resolve: Effect.fn("LocalTree.resolve")(function* (path) {
      const given = typeof path === "string" ? LocalPath.make(Bytes.fromUtf8(path)) : path
      const at = Files.place("find", given)
      if (given.bytes.length === 0 || given.bytes.includes(0))
        return yield* Files.failure(at, "Unsafe", "it is no path")
      // whatever the path leads to
      const found = yield* Files.call<Buffer>(
        at,
        (done) => fs.realpath.native(Files.buffer(given.bytes), { encoding: "buffer" }, done),
        true
      )
      const canonical = LocalPath.make(new Uint8Array(found))
      return { path: canonical, status: yield* status(canonical) }
    }),
    list: (directory) => {
      const at = Files.place("list", directory)
      return Effect.zipRight(
        mounts.known,
        Effect.suspend(() => {
          const isElsewhere = mounts.isElsewhere(directory.bytes)
          return Doors.within(directory, at, isElsewhere, (door) => names(door, at, isElsewhere))
        })
      )
    },
    entries: (directory) => {
      const at = Files.place("list", directory)
      const byOthers = (holdsElsewhere: boolean) => {
        const isElsewhere = holdsElsewhere && mounts.isElsewhere(directory.bytes)
        return Doors.within(directory, at, isElsewhere, (door) =>
          Effect.flatMap(names(door, at, isElsewhere), (found) => statuses(directory, door, found, holdsElsewhere))
        )
      }
      const listing = Turns.between((): Effect.Effect<ReadonlyArray<Entry>, LocalTreeError> => {
        if (mounts.holdsElsewhere(directory.bytes)) return byOthers(true)
        if (slow > 0) {
          slow--
          return byOthers(false)
        }
        const listed = Listing.quick(native(), directory, at)
        if (Either.isLeft(listed)) return Effect.fail(listed.left)
        strikes = listed.right === undefined ? strikes + 1 : 0
        if (listed.right !== undefined) return Effect.succeed(listed.right)
        if (strikes >= slowInARow) slow = directoriesAsSlow
        return byOthers(false)
      })
      return Effect.zipRight(mounts.known, listing)
    },
    status,
    readLink: (path) => {
      const at = Files.place("read the link", path)
      return reaching(path, at, (file, isElsewhere) =>
        Effect.map(
          Files.call<Buffer>(at, (done) => fs.readlink(file, { encoding: "buffer" }, done), isElsewhere),
          (bytes) => new Uint8Array(bytes)
        )
      )
    },
    extendedAttributes,
    readWhole: (files, options) =>
      Effect.zipRight(
        mounts.known,
        Effect.suspend(() =>
          files.some(({ path }) => mounts.isElsewhere(path.bytes))
            ? Effect.forEach(
                files,
                (file) => Effect.either(FilesElsewhere.read({ extendedAttributes, open }, file, options)),
                {
                  concurrency: filesAtOnce
                }
              )
            : Effect.succeed(WholeFiles.read(native(), files, options))
        )
      ),
    isElsewhere: (path) => mounts.isElsewhere(path.bytes),
    userName: (uid) => Effect.map(users, (table) => table.get(uid)),
    groupName: (gid) => Effect.map(groups, (table) => table.get(gid)),
    open,
    read: (path, options) => Stream.unwrapScoped(Effect.map(open(path, options), (reading) => reading.content)),
    openTarget: (directory, options) => Effect.suspend(() => LocalTargetNode.make(native(), directory, options))
  }
})

/** @since 0.1.0 @category constructors */
export const make: Effect.Effect<Service> = makeWith(Mounts.ofSystem)

/** The local file system of this machine. @since 0.1.0 @category layers */
export const layer: Layer.Layer<LocalTree> = Layer.effect(LocalTree, make)
