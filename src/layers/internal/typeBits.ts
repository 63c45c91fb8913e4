/**
 * The type of a file as the upper bits of `st_mode`.
 */
import type { FileType } from "../../schema/Node.ts"

export const typeBits: Record<FileType, number> = {
  socket: 0o140000,
  symlink: 0o120000,
  regular: 0o100000,
  block_device: 0o060000,
  directory: 0o040000,
  char_device: 0o020000,
  fifo: 0o010000
}

const typeMask = 0o170000

/** The type that `mode` tells; one that no table knows is a device to us: it is not read. */
export const typeOf = (mode: number): FileType => {
  for (const type of ["regular", "directory", "symlink", "block_device", "char_device", "fifo", "socket"] as const) {
    if ((mode & typeMask) === typeBits[type]) return type
  }
  return "char_device"
}
