/**
 * Which texts are paths of objects; the same for every object store (docs/format/core.md §16).
 *
 * @since 0.1.0
 */

/** The folder of a store's own temporary files; no object's path begins with it. @since 0.1.0 @category constants */
export const temporary = ".tmp"

/**
 * The name of the one file in a folder that stands for an object, where files cannot be made exclusively otherwise; no
 * part of an object's path.
 *
 * @since 0.1.0
 * @category constants
 */
export const entry = ".entry"

const loneSurrogate = /\p{Surrogate}/u

/** Why `path` is no object's path, or nothing when it is one. @since 0.1.0 @category guards */
export const problem = (path: string): string | undefined => {
  if (path === "") return "the path is empty"
  if (path.includes("\0")) return "the path has a NUL character"
  if (path.includes("\\")) return "the path has a backslash; parts are separated by /"
  // written to disk it would become another path: U+FFFD stands for every lone surrogate
  if (loneSurrogate.test(path)) return "the path is not valid Unicode"
  const parts = path.split("/")
  if (parts[0] === temporary) return `${temporary} is the store's own folder`
  for (const part of parts) {
    if (part === "") return "the path is absolute or has an empty part"
    if (part === "." || part === "..") return `the path has the part ${part}`
    if (part === entry) return `${entry} is a name of the store's own`
  }
  return undefined
}

/** The folder that `path` lies in, "" for the store's own. @since 0.1.0 @category conversions */
export const folder = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")))
