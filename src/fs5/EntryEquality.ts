/**
 * When two entries are the same.
 *
 * @since 0.1.0
 */
import * as Bytes from "../schema/Bytes.ts"
import type { NodeEntry } from "../schema/Node.ts"
import type { TraversalContext } from "../schema/TraversalContext.ts"

const sameFields = (a: object, b: object): boolean => {
  const left = new Map<string, unknown>(Object.entries(a))
  const right = new Map<string, unknown>(Object.entries(b))
  for (const [name, value] of left) if (!same(value, right.get(name))) return false
  for (const [name, value] of right) if (value !== undefined && !left.has(name)) return false
  return true
}

const sameMaps = (a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean => {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (!b.has(key) || !same(value, b.get(key))) return false
  return true
}

const same = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Bytes.equals(a, b)
  if (a instanceof Map) return b instanceof Map && sameMaps(a, b)
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => same(item, b[index]))
  }
  return sameFields(a, b)
}

/** Whether two entries encode to the same bytes (docs/format/fs5.md §3); both may be absent. @since 0.1.0 @category comparing */
export const entryEquals = (a: NodeEntry | undefined, b: NodeEntry | undefined): boolean => same(a, b)

/** Whether two contexts encode to the same bytes (docs/format/fs5.md §5); both may be absent. @since 0.1.0 @category comparing */
export const contextEquals = (a: TraversalContext | undefined, b: TraversalContext | undefined): boolean => same(a, b)
