/** Envelopes that keep to who may open them and hide nothing: real ones take their time, and are tested elsewhere. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Envelope from "../../src/services/Envelope.ts"

const known = new Map<string, string>()

const recipientOf = (identity: Redacted.Redacted<string>): string => {
  const text = Redacted.value(identity)
  const recipient = known.get(text) ?? AgeKey.recipient(Either.getOrThrow(AgeKey.identitySeed(text)))
  known.set(text, recipient)
  return recipient
}

const end = "--- "
let sealed = 0

const notForUs = new Envelope.EnvelopeError({ reason: "NotForUs", subject: 1, problem: "sealed for others" })

export const cheap = Envelope.Envelope.of({
  ...EnvelopeAge.make(),
  seal: (recipients, plaintext) =>
    Effect.sync(() => {
      sealed += 1
      const stanzas = recipients.map((recipient) => `-> X25519 ${recipient}\n`).join("")
      return Bytes.concat(Bytes.fromUtf8(`age-encryption.org/v1\n${stanzas}${end}${sealed}\n`), plaintext)
    }),
  open: (identities, ciphertext) => {
    const text = Array.from(ciphertext, (byte) => String.fromCharCode(byte)).join("")
    const at = text.indexOf(`\n${end}`) + 1
    const header = text.slice(0, at)
    if (!identities.some((identity) => header.includes(`-> X25519 ${recipientOf(identity)}\n`))) return notForUs
    return Effect.succeed(ciphertext.slice(text.indexOf("\n", at) + 1))
  }
})
