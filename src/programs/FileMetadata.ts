/**
 * What the file system says of a file, as a tree entry keeps it, and back (docs/format/fs5.md §17.1, §17.3, §18).
 *
 * @since 0.1.0
 */
import type { ExtendedAttribute, NodeEntry, SemanticMeta } from "../schema/Node.ts"
import type { FileStatus, Metadata } from "../services/LocalTree.ts"

const second = 1_000_000_000n
const maxU32 = 0xffff_ffffn

/** What only a full backup keeps, beside the status itself. @since 0.1.0 @category models */
export interface Extras {
  readonly user?: string | undefined
  readonly group?: string | undefined
  readonly extendedAttributes: ReadonlyArray<ExtendedAttribute>
}

const floorDivide = (value: bigint, by: bigint): bigint => {
  const quotient = value / by
  return value % by < 0n ? quotient - 1n : quotient
}

/**
 * The semantic of an entry: modification time and kind alone, or with `extras` everything.
 *
 * A time outside 0 … 2^32 − 1 seconds has no place in the format: its seconds are left out, the nanoseconds stay.
 *
 * @since 0.1.0
 * @category conversions
 */
export const semantic = (status: FileStatus, extras?: Extras): SemanticMeta => {
  const seconds = floorDivide(status.mtimeNs, second)
  const nanos = Number(status.mtimeNs - seconds * second)
  const time = {
    ...(seconds >= 0n && seconds <= maxU32 ? { timestamp: Number(seconds) } : {}),
    timestampSubsecNanos: nanos
  }
  if (extras === undefined) return { ...time, unix: { fileType: status.kind } }
  const ctime = floorDivide(status.ctimeNs, second)
  return {
    ...time,
    unix: {
      fileType: status.kind,
      permissions: status.mode,
      uid: status.uid,
      gid: status.gid,
      ...(ctime < 0n ? {} : { ctime }),
      ...(extras.user === undefined ? {} : { user: extras.user }),
      ...(extras.group === undefined ? {} : { group: extras.group }),
      inode: status.inode,
      deviceId: status.device,
      nlink: status.nlink,
      ...(extras.extendedAttributes.length === 0 ? {} : { extendedAttributes: extras.extendedAttributes })
    }
  }
}

/**
 * Whether `entry` was made from a file that still looks as it did: kind, size, modification time, change time and inode.
 *
 * Change times are kept in whole seconds, so a file whose change time is not older than `scannedAt` (milliseconds, when the
 * scan that made the entry began) may have changed again unseen, and counts as changed.
 *
 * @since 0.1.0
 * @category comparing
 */
export const isUnchanged = (entry: NodeEntry, status: FileStatus, scannedAt: number): boolean => {
  const { semantic, tombstone } = entry
  const unix = semantic?.unix
  if (tombstone !== undefined || semantic === undefined || unix?.fileType !== status.kind) return false
  if (status.kind === "regular" && (entry.content?.size ?? 0n) !== status.size) return false
  const seconds = floorDivide(status.mtimeNs, second)
  const inRange = seconds >= 0n && seconds <= maxU32
  if (semantic.timestamp !== (inRange ? Number(seconds) : undefined)) return false
  if (semantic.timestampSubsecNanos !== Number(status.mtimeNs - seconds * second)) return false
  if (unix.inode !== undefined && unix.inode !== status.inode) return false
  const ctime = floorDivide(status.ctimeNs, second)
  if (unix.ctime === undefined) return false
  if (unix.ctime !== ctime) return false
  return ctime < BigInt(Math.floor(scannedAt / 1000)) - 1n
}

/** What a restored file shall have; ownership only when asked for. @since 0.1.0 @category conversions */
export const metadata = (entry: NodeEntry, options: { readonly owner: boolean }): Metadata => {
  const { semantic } = entry
  const unix = semantic?.unix
  return {
    ...(semantic?.timestamp === undefined
      ? {}
      : { mtimeNs: BigInt(semantic.timestamp) * second + BigInt(semantic.timestampSubsecNanos ?? 0) }),
    ...(unix?.permissions === undefined ? {} : { mode: unix.permissions & 0o7777 }),
    ...(options.owner && unix?.uid !== undefined ? { uid: unix.uid } : {}),
    ...(options.owner && unix?.gid !== undefined ? { gid: unix.gid } : {}),
    ...(unix?.extendedAttributes === undefined ? {} : { extendedAttributes: unix.extendedAttributes })
  }
}
