/**
 * Texts by which two devices find and trust each other once (docs/format/core.md §11.5).
 *
 * @since 0.1.0
 */
import { base64urlnopad } from "@scure/base"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import * as PublicKey from "./PublicKey.ts"

/** `friend` pairs two identities, `device` enrols a device into one. @since 0.1.0 @category models */
export type Purpose = "friend" | "device"

/** Valid for 30 minutes and one use; the inviter keeps count. @since 0.1.0 @category models */
export interface PairingToken {
  readonly purpose: Purpose
  /** The inviter's transport key. */
  readonly endpoint: PublicKey.PublicKey
  /** The cold key behind the inviter's DID. */
  readonly did: PublicKey.PublicKey
  /** 32 bytes. */
  readonly secret: Redacted.Redacted<Uint8Array>
}

const forms: { readonly [P in Purpose]: { readonly prefix: string; readonly version: number } } = {
  friend: { prefix: "vup3-", version: 3 },
  device: { prefix: "vupd-", version: 1 }
}

const secretLength = 32
const length = 1 + 2 * PublicKey.length + secretLength

const fail = (at: string, problem: string) => Either.left(new FormatError({ format: "pairing token", at, problem }))

/** `vup3-…` or `vupd-…`; the text is a secret. Fails if the secret has not 32 bytes. @since 0.1.0 @category conversions */
export const toText = (token: PairingToken): Either.Either<string, FormatError> => {
  const { prefix, version } = forms[token.purpose]
  const secret = Redacted.value(token.secret)
  if (secret.length !== secretLength) return fail("secret", `expected ${secretLength} bytes, got ${secret.length}`)
  const bytes = Bytes.concat(Uint8Array.of(version), token.endpoint, token.did, secret)
  return Either.right(prefix + base64urlnopad.encode(bytes))
}

/** The token of a text; errors never hold the text. @since 0.1.0 @category conversions */
export const fromText = (text: string): Either.Either<PairingToken, FormatError> => {
  const purpose = text.startsWith(forms.friend.prefix)
    ? "friend"
    : text.startsWith(forms.device.prefix)
      ? "device"
      : undefined
  if (purpose === undefined) {
    return fail("character 0", `it begins neither with ${forms.friend.prefix} nor with ${forms.device.prefix}`)
  }
  const { prefix, version } = forms[purpose]
  const rest = text.slice(prefix.length)
  const expected = Math.ceil((length * 4) / 3)
  if (rest.length !== expected) {
    return fail(`character ${prefix.length}`, `expected ${expected} characters after ${prefix}, got ${rest.length}`)
  }
  const decoded = Either.try({
    try: () => base64urlnopad.decode(rest),
    catch: () =>
      new FormatError({
        format: "pairing token",
        at: `character ${prefix.length}`,
        problem: "it is not unpadded base64url"
      })
  })
  return Either.flatMap(decoded, (bytes) => {
    if (bytes[0] !== version) return fail("version", `expected ${version}, got ${bytes[0]}`)
    return Either.zipWith(
      PublicKey.fromBytes(bytes.slice(1, 33)),
      PublicKey.fromBytes(bytes.slice(33, 65)),
      (endpoint, did) => ({ purpose, endpoint, did, secret: Redacted.make(bytes.slice(65)) })
    )
  })
}

/**
 * What the warm key signs to prove that it speaks for `did` over the connection of `endpoint`: 110 bytes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const proofMessage = (
  secret: Redacted.Redacted<Uint8Array>,
  did: PublicKey.PublicKey,
  endpoint: PublicKey.PublicKey
): Uint8Array => Bytes.concat(Bytes.fromUtf8("s5-pair-pop:v3"), Redacted.value(secret), did, endpoint)
