/**
 * Words that were written down or typed wrong.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as RecoveryPhrase from "../schema/RecoveryPhrase.ts"
import type * as Places from "../services/Places.ts"
import * as RecoverWalk from "./RecoverWalk.ts"
import * as Recovery from "./Recovery.ts"

/** Phrases that are tried at the same time. */
const triesInFlight = 8

/**
 * The phrase that somebody meant by twelve listed words whose checksum does not fit: two neighbours swapped, or one word
 * exchanged, and known at one of the places. Nothing where there is none.
 *
 * @since 0.1.0
 * @category programs
 */
export const correct = Effect.fn("RecoverPhrase.correct")(function* (
  phrase: Redacted.Redacted<string>,
  places: ReadonlyArray<Places.Place>
) {
  const candidates = RecoveryPhrase.corrections(Redacted.value(phrase))
  const found = yield* Stream.fromIteratorSucceed(candidates, triesInFlight).pipe(
    Stream.mapEffect(
      (text) =>
        Effect.gen(function* () {
          const cold = yield* Recovery.coldOf(Redacted.make(text))
          return (yield* RecoverWalk.isKnown(cold, places)) ? Option.some(Redacted.make(text)) : Option.none()
        }),
      { concurrency: triesInFlight }
    ),
    Stream.filterMap((tried) => tried),
    Stream.runHead
  )
  return Option.getOrUndefined(found)
})

/** The places where one of two phrases differs from the other, from 1. @since 0.1.0 @category combinators */
export const differences = (a: Redacted.Redacted<string>, b: Redacted.Redacted<string>): ReadonlyArray<number> => {
  const [left, right] = [a, b].map((one) => Redacted.value(one).trim().toLowerCase().split(/\s+/))
  return (left ?? []).flatMap((word, index) => (word === right?.[index] ? [] : [index + 1]))
}
