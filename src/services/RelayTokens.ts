/**
 * Who may write to a relay, and how much.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The record of a relay's tokens could not be read or kept. @since 0.1.0 @category errors */
export class RelayTokensError extends Schema.TaggedError<RelayTokensError>()("RelayTokensError", {
  reason: Schema.Literal("Damaged", "Unavailable"),
  token: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `relay token ${this.token}: ${this.detail}`
  }
}

/** Whether a token can be called that. @since 0.1.0 @category guards */
export const isName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)

/** A device's leave to write; the secret itself is kept by the device alone. @since 0.1.0 @category models */
export class Token extends Schema.Class<Token>("RelayToken")({
  /** What people call the device. */
  name: Schema.String.pipe(Schema.filter(isName)),
  /** BLAKE3 of the secret's text, in hex. */
  hash: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/)),
  /** Bytes that it may write in all. */
  maxTotalBytes: Schema.optional(Schema.NonNegative),
  /** Requests a second, with bursts of ten seconds' worth. */
  requestsPerSecond: Schema.optional(Schema.Positive),
  /** Bytes a second, with bursts of ten seconds' worth. */
  bytesPerSecond: Schema.optional(Schema.Positive),
  /** The hash of the token that let this one in; it ends with that one, whose limits count for both together. */
  parent: Schema.optional(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))),
  /** Whether it may let in others. */
  mayDelegate: Schema.optional(Schema.Boolean),
  /** When it ends, milliseconds since 1970. */
  expiresAt: Schema.optional(Schema.Number),
  /** The key that the device publishes under, in hex, so that it is found again when the device is removed. */
  device: Schema.optional(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/)))
}) {}

/** @since 0.1.0 @category models */
export interface Service {
  /** Every token, by name, as it is now, whichever process changed something. One whose record is damaged is left out. */
  readonly list: Effect.Effect<ReadonlyArray<Token>, RelayTokensError>
  /** The names of tokens whose record is damaged: neither they count nor what they let in, all others do. */
  readonly damaged: Effect.Effect<ReadonlyArray<string>, RelayTokensError>
  /** Keeps a token: `false` when its name is taken. */
  readonly create: (token: Token) => Effect.Effect<boolean, RelayTokensError>
  /**
   * Takes the leave away from now on, also from those that were let in by it, and forgets what they wrote: the names of all
   * that went, the first one's first. With `hash` only from the very token that has it.
   */
  readonly remove: (name: string, hash?: string) => Effect.Effect<ReadonlyArray<string>, RelayTokensError>
  /** Bytes that the token has written in all. */
  readonly used: (name: string) => Effect.Effect<number, RelayTokensError>
  /** Counts bytes as written. */
  readonly use: (name: string, bytes: number) => Effect.Effect<void, RelayTokensError>
}

/** @since 0.1.0 @category services */
export class RelayTokens extends Context.Tag("cairn/RelayTokens")<RelayTokens, Service>() {}
