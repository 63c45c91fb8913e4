/**
 * An LMDB environment that is safe to open: what was cut short or has rotted is refused instead of mapped, and the names that lead to a
 * new one are durable.
 */
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
const magic = 0xbeefc0de
const metaAt = 24
const metaLength = 136
const largestPage = 65_536
const noPage = 0xffff_ffff_ffff_ffffn

/** A file up to this length is walked before it is mapped, which takes a few milliseconds; a longer one is not. */
const longestWalked = 16 * 1024 * 1024

/** How a database file of `size` bytes that begins with `head`, or is no longer than that, is damaged, if it is seen to be. */
const problemOf = (head: Uint8Array, size: number): string | undefined => {
  const problem = `it is cut short at ${size} bytes`
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  if (head.length < metaAt + metaLength) return problem
  // no such file, or one of a machine that lays it out otherwise: LMDB knows, and says so
  if (view.getUint32(metaAt, true) !== magic) return undefined
  const pageSize = view.getUint32(metaAt + 24, true)
  const second = pageSize + metaAt
  if (head.length < second + metaLength) return pageSize > largestPage ? undefined : problem
  const transaction = (meta: number) => view.getBigUint64(meta + 128, true)
  const newest = transaction(second) > transaction(metaAt) ? second : metaAt
  const roots = [view.getBigUint64(newest + 64, true), view.getBigUint64(newest + 112, true)]
  if (roots.some((page) => page !== noPage && (page + 1n) * BigInt(pageSize) > BigInt(size))) return problem
  if (head.length < size) return undefined
  return LmdbPages.problemIn(head, { pageSize, databases: newest + 24, transaction: Number(transaction(newest)) })
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

/** Opens the environment in `directory`, which is made where it is missing; LMDB makes its files as the umask says. */
export const openEnvironment = async (lmdb: typeof Lmdb, directory: string, folderMode = 0o777) => {
  const absolute = Path.resolve(directory)
  const made = await NodeFile.mkdir(absolute, { recursive: true, mode: folderMode })
  await inspect(Path.join(absolute, "data.mdb"))
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
