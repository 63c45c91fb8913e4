/**
 * Small secrets sealed for several recipients: the age envelope around a published node (docs/format/node.md §0.3).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const reasons = [
  "NoRecipients",
  "BadRecipient",
  "NoIdentities",
  "BadIdentity",
  "NotForUs",
  "Malformed",
  "TooLarge"
] as const

const messages: Record<(typeof reasons)[number], (subject: string | number, problem: string) => string> = {
  NoRecipients: () =>
    "an envelope needs at least one recipient: without one nobody could open it; add this device's recipient",
  BadRecipient: (recipient, problem) =>
    `recipient ${JSON.stringify(recipient)} is not an X25519 age recipient: ${problem}; it should read age1…`,
  NoIdentities: () => "there is no identity to open the envelope with; name an identity file",
  BadIdentity: (position, problem) =>
    `identity number ${position} is not an X25519 age identity: ${problem}; it should read AGE-SECRET-KEY-1…`,
  NotForUs: (tried) => `none of the ${tried} identities tried opens the envelope; add that of one of its recipients`,
  Malformed: (_, problem) =>
    `the envelope is not a valid binary age file: ${problem}; fetch it again or use an older snapshot`,
  TooLarge: (_, problem) => `the envelope is too large: ${problem}`
}

/**
 * An envelope that could not be sealed or opened. Never holds an identity.
 *
 * `subject` is the recipient for `BadRecipient`, the position of the identity for `BadIdentity`, and how many identities
 * were tried for `NotForUs`.
 *
 * @since 0.1.0
 * @category errors
 */
export class EnvelopeError extends Schema.TaggedError<EnvelopeError>()("EnvelopeError", {
  reason: Schema.Literal(...reasons),
  subject: Schema.Union(Schema.String, Schema.Number),
  problem: Schema.String
}) {
  override get message(): string {
    return messages[this.reason](this.subject, this.problem)
  }
}

/** A key pair for envelopes. @since 0.1.0 @category models */
export interface KeyPair {
  /** AGE-SECRET-KEY-1… */
  readonly identity: Redacted.Redacted<string>
  /** age1… */
  readonly recipient: string
}

/** @since 0.1.0 @category services */
export class Envelope extends Context.Tag("cairn/Envelope")<
  Envelope,
  {
    /** A binary age file with one X25519 stanza for each recipient, in the order given; different each time. */
    readonly seal: (
      recipients: ReadonlyArray<string>,
      plaintext: Uint8Array
    ) => Effect.Effect<Uint8Array, EnvelopeError>
    /** The plaintext, if one of the identities fits; every identity has to be valid, whether or not it is reached. */
    readonly open: (
      identities: ReadonlyArray<Redacted.Redacted<string>>,
      ciphertext: Uint8Array
    ) => Effect.Effect<Uint8Array, EnvelopeError>
    readonly generateIdentity: Effect.Effect<KeyPair>
    /** The recipient whose envelopes the identity opens. */
    readonly recipientOf: (identity: Redacted.Redacted<string>) => Effect.Effect<string, EnvelopeError>
  }
>() {}
