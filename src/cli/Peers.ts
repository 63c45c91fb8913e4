/**
 * Attached vaults of other devices, opened where they are.
 *
 * @since 0.1.0
 */
import { readdir } from "node:fs/promises"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as BlobStorePacked from "../layers/BlobStorePacked.ts"
import { identities } from "../layers/IdentityFile.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as PackIndexMemory from "../layers/PackIndexMemory.ts"
import * as RegistryObjectStore from "../layers/RegistryObjectStore.ts"
import * as Devices from "../programs/Devices.ts"
import type * as Identity from "../programs/Identity.ts"
import * as MergedHeads from "../programs/MergedHeads.ts"
import * as Peer from "../programs/Peer.ts"
import * as Vault from "../programs/Vault.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as VaultId from "../schema/VaultId.ts"
import * as Crypto from "../services/Crypto.ts"
import * as VaultState from "../services/VaultState.ts"

/** The folder of an attached vault is not there. @since 0.1.0 @category errors */
export class StoreAbsent extends Data.TaggedError("StoreAbsent")<{ readonly folder: string; readonly detail: string }> {
  override get message() {
    return `store ${this.folder}: ${this.detail}; if it is on a drive or a share, connect that first`
  }
}

const open = Effect.fnUntraced(function* (name: string, peer: VaultState.Peer, atLeast: bigint) {
  const { primitives } = yield* Crypto.Crypto
  // an absent folder would look like one in which nothing was published
  yield* Effect.tryPromise({
    try: () => readdir(peer.store),
    catch: (cause) =>
      new StoreAbsent({ folder: peer.store, detail: cause instanceof Error ? cause.message : "it cannot be read" })
  })
  const objects = yield* ObjectStoreFs.make({ directory: peer.store, name, readOnly: true })
  return yield* Peer.load({
    name,
    publicKey: Either.getOrThrow(PublicKey.fromHex(peer.device)),
    vaultId: Either.getOrThrow(VaultId.fromHex(peer.vaultId)),
    registry: yield* RegistryObjectStore.make(objects, { name }),
    blobs: yield* BlobStorePacked.make({ objects, index: yield* PackIndexMemory.make(), primitives }),
    identities: yield* identities(peer.identity),
    atLeast
  })
})

/** Loads the attached vault `name`, never older than it was seen before, and remembers the revision that it is at. @since 0.1.0 @category programs */
export const load = Effect.fnUntraced(function* (name: string, peer: VaultState.Peer) {
  const state = yield* VaultState.VaultState
  const loaded = yield* open(name, peer, yield* state.seen(name))
  if (loaded.head !== undefined && (yield* state.peer(name)) !== undefined)
    yield* state.saveSeen(name, loaded.head.entry.revision)
  return loaded
})

/** What an attached vault publishes now, however old it is. @since 0.1.0 @category programs */
export const inspect = (name: string, peer: VaultState.Peer) => Effect.map(open(name, peer, 0n), ({ head }) => head)

/** Another device's view of one vault. @since 0.1.0 @category models */
export interface Other {
  /** What it is called here: the device's label, or the name that its vault is attached under. */
  readonly name: string
  /** The key that it publishes under, in hex. */
  readonly device: string
  readonly load: Effect.Effect<Peer.Loaded, LoadError, Identity.Requirements | Scope.Scope | VaultState.VaultState>
}

type LoadError =
  | Effect.Effect.Error<ReturnType<typeof load>>
  | Effect.Effect.Error<ReturnType<typeof Devices.load>>
  | Effect.Effect.Error<ReturnType<typeof Devices.elsewhere>>

/** No other device of the vault is called so. @since 0.1.0 @category errors */
export class NoSuchDevice extends Data.TaggedError("NoSuchDevice")<{
  readonly vault: string
  readonly device: string
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    const rest = this.known.length === 0 ? "there is no other" : `there is ${this.known.join(", ")}`
    return `vault ${this.vault}: no device ${this.device} (${rest})`
  }
}

/** Every other device that may publish the same vault: those of the identity, and attached ones. @since 0.1.0 @category programs */
export const others = Effect.fnUntraced(function* (vault: Vault.Vault) {
  const state = yield* VaultState.VaultState
  const found = new Map<string, Other>()
  for (const device of yield* Devices.others(vault.device.publicKey)) {
    const hex = PublicKey.toHex(device.publicKey)
    found.set(hex, { name: device.label, device: hex, load: Devices.load(vault, device) })
  }
  for (const [name, peer] of yield* state.peers)
    if (peer.vaultId === VaultId.toHex(vault.id) && !found.has(peer.device))
      found.set(peer.device, { name, device: peer.device, load: load(name, peer) })
  return [...found.values()] as ReadonlyArray<Other>
})

/** What can be read now of a vault's other devices. @since 0.1.0 @category models */
export interface All {
  readonly loaded: ReadonlyArray<Peer.Loaded>
  /** Those that cannot, by what they are called here. */
  readonly problems: ReadonlyArray<{ readonly name: string; readonly error: LoadError }>
}

const loadEach = Effect.fnUntraced(function* (all: ReadonlyArray<Pick<Other, "load" | "name">>) {
  const loaded: Array<Peer.Loaded> = []
  const problems: Array<All["problems"][number]> = []
  for (const { load, name } of all) {
    const peer = yield* Effect.either(load)
    if (Either.isRight(peer)) loaded.push(peer.right)
    else problems.push({ name, error: peer.left })
  }
  return { loaded, problems }
})

/**
 * The heads of all other devices of the vault that can be read now, and this device's own where it is newer elsewhere.
 *
 * @since 0.1.0
 * @category programs
 */
export const loadAll = Effect.fnUntraced(function* (vault: Vault.Vault) {
  const { loaded, problems } = yield* loadEach(yield* others(vault))
  const own = yield* Effect.either(Devices.elsewhere(vault))
  // one store that leads to what nobody can read must not keep the other devices out
  const all: All = Either.isLeft(own)
    ? { loaded, problems: [...problems, { name: "this one (as another store has it)", error: own.left }] }
    : { loaded: own.right === undefined ? loaded : [own.right, ...loaded], problems }
  return all
})

/** What is said of a device that cannot be read now. @since 0.1.0 @category conversions */
export const leftOut = (vault: string, { error, name }: All["problems"][number]): string =>
  `${vault}: device ${name} is left out: ${error.message}`

/**
 * A vault as all of its devices together have it: what `cairn pull` would publish; of an attached one together with those
 * attached that are the same vault. Devices that cannot be read are left out and named.
 *
 * @since 0.1.0
 * @category programs
 */
export const together = Effect.fnUntraced(function* (name: string) {
  const state = yield* VaultState.VaultState
  const attached = yield* state.peer(name)
  const view = Effect.fnUntraced(function* (vault: Vault.Readable, { loaded, problems }: All) {
    const { baseless, snapshot } = yield* MergedHeads.view(vault, loaded)
    const lost = baseless.length === 0 ? [] : [baselessText(name)]
    return { snapshot, leftOut: [...problems.map((problem) => leftOut(name, problem)), ...lost] }
  })
  if (attached === undefined) {
    const vault = yield* Vault.open(name)
    return yield* view(vault, yield* loadAll(vault))
  }
  const own = yield* load(name, attached)
  const copies = (yield* state.peers).filter(([other, { vaultId }]) => other !== name && vaultId === attached.vaultId)
  const all = yield* loadEach(copies.map(([other, peer]) => ({ name: other, load: load(other, peer) })))
  // one that has published nothing does not know the keys
  const first = own.head === undefined ? all.loaded.find(({ head }) => head !== undefined) : own
  return yield* view((first ?? own).vault, all)
})

/** What is said where heads were merged without their base. @since 0.1.0 @category conversions */
export const baselessText = (vault: string): string =>
  `${vault}: what two devices come from cannot be read, so nothing was deleted and what differs stands side by side`

/** The vault as the device of that name, or of a key that begins so, published it. @since 0.1.0 @category programs */
export const ofDevice = Effect.fnUntraced(function* (vault: Vault.Vault, device: string) {
  const all = yield* others(vault)
  const isKey = /^[0-9a-f]{8,64}$/.test(device)
  const found = all.find(({ name }) => name === device) ?? all.find((one) => isKey && one.device.startsWith(device))
  if (found === undefined)
    return yield* new NoSuchDevice({ vault: vault.name, device, known: all.map(({ name }) => name) })
  return (yield* found.load).vault
})
