/**
 * A keyring whose device publishes under the key that the configuration names (docs/format/node.md §3.3).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Bytes from "../schema/Bytes.ts"
import type { Config } from "../schema/Config.ts"
import * as Multibase from "../schema/Multibase.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Envelope from "../services/Envelope.ts"
import * as Keyring from "../services/Keyring.ts"
import { identities } from "./IdentityFile.ts"
import * as SecretSource from "./SecretSource.ts"

/** @since 0.1.0 @category models */
export interface Options extends SecretSource.Options {
  readonly config: Pick<Config, "identity" | "key">
}

const seedLength = 32

/** The seed that a key file holds: 32 bytes as they are, or a text of them as hex or base64url. */
const seedOf = (bytes: Uint8Array): Uint8Array | undefined => {
  if (bytes.length === seedLength) return bytes
  const text = (Bytes.toUtf8(bytes) ?? "").trim()
  const hex = /^[0-9a-fA-F]{64}$/.test(text) ? Either.getOrUndefined(Bytes.fromHex(text.toLowerCase())) : undefined
  if (hex !== undefined) return hex
  const base64 = Either.getOrUndefined(Multibase.decode(`u${text}`))
  return base64?.length === seedLength ? base64 : undefined
}

/** `keyring` as it is where the configuration names no key. @since 0.1.0 @category combinators */
export const withIdentity = Effect.fnUntraced(function* (keyring: Keyring.Service, options: Options) {
  const { primitives } = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope
  const { config, resolve } = options
  const { encrypted_with, secret_key, secret_key_file } = config.identity
  if (secret_key === undefined && secret_key_file === undefined) return keyring
  const file = secret_key_file === undefined ? "identity.secret_key" : resolve(secret_key_file)
  const damaged = (detail: string) => new Keyring.KeyringError({ reason: "Damaged", file, detail })
  const unavailable = ({ message }: { readonly message: string }) =>
    new Keyring.KeyringError({ reason: "Unavailable", file, detail: message })

  const fromFile = Effect.gen(function* () {
    const bytes = yield* SecretSource.readBytes(file)
    if (encrypted_with === undefined) return bytes
    const identityFile = config.key[encrypted_with]?.identity_file
    if (identityFile === undefined)
      return yield* damaged(`it is encrypted for [key.${encrypted_with}], which has no identity_file`)
    return yield* envelope.open(yield* identities(resolve(identityFile)), bytes)
  })
  const seed = (
    secret_key === undefined
      ? fromFile
      : Effect.map(SecretSource.read(secret_key, options), (secret) => Bytes.fromUtf8(Redacted.value(secret)))
  ).pipe(
    Effect.mapError((error) => (error instanceof Keyring.KeyringError ? error : unavailable(error))),
    Effect.flatMap((bytes) => {
      const found = seedOf(bytes)
      return found === undefined
        ? damaged("it holds no 32 bytes of key: raw, as hex or as base64url")
        : Effect.succeed(found)
    })
  )
  const published = (device: Effect.Effect<Keyring.DeviceKeys, Keyring.KeyringError>) =>
    Effect.zipWith(device, seed, (keys, signingSeed) => ({
      ...keys,
      signingSeed: Redacted.make(signingSeed),
      publicKey: PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(signingSeed))
    }))
  return {
    ...keyring,
    device: published(keyring.device),
    ensureDevice: published(keyring.ensureDevice)
  } satisfies Keyring.Service
})
