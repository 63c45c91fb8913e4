/**
 * `cairn init`
 *
 * @since 0.1.0
 */
import * as Prompt from "@effect/cli/Prompt"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Recovery from "../programs/Recovery.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Verb from "./Verb.ts"

/** A question has to be answered, and there is nobody to ask. @since 0.1.0 @category errors */
export class InputNeeded extends Data.TaggedError("InputNeeded")<{ readonly what: string }> {
  override get message() {
    return this.what
  }
}

/**
 * No phrase was taken into use.
 *
 * - `Left`: the user left before the end.
 * - `WrongWord`: a word that was asked for is another one.
 * - `Overtaken`: another run made a phrase meanwhile.
 *
 * @since 0.1.0
 * @category errors
 */
export class GaveUp extends Data.TaggedError("GaveUp")<{
  readonly reason: "Left" | "WrongWord" | "Overtaken"
  readonly problem: string
}> {
  override get message() {
    return this.problem
  }
}

const asked = 2

/** Shows the words and has some of them typed back. */
const rehearse = Effect.fnUntraced(function* (phrase: Redacted.Redacted<string>) {
  const words = Redacted.value(phrase).split(" ")
  yield* Console.data("")
  yield* Console.data("These twelve words are the recovery phrase. Whoever has them can read your vaults;")
  yield* Console.data("without them, nobody can once this device is lost. Write them down on paper, in order:")
  yield* Console.data("")
  for (let row = 0; row < 4; row++) {
    const cells = [0, 4, 8].map(
      (column) => `${String(row + column + 1).padStart(4)}. ${words[row + column]!.padEnd(12)}`
    )
    yield* Console.data(cells.join(""))
  }
  yield* Console.data("")
  const places = (yield* Random.shuffle(words.map((_, index) => index))).pipe((all) => [...all].slice(0, asked))
  for (const place of places.sort((a, b) => a - b)) {
    const answer = yield* Prompt.text({ message: `Word number ${place + 1}?` })
    if (answer.trim().toLowerCase() !== words[place])
      return yield* new GaveUp({
        reason: "WrongWord",
        problem: "that is not the word; nothing was kept, these words are void: run `cairn init` again for new ones"
      })
  }
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "init",
  description: "Make this device's keys and the recovery phrase, and show the phrase once",
  config: {},
  handler: (_, common) =>
    Effect.gen(function* () {
      const keyring = yield* Keyring.Keyring
      if (process.stdin.isTTY !== true || process.stdout.isTTY !== true || common.noInput)
        return yield* new InputNeeded({
          what: "init shows the recovery phrase and asks for words of it, so it needs a terminal; nothing was made"
        })
      yield* keyring.ensureDevice
      if ((yield* keyring.recovery) !== undefined) {
        // an earlier run may have ended before every vault was sealed for the phrase
        yield* Recovery.sealAll()
        yield* Console.note(common, "This device has a recovery phrase already; its vaults are sealed for it.")
        return exitCode.done
      }
      const drawn = yield* Recovery.draw()
      yield* rehearse(drawn.phrase).pipe(
        Effect.catchTag("QuitException", () =>
          Effect.fail(new GaveUp({ reason: "Left", problem: "left before the end; nothing was kept" }))
        )
      )
      const kept = yield* Recovery.adopt(drawn.recipient)
      if (!kept)
        return yield* new GaveUp({
          reason: "Overtaken",
          problem: "another run made a recovery phrase meanwhile: that one counts, the words above are void"
        })
      yield* Console.note(common, "Done: your vaults can be opened with these words.")
      return exitCode.done
    }).pipe(Effect.provide(Live.layer))
})
