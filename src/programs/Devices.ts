/**
 * The devices of this device's person, and what each of them published of a vault.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as VaultId from "../schema/VaultId.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Places from "../services/Places.ts"
import type * as Registry from "../services/Registry.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Head from "./Head.ts"
import * as Identity from "./Identity.ts"
import * as IdentityChanges from "./IdentityChanges.ts"
import * as IdentityCopies from "./IdentityCopies.ts"
import * as Peer from "./Peer.ts"
import * as Pull from "./Pull.ts"
import * as Rekey from "./Rekey.ts"
import * as RelayWithdrawal from "./RelayWithdrawal.ts"
import * as Vault from "./Vault.ts"

/** Another device that may publish a vault. @since 0.1.0 @category models */
export interface Device {
  /** What the identity calls it. */
  readonly label: string
  /** The key that it publishes under. */
  readonly publicKey: PublicKey.PublicKey
}

/** Every place that can be opened now. @since 0.1.0 @category programs */
export const reachable = Effect.gen(function* () {
  const { names, open } = yield* Places.Places
  const opened = yield* Effect.forEach(names, (name) => Effect.either(open(name)), { concurrency: "unbounded" })
  return opened.flatMap((place) => (Either.isRight(place) ? [place.right] : []))
})

/** Where a vault's devices publish: the vault's own registry and store first, then those of every place. */
const sources = (vault: Vault.Vault, opened: ReadonlyArray<Places.Place>) => {
  const blobs: readonly [BlobStore.Service, ...ReadonlyArray<BlobStore.Service>] = [
    vault.blobs,
    ...opened.map((place) => place.blobs)
  ]
  const registries: readonly [Registry.Service, ...ReadonlyArray<Registry.Service>] = [
    vault.registry,
    ...opened.map((place) => place.registry)
  ]
  return { blobs: Peer.firstOf(blobs), registries }
}

/** The other devices of the identity; none for a device that belongs to no identity. @since 0.1.0 @category programs */
export const others = Effect.fn("Devices.others")(function* (own: PublicKey.PublicKey) {
  const identity = yield* Identity.read({ isOffline: true })
  const devices: Array<Device> = []
  for (const [label, { signing }] of identity?.devices ?? []) {
    const publicKey = PublicKey.fromBytes(signing)
    if (Either.isRight(publicKey) && !Bytes.equals(signing, own)) devices.push({ label, publicKey: publicKey.right })
  }
  return devices as ReadonlyArray<Device>
})

/**
 * The head of another device of the identity: the newest that the vault's registry or any place has, never older than this
 * device has seen; what was read is remembered.
 *
 * @since 0.1.0
 * @category programs
 */
export const load = Effect.fn("Devices.load")(function* (vault: Vault.Vault, device: Device) {
  const state = yield* VaultState.VaultState
  const { blobs, registries } = sources(vault, yield* reachable)
  const seen = `${vault.name}/devices/${PublicKey.toHex(device.publicKey)}`
  const atLeast = yield* state.seen(seen)
  const loaded = yield* Peer.load({
    name: `${vault.name} of ${device.label}`,
    publicKey: device.publicKey,
    vaultId: vault.id,
    registry: Peer.newestOf(registries),
    blobs,
    identities: vault.identities,
    atLeast
  }).pipe(
    // mending or trusting is nothing that helps here: a place that has the newer one is away, or it is published anew
    Effect.mapError((error) =>
      error._tag === "HeadError" && error.reason === "RolledBack"
        ? new Head.HeadError({
            ...error,
            detail: `this device has seen revision ${atLeast} of it, which none of the stores that answer has; connect the one that does, or wait until ${device.label} publishes again`
          })
        : error
    )
  )
  if (loaded.head !== undefined) yield* state.saveSeen(seen, loaded.head.entry.revision)
  return loaded
})

/**
 * This device's own head as the places have it, where that is another than its own registry's: this device, or its registry,
 * was put back from an old copy.
 *
 * @since 0.1.0
 * @category programs
 */
export const elsewhere = Effect.fn("Devices.elsewhere")(function* (vault: Vault.Vault) {
  const opened = yield* reachable
  const [first, ...rest] = opened.map((place) => place.registry)
  if (first === undefined) return undefined
  const registry = Peer.newestOf([first, ...rest])
  const own = yield* vault.registry.entries(vault.streamKey)
  const there = yield* Effect.either(registry.entries(vault.streamKey))
  // nothing is lost: a place that does not answer is asked by the next run
  if (Either.isLeft(there)) return undefined
  const unknown = there.right.filter(({ hash }) => !own.some((entry) => Bytes.equals(entry.hash, hash)))
  const publicKey = PublicKey.fromBytes(vault.device.publicKey)
  if (unknown.length === 0 || Either.isLeft(publicKey)) return undefined
  const current = yield* Effect.either(Head.current(vault))
  // a place that was left behind, or goes back in time, has nothing to take in, and may not have all that led to it
  const isPast = ({ hash, revision }: (typeof unknown)[number]) =>
    Either.isRight(current) &&
    revision < current.right.revision &&
    current.right.heads.some((head) => Head.contains(head, Hash.toHex(hash)))
  if (unknown.every(isPast)) return undefined
  return yield* Peer.load({
    // what the sources of the vault saw acknowledged here says nothing of what it was there before
    name: `${vault.name} of this device elsewhere`,
    publicKey: publicKey.right,
    vaultId: vault.id,
    registry,
    blobs: sources(vault, opened).blobs,
    identities: vault.identities,
    atLeast: 0n
  })
})

/**
 * Takes over the keys that another device has given the vault since, if the heads have such; whether they did.
 *
 * @since 0.1.0
 * @category programs
 */
export const takeKeys = Effect.fn("Devices.takeKeys")(function* (
  vault: Vault.Vault,
  loaded: ReadonlyArray<Peer.Loaded>
) {
  const keys = Rekey.successor(
    vault.context,
    loaded.flatMap(({ head }) => head ?? [])
  )
  if (keys === undefined) return false
  yield* Rekey.rekey(vault, keys)
  return true
})

/** A device that no list names, or a name that several go by. @since 0.1.0 @category errors */
export class NotListed extends Schema.TaggedError<NotListed>()("NotListed", {
  device: Schema.String,
  known: Schema.Array(Schema.String),
  /** Those that go by that name, where they are several. */
  alike: Schema.optional(Schema.Array(Schema.String))
}) {
  override get message() {
    if (this.alike !== undefined)
      return `several devices go by ${this.device} (${this.alike.join(", ")}): name one by the start of its key`
    return `no device ${this.device} (there is ${this.known.join(", ") || "none"})`
  }
}

/** What a removal came to. @since 0.1.0 @category models */
export interface RemovedDevice {
  readonly label: string
  /** The vaults that have new keys since. */
  readonly vaults: ReadonlyArray<string>
  /** Vaults that this device does not have: their keys are the old ones. */
  readonly elsewhere: ReadonlyArray<string>
  /** What could not be done; the removal may be run again. */
  readonly problems: ReadonlyArray<string>
}

/** A vault of the person. */
interface Held {
  readonly id: string
  /** As this device calls it, where it has it. */
  readonly name: string
  readonly isHere: boolean
}

/** The vaults of the identity and of this device, and what is said of those that cannot be opened. */
const held = Effect.fnUntraced(function* (identity: Identity.Identity) {
  const state = yield* VaultState.VaultState
  const problems: Array<string> = []
  const all = new Map<string, Held>()
  for (const [name, { vaultId }] of identity.vaults) {
    const id = VaultId.toHex(vaultId)
    all.set(id, { id, name, isHere: false })
  }
  for (const name of yield* state.vaults) {
    const opened = yield* Effect.either(Vault.open(name))
    if (Either.isLeft(opened)) {
      problems.push(`vault ${name} has its old keys still: ${opened.left.message}`)
      continue
    }
    const id = VaultId.toHex(opened.right.id)
    all.set(id, { id, name, isHere: true })
  }
  return { all: [...all.values()], problems }
})

/** The vaults of the identity that this device does not have. @since 0.1.0 @category programs */
export const vaultsElsewhere = Effect.fn("Devices.vaultsElsewhere")(function* () {
  const identity = yield* Identity.read({ isOffline: true })
  if (identity === undefined) return []
  return (yield* held(identity)).all.flatMap(({ isHere, name }) => (isHere ? [] : [name]))
})

/** What was published of a vault is taken in while this device still looks for it; answers what stands in the way. */
const takeIn = Effect.fnUntraced(function* (name: string, device: Device) {
  const lost = (why: string) =>
    `vault ${name}: what ${device.label} published last is not in this device's history, and nobody looks for it any more: ${why}`
  const taken = yield* Effect.either(
    Effect.gen(function* () {
      const vault = yield* Vault.open(name)
      return yield* Pull.pull(vault, [yield* load(vault, device)])
    })
  )
  if (Either.isLeft(taken)) return { isTaken: false, problems: [lost(taken.left.message)] }
  const { missing } = taken.right.carried
  return {
    isTaken: true,
    problems: missing.length === 0 ? [] : [lost(`${missing.length} of its blobs are in no store that answers`)]
  }
})

/** What is to be done for each vault: all of it, or what an earlier run has left. */
const dueOf = (
  all: ReadonlyArray<Held>,
  earlier: IdentityState.Removed | undefined,
  isListed: boolean
): ReadonlyArray<IdentityState.RemovedFrom> =>
  isListed || earlier?.vaults === undefined
    ? all.map(({ id, name }) => new IdentityState.RemovedFrom({ id, name, lacksKeys: true, lacksContent: isListed }))
    : earlier.vaults

/**
 * The devices that a name may mean: the listed one of that label, the one that was removed under it, or one whose key begins
 * so. A removed one comes after a listed one of the same label only where something is left to be done of it.
 */
const named = (identity: Identity.Identity, removed: ReadonlyArray<IdentityState.Removed>, asked: string) => {
  const left = ({ vaults = [] }: IdentityState.Removed) => vaults.length
  const listed = [...identity.devices].map(([label, { signing }]) => ({
    label,
    hex: Bytes.toHex(signing),
    earlier: undefined
  }))
  const former = removed
    .filter(({ device }) => listed.every(({ hex }) => hex !== device))
    .sort((a, b) => left(b) - left(a) || b.at - a.at)
    .map((earlier) => ({ label: earlier.label, hex: earlier.device, earlier }))
  const isAsked = ({ label }: { readonly label: string }) => label === asked
  const here = listed.filter(isAsked)
  const before = former.filter(isAsked)
  const byLabel =
    here.length === 0 ? before.slice(0, 1) : [...here, ...before.filter(({ earlier }) => left(earlier) > 0)]
  return byLabel.length > 0 || !/^[0-9a-f]{8,64}$/.test(asked)
    ? byLabel
    : [...listed, ...former].filter(({ hex }) => hex.startsWith(asked))
}

/**
 * Takes a device out of the signed list, so that nothing is sealed for it from now on, and gives every vault new keys. What
 * it published is taken in before, as `Pull.pull` does: nobody looks for it afterwards. What it has read it has; and it has
 * the key of the identity until the phrase is changed.
 *
 * What could not be done for a vault, as for one that this device does not have, is remembered (`incomplete`) and is all
 * that another run by the same name, or by the start of its key, does.
 *
 * @since 0.1.0
 * @category programs
 */
export const remove = Effect.fn("Devices.remove")(function* (asked: string) {
  const keyring = yield* Keyring.Keyring
  const identityState = yield* IdentityState.IdentityState
  const own = yield* keyring.device
  const identity = yield* Identity.read()
  const found = identity === undefined ? [] : named(identity, yield* identityState.removed, asked)
  const [first, ...alike] = found
  if (identity === undefined || first === undefined || alike.length > 0 || first.hex === Bytes.toHex(own.publicKey))
    return yield* new NotListed({
      device: asked,
      known: [...(identity?.devices ?? [])].flatMap(([label, { signing }]) =>
        Bytes.equals(signing, own.publicKey) ? [] : [label]
      ),
      ...(alike.length === 0
        ? {}
        : {
            alike: found.map(
              ({ earlier, hex, label }) => `${label} ${hex.slice(0, 10)}${earlier === undefined ? "" : ", removed"}`
            )
          })
    })
  const { earlier, hex, label } = first
  const keys = earlier === undefined ? identity.devices.get(label) : undefined
  const { all, problems } = yield* held(identity)
  const here = new Map(all.flatMap(({ id, isHere, name }) => (isHere ? [[id, name] as const] : [])))
  const due = new Map(dueOf(all, earlier, keys !== undefined).map((one) => [one.id, one] as const))
  const at = yield* Clock.currentTimeMillis
  const remember = Effect.suspend(() =>
    identityState.saveRemoved(
      new IdentityState.Removed({
        label,
        device: hex,
        // a device that was removed before knows the warm key of that time, and was given none since
        warm: earlier?.warm ?? Bytes.toHex(identity.warm),
        at: earlier?.at ?? at,
        vaults: [...due.values()].filter(({ lacksContent, lacksKeys }) => lacksContent || lacksKeys)
      })
    )
  )
  const publicKey = Either.getOrUndefined(PublicKey.fromHex(hex))
  for (const one of due.values()) {
    const name = here.get(one.id)
    if (!one.lacksContent || name === undefined || publicKey === undefined) continue
    const taken = yield* takeIn(name, { label, publicKey })
    problems.push(...taken.problems)
    due.set(one.id, new IdentityState.RemovedFrom({ ...one, name, lacksContent: !taken.isTaken }))
  }
  // remembered first: what comes after it may be interrupted, and is run again by this name
  yield* remember
  if (keys !== undefined) yield* Identity.update(IdentityChanges.removeDevice(keys.signing))
  const spread = yield* Effect.either(IdentityCopies.spread())
  // nothing is lost: the next run brings it there
  if (Either.isLeft(spread)) problems.push(spread.left.message)
  else problems.push(...spread.right.map(({ place, problem }) => `store ${place}: ${problem}`))
  problems.push(...(yield* RelayWithdrawal.begin({ label, device: hex }, identity)))
  const vaults: Array<string> = []
  for (const one of due.values()) {
    const name = here.get(one.id)
    if (!one.lacksKeys || name === undefined) continue
    const done = yield* Effect.either(Effect.flatMap(Vault.open(name), Rekey.rekey))
    if (Either.isRight(done)) {
      vaults.push(name)
      due.set(one.id, new IdentityState.RemovedFrom({ ...one, name, lacksKeys: false }))
      yield* remember
    } else problems.push(`vault ${name} has its old keys still: ${done.left.message}`)
  }
  const elsewhere = [...due.values()].flatMap(({ id, name }) => (here.has(id) ? [] : [name]))
  const removed: RemovedDevice = { label, vaults, elsewhere, problems }
  return removed
})

/** A removal that is not complete. @since 0.1.0 @category models */
export interface Incomplete {
  readonly label: string
  /** The key that it publishes under, in hex. */
  readonly device: string
  /** It has the key of the identity still. */
  readonly hasIdentityKey: boolean
  readonly vaults: ReadonlyArray<IdentityState.RemovedFrom>
}

/** Devices that were removed, and have the key of the identity still or know those of a vault. @since 0.1.0 @category programs */
export const incomplete = Effect.fn("Devices.incomplete")(function* () {
  const keyring = yield* Keyring.Keyring
  const state = yield* IdentityState.IdentityState
  const keys = yield* keyring.identity
  const removed = yield* state.removed
  return removed.flatMap(({ device, label, vaults = [], warm }): ReadonlyArray<Incomplete> => {
    const hasIdentityKey = keys !== undefined && warm === Bytes.toHex(keys.warm)
    return hasIdentityKey || vaults.length > 0 ? [{ label, device, hasIdentityKey, vaults }] : []
  })
})
