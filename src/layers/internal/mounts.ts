/**
 * Which files are elsewhere: on file systems that this machine alone does not answer for. When their server is gone, or the
 * process that makes them up hangs, a call about them does not come back, and the thread that made it stands still.
 *
 * The system's table of mounts tells it without asking any of them. Nothing that is learned from a file system itself could:
 * to look at the directory where it is mounted can hang already.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as Effect from "effect/Effect"

/** A part of the tree of files that is elsewhere begins here; one character for each byte, no slash at the end. */
export type Point = string

export interface Mounts {
  /** Over when it is known what is mounted now, or was some seconds ago. */
  readonly known: Effect.Effect<void>
  /** As `known` for who cannot wait: whether it is over already; otherwise it is begun. */
  readonly isKnown: () => boolean
  /** Whether what is at the path, without links on the way, is elsewhere or reached through it; true before anything is known. */
  readonly isElsewhere: (path: Uint8Array) => boolean
  /** Whether something that is in the directory is elsewhere, or it is itself. */
  readonly holdsElsewhere: (directory: Uint8Array) => boolean
}

/** File systems of Linux that keep their files in memory or on devices of this machine. */
const local = new Set(
  (
    "bcachefs btrfs devtmpfs erofs exfat ext2 ext3 ext4 f2fs hfs hfsplus iso9660 jfs minix msdos nilfs2 ntfs ntfs3 overlay " +
    "ramfs reiserfs rootfs squashfs tmpfs udf vfat xfs zfs"
  ).split(" ")
)

const withoutSlash = (path: string): string => (path.endsWith("/") ? path.slice(0, -1) : path)

/** The points in Linux' `/proc/self/mountinfo`: those of every kind of file system that is not known to be local. */
export const pointsOfLinux = (table: string): ReadonlyArray<Point> =>
  table.split("\n").flatMap((line) => {
    const fields = line.split(" ")
    const point = fields[4]
    const kind = fields[fields.indexOf("-", 6) + 1]
    if (point === undefined || kind === undefined || local.has(kind)) return []
    const octal = /\\([0-7]{3})/g
    return [withoutSlash(point.replace(octal, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))))]
  })

/** The points in what `mount` of macOS and the BSDs prints: those without the word "local". */
export const pointsOfBsd = (table: string): ReadonlyArray<Point> =>
  table.split("\n").flatMap((line) => {
    const [, point, words] = /^.*? on (\/.*) \(([^()]*)\)$/.exec(line) ?? []
    return point === undefined || words === undefined || words.split(", ").includes("local")
      ? []
      : [withoutSlash(point)]
  })

/** Reads the table; nothing where that fails. */
export type ReadTable = (done: (points: ReadonlyArray<Point> | undefined) => void) => void

const readTable: ReadTable = (done) => {
  if (process.platform === "linux")
    fs.readFile("/proc/self/mountinfo", "latin1", (error, table) => done(error ? undefined : pointsOfLinux(table)))
  // a volume of a server has a name of its own there, which a path without links begins with
  else if (process.platform === "win32") done([])
  else
    execFile("/sbin/mount", { encoding: "latin1", maxBuffer: 1 << 26 }, (error, table) =>
      done(error ? undefined : pointsOfBsd(table))
    )
}

/** Whether a path of Windows is one of a server. */
const isOfServer = (path: string): boolean => process.platform === "win32" && /^[\\/]{2}/.test(path)

/** Milliseconds after which the table is read again: what is mounted meanwhile is met by then at the latest. */
const keptFor = 10_000

export const make = (read: ReadTable, now: () => number = () => performance.now()): Mounts => {
  /** Where nothing is known, everything is elsewhere. */
  let points: ReadonlyArray<Point> = [""]
  let parents = new Set<string>()
  let readAt = Number.NEGATIVE_INFINITY
  /** Who waits for a reading that is under way. */
  let waiting: Set<() => void> | undefined

  const isKnown = () => now() - readAt < keptFor
  const begin = (): Set<() => void> => {
    if (waiting !== undefined) return waiting
    const own = new Set<() => void>()
    waiting = own
    read((found) => {
      points = found ?? [""]
      parents = new Set(points.map((point) => point.slice(0, Math.max(point.lastIndexOf("/"), 0))))
      readAt = now()
      waiting = undefined
      for (const resume of own) resume()
    })
    return own
  }
  const isBelowAny = (path: string): boolean =>
    points.some((point) => path.startsWith(point) && (path.length === point.length || path[point.length] === "/"))
  const text = (path: Uint8Array): string =>
    withoutSlash(Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString("latin1"))

  return {
    known: Effect.suspend(() =>
      isKnown()
        ? Effect.void
        : Effect.async<void>((resume) => {
            const done = () => resume(Effect.void)
            const own = begin()
            // one that is read at once is over now
            if (waiting !== own) done()
            else own.add(done)
            return Effect.sync(() => own.delete(done))
          })
    ),
    isKnown: () => {
      if (isKnown()) return true
      begin()
      return isKnown()
    },
    isElsewhere: (path) => {
      const there = text(path)
      return isOfServer(there) || isBelowAny(there)
    },
    holdsElsewhere: (directory) => {
      const there = text(directory)
      return parents.has(there) || isOfServer(there) || isBelowAny(there)
    }
  }
}

/** What is mounted where this process runs. */
export const ofSystem: Mounts = make(readTable)
