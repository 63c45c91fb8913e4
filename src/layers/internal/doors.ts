/**
 * Ways into directories that hold still while their entries are read, for calls that are made at once and by other threads.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Bytes from "../../schema/Bytes.ts"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { ExtendedAttribute } from "../../schema/Node.ts"
import { LocalTreeError } from "../../services/LocalTree.ts"
import * as Files from "./files.ts"
import type * as Native from "./native.ts"
import * as Waiting from "./waiting.ts"

/** A way to what is in a directory. */
export interface Door {
  /** Ends in `/`; the entries of the directory are under it. */
  readonly prefix: Buffer
  /** Of the directory, where there are doors. */
  readonly descriptor: number | undefined
  readonly close: () => void
}

const swapped = "a symbolic link stands on the way; it was a directory when listed"

/** A system call that is made on the calling thread, or on another; what it fails with is thrown into who asks for it. */
interface Asked {
  readonly now: () => void
  readonly later: (done: (error: Error | null) => void) => void
}

type Asking<A> = Generator<Asked, A, void>

/** The answer of a call. */
function* ask<A>(now: () => A, later: (done: (error: Error | null, value: A) => void) => void): Asking<A> {
  let answer: readonly [A] | undefined
  yield {
    now: () => {
      answer = [now()]
    },
    later: (done) =>
      later((error, value) => {
        answer = [value]
        done(error)
      })
  }
  if (answer === undefined) throw new Error("a call was not made")
  return answer[0]
}

const flags = Files.directoryFlags
const bytes = { encoding: "buffer" } as const
const open = (path: Buffer | string) =>
  ask(
    () => fs.openSync(path, flags),
    (done) => fs.open(path, flags, done)
  )
const placeOf = (fd: number) =>
  ask(
    () => fs.readlinkSync(`/proc/self/fd/${fd}`, bytes),
    (done) => fs.readlink(`/proc/self/fd/${fd}`, bytes, done)
  )
const statusOf = (path: Buffer) =>
  ask(
    () => fs.lstatSync(path),
    (done) => fs.lstat(path, done)
  )
const realPathOf = (path: Buffer) =>
  ask(
    () => fs.realpathSync.native(path, bytes),
    (done) => fs.realpath.native(path, bytes, done)
  )

/** Opens the directory if the kernel says that it is where it was looked for. */
function* straight(path: LocalPath.LocalPath): Asking<number | undefined> {
  const fd = yield* open(Files.buffer(path.bytes))
  try {
    if (Bytes.equals(yield* placeOf(fd), path.bytes)) return fd
  } catch (cause) {
    // the kernel cannot name places longer than a page: step by step then
    if (Files.codeOf(cause) !== "ENAMETOOLONG") {
      fs.closeSync(fd)
      throw cause
    }
  }
  fs.closeSync(fd)
  return undefined
}

function* isLink(path: Buffer): Asking<boolean> {
  try {
    return (yield* statusOf(path)).isSymbolicLink()
  } catch {
    // what cannot be looked at, as a name that is too long, is told as what it was to open it
    return false
  }
}

/**
 * Opens the directory at `path`, which no symbolic link may be part of.
 *
 * Usually one open and a look at where the kernel says it is; when that differs (moved, swapped, another spelling on a file
 * system that folds case, or a path longer than the kernel takes) step by step from the root.
 */
function* openDirectory(path: LocalPath.LocalPath, at: Files.Place): Asking<number> {
  try {
    const fd = yield* straight(path)
    if (fd !== undefined) return fd
  } catch (cause) {
    // a link in the last place, which O_DIRECTORY reports as no directory, gets its right name below, as ENAMETOOLONG does
    if (!["NotADirectory", "Unsupported"].includes(Files.errorOf(at, cause).reason)) throw cause
  }
  let fd = yield* open("/")
  for (const part of LocalPath.parts(path)) {
    const step = Buffer.concat([Buffer.from(Files.doorOf(fd)), part])
    let next: number
    try {
      next = yield* open(step)
    } catch (cause) {
      const isSwapped = yield* isLink(step)
      fs.closeSync(fd)
      throw isSwapped ? Files.failure(at, "Unsafe", swapped) : cause
    }
    fs.closeSync(fd)
    fd = next
  }
  return fd
}

/** Goes into the directory, which no symbolic link may be part of. */
function* entering(directory: LocalPath.LocalPath, at: Files.Place): Asking<Door> {
  if (Files.hasDoors) {
    const fd = yield* openDirectory(directory, at)
    return { prefix: Buffer.from(Files.doorOf(fd)), descriptor: fd, close: () => Files.closeNow(fd) }
  }
  const real = yield* realPathOf(Files.buffer(directory.bytes))
  if (!Bytes.equals(real, directory.bytes)) throw Files.failure(at, "Unsafe", swapped)
  return {
    prefix: Buffer.concat([directory.bytes, Buffer.from("/")]),
    descriptor: undefined,
    close: () => undefined
  }
}

const told = (at: Files.Place, cause: unknown): LocalTreeError =>
  cause instanceof LocalTreeError ? cause : Files.errorOf(at, cause)

/** A way to what is in the directory, at once. */
export const enter = (directory: LocalPath.LocalPath, at: Files.Place): Either.Either<Door, LocalTreeError> => {
  const asking = entering(directory, at)
  try {
    for (let step = asking.next(); ; ) {
      if (step.done === true) return Either.right(step.value)
      let failed: readonly [unknown] | undefined
      try {
        step.value.now()
      } catch (cause) {
        failed = [cause]
      }
      step = failed === undefined ? asking.next() : asking.throw(failed[0])
    }
  } catch (cause) {
    return Either.left(told(at, cause))
  }
}

/** The same by other threads; whoever is gone when the door is open must close it. */
const enterLater = (
  directory: LocalPath.LocalPath,
  at: Files.Place,
  done: (door: Either.Either<Door, LocalTreeError>) => void
): void => {
  const asking = entering(directory, at)
  const goOn = (move: () => IteratorResult<Asked, Door>): void => {
    let step: IteratorResult<Asked, Door>
    try {
      step = move()
    } catch (cause) {
      done(Either.left(told(at, cause)))
      return
    }
    if (step.done === true) done(Either.right(step.value))
    else step.value.later(Waiting.until((error) => goOn(() => (error ? asking.throw(error) : asking.next()))))
  }
  goOn(() => asking.next())
}

/**
 * Runs `use` with a way to what is in the directory. Interruption does not wait for one that is elsewhere.
 */
export const within = <A, E, R>(
  directory: LocalPath.LocalPath,
  at: Files.Place,
  isElsewhere: boolean,
  use: (door: Door) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | LocalTreeError, R> =>
  Effect.acquireUseRelease(
    Effect.sync((): { door: Door | undefined; isOver: boolean } => ({ door: undefined, isOver: false })),
    (held) => {
      const take = (door: Either.Either<Door, LocalTreeError>) => {
        if (Either.isRight(door) && held.isOver) door.right.close()
        else if (Either.isRight(door)) held.door = door.right
        return door
      }
      const door = isElsewhere
        ? Effect.async<Door, LocalTreeError>((resume) => enterLater(directory, at, (door) => resume(take(door))))
        : Effect.suspend(() => take(enter(directory, at)))
      return Effect.flatMap(door, use)
    },
    (held) =>
      Effect.sync(() => {
        held.isOver = true
        held.door?.close()
      })
  )

const noAttributes = new Set(["ENOTSUP", "ENODATA"])

/** The extended attributes of what is at `path`; empty where there are none. */
export const attributesAt = (native: Native.Native, path: Buffer, at: Files.Place) =>
  attributesFrom(native.listAttributes(path), (name) => native.getAttribute(path, name), at)

/** Those of an open file, which takes no way to it again. */
export const attributesOf = (native: Native.Native, fd: number, at: Files.Place) =>
  attributesFrom(native.listAttributesOf(fd), (name) => native.getAttributeOf(fd, name), at)

const attributesFrom = (
  listed: ReadonlyArray<Buffer> | Native.Failed,
  value: (name: Buffer) => Buffer | Native.Failed,
  at: Files.Place
): Either.Either<ReadonlyArray<ExtendedAttribute>, LocalTreeError> => {
  if ("code" in listed)
    return noAttributes.has(listed.code)
      ? Either.right([])
      : Either.left(Files.errorOf(at, Files.withCode(listed.code)))
  return Either.right(listed.map((name) => attribute(name, value(name))))
}

const attribute = (name: Buffer, value: Buffer | Native.Failed): ExtendedAttribute => {
  const text = name.toString("utf8")
  return "code" in value ? { name: text } : { name: text, value: new Uint8Array(value) }
}

/** The same of what is elsewhere, by other threads. */
export const attributesElsewhere = (
  native: Native.Native,
  path: Buffer,
  at: Files.Place
): Effect.Effect<ReadonlyArray<ExtendedAttribute>, LocalTreeError> =>
  Effect.async((resume) =>
    native.listAttributesLater(
      path,
      Waiting.until((listed) => {
        if ("code" in listed)
          return resume(
            noAttributes.has(listed.code)
              ? Effect.succeed([])
              : Effect.fail(Files.errorOf(at, Files.withCode(listed.code)))
          )
        const found: Array<ExtendedAttribute> = []
        const next = () => {
          const name = listed[found.length]
          if (name === undefined) return resume(Effect.succeed(found))
          native.getAttributeLater(
            path,
            name,
            Waiting.until((value) => {
              found.push(attribute(name, value))
              next()
            })
          )
        }
        next()
      })
    )
  )
