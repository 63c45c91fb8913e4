/**
 * Reading many small files in one go: system calls one after the other on this thread, which for files in the page cache
 * costs a tenth of handing each call to another one.
 */
import * as fs from "node:fs"
import * as Either from "effect/Either"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { ExtendedAttribute } from "../../schema/Node.ts"
import {
  type ListedFile,
  type LocalTreeError,
  type ReadWholeOptions,
  sameFile,
  unchanged,
  type WholeFile
} from "../../services/LocalTree.ts"
import * as Doors from "./doors.ts"
import * as Files from "./files.ts"
import type { Native } from "./native.ts"

type Attributes = WholeFile["attributes"]

const bufferSize = 1 << 20
const none: Attributes = Either.right<ReadonlyArray<ExtendedAttribute>>([])

/**
 * What `use` makes of the files, one after the other; each is open while it runs. Those of one directory next to each other are
 * looked up through one door.
 */
export const each = <A extends ListedFile, B>(
  files: ReadonlyArray<A>,
  use: (fd: number, file: A, at: Files.Place) => Either.Either<B, LocalTreeError>
): ReadonlyArray<Either.Either<B, LocalTreeError>> => {
  let parent: Uint8Array | undefined
  let door: Either.Either<Doors.Door, LocalTreeError> | undefined
  const leave = () => {
    if (door !== undefined && Either.isRight(door)) door.right.close()
    door = undefined
  }
  try {
    return files.map((file) => {
      const at = Files.place("read", file.path)
      const split = LocalPath.split(file.path)
      if (split === undefined) return Either.left(Files.failure(at, "Vanished", "it is a directory"))
      if (parent === undefined || door === undefined || !Files.buffer(parent).equals(split.parent.bytes)) {
        leave()
        parent = split.parent.bytes
        door = Doors.enter(split.parent, at)
      }
      // told for each file by its own name
      if (Either.isLeft(door)) return Either.left(Files.failure(at, door.left.reason, door.left.detail))
      const path = Buffer.concat([door.right.prefix, split.name])
      const result = Files.attempt(at, () => {
        const fd = fs.openSync(path, Files.readFlags)
        try {
          return use(fd, file, at)
        } finally {
          fs.closeSync(fd)
        }
      })
      return Either.isLeft(result) ? Either.left(result.left) : result.right
    })
  } finally {
    leave()
  }
}

/** Reads each file whole; without `native` they have no attributes. */
export const read = (
  native: Native | undefined,
  files: ReadonlyArray<ListedFile>,
  options: ReadWholeOptions
): ReadonlyArray<Either.Either<WholeFile, LocalTreeError>> => {
  let buffer = Buffer.alloc(0)
  let used = 0
  /** Room for `length` bytes in a buffer that leaves with what is read. */
  const room = (length: number): Buffer => {
    if (buffer.length - used < length) {
      buffer = Buffer.allocUnsafeSlow(Math.max(length, bufferSize))
      used = 0
    }
    return buffer.subarray(used, used + length)
  }

  const readOpen = (fd: number, file: ListedFile, at: Files.Place): Either.Either<WholeFile, LocalTreeError> => {
    const before = Files.openStatus(native, fd)
    if (before.kind !== "regular")
      return Either.left(Files.failure(at, "Vanished", `it is a ${before.kind.replace("_", " ")}, not a regular file`))
    if (!sameFile(before, file.expect))
      return Either.left(Files.failure(at, "Vanished", "another file took its place since it was listed"))
    const attributes = options.attributes && native !== undefined ? Doors.attributesOf(native, fd, at) : none
    const size = Number(before.size)
    // a size of 0 may be the truth or a file system that does not know it: one byte tells
    const wanted = size === 0 ? 1 : size
    if (size > options.limit) return Either.right({ before, bytes: undefined, steady: true, attributes })
    const into = room(wanted)
    let length = 0
    while (length < wanted) {
      const count = fs.readSync(fd, into, length, wanted - length, length)
      if (count === 0) break
      length += count
    }
    const steady = unchanged(before, Files.openStatus(native, fd))
    if (size === 0 && length > 0) return Either.right({ before, bytes: undefined, steady, attributes })
    used += length
    return Either.right({
      before,
      bytes: new Uint8Array(into.buffer, into.byteOffset, length),
      steady,
      attributes
    })
  }

  return each(files, readOpen)
}
