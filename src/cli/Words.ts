/**
 * The words of a recovery phrase, from whoever has them: a terminal or standard input, never the command line.
 *
 * @since 0.1.0
 */
import * as Prompt from "@effect/cli/Prompt"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as RecoveryPhrase from "../schema/RecoveryPhrase.ts"

/** A question has to be answered, and there is nobody to ask. @since 0.1.0 @category errors */
export class InputNeeded extends Data.TaggedError("InputNeeded")<{ readonly what: string }> {
  override get message() {
    return this.what
  }
}

/** What was given is no phrase; `lines` says why, with each unknown word and those that it may be. @since 0.1.0 @category errors */
export class NoPhrase extends Data.TaggedError("NoPhrase")<{
  readonly problem: string
  readonly lines?: ReadonlyArray<string>
}> {
  override get message() {
    return this.problem
  }
}

/** More than twelve words of any language are long. */
const mostBytes = 4096

const fromInput = Effect.tryPromise({
  try: async () => {
    const parts: Array<Buffer> = []
    let length = 0
    for await (const part of process.stdin) {
      const bytes = Buffer.isBuffer(part) ? part : Buffer.from(String(part))
      length += bytes.length
      if (length > mostBytes) throw new Error("it is too long")
      parts.push(bytes)
    }
    return Buffer.concat(parts).toString("utf8")
  },
  catch: (cause) =>
    new NoPhrase({
      problem: `standard input holds no recovery phrase: ${cause instanceof Error ? cause.message : "it cannot be read"}`
    })
})

/** Whether there is somebody at a terminal. @since 0.1.0 @category accessors */
export const isInteractive = (voice: { readonly noInput: boolean }): boolean =>
  process.stdin.isTTY === true && process.stdout.isTTY === true && !voice.noInput

/** The words as they were given, with nothing checked. @since 0.1.0 @category programs */
export const read = Effect.fnUntraced(function* (voice: { readonly noInput: boolean }, question: string) {
  if (isInteractive(voice)) return Redacted.make(yield* Prompt.text({ message: question }))
  const text = process.stdin.isTTY === true ? "" : yield* fromInput
  if (text.trim() === "")
    return yield* new InputNeeded({
      what: "the twelve words are needed: type them at a terminal, or give them on standard input"
    })
  return Redacted.make(text)
})

/** Refuses what is not twelve words of the list, and names those that are not. @since 0.1.0 @category programs */
export const check = Effect.fnUntraced(function* (phrase: Redacted.Redacted<string>) {
  const text = Redacted.value(phrase)
  const unknown = RecoveryPhrase.unknownWords(text)
  if (unknown.length > 0) {
    const lines = unknown.map(({ nearest, place, word }) => {
      const maybe = nearest.length === 0 ? "" : `; did you mean ${nearest.join(", ")}?`
      return `word ${place}, "${word}", is not in the list of words${maybe}`
    })
    return yield* new NoPhrase({ problem: lines.join("; "), lines })
  }
  const count = text.trim().split(/\s+/).length
  if (count !== RecoveryPhrase.wordCount)
    return yield* new NoPhrase({ problem: `a recovery phrase has ${RecoveryPhrase.wordCount} words, not ${count}` })
})
