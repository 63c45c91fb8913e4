/**
 * Changing the recovery phrase, together with the warm key.
 *
 * There is one commit point: the last revision of the secrets under the old warm key, at the place that decides, which hands
 * over to the new one and is not sealed for the old words. Everything that the new words lead to is there before it, and this
 * device's vaults are sealed for both; whatever follows is on durable lists.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as Derivation from "../schema/Derivation.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as Values from "../schema/SpecialVault.ts"
import * as Crypto from "../services/Crypto.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Places from "../services/Places.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Identity from "./Identity.ts"
import * as IdentityChanges from "./IdentityChanges.ts"
import * as IdentityCopies from "./IdentityCopies.ts"
import * as IdentityReading from "./IdentityReading.ts"
import * as Publish from "./Publish.ts"
import * as Reseal from "./Reseal.ts"
import * as SpecialVault from "./SpecialVault.ts"
import * as Vault from "./Vault.ts"

/** Another device changed the phrase meanwhile. @since 0.1.0 @category errors */
export class PhraseOvertaken extends Schema.TaggedError<PhraseOvertaken>()("PhraseOvertaken", {}) {
  override get message() {
    return "the phrase was changed on another device meanwhile: that one counts, the words shown here are void"
  }
}

/** Remembers that the phrase is to be changed to this one; from here on every run goes on with it. @since 0.1.0 @category programs */
export const begin = Effect.fn("NewPhrase.begin")(function* (next: Keyring.IdentityKeys) {
  const keyring = yield* Keyring.Keyring
  yield* keyring.saveNextIdentity(next)
})

const isSameKey = (a: Keyring.IdentityKeys, b: Keyring.IdentityKeys) => Bytes.equals(a.warm, b.warm)

/** Everything that the new words lead to, at the place that decides; nobody knows of it yet. */
const prepare = Effect.fnUntraced(function* (loaded: Identity.Loaded, next: Keyring.IdentityKeys) {
  const { primitives } = yield* Crypto.Crypto
  const keyring = yield* Keyring.Keyring
  const places = yield* Places.Places
  const device = yield* keyring.device
  const primary = yield* places.open(places.names[0])
  const recipients = Identity.recipientsOf(loaded.identity, next.recovery)
  const put = Effect.fnUntraced(function* (
    domain: "identitySecrets" | "config",
    entries: Values.Entries,
    named: bigint
  ) {
    const reached: IdentityReading.Reached = {
      place: primary,
      entries: yield* primary.registry.entries(IdentityReading.streamKey(primitives, next.warm, domain))
    }
    const current = yield* IdentityReading.resolve([reached], [device.identity])
    // what an earlier attempt wrote may be for other devices, though as many
    const wanted = { entries, recipients, isForOthers: current !== undefined, named }
    const wrote = yield* Identity.settle(next, domain, current, reached, wanted)
    return (current?.revision ?? 0n) + (wrote ? 1n : 0n)
  })
  const config = yield* put("config", Values.fromDirectory(loaded.identity, loaded.config?.entries), 0n)
  yield* put("identitySecrets", Identity.secretEntries(next, loaded.identity.devices, loaded.secrets?.entries), config)
  yield* IdentityCopies.anchor(primary, next)
})

/**
 * Seals this device's vaults for the new words beside the old ones, so that at no time there are words in force that do not
 * open them.
 */
const sealForBoth = Effect.fnUntraced(function* (next: Keyring.IdentityKeys) {
  const state = yield* VaultState.VaultState
  for (const name of yield* state.vaults) {
    const vault = yield* Vault.open(name)
    const newestRecipients = Effect.map(Vault.recipientsNow(vault), (recipients) => [
      ...new Set([...recipients, next.recovery.recipient])
    ])
    yield* Reseal.reseal({ ...vault, newestRecipients })
  }
})

/** Hands over from one warm key to another: the last revision of its secrets, which no words open. */
const handOver = Effect.fnUntraced(function* (
  from: Keyring.IdentityKeys,
  to: Keyring.IdentityKeys,
  identity: Identity.Identity,
  at: IdentityReading.Reached,
  before: IdentityReading.Current
) {
  const { primitives } = yield* Crypto.Crypto
  const devices = [...identity.devices.values()].map(({ ageRecipient }) => ageRecipient)
  const hash = yield* SpecialVault.write(at.place.blobs, Identity.handOver(to, identity.devices), {
    recipients: [...new Set(devices)],
    before: before.heads
  })
  const entry = yield* RegistryEntry.sign(primitives, Redacted.value(from.warmSeed), {
    vaultId: Derivation.wellKnownVaultId(primitives, Derivation.wellKnownDomain.identitySecrets),
    revision: before.revision + 1n,
    hash
  })
  if ((yield* at.place.registry.set(entry, at.entries))._tag === "Lost") return yield* new Identity.Lost()
})

/** The commit point: from here on the new words count and the old ones do not. */
const commit = Effect.fnUntraced(function* (loaded: Identity.Loaded, next: Keyring.IdentityKeys) {
  const { identity, keys, primary, secrets } = loaded
  if (primary === undefined || secrets === undefined) return yield* new Identity.Lost()
  yield* handOver(keys, next, identity, primary.secrets, secrets)
})

/** Takes back what was prepared for words that another change has overtaken: whoever finds them finds that they are void. */
const takeBack = Effect.fnUntraced(function* (loaded: Identity.Loaded, next: Keyring.IdentityKeys) {
  const { primitives } = yield* Crypto.Crypto
  const keyring = yield* Keyring.Keyring
  const places = yield* Places.Places
  const place = yield* places.open(places.names[0])
  const entries = yield* place.registry.entries(IdentityReading.streamKey(primitives, next.warm, "identitySecrets"))
  const reached: IdentityReading.Reached = { place, entries }
  const { identity } = yield* keyring.device
  const current = yield* Effect.catchIf(
    IdentityReading.resolve([reached], [identity]),
    (error) => error instanceof IdentityReading.IdentityError && error.reason === "NotForUs",
    // nothing is left to find: it was taken back before, when this device was still one of them
    () => Effect.succeed(undefined)
  )
  if (current !== undefined) yield* handOver(next, loaded.keys, loaded.identity, reached, current)
})

/** What others put into the vaults and stores under the old key while it was handed over. */
const bringOver = Effect.fnUntraced(function* (old: Keyring.IdentityKeys) {
  const { primitives } = yield* Crypto.Crypto
  const keyring = yield* Keyring.Keyring
  const places = yield* Places.Places
  const primary = yield* places.open(places.names[0])
  const entries = yield* primary.registry.entries(IdentityReading.streamKey(primitives, old.warm, "config"))
  const current = yield* IdentityReading.resolve([{ place: primary, entries }], [(yield* keyring.device).identity])
  if (current === undefined) return
  const before = yield* Values.toDirectory(current.entries)
  yield* Identity.update((identity) => {
    const stores = [...before.stores].filter(([name]) => !identity.stores.has(name))
    const withStores = stores.reduce((all, [name, json]) => IdentityChanges.addStore(name, json)(all), identity)
    return [...before.vaults].reduce((all, [name, entry]) => IdentityChanges.addVault(name, entry)(all), withStores)
  })
})

/**
 * Goes on with a change of the phrase that was begun; `false` when there is none. When it ends the new words count. The other
 * places and the vaults follow (`retire`, `IdentityUpkeep.run`, `IdentitySealing.sealAll`).
 *
 * @since 0.1.0
 * @category programs
 */
export const proceed = Effect.fn("NewPhrase.proceed")(function* () {
  const keyring = yield* Keyring.Keyring
  const state = yield* IdentityState.IdentityState
  const next = yield* keyring.nextIdentity
  const old = yield* keyring.identity
  if (next === undefined || old === undefined) return false
  const finish = Effect.gen(function* () {
    yield* keyring.replaceIdentity(next)
    yield* keyring.removeNextIdentity
  })
  const attempt = Effect.gen(function* () {
    // one that was committed by an earlier run is followed on the way
    const loaded = yield* Identity.load()
    if (loaded === undefined) return
    if (isSameKey(loaded.keys, next)) return yield* finish
    if (!isSameKey(loaded.keys, old)) {
      // nothing is lost: where it cannot be, the void words lead to the lists of this day, which nobody writes to any more
      yield* takeBack(loaded, next).pipe(
        Effect.retry({ schedule: Publish.backoff, while: Identity.heals }),
        Effect.catchAll((error) => Effect.logDebug("void words could not be taken back", error))
      )
      yield* keyring.removeNextIdentity
      return yield* new PhraseOvertaken()
    }
    yield* prepare(loaded, next)
    yield* sealForBoth(next)
    yield* state.saveRetired(new IdentityState.Retired({ warm: Bytes.toHex(old.warm), places: [] }))
    yield* commit(loaded, next)
    yield* finish
    yield* bringOver(old)
  })
  yield* attempt.pipe(
    Effect.retry({ schedule: Publish.backoff, while: Identity.heals }),
    Effect.catchIf(
      (error): error is Identity.Lost => error instanceof Identity.Lost,
      () =>
        new IdentityReading.IdentityError({
          reason: "Contended",
          detail: "others changed it again and again meanwhile; nothing was lost, run it again"
        })
    )
  )
  return true
})

/**
 * Brings the last word of replaced warm keys to the places that do not have it, so that the old words lead nowhere there
 * either, and answers where that could not be done.
 *
 * @since 0.1.0
 * @category programs
 */
export const retire = Effect.fn("NewPhrase.retire")(function* () {
  const { primitives } = yield* Crypto.Crypto
  const keyring = yield* Keyring.Keyring
  const places = yield* Places.Places
  const state = yield* IdentityState.IdentityState
  const keys = yield* keyring.identity
  const problems: Array<string> = []
  if (keys === undefined) return problems
  const device = yield* keyring.device
  const primary = yield* places.open(places.names[0])
  for (const retired of yield* state.retired) {
    if (retired.warm === Bytes.toHex(keys.warm)) continue
    const warm = yield* PublicKey.fromHex(retired.warm)
    const key = IdentityReading.streamKey(primitives, warm, "identitySecrets")
    const [last] = yield* primary.registry.entries(key)
    const done = new Set(retired.places)
    for (const name of places.names.slice(1)) {
      if (done.has(name) || last === undefined) continue
      const brought = yield* Effect.either(
        Effect.gen(function* () {
          const place = yield* places.open(name)
          return yield* IdentityCopies.follow(
            place,
            last,
            SpecialVault.copy(primary.blobs, place.blobs, last.hash, [device.identity])
          )
        })
      )
      // nothing is lost: it stays on the list, and the caller is told; what keeps no entries has none of the old words' either
      if (Either.isLeft(brought) && !IdentityCopies.isUnsupported(brought.left))
        problems.push(`store ${name} still knows the old words: ${brought.left.message}`)
      else done.add(name)
    }
    const isEverywhere = places.names.slice(1).every((name) => done.has(name))
    if (isEverywhere) yield* state.removeRetired(retired.warm)
    else yield* state.saveRetired(new IdentityState.Retired({ warm: retired.warm, places: [...done] }))
  }
  return problems
})
