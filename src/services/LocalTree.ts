/**
 * Folders as they are on disk, read for a backup and written by a restore (docs/format/fs5.md §17, §18).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { LocalPath, Name } from "../schema/LocalPath.ts"
import type { ExtendedAttribute, FileType } from "../schema/Node.ts"

/**
 * A local file or directory could not be read or written.
 *
 * - `NotFound`: nothing is there.
 * - `Denied`: not allowed to.
 * - `Vanished`: what is there is no longer what was listed (another file, or no regular file any more).
 * - `Unsafe`: a name that no target may hold, or a symbolic link where a directory or file is needed; it is neither
 *   followed nor removed.
 * - `NotADirectory`: something that is no directory stands where one is needed.
 * - `Exists`: something is there already, and overwriting was not asked for or cannot be done.
 * - `Full`: no room left.
 * - `Unsupported`: this file system cannot hold it (name too long, kind of file unknown).
 * - `Unavailable`: the file system failed; trying again may help.
 *
 * @since 0.1.0
 * @category errors
 */
export class LocalTreeError extends Schema.TaggedError<LocalTreeError>()("LocalTreeError", {
  reason: Schema.Literal(
    "NotFound",
    "Denied",
    "Vanished",
    "Unsafe",
    "NotADirectory",
    "Exists",
    "Full",
    "Unsupported",
    "Unavailable"
  ),
  /** Fit to be shown: nothing in it steers a terminal. */
  path: Schema.String,
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `cannot ${this.operation} ${this.path}: ${this.detail}`
  }
}

/** @since 0.1.0 @category models */
export type Reason = LocalTreeError["reason"]

/** What `lstat` says of an entry; times are nanoseconds since 1970 and may be negative. @since 0.1.0 @category models */
export interface FileStatus {
  readonly kind: FileType
  /** Bytes. */
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly inode: bigint
  readonly device: bigint
  readonly nlink: bigint
  /** The full `st_mode`, type bits included. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** An entry of a directory; `status` is on the left when it could not be had. @since 0.1.0 @category models */
export interface Entry {
  readonly name: Name
  readonly path: LocalPath
  readonly status: Either.Either<FileStatus, LocalTreeError>
}

/** A regular file held open. @since 0.1.0 @category models */
export interface Reading {
  /** What the open file was when it was opened. */
  readonly before: FileStatus
  /** Its number in this process, where it has one. */
  readonly descriptor?: number
  /**
   * Its bytes in buffers of at most 1 MiB, each its own memory; starts at the front every time it is run. Ends at
   * `before.size` even if the file grows, so that a log that is written faster than it is stored has an end.
   */
  readonly content: Stream.Stream<Uint8Array, LocalTreeError>
  /**
   * The same bytes one buffer at a time, nothing at the end; goes on where the last run stopped. For small files: running
   * any stream costs more than reading one.
   */
  readonly next: Effect.Effect<Uint8Array | undefined, LocalTreeError>
  /** What the open file is now; {@link unchanged} tells whether the bytes read belong together. */
  readonly after: Effect.Effect<FileStatus, LocalTreeError>
}

/** @since 0.1.0 @category models */
export interface ReadOptions {
  /** The file that is meant: another one (by device and inode) at the path is `Vanished`. */
  readonly expect?: FileStatus
}

/** @since 0.1.0 @category models */
export interface ReadWholeOptions {
  /** The most bytes of one file that are read. */
  readonly limit: number
  /** Whether extended attributes are asked for too. */
  readonly attributes: boolean
}

/** A regular file, and what it was when it was listed. @since 0.1.0 @category models */
export interface ListedFile {
  readonly path: LocalPath
  readonly expect: FileStatus
}

/** A regular file that was read at once. @since 0.1.0 @category models */
export interface WholeFile {
  /** What it was when it was opened. */
  readonly before: FileStatus
  /**
   * Its bytes; nothing when there are more than the limit, or when only reading in pieces tells how many there are. The files
   * of one call share buffers that nobody else has.
   */
  readonly bytes: Uint8Array | undefined
  /** Whether nothing was written to it meanwhile. */
  readonly steady: boolean
  /** Empty unless asked for; on the left when they could not be had. */
  readonly attributes: Either.Either<ReadonlyArray<ExtendedAttribute>, LocalTreeError>
}

/** What a tree can keep exactly. @since 0.1.0 @category models */
export interface Capabilities {
  /** Modification times are set to the nanosecond; otherwise to the microsecond. */
  readonly nanoseconds: boolean
  readonly extendedAttributes: boolean
  /** What is missing and why, for people; empty when nothing is. */
  readonly notes: ReadonlyArray<string>
}

/** What a restored entry shall have besides its bytes; what is absent is left to the system. @since 0.1.0 @category models */
export interface Metadata {
  readonly mtimeNs?: bigint
  /** Permission bits; type bits are ignored, setuid and setgid dropped unless the target allows them. */
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Those without a value are passed over. */
  readonly extendedAttributes?: ReadonlyArray<ExtendedAttribute>
}

/** Something of {@link Metadata} that an entry did not get, though its bytes are in place. @since 0.1.0 @category models */
export interface Note {
  readonly aspect: "owner" | "mode" | "mtime" | "extended attribute"
  readonly path: string
  readonly detail: string
}

/** @since 0.1.0 @category models */
export interface WriteOptions extends Metadata {
  /** Replace a file or symbolic link that is there; a directory is never replaced. Off: `Exists`. */
  readonly overwrite?: boolean
}

/** A small file that is written at once, where nothing is. @since 0.1.0 @category models */
export interface WholeWrite {
  readonly components: Components
  readonly bytes: Uint8Array
  readonly metadata: Metadata
}

/** A file that a target wants made, told so that another thread of this process can make it. @since 0.1.0 @category models */
export interface FileOrder {
  /** Prefix of the paths of the entries of the directory that it is in, which is held open, and its descriptor. */
  readonly door: string | Uint8Array
  readonly descriptor: number
  readonly name: string
  /** The name for as long as it is not whole, where a file cannot go without. */
  readonly temporary: string
  readonly metadata: Metadata
  /** Of the {@link TargetOptions}. */
  readonly allowSetuid: boolean
}

/** A file that is open and not seen by others yet. @since 0.1.0 @category models */
export interface OpenFile {
  /** Its number in this process. */
  readonly descriptor: number
  readonly write: (bytes: Uint8Array, position: number) => Effect.Effect<void, LocalTreeError>
}

/** @since 0.1.0 @category models */
export interface TargetOptions {
  /** The mode of directories made on the way, before the umask; 0o777 unless given. */
  readonly directoryMode?: number
  /** Keep setuid, setgid and file capabilities; off unless given. */
  readonly allowSetuid?: boolean
}

/** Where an entry is below a target: one valid name per step, from the target down; the empty array is the target. @since 0.1.0 @category models */
export type Components = ReadonlyArray<string>

/**
 * A directory that is restored into. Nothing is ever made, changed or removed outside it: names are checked, and no
 * symbolic link is followed on the way; one that stands where a directory is needed fails as `Unsafe`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly path: LocalPath
  /** Makes the directory and those above it; `true` if it was not there before. */
  readonly ensureDirectory: (components: Components) => Effect.Effect<boolean, LocalTreeError>
  /** What is there, links not followed; nothing when nothing is. */
  readonly existing: (components: Components) => Effect.Effect<FileStatus | undefined, LocalTreeError>
  /** Opens the regular file that is there, to compare it. */
  readonly readExisting: (components: Components) => Effect.Effect<Reading, LocalTreeError, Scope.Scope>
  /** The target of the symbolic link that is there. */
  readonly readExistingLink: (components: Components) => Effect.Effect<Uint8Array, LocalTreeError>
  /**
   * Makes a regular file at once: others see nothing (or the old file) until all bytes and metadata are in place, and after
   * a failure or interruption nothing new is left. Missing parents are made. An error of `content` is passed on; bytes at
   * hand are given as they are.
   */
  readonly writeFile: <E = never>(
    components: Components,
    content: Stream.Stream<Uint8Array, E> | Uint8Array,
    options?: WriteOptions
  ) => Effect.Effect<ReadonlyArray<Note>, LocalTreeError | E>
  /** For each place whether nothing is there, as far as one may look; cheaper than {@link Target.existing} for many. */
  readonly areFree: (all: ReadonlyArray<Components>) => Effect.Effect<ReadonlyArray<boolean>>
  /** As {@link Target.writeFile} without `overwrite` for many small files, far cheaper than one by one; each fails by itself. */
  readonly writeAll: (
    files: ReadonlyArray<WholeWrite>
  ) => Effect.Effect<ReadonlyArray<Either.Either<ReadonlyArray<Note>, LocalTreeError>>>
  /**
   * As {@link Target.writeAll} for files whose bytes somebody else has: `make` makes them, is not interrupted, and answers each
   * one's notes, or nothing for one that it could not make. Nothing stands for those in the end too: who wants to know why
   * writes them by themselves. Lacking where only the calling thread can write.
   */
  readonly orderAll?: (
    files: ReadonlyArray<Omit<WholeWrite, "bytes">>,
    make: (
      orders: ReadonlyArray<{ readonly at: number; readonly order: FileOrder }>
    ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Note> | undefined>>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<Note> | undefined>>
  /**
   * As {@link Target.writeFile}, the bytes written in any order by `fill`, which is given the open file: zeros, as many as
   * `size` says in the end. Lacking where there are no descriptors.
   */
  readonly fillFile?: <E>(
    components: Components,
    size: number,
    fill: (file: OpenFile) => Effect.Effect<void, E>,
    options?: WriteOptions
  ) => Effect.Effect<ReadonlyArray<Note>, LocalTreeError | E>
  /** Makes a symbolic link that holds `target` verbatim; `mode` does not apply. Missing parents are made. */
  readonly symlink: (
    components: Components,
    target: Uint8Array,
    options?: WriteOptions
  ) => Effect.Effect<ReadonlyArray<Note>, LocalTreeError>
  /** Gives a directory its metadata; last of all and the deepest first, since every write inside changes its time. */
  readonly setDirectoryMetadata: (
    components: Components,
    metadata: Metadata
  ) => Effect.Effect<ReadonlyArray<Note>, LocalTreeError>
  /**
   * Removes what is there; nothing there is success. A directory must be empty (otherwise `Exists`) unless `recursive`,
   * which follows no link either.
   */
  readonly remove: (
    components: Components,
    options?: { readonly recursive?: boolean }
  ) => Effect.Effect<void, LocalTreeError>
  /** When this returns, everything written before survives a power cut. */
  readonly sync: Effect.Effect<void, LocalTreeError>
}

/** @since 0.1.0 @category models */
export interface Service {
  readonly capabilities: Capabilities
  /**
   * Whether its files are those of the system this process runs on, so that every thread can read them by their paths; a tree that is
   * made of another one by replacing how it reads leaves this out.
   */
  readonly isOfSystem?: boolean
  /**
   * Whether the file is on a file system that is not this machine's alone, of which a call may never come back: it is not read by
   * threads that others wait for.
   */
  readonly isElsewhere?: (path: LocalPath) => boolean
  /** The canonical absolute path of what `path` leads to, links followed; for the root of a source and for followed links. */
  readonly resolve: (
    path: string | LocalPath
  ) => Effect.Effect<{ readonly path: LocalPath; readonly status: FileStatus }, LocalTreeError>
  /** All names in a directory, ascending by bytes. */
  readonly list: (directory: LocalPath) => Effect.Effect<ReadonlyArray<Name>, LocalTreeError>
  /** All entries of a directory with their status, ascending by bytes of the name; those that vanish meanwhile are left out. */
  readonly entries: (directory: LocalPath) => Effect.Effect<ReadonlyArray<Entry>, LocalTreeError>
  /** What is at `path`, a link itself and not its target. */
  readonly status: (path: LocalPath) => Effect.Effect<FileStatus, LocalTreeError>
  /** The bytes that a symbolic link holds. */
  readonly readLink: (path: LocalPath) => Effect.Effect<Uint8Array, LocalTreeError>
  /**
   * The extended attributes of what is at `path` itself, in the system's order, names decoded lossily; without a value those
   * that could not be read. Empty where there are none or they are not supported.
   */
  readonly extendedAttributes: (path: LocalPath) => Effect.Effect<ReadonlyArray<ExtendedAttribute>, LocalTreeError>
  /** The name of a user, if the system's table has one. */
  readonly userName: (uid: number) => Effect.Effect<string | undefined>
  /** The name of a group, if the system's table has one. */
  readonly groupName: (gid: number) => Effect.Effect<string | undefined>
  /** Opens a regular file; no symbolic link on the way is followed, and nothing else (a pipe, a device) is waited for. */
  readonly open: (path: LocalPath, options?: ReadOptions) => Effect.Effect<Reading, LocalTreeError, Scope.Scope>
  /**
   * Reads small files, each as {@link Service.open} would with the status that was listed as `expect`, in their order; far
   * cheaper than one by one. The caller bounds their sum.
   */
  readonly readWhole: (
    files: ReadonlyArray<ListedFile>,
    options: ReadWholeOptions
  ) => Effect.Effect<ReadonlyArray<Either.Either<WholeFile, LocalTreeError>>>
  /** The `content` of {@link Service.open} alone. */
  readonly read: (path: LocalPath, options?: ReadOptions) => Stream.Stream<Uint8Array, LocalTreeError>
  /** Opens a directory to restore into, made with its parents if missing; a link that leads to one is followed. */
  readonly openTarget: (
    directory: string,
    options?: TargetOptions
  ) => Effect.Effect<Target, LocalTreeError, Scope.Scope>
}

/** The local file system: one half reads, the other restores into a {@link Target}. @since 0.1.0 @category services */
export class LocalTree extends Context.Tag("cairn/LocalTree")<LocalTree, Service>() {}

/** Whether two statuses are of the same file. @since 0.1.0 @category comparing */
export const sameFile = (a: FileStatus, b: FileStatus): boolean => a.device === b.device && a.inode === b.inode

/** Whether nothing was written to a file between two statuses. @since 0.1.0 @category comparing */
export const unchanged = (a: FileStatus, b: FileStatus): boolean =>
  sameFile(a, b) && a.kind === b.kind && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs
