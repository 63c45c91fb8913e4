/**
 * An LMDB environment that is safe to open: what was cut short or has rotted is refused instead of mapped, and the names that lead to a
 * new one are durable.
 */
import { constants } from "node:fs"
import * as Path from "node:path"
import type * as Lmdb from "lmdb"
import * as NodeFile from "../NodeFile.ts"
import * as LmdbPages from "./lmdbPages.ts"

export const describe = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** What the system's and LMDB's error numbers say, where they say more than "failed". */
export const reasonOf = (cause: unknown): "Full" | "Denied" | "Corrupt" | "Unavailable" => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  switch (code) {
    case 28: // ENOSPC
    case 122: // EDQUOT
    case -30792: // MDB_MAP_FULL
      return "Full"
    case 1: // EPERM
    case 13: // EACCES
    case 30: // EROFS
      return "Denied"
    case -30797: // MDB_PAGE_NOTFOUND
    case -30796: // MDB_CORRUPTED
    case -30793: // MDB_INVALID
      return "Corrupt"
    default:
      return "Unavailable"
  }
}

const isReadOnlyDisk = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === 30

/** A new environment is durable only when the names that lead to it are; LMDB itself flushes just its file. */
const flushFolders = async (directory: string, firstMade: string | undefined) => {
  await NodeFile.flushFolder(directory)
  const top = Path.dirname(firstMade ?? directory)
  for (let folder = directory; folder !== top; ) {
    folder = Path.dirname(folder)
    // what we may not even read, and did not make, is older than this environment
    await NodeFile.unless(firstMade === undefined ? ["EACCES", "EPERM"] : [], NodeFile.flushFolder(folder))
  }
}

// of MDB_meta in LMDB's sources: the first two pages hold one each, the one of the later transaction counts
const isMeta = 0x08
const magic = 0xbeefc0de
const version = 2
const metaAt = 24
const metaLength = 136
const smallestPage = 512
const largestPage = 65_536
const noPage = 0xffff_ffff_ffff_ffffn
/** Pages at the end that were taken and never written are not in the file; there are not that many of them. */
const mostUnwritten = 1n << 18n

/** A file up to this length is walked before it is mapped, which takes a few milliseconds; a longer one is not. */
const longestWalked = 16 * 1024 * 1024

/** How a database file of `size` bytes that begins with `head`, or is no longer than that, is damaged, if it is seen to be. */
const problemOf = (head: Uint8Array, size: number): string | undefined => {
  const problem = `it is cut short at ${size} bytes`
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  if (head.length < metaAt + metaLength) return problem
  const pageSize = view.getUint32(metaAt + 24, true)
  const isPageSize = pageSize >= smallestPage && pageSize <= largestPage && (pageSize & (pageSize - 1)) === 0
  // LMDB looks at these too, and dies of what it does not know
  const isSound = (meta: number) =>
    view.getUint16(meta - metaAt + 18, true) === isMeta &&
    view.getUint32(meta, true) === magic &&
    view.getUint32(meta + 4, true) === version &&
    view.getUint32(meta + 24, true) === pageSize
  if (!isPageSize || !isSound(metaAt)) return "its first page is none of LMDB's"
  const second = pageSize + metaAt
  if (head.length < second + metaLength) return problem
  if (!isSound(second)) return "its second page is none of LMDB's"
  const transaction = (meta: number) => view.getBigUint64(meta + 128, true)
  const newest = transaction(second) > transaction(metaAt) ? second : metaAt
  const roots = [view.getBigUint64(newest + 64, true), view.getBigUint64(newest + 112, true)]
  if (roots.some((page) => page !== noPage && (page + 1n) * BigInt(pageSize) > BigInt(size))) return problem
  const lastPage = view.getBigUint64(newest + 120, true)
  if (lastPage > BigInt(Math.ceil(size / pageSize)) + mostUnwritten) return `it says that its last page is ${lastPage}`
  if (head.length < size) return undefined
  return LmdbPages.problemIn(head, {
    pageSize,
    databases: newest + 24,
    transaction: Number(transaction(newest)),
    lastPage: Number(lastPage)
  })
}

/** Whether the file can be given to LMDB, which takes what is mapped for valid: a damaged one is a crash without a word. */
const inspect = async (file: string) => {
  for (let attempt = 0; ; attempt++) {
    const size = (await NodeFile.unless(NodeFile.absent, NodeFile.lstat(file)))?.size ?? 0
    // LMDB makes a new one of an empty file
    if (size === 0) return
    const head = await NodeFile.readRange(file, 0, size > longestWalked ? 2 * largestPage : size)
    const problem = head instanceof Uint8Array ? problemOf(head, Math.max(size, head.length)) : undefined
    if (problem === undefined) return
    // another process may be making it at this moment, or have written pages that were free when this began
    if (attempt === 3) throw new Error(`${file} is damaged (${problem}): put it back from a copy, or move it away`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Refuses a lock file that LMDB cannot open, which ends the process too. It is not opened here: closing it would give up locks. */
const inspectLock = async (file: string) => {
  const status = await NodeFile.unless(NodeFile.absent, NodeFile.lstat(file))
  if (status === undefined) return
  if (status.isDirectory()) throw new Error(`${file} is a folder: move it away`)
  try {
    // a disk that takes nothing is opened without it
    await NodeFile.unless(["EROFS", ...NodeFile.absent], NodeFile.access(file, constants.R_OK | constants.W_OK))
  } catch (cause) {
    const detail = NodeFile.codeOf(cause) === "EACCES" ? "this user may not read and write it" : describe(cause)
    throw Object.assign(new Error(`${file} cannot be opened: ${detail}`), { code: 13 })
  }
}

/** Opens the environment in `directory`, which is made where it is missing; LMDB makes its files as the umask says. */
export const openEnvironment = async (lmdb: typeof Lmdb, directory: string, folderMode = 0o777) => {
  const absolute = Path.resolve(directory)
  const made = await NodeFile.mkdir(absolute, { recursive: true, mode: folderMode })
  await inspect(Path.join(absolute, "data.mdb"))
  await inspectLock(Path.join(absolute, "lock.mdb"))
  const options = {
    path: absolute,
    noSubdir: false,
    // a commit that others can see is one that is on disk: both happen before the write lock is given up
    overlappingSync: false,
    maxDbs: 4,
    encoding: "binary",
    keyEncoding: "binary"
  } as const
  let readOnly = false
  const begin = () => {
    try {
      return lmdb.open(options)
    } catch (cause) {
      if (!isReadOnlyDisk(cause)) throw cause
      // what is on such a disk can still be restored: a failing one is made read-only by the system
      readOnly = true
      return lmdb.open({ ...options, readOnly })
    }
  }
  const environment = begin()
  return { environment, readOnly, secure: () => (readOnly ? Promise.resolve() : flushFolders(absolute, made)) }
}
