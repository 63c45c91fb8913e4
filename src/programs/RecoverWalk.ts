/**
 * From the words to everything: cold pointer, devices, stores, vaults (docs/format/node.md §2.5). Nothing is changed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as ColdPointer from "../schema/ColdPointer.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as Values from "../schema/SpecialVault.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as Crypto from "../services/Crypto.ts"
import type * as Keyring from "../services/Keyring.ts"
import type * as Places from "../services/Places.ts"
import type * as Identity from "./Identity.ts"
import * as IdentityReading from "./IdentityReading.ts"
import * as Peer from "./Peer.ts"
import type * as Recovery from "./Recovery.ts"

/**
 * The words lead nowhere.
 *
 * - `Unknown`: no place that answers knows them.
 * - `Replaced`: other words were taken in their place.
 * - `Unreachable`: no place answers.
 * - `Damaged`: what they lead to cannot be read.
 * - `Older`: what they lead to names something newer, which no place that answers has.
 *
 * @since 0.1.0
 * @category errors
 */
export class RecoverError extends Schema.TaggedError<RecoverError>()("RecoverError", {
  reason: Schema.Literal("Unknown", "Replaced", "Unreachable", "Damaged", "Older"),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** What the words lead to. @since 0.1.0 @category models */
export interface Found {
  readonly keys: Keyring.IdentityKeys
  readonly identity: Identity.Identity
  /** The newest publications of both lists, and where they are. */
  readonly heads: ReadonlyArray<IdentityReading.Head>
  /** The places that answered. */
  readonly places: ReadonlyArray<Places.Place>
  /** The ones among them that hold something older, with their revisions. */
  readonly older: ReadonlyArray<{ readonly place: string; readonly secrets: bigint; readonly config: bigint }>
  /** Places that did not answer, with the reason. */
  readonly silent: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface Options {
  /** Go on with something that names a newer one which no place has. */
  readonly acceptOlder?: boolean
}

const damaged = (what: string) => (error: { readonly message: string }) =>
  new RecoverError({ reason: "Damaged", detail: `${what}: ${error.message}` })

const best = (reached: ReadonlyArray<IdentityReading.Reached>): RegistryEntry.RegistryEntry | undefined =>
  reached.flatMap(({ entries }) => entries).sort((a, b) => RegistryEntry.Order(b, a))[0]

const revisionAt = (reached: ReadonlyArray<IdentityReading.Reached>, place: Places.Place): bigint =>
  best(reached.filter((one) => one.place === place))?.revision ?? 0n

/** The places that know the cold key, which is how words are tried out. @since 0.1.0 @category programs */
export const isKnown = Effect.fnUntraced(function* (cold: PublicKey.PublicKey, places: ReadonlyArray<Places.Place>) {
  const { primitives } = yield* Crypto.Crypto
  const answers = yield* IdentityReading.ask(places.map(Effect.succeed), ColdPointer.streamKey(primitives, cold))
  return answers.some((answer) => Either.isRight(answer) && answer.right.entries.length > 0)
})

/**
 * What the words lead to at these places, the newest that any of them has.
 *
 * @since 0.1.0
 * @category programs
 */
export const walk = Effect.fn("RecoverWalk.walk")(function* (
  phrase: Recovery.PhraseKeys,
  places: ReadonlyArray<Places.Place>,
  options: Options = {}
) {
  const { primitives } = yield* Crypto.Crypto
  const ask = (key: Parameters<typeof IdentityReading.ask>[1]) => IdentityReading.ask(places.map(Effect.succeed), key)

  const anchors = yield* ask(ColdPointer.streamKey(primitives, phrase.cold))
  const answering = anchors.filter(Either.isRight).map(({ right }) => right)
  const silent = anchors.flatMap((answer, index) =>
    Either.isLeft(answer) ? [`${places[index]?.name ?? ""}: ${answer.left}`] : []
  )
  if (answering.length === 0)
    return yield* new RecoverError({ reason: "Unreachable", detail: `no store answers: ${silent.join("; ")}` })
  const pointer = best(answering)
  if (pointer === undefined)
    return yield* new RecoverError({
      reason: "Unknown",
      detail: `${answering.map(({ place }) => place.name).join(", ")}: nothing is there under these words${
        silent.length === 0 ? "" : ` (${silent.join("; ")})`
      }; check the words, or name another store`
    })
  const { warm } = yield* Effect.mapError(
    ColdPointer.fromEntry(primitives, phrase.cold, pointer),
    damaged("the phrase's own entry")
  )

  const reachedOf = Effect.fnUntraced(function* (domain: "identitySecrets" | "config") {
    const answers = yield* ask(IdentityReading.streamKey(primitives, warm, domain))
    return answers.filter(Either.isRight).map(({ right }) => right)
  })
  const resolve = (reached: ReadonlyArray<IdentityReading.Reached>, what: string) =>
    Effect.mapError(IdentityReading.resolve(reached, [phrase.paper]), (error) =>
      error instanceof IdentityReading.IdentityError && error.reason === "NotForUs"
        ? new RecoverError({
            reason: "Replaced",
            detail: "these words were replaced by newer ones: what was published last cannot be opened with them"
          })
        : damaged(what)(error)
    )
  const [atSecrets, atConfig] = [yield* reachedOf("identitySecrets"), yield* reachedOf("config")]
  const secrets = yield* resolve(atSecrets, "the list of devices")
  const config = yield* resolve(atConfig, "the list of vaults and stores")
  if (secrets === undefined || config === undefined)
    return yield* new RecoverError({
      reason: "Damaged",
      detail: `the words are known, but ${secrets === undefined ? "the list of devices" : "the list of vaults and stores"} is in no store that answers; name another store`
    })
  const named = { secrets: Values.namedRevision(config.entries), config: Values.namedRevision(secrets.entries) }
  if (options.acceptOlder !== true && (named.secrets > secrets.revision || named.config > config.revision))
    return yield* new RecoverError({
      reason: "Older",
      detail: `the list of devices (revision ${secrets.revision}) and that of vaults (revision ${config.revision}) name newer ones (${named.secrets}, ${named.config}) that no store here has; connect the store that has them, or go on with --accept-older`
    })

  const secret = yield* Effect.mapError(Values.toSecrets(secrets.entries), damaged("the list of devices"))
  if (!Bytes.equals(primitives.ed25519PublicKey(Redacted.value(secret.warmSeed)), warm))
    return yield* new RecoverError({
      reason: "Replaced",
      detail: "these words were replaced by newer ones; recover with those"
    })
  const directory = yield* Effect.mapError(Values.toDirectory(config.entries), damaged("the list of vaults and stores"))
  const revisions = { secrets: secrets.revision, config: config.revision }
  const times = [secrets, config].flatMap(({ heads }) => heads[0].publishedAt ?? [])
  const found: Found = {
    keys: { warm, warmSeed: secret.warmSeed, pointer, recovery: phrase.recovery },
    identity: {
      did: phrase.recovery.did,
      warm,
      devices: secret.devices,
      ...directory,
      revisions,
      publishedAt: times.length === 0 ? undefined : Math.max(...times)
    },
    heads: [secrets.heads[0], config.heads[0]],
    places: answering.map(({ place }) => place),
    older: answering.flatMap(({ place }) => {
      const [atPlace, configAtPlace] = [revisionAt(atSecrets, place), revisionAt(atConfig, place)]
      return atPlace < revisions.secrets || configAtPlace < revisions.config
        ? [{ place: place.name, secrets: atPlace, config: configAtPlace }]
        : []
    }),
    silent
  }
  return found
})

/** What every device published of one vault. @since 0.1.0 @category models */
export interface FoundVault {
  readonly name: string
  readonly entry: Values.VaultEntry
  /** Those that can be read, the newest publication first. */
  readonly heads: ReadonlyArray<Peer.Loaded & { readonly device: string }>
  /** Devices whose head cannot be read, with the reason. */
  readonly problems: ReadonlyArray<string>
}

/** When what a device published last was published, milliseconds since 1970, if it says so. @since 0.1.0 @category accessors */
export const publishedAt = ({ head }: Peer.Loaded): number | undefined =>
  head === undefined ? undefined : TransparentNode.publishedAt(head.node)

/**
 * The newest verified head of every device of every vault over all places that answered; read with the words alone.
 *
 * @since 0.1.0
 * @category programs
 */
export const vaults = Effect.fn("RecoverWalk.vaults")(function* (phrase: Recovery.PhraseKeys, found: Found) {
  const [place, ...others] = found.places
  if (place === undefined) return []
  const registry = Peer.newestOf([place.registry, ...others.map((one) => one.registry)])
  const blobs = Peer.firstOf([place.blobs, ...others.map((one) => one.blobs)])
  const all: Array<FoundVault> = []
  for (const [name, entry] of found.identity.vaults) {
    const heads: Array<FoundVault["heads"][number]> = []
    const problems: Array<string> = []
    for (const [device, keys] of found.identity.devices) {
      const publicKey = PublicKey.fromBytes(keys.signing)
      if (Either.isLeft(publicKey)) continue
      const loaded = yield* Effect.either(
        Peer.load({
          name,
          publicKey: publicKey.right,
          vaultId: entry.vaultId,
          registry,
          blobs,
          identities: [phrase.paper],
          atLeast: 0n
        })
      )
      if (Either.isLeft(loaded)) problems.push(`device ${device}: ${loaded.left.message}`)
      else if (loaded.right.head !== undefined) heads.push({ ...loaded.right, device })
    }
    all.push({ name, entry, heads: heads.sort((a, b) => (publishedAt(b) ?? 0) - (publishedAt(a) ?? 0)), problems })
  }
  return all as ReadonlyArray<FoundVault>
})
