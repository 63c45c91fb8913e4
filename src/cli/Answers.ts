/**
 * Answers that a person gives at a terminal, or a program on standard input, one a line.
 *
 * @since 0.1.0
 */
import { createInterface } from "node:readline"
import * as Prompt from "@effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Console from "./Console.ts"
import * as Words from "./Words.ts"

let lines: AsyncIterator<string> | undefined

/** The next line of standard input, or nothing at its end. */
const nextLine = Effect.tryPromise({
  try: async () => {
    lines ??= createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]()
    const next = await lines.next()
    return next.done === true ? undefined : next.value
  },
  catch: () => new Words.InputNeeded({ what: "standard input cannot be read" })
})

/** Whoever keeps the pipe open after the last answer does not keep this run from ending. */
const close = Effect.sync(() => {
  if (process.stdin.isTTY !== true) process.stdin.destroy()
})

/** The answer to a question, from the terminal or the next line of standard input. @since 0.1.0 @category programs */
export const ask = Effect.fnUntraced(function* (voice: { readonly noInput: boolean }, message: string, needed: string) {
  if (Words.isInteractive(voice))
    return yield* Effect.catchTag(Prompt.text({ message }), "QuitException", () =>
      Effect.fail(new Words.InputNeeded({ what: "left before the end; nothing was changed" }))
    )
  const line = process.stdin.isTTY === true ? undefined : yield* nextLine
  if (line === undefined || line.trim() === "") return yield* new Words.InputNeeded({ what: needed })
  return line.trim()
})

/** What another device calls itself, with nothing in it that could steer a terminal. @since 0.1.0 @category conversions */
export const shown = (name: string): string => name.replace(/[^\p{L}\p{N} ._-]/gu, "?").slice(0, 60)

/**
 * Whether the other device shows the same words: asked at a terminal; without one, the words that it shows are expected on
 * the next line of standard input, which is read no further. `--yes` is no answer to this.
 *
 * @since 0.1.0
 * @category programs
 */
export const compare = Effect.fnUntraced(function* (
  voice: { readonly noInput: boolean },
  { other, words }: { readonly other: string; readonly words: ReadonlyArray<string> }
) {
  const text = words.join(" ")
  yield* Console.tell("")
  yield* Console.tell(`    ${text}`)
  yield* Console.tell("")
  if (Words.isInteractive(voice))
    return yield* Prompt.confirm({
      message: `Does the other device, "${shown(other)}", show these words?`,
      initial: false
      // whoever leaves has not seen them there
    }).pipe(Effect.catchTag("QuitException", () => Effect.succeed(false)))
  const line = yield* ask(
    voice,
    "",
    "the words that the other device shows have to be compared: do it at a terminal, or give them on standard input"
  )
  yield* close
  return line.toLowerCase().split(/\s+/).join(" ") === text
})
