/**
 * Writing small files whole: the same steps as for a large one, the system calls one after the other on the calling thread.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as Either from "effect/Either"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { FileOrder, LocalTreeError, Metadata, Note, WholeWrite } from "../../services/LocalTree.ts"
import type { Directories, Directory } from "./directories.ts"
import * as Files from "./files.ts"
import * as LeftOvers from "./leftOvers.ts"
import type { Subject } from "./metadata.ts"
import type { Native } from "./native.ts"
import * as Sparse from "./sparse.ts"

/** Why a file was not made, and whether all was done but giving it its name. */
export interface Refused {
  readonly cause: unknown
  readonly isWhole: boolean
}

/** Makes a file of these pieces as it was ordered, `shown` in its notes. */
export type Maker = (
  order: FileOrder,
  pieces: ReadonlyArray<Uint8Array>,
  shown: { readonly path: string }
) => Either.Either<ReadonlyArray<Note>, Refused>

const classic = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_RDWR | fs.constants.O_NOFOLLOW
// Linux: a file without a name, which is gone with its descriptor unless it is given one
const nameless = 0o20000000 | fs.constants.O_DIRECTORY | fs.constants.O_RDWR

/** What opening a file without a name answers where the file system has none. */
const noNameless = ["EOPNOTSUPP", "ENOTSUP", "EISDIR", "EINVAL"]

const discard = (path: Buffer) => {
  try {
    fs.unlinkSync(path)
  } catch {
    // nothing is lost: it is gone, or the next run sweeps it
  }
}

export const maker = (native: Native, apply: (subject: Subject, metadata: Metadata) => ReadonlyArray<Note>): Maker => {
  let hasNameless = Files.hasDoors

  const fill = (
    fd: number,
    { metadata }: FileOrder,
    pieces: ReadonlyArray<Uint8Array>,
    shown: { readonly path: string }
  ) => {
    Sparse.writeNow(fd, pieces)
    return apply(
      {
        fd,
        kind: "file",
        // only notes show it
        get shown() {
          return shown.path
        }
      },
      metadata
    )
  }
  const defaultMode = 0o666
  const modeOf = ({ metadata }: FileOrder) => (metadata.mode === undefined ? defaultMode : 0o600)
  // nobody can open it before it has its name: it may be made with its mode, which takes a call less
  const namelessModeOf = ({ metadata }: FileOrder) => {
    const mode = (metadata.mode ?? defaultMode) & 0o777
    // only a file that its owner may write takes attributes from anybody but root; it loses that right with its mode, the last
    return (metadata.extendedAttributes ?? []).length === 0 ? mode : mode | 0o200
  }

  const named: Maker = (order, pieces, shown) => {
    const door = Buffer.from(order.door)
    const temporary = Buffer.concat([door, Buffer.from(order.temporary)])
    let isWhole = false
    let fd: number
    try {
      fd = fs.openSync(temporary, classic, modeOf(order))
    } catch (cause) {
      return Either.left({ cause, isWhole })
    }
    try {
      // tells another process that looks for left-overs that this is none
      native.tryLock(fd)
      const notes = fill(fd, order, pieces, shown)
      isWhole = true
      fs.linkSync(temporary, Buffer.concat([door, Buffer.from(order.name)]))
      return Either.right(notes)
    } catch (cause) {
      return Either.left({ cause, isWhole })
    } finally {
      discard(temporary)
      fs.closeSync(fd)
    }
  }

  return (order, pieces, shown) => {
    if (!hasNameless) return named(order, pieces, shown)
    let fd: number
    try {
      fd = fs.openSync(`${order.door}.`, nameless, namelessModeOf(order))
    } catch (cause) {
      if (!noNameless.includes(Files.codeOf(cause))) return Either.left({ cause, isWhole: false })
      hasNameless = false
      return named(order, pieces, shown)
    }
    try {
      const notes = fill(fd, order, pieces, shown)
      const failed = native.link(fd, order.descriptor, Buffer.from(order.name))
      if (failed === undefined) return Either.right(notes)
      if (failed.code === "EEXIST") return Either.left({ cause: Files.withCode(failed.code), isWhole: true })
    } catch (cause) {
      return Either.left({ cause, isWhole: false })
    } finally {
      fs.closeSync(fd)
    }
    // a file system that lets nobody name them, or does not take this name, which the other way then says
    hasNameless = false
    return named(order, pieces, shown)
  }
}

export interface SmallFiles {
  /** What became of the file; nothing when it has to be written the other way, as where there are no hard links. */
  readonly write: (file: WholeWrite, at: Files.Place) => Either.Either<ReadonlyArray<Note>, LocalTreeError> | undefined
  /** The file as an order, its directory held open until `leave`. */
  readonly order: (
    file: Omit<WholeWrite, "bytes">,
    at: Files.Place
  ) => Either.Either<{ readonly order: FileOrder; readonly leave: () => void }, LocalTreeError>
}

export interface Hands {
  readonly native: Native
  readonly directories: Directories
  /** Names of temporary files of this run. */
  readonly writing: ReadonlySet<string>
  readonly apply: (subject: Subject, metadata: Metadata) => ReadonlyArray<Note>
  readonly allowSetuid: boolean
}

/** What link(2) answers where the other way may still work. */
const otherWay: ReadonlyArray<LocalTreeError["reason"]> = ["Denied", "Unsupported", "Unavailable"]

export const make = ({ allowSetuid, apply, directories, native, writing }: Hands): SmallFiles => {
  // different in every run; O_EXCL sees to the rest
  const prefix = randomBytes(4).toString("hex")
  let count = 0
  const makeFile = maker(native, apply)

  const orderIn = (parent: Directory, name: string, metadata: Metadata): FileOrder => {
    if (!parent.swept) {
      parent.swept = true
      LeftOvers.remove(parent.door, native, writing)
    }
    count = (count + 1) % 0x1_0000_0000
    return {
      door: parent.fd >= 0 ? Files.doorOf(parent.fd) : parent.door,
      descriptor: parent.fd,
      name,
      temporary: LocalPath.temporary(prefix + count.toString(16).padStart(8, "0")),
      metadata,
      allowSetuid
    }
  }

  const order: SmallFiles["order"] = ({ components, metadata }, at) =>
    Either.map(directories.enter(components.slice(0, -1), at, true), ({ directory, leave }) => ({
      order: orderIn(directory, components[components.length - 1]!, metadata),
      leave
    }))

  return {
    order,
    write: (file, at) => {
      const ordered = order(file, at)
      if (Either.isLeft(ordered)) return Either.left(ordered.left)
      try {
        const made = makeFile(ordered.right.order, [file.bytes], at)
        if (Either.isRight(made)) return Either.right(made.right)
        const error = Files.errorOf(at, made.left.cause)
        return made.left.isWhole && otherWay.includes(error.reason) ? undefined : Either.left(error)
      } finally {
        ordered.right.leave()
      }
    }
  }
}
