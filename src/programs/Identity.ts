/**
 * Who a device belongs to: the devices, stores and vaults of one person, kept at every place under the warm key
 * (docs/format/node.md §2.3 to §2.5).
 *
 * What counts is decided by compare-and-swap at the first place; the others get copies (`IdentityCopies`).
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Bytes from "../schema/Bytes.ts"
import * as ColdPointer from "../schema/ColdPointer.ts"
import * as Derivation from "../schema/Derivation.ts"
import type { DeviceCatalogue } from "../schema/DeviceCatalogue.ts"
import * as Did from "../schema/Did.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as Values from "../schema/SpecialVault.ts"
import * as Crypto from "../services/Crypto.ts"
import type * as Envelope from "../services/Envelope.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Places from "../services/Places.ts"
import * as IdentityReading from "./IdentityReading.ts"
import * as Publish from "./Publish.ts"
import * as SpecialVault from "./SpecialVault.ts"

export { IdentityError } from "./IdentityReading.ts"

/** A person's devices, stores and vaults. @since 0.1.0 @category models */
export interface Identity {
  /** The phrase's cold key. */
  readonly did: string
  readonly warm: PublicKey.PublicKey
  /** Devices by label; a label carries no authority. */
  readonly devices: DeviceCatalogue
  /** Stores by name: the JSON of each one's configuration, secrets included. */
  readonly stores: ReadonlyMap<string, Redacted.Redacted<string>>
  readonly vaults: ReadonlyMap<string, Values.VaultEntry>
  /** 32 random bytes that discovery keys are derived from. */
  readonly seed: Redacted.Redacted<Uint8Array>
  /** 0 before the first publication. */
  readonly revisions: { readonly secrets: bigint; readonly config: bigint }
  /** When the newer of both was published, milliseconds since 1970. */
  readonly publishedAt: number | undefined
}

/** What reading or changing an identity needs. @since 0.1.0 @category models */
export type Requirements =
  | Crypto.Crypto
  | Envelope.Envelope
  | IdentityState.IdentityState
  | Keyring.Keyring
  | Places.Places

/** The identity together with what it was read from. @since 0.1.0 @category models */
export interface Loaded {
  readonly keys: Keyring.IdentityKeys
  readonly identity: Identity
  readonly secrets: IdentityReading.Current | undefined
  readonly config: IdentityReading.Current | undefined
  /** One of both names a newer one of the other, which no place has. */
  readonly isOlder: boolean
  /** The place that decides, and what it has; nothing where it does not answer. */
  readonly primary: { readonly secrets: IdentityReading.Reached; readonly config: IdentityReading.Reached } | undefined
  /** Places that were asked and did not answer, with the reason. */
  readonly silent: ReadonlyMap<string, string>
}

/** The entries of secrets that hand over to another warm key. @since 0.1.0 @category conversions */
export const handOver = (next: Keyring.IdentityKeys, devices: DeviceCatalogue): Values.Entries =>
  secretEntries(next, devices, undefined)

/** Where the phrase's successor is found, in the secrets of a warm key that is in force no more. */
const pointerKey = "cold.pointer"
const recipientKey = "paper.recipient"

const damaged = (error: { readonly message: string }) =>
  new IdentityReading.IdentityError({ reason: "Damaged", detail: error.message })

/** A failure of a store or registry as one of the identity. @since 0.1.0 @category conversions */
export const fromFailure = (error: {
  readonly _tag: string
  readonly message: string
  readonly reason?: unknown
}): IdentityReading.IdentityError =>
  error instanceof IdentityReading.IdentityError
    ? error
    : new IdentityReading.IdentityError({
        reason:
          error.reason === "Unavailable" || error.reason === "Unreached" || error.reason === "NotOpened"
            ? "Unreachable"
            : "Damaged",
        detail: error.message
      })

const emptySecrets = (keys: Keyring.IdentityKeys): Values.IdentitySecrets => ({
  warmSeed: keys.warmSeed,
  devices: new Map()
})

/** The keys that the secrets of a replaced warm key hand over, if they are what they say. @since 0.1.0 @category programs */
export const successor = Effect.fnUntraced(function* (secrets: Values.IdentitySecrets, entries: Values.Entries) {
  const { primitives } = yield* Crypto.Crypto
  const replaced = new IdentityReading.IdentityError({
    reason: "Replaced",
    detail: "the recovery phrase was changed on another device, and this one cannot follow; let it join again"
  })
  const [pointerBytes, recipient] = [entries.get(pointerKey), entries.get(recipientKey)]
  if (pointerBytes === undefined || recipient === undefined) return yield* replaced
  const pointer = yield* Effect.mapError(RegistryEntry.fromBytes(primitives, pointerBytes), () => replaced)
  if (pointer.key._tag !== "Vault") return yield* replaced
  const named = yield* Effect.mapError(
    ColdPointer.fromEntry(primitives, pointer.key.publicKey, pointer),
    () => replaced
  )
  const warm = PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(Redacted.value(secrets.warmSeed)))
  if (!Bytes.equals(named.warm, warm)) return yield* replaced
  const keys: Keyring.IdentityKeys = {
    warm,
    warmSeed: secrets.warmSeed,
    pointer,
    recovery: new Keyring.RecoveryRecipient({
      recipient: Bytes.toUtf8(recipient) ?? "",
      did: Did.toText(pointer.key.publicKey)
    })
  }
  return keys
})

/** How an identity is read. @since 0.1.0 @category models */
export interface ReadOptions {
  /** Be content without the place that decides. */
  readonly isOffline?: boolean
  /** Ask the place that decides alone, unless it has less than was seen before. */
  readonly isQuick?: boolean
  /** What opens it beside this device's own: the phrase's, while this device is not listed yet. */
  readonly identities?: ReadonlyArray<Redacted.Redacted<string>>
  /** Go on with lists that name newer ones which no place has; a change then writes both anew. */
  readonly acceptOlder?: boolean
}

const asked = Effect.fnUntraced(function* (keys: Keyring.IdentityKeys, options: ReadOptions) {
  const { primitives } = yield* Crypto.Crypto
  const places = yield* Places.Places
  const names = options.isQuick === true ? places.names.slice(0, 1) : places.names
  const look = (domain: "identitySecrets" | "config") =>
    IdentityReading.ask(names.map(places.open), IdentityReading.streamKey(primitives, keys.warm, domain))
  const [secrets, config] = yield* Effect.all([look("identitySecrets"), look("config")], { concurrency: 2 })
  const [firstSecrets, firstConfig] = [secrets[0], config[0]]
  const primary =
    firstSecrets !== undefined &&
    firstConfig !== undefined &&
    Either.isRight(firstSecrets) &&
    Either.isRight(firstConfig)
      ? { secrets: firstSecrets.right, config: firstConfig.right }
      : undefined
  if (primary === undefined && options.isOffline !== true) {
    const problem = [firstSecrets, firstConfig].find((answer) => answer !== undefined && Either.isLeft(answer))
    return yield* new IdentityReading.IdentityError({
      reason: "Unreachable",
      detail: `store ${places.names[0]}, which decides about devices and vaults, cannot be reached: ${
        problem !== undefined && Either.isLeft(problem) ? problem.left : "no answer"
      }`
    })
  }
  const silent = new Map(
    names.flatMap((name, index) => {
      const problem = [secrets[index], config[index]].find((answer) => answer !== undefined && Either.isLeft(answer))
      return problem !== undefined && Either.isLeft(problem) ? [[name, problem.left] as const] : []
    })
  )
  return { secrets: secrets.filter(Either.isRight), config: config.filter(Either.isRight), primary, silent }
})

const loadOnce = Effect.fnUntraced(function* (keys: Keyring.IdentityKeys, options: ReadOptions) {
  const crypto = yield* Crypto.Crypto
  const keyring = yield* Keyring.Keyring
  const state = yield* IdentityState.IdentityState
  const device = yield* keyring.device
  const answers = yield* asked(keys, options)
  const resolve = (reached: typeof answers.secrets) =>
    IdentityReading.resolve(
      reached.map(({ right }) => right),
      [device.identity, ...(options.identities ?? [])]
    )
  const [secrets, config] = [yield* resolve(answers.secrets), yield* resolve(answers.config)]
  const revisions = { secrets: secrets?.revision ?? 0n, config: config?.revision ?? 0n }
  const warm = Bytes.toHex(keys.warm)
  const seen = yield* state.seen(warm)
  if (seen !== undefined && (seen.secrets > revisions.secrets || seen.config > revisions.config))
    return yield* new IdentityReading.IdentityError({
      reason: "RolledBack",
      detail: `the stores that answer have revision ${revisions.secrets} of the devices and ${revisions.config} of the vaults, but this device has seen ${seen.secrets} and ${seen.config}; connect the store with the newer ones`
    })
  const named = { secrets: Values.namedRevision(config?.entries), config: Values.namedRevision(secrets?.entries) }
  const isOlder = named.secrets > revisions.secrets || named.config > revisions.config
  if (isOlder && options.acceptOlder !== true)
    return yield* new IdentityReading.IdentityError({
      reason: "RolledBack",
      detail: `the stores that answer have revision ${revisions.secrets} of the devices and ${revisions.config} of the vaults, which name ${named.secrets} and ${named.config}; connect the store with the newer ones`
    })
  const secret =
    secrets === undefined ? emptySecrets(keys) : yield* Effect.mapError(Values.toSecrets(secrets.entries), damaged)
  const isReplaced = !Bytes.equals(crypto.primitives.ed25519PublicKey(Redacted.value(secret.warmSeed)), keys.warm)
  if (isReplaced && secrets !== undefined) return { next: yield* successor(secret, secrets.entries) } as const
  const devices = [...secret.devices.values()].map(({ ageRecipient }) => ageRecipient)
  yield* state.saveSeen(new IdentityState.Seen({ warm, ...revisions, devices }))
  const directory: Values.Directory =
    config === undefined
      ? { stores: new Map(), vaults: new Map(), seed: Redacted.make(yield* crypto.randomBytes(32)) }
      : yield* Effect.mapError(Values.toDirectory(config.entries), damaged)
  const identity: Identity = {
    did: keys.recovery.did,
    warm: keys.warm,
    devices: secret.devices,
    ...directory,
    revisions,
    publishedAt: [secrets, config].reduce<number | undefined>((newest, current) => {
      const time = current?.heads[0].publishedAt
      return newest === undefined || (time !== undefined && time > newest) ? time : newest
    }, undefined)
  }
  const loaded: Loaded = { keys, identity, secrets, config, isOlder, primary: answers.primary, silent: answers.silent }
  return { loaded } as const
})

/**
 * The identity with what it was read from; nothing when this device has no warm key. A phrase that was changed on another
 * device is taken over on the way.
 *
 * @since 0.1.0
 * @category programs
 */
export const load = Effect.fn("Identity.load")(function* (options: ReadOptions = {}) {
  const keyring = yield* Keyring.Keyring
  const state = yield* IdentityState.IdentityState
  // as often as a phrase can have been changed since
  for (let turn = 0; turn < 64; turn++) {
    const keys = yield* keyring.identity
    if (keys === undefined) return undefined
    const quick = loadOnce(keys, options)
    const found = yield* Effect.catchIf(
      quick,
      (error) =>
        error instanceof IdentityReading.IdentityError && error.reason === "RolledBack" && options.isQuick === true,
      () => loadOnce(keys, { ...options, isQuick: false })
    )
    if ("loaded" in found) return found.loaded
    // the old words are to lead nowhere at any place, whoever changed them
    yield* state.saveRetired(new IdentityState.Retired({ warm: Bytes.toHex(keys.warm), places: [] }))
    yield* keyring.replaceIdentity(found.next)
  }
  return yield* new IdentityReading.IdentityError({ reason: "Damaged", detail: "the phrase was changed without end" })
})

/**
 * The newest identity that the places have, never older than this device has seen; nothing when it has no warm key. Without
 * the place that decides it fails (`Unreachable`), unless `isOffline` says that what else is there will do.
 *
 * @since 0.1.0
 * @category programs
 */
export const read = Effect.fn("Identity.read")(function* (options: ReadOptions = {}) {
  return (yield* load(options))?.identity
})

const sameEntries = (a: Values.Entries | undefined, b: Values.Entries): boolean => {
  if (a === undefined || a.size !== b.size) return false
  for (const [key, bytes] of b) {
    const other = a.get(key)
    if (other === undefined || !Bytes.equals(other, bytes)) return false
  }
  return true
}

/** For whom the identity's own secrets are sealed: every device, and the phrase. @since 0.1.0 @category accessors */
export const recipientsOf = (identity: Pick<Identity, "devices">, recovery: Keyring.RecoveryRecipient) => [
  ...new Set([...[...identity.devices.values()].map(({ ageRecipient }) => ageRecipient), recovery.recipient])
]

/** The entries without what they say of the other vault, which is no reason to write anything. */
const withoutNamed = (entries: Values.Entries): Values.Entries =>
  new Map([...entries].filter(([key]) => key !== Values.namedRevisionKey))

/** Somebody else changed it first. @since 0.1.0 @category errors */
export class Lost extends Data.TaggedError("Lost") {}

/**
 * Publishes a special vault at the place that decides, unless that has it so already: whether it wrote. `Lost` when somebody
 * else was there first.
 *
 * @since 0.1.0
 * @category programs
 */
export const settle = Effect.fnUntraced(function* (
  keys: Keyring.IdentityKeys,
  domain: "identitySecrets" | "config",
  current: IdentityReading.Current | undefined,
  at: IdentityReading.Reached,
  wanted: {
    readonly entries: Values.Entries
    readonly recipients: ReadonlyArray<string>
    /** It is sealed for others now. */
    readonly isForOthers: boolean
    /** The revision of the other special vault. */
    readonly named: bigint
  }
) {
  const { primitives } = yield* Crypto.Crypto
  const head = current?.heads[0]
  const isAsWanted =
    head !== undefined &&
    !wanted.isForOthers &&
    current?.heads.length === 1 &&
    sameEntries(withoutNamed(current.entries), withoutNamed(wanted.entries)) &&
    head.recipientCount === wanted.recipients.length
  const isHere = at.entries.some(({ hash }) => head !== undefined && Bytes.equals(hash, head.hash))
  if (isAsWanted && isHere) return false
  const hash = yield* SpecialVault.write(at.place.blobs, Values.withNamedRevision(wanted.entries, wanted.named), {
    recipients: wanted.recipients,
    before: current?.heads ?? []
  })
  const entry = yield* RegistryEntry.sign(primitives, Redacted.value(keys.warmSeed), {
    vaultId: Derivation.wellKnownVaultId(primitives, Derivation.wellKnownDomain[domain]),
    revision: (current?.revision ?? 0n) + 1n,
    hash
  })
  const outcome = yield* at.place.registry.set(entry, at.entries)
  if (outcome._tag === "Lost") return yield* new Lost()
  return true
})

/** The entries of `identity_secrets` for an identity, with what a device needs that did not see the words. @since 0.1.0 @category conversions */
export const secretEntries = (
  keys: Keyring.IdentityKeys,
  devices: DeviceCatalogue,
  known: Values.Entries | undefined
): Values.Entries =>
  Values.fromSecrets(
    { warmSeed: keys.warmSeed, devices },
    new Map([
      ...(known ?? []),
      [pointerKey, RegistryEntry.toBytes(keys.pointer)],
      [recipientKey, Bytes.fromUtf8(keys.recovery.recipient)]
    ])
  )

/** Whether the same change may be tried again: contention, or a store that is away for a moment. @since 0.1.0 @category predicates */
export const heals = (error: { readonly _tag: string; readonly reason?: unknown }): boolean =>
  error._tag === "Lost" || error.reason === "Unavailable" || error.reason === "Unreached"

/** As `update`, and answers what was read last as well. @since 0.1.0 @category programs */
export const change = Effect.fn("Identity.change")(function* (
  change: (identity: Identity) => Identity,
  options: Pick<ReadOptions, "acceptOlder" | "identities"> = {}
) {
  const attempt = Effect.gen(function* () {
    // what was written is looked at once more: nobody may have put the devices of before in its place
    for (let turn = 0; turn < Publish.maxAttempts; turn++) {
      const loaded = yield* load(options)
      if (loaded === undefined)
        return yield* new IdentityReading.IdentityError({
          reason: "NotForUs",
          detail: "this device belongs to no identity yet; `cairn init` makes one"
        })
      const { config, isOlder, keys, primary, secrets } = loaded
      if (primary === undefined) return yield* new Lost()
      const wanted = change(loaded.identity)
      const recipients = recipientsOf(wanted, keys.recovery)
      const before = new Set(recipientsOf(loaded.identity, keys.recovery))
      const isForOthers = isOlder || before.size !== recipients.length || recipients.some((one) => !before.has(one))
      // the devices come last: they are in force when everything is sealed for them
      const wroteConfig = yield* settle(keys, "config", config, primary.config, {
        entries: Values.fromDirectory(wanted, config?.entries),
        recipients,
        isForOthers,
        named: loaded.identity.revisions.secrets
      })
      const wroteSecrets = yield* settle(keys, "identitySecrets", secrets, primary.secrets, {
        entries: secretEntries(keys, wanted.devices, secrets?.entries),
        recipients,
        isForOthers,
        named: loaded.identity.revisions.config + (wroteConfig ? 1n : 0n)
      })
      if (!wroteConfig && !wroteSecrets) return loaded
    }
    return yield* new Lost()
  })
  return yield* attempt.pipe(
    Effect.retry({ schedule: Publish.backoff, while: heals }),
    Effect.catchIf(
      (error): error is Lost => error instanceof Lost,
      () =>
        new IdentityReading.IdentityError({
          reason: "Contended",
          detail: "others changed it again and again meanwhile; nothing was lost, run it again"
        })
    )
  )
})

/**
 * Changes the identity: `change` is given what it is now and answers what it is to be, and is asked again when somebody else
 * changed it meanwhile, so it must be about what it adds or removes and not about the rest. Ends when the place that decides
 * has it; the other places follow (`IdentityCopies.spread`).
 *
 * @since 0.1.0
 * @category programs
 */
export const update = Effect.fn("Identity.update")(function* (
  next: (identity: Identity) => Identity,
  options: Pick<ReadOptions, "acceptOlder" | "identities"> = {}
) {
  return (yield* change(next, options)).identity
})

/**
 * Whom everything is sealed for: the devices of the newest list that this device can have, and the phrase. Nothing for a
 * device that belongs to no identity. Without the place that decides it fails, unless this device was the only one when the
 * list was seen last: there is nobody then who may have been removed since.
 *
 * @since 0.1.0
 * @category programs
 */
export const recipients = Effect.fn("Identity.recipients")(function* () {
  const loaded = yield* Effect.either(load({ isQuick: true }))
  if (Either.isRight(loaded)) {
    const found = loaded.right
    return found === undefined ? undefined : recipientsOf(found.identity, found.keys.recovery)
  }
  const { left } = loaded
  if (!(left instanceof IdentityReading.IdentityError) || left.reason !== "Unreachable") return yield* left
  const keyring = yield* Keyring.Keyring
  const [keys, { recipient }] = [yield* keyring.identity, yield* keyring.device]
  const seen = keys === undefined ? undefined : yield* (yield* IdentityState.IdentityState).seen(Bytes.toHex(keys.warm))
  const isAlone = seen?.devices?.every((one) => one === recipient) === true
  return isAlone && keys !== undefined ? [recipient, keys.recovery.recipient] : yield* left
})
