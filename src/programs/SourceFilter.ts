/**
 * Which files of a source belong to a backup (docs/format/fs5.md §17.2).
 *
 * @since 0.1.0
 */
import ignore from "ignore"
import * as Bytes from "../schema/Bytes.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /**
   * Patterns as in a `.gitignore` at the source root; they win over ignore files, and a negated one (`!keep`) includes what
   * ignore files or `skipHidden` would leave out.
   */
  readonly excludes?: ReadonlyArray<string>
  /** Leave out names that begin with a dot, unless a negated pattern names them; off unless given. */
  readonly skipHidden?: boolean
}

/** The text of an ignore file found in a directory. @since 0.1.0 @category models */
export interface IgnoreFile {
  readonly name: string
  readonly text: string
}

/** The names of ignore files, the later one winning over the earlier in one directory. @since 0.1.0 @category constants */
export const ignoreFileNames: ReadonlyArray<string> = [".gitignore", ".ignore", ".cairnignore"]

/**
 * The rules for one directory of a source: what is asked here is about its own entries, and whoever walks never enters an
 * excluded directory, so a pattern that matches a directory leaves out everything below it.
 *
 * @since 0.1.0
 * @category models
 */
export interface SourceFilter {
  /** Whether the entry `name` of this directory belongs to the backup. */
  readonly includes: (name: string, isDirectory: boolean) => boolean
  /** The rules for the directory `name` in this one, where `ignoreFiles` were found. */
  readonly enter: (name: string, ignoreFiles: ReadonlyArray<IgnoreFile>) => SourceFilter
}

/** The patterns of one file or option list, relative to the directory they stand in; tells what the last that matches wants. */
type Matcher = (path: string) => "exclude" | "include" | undefined

interface Rule {
  readonly negative: boolean
  readonly matches: (path: string) => boolean
}

/** The library remembers every path that it was asked about: begun anew before that becomes a burden. */
const rememberedPaths = 4096

/**
 * Whether any of `patterns` matches a path itself, not merely one of its parents.
 *
 * The library answers for parents too, which is wrong where a deeper file has let a parent back in. Negated, a pattern
 * excludes no parent, and `unignored` then means that it matched the very path.
 */
const directMatch = (patterns: ReadonlyArray<string>): ((path: string) => boolean) => {
  const negated = patterns.map((pattern) => ({ pattern: `!${pattern}` }))
  const build = () => ignore({ ignorecase: false, allowRelativePaths: true }).add(negated)
  let matcher = build()
  let asked = 0
  return (path) => {
    if (++asked > rememberedPaths) {
      matcher = build()
      asked = 0
    }
    return matcher.test(path).unignored
  }
}

const matcherOf = (lines: ReadonlyArray<string>): Matcher | undefined => {
  const patterns = lines.filter((line) => line.trim() !== "" && !line.startsWith("#") && line !== "!")
  if (patterns.length === 0) return undefined
  const bare = (pattern: string) => (pattern.startsWith("!") ? pattern.slice(1) : pattern)
  const any = directMatch(patterns.map(bare))
  const rules = patterns.map(
    (pattern): Rule => ({ negative: pattern.startsWith("!"), matches: directMatch([bare(pattern)]) })
  )
  return (path) => {
    if (!any(path)) return undefined
    const last = rules.findLast((rule) => rule.matches(path))
    return last === undefined ? undefined : last.negative ? "include" : "exclude"
  }
}

const linesOf = (text: string): ReadonlyArray<string> =>
  text
    .replace(/^\ufeff/, "")
    .split("\n")
    .map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line))

/** A matcher and how the path of the directory asked about begins, seen from where the patterns stand. */
interface Source {
  readonly matcher: Matcher
  readonly prefix: string
}

const sourcesOf = (files: ReadonlyArray<IgnoreFile>): ReadonlyArray<Source> => {
  const rank = (file: IgnoreFile) => ignoreFileNames.indexOf(file.name)
  return [...files]
    .filter((file) => rank(file) >= 0)
    .sort((a, b) => rank(b) - rank(a))
    .flatMap((file) => {
      const matcher = matcherOf(linesOf(file.text))
      return matcher === undefined ? [] : [{ matcher, prefix: "" }]
    })
}

/** `sources` from the strongest to the weakest. */
const at = (sources: ReadonlyArray<Source>, excludes: ReadonlyArray<Source>, skipHidden: boolean): SourceFilter => ({
  includes: (name, isDirectory) => {
    const last = isDirectory ? `${name}/` : name
    for (const source of [...excludes, ...sources]) {
      const verdict = source.matcher(source.prefix + last)
      if (verdict !== undefined) return verdict === "include"
    }
    return !(skipHidden && name.startsWith("."))
  },
  enter: (name, ignoreFiles) => {
    const below = (source: Source): Source => ({ matcher: source.matcher, prefix: `${source.prefix}${name}/` })
    return at([...sourcesOf(ignoreFiles), ...sources.map(below)], excludes.map(below), skipHidden)
  }
})

/** The rules for the root of a source, where `ignoreFiles` were found. @since 0.1.0 @category constructors */
export const make = (options: Options, ignoreFiles: ReadonlyArray<IgnoreFile> = []): SourceFilter => {
  const matcher = matcherOf((options.excludes ?? []).flatMap(linesOf))
  return at(sourcesOf(ignoreFiles), matcher === undefined ? [] : [{ matcher, prefix: "" }], options.skipHidden === true)
}

/**
 * Whether the entry at `path` belongs to the backup, for one that was not found by walking: it and every directory above it
 * must. `ignoreFilesOf` gives the ignore files of a directory by its path, `""` for the root.
 *
 * @since 0.1.0
 * @category combinators
 */
export const includesPath = (
  options: Options,
  ignoreFilesOf: (directory: string) => ReadonlyArray<IgnoreFile>,
  path: string,
  isDirectory: boolean
): boolean => {
  const names = path.split("/")
  let filter = make(options, ignoreFilesOf(""))
  for (const [depth, name] of names.entries()) {
    const isLast = depth === names.length - 1
    if (!filter.includes(name, isLast ? isDirectory : true)) return false
    if (!isLast) filter = filter.enter(name, ignoreFilesOf(names.slice(0, depth + 1).join("/")))
  }
  return true
}

/** The name of the file that marks a directory as a cache. @since 0.1.0 @category constants */
export const cacheDirectoryTagName = "CACHEDIR.TAG"

const signature = Bytes.fromUtf8("Signature: 8a477f597d28d172789f06886806bc55")

/** Whether the contents of a `CACHEDIR.TAG` begin as those of a cache do; the first 43 bytes are enough. @since 0.1.0 @category guards */
export const isCacheDirTag = (bytes: Uint8Array): boolean =>
  Bytes.equals(bytes.subarray(0, signature.length), signature)
