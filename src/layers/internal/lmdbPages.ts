/**
 * Whether LMDB can walk its own file. It takes every page for valid and has no checksums, so that a page that rotted ends the
 * process without a word (SIGBUS, an assertion); what is said here is said before it is mapped.
 *
 * After `MDB_page`, `MDB_node` and `MDB_db` of the fork that the `lmdb` package is built with; all numbers little-endian.
 * Bits that turned inside a key or a value are not seen: what is kept in there is verified by whoever reads it.
 */

/** The place of the newest meta page's record of the free list; that of the main database follows it. */
interface Meta {
  readonly pageSize: number
  /** The offset of the first `MDB_db` in the file. */
  readonly databases: number
  readonly transaction: bigint
}

const header = 24
const databaseLength = 48
const rootIn = 40
const branch = 0x01
const leaf = 0x02
const overflow = 0x04
const onOverflow = 0x01
const isDatabase = 0x02
const noPage = 0xffff_ffff_ffff_ffffn
const deepest = 32

/** What is wrong with the pages that the file's newest transaction leads to, if anything is; `file` is all of it. */
export const problemIn = (file: Uint8Array, { databases, pageSize, transaction }: Meta): string | undefined => {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const room = pageSize - header
  const pages = Math.floor(file.length / pageSize)
  const met = new Set<number>()

  const isPage = (page: bigint) => page >= 2n && page < BigInt(pages)
  const at = (page: number, problem: string) => `page ${page} ${problem}`

  /** A page that is there, was not met before, and says itself that it is that page; its flags. */
  const enter = (number: bigint, from: string): number | string => {
    if (!isPage(number)) return `${from} leads to page ${number}, and there are ${pages}`
    const page = Number(number)
    if (met.has(page)) return at(page, "is named twice")
    met.add(page)
    const start = page * pageSize
    if (view.getBigUint64(start, true) !== number) return at(page, "says that it is another one")
    if (view.getBigUint64(start + 8, true) > transaction) return at(page, "is of a transaction that was never made")
    return view.getUint16(start + 18, true)
  }

  /** The pages of a value that has pages of its own. */
  const walkValue = (number: bigint, length: number): string | undefined => {
    const flags = enter(number, "a value")
    if (typeof flags === "string") return flags
    const page = Number(number)
    const count = view.getUint32(page * pageSize + 20, true)
    if (flags !== overflow) return at(page, "is no page of a value")
    return count * pageSize - header < length || page + count > pages ? at(page, "is cut short") : undefined
  }

  /** The list of free pages: as many as it says, all of them there. */
  const walkFree = (offset: number, length: number): string | undefined => {
    const count = length < 8 ? noPage : view.getBigUint64(offset, true)
    return count > BigInt(length / 8 - 1) ? "the list of free pages is longer than its room" : undefined
  }

  const walkTree = (number: bigint, depth: number, isFree: boolean): string | undefined => {
    if (depth > deepest) return "the tree is deeper than any"
    const flags = enter(number, "the tree")
    if (typeof flags === "string") return flags
    const page = Number(number)
    if (flags !== branch && flags !== leaf) return at(page, "is no page of a tree")
    const body = page * pageSize + header
    const lower = view.getUint16(body - 4, true)
    const upper = view.getUint16(body - 2, true)
    if (lower === 0 || lower % 2 !== 0 || lower > upper || upper > room) return at(page, "has no sound beginning")
    for (let index = 0; index < lower; index += 2) {
      const pointer = view.getUint16(body + index, true)
      if (pointer < upper || pointer % 2 !== 0 || pointer + 8 > room) return at(page, "has an entry outside of itself")
      const node = body + pointer
      const [low, high] = [view.getUint16(node, true), view.getUint16(node + 2, true)]
      const nodeFlags = view.getUint16(node + 4, true)
      const value = pointer + 8 + view.getUint16(node + 6, true)
      if (value > room) return at(page, "has a key that ends outside of itself")
      if (flags === branch) {
        const below = BigInt(low) | (BigInt(high) << 16n) | (BigInt(nodeFlags) << 32n)
        const problem = walkTree(below, depth + 1, isFree)
        if (problem !== undefined) return problem
        continue
      }
      const length = low | (high << 16)
      if ((nodeFlags & ~(onOverflow | isDatabase)) !== 0 || length < 0) return at(page, "has an entry of no known kind")
      const isLong = (nodeFlags & onOverflow) !== 0
      if (value + (isLong ? 8 : length) > room) return at(page, "has a value that ends outside of itself")
      const problem = isLong
        ? walkValue(view.getBigUint64(body + value, true), length)
        : (nodeFlags & isDatabase) !== 0
          ? walkDatabase(body + value, length, depth, false)
          : isFree
            ? walkFree(body + value, length)
            : undefined
      if (problem !== undefined) return problem
    }
    return undefined
  }

  const walkDatabase = (offset: number, length: number, depth: number, isFree: boolean): string | undefined => {
    if (length < databaseLength) return "a database's record is too short"
    const root = view.getBigUint64(offset + rootIn, true)
    return root === noPage ? undefined : walkTree(root, depth + 1, isFree)
  }

  return (
    walkDatabase(databases, databaseLength, 0, true) ??
    walkDatabase(databases + databaseLength, databaseLength, 0, false)
  )
}
