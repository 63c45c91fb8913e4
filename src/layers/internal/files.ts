/**
 * What both halves of the local tree share: calls as effects, errors, statuses, and doors to directories that hold still.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as LocalPath from "../../schema/LocalPath.ts"
import {
  type FileStatus,
  LocalTreeError,
  type Reading,
  type ReadOptions,
  type Reason,
  sameFile
} from "../../services/LocalTree.ts"
import type { Native } from "./native.ts"
import { typeOf } from "./typeBits.ts"
import * as Waiting from "./waiting.ts"

const reasons: Record<string, readonly [Reason, string]> = {
  ENOENT: ["NotFound", "it is not there"],
  EACCES: ["Denied", "permission denied"],
  EPERM: ["Denied", "not permitted"],
  EROFS: ["Denied", "the file system is read-only"],
  ENOTDIR: ["NotADirectory", "something on the way is not a directory"],
  ELOOP: ["Unsafe", "a symbolic link stands there"],
  EEXIST: ["Exists", "something is there already"],
  ENOTEMPTY: ["Exists", "the directory is not empty"],
  EISDIR: ["Exists", "a directory is there already"],
  ENOSPC: ["Full", "no space left on the device"],
  EDQUOT: ["Full", "the disk quota is used up"],
  EFBIG: ["Full", "the file is larger than the file system allows"],
  ENAMETOOLONG: ["Unsupported", "the name is too long for the file system"],
  EINVAL: ["Unsupported", "the file system does not accept it"],
  EILSEQ: ["Unsupported", "the file system does not accept the name"],
  ENOTSUP: ["Unsupported", "the file system does not support it"],
  ENXIO: ["Vanished", "it is not a regular file any more"],
  ESTALE: ["Vanished", "it was replaced on the server"],
  EMFILE: ["Unavailable", "too many open files; raise the limit (ulimit -n)"],
  ENFILE: ["Unavailable", "too many open files in the whole system"]
}

/** Where something was done, for messages. */
export interface Place {
  readonly operation: string
  readonly path: string
}

export const place = (operation: string, path: LocalPath.LocalPath): Place => ({
  operation,
  // only failures are shown
  get path() {
    return LocalPath.display(path)
  }
})

export const failure = (at: Place, reason: Reason, detail: string): LocalTreeError =>
  new LocalTreeError({ reason, path: at.path, operation: at.operation, detail })

export const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : ""

/** What an error code means to people. */
export const meaning = (code: string): string => {
  const known = reasons[code]
  return known === undefined ? code : `${known[1]} (${code})`
}

export const errorOf = (at: Place, cause: unknown): LocalTreeError => {
  const code = codeOf(cause)
  const known = reasons[code]
  return known === undefined
    ? failure(
        at,
        "Unavailable",
        cause instanceof Error ? LocalPath.display(code === "" ? cause.message : code) : "failed"
      )
    : failure(at, known[0], meaning(code))
}

/** An error of the system by its code, as Node makes them. */
export const withCode = (code: string): Error => Object.assign(new Error(code), { code })

type Done<A> = (error: NodeJS.ErrnoException | null, value: A) => void

/** A callback-style call as an effect; one to a file that is elsewhere must change nothing, since nobody may wait for its end. */
export const call = <A>(
  at: Place,
  run: (done: Done<A>) => void,
  isElsewhere = false
): Effect.Effect<A, LocalTreeError> =>
  Effect.async((resume) => {
    const done: Done<A> = (error, value) => resume(error ? Effect.fail(errorOf(at, error)) : Effect.succeed(value))
    run(isElsewhere ? Waiting.until(done) : done)
  })

/**
 * Opens a file to read it, until the scope ends. Interruption does not wait for one that is elsewhere: whenever it is open then,
 * it is closed.
 */
export const openFor = (
  at: Place,
  path: Buffer,
  isElsewhere: boolean
): Effect.Effect<number, LocalTreeError, Scope.Scope> => {
  const open = (done: Done<number>) => fs.open(path, readFlags, done)
  if (!isElsewhere) return Effect.acquireRelease(call(at, open), close)
  return Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync((): { fd: number | undefined; isOver: boolean } => ({ fd: undefined, isOver: false })),
      (held) =>
        Effect.sync(() => {
          held.isOver = true
          if (held.fd !== undefined) closeLater(held.fd)
        })
    ),
    (held) =>
      call<number>(
        at,
        (done) =>
          open((error, fd) => {
            if (!error && held.isOver) closeLater(fd)
            else if (!error) held.fd = fd
            done(error, fd)
          }),
        true
      )
  )
}

/** A callback-style call without a result as an effect. */
export const order = (
  at: Place,
  run: (done: (error: NodeJS.ErrnoException | null) => void) => void
): Effect.Effect<void, LocalTreeError> =>
  Effect.async((resume) => run((error) => resume(error ? Effect.fail(errorOf(at, error)) : Effect.void)))

/** A synchronous call as an either. */
export const attempt = <A>(at: Place, run: () => A): Either.Either<A, LocalTreeError> =>
  Either.try({ try: run, catch: (cause) => errorOf(at, cause) })

// Node reads these as signed
const unsigned = (value: bigint): bigint => (value < 0n ? BigInt.asUintN(64, value) : value)

export const statusOf = (stats: fs.BigIntStats): FileStatus => {
  const mode = Number(stats.mode)
  return {
    kind: typeOf(mode),
    size: stats.size,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    inode: unsigned(stats.ino),
    device: unsigned(stats.dev),
    nlink: unsigned(stats.nlink),
    mode,
    uid: Number(stats.uid),
    gid: Number(stats.gid)
  }
}

/** What an open file is, in one call. */
export const openStatus = (native: Native | undefined, fd: number): FileStatus =>
  native?.statusOf(fd) ?? statusOf(fs.fstatSync(fd, { bigint: true }))

export const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

// Linux: a descriptor for lookups only, which needs no permission to read and opens no device
const lookupOnly = 0x200000

/** Flags that open a directory for lookups and follow no link to it. */
export const directoryFlags =
  fs.constants.O_DIRECTORY |
  fs.constants.O_NOFOLLOW |
  (process.platform === "linux" ? lookupOnly : fs.constants.O_RDONLY)

/** Flags that open a file for reading, follow no link to it and wait for no pipe. */
export const readFlags =
  fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY

/** The path of what an open directory holds, ending in `/`. */
export const doorOf = (fd: number): string => `/proc/self/fd/${fd}/`

/**
 * Whether entries can be reached through an open directory, so that nobody can move the way from under us; otherwise
 * (no Linux, no /proc) paths are looked at component by component first, which leaves a gap between look and use.
 */
export const hasDoors: boolean = (() => {
  if (process.platform !== "linux") return false
  try {
    const fd = fs.openSync("/", directoryFlags)
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`) === "/" && fs.lstatSync(`${doorOf(fd)}.`).isDirectory()
    } finally {
      fs.closeSync(fd)
    }
  } catch {
    // the answer to a question, not a failure
    return false
  }
})()

/** Closes what was read, or written and synced. */
export const closeNow = (fd: number): void => {
  try {
    fs.closeSync(fd)
  } catch {
    // nothing is lost: what was written was checked or synced before, and the descriptor is gone either way
  }
}

export const close = (fd: number): Effect.Effect<void> => Effect.sync(() => closeNow(fd))

/** Closes what was read elsewhere, in another thread: a server may be told of it. */
const closeLater = (fd: number): void =>
  fs.close(
    fd,
    Waiting.until(() => undefined)
  )

/** Largest buffer of a content stream. */
const bufferSize = 1 << 20

/** An open file as a {@link Reading}; closed by whoever opened it. */
export const readingOf = (
  fd: number,
  at: Place,
  options: ReadOptions | undefined,
  isElsewhere = false
): Effect.Effect<Reading, LocalTreeError> => {
  const status: Effect.Effect<FileStatus, LocalTreeError> = isElsewhere
    ? Effect.map(
        call<fs.BigIntStats>(at, (done) => fs.fstat(fd, { bigint: true }, done), true),
        statusOf
      )
    : Effect.suspend(() => attempt(at, () => statusOf(fs.fstatSync(fd, { bigint: true }))))
  return Effect.gen(function* () {
    const before = yield* status
    if (before.kind !== "regular")
      return yield* failure(at, "Vanished", `it is a ${before.kind.replace("_", " ")}, not a regular file`)
    if (options?.expect !== undefined && !sameFile(before, options.expect))
      return yield* failure(at, "Vanished", "another file took its place since it was listed")
    const size = Number(before.size)
    const reader = (): Reading["next"] => {
      let position = 0
      return Effect.suspend(() => {
        // a size of 0 may be the truth or a file system that does not know it
        const wanted = size === 0 ? (position === 0 ? 1 << 12 : bufferSize) : Math.min(bufferSize, size - position)
        if (wanted <= 0) return Effect.succeed(undefined)
        const into = Buffer.allocUnsafeSlow(wanted)
        return Effect.map(
          call<number>(at, (done) => fs.read(fd, into, 0, wanted, position, done), isElsewhere),
          (count) => {
            position += count
            return count === 0 ? undefined : new Uint8Array(into.buffer, into.byteOffset, count)
          }
        )
      })
    }
    const content = Stream.suspend(() =>
      Stream.repeatEffectOption(
        Effect.flatMap(Effect.mapError(reader(), Option.some), (bytes) =>
          bytes === undefined ? Effect.fail(Option.none()) : Effect.succeed(bytes)
        )
      )
    )
    return {
      before,
      descriptor: fd,
      content,
      next: reader(),
      after: status
    }
  })
}
