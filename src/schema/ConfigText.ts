/**
 * The text of a configuration: TOML, and nothing that is dangerous to hold.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Toml from "smol-toml"
import type * as Problem from "./ConfigProblem.ts"
import * as Raw from "./ConfigRaw.ts"

/** More bytes than this are no configuration. @since 0.1.0 @category constants */
export const largest = 1 << 20

/** How deep lists and tables may be inside each other. */
const maxDepth = 32

/** Why a text is no TOML, and where. @since 0.1.0 @category models */
export interface SyntaxProblem {
  readonly problem: string
  readonly place?: Problem.Place
}

const sentence = (message: string): string =>
  (message.split("\n")[0] ?? message).replace(/^Invalid TOML document: /, "not valid TOML: ")

/** The tables that the text describes. @since 0.1.0 @category conversions */
export const parse = (text: string): Either.Either<Raw.Table, SyntaxProblem> => {
  try {
    return Either.right(
      Raw.asTable(Toml.parse(text, { integersAsBigInt: "asNeeded", unsafeKeyBehaviour: "throw", maxDepth }))
    )
  } catch (cause) {
    if (cause instanceof Toml.TomlError)
      return Either.left({ problem: sentence(cause.message), place: { line: cause.line, column: cause.column } })
    return Either.left({ problem: cause instanceof Error ? sentence(cause.message) : "not valid TOML" })
  }
}

/** The text of `bytes`, or the line that is no UTF-8. @since 0.1.0 @category conversions */
export const fromBytes = (bytes: Uint8Array): Either.Either<string, SyntaxProblem> => {
  if (bytes.length > largest)
    return Either.left({ problem: `${bytes.length} bytes are too many for a configuration (${largest} at most)` })
  const decoder = new TextDecoder("utf-8", { fatal: true })
  try {
    return Either.right(decoder.decode(bytes))
  } catch {
    // the first line that does not decode by itself; a line end is never part of another character
    let from = 0
    for (let line = 1; ; line++) {
      const end = bytes.indexOf(0x0a, from)
      try {
        new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(from, end < 0 ? bytes.length : end))
      } catch {
        return Either.left({ problem: "this line is not valid UTF-8", place: { line, column: 1 } })
      }
      if (end < 0) return Either.left({ problem: "it is not valid UTF-8" })
      from = end + 1
    }
  }
}
