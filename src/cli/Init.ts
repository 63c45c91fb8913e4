/**
 * `cairn init`
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import * as Options from "@effect/cli/Options"
import * as Prompt from "@effect/cli/Prompt"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as IdentityUpkeep from "../programs/IdentityUpkeep.ts"
import * as NewPhrase from "../programs/NewPhrase.ts"
import * as Recovery from "../programs/Recovery.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as RecoveryPage from "./RecoveryPage.ts"
import type { Common } from "./Verb.ts"
import * as Verb from "./Verb.ts"
import * as Words from "./Words.ts"

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

const asked = 3

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

/** Left in the middle of a question. */
const left = () => Effect.fail(new GaveUp({ reason: "Left", problem: "left before the end; nothing was kept" }))

const overtaken = new GaveUp({
  reason: "Overtaken",
  problem: "another run made a recovery phrase meanwhile: that one counts, the words above are void"
})

/** The words of a phrase that an earlier version made, which kept their public half alone. */
const askAgain = Effect.fnUntraced(function* (known: Keyring.RecoveryRecipient, common: Common) {
  yield* Console.note(
    common,
    "This device has a recovery phrase of an earlier version. With its words once more, they will bring back everything from any store."
  )
  const words = yield* Words.read(common, "The twelve words, in order:")
  yield* Words.check(words)
  const keys = yield* Recovery.keysOf(words)
  if (keys.recovery.did === known.did) return words
  return yield* new GaveUp({
    reason: "WrongWord",
    problem: "those are other words than this device's; nothing was changed"
  })
})

const report = Effect.fnUntraced(function* (problems: ReadonlyArray<string>, done: string, common: Common) {
  for (const problem of problems) yield* Console.complain(`${problem} (the next backup tries again)`)
  yield* Console.note(common, done)
  return exitCode.done
})

/** Writes the page with the words and where the vaults are, if one is wanted. */
const writePage = Effect.fnUntraced(function* (
  file: string | undefined,
  words: Redacted.Redacted<string>,
  keys: Keyring.IdentityKeys,
  common: Common
) {
  if (file === undefined) return
  const { stores } = yield* IdentityUpkeep.holdings()
  yield* RecoveryPage.write(file, {
    words,
    did: keys.recovery.did,
    stores: stores.map(([name, json]) => RecoveryPage.storeOf(name, json)),
    madeAt: yield* Clock.currentTimeMillis
  })
  yield* Console.note(common, `${file}: print it, put the paper away, and delete the file.`)
})

const make = Effect.fnUntraced(function* (common: Common, page: string | undefined) {
  const keyring = yield* Keyring.Keyring
  const known = yield* keyring.recovery
  const words = known === undefined ? (yield* Recovery.draw()).phrase : yield* askAgain(known, common)
  if (known === undefined) yield* rehearse(words)
  const keys = yield* Recovery.found(words)
  const problems = yield* Recovery.establish(keys, hostname())
  if (problems === undefined) return yield* overtaken
  yield* writePage(page, words, keys, common)
  return yield* report(problems, "Done: your vaults can be opened with these words.", common)
})

/** Another phrase in the place of the one there is. */
const change = Effect.fnUntraced(function* (common: Common, page: string | undefined) {
  const keyring = yield* Keyring.Keyring
  if ((yield* keyring.nextIdentity) === undefined) {
    const { phrase } = yield* Recovery.draw()
    yield* rehearse(phrase)
    const keys = yield* Recovery.found(phrase)
    yield* NewPhrase.begin(keys)
    yield* writePage(page, phrase, keys, common)
  } else yield* Console.note(common, "A change of the phrase was begun before; it goes on with the words shown then.")
  yield* NewPhrase.proceed()
  const problems = yield* Recovery.complete(hostname())
  return yield* report(
    problems,
    "Done: the new words count. The old ones open what was published under them, where somebody kept a copy of it, and nothing else.",
    common
  )
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "init",
  description: "Make this device's keys and the recovery phrase, and show the phrase once",
  config: {
    newPhrase: Options.boolean("new-phrase").pipe(
      Options.withDescription("another phrase in the place of the one there is, for all devices")
    ),
    page: Options.text("page").pipe(
      Options.withDescription("write the words and the stores' addresses to this HTML file, to be printed"),
      Options.optional
    )
  },
  handler: ({ newPhrase, page: asked }, common) =>
    Effect.gen(function* () {
      const keyring = yield* Keyring.Keyring
      if (!Words.isInteractive(common))
        return yield* new Words.InputNeeded({
          what: "init shows the recovery phrase and asks for words of it, so it needs a terminal; nothing was made"
        })
      const page = Option.getOrUndefined(asked)
      if (page !== undefined) yield* RecoveryPage.refuseTaken(page)
      yield* keyring.ensureDevice
      if ((yield* keyring.identity) === undefined)
        return yield* Effect.catchTag(make(common, page), "QuitException", left)
      if (newPhrase) return yield* Effect.catchTag(change(common, page), "QuitException", left)
      if (page !== undefined)
        return yield* new Argv.Usage({
          problem:
            "the words are not kept anywhere, so there is nothing to print: `cairn recover --page FILE` takes them from you"
        })
      // an earlier run may have ended before everything was published and sealed for the phrase
      const problems = yield* Recovery.complete(hostname())
      return yield* report(problems, "This device has a recovery phrase already; its vaults are sealed for it.", common)
    }).pipe(Effect.provide(Live.layer))
})
