/**
 * How a run ends: what it tells people, the last line of its JSON, and the exit code.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Console from "./Console.ts"
import { exitCode, ofError } from "./ExitCode.ts"

/** An error as verbs fail with it. @since 0.1.0 @category models */
export interface Tagged {
  readonly _tag: string
  readonly message: string
  /** What is told to people in place of the message, each on a line of its own. */
  readonly lines?: ReadonlyArray<string>
}

/** The run failed, and its error was told already. @since 0.1.0 @category models */
export class Told extends Data.Class<{ readonly error: Tagged }> {}

type Voice = Pick<Console.Voice, "json">

const end = (voice: Voice, code: number, error?: Tagged): Effect.Effect<number> =>
  Effect.as(
    voice.json
      ? Console.json({
          type: "result",
          code,
          ...(error === undefined ? {} : { error: { tag: error._tag, message: error.message } })
        })
      : Effect.void,
    code
  )

/** The end of a run that did its work, all of it or with `code`. @since 0.1.0 @category endings */
export const done = (voice: Voice, code: number): Effect.Effect<number> => end(voice, code)

/** The end of a run that failed with what it has told already. @since 0.1.0 @category endings */
export const told = (voice: Voice, { error }: Told): Effect.Effect<number> => end(voice, ofError(error), error)

/** Tells the failure, once, and ends with its code. @since 0.1.0 @category endings */
export const failed = (voice: Voice, error: Tagged): Effect.Effect<number> =>
  Effect.zipRight(
    Effect.forEach(error.lines ?? [error.message], Console.complain, { discard: true }),
    end(voice, ofError(error), error)
  )

/** The end of a run that was told to stop by the signal that `code` stands for. @since 0.1.0 @category endings */
export const interrupted = (voice: Voice, code: number): Effect.Effect<number> => {
  const message = "interrupted; what was done before is kept, run it again to go on"
  return Effect.zipRight(Console.complain(message), end(voice, code, { _tag: "Interrupted", message }))
}

/** The end of a run that met a bug: one line, and with `verbose` where it was. @since 0.1.0 @category endings */
export const bug = (
  voice: Pick<Console.Voice, "json" | "verbose">,
  cause: Cause.Cause<unknown>
): Effect.Effect<number> => {
  const problem = Cause.squash(cause)
  const text = problem instanceof Error ? `${problem.name}: ${problem.message}` : String(problem)
  const message = `this is a bug in cairn, please report it: ${text}`
  return Effect.gen(function* () {
    yield* Console.complain(voice.verbose ? message : `${message} (--verbose shows where)`)
    if (voice.verbose) yield* Console.tell(Cause.pretty(cause))
    return yield* end(voice, exitCode.failed, { _tag: "Bug", message })
  })
}
