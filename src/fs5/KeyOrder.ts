/**
 * Searching in entries that are in key order (docs/format/fs5.md §4).
 *
 * @since 0.1.0
 */
import * as Bytes from "../schema/Bytes.ts"
import type { KeyedEntry, KeyRange } from "./ReadableLayer.ts"

/** How many of the ascending `entries` have a key before `key`. @since 0.1.0 @category searching */
export const countBefore = (
  entries: ReadonlyArray<readonly [key: string, ...rest: unknown[]]>,
  key: string
): number => {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Bytes.compareUtf8(entries[middle]![0], key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** The position of the greatest key that is not after `key`, or -1. @since 0.1.0 @category searching */
export const lastAtMost = (entries: ReadonlyArray<readonly [key: string, ...rest: unknown[]]>, key: string): number => {
  const at = countBefore(entries, key)
  return entries[at]?.[0] === key ? at : at - 1
}

/** The entry at exactly `key`. @since 0.1.0 @category searching */
export const find = (entries: ReadonlyArray<KeyedEntry>, key: string): KeyedEntry | undefined => {
  const found = entries[countBefore(entries, key)]
  return found?.[0] === key ? found : undefined
}

/** The part of the ascending `entries` that is in `range`. @since 0.1.0 @category searching */
export const within = (entries: ReadonlyArray<KeyedEntry>, range: KeyRange | undefined): ReadonlyArray<KeyedEntry> => {
  const from = range?.from === undefined ? 0 : countBefore(entries, range.from)
  const until = range?.until === undefined ? entries.length : countBefore(entries, range.until)
  return from === 0 && until === entries.length ? entries : entries.slice(from, Math.max(from, until))
}

/** Whether `a` is before `b`, where an absent `b` is after everything. @since 0.1.0 @category comparing */
export const isBefore = (a: string, b: string | undefined): boolean => b === undefined || Bytes.compareUtf8(a, b) < 0
