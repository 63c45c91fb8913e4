/**
 * Temporary files that a killed restore left behind.
 */
import * as fs from "node:fs"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { Native } from "./native.ts"

// the machine's own clock on purpose: it is compared with what the file system stamped
const startedAt = Date.now() - process.uptime() * 1000

/** Whether the temporary file belongs to a run that is over: older than this process, and locked by nobody. */
const isAbandoned = (path: Buffer, native: Native | undefined): boolean => {
  const status = fs.lstatSync(path)
  if (status.ctimeMs >= startedAt) return false
  if (status.isSymbolicLink()) return true
  if (!status.isFile()) return false
  if (native === undefined) return true
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
  try {
    return native.tryLock(fd)
  } finally {
    fs.closeSync(fd)
  }
}

const namesIn = (door: Buffer): ReadonlyArray<Buffer> => {
  try {
    return fs.readdirSync(Buffer.concat([door, Buffer.from(".")]), { encoding: "buffer" })
  } catch {
    // a directory that cannot be listed has nothing that could be cleaned
    return []
  }
}

/** Removes the abandoned temporary files in the directory of `door`; `writing` are our own. */
export const remove = (door: Buffer, native: Native | undefined, writing: ReadonlySet<string>): void => {
  for (const bytes of namesIn(door)) {
    const name = bytes.length === 27 ? bytes.toString("latin1") : ""
    if (!LocalPath.isTemporary(name) || writing.has(name)) continue
    const path = Buffer.concat([door, bytes])
    try {
      if (isAbandoned(path, native)) fs.unlinkSync(path)
    } catch {
      // nothing is lost: it is gone, or stays for the next run; it is no reason not to restore
    }
  }
}
