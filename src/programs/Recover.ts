/**
 * An empty device becomes one of the person's devices again, from the words and what survives.
 *
 * Each step may be run again after an interruption, and does nothing where it was done.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as Keyring from "../services/Keyring.ts"
import * as AdoptVault from "./AdoptVault.ts"
import * as Head from "./Head.ts"
import * as Identity from "./Identity.ts"
import * as IdentityChanges from "./IdentityChanges.ts"
import * as IdentityCopies from "./IdentityCopies.ts"
import * as Pull from "./Pull.ts"
import type * as RecoverWalk from "./RecoverWalk.ts"
import type * as Recovery from "./Recovery.ts"
import * as Rekey from "./Rekey.ts"
import * as Reseal from "./Reseal.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Vault from "./Vault.ts"

/** This device belongs to somebody else already. @since 0.1.0 @category errors */
export class OtherIdentity extends Schema.TaggedError<OtherIdentity>()("OtherIdentity", { did: Schema.String }) {
  override get message() {
    return `this device belongs to ${this.did} already, which other words lead to; recover on an empty one (CAIRN_HOME=FOLDER)`
  }
}

/** What became of a vault. @since 0.1.0 @category models */
export interface Recovered {
  /** What it is called here. */
  readonly name: string
  readonly result: Pull.Result
  /** Snapshots that this device cannot open. */
  readonly unreadable: number
}

/**
 * Makes this device's keys, and keeps those of the identity beside them: from here on it is the person's. What other words
 * gave it before is refused.
 *
 * @since 0.1.0
 * @category programs
 */
export const enter = Effect.fn("Recover.enter")(function* (
  host: string,
  phrase: Recovery.PhraseKeys,
  found: RecoverWalk.Found,
  options: RecoverWalk.Options = {}
) {
  const keyring = yield* Keyring.Keyring
  yield* refuseOther(found)
  const device = yield* keyring.ensureDevice
  if ((yield* keyring.identity) === undefined) yield* keyring.createIdentity(found.keys)
  yield* IdentityCopies.seed(found.heads, [phrase.paper])
  return yield* Identity.update(IdentityChanges.addDevice(host, IdentityChanges.keysOf(device)), {
    ...options,
    identities: [phrase.paper]
  })
})

/** Refuses a device that belongs to another person, or has another phrase. @since 0.1.0 @category programs */
export const refuseOther = Effect.fn("Recover.refuseOther")(function* (found: RecoverWalk.Found) {
  const keyring = yield* Keyring.Keyring
  const [known, recovery] = [yield* keyring.identity, yield* keyring.recovery]
  const isOther = known !== undefined && !Bytes.equals(known.warm, found.keys.warm)
  if (isOther || (recovery !== undefined && recovery.did !== found.identity.did))
    return yield* new OtherIdentity({ did: recovery?.did ?? "somebody else" })
})

/** Whether a snapshot is sealed for others than this device: for as many as there are now, one of whom was removed. */
const isClosed = Effect.fnUntraced(function* (own: Vault.Vault) {
  const head = yield* Head.newest(own)
  if (head === undefined) return false
  for (const { blob, id } of yield* Snapshots.all(own, head)) {
    const read = yield* Effect.either(Head.read(own, id, blob))
    if (Either.isLeft(read) && read.left._tag === "HeadError" && read.left.reason === "NotForUs") return true
  }
  return false
})

/**
 * Takes one vault on this device: its keys, the merge of every device's head as the own head, and every earlier snapshot
 * sealed so that this device opens it without the words.
 *
 * @since 0.1.0
 * @category programs
 */
export const vault = Effect.fn("Recover.vault")(function* (
  phrase: Recovery.PhraseKeys,
  { entry, heads, name }: RecoverWalk.FoundVault
) {
  const node = Rekey.newest(heads.flatMap(({ head }) => head ?? []))?.node
  if (node === undefined) return undefined
  const adopted = yield* AdoptVault.adopt(name, entry.vaultId, node)
  const own = yield* Vault.open(adopted.name)
  // until it is sealed anew, history is open to the words alone
  const withWords: Vault.Vault = { ...own, identities: [...own.identities, phrase.paper] }
  const result = yield* Pull.pull(withWords, heads)
  const { unreadable } = yield* Reseal.reseal(withWords, { isForOthers: yield* isClosed(own) })
  const recovered: Recovered = { name: adopted.name, result, unreadable: unreadable.length }
  return recovered
})
