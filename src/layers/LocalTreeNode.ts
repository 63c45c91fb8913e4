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
import type { ExtendedAttribute } from "../schema/Node.ts"
import { type Capabilities, type Entry, LocalTree, type LocalTreeError, type Service } from "../services/LocalTree.ts"
import * as Files from "./internal/files.ts"
import * as Native from "./internal/native.ts"
import * as WholeFiles from "./internal/wholeFiles.ts"
import * as LocalTargetNode from "./LocalTargetNode.ts"

/** lstat calls under way at once for one directory: Node's pool has four threads. */
const statusesAtOnce = 16

const swapped = "a symbolic link stands on the way; it was a directory when listed"

/**
 * Opens the directory at `path`, which no symbolic link may be part of.
 *
 * Usually one open and a look at where the kernel says it is; when that differs (moved, swapped, another spelling on a file
 * system that folds case, or a path longer than the kernel takes) step by step from the root.
 */
const openDirectory = (path: LocalPath.LocalPath, at: Files.Place): Either.Either<number, LocalTreeError> => {
  const straight = Files.attempt(at, () => {
    const fd = fs.openSync(Files.buffer(path.bytes), Files.directoryFlags)
    try {
      if (Bytes.equals(fs.readlinkSync(`/proc/self/fd/${fd}`, { encoding: "buffer" }), path.bytes)) return fd
    } catch (cause) {
      // the kernel cannot name places longer than a page: step by step then
      if (Files.codeOf(cause) !== "ENAMETOOLONG") {
        fs.closeSync(fd)
        throw cause
      }
    }
    fs.closeSync(fd)
    return undefined
  })
  if (Either.isRight(straight) && straight.right !== undefined) return Either.right(straight.right)
  // a link in the last place, which O_DIRECTORY reports as no directory, gets its right name below, as ENAMETOOLONG does
  if (Either.isLeft(straight) && !["NotADirectory", "Unsupported"].includes(straight.left.reason))
    return Either.left(straight.left)
  const root = Files.attempt(at, () => fs.openSync("/", Files.directoryFlags))
  if (Either.isLeft(root)) return root
  let fd = root.right
  for (const part of LocalPath.parts(path)) {
    const step = Buffer.concat([Buffer.from(Files.doorOf(fd)), part])
    const next = Files.attempt(at, () => fs.openSync(step, Files.directoryFlags))
    const isLink = Either.isLeft(next) && fs.lstatSync(step, { throwIfNoEntry: false })?.isSymbolicLink() === true
    fs.closeSync(fd)
    if (isLink) return Either.left(Files.failure(at, "Unsafe", swapped))
    if (Either.isLeft(next)) return Either.left(next.left)
    fd = next.right
  }
  return Either.right(fd)
}

/** Where descriptors are no doors: looks whether a symbolic link is part of the way, once, before it is used. */
const lookedAt = (directory: LocalPath.LocalPath, at: Files.Place): Effect.Effect<void, LocalTreeError> =>
  Effect.flatMap(
    Files.call<Buffer>(at, (done) => fs.realpath.native(Files.buffer(directory.bytes), { encoding: "buffer" }, done)),
    (real) => (Bytes.equals(real, directory.bytes) ? Effect.void : Effect.fail(Files.failure(at, "Unsafe", swapped)))
  )

/** Runs `use` with a path prefix, ending in `/`, under which the entries of `directory` are. */
const within = <A>(
  directory: LocalPath.LocalPath,
  at: Files.Place,
  use: (door: Buffer) => Effect.Effect<A, LocalTreeError>
): Effect.Effect<A, LocalTreeError> =>
  Files.hasDoors
    ? Effect.acquireUseRelease(
        Effect.suspend(() => openDirectory(directory, at)),
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

/** As {@link within}, for calls that are made at once; nobody waits in between. */
const enter: WholeFiles.Hands["enter"] = (directory, at) =>
  Files.hasDoors
    ? Either.map(openDirectory(directory, at), (fd) => ({
        prefix: Buffer.from(Files.doorOf(fd)),
        close: () => fs.closeSync(fd)
      }))
    : Either.flatMap(
        Files.attempt(at, () => fs.realpathSync.native(Files.buffer(directory.bytes), { encoding: "buffer" })),
        (real) =>
          Bytes.equals(real, directory.bytes)
            ? Either.right({ prefix: Buffer.concat([directory.bytes, Buffer.from("/")]), close: () => undefined })
            : Either.left(Files.failure(at, "Unsafe", swapped))
      )

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

/** So many statuses are asked for on this thread before it is decided who asks for the others. */
const statusesAtATime = 64
/** Milliseconds for one status above which it is not memory that answers, and waiting for several at once pays. */
const slowStatus = 0.1

/** The statuses from `from` on, as long as they come quickly; and where the slow ones begin. */
const quickStatuses = (
  directory: LocalPath.LocalPath,
  door: Buffer,
  found: ReadonlyArray<LocalPath.Name>,
  out: Array<Entry | undefined>
): number => {
  for (let from = 0; from < found.length; from += statusesAtATime) {
    const until = Math.min(from + statusesAtATime, found.length)
    const began = performance.now()
    for (let index = from; index < until; index++) {
      const name = found[index]!
      try {
        const stats = fs.lstatSync(Buffer.concat([door, name.bytes]), { bigint: true })
        out[index] = entryOf(directory, name, null, stats)
      } catch (cause) {
        out[index] = entryOf(directory, name, cause instanceof Error ? cause : new Error("failed"), undefined)
      }
    }
    if (performance.now() - began > slowStatus * (until - from)) return until
  }
  return found.length
}

const statuses = (
  directory: LocalPath.LocalPath,
  door: Buffer,
  found: ReadonlyArray<LocalPath.Name>
): Effect.Effect<ReadonlyArray<Entry>> =>
  Effect.async((resume) => {
    const out: Array<Entry | undefined> = new Array(found.length)
    const finish = () => resume(Effect.succeed(out.filter((entry) => entry !== undefined)))
    let next = quickStatuses(directory, door, found, out)
    let left = found.length - next
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

const attributesAt = (native: Native.Native, path: Buffer, at: Files.Place) => {
  const listed = native.listAttributes(path)
  if ("code" in listed) {
    return listed.code === "ENOTSUP" || listed.code === "ENODATA"
      ? Either.right([])
      : Either.left(Files.errorOf(at, Files.withCode(listed.code)))
  }
  return Either.right(
    listed.map((name): ExtendedAttribute => {
      const value = native.getAttribute(path, name)
      const text = name.toString("utf8")
      return "code" in value ? { name: text } : { name: text, value: new Uint8Array(value) }
    })
  )
}

/** @since 0.1.0 @category constructors */
export const make: Effect.Effect<Service> = Effect.gen(function* () {
  const loaded = yield* Effect.promise(Native.load)
  const native = "missing" in loaded ? undefined : loaded
  const users = yield* tableOf("/etc/passwd")
  const groups = yield* tableOf("/etc/group")
  const notes: Array<string> = []
  if ("missing" in loaded)
    notes.push(`times keep microseconds only, extended attributes are left out: ${loaded.missing}`)
  if (!Files.hasDoors) notes.push("no /proc: a directory swapped for a link at the wrong moment is noticed late")
  const capabilities: Capabilities = {
    nanoseconds: native !== undefined,
    extendedAttributes: native !== undefined,
    notes
  }

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
    capabilities,
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
      return within(directory, at, (door) =>
        Effect.flatMap(names(door, at), (found) => statuses(directory, door, found))
      )
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
      return native === undefined ? Effect.succeed([]) : reaching(path, at, (file) => attributesAt(native, file, at))
    },
    readWhole: (files, options) =>
      Effect.sync(() =>
        WholeFiles.read(
          {
            enter,
            attributes: (path, at) => (native === undefined ? Either.right([]) : attributesAt(native, path, at))
          },
          files,
          options
        )
      ),
    userName: (uid) => Effect.map(users, (table) => table.get(uid)),
    groupName: (gid) => Effect.map(groups, (table) => table.get(gid)),
    open,
    read: (path, options) => Stream.unwrapScoped(Effect.map(open(path, options), (reading) => reading.content)),
    openTarget: (directory, options) => LocalTargetNode.make(native, directory, options)
  }
})

/** The local file system of this machine. @since 0.1.0 @category layers */
export const layer: Layer.Layer<LocalTree> = Layer.effect(LocalTree, make)
