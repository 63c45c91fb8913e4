/**
 * Keys as small objects of a private store: `device_keyset.cbor` (docs/format/core.md §11.4), `identity.txt` (an age
 * identity file), `person.json` (warm seed, cold pointer and the public half of the recovery phrase, in one file so that
 * they always belong together) and `person.next.json` (those of a phrase that is not in force yet). `recovery.json`, the
 * public half alone, is what a device has whose phrase was made by an earlier version.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as ColdPointer from "../schema/ColdPointer.ts"
import * as DeviceKeyset from "../schema/DeviceKeyset.ts"
import * as Did from "../schema/Did.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Envelope from "../services/Envelope.ts"
import * as Keyring from "../services/Keyring.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"

const keysetFile = "device_keyset.cbor"
const identityFile = "identity.txt"
const recoveryFile = "recovery.json"

const personFile = "person.json"
const nextPersonFile = "person.next.json"

const recoveryCodec = Schema.parseJson(Keyring.RecoveryRecipient, { space: 2 })

const Hex = Schema.String.pipe(Schema.pattern(/^([0-9a-f]{2})+$/))
const personCodec = Schema.parseJson(
  Schema.Struct({ warm_seed: Hex, cold_pointer: Hex, recipient: Schema.String, did: Schema.String }),
  { space: 2 }
)

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
      aclKey: PublicKey.unsafeFromBytes(crypto.primitives.ed25519PublicKey(keyset.acl)),
      irohKey: PublicKey.unsafeFromBytes(crypto.primitives.ed25519PublicKey(keyset.iroh)),
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

  /** The keys of a file, if they belong together: the pointer is signed by the DID's key and names the warm one. */
  const personOf = (text: typeof personCodec.Type) =>
    Either.gen(function* () {
      const { primitives } = crypto
      const seed = yield* Bytes.fromHex(text.warm_seed, 32)
      const warm = PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(seed))
      const pointer = yield* RegistryEntry.fromBytes(primitives, yield* Bytes.fromHex(text.cold_pointer))
      const named = yield* ColdPointer.fromEntry(primitives, yield* Did.fromText(text.did), pointer)
      const keys: Keyring.IdentityKeys = {
        warm,
        warmSeed: Redacted.make(seed),
        pointer,
        recovery: new Keyring.RecoveryRecipient({ recipient: text.recipient, did: text.did })
      }
      return Bytes.equals(named.warm, warm) ? keys : undefined
    })

  const person = Effect.fnUntraced(function* (file: string) {
    const bytes = yield* read(file)
    if (bytes === undefined) return undefined
    const problem = damaged(file, "it holds no keys of an identity that belong together")
    const text = yield* Effect.mapError(Schema.decodeUnknown(personCodec)(Bytes.toUtf8(bytes)), problem)
    const keys = yield* Effect.mapError(personOf(text), problem)
    return keys ?? (yield* problem())
  })

  const personBytes = ({ pointer, recovery, warmSeed }: Keyring.IdentityKeys) => {
    const text = Schema.encodeSync(personCodec)({
      warm_seed: Bytes.toHex(Redacted.value(warmSeed)),
      cold_pointer: Bytes.toHex(RegistryEntry.toBytes(pointer)),
      recipient: recovery.recipient,
      did: recovery.did
    })
    return Bytes.fromUtf8(`${text}\n`)
  }

  const write = (file: string, bytes: Uint8Array) =>
    objects.put(file, bytes).pipe(Effect.zipRight(objects.sync), Effect.mapError(failed(file)))

  const identity = person(personFile)

  const recovery = Effect.gen(function* () {
    const keys = yield* identity
    if (keys !== undefined) return keys.recovery
    const bytes = yield* read(recoveryFile)
    if (bytes === undefined) return undefined
    return yield* Effect.mapError(
      Schema.decodeUnknown(recoveryCodec)(Bytes.toUtf8(bytes)),
      damaged(recoveryFile, "it does not name a recovery phrase's public half")
    )
  })

  return {
    device,
    ensureDevice,
    recovery,
    createRecovery: Effect.fnUntraced(function* (recipient) {
      if ((yield* recovery) !== undefined) return false
      const bytes = Bytes.fromUtf8(`${Schema.encodeSync(recoveryCodec)(recipient)}\n`)
      return yield* Effect.mapError(objects.create(recoveryFile, bytes), failed(recoveryFile))
    }),
    identity,
    createIdentity: (keys) => Effect.mapError(objects.create(personFile, personBytes(keys)), failed(personFile)),
    replaceIdentity: (keys) => write(personFile, personBytes(keys)),
    nextIdentity: person(nextPersonFile),
    saveNextIdentity: (keys) => write(nextPersonFile, personBytes(keys)),
    removeNextIdentity: Effect.mapError(objects.remove(nextPersonFile), failed(nextPersonFile))
  } satisfies Keyring.Service
})

/** Keys kept in `objects`. @since 0.1.0 @category layers */
export const layer = (
  objects: ObjectStore.Service
): Layer.Layer<Keyring.Keyring, never, Crypto.Crypto | Envelope.Envelope> =>
  Layer.effect(Keyring.Keyring, make(objects))
