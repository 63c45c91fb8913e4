/**
 * Writing many small files in one go: the same steps as for a large one, the system calls one after the other on this thread.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as Either from "effect/Either"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { LocalTreeError, Metadata, Note, WholeWrite } from "../../services/LocalTree.ts"
import type { Directories, Directory } from "./directories.ts"
import * as Files from "./files.ts"
import * as LeftOvers from "./leftOvers.ts"
import type { Subject } from "./metadata.ts"
import type { Native } from "./native.ts"
import * as Sparse from "./sparse.ts"

export interface SmallFiles {
  /** What became of the file; nothing when it has to be written the other way, as where there are no hard links. */
  readonly write: (file: WholeWrite, at: Files.Place) => Either.Either<ReadonlyArray<Note>, LocalTreeError> | undefined
}

export interface Hands {
  readonly native: Native
  readonly directories: Directories
  /** Names of temporary files of this run. */
  readonly writing: Set<string>
  readonly apply: (subject: Subject, metadata: Metadata) => ReadonlyArray<Note>
}

const flags = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_RDWR | fs.constants.O_NOFOLLOW

/** What link(2) answers where the other way may still work. */
const otherWay: ReadonlyArray<LocalTreeError["reason"]> = ["Denied", "Unsupported", "Unavailable"]

const discard = (path: Buffer) => {
  try {
    fs.unlinkSync(path)
  } catch {
    // nothing is lost: it is gone, or the next run sweeps it
  }
}

export const make = ({ apply, directories, native, writing }: Hands): SmallFiles => {
  // different in every run; O_EXCL sees to the rest
  const prefix = randomBytes(4).toString("hex")
  let count = 0

  const writeIn = (
    parent: Directory,
    name: string,
    { bytes, metadata }: WholeWrite,
    at: Files.Place
  ): Either.Either<ReadonlyArray<Note>, LocalTreeError> | undefined => {
    if (!parent.swept) {
      parent.swept = true
      LeftOvers.remove(parent.door, native, writing)
    }
    count = (count + 1) % 0x1_0000_0000
    const temporary = Buffer.concat([
      parent.door,
      Buffer.from(LocalPath.temporary(prefix + count.toString(16).padStart(8, "0")))
    ])
    const opened = Files.attempt(at, () => fs.openSync(temporary, flags, metadata.mode === undefined ? 0o666 : 0o600))
    if (Either.isLeft(opened)) return Either.left(opened.left)
    const fd = opened.right
    const written = Files.attempt(at, () => {
      // tells another process that looks for left-overs that this is none
      native.tryLock(fd)
      Sparse.writeNow(fd, bytes)
      return apply(
        {
          path: temporary,
          fd,
          kind: "file",
          get shown() {
            return at.path
          }
        },
        metadata
      )
    })
    const placed = Either.flatMap(written, (notes) =>
      Files.attempt(at, () => {
        fs.linkSync(temporary, Buffer.concat([parent.door, Buffer.from(name)]))
        return notes
      })
    )
    discard(temporary)
    fs.closeSync(fd)
    return Either.isRight(written) && Either.isLeft(placed) && otherWay.includes(placed.left.reason)
      ? undefined
      : placed
  }

  return {
    write: (file, at) => {
      const name = file.components[file.components.length - 1]!
      const parent = directories.enter(file.components.slice(0, -1), at, true)
      if (Either.isLeft(parent)) return Either.left(parent.left)
      try {
        return writeIn(parent.right.directory, name, file, at)
      } finally {
        parent.right.leave()
      }
    }
  }
}
