/**
 * The identity's own entries at every place, so that any one that survives is enough.
 *
 * What each place is known to hold is remembered; whatever differs from that is still to be done, whoever changed it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Bytes from "../schema/Bytes.ts"
import * as ColdPointer from "../schema/ColdPointer.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as Did from "../schema/Did.ts"
import * as Hash from "../schema/Hash.ts"
import * as IdentityBundle from "../schema/IdentityBundle.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import * as Crypto from "../services/Crypto.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Places from "../services/Places.ts"
import * as Identity from "./Identity.ts"
import * as IdentityReading from "./IdentityReading.ts"
import * as SpecialVault from "./SpecialVault.ts"

/** What a place lacks, and why it could not be brought there. @since 0.1.0 @category models */
export interface Pending {
  readonly place: string
  readonly problem: string
}

const hexOf = ({ hash }: { readonly hash: Hash.Hash }) => Hash.toHex(hash)

/**
 * Puts `entry` into a place's registry once `bring` has brought what it names, unless that has it or a later one: whether it
 * has this very one now.
 *
 * @since 0.1.0
 * @category programs
 */
export const follow = Effect.fnUntraced(function* <E, R>(
  place: Places.Place,
  entry: RegistryEntry.RegistryEntry,
  bring: Effect.Effect<void, E, R>
) {
  const there = yield* place.registry.entries(entry.key)
  if (there.some(({ hash }) => Bytes.equals(hash, entry.hash))) return true
  // something else of that revision or a later one: the next change of the identity merges it, and comes back here
  if (there.some(({ revision }) => revision >= entry.revision)) return false
  // what no entry will ever lead to is not brought
  if (place.registry.supported !== undefined)
    yield* Effect.catchIf(
      place.registry.supported,
      ({ reason }) => reason !== "Unsupported",
      // nothing is lost: what cannot be found out now shows when it is written
      () => Effect.void
    )
  yield* bring
  return (yield* place.registry.set(entry, there))._tag === "Stored"
})

const keyList = (known: ReadonlyArray<Uint8Array>, wanted: ReadonlyArray<Uint8Array>) => {
  const hexes = new Set(wanted.map(Bytes.toHex))
  const kept = known.filter((key) => hexes.has(Bytes.toHex(key)))
  const keptHexes = new Set(kept.map(Bytes.toHex))
  return [...kept, ...wanted.filter((key) => !keptHexes.has(Bytes.toHex(key)))]
}

const isSameBundle = (a: IdentityBundle.IdentityBundle, b: IdentityBundle.IdentityBundle) =>
  Bytes.equals(IdentityBundle.encode({ ...a, revision: 0n }), IdentityBundle.encode({ ...b, revision: 0n }))

/**
 * The newest bundle that any place has, written anew at the one that decides where its keys are not those of the identity's
 * devices (docs/format/node.md §5.11).
 */
const keepBundle = Effect.fnUntraced(function* (loaded: Identity.Loaded, primary: Places.Place) {
  const { primitives } = yield* Crypto.Crypto
  const places = yield* Places.Places
  const { identity, keys } = loaded
  const key = IdentityReading.streamKey(primitives, keys.warm, "identityVault")
  const answering = places.names.filter((name) => !loaded.silent.has(name))
  const answers = yield* IdentityReading.ask(answering.map(places.open), key)
  const [newest] = answers
    .filter(Either.isRight)
    .flatMap(({ right: { entries, place } }) => entries.map((entry) => ({ entry, place })))
    .sort((a, b) => RegistryEntry.Order(b.entry, a.entry))
  // one that is there but cannot be read anywhere is an error, never overwritten
  const read =
    newest === undefined
      ? undefined
      : yield* Effect.firstSuccessOf(
          [newest.place, ...answers.filter(Either.isRight).map(({ right }) => right.place)].map((place) =>
            Effect.map(place.blobs.get(newest.entry.hash), (bytes) => ({ bytes, entry: newest.entry, place }))
          )
        )
  const known = read === undefined ? undefined : yield* IdentityBundle.decode(read.bytes)
  const devices = [...identity.devices.values()]
  const recipients = devices.map(({ ageRecipient }) => ageRecipient)
  const keptRecipients = (known?.ageRecipients ?? []).filter((one) => recipients.includes(one))
  const keyed = (before: ReadonlyArray<Uint8Array> | undefined, of: "signing" | "acl" | "iroh") =>
    keyList(
      before ?? [],
      devices.map((device) => device[of])
    )
  const wanted: IdentityBundle.IdentityBundle = {
    version: 1,
    revision: (newest?.entry.revision ?? 0n) + 1n,
    signers: keyed(known?.signers, "signing"),
    aclKeys: keyed(known?.aclKeys, "acl"),
    irohPublicKeys: keyed(known?.irohPublicKeys, "iroh"),
    ageRecipients: [...new Set([...keptRecipients, ...recipients])]
  }
  if (known !== undefined && read !== undefined && isSameBundle(known, wanted)) return read
  const bytes = IdentityBundle.encode(wanted)
  const hash = primitives.blake3(bytes)
  yield* primary.blobs.put(hash, bytes)
  yield* primary.blobs.sync
  const entry = yield* RegistryEntry.sign(primitives, Redacted.value(keys.warmSeed), {
    vaultId: Derivation.wellKnownVaultId(primitives, Derivation.wellKnownDomain.identityVault),
    revision: wanted.revision,
    hash
  })
  const outcome = yield* primary.registry.set(entry, yield* primary.registry.entries(key))
  // lost to another device, whose devices are the same ones or newer
  return { entry: outcome._tag === "Lost" ? outcome.current : entry, place: primary }
})

const copyBlob = (from: BlobStore.Service, to: BlobStore.Service, hash: Hash.Hash) =>
  Effect.flatMap(from.get(hash), (bytes) => Effect.zipRight(to.put(hash, bytes), to.sync))

/**
 * Brings special vaults that were found elsewhere to the place that decides, where that has none or older ones, so that what
 * comes next follows them.
 *
 * @since 0.1.0
 * @category programs
 */
export const seed = Effect.fn("IdentityCopies.seed")(function* (
  heads: ReadonlyArray<IdentityReading.Head>,
  identities: ReadonlyArray<Redacted.Redacted<string>>
) {
  const places = yield* Places.Places
  const primary = yield* places.open(places.names[0])
  for (const head of heads) {
    const copy = SpecialVault.copy(head.place.blobs, primary.blobs, head.hash, identities)
    yield* follow(primary, head.entry, copy)
  }
})

/** Puts the cold pointer where it is not yet; one of another warm key is left, and told. @since 0.1.0 @category programs */
export const anchor = Effect.fnUntraced(function* (place: Places.Place, keys: Keyring.IdentityKeys) {
  return yield* follow(place, keys.pointer, Effect.void)
})

/**
 * Brings the identity's entries, and what they name, to every place that lacks them, and answers where that could not be
 * done; the next run tries again. Nothing to do for a device without identity.
 *
 * @since 0.1.0
 * @category programs
 */
export const spread = Effect.fn("IdentityCopies.spread")(function* (known?: Identity.Loaded) {
  const places = yield* Places.Places
  const state = yield* IdentityState.IdentityState
  const keyring = yield* Keyring.Keyring
  const loaded = known ?? (yield* Identity.load())
  const pending: Array<Pending> = []
  if (loaded === undefined) return pending
  const { config, keys, secrets } = loaded
  if (secrets === undefined || config === undefined) return pending
  const device = yield* keyring.device
  const primary = yield* Effect.mapError(places.open(places.names[0]), Identity.fromFailure)
  const bundle = yield* keepBundle(loaded, primary)
  const heads = [secrets.heads[0], config.heads[0]]
  const wanted = [keys.pointer, bundle.entry, ...heads.map(({ entry }) => entry)].map(hexOf)

  const bring = Effect.fnUntraced(function* (name: string) {
    const place = yield* places.open(name)
    const followed = [yield* anchor(place, keys)]
    const { entry, place: from } = bundle
    followed.push(yield* follow(place, entry, copyBlob(from.blobs, place.blobs, entry.hash)))
    for (const head of heads) {
      const copy = SpecialVault.copy(head.place.blobs, place.blobs, head.hash, [device.identity])
      followed.push(yield* follow(place, head.entry, copy))
    }
    if (followed.every((one) => one)) return undefined
    return "it holds something else that is newer; the next run merges it"
  })

  for (const name of places.names) {
    const copied = yield* state.copied(name)
    if (copied !== undefined && copied.entries.join() === wanted.join()) continue
    const silent = loaded.silent.get(name)
    const ended = silent === undefined ? yield* Effect.either(bring(name)) : Either.right(silent)
    if (Either.isLeft(ended) && isUnsupported(ended.left)) {
      // nothing is lost: the place keeps blobs and can keep no entry, so that there is nothing to wait for
      yield* state.saveCopied(new IdentityState.Copied({ place: name, entries: wanted, cannot: true }))
      continue
    }
    const problem = Either.isRight(ended) ? ended.right : ended.left.message
    if (problem === undefined) yield* state.saveCopied(new IdentityState.Copied({ place: name, entries: wanted }))
    // nothing is lost: it is not remembered as copied, and the caller is told
    else pending.push({ place: name, problem })
  }
  return pending
})

/** Whether every place is known to hold these very lists, so that nobody has to be asked. @since 0.1.0 @category programs */
export const isSpread = Effect.fnUntraced(function* ({ config, secrets }: Identity.Loaded) {
  const state = yield* IdentityState.IdentityState
  const places = yield* Places.Places
  if ((yield* behind()).length > 0) return false
  const first = yield* state.copied(places.names[0])
  return [secrets, config].every(
    (current) => current !== undefined && first?.entries.includes(hexOf(current.heads[0])) === true
  )
})

/**
 * The places that this device does not know to hold the newest identity it has seen, without asking any of them.
 *
 * @since 0.1.0
 * @category programs
 */
export const behind = Effect.fn("IdentityCopies.behind")(function* () {
  const places = yield* Places.Places
  const state = yield* IdentityState.IdentityState
  const first = yield* state.copied(places.names[0])
  const names: Array<string> = []
  for (const name of places.names) {
    const known = yield* state.copied(name)
    if (first === undefined || known?.entries.join() !== first.entries.join()) names.push(name)
  }
  return names
})

/** Whether a place can never keep an entry, so that there is nothing to wait for. @since 0.1.0 @category guards */
export const isUnsupported = (error: object): boolean =>
  "_tag" in error && error._tag === "RegistryError" && "reason" in error && error.reason === "Unsupported"

/** The DID's pointer as a place has it. @since 0.1.0 @category programs */
export const pointerAt = Effect.fnUntraced(function* (place: Places.Place, did: string) {
  const { primitives } = yield* Crypto.Crypto
  const cold = yield* Did.fromText(did)
  return (yield* place.registry.entries(ColdPointer.streamKey(primitives, cold)))[0]
})
