/**
 * What is carried from one device to another by hand so that the two find each other once.
 *
 * @since 0.1.0
 */
import { base32crockford } from "@scure/base"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import type { Primitives } from "./Primitives.ts"

/** A one-time code; all of it is secret. @since 0.1.0 @category models */
export interface PairingCode {
  /** 16 bytes, drawn for one use. */
  readonly secret: Redacted.Redacted<Uint8Array>
  /** The relay that both meet at, with a token that ends soon; absent where the other device is told of the store. */
  readonly relay?: { readonly url: string; readonly token?: Redacted.Redacted<string> }
}

/** Bytes of secret: 128 bits. @since 0.1.0 @category constants */
export const secretLength = 16

const checkLength = 2
const prefix = "pair-"
const groupLength = 5

const fail = (problem: string) => Either.left(new FormatError({ format: "pairing code", at: "its text", problem }))

const checkOf = (primitives: Primitives, secret: Uint8Array): Uint8Array =>
  primitives.deriveKey("cairn pairing v1 check", secret).subarray(0, checkLength)

const grouped = (text: string): string =>
  Array.from({ length: Math.ceil(text.length / groupLength) }, (_, at) =>
    text.slice(at * groupLength, (at + 1) * groupLength)
  ).join("-")

/**
 * `pair-…`, made to be typed, or `https://RELAY#pair-…` with the token behind a `~`: what stands behind the `#` is never
 * sent to a server. The text is a secret.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toText = (primitives: Primitives, { relay, secret }: PairingCode): string => {
  const bytes = Redacted.value(secret)
  const letters = base32crockford.encode(Bytes.concat(bytes, checkOf(primitives, bytes))).toLowerCase()
  const code = prefix + grouped(letters)
  if (relay === undefined) return code
  const token = relay.token === undefined ? "" : `~${Redacted.value(relay.token)}`
  return `${relay.url.replace(/#.*$/, "")}#${code}${token}`
}

const secretOf = (primitives: Primitives, text: string): Either.Either<Uint8Array, FormatError> => {
  const bare = text.toLowerCase().replace(/[\s-]/g, "")
  if (!bare.startsWith("pair")) return fail("it begins with pair-")
  const decoded = Either.try({
    try: () => base32crockford.decode(bare.slice("pair".length).toUpperCase()),
    catch: () => new FormatError({ format: "pairing code", at: "its text", problem: "a character is wrong or missing" })
  })
  return Either.flatMap(decoded, (bytes) => {
    const secret = bytes.slice(0, secretLength)
    const isWhole = bytes.length === secretLength + checkLength
    return isWhole && Bytes.equals(bytes.slice(secretLength), checkOf(primitives, secret))
      ? Either.right(secret)
      : fail("a character is wrong or missing; compare it with what the other device shows")
  })
}

/** The code of a text as it was typed or pasted, in any case and grouping; errors never hold the text. @since 0.1.0 @category conversions */
export const fromText = (primitives: Primitives, text: string): Either.Either<PairingCode, FormatError> => {
  const given = text.trim()
  if (!/^https?:\/\//i.test(given))
    return Either.map(secretOf(primitives, given), (secret) => ({ secret: Redacted.make(secret) }))
  const hash = given.indexOf("#")
  if (hash < 0) return fail("behind the address there is no #pair-…")
  const fragment = given.slice(hash + 1)
  const tilde = fragment.indexOf("~")
  const token = tilde < 0 ? "" : fragment.slice(tilde + 1)
  return Either.map(secretOf(primitives, tilde < 0 ? fragment : fragment.slice(0, tilde)), (secret) => ({
    secret: Redacted.make(secret),
    relay: { url: given.slice(0, hash), ...(token === "" ? {} : { token: Redacted.make(token) }) }
  }))
}
