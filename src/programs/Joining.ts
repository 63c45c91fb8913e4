/**
 * What follows when two devices have come together: the inviting one lets the other in, and that one takes the vaults.
 *
 * Each step may be run again after an interruption, and does nothing where it was done.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as ColdPointer from "../schema/ColdPointer.ts"
import type * as DeviceCatalogue from "../schema/DeviceCatalogue.ts"
import * as Did from "../schema/Did.ts"
import type * as Message from "../schema/PairingMessage.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import type { VaultEntry } from "../schema/SpecialVault.ts"
import * as VaultId from "../schema/VaultId.ts"
import * as Crypto from "../services/Crypto.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Places from "../services/Places.ts"
import * as VaultState from "../services/VaultState.ts"
import * as AdoptVault from "./AdoptVault.ts"
import * as Devices from "./Devices.ts"
import * as Identity from "./Identity.ts"
import * as IdentityChanges from "./IdentityChanges.ts"
import * as IdentityCopies from "./IdentityCopies.ts"
import * as IdentitySealing from "./IdentitySealing.ts"
import type * as Pairing from "./Pairing.ts"
import * as Peer from "./Peer.ts"
import * as Pull from "./Pull.ts"
import * as Rekey from "./Rekey.ts"
import * as Vault from "./Vault.ts"

/**
 * A device cannot be let in, or cannot come in.
 *
 * - `NoIdentity`: the inviting device belongs to nobody yet.
 * - `OtherIdentity`: this device belongs to somebody already.
 * - `Damaged`: what was handed over does not fit together.
 *
 * @since 0.1.0
 * @category errors
 */
export class JoiningError extends Schema.TaggedError<JoiningError>()("JoiningError", {
  reason: Schema.Literal("NoIdentity", "OtherIdentity", "Damaged"),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** What letting a device in came to. @since 0.1.0 @category models */
export interface Admitted {
  readonly grant: Message.Grant
  /** How many snapshots were sealed anew, by vault. */
  readonly resealed: ReadonlyMap<string, number>
  /** What could not be done, and is tried again by the next backup. */
  readonly problems: ReadonlyArray<string>
}

/** The keys of the identity that this device belongs to. @since 0.1.0 @category programs */
export const identityKeys = Effect.gen(function* () {
  const keyring = yield* Keyring.Keyring
  const keys = yield* keyring.identity
  if (keys === undefined)
    return yield* new JoiningError({
      reason: "NoIdentity",
      detail: "this device has no recovery phrase yet, so there is nothing another could join: `cairn init` first"
    })
  return keys
})

/** A token of its own for every place that gives such; without one the device goes by what the identity says of the store. */
const tokensFor = Effect.fnUntraced(function* (label: string, device: string) {
  const places = yield* Places.Places
  const tokens = new Map<string, string>()
  const problems: Array<string> = []
  for (const name of places.names) {
    const place = yield* Effect.either(places.open(name))
    if (Either.isLeft(place) || place.right.delegate === undefined) continue
    const token = yield* Effect.either(place.right.delegate({ name: label, mayDelegate: true, device }))
    if (Either.isRight(token)) tokens.set(name, Redacted.value(token.right))
    else problems.push(`${token.left.message}; the new device uses this one's`)
  }
  return { tokens, problems }
})

/**
 * Lets a device in: it is listed, the list is brought to every place, and all snapshots of all vaults are sealed for it too,
 * oldest first, so that it can open the first one.
 *
 * @since 0.1.0
 * @category programs
 */
export const admit = Effect.fn("Joining.admit")(function* (host: string, device: DeviceCatalogue.DeviceKeys) {
  const state = yield* VaultState.VaultState
  const keys = yield* identityKeys
  const identity = yield* Identity.update(IdentityChanges.addDevice(host, device))
  const label = IdentityChanges.labelFor(identity, device.signing)
  if (label === undefined) return yield* new JoiningError({ reason: "Damaged", detail: "the device was not listed" })
  const problems = (yield* IdentityCopies.spread()).map(({ place, problem }) => `store ${place}: ${problem}`)
  const resealed = new Map<string, number>()
  const recipients = Identity.recipientsOf(identity, keys.recovery)
  for (const name of yield* state.vaults) {
    const done = yield* Effect.either(IdentitySealing.seal(name, recipients))
    if (Either.isRight(done)) resealed.set(name, done.right)
    // nothing is lost: the next backup of the vault seals it anew
    else problems.push(`vault ${name} is not sealed for it yet, the next backup does that: ${done.left.message}`)
  }
  const given = yield* tokensFor(label, Bytes.toHex(device.signing))
  const admitted: Admitted = {
    grant: {
      label,
      warmSeed: Redacted.value(keys.warmSeed),
      pointer: RegistryEntry.toBytes(keys.pointer),
      recovery: keys.recovery.recipient,
      tokens: given.tokens
    },
    resealed,
    problems: [...problems, ...given.problems]
  }
  return admitted
})

/** Refuses a device that belongs to somebody already. @since 0.1.0 @category programs */
export const refuseOther = Effect.gen(function* () {
  const keyring = yield* Keyring.Keyring
  const known = (yield* keyring.identity)?.recovery ?? (yield* keyring.recovery)
  if (known !== undefined)
    return yield* new JoiningError({
      reason: "OtherIdentity",
      detail: `this device belongs to ${known.did} already; join with an empty one (CAIRN_HOME=FOLDER)`
    })
})

/** The keys of what was handed over, if it fits together: the cold key's entry has to name the warm key. */
const keysOf = Effect.fnUntraced(function* ({ did, grant }: Pick<Pairing.Joined, "did" | "grant">) {
  const { primitives } = yield* Crypto.Crypto
  const damaged = (error: { readonly message: string }) =>
    new JoiningError({ reason: "Damaged", detail: `what the other device handed over does not fit: ${error.message}` })
  const cold = yield* Effect.mapError(Did.fromText(did), damaged)
  const pointer = yield* Effect.mapError(RegistryEntry.fromBytes(primitives, grant.pointer), damaged)
  const { warm } = yield* Effect.mapError(ColdPointer.fromEntry(primitives, cold, pointer), damaged)
  if (!Bytes.equals(primitives.ed25519PublicKey(grant.warmSeed), warm))
    return yield* damaged({ message: "the identity's key is another than its entry names" })
  const recovery = new Keyring.RecoveryRecipient({ recipient: grant.recovery, did: Did.toText(cold) })
  const keys: Keyring.IdentityKeys = { warm, warmSeed: Redacted.make(grant.warmSeed), pointer, recovery }
  return keys
})

/** The keyring with these keys of an identity, which end with it. */
const holding = (keyring: Keyring.Service, keys: Keyring.IdentityKeys): Keyring.Service => {
  let held = keys
  return {
    ...keyring,
    identity: Effect.sync(() => held),
    replaceIdentity: (next) =>
      Effect.sync(() => {
        held = next
      })
  }
}

/**
 * Becomes one of the person's devices, once what was handed over fits together: `adopt` takes the stores of the identity as
 * `place` has it, and only then are its keys kept. Whoever was cut off before may join again with another code; afterwards
 * nothing is missing that could not be taken later.
 *
 * @since 0.1.0
 * @category programs
 */
export const enter = Effect.fn("Joining.enter")(function* <E, R>(
  joined: Pick<Pairing.Joined, "did" | "grant">,
  place: Places.Place,
  adopt: (identity: Identity.Identity) => Effect.Effect<void, E, R>
) {
  const keyring = yield* Keyring.Keyring
  const keys = yield* keysOf(joined)
  yield* keyring.ensureDevice
  // the configuration does not know the store yet
  const here: Places.Service = { names: [place.name], withTokens: [], open: () => Effect.succeed(place) }
  const identity = yield* Identity.read().pipe(
    Effect.provideService(Places.Places, here),
    Effect.provideService(Keyring.Keyring, holding(keyring, keys))
  )
  if (identity === undefined)
    return yield* new JoiningError({ reason: "Damaged", detail: "nothing of the identity is there" })
  yield* adopt(identity)
  if (!(yield* keyring.createIdentity(keys))) yield* refuseOther
  return identity
})

/** What became of a vault. @since 0.1.0 @category models */
export interface Taken {
  /** What it is called here. */
  readonly name: string
  readonly result: Pull.Result
  /** Devices whose head cannot be read, with the reason. */
  readonly problems: ReadonlyArray<string>
}

/** A device that may have published a vault. @since 0.1.0 @category models */
export type Holder = Pick<DeviceCatalogue.DeviceKeys, "signing">

/**
 * Takes a vault of the identity on this device: its keys, from what any device published, and the merge of all heads as the
 * own head. Nothing where nobody published it where this device can read it. The keys of `former` devices, which were removed,
 * are taken only where no other has any: they may be ones that were made up meanwhile.
 *
 * @since 0.1.0
 * @category programs
 */
export const takeVault = Effect.fn("Joining.takeVault")(function* (
  name: string,
  entry: VaultEntry,
  devices: Iterable<readonly [label: string, Holder]>,
  former: Iterable<readonly [label: string, Holder]> = []
) {
  const keyring = yield* Keyring.Keyring
  const own = yield* keyring.device
  const [first, ...rest] = yield* Devices.reachable
  const problems: Array<string> = []
  if (first === undefined) return { problems, taken: undefined }
  const load = Effect.fnUntraced(function* (holders: Iterable<readonly [label: string, Holder]>) {
    const heads: Array<Peer.Loaded> = []
    for (const [label, { signing }] of holders) {
      const publicKey = PublicKey.fromBytes(signing)
      if (Either.isLeft(publicKey) || Bytes.equals(signing, own.publicKey)) continue
      const loaded = yield* Effect.either(
        Peer.load({
          name: `${name} of ${label}`,
          publicKey: publicKey.right,
          vaultId: entry.vaultId,
          registry: Peer.newestOf([first.registry, ...rest.map((place) => place.registry)]),
          blobs: Peer.firstOf([first.blobs, ...rest.map((place) => place.blobs)]),
          identities: [own.identity],
          atLeast: 0n
        })
      )
      if (Either.isLeft(loaded)) problems.push(`device ${label}: ${loaded.left.message}`)
      else if (loaded.right.head !== undefined) heads.push(loaded.right)
    }
    return heads
  })
  const [listed, gone] = [yield* load(devices), yield* load(former)]
  const heads = [...listed, ...gone]
  const newest = (all: ReadonlyArray<Peer.Loaded>) => Rekey.newest(all.flatMap(({ head }) => head ?? []))
  const node = (newest(listed) ?? newest(gone))?.node
  if (node === undefined) return { problems, taken: undefined }
  const adopted = yield* AdoptVault.adopt(name, entry.vaultId, node)
  const result = yield* Pull.pull(yield* Vault.open(adopted.name), heads)
  const taken: Taken = { name: adopted.name, result, problems }
  return { problems, taken }
})

/** The devices that were removed before what they published of the vault was taken in: nobody else may have it. */
const untaken = Effect.fnUntraced(function* (vaultId: VaultId.VaultId) {
  const state = yield* IdentityState.IdentityState
  return (yield* state.removed).flatMap(({ device, label, vaults = [] }) => {
    const isDue = vaults.some(({ id, lacksContent }) => lacksContent && id === VaultId.toHex(vaultId))
    const signing = PublicKey.fromHex(device)
    return isDue && Either.isRight(signing) ? [[label, { signing: signing.right }] as const] : []
  })
})

/**
 * Takes those vaults of the identity that this device has not yet, or the one of that name: they came after it joined, or
 * could not be read then. One that cannot be read now is in the problems.
 *
 * @since 0.1.0
 * @category programs
 */
export const takeMissing = Effect.fn("Joining.takeMissing")(function* (wanted?: string) {
  const taken: Array<Taken> = []
  const problems: Array<string> = []
  const keyring = yield* Keyring.Keyring
  if ((yield* keyring.identity) === undefined) return { taken, problems }
  const identity = yield* Identity.read({ isOffline: true })
  for (const [name, entry] of identity?.vaults ?? []) {
    if (wanted !== undefined && name !== wanted) continue
    if ((yield* AdoptVault.find(entry.vaultId)) !== undefined) continue
    // another device may go by the name that a removed one had
    const found = yield* takeVault(name, entry, identity?.devices ?? [], yield* untaken(entry.vaultId))
    if (found.taken !== undefined) taken.push(found.taken)
    else problems.push(...found.problems.map((problem) => `vault ${name}: ${problem}`))
    if (wanted !== undefined && found.taken === undefined && found.problems.length === 0)
      problems.push(`vault ${name}: none of your devices has published it where this one can read it`)
  }
  return { taken, problems }
})
