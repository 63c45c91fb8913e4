/**
 * What is wrong with a configuration, and where.
 *
 * @since 0.1.0
 */
import * as Spelling from "./Spelling.ts"

/** The way from the whole configuration to a value: names of fields, positions in lists. @since 0.1.0 @category models */
export type Path = ReadonlyArray<string | number>

/** One thing that is wrong, or that somebody should know. @since 0.1.0 @category models */
export interface Problem {
  readonly severity: "error" | "warning"
  readonly path: Path
  readonly problem: string
}

/** Where something stands in a file, both from 1. @since 0.1.0 @category models */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A problem of a file; one that concerns all of it has no place. @since 0.1.0 @category models */
export interface Located extends Problem {
  readonly file: string
  readonly place?: Place
}

/** @since 0.1.0 @category constructors */
export const error = (path: Path, problem: string): Problem => ({ severity: "error", path, problem })

/** @since 0.1.0 @category constructors */
export const warning = (path: Path, problem: string): Problem => ({ severity: "warning", path, problem })

const bare = /^[A-Za-z0-9_-]+$/

/** The path as people write it: `vault.docs.recipients[1]`. @since 0.1.0 @category conversions */
export const showPath = (path: Path): string =>
  path
    .map((part, index) =>
      typeof part === "number"
        ? `[${part}]`
        : `${index === 0 ? "" : "."}${bare.test(part) ? part : JSON.stringify(part)}`
    )
    .join("")

/** The problem in one line. @since 0.1.0 @category conversions */
export const show = ({ file, path, place, problem, severity }: Located): string =>
  [
    place === undefined ? `${file}:` : `${file}:${place.line}:${place.column}:`,
    ...(severity === "warning" ? ["warning:"] : []),
    ...(path.length === 0 ? [] : [`${showPath(path)}:`]),
    problem
  ].join(" ")

const shown = 6

/** What to say beside a name that is not one of `known`: the one that may have been meant, or what there is. @since 0.1.0 @category conversions */
export const hint = (name: string, known: ReadonlyArray<string>): string => {
  const near = Spelling.nearest(name, known)
  if (near !== undefined) return `; did you mean ${JSON.stringify(near)}?`
  if (known.length === 0) return ""
  const list = known.slice(0, shown).map((one) => JSON.stringify(one))
  return `; there is ${list.join(", ")}${known.length > shown ? ", …" : ""}`
}
