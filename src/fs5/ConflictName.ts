/**
 * The names of conflict copies: `report (conflict 7f3a9c21).txt`.
 *
 * @since 0.1.0
 */
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import { maxKeyLength } from "../schema/Node.ts"

/** The longest name of a file that common file systems take, in UTF-8 bytes. @since 0.1.0 @category constants */
export const maximumNameLength = 255

/** What follows the last dot of a name counts as its extension up to this many bytes, the dot included. */
const maximumExtensionLength = 32

const firstLength = 8
const step = 4
const fullLength = 64

interface Parts {
  readonly directory: string
  readonly stem: string
  /** Empty, or with its dot. */
  readonly extension: string
  /** `/` for a directory. */
  readonly end: string
}

const lengthOf = (text: string) => Bytes.fromUtf8(text).length

const split = (key: string): Parts => {
  const end = key.endsWith("/") ? "/" : ""
  const path = key.slice(0, key.length - end.length)
  const from = path.lastIndexOf("/") + 1
  const directory = path.slice(0, from)
  const name = path.slice(from)
  const dot = name.lastIndexOf(".")
  const extension = dot > 0 && dot < name.length - 1 ? name.slice(dot) : ""
  return lengthOf(extension) > maximumExtensionLength
    ? { directory, stem: name, extension: "", end }
    : { directory, stem: name.slice(0, name.length - extension.length), extension, end }
}

const suffix = / \(conflict ([0-9a-f]{8,64})(?:-[0-9]+)?\)$/

/** The parts without the conflict suffix, where the name is a conflict name of that content. */
const unsuffixed = (parts: Parts, id: Hash.Hash): Parts | undefined => {
  // a stem may end with a dot, so that what looks like an extension begins before the suffix
  for (const each of [{ ...parts, stem: parts.stem + parts.extension, extension: "" }, parts]) {
    const found = suffix.exec(each.stem)
    if (found !== null && found.index > 0 && Hash.toHex(id).startsWith(found[1]!)) {
      return { ...each, stem: each.stem.slice(0, found.index) }
    }
  }
  return undefined
}

/** At most `length` bytes from the start of `text`, in whole code points. */
const cut = (text: string, length: number): string => {
  const bytes = Bytes.fromUtf8(text)
  if (bytes.length <= length) return text
  let end = Math.max(length, 0)
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return Bytes.toUtf8(bytes.subarray(0, end)) ?? ""
}

/** Whether what stands at `key` under that content id is a conflict copy, by its name. @since 0.1.0 @category predicates */
export const isOwn = (key: string, id: Hash.Hash): boolean => unsuffixed(split(key), id) !== undefined

/** Whether the name at `key` is one that a merge gives to a conflict copy. @since 0.1.0 @category predicates */
export const looksLikeOne = (key: string): boolean => {
  const { extension, stem } = split(key)
  return suffix.test(stem) || suffix.test(stem + extension)
}

/**
 * The name at which the content that cannot stand at `key` is put, or nothing where the folder's path leaves no room.
 *
 * `attempt` counts from 0 the names that were taken: 8 hex digits of the content id, then 4 more each time up to all 64,
 * then a number behind them. A conflict copy's own name is lengthened, not suffixed again. Of a name that would be longer
 * than 255 bytes the stem is cut.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (key: string, id: Hash.Hash, attempt: number): string | undefined => {
  const whole = split(key)
  const { directory, end, extension, stem } = unsuffixed(whole, id) ?? whole
  const length = firstLength + step * attempt
  const number = length > fullLength ? `-${(length - fullLength) / step + 1}` : ""
  const tail = ` (conflict ${Hash.toHex(id).slice(0, length)}${number})${extension}`
  const room = Math.min(maximumNameLength, maxKeyLength - lengthOf(directory) - end.length)
  const left = cut(stem, room - lengthOf(tail))
  return (left === "" && stem !== "") || room < lengthOf(tail) ? undefined : `${directory}${left}${tail}${end}`
}
