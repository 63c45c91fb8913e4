/**
 * Ways into directories that hold still while their entries are read, for calls that are made at once.
 */
import * as fs from "node:fs"
import * as Either from "effect/Either"
import * as Bytes from "../../schema/Bytes.ts"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { ExtendedAttribute } from "../../schema/Node.ts"
import type { LocalTreeError } from "../../services/LocalTree.ts"
import * as Files from "./files.ts"
import type * as Native from "./native.ts"

/** A prefix, ending in `/`, under which the entries of a directory are. */
export interface Door {
  readonly prefix: Buffer
  readonly close: () => void
}

export const swapped = "a symbolic link stands on the way; it was a directory when listed"

/**
 * Opens the directory at `path`, which no symbolic link may be part of.
 *
 * Usually one open and a look at where the kernel says it is; when that differs (moved, swapped, another spelling on a file
 * system that folds case, or a path longer than the kernel takes) step by step from the root.
 */
export const openDirectory = (path: LocalPath.LocalPath, at: Files.Place): Either.Either<number, LocalTreeError> => {
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
    // what cannot be looked at, as a name that is too long, is told as what it was to open it
    const found = Either.isLeft(next) ? Files.attempt(at, () => fs.lstatSync(step).isSymbolicLink()) : undefined
    const isLink = found !== undefined && Either.isRight(found) && found.right
    fs.closeSync(fd)
    if (isLink) return Either.left(Files.failure(at, "Unsafe", swapped))
    if (Either.isLeft(next)) return Either.left(next.left)
    fd = next.right
  }
  return Either.right(fd)
}

/** A way to what is in the directory at `directory`, which no symbolic link may be part of. */
export const enter = (directory: LocalPath.LocalPath, at: Files.Place): Either.Either<Door, LocalTreeError> =>
  Files.hasDoors
    ? Either.map(openDirectory(directory, at), (fd) => ({
        prefix: Buffer.from(Files.doorOf(fd)),
        close: () => Files.closeNow(fd)
      }))
    : Either.flatMap(
        Files.attempt(at, () => fs.realpathSync.native(Files.buffer(directory.bytes), { encoding: "buffer" })),
        (real) =>
          Bytes.equals(real, directory.bytes)
            ? Either.right({ prefix: Buffer.concat([directory.bytes, Buffer.from("/")]), close: () => undefined })
            : Either.left(Files.failure(at, "Unsafe", swapped))
      )

/** The extended attributes of what is at `path`; empty where there are none. */
export const attributesAt = (native: Native.Native, path: Buffer, at: Files.Place) => {
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
