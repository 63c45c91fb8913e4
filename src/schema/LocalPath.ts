/**
 * Names and paths as the local file system has them: bytes, which are text only most of the time.
 *
 * @since 0.1.0
 */
import * as Bytes from "./Bytes.ts"

/** The name of one entry of a directory. @since 0.1.0 @category models */
export interface Name {
  readonly bytes: Uint8Array
  /** The name as text; nothing when its bytes are not UTF-8, and then it has no key in a tree (docs/format/fs5.md §4). */
  readonly text: string | undefined
}

/** An absolute path as bytes, parts separated by `/`; made by a tree and by {@link child}. @since 0.1.0 @category models */
export interface LocalPath {
  readonly _tag: "LocalPath"
  readonly bytes: Uint8Array
}

const slash = 0x2f

/** The name with these bytes. @since 0.1.0 @category constructors */
export const name = (bytes: Uint8Array): Name => ({ bytes, text: Bytes.toUtf8(bytes) })

/** The name with this text. @since 0.1.0 @category constructors */
export const nameOf = (text: string): Name => ({ bytes: Bytes.fromUtf8(text), text })

/** The path with these bytes, which are absolute and hold no NUL. @since 0.1.0 @category constructors */
export const make = (bytes: Uint8Array): LocalPath => ({ _tag: "LocalPath", bytes })

/** The path of the entry `name` of the directory `path`. @since 0.1.0 @category combinators */
export const child = (path: LocalPath, name: Name): LocalPath => {
  const gap = path.bytes[path.bytes.length - 1] === slash ? 0 : 1
  const bytes = new Uint8Array(path.bytes.length + gap + name.bytes.length)
  bytes.set(path.bytes)
  bytes[path.bytes.length - 1 + gap] = slash
  bytes.set(name.bytes, path.bytes.length + gap)
  return make(bytes)
}

/** The directory that holds `path` and the name it has there; nothing for the root of all paths. @since 0.1.0 @category conversions */
export const split = (path: LocalPath): { readonly parent: LocalPath; readonly name: Uint8Array } | undefined => {
  const at = path.bytes.lastIndexOf(slash)
  return at === path.bytes.length - 1
    ? undefined
    : { parent: make(path.bytes.subarray(0, Math.max(at, 1))), name: path.bytes.subarray(at + 1) }
}

/** The names on the way from the root of all paths to `path`. @since 0.1.0 @category conversions */
export const parts = (path: LocalPath): ReadonlyArray<Uint8Array> => {
  const out: Array<Uint8Array> = []
  let from = 1
  for (let i = 1; i <= path.bytes.length; i++) {
    if (i < path.bytes.length && path.bytes[i] !== slash) continue
    if (i > from) out.push(path.bytes.subarray(from, i))
    from = i + 1
  }
  return out
}

/** Whether `path` is the directory `folder` or something below it, both without links on the way. @since 0.1.0 @category guards */
export const isWithin = (path: LocalPath, folder: LocalPath): boolean => {
  const above = parts(folder)
  const below = parts(path)
  return above.length <= below.length && above.every((part, index) => Bytes.equals(part, below[index]!))
}

// what moves a terminal's cursor, hides, or changes the order of what is read: controls, line ends, direction marks, lone surrogates
const unsafe = /[\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u

const escapeText = (text: string): string => {
  let out = ""
  for (const c of text) {
    if (c === "\\") out += "\\\\"
    else if (c === "\n") out += "\\n"
    else if (unsafe.test(c)) out += `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`
    else out += c
  }
  return out
}

const sequenceLength = (lead: number): number => (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4)

/**
 * `value` as it may be shown: what could steer a terminal or mislead the reader as `\u{1b}`, bytes that are not UTF-8 as
 * `\xff`, a backslash as `\\`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const display = (value: LocalPath | Name | Uint8Array | string): string => {
  if (typeof value === "string") return escapeText(value)
  const bytes = value instanceof Uint8Array ? value : value.bytes
  const whole = Bytes.toUtf8(bytes)
  if (whole !== undefined) return escapeText(whole)
  let out = ""
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes[i]!)
    const text = Bytes.toUtf8(bytes.subarray(i, i + length))
    out += text === undefined ? `\\x${Bytes.toHex(bytes.subarray(i, i + 1))}` : escapeText(text)
    i += text === undefined ? 1 : length
  }
  return out
}

/**
 * What is wrong with `component` as the name of one entry below a restore target, or nothing: it must be one normal name,
 * neither empty nor `.` nor `..`, without `/`, NUL and lone surrogates (docs/format/fs5.md §18).
 *
 * @since 0.1.0
 * @category guards
 */
export const componentProblem = (component: string): string | undefined => {
  if (component === "") return "an empty name"
  if (component === "." || component === "..") return `the name "${component}"`
  if (component.includes("/")) return 'a name that holds "/"'
  if (component.includes("\0")) return "a name that holds NUL"
  if (/\p{Cs}/u.test(component)) return "a name that is not valid Unicode"
  return undefined
}

/** Whether a file of this name is an unfinished write of ours, which belongs in no backup. @since 0.1.0 @category guards */
export const isTemporary = (name: string): boolean => /^\.cairn-[0-9a-f]{16}\.tmp$/.test(name)

/** The name of an unfinished write, from 16 lower-case hex digits of chance. @since 0.1.0 @category constructors */
export const temporary = (hex: string): string => `.cairn-${hex}.tmp`
