/**
 * Inodes in memory: what a file system is without a disk.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "../../schema/Bytes.ts"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { ExtendedAttribute, FileType } from "../../schema/Node.ts"
import {
  type FileStatus,
  LocalTreeError,
  type Reading,
  type ReadOptions,
  type Reason,
  sameFile
} from "../../services/LocalTree.ts"
import { typeBits } from "./typeBits.ts"

export interface Inode {
  readonly number: bigint
  readonly kind: FileType
  /** A file's bytes or a link's target. */
  content: Uint8Array
  readonly children: Map<string, { readonly name: LocalPath.Name; readonly inode: Inode }>
  mtimeNs: bigint
  ctimeNs: bigint
  mode: number
  uid: number
  gid: number
  attributes: ReadonlyArray<ExtendedAttribute>
}

export const statusOf = (inode: Inode): FileStatus => ({
  kind: inode.kind,
  size: BigInt(inode.content.length),
  mtimeNs: inode.mtimeNs,
  ctimeNs: inode.ctimeNs,
  inode: inode.number,
  device: 1n,
  nlink: inode.kind === "directory" ? 2n : 1n,
  mode: typeBits[inode.kind] | inode.mode,
  uid: inode.uid,
  gid: inode.gid
})

export interface Place {
  readonly operation: string
  readonly path: string
}

export const place = (operation: string, path: LocalPath.LocalPath): Place => ({
  operation,
  path: LocalPath.display(path)
})

export const failure = (at: Place, reason: Reason, detail: string): LocalTreeError =>
  new LocalTreeError({ reason, path: at.path, operation: at.operation, detail })

/** Bytes as a key of a map: hex, one for one. */
export const keyOf = (bytes: Uint8Array): string => Bytes.toHex(bytes)

export const childOf = (directory: Inode, name: Uint8Array): Inode | undefined =>
  directory.children.get(keyOf(name))?.inode

export const link = (directory: Inode, name: Uint8Array, inode: Inode, now: bigint): void => {
  directory.children.set(keyOf(name), { name: LocalPath.name(name), inode })
  directory.mtimeNs = now
  directory.ctimeNs = now
}

export const unlink = (directory: Inode, name: Uint8Array, now: bigint): void => {
  directory.children.delete(keyOf(name))
  directory.mtimeNs = now
  directory.ctimeNs = now
}

/** The directory reached from `from` by `names`; a link on the way is not followed. */
export const walk = (
  from: Inode,
  names: ReadonlyArray<Uint8Array>,
  at: Place
): Either.Either<Inode, LocalTreeError> => {
  let here = from
  for (const name of names) {
    const next = childOf(here, name)
    if (next === undefined) return Either.left(failure(at, "NotFound", "it is not there"))
    if (next.kind === "symlink") {
      return Either.left(
        failure(at, "Unsafe", `"${LocalPath.display(name)}" is a symbolic link where a directory is needed`)
      )
    }
    if (next.kind !== "directory") {
      return Either.left(failure(at, "NotADirectory", `"${LocalPath.display(name)}" is not a directory`))
    }
    here = next
  }
  return Either.right(here)
}

const split = (bytes: Uint8Array) => LocalPath.parts(LocalPath.make(Bytes.concat(Bytes.fromUtf8("/"), bytes)))

/** The names that lead to what `names` mean when links are followed, as a kernel follows them; `..` goes up. */
export const follow = (
  root: Inode,
  names: ReadonlyArray<Uint8Array>,
  at: Place
): Either.Either<ReadonlyArray<Uint8Array>, LocalTreeError> => {
  const todo = [...names]
  let done: Array<Uint8Array> = []
  let links = 0
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    const text = Bytes.toUtf8(name)
    if (text === ".") continue
    if (text === "..") {
      done.pop()
      continue
    }
    const here = walk(root, done, at)
    if (Either.isLeft(here)) return Either.left(here.left)
    const next = childOf(here.right, name)
    if (next === undefined) return Either.left(failure(at, "NotFound", "it is not there"))
    if (next.kind !== "symlink") {
      done.push(name)
      continue
    }
    if (++links > 40) return Either.left(failure(at, "Unsafe", "too many symbolic links"))
    if (next.content[0] === 0x2f) done = []
    todo.unshift(...split(next.content))
  }
  return Either.right(done)
}

const bufferSize = 1 << 20

export interface Disk {
  readonly root: Inode
  /** The time, never twice the same, so that every change shows. */
  readonly now: Effect.Effect<bigint>
  readonly inodeOf: (kind: FileType, content: Uint8Array, time: bigint) => Inode
  /** Makes the directories that are missing on the way, as far as directories go; whether the last one is new. */
  readonly made: (from: Inode, names: ReadonlyArray<Uint8Array>, mode: number, time: bigint) => boolean
  readonly inodeAt: (path: LocalPath.LocalPath, at: Place) => Either.Either<Inode, LocalTreeError>
  readonly linkAt: (found: Inode, at: Place) => Either.Either<Uint8Array, LocalTreeError>
  readonly readingOf: (found: Inode, at: Place, options?: ReadOptions) => Either.Either<Reading, LocalTreeError>
}

/** An empty disk. */
export const make: Effect.Effect<Disk> = Effect.gen(function* () {
  let numbers = 1n
  let stamp = 0n
  const now = Effect.map(Clock.currentTimeNanos, (time) => {
    stamp = time > stamp ? time : stamp + 1n
    return stamp
  })
  const inodeOf = (kind: FileType, content: Uint8Array, time: bigint): Inode => ({
    number: numbers++,
    kind,
    content,
    children: new Map(),
    mtimeNs: time,
    ctimeNs: time,
    mode: kind === "directory" ? 0o755 : kind === "symlink" ? 0o777 : 0o644,
    uid: 0,
    gid: 0,
    attributes: []
  })
  const root = inodeOf("directory", new Uint8Array(0), yield* now)

  const made = (from: Inode, names: ReadonlyArray<Uint8Array>, mode: number, time: bigint): boolean => {
    let here = from
    let created = false
    for (const name of names) {
      const known = childOf(here, name)
      if (known?.kind === "symlink" || (known !== undefined && known.kind !== "directory")) return false
      const next = known ?? inodeOf("directory", new Uint8Array(0), time)
      if (known === undefined) {
        next.mode = mode
        link(here, name, next, time)
      }
      created = known === undefined
      here = next
    }
    return created
  }

  const inodeAt = (path: LocalPath.LocalPath, at: Place): Either.Either<Inode, LocalTreeError> => {
    const parts = LocalPath.parts(path)
    const last = parts[parts.length - 1]
    return last === undefined
      ? Either.right(root)
      : Either.flatMap(walk(root, parts.slice(0, -1), at), (parent) =>
          Either.fromNullable(childOf(parent, last), () => failure(at, "NotFound", "it is not there"))
        )
  }
  const linkAt = (found: Inode, at: Place) =>
    found.kind === "symlink"
      ? Either.right(found.content.slice())
      : Either.left(failure(at, "Unsupported", "it is no symbolic link"))
  const readingOf = (found: Inode, at: Place, options?: ReadOptions): Either.Either<Reading, LocalTreeError> => {
    const before = statusOf(found)
    if (found.kind === "symlink") return Either.left(failure(at, "Unsafe", "a symbolic link stands there"))
    if (found.kind !== "regular") {
      return Either.left(failure(at, "Vanished", `it is a ${found.kind.replace("_", " ")}, not a regular file`))
    }
    if (options?.expect !== undefined && !sameFile(before, options.expect)) {
      return Either.left(failure(at, "Vanished", "another file took its place since it was listed"))
    }
    const size = Number(before.size)
    const from = (position: number) => found.content.slice(position, Math.min(position + bufferSize, size))
    let position = 0
    return Either.right({
      before,
      content: Stream.unfold(0, (at) => {
        const bytes = from(at)
        return bytes.length === 0 ? Option.none() : Option.some([bytes, at + bytes.length])
      }),
      next: Effect.sync(() => {
        const bytes = from(position)
        position += bytes.length
        return bytes.length === 0 ? undefined : bytes
      }),
      after: Effect.sync(() => statusOf(found))
    })
  }

  return { root, now, inodeOf, made, inodeAt, linkAt, readingOf }
})
