/**
 * Whether LMDB can walk its own file. It takes every page for valid and has no checksums, so that a page that rotted ends the
 * process without a word (SIGBUS, an assertion); what is said here is said before it is mapped.
 *
 * After `MDB_page`, `MDB_node` and `MDB_db` of the fork that the `lmdb` package is built with; all numbers little-endian.
 * Bits that turned inside a key or a value are not seen: what is kept in there is verified by whoever reads it.
 */

/** What the newest meta page says. */
export interface Meta {
  readonly pageSize: number
  /** The offset of its record of the free list in the file; that of the main database follows it. */
  readonly databases: number
  readonly transaction: number
  /** The last page that was ever taken. */
  readonly lastPage: number
}

const header = 24
const databaseLength = 48
const flagsIn = 4
const entriesIn = 32
const rootIn = 40
const integerKeys = 0x08
const branch = 0x01
const leaf = 0x02
const overflow = 0x04
const onOverflow = 0x01
const isDatabase = 0x02
const deepest = 32
const longestValue = 0x7fff_ffff
const high32 = 0x1_0000_0000

/** What is wrong with the pages that the file's newest transaction leads to, if anything is; `file` is all of it. */
export const problemIn = (
  file: Uint8Array,
  { databases, lastPage, pageSize, transaction }: Meta
): string | undefined => {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const room = pageSize - header
  const pages = Math.floor(file.length / pageSize)
  const met = new Uint8Array(pages)
  const freeLists: Array<number> = []
  let entries = 0

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
  const walkValue = (page: number, length: number, isFree: boolean): string | undefined => {
    const flags = enter(page, "a value")
    if (typeof flags === "string") return flags
    const count = view.getUint32(page * pageSize + 20, true)
    if (flags !== overflow) return at(page, "is no page of a value")
    if (count * pageSize - header < length || page + count > pages) return at(page, "is cut short")
    for (let next = page + 1; next < page + count; next++) {
      if (met[next] === 1) return at(next, "is named twice")
      met[next] = 1
    }
    return isFree ? keepFree(page * pageSize + header, length) : undefined
  }

  const keepFree = (offset: number, length: number): string | undefined => {
    if (length < 8 || number64(offset) > length / 8 - 1) return "the list of free pages is longer than its room"
    freeLists.push(offset)
    return undefined
  }

  /** Pages that the next transaction may write over: a number each, or how many, negative, and the first; 0 is none. */
  const walkFree = (offset: number): string | undefined => {
    const end = offset + 8 * (number64(offset) + 1)
    for (let entry = offset + 8; entry < end; entry += 8) {
      let first = number64(entry)
      let count = first === 0 ? 0 : 1
      if (view.getInt32(entry + 4, true) < 0) {
        count = -view.getInt32(entry, true)
        entry += 8
        if (count <= 0 || view.getInt32(entry - 4, true) !== -1 || entry >= end)
          return "the list of free pages has a run of no length"
        first = number64(entry)
      }
      if (count > 0 && (first < 2 || first + count - 1 > lastPage)) return `page ${first} is free and is none`
      for (let page = first; page < first + count && page < pages; page++) {
        if (met[page] === 1) return `page ${page} is free and in use, or free twice`
        met[page] = 1
      }
    }
    return undefined
  }

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
      entries++
      const isLong = (nodeFlags & onOverflow) !== 0
      if (value + (isLong ? 8 : low) > room) return at(page, "has a value that ends outside of itself")
      const problem = isLong
        ? walkValue(number64(body + value), low, isFree)
        : (nodeFlags & isDatabase) !== 0
          ? walkDatabase(body + value, low, depth, false)
          : isFree
            ? keepFree(body + value, low)
            : undefined
      if (problem !== undefined) return problem
    }
    return undefined
  }

  const walkDatabase = (offset: number, length: number, depth: number, isFree: boolean): string | undefined => {
    if (length < databaseLength) return "a database's record is too short"
    if (view.getUint16(offset + flagsIn, true) !== (isFree ? integerKeys : 0)) return "a database is of no known kind"
    const root = offset + rootIn
    const outer = entries
    entries = 0
    // without a root it is empty
    const isEmpty = view.getUint32(root, true) === 0xffff_ffff && view.getUint32(root + 4, true) === 0xffff_ffff
    const problem = isEmpty ? undefined : walkTree(number64(root), depth + 1, isFree)
    if (problem !== undefined) return problem
    const said = number64(offset + entriesIn)
    if (entries !== said) return `a database has ${entries} entries and says ${said}`
    entries = outer
    return undefined
  }

  const problem =
    walkDatabase(databases, databaseLength, 0, true) ??
    walkDatabase(databases + databaseLength, databaseLength, 0, false)
  if (problem !== undefined) return problem
  for (const offset of freeLists) {
    const told = walkFree(offset)
    if (told !== undefined) return told
  }
  return undefined
}
