/**
 * Text forms of age X25519 keys (docs/format/core.md §13).
 *
 * @since 0.1.0
 */
import { x25519 } from "@noble/curves/ed25519.js"
import { bech32 } from "@scure/base"
import * as Either from "effect/Either"
import { FormatError } from "./FormatError.ts"

const identityPrefix = "age-secret-key-"
const recipientPrefix = "age"
const keyLength = 32

/** `AGE-SECRET-KEY-1…`, the identity whose secret is 32 bytes of seed. @since 0.1.0 @category conversions */
export const identity = (seed: Uint8Array): string => bech32.encodeFromBytes(identityPrefix, seed).toUpperCase()

/** `age1…`, the recipient of that identity. @since 0.1.0 @category conversions */
export const recipient = (seed: Uint8Array): string =>
  bech32.encodeFromBytes(recipientPrefix, x25519.getPublicKey(seed))

const decode = (format: string, prefix: string, text: string): Either.Either<Uint8Array, FormatError> => {
  const fail = (problem: string) => Either.left(new FormatError({ format, at: "character 0", problem }))
  const decoded = bech32.decodeUnsafe(text)
  const bytes = decoded === undefined ? undefined : bech32.fromWordsUnsafe(decoded.words)
  if (decoded === undefined || bytes === undefined) return fail("it is not bech32, or a character is wrong")
  if (decoded.prefix.toLowerCase() !== prefix) return fail(`it does not begin with ${prefix}1`)
  return bytes instanceof Uint8Array && bytes.length === keyLength
    ? Either.right(bytes)
    : fail(`expected ${keyLength} bytes of key`)
}

/** The 32 bytes of seed of an identity text in one case; errors never hold the text. @since 0.1.0 @category conversions */
export const identitySeed = (text: string): Either.Either<Uint8Array, FormatError> =>
  decode("age identity", identityPrefix, text)

/** The 32 bytes of X25519 public key of a recipient text. @since 0.1.0 @category conversions */
export const recipientKey = (text: string): Either.Either<Uint8Array, FormatError> =>
  text === text.toLowerCase()
    ? decode("age recipient", recipientPrefix, text)
    : Either.left(
        new FormatError({ format: "age recipient", at: "character 0", problem: "it has upper-case characters" })
      )
