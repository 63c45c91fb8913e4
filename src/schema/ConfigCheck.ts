/**
 * A configuration from what a file holds, or everything that is wrong with it at once.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Config from "./Config.ts"
import * as Field from "./ConfigField.ts"
import * as Problem from "./ConfigProblem.ts"
import * as Raw from "./ConfigRaw.ts"
import * as ConfigRules from "./ConfigRules.ts"
import * as Spelling from "./Spelling.ts"

/** What came of it: no configuration where a problem is an error. @since 0.1.0 @category models */
export interface Checked {
  readonly config: Config.Config | undefined
  readonly problems: ReadonlyArray<Problem.Problem>
}

const decode = Schema.decodeUnknownEither(Config.Tables, { errors: "all", onExcessProperty: "error" })

const quoted = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([word]) => {
    const value: unknown = JSON.parse(word)
    return String(value)
  })

const shown = 60

/** The library's message about a value of the wrong form, in our words. */
const inOurWords = (issue: ParseResult.ArrayFormatterIssue): string => {
  const name = issue.path[issue.path.length - 1]
  if (issue._tag === "Unexpected") {
    const known = quoted(issue.message)
    return `there is no such field${Problem.hint(String(name), known)}`
  }
  if (issue._tag === "Missing") return "this has to be there"
  const expectation = /^Expected (.*), actual (.*)$/s.exec(issue.message)
  const [, expected = "", actual = ""] = expectation ?? []
  if (expectation === null) return issue.message
  const literals = /^"[^"]*"(?: \| "[^"]*")*$/.test(expected) ? quoted(expected) : []
  const given = actual.length > shown ? `${actual.slice(0, shown)}…` : actual
  if (literals.length === 0) return `expected ${Field.typeName(expected)}, not ${given}`
  const near = quoted(actual)[0]
  const hint = near === undefined ? "" : Problem.hint(near, literals)
  return `expected ${literals.map((one) => JSON.stringify(one)).join(", ")}, not ${given}${hint.includes("did you mean") ? hint : ""}`
}

const isPart = (part: PropertyKey): part is string | number => typeof part !== "symbol"

const isAbove = (above: Problem.Path, below: Problem.Path): boolean =>
  above.length < below.length && above.every((part, index) => part === below[index])

const isBeside = (one: Problem.Path, other: Problem.Path): boolean =>
  one.length === other.length && isAbove(one.slice(0, -1), other)

/**
 * What has the wrong form: told at the deepest place, for a value that could have been several things; a misspelt field
 * is not told to be missing too.
 */
const structural = (error: ParseResult.ParseError, raw: unknown): ReadonlyArray<Problem.Problem> => {
  const issues = ParseResult.ArrayFormatter.formatErrorSync(error).map((issue) => ({
    ...issue,
    path: issue.path.filter(isPart)
  }))
  const isMisspelt = ({ _tag, path }: (typeof issues)[number]) =>
    _tag === "Missing" &&
    issues.some(
      (other) =>
        other._tag === "Unexpected" &&
        isBeside(path, other.path) &&
        Spelling.nearest(String(other.path.at(-1)), quoted(other.message)) === path.at(-1)
    )
  return issues
    .filter((issue) => !isMisspelt(issue) && !issues.some((other) => isAbove(issue.path, other.path)))
    .map((issue) => {
      const misspelt = issue._tag === "Missing" ? misspeltType(raw, issue.path) : undefined
      return misspelt ?? Problem.error(issue.path, inOurWords(issue))
    })
}

/** Without its type nobody knows which fields a table may have, but one may look like `type`. */
const misspeltType = (raw: unknown, path: Problem.Path): Problem.Problem | undefined => {
  if (path.at(-1) !== "type") return undefined
  const above = path.slice(0, -1)
  const table = above.reduce<unknown>(
    (value, part) => (Array.isArray(value) ? value[Number(part)] : Raw.field(Raw.asTable(value), String(part))),
    raw
  )
  const like = Object.keys(Raw.asTable(table)).find((name) => Spelling.nearest(name, ["type"]) === "type")
  return like === undefined
    ? undefined
    : Problem.error([...above, like], `there is no such field${Problem.hint(like, ["type"])}`)
}

const distinct = (problems: ReadonlyArray<Problem.Problem>): ReadonlyArray<Problem.Problem> => {
  const seen = new Set<string>()
  return problems.filter(({ path, severity }) => {
    const key = JSON.stringify([severity, ...path])
    return seen.has(key) ? false : seen.add(key)
  })
}

/**
 * Decodes the tables and applies every rule; problems of form and of reference come together, one a place.
 *
 * @since 0.1.0
 * @category conversions
 */
export const check = (raw: unknown, facts: ConfigRules.Facts = ConfigRules.noFacts): Checked => {
  const decoded = decode(raw)
  const problems = distinct([
    ...(Either.isLeft(decoded) ? structural(decoded.left, raw) : []),
    ...ConfigRules.check(raw, facts)
  ])
  const isValid = Either.isRight(decoded) && problems.every(({ severity }) => severity === "warning")
  return { config: isValid ? decoded.right : undefined, problems }
}
