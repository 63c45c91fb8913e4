/**
 * Cryptography that is quick and proves nothing: hashes are real, a signature is a hash that anybody could make, an
 * envelope is open. What it does keep: one bit of a message changed, and the signature does not verify.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import type { Primitives } from "../../src/schema/Primitives.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Envelope from "../../src/services/Envelope.ts"
import * as Keyring from "../../src/services/Keyring.ts"
import type { Dice } from "./Dice.ts"

const { implementation, primitives: real } = await Effect.runPromise(CryptoAuto.make())

const publicKeyOf = (seed: Uint8Array) => real.blake3(Bytes.concat(Bytes.fromUtf8("public key"), seed))

const signatureOf = (publicKey: Uint8Array, message: Uint8Array) => {
  const half = real.blake3(Bytes.concat(publicKey, message))
  return Bytes.concat(half, half)
}

export const primitives: Primitives = {
  ...real,
  ed25519PublicKey: publicKeyOf,
  ed25519Sign: (seed, message) => signatureOf(publicKeyOf(seed), message),
  ed25519Verify: (publicKey, message, signature) => Bytes.equals(signatureOf(publicKey, message), signature)
}

const bytesOf = (dice: Dice, length: number) => Uint8Array.from({ length }, () => dice.below(256))

/** The service, its randomness taken from `dice`. */
export const crypto = (dice: Dice) =>
  Crypto.Crypto.of({
    primitives,
    randomBytes: (length) => Effect.sync(() => bytesOf(dice, length)),
    implementation
  })

const seal = Bytes.fromUtf8("sealed: ")
const nonceLength = 8

/** What an envelope holds, or nothing when it is none. */
export const opened = (sealed: Uint8Array): Uint8Array | undefined =>
  sealed.length >= seal.length + nonceLength && Bytes.equals(sealed.subarray(0, seal.length), seal)
    ? sealed.subarray(seal.length + nonceLength)
    : undefined

/** The service; sealing the same thing twice gives different bytes, as with the real one. */
export const envelope = (dice: Dice) =>
  Envelope.Envelope.of({
    seal: (_, plaintext) => Effect.sync(() => Bytes.concat(seal, bytesOf(dice, nonceLength), plaintext)),
    open: (_, sealed) =>
      Effect.suspend(() => {
        const plaintext = opened(sealed)
        return plaintext === undefined
          ? new Envelope.EnvelopeError({ reason: "Malformed", subject: "", problem: "it is not sealed" })
          : Effect.succeed(plaintext)
      }),
    generateIdentity: Effect.die("no identity is made in a simulation"),
    recipientOf: () => Effect.succeed("everybody")
  })

const signingSeed = new Uint8Array(32).fill(7)

/** The one device all writers run on: they publish under one key. */
export const device: Keyring.DeviceKeys = {
  publicKey: PublicKey.unsafeFromBytes(publicKeyOf(signingSeed)),
  signingSeed: Redacted.make(signingSeed),
  identity: Redacted.make("anybody"),
  recipient: "everybody",
  aclKey: PublicKey.unsafeFromBytes(publicKeyOf(signingSeed)),
  irohKey: PublicKey.unsafeFromBytes(publicKeyOf(signingSeed))
}

export const keyring = Keyring.Keyring.of({
  device: Effect.succeed(device),
  ensureDevice: Effect.succeed(device),
  recovery: Effect.succeed(undefined),
  createRecovery: () => Effect.succeed(false),
  identity: Effect.succeed(undefined),
  createIdentity: () => Effect.succeed(false),
  replaceIdentity: () => Effect.void,
  nextIdentity: Effect.succeed(undefined),
  saveNextIdentity: () => Effect.void,
  removeNextIdentity: Effect.void
})
