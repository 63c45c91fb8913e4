/**
 * The twelve English words of BIP-39 that a vault can be recovered from (docs/format/core.md §13 and §14).
 *
 * @since 0.1.0
 */
import { entropyToMnemonic, mnemonicToEntropy, mnemonicToSeedSync } from "@scure/bip39"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import * as Either from "effect/Either"
import { FormatError } from "./FormatError.ts"
import * as Spelling from "./Spelling.ts"

/** Bytes of entropy behind a phrase. @since 0.1.0 @category constants */
export const entropyLength = 16

/** Words of a phrase. @since 0.1.0 @category constants */
export const wordCount = 12

const words: ReadonlySet<string> = new Set(wordlist)

const fail = (at: string, problem: string) => Either.left(new FormatError({ format: "recovery phrase", at, problem }))

const split = (phrase: string): ReadonlyArray<string> => phrase.normalize("NFKD").toLowerCase().match(/\S+/g) ?? []

/** The phrase of 16 bytes of entropy. @since 0.1.0 @category conversions */
export const fromEntropy = (entropy: Uint8Array): Either.Either<string, FormatError> =>
  entropy.length === entropyLength
    ? Either.right(entropyToMnemonic(entropy, wordlist))
    : fail("byte 0", `expected ${entropyLength} bytes of entropy, got ${entropy.length}`)

/**
 * The 16 bytes of entropy of a phrase, in any case and with any white space between the words.
 *
 * Only twelve words are read: the reference takes longer phrases too, but none is ever written and a longer one could
 * give the keys of a shorter one (docs/format/core.md §22). Errors name the place of a word, never the word.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toEntropy = (phrase: string): Either.Either<Uint8Array, FormatError> => {
  const given = split(phrase)
  if (given.length !== wordCount) {
    return fail(`word ${Math.min(given.length, wordCount) + 1}`, `expected ${wordCount} words, got ${given.length}`)
  }
  const unknown = given.findIndex((word) => !words.has(word))
  if (unknown >= 0) return fail(`word ${unknown + 1}`, "it is not in the English word list")
  return Either.try({
    try: () => mnemonicToEntropy(given.join(" "), wordlist),
    catch: () =>
      new FormatError({
        format: "recovery phrase",
        at: `word ${wordCount}`,
        problem: "the checksum does not fit: a word is wrong or out of place"
      })
  })
}

/**
 * The 64-byte BIP-39 seed (PBKDF2, empty passphrase) that only legacy clients derived their keys from.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toLegacySeed = (phrase: string): Either.Either<Uint8Array, FormatError> =>
  Either.map(toEntropy(phrase), () => mnemonicToSeedSync(split(phrase).join(" ")))

/** A word that is not in the list, and those of the list that are nearest to it. @since 0.1.0 @category models */
export interface UnknownWord {
  /** From 1. */
  readonly place: number
  readonly word: string
  readonly nearest: ReadonlyArray<string>
}

/** The listed words nearest to `word`, the nearest first: at most `count`. @since 0.1.0 @category combinators */
export const nearest = (word: string, count = 3): ReadonlyArray<string> =>
  wordlist
    .map((candidate) => ({ candidate, away: Spelling.distance(word, candidate) }))
    .filter(({ away }) => away <= Math.max(1, Math.floor(word.length / 2)))
    .sort((a, b) => a.away - b.away)
    .slice(0, count)
    .map(({ candidate }) => candidate)

/** The words that are not in the list. They are shown to who typed them, and to nobody else. @since 0.1.0 @category conversions */
export const unknownWords = (phrase: string): ReadonlyArray<UnknownWord> =>
  split(phrase).flatMap((word, index) => (words.has(word) ? [] : [{ place: index + 1, word, nearest: nearest(word) }]))

/** Whether it is twelve listed words whose checksum does not fit. @since 0.1.0 @category predicates */
export const isMisremembered = (phrase: string): boolean => {
  const given = split(phrase)
  return given.length === wordCount && given.every((word) => words.has(word)) && Either.isLeft(toEntropy(phrase))
}

const fits = (given: ReadonlyArray<string>): boolean => Either.isRight(toEntropy(given.join(" ")))

/**
 * Phrases whose checksum fits and that differ from twelve listed words by two neighbours that were swapped, or by one word;
 * words that look alike come first.
 *
 * @since 0.1.0
 * @category combinators
 */
export const corrections = function* (phrase: string): Generator<string> {
  const given = split(phrase)
  if (given.length !== wordCount) return
  for (let at = 0; at + 1 < given.length; at++) {
    const swapped = [...given]
    swapped.splice(at, 2, given[at + 1]!, given[at]!)
    if (fits(swapped)) yield swapped.join(" ")
  }
  const near = given.map((word) => new Set(nearest(word, 24)))
  for (const isNear of [true, false])
    for (const [at, word] of given.entries())
      for (const other of wordlist) {
        if (other === word || near[at]!.has(other) !== isNear) continue
        const replaced = given.with(at, other)
        if (fits(replaced)) yield replaced.join(" ")
      }
}
