/**
 * Envelopes by the `age-encryption` library: binary age v1, X25519 only (docs/format/node.md §0.3).
 *
 * @since 0.1.0
 */
import { x25519 } from "@noble/curves/ed25519.js"
import { bech32 } from "@scure/base"
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient, type Stanza } from "age-encryption"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Bytes from "../schema/Bytes.ts"
import { Envelope, EnvelopeError } from "../services/Envelope.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** The largest plaintext sealed and the largest envelope opened, in bytes; 64 MiB unless given. */
  readonly maxBytes?: number
}

// each stanza costs each identity a multiplication on the curve
const maxStanzas = 1024

const fail = (reason: EnvelopeError["reason"], subject: string | number, problem: string) =>
  new EnvelopeError({ reason, subject, problem })

/** The 32 bytes that a Bech32 text holds, or what is wrong with it; never a message of the decoder, which quotes it. */
const decodeKey = (text: string, start: string, prefix: string): Either.Either<Uint8Array, string> => {
  if (!text.startsWith(start)) return Either.left(`it does not begin with ${start}`)
  const decoded = Either.try({ try: () => bech32.decodeToBytes(text), catch: () => "it is not valid Bech32" })
  return Either.filterOrLeft(
    Either.filterOrLeft(
      decoded,
      (key) => key.prefix.toLowerCase() === prefix,
      () => `its type is not ${prefix}`
    ).pipe(Either.map((key) => key.bytes)),
    (bytes) => bytes.length === 32,
    (bytes) => `it holds ${bytes.length} bytes instead of 32`
  )
}

const anyScalar = new Uint8Array(32).fill(1)

const checkRecipient = (recipient: string): Either.Either<void, EnvelopeError> =>
  decodeKey(recipient, "age1", "age").pipe(
    Either.flatMap((point) =>
      // multiplying a point of small order gives zero, which the library throws at
      Either.try({ try: () => void x25519.scalarMult(anyScalar, point), catch: () => "its point is of small order" })
    ),
    Either.mapLeft((problem) =>
      // the two kinds of text are easily mistaken for each other, and errors are logged
      /age-secret-key-/i.test(recipient)
        ? fail("BadRecipient", "AGE-SECRET-KEY-…", "it is an identity, which is a secret")
        : fail("BadRecipient", recipient, problem)
    )
  )

const checkIdentity = (identity: string, index: number): Either.Either<void, EnvelopeError> =>
  decodeKey(identity, "AGE-SECRET-KEY-1", "age-secret-key-").pipe(
    Either.map(() => undefined),
    Either.mapLeft((problem) => fail("BadIdentity", index + 1, problem))
  )

const version = Bytes.fromUtf8("age-encryption.org/v1\n")
const armor = Bytes.fromUtf8("-----BEGIN AGE")

const checkStart = (ciphertext: Uint8Array): Either.Either<void, EnvelopeError> => {
  if (Bytes.equals(ciphertext.subarray(0, version.length), version)) return Either.right(undefined)
  const armored = Bytes.equals(ciphertext.subarray(0, armor.length), armor)
  return Either.left(
    fail("Malformed", 0, armored ? "it is armored text" : "it does not begin with age-encryption.org/v1")
  )
}

const streamOf = (bytes: Uint8Array): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start: (controller) => {
      controller.enqueue(bytes)
      controller.close()
    }
  })

/** What the library would do with bytes instead of a stream, but for its way through `Response`: loading that takes longer than an envelope. */
const collected = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array> => {
  const reader = stream.getReader()
  const parts: Array<Uint8Array> = []
  for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value)
  return Bytes.concat(...parts)
}

const seal = (recipients: ReadonlyArray<string>, plaintext: Uint8Array, maxBytes: number) =>
  Effect.gen(function* () {
    if (recipients.length === 0) return yield* fail("NoRecipients", 0, "the list of recipients is empty")
    if (recipients.length > maxStanzas) {
      const problem = `${recipients.length} recipients where ${maxStanzas} are allowed`
      return yield* fail("TooLarge", recipients.length, problem)
    }
    for (const recipient of recipients) yield* checkRecipient(recipient)
    if (plaintext.length > maxBytes) {
      return yield* fail("TooLarge", plaintext.length, `${plaintext.length} bytes where ${maxBytes} are allowed`)
    }
    const encrypter = new Encrypter()
    for (const recipient of recipients) encrypter.addRecipient(recipient)
    // with checked recipients nothing but a broken platform can fail here
    return yield* Effect.promise(async () => collected(await encrypter.encrypt(streamOf(plaintext))))
  })

const open = (identities: ReadonlyArray<Redacted.Redacted<string>>, ciphertext: Uint8Array, maxBytes: number) =>
  Effect.gen(function* () {
    if (identities.length === 0) return yield* fail("NoIdentities", 0, "the list of identities is empty")
    const texts = identities.map(Redacted.value)
    for (const [index, text] of texts.entries()) yield* checkIdentity(text, index)
    if (ciphertext.length > maxBytes) {
      return yield* fail("TooLarge", ciphertext.length, `${ciphertext.length} bytes where ${maxBytes} are allowed`)
    }
    yield* checkStart(ciphertext)
    let noneFits = false
    const decrypter = new Decrypter()
    // the library asks its identities in order: the first of these sees every header, the last one only what fits none
    decrypter.addIdentity({
      unwrapFileKey: (stanzas: Array<Stanza>) => {
        if (stanzas.length > maxStanzas)
          throw new Error(`it has ${stanzas.length} stanzas where ${maxStanzas} are allowed`)
        if (stanzas.some((stanza) => stanza.args[0] === "scrypt")) throw new Error("it is sealed with a passphrase")
        return null
      }
    })
    for (const text of texts) decrypter.addIdentity(text)
    decrypter.addIdentity({
      unwrapFileKey: () => {
        noneFits = true
        return null
      }
    })
    return yield* Effect.tryPromise({
      try: async () => collected(await decrypter.decrypt(streamOf(ciphertext))),
      catch: (cause) =>
        noneFits
          ? fail("NotForUs", texts.length, "no stanza is for any of them")
          : fail("Malformed", 0, cause instanceof Error ? cause.message : "it does not decrypt")
    })
  })

const recipientOf = (identity: Redacted.Redacted<string>) =>
  Effect.gen(function* () {
    const text = Redacted.value(identity)
    yield* checkIdentity(text, 0)
    return yield* Effect.promise(() => identityToRecipient(text))
  })

/** @since 0.1.0 @category constructors */
export const make = ({ maxBytes = 64 * 1024 * 1024 }: Options = {}) =>
  Envelope.of({
    seal: (recipients, plaintext) => seal(recipients, plaintext, maxBytes),
    open: (identities, ciphertext) => open(identities, ciphertext, maxBytes),
    generateIdentity: Effect.promise(async () => {
      const identity = await generateX25519Identity()
      return { identity: Redacted.make(identity), recipient: await identityToRecipient(identity) }
    }),
    recipientOf
  })

/** @since 0.1.0 @category layers */
export const layer = (options: Options = {}): Layer.Layer<Envelope> => Layer.succeed(Envelope, make(options))
