/**
 * The words of the command line, checked and brought into the one form that the parser takes without guessing.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import { nearest } from "../schema/Spelling.ts"

/** The command line is not one that Cairn takes. @since 0.1.0 @category errors */
export class Usage extends Data.TaggedError("Usage")<{ readonly problem: string }> {
  override get message() {
    return this.problem
  }
}

/** An option of a verb. @since 0.1.0 @category models */
export interface Flag {
  readonly names: ReadonlyArray<string>
  readonly takesValue: boolean
  /** May be given more than once, each time with another value. */
  readonly repeats: boolean
}

export { nearest }

/** What stands before a verb and takes a value. */
const valued = new Set(["--config"])

/** The first word that is no option and no option's value, which names the verb, and the words without it. @since 0.1.0 @category combinators */
export const splitVerb = (
  words: ReadonlyArray<string>
): { readonly verb: string | undefined; readonly rest: ReadonlyArray<string> } => {
  const at = words.findIndex((word, index) => !word.startsWith("-") && !valued.has(words[index - 1] ?? ""))
  return at < 0
    ? { verb: undefined, rest: words }
    : { verb: words[at], rest: [...words.slice(0, at), ...words.slice(at + 1)] }
}

/**
 * The verb's words with every option spelled `--name` or `--name value`, options apart from operands; a switch that is
 * given twice counts once, and anything that is no option of the verb is refused.
 *
 * @since 0.1.0
 * @category combinators
 */
export const canonical = (
  words: ReadonlyArray<string>,
  flags: ReadonlyArray<Flag>
): Either.Either<{ readonly options: ReadonlyArray<string>; readonly operands: ReadonlyArray<string> }, Usage> => {
  const byName = new Map(flags.flatMap((flag) => flag.names.map((name) => [name, flag] as const)))
  const options: Array<string> = []
  const operands: Array<string> = []
  const given = new Set<Flag>()
  const fail = (problem: string) => Either.left(new Usage({ problem }))
  const turnOn = (flag: Flag) => {
    if (!given.has(flag)) options.push(flag.names[0]!)
    given.add(flag)
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    if (word === "--") {
      operands.push(...words.slice(at + 1))
      break
    }
    if (!word.startsWith("-") || word === "-") {
      operands.push(word)
      continue
    }
    const equals = word.startsWith("--") ? word.indexOf("=") : -1
    const name = equals < 0 ? word : word.slice(0, equals)
    const flag = byName.get(name)
    if (flag === undefined) {
      const letters = /^-[a-zA-Z]{2,}$/.test(word) ? [...word.slice(1)].map((letter) => byName.get(`-${letter}`)) : []
      if (letters.length > 0 && letters.every((each) => each !== undefined && !each.takesValue)) {
        for (const each of letters) turnOn(each!)
        continue
      }
      const near = nearest(name, [...byName.keys()])
      return fail(
        `unknown option ${name}${near === undefined ? "" : `: did you mean ${near}?`} (a path that begins with "-" is written ./${name})`
      )
    }
    if (!flag.takesValue) {
      if (equals >= 0) return fail(`option ${name} takes no value`)
      turnOn(flag)
      continue
    }
    const value = equals < 0 ? words[++at] : word.slice(equals + 1)
    if (value === undefined) return fail(`option ${name} needs a value`)
    if (given.has(flag) && !flag.repeats) return fail(`option ${name} is given twice`)
    given.add(flag)
    options.push(flag.names[0]!, value)
  }
  return Either.right({ options, operands })
}

/** Whether the words ask for JSON, before anybody knows what else they say. @since 0.1.0 @category combinators */
export const wantsJson = (words: ReadonlyArray<string>): boolean => {
  const end = words.indexOf("--")
  return (end < 0 ? words : words.slice(0, end)).includes("--json")
}
