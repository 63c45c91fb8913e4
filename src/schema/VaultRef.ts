/**
 * How a user names a vault, a snapshot in it and a path in that: `VAULT[@SNAP]:[PATH]`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { FormatError } from "./FormatError.ts"

/** Which snapshot of a vault. @since 0.1.0 @category models */
export type SnapshotSelector =
  /** The newest, or `back` before it. */
  | { readonly _tag: "Latest"; readonly back: number }
  /** The number that `log` shows, from 1. */
  | { readonly _tag: "Number"; readonly number: number }
  /** The newest at or before a local date, or a minute of it. */
  | {
      readonly _tag: "At"
      readonly year: number
      readonly month: number
      readonly day: number
      readonly hour?: number
      readonly minute?: number
    }
  /** The start of a snapshot's id: four or more hex digits with a letter among them. */
  | { readonly _tag: "Id"; readonly prefix: string }

/** @since 0.1.0 @category models */
export interface VaultRef {
  readonly vault: string
  readonly snapshot: SnapshotSelector
  /** Path in the vault without slashes at its ends; empty for its top. */
  readonly path: string
}

const fail = (word: string, at: string, problem: string) =>
  Either.left(new FormatError({ format: `vault reference "${word}"`, at, problem }))

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$/

/** Whether `name` can name a vault: 2 to 64 letters, digits, `.`, `_`, `-`, beginning with a letter or digit. @since 0.1.0 @category guards */
export const isVaultName = (name: string): boolean => namePattern.test(name)

/** Whether a word of the command line is a local path and not a vault reference. @since 0.1.0 @category guards */
export const isLocal = (word: string): boolean =>
  !word.includes(":") || /^(\.{0,2}\/|~\/)/.test(word) || /^[A-Za-z]:[\\/]/.test(word)

/** A path in a vault with slashes at its ends removed, if every part of it can be a name. @since 0.1.0 @category constructors */
export const parsePath = (text: string): Either.Either<string, FormatError> => {
  const path = text.replace(/^\/+|\/+$/g, "")
  if (path === "") return Either.right("")
  for (const part of path.split("/")) {
    if (part === "" || part === "." || part === ".." || part.includes("\0"))
      return Either.left(
        new FormatError({ format: "path in a vault", at: `"${text}"`, problem: `"${part}" is not a name` })
      )
  }
  return Either.right(path)
}

/** The selector that the text between `@` and `:` is. @since 0.1.0 @category constructors */
export const parseSnapshot = (text: string): Either.Either<SnapshotSelector, FormatError> => {
  const latest = /^latest(?:~(\d{1,9}))?$/.exec(text)
  if (latest !== null) return Either.right({ _tag: "Latest", back: Number(latest[1] ?? 0) })
  const date = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(\d{2}))?$/.exec(text)
  if (date !== null) {
    const [year, month, day] = [Number(date[1]), Number(date[2]), Number(date[3])]
    const [hour, minute] = [Number(date[4] ?? 0), Number(date[5] ?? 0)]
    const real = new Date(Date.UTC(year, month - 1, day))
    if (real.getUTCMonth() !== month - 1 || real.getUTCDate() !== day || hour > 23 || minute > 59)
      return fail(text, "the snapshot", "there is no such date or time")
    return Either.right({ _tag: "At", year, month, day, ...(date[4] === undefined ? {} : { hour, minute }) })
  }
  if (/^\d{1,9}$/.test(text)) {
    return Number(text) > 0
      ? Either.right({ _tag: "Number", number: Number(text) })
      : fail(text, "the snapshot", "snapshots are numbered from 1")
  }
  if (/^[0-9a-f]{4,64}$/.test(text) && /[a-f]/.test(text)) return Either.right({ _tag: "Id", prefix: text })
  return fail(
    text,
    "the snapshot",
    "expected latest, latest~N, a number, YYYY-MM-DD, YYYY-MM-DDThhmm, or the start of an id (4 or more characters)"
  )
}

/** The reference that `word` is. @since 0.1.0 @category constructors */
export const parse = (word: string): Either.Either<VaultRef, FormatError> => {
  const colon = word.indexOf(":")
  if (colon < 0) return fail(word, "its end", `a vault is named by its colon: did you mean "${word}:"?`)
  const head = word.slice(0, colon)
  const at = head.indexOf("@")
  const vault = at < 0 ? head : head.slice(0, at)
  if (vault.length === 1)
    return fail(word, "the vault's name", "one-letter names are refused, since they look like drives (C:)")
  if (!isVaultName(vault))
    return fail(
      word,
      "the vault's name",
      "expected 2 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit"
    )
  return Either.gen(function* () {
    const snapshot: SnapshotSelector = at < 0 ? { _tag: "Latest", back: 0 } : yield* parseSnapshot(head.slice(at + 1))
    return { vault, snapshot, path: yield* parsePath(word.slice(colon + 1)) }
  })
}
