/**
 * Whole files and their durability over node:fs, as promises: what the layers that keep files are made of.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import { promisify } from "node:util"
import * as Files from "./internal/files.ts"
import * as Mounts from "./internal/mounts.ts"

// the callback functions made promises are about twice as fast as node:fs/promises with its handle objects
const open = promisify(fs.open)
const close = promisify(fs.close)
const read = promisify(fs.read)
const write = promisify(fs.write)
const fstat = promisify(fs.fstat)
const fsync = promisify(fs.fsync)
const fdatasync = promisify(fs.fdatasync)
const exactStatus: (path: string, options: { bigint: true }) => Promise<fs.BigIntStats> = promisify(fs.lstat)

/** @since 0.1.0 @category operations */
export const access = promisify(fs.access)
/** @since 0.1.0 @category operations */
export const link = promisify(fs.link)
/** @since 0.1.0 @category operations */
export const lstat = promisify(fs.lstat)
/** @since 0.1.0 @category operations */
export const mkdir = promisify(fs.mkdir)
/** @since 0.1.0 @category operations */
export const opendir = promisify(fs.opendir)
/** @since 0.1.0 @category operations */
export const rename = promisify(fs.rename)
/** @since 0.1.0 @category operations */
export const rmdir = promisify(fs.rmdir)
/** @since 0.1.0 @category operations */
export const unlink = promisify(fs.unlink)

/** Whether two names stand for one file; not where one of them is not there. @since 0.1.0 @category operations */
export const isSameFile = async (one: string, other: string): Promise<boolean> => {
  // whole numbers: some inodes are above 2^53
  const [a, b] = await Promise.all([one, other].map((path) => unless(absent, exactStatus(path, { bigint: true }))))
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
}

/** The system's name of what went wrong ("ENOENT"), or "unknown". @since 0.1.0 @category errors */
export const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"

/** The value of `run`, or nothing if it failed with one of `codes`. @since 0.1.0 @category combinators */
export const unless = async <A>(codes: ReadonlyArray<string>, run: Promise<A>): Promise<A | undefined> => {
  try {
    return await run
  } catch (cause) {
    if (codes.includes(codeOf(cause))) return undefined
    throw cause
  }
}

/** What there is no object for: nothing there, or a path that goes through a file. @since 0.1.0 @category errors */
export const absent: ReadonlyArray<string> = ["ENOENT", "ENOTDIR"]

// no single call moves more than 2 GiB
const largestCall = 1 << 30

/** Makes the file `path`, which must not exist, with its bytes on the disk when this returns. @since 0.1.0 @category operations */
export const writeNew = async (path: string, bytes: Uint8Array, mode = 0o666): Promise<void> => {
  const file = await open(path, "wx", mode)
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await write(file, bytes, at, Math.min(bytes.length - at, largestCall), at)
      at += bytesWritten
    }
    await fdatasync(file)
  } finally {
    await close(file)
  }
}

// a pipe must not block us, a link must not lead us elsewhere; Windows has neither flag
const readFlags = fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)

/** A part of a file of at most so many bytes is read on the calling thread: in memory it takes less than a trip to another. */
const quickLength = 256 * 1024
/** Milliseconds of such a read above which it is not memory that answers. */
const slowRead = 2
/** Reads after so many slow ones in a row that are left to other threads, which wait for several at once. */
const slowInARow = 3
const readsAsSlow = 31

/**
 * Reads files in the folder on the calling thread and at once, as `readRange` does; nothing where that takes long, where anything is
 * out of the ordinary, and for as long as the folder is not known to be on a file system of this machine: another could keep the
 * thread for good. Where a link in the folder leads is not looked at.
 *
 * @since 0.1.0
 * @category constructors
 */
export const quickReader = (
  folder: string
): ((path: string, offset: number, length: number) => Uint8Array | undefined) => {
  let slowReads = 0
  let strikes = 0
  /** The folder without links on the way, once that is found out. */
  let place: Uint8Array | undefined
  let isFindingOut = false
  const findOut = () => {
    if (isFindingOut) return
    isFindingOut = true
    fs.realpath.native(folder, { encoding: "buffer" }, (error, found) => {
      isFindingOut = false
      // one that is not there yet is looked for again
      if (!error) place = found
    })
  }
  const mayAsk = (): boolean => {
    if (place === undefined) findOut()
    return Mounts.ofSystem.isKnown() && place !== undefined && !Mounts.ofSystem.isElsewhere(place)
  }
  mayAsk()

  return (path, offset, length) => {
    if (length !== Number.POSITIVE_INFINITY && length > quickLength) return undefined
    if (slowReads > 0) {
      slowReads--
      return undefined
    }
    if (!mayAsk()) return undefined
    const began = performance.now()
    let file: number | undefined
    try {
      file = fs.openSync(path, readFlags)
      const stat = fs.fstatSync(file)
      const wanted = Math.max(0, Math.min(length, stat.size - offset))
      if (!stat.isFile() || wanted > quickLength) return undefined
      const bytes = new Uint8Array(wanted)
      for (let at = 0; at < wanted; ) {
        const count = fs.readSync(file, bytes, at, wanted - at, offset + at)
        if (count === 0) return bytes.subarray(0, at)
        at += count
      }
      return bytes
    } catch {
      // nothing is lost: it is tried again where the failure is told
      return undefined
    } finally {
      if (file !== undefined) Files.closeNow(file)
      strikes = performance.now() - began > slowRead ? strikes + 1 : 0
      if (strikes >= slowInARow) slowReads = readsAsSlow
    }
  }
}

/**
 * The bytes of the file `path` from `offset`, at most `length`, clamped to its end; "folder" for a folder and nothing
 * for anything else that is no file.
 *
 * @since 0.1.0
 * @category operations
 */
export const readRange = async (
  path: string,
  offset: number,
  length: number
): Promise<Uint8Array | "folder" | undefined> => {
  const file = await unless([...absent, "ELOOP", "ENXIO"], open(path, readFlags))
  if (file === undefined) return undefined
  try {
    const stat = await fstat(file)
    if (stat.isDirectory()) return "folder"
    if (!stat.isFile()) return undefined
    const bytes = new Uint8Array(Math.max(0, Math.min(length, stat.size - offset)))
    let at = 0
    while (at < bytes.length) {
      const { bytesRead } = await read(file, bytes, at, Math.min(bytes.length - at, largestCall), offset + at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return at === bytes.length ? bytes : bytes.subarray(0, at)
  } finally {
    await close(file)
  }
}

const windows = process.platform === "win32"

/** Brings what is in the file `path` to the disk, whoever wrote it. @since 0.1.0 @category operations */
export const flushFile = async (path: string): Promise<void> => {
  // Windows flushes only what is open for writing
  const file = await open(path, windows ? "r+" : readFlags)
  try {
    await fsync(file)
  } finally {
    await close(file)
  }
}

/** Brings the names in the folder `path` to the disk. @since 0.1.0 @category operations */
export const flushFolder = async (path: string): Promise<void> => {
  // Windows cannot open folders; its filesystems journal the names by themselves
  if (windows) return
  const folder = await open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    // filesystems that cannot flush a folder say so; there is nothing more that could be asked of them
    await unless(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"], fsync(folder))
  } finally {
    await close(folder)
  }
}
