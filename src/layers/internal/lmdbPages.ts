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
  readonly transaction: number
}

const header = 24
const databaseLength = 48
const rootIn = 40
const branch = 0x01
const leaf = 0x02
const overflow = 0x04
const onOverflow = 0x01
const isDatabase = 0x02
const deepest = 32
const longestValue = 0x7fff_ffff
const high32 = 0x1_0000_0000

/** What is wrong with the pages that the file's newest transaction leads to, if anything is; `file` is all of it. */
export const problemIn = (file: Uint8Array, { databases, pageSize, transaction }: Meta): string | undefined => {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const room = pageSize - header
  const pages = Math.floor(file.length / pageSize)
  const met = new Uint8Array(pages)

  // exact up to 2^53, and no smaller than that above it: more than any file has pages, and a BigInt each is what took the time
  const number64 = (offset: number) => view.getUint32(offset, true) + view.getUint32(offset + 4, true) * high32
  const at = (page: number, problem: string) => `page ${page} ${problem}`

  /** A page that is there, was not met before, and says itself that it is that page; its flags. */
  const enter = (page: number, from: string): number | string => {
    if (page < 2 || page >= pages) return `${from} leads to page ${page}, and there are ${pages}`
    if (met[page] === 1) return at(page, "is named twice")
    met[page] = 1
    const start = page * pageSize
    if (number64(start) !== page) return at(page, "says that it is another one")
    if (number64(start + 8) > transaction) return at(page, "is of a transaction that was never made")
    return view.getUint16(start + 18, true)
  }

  /** The pages of a value that has pages of its own. */
  const walkValue = (page: number, length: number): string | undefined => {
    const flags = enter(page, "a value")
    if (typeof flags === "string") return flags
    const count = view.getUint32(page * pageSize + 20, true)
    if (flags !== overflow) return at(page, "is no page of a value")
    return count * pageSize - header < length || page + count > pages ? at(page, "is cut short") : undefined
  }

  /** The list of free pages: as many as it says, all of them there. */
  const walkFree = (offset: number, length: number): string | undefined =>
    length < 8 || number64(offset) > length / 8 - 1 ? "the list of free pages is longer than its room" : undefined

  const walkTree = (page: number, depth: number, isFree: boolean): string | undefined => {
    if (depth > deepest) return "the tree is deeper than any"
    const flags = enter(page, "the tree")
    if (typeof flags === "string") return flags
    if (flags !== branch && flags !== leaf) return at(page, "is no page of a tree")
    const body = page * pageSize + header
    const lower = view.getUint16(body - 4, true)
    const upper = view.getUint16(body - 2, true)
    if (lower === 0 || lower % 2 !== 0 || lower > upper || upper > room) return at(page, "has no sound beginning")
    for (let index = 0; index < lower; index += 2) {
      const pointer = view.getUint16(body + index, true)
      if (pointer < upper || pointer % 2 !== 0 || pointer + 8 > room) return at(page, "has an entry outside of itself")
      const node = body + pointer
      const low = view.getUint32(node, true)
      const nodeFlags = view.getUint16(node + 4, true)
      const value = pointer + 8 + view.getUint16(node + 6, true)
      if (value > room) return at(page, "has a key that ends outside of itself")
      if (flags === branch) {
        const problem = walkTree(low + nodeFlags * high32, depth + 1, isFree)
        if (problem !== undefined) return problem
        continue
      }
      if ((nodeFlags & ~(onOverflow | isDatabase)) !== 0 || low > longestValue)
        return at(page, "has an entry of no known kind")
      const isLong = (nodeFlags & onOverflow) !== 0
      if (value + (isLong ? 8 : low) > room) return at(page, "has a value that ends outside of itself")
      const problem = isLong
        ? walkValue(number64(body + value), low)
        : (nodeFlags & isDatabase) !== 0
          ? walkDatabase(body + value, low, depth, false)
          : isFree
            ? walkFree(body + value, low)
            : undefined
      if (problem !== undefined) return problem
    }
    return undefined
  }

  const walkDatabase = (offset: number, length: number, depth: number, isFree: boolean): string | undefined => {
    if (length < databaseLength) return "a database's record is too short"
    const root = offset + rootIn
    // none: the database is empty
    if (view.getUint32(root, true) === 0xffff_ffff && view.getUint32(root + 4, true) === 0xffff_ffff) return undefined
    return walkTree(number64(root), depth + 1, isFree)
  }

  return (
    walkDatabase(databases, databaseLength, 0, true) ??
    walkDatabase(databases + databaseLength, databaseLength, 0, false)
  )
}
