/**
 * The local file system through Node: reading.
 *
 * On Linux every name is looked up through an open descriptor of its directory, whose place was checked: a directory that
 * is swapped for a symbolic link while a backup runs cannot make it read something else.
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
import * as Listing from "./internal/listing.ts"
import * as Native from "./internal/native.ts"
import * as Turns from "./internal/turns.ts"
import * as WholeFiles from "./internal/wholeFiles.ts"
import * as LocalTargetNode from "./LocalTargetNode.ts"

/** lstat calls under way at once for one directory: Node's pool has four threads. */
const statusesAtOnce = 16

/** Directories after so many in a row that took long that are taken to be as slow. */
const slowInARow = 3
const directoriesAsSlow = 15

/** Where descriptors are no doors: looks whether a symbolic link is part of the way, once, before it is used. */
const lookedAt = (directory: LocalPath.LocalPath, at: Files.Place): Effect.Effect<void, LocalTreeError> =>
  Effect.flatMap(
    Files.call<Buffer>(at, (done) => fs.realpath.native(Files.buffer(directory.bytes), { encoding: "buffer" }, done)),
    (real) =>
      Bytes.equals(real, directory.bytes) ? Effect.void : Effect.fail(Files.failure(at, "Unsafe", Doors.swapped))
  )

/** Runs `use` with a path prefix, ending in `/`, under which the entries of `directory` are. */
const within = <A>(
  directory: LocalPath.LocalPath,
  at: Files.Place,
  use: (door: Buffer) => Effect.Effect<A, LocalTreeError>
): Effect.Effect<A, LocalTreeError> =>
  Files.hasDoors
    ? Effect.acquireUseRelease(
        Effect.suspend(() => Doors.openDirectory(directory, at)),
        (fd) => use(Buffer.from(Files.doorOf(fd))),
        Files.close
      )
    : Effect.zipRight(
        lookedAt(directory, at),
        Effect.suspend(() => use(Buffer.concat([directory.bytes, Buffer.from("/")])))
      )

/** Runs `use` with a path of the very entry at `path`. */
const reaching = <A>(
  path: LocalPath.LocalPath,
  at: Files.Place,
  use: (path: Buffer) => Effect.Effect<A, LocalTreeError>
): Effect.Effect<A, LocalTreeError> => {
  const split = LocalPath.split(path)
  return split === undefined
    ? use(Buffer.from("/"))
    : within(split.parent, at, (door) => use(Buffer.concat([door, split.name])))
}

const names = (door: Buffer, at: Files.Place): Effect.Effect<ReadonlyArray<LocalPath.Name>, LocalTreeError> =>
  Files.call<Array<Buffer>>(at, (done) =>
    fs.readdir(Buffer.concat([door, Buffer.from(".")]), { encoding: "buffer" }, done)
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
  door: Buffer,
  found: ReadonlyArray<LocalPath.Name>
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
      fs.lstat(Buffer.concat([door, name.bytes]), { bigint: true }, (error, stats) => {
        out[index] = entryOf(directory, name, error, stats)
        left--
        if (left === 0) finish()
        else step()
      })
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

/** @since 0.1.0 @category constructors */
export const make: Effect.Effect<Service> = Effect.gen(function* () {
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

  const status: Service["status"] = (path) => {
    const at = Files.place("look at", path)
    return reaching(path, at, (file) =>
      Effect.map(
        Files.call<fs.BigIntStats>(at, (done) => fs.lstat(file, { bigint: true }, done)),
        Files.statusOf
      )
    )
  }

  const open: Service["open"] = (path, options) => {
    const at = Files.place("read", path)
    return Effect.acquireRelease(
      reaching(path, at, (file) => Files.call<number>(at, (done) => fs.open(file, Files.readFlags, done))),
      Files.close
    ).pipe(Effect.flatMap((fd) => Files.readingOf(fd, at, options)))
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
      const found = yield* Files.call<Buffer>(at, (done) =>
        fs.realpath.native(Files.buffer(given.bytes), { encoding: "buffer" }, done)
      )
      const canonical = LocalPath.make(new Uint8Array(found))
      return { path: canonical, status: yield* status(canonical) }
    }),
    list: (directory) => {
      const at = Files.place("list", directory)
      return within(directory, at, (door) => names(door, at))
    },
    entries: (directory) => {
      const at = Files.place("list", directory)
      const byOthers = within(directory, at, (door) =>
        Effect.flatMap(names(door, at), (found) => statuses(directory, door, found))
      )
      return Turns.between((): Effect.Effect<ReadonlyArray<Entry>, LocalTreeError> => {
        if (slow > 0) {
          slow--
          return byOthers
        }
        const listed = Listing.quick(native(), directory, at)
        if (Either.isLeft(listed)) return Effect.fail(listed.left)
        strikes = listed.right === undefined ? strikes + 1 : 0
        if (listed.right !== undefined) return Effect.succeed(listed.right)
        if (strikes >= slowInARow) slow = directoriesAsSlow
        return byOthers
      })
    },
    status,
    readLink: (path) => {
      const at = Files.place("read the link", path)
      return reaching(path, at, (file) =>
        Effect.map(
          Files.call<Buffer>(at, (done) => fs.readlink(file, { encoding: "buffer" }, done)),
          (bytes) => new Uint8Array(bytes)
        )
      )
    },
    extendedAttributes: (path) => {
      const at = Files.place("read the extended attributes of", path)
      return Effect.suspend(() => {
        const calls = native()
        return calls === undefined
          ? Effect.succeed([])
          : reaching(path, at, (file) => Doors.attributesAt(calls, file, at))
      })
    },
    readWhole: (files, options) => Effect.sync(() => WholeFiles.read(native(), files, options)),
    userName: (uid) => Effect.map(users, (table) => table.get(uid)),
    groupName: (gid) => Effect.map(groups, (table) => table.get(gid)),
    open,
    read: (path, options) => Stream.unwrapScoped(Effect.map(open(path, options), (reading) => reading.content)),
    openTarget: (directory, options) => Effect.suspend(() => LocalTargetNode.make(native(), directory, options))
  }
})

/** The local file system of this machine. @since 0.1.0 @category layers */
export const layer: Layer.Layer<LocalTree> = Layer.effect(LocalTree, make)
