/**
 * Keys as small objects of a private store: `device_keyset.cbor` (docs/format/core.md §11.4), `identity.txt` (an age
 * identity file) and `recovery.json` (the public half of the recovery phrase). Each is created once and never replaced.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as DeviceKeyset from "../schema/DeviceKeyset.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Envelope from "../services/Envelope.ts"
import * as Keyring from "../services/Keyring.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"

const keysetFile = "device_keyset.cbor"
const identityFile = "identity.txt"
const recoveryFile = "recovery.json"

const recoveryCodec = Schema.parseJson(Keyring.RecoveryRecipient, { space: 2 })

const failed = (file: string) => (error: ObjectStore.ObjectStoreError) =>
  new Keyring.KeyringError({ reason: "Unavailable", file, detail: error.detail })

const damaged = (file: string, detail: string) => () =>
  new Keyring.KeyringError({ reason: "Damaged", file, detail: `${detail}; bring it back from a copy` })

/** Keys kept in `objects`, which must be private to this user. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service) {
  const crypto = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope

  const read = (file: string) =>
    objects.get(file).pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchIf(
        (error) => error.reason === "NotFound",
        // nothing is lost: "there is none" is the answer that was asked for
        () => Effect.succeed(undefined)
      ),
      Effect.mapError(failed(file))
    )

  const fromFiles = Effect.fnUntraced(function* (keysetBytes: Uint8Array, identityBytes: Uint8Array) {
    const keyset = yield* Effect.mapError(
      DeviceKeyset.decode(keysetBytes),
      damaged(keysetFile, "it is no device keyset")
    )
    const lines = (Bytes.toUtf8(identityBytes) ?? "").split(/\r?\n/)
    const line = lines.find((text) => text.startsWith("AGE-SECRET-KEY-"))
    if (line === undefined) return yield* Effect.fail(damaged(identityFile, "it holds no age identity")())
    const identity = Redacted.make(line.trim())
    const keys: Keyring.DeviceKeys = {
      publicKey: PublicKey.unsafeFromBytes(crypto.primitives.ed25519PublicKey(keyset.sign)),
      signingSeed: Redacted.make(keyset.sign),
      identity,
      recipient: yield* Effect.mapError(
        envelope.recipientOf(identity),
        damaged(identityFile, "its age identity is not valid")
      )
    }
    return keys
  })

  const device = Effect.gen(function* () {
    const keyset = yield* read(keysetFile)
    const identity = yield* read(identityFile)
    if (keyset === undefined || identity === undefined)
      return yield* new Keyring.KeyringError({
        reason: "Missing",
        file: keyset === undefined ? keysetFile : identityFile,
        detail: "this device has no keys yet; the first `cairn backup` or `cairn init` makes them"
      })
    return yield* fromFiles(keyset, identity)
  })

  const ensureDevice = Effect.gen(function* () {
    const seed = crypto.randomBytes(32)
    if ((yield* read(keysetFile)) === undefined) {
      const keyset = DeviceKeyset.encode({ iroh: yield* seed, sign: yield* seed, acl: yield* seed })
      yield* Effect.mapError(objects.create(keysetFile, keyset), failed(keysetFile))
    }
    if ((yield* read(identityFile)) === undefined) {
      const made = yield* envelope.generateIdentity
      const text = `# cairn: this device's age identity; whoever has it can read its vaults\n# public key: ${made.recipient}\n${Redacted.value(made.identity)}\n`
      yield* Effect.mapError(objects.create(identityFile, Bytes.fromUtf8(text)), failed(identityFile))
    }
    // read back: whoever came second uses what the first made
    return yield* device
  })

  return {
    device,
    ensureDevice,
    recovery: Effect.flatMap(read(recoveryFile), (bytes) =>
      bytes === undefined
        ? Effect.succeed(undefined)
        : Effect.mapError(
            Schema.decodeUnknown(recoveryCodec)(Bytes.toUtf8(bytes)),
            damaged(recoveryFile, "it does not name a recovery phrase's public half")
          )
    ),
    createRecovery: (recovery) =>
      Effect.mapError(
        objects.create(recoveryFile, Bytes.fromUtf8(`${Schema.encodeSync(recoveryCodec)(recovery)}\n`)),
        failed(recoveryFile)
      )
  } satisfies Keyring.Service
})

/** Keys kept in `objects`. @since 0.1.0 @category layers */
export const layer = (
  objects: ObjectStore.Service
): Layer.Layer<Keyring.Keyring, never, Crypto.Crypto | Envelope.Envelope> =>
  Layer.effect(Keyring.Keyring, make(objects))
