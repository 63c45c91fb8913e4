/**
 * Keeping the identity true: every vault and store of this device is listed, and every place has a copy.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Bytes from "../schema/Bytes.ts"
import type { VaultEntry } from "../schema/SpecialVault.ts"
import * as Crypto from "../services/Crypto.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Places from "../services/Places.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Identity from "./Identity.ts"
import * as IdentityChanges from "./IdentityChanges.ts"
import * as IdentityCopies from "./IdentityCopies.ts"
import * as IdentitySealing from "./IdentitySealing.ts"
import * as NewPhrase from "./NewPhrase.ts"
import * as RelayWithdrawal from "./RelayWithdrawal.ts"
import * as Vault from "./Vault.ts"

/** What this device has that an identity lists. @since 0.1.0 @category models */
export interface Holdings {
  readonly vaults: ReadonlyArray<readonly [name: string, entry: VaultEntry]>
  readonly stores: ReadonlyArray<readonly [name: string, json: Redacted.Redacted<string>]>
  /** What could not be looked at. */
  readonly problems: ReadonlyArray<string>
}

/** The vaults and stores of this device. @since 0.1.0 @category programs */
export const holdings = Effect.fn("IdentityUpkeep.holdings")(function* () {
  const state = yield* VaultState.VaultState
  const places = yield* Places.Places
  const problems: Array<string> = []
  const vaults: Array<Holdings["vaults"][number]> = []
  const stores: Array<Holdings["stores"][number]> = []
  for (const name of yield* state.vaults) {
    const opened = yield* Effect.either(Vault.open(name))
    if (Either.isLeft(opened)) {
      problems.push(opened.left.message)
      continue
    }
    const { id, stores: kept = [] } = opened.right
    vaults.push([name, { vaultId: id, stores: kept.map((store) => store.name) }])
  }
  for (const name of places.names) {
    const told = yield* Effect.either(Effect.flatMap(places.open(name), ({ portable }) => portable))
    if (Either.isLeft(told)) problems.push(told.left.message)
    else if (told.right !== undefined) stores.push([name, told.right])
  }
  const found: Holdings = { vaults, stores, problems }
  return found
})

/** The identity with everything in it that this device has. @since 0.1.0 @category combinators */
export const withHoldings =
  ({ vaults }: Pick<Holdings, "vaults">, stores: ReadonlyArray<StoreNow>) =>
  (identity: Identity.Identity): Identity.Identity => {
    const withVaults = vaults.reduce((all, [name, entry]) => IdentityChanges.addVault(name, entry)(all), identity)
    return stores.reduce(
      (all, { isChanged, json, name }) =>
        // of two devices that reach one store each in its own way, none takes away what the other said
        isChanged || !all.stores.has(name) ? IdentityChanges.addStore(name, json)(all) : all,
      withVaults
    )
  }

/** A store as it is configured now. @since 0.1.0 @category models */
export interface StoreNow {
  readonly name: string
  readonly json: Redacted.Redacted<string>
  readonly hash: string
  /** It was configured otherwise when this device told of it last. */
  readonly isChanged: boolean
  /** This device has told of it. */
  readonly isKnown: boolean
}

/** Holds the stores against what was told of them before. */
const compared = Effect.fnUntraced(function* (stores: Holdings["stores"]) {
  const { primitives } = yield* Crypto.Crypto
  const state = yield* IdentityState.IdentityState
  const all: Array<StoreNow> = []
  for (const [name, json] of stores) {
    const hash = Bytes.toHex(primitives.blake3(Bytes.fromUtf8(Redacted.value(json))))
    const known = yield* state.listed(name)
    all.push({ name, json, hash, isKnown: known !== undefined, isChanged: known !== undefined && known.hash !== hash })
  }
  return all
})

/**
 * Lists what this device has, itself too where nothing was ever listed, brings the identity to all places, and answers what
 * could not be done; that is tried again by the next run. Nothing to do on a device without identity.
 *
 * @since 0.1.0
 * @category programs
 */
export const run = Effect.fn("IdentityUpkeep.run")(function* (host: string) {
  const keyring = yield* Keyring.Keyring
  const state = yield* IdentityState.IdentityState
  if ((yield* keyring.identity) === undefined) return []
  yield* NewPhrase.proceed()
  const device = IdentityChanges.keysOf(yield* keyring.device)
  const found = yield* holdings()
  const stores = yield* compared(found.stores)
  const withAll = withHoldings(found, stores)
  const wanted = (identity: Identity.Identity) =>
    withAll(identity.revisions.secrets === 0n ? IdentityChanges.addDevice(host, device)(identity) : identity)
  const quick = yield* Identity.load({ isQuick: true })
  const isListed = quick !== undefined && wanted(quick.identity) === quick.identity
  const pending: Array<IdentityCopies.Pending> = []
  // what is in order costs one question to one place
  if (!isListed || !(yield* IdentityCopies.isSpread(quick))) {
    const loaded = yield* Identity.change(wanted)
    pending.push(...(yield* IdentityCopies.spread(loaded)))
  }
  for (const { hash, isChanged, isKnown, name } of stores)
    if (isChanged || !isKnown) yield* state.saveListed(new IdentityState.Listed({ store: name, hash }))
  const retired = yield* NewPhrase.retire()
  const unwithdrawn = yield* RelayWithdrawal.proceed()
  const unsealed = yield* IdentitySealing.sealAll()
  return [
    ...found.problems,
    ...retired,
    ...unwithdrawn,
    ...unsealed,
    ...pending.map(
      ({ place, problem }) => `store ${place} has no copy of the list of devices and vaults yet: ${problem}`
    )
  ]
})
