/**
 * The places of a configuration, with this device's own store as the last of them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { Config } from "../schema/Config.ts"
import type { ConfigSecret } from "../schema/ConfigSecret.ts"
import type * as ConfigStore from "../schema/ConfigStore.ts"
import { Crypto } from "../services/Crypto.ts"
import { DelegationError, type Place, Places, type Service, WithdrawalError } from "../services/Places.ts"
import * as Stores from "../services/Stores.ts"
import * as PlacesEmbedded from "./PlacesEmbedded.ts"
import * as SecretSource from "./SecretSource.ts"
import * as StoresFromConfig from "./StoresFromConfig.ts"

/** @since 0.1.0 @category models */
export interface Options extends SecretSource.Options {
  readonly config: Pick<Config, "default_store" | "store">
}

/** Stores that hold what nothing else does: not an index of files, not a memory that ends with the process. */
const survives = (store: ConfigStore.ConfigStore): boolean =>
  store.type === "local" || store.type === "s3" || store.type === "relay"

/** The names of configured places, the primary first. */
const configured = ({ config }: Options): ReadonlyArray<string> => {
  const names = Object.entries(config.store).flatMap(([name, store]) => (survives(store) ? [name] : []))
  const { default_store: first } = config
  return first === undefined || !names.includes(first) ? names : [first, ...names.filter((name) => name !== first)]
}

/** The JSON of a table, with its secrets in it and its paths absolute; nothing for what no other device can reach. */
const portable = (name: string, store: ConfigStore.ConfigStore, options: SecretSource.Options) => {
  const read = (secret: ConfigSecret | undefined) =>
    secret === undefined
      ? Effect.succeed(undefined)
      : Effect.map(SecretSource.read(secret, options), (value) => Redacted.value(value))
  const fromEnvironment = (variable: string) => {
    const value = options.environment[variable]
    return value === undefined || value === "" ? undefined : value
  }
  const table = Effect.gen(function* () {
    switch (store.type) {
      case "local":
        return { ...store, base_path: options.resolve(store.base_path) }
      case "s3": {
        const isNamed = store.access_key !== undefined
        return {
          ...store,
          access_key: isNamed ? yield* read(store.access_key) : fromEnvironment("AWS_ACCESS_KEY_ID"),
          secret_key: isNamed ? yield* read(store.secret_key) : fromEnvironment("AWS_SECRET_ACCESS_KEY"),
          session_token: isNamed ? yield* read(store.session_token) : fromEnvironment("AWS_SESSION_TOKEN")
        }
      }
      case "relay":
        return { ...store, token: yield* read(store.token) }
      default:
        return undefined
    }
  })
  return table.pipe(
    Effect.map((fields) => (fields === undefined ? undefined : Redacted.make(JSON.stringify(fields)))),
    Effect.mapError(({ message }) => new Stores.UnknownStore({ reason: "NotOpened", store: name, detail: message }))
  )
}

/** Asks a relay for something that takes this device's token. */
const asking = <A, E>(
  name: string,
  store: typeof ConfigStore.Relay.Type,
  options: SecretSource.Options,
  crypto: Crypto["Type"],
  failed: (reason: "Refused" | "Unavailable", detail: string) => E,
  ask: (
    relay: typeof import("./RelayDelegation.ts"),
    client: Effect.Effect.Success<ReturnType<typeof StoresFromConfig.openRelay>>["client"]
  ) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    if (store.token === undefined)
      return yield* Effect.fail(
        failed("Refused", `[store.${name}] has no token itself, so it can neither give nor take one`)
      )
    // a chunk of this very program that cannot be loaded is a broken installation
    const relay = yield* Effect.promise(() => import("./RelayDelegation.ts"))
    const { client } = yield* StoresFromConfig.openRelay(name, store, options).pipe(
      Effect.provideService(Crypto, crypto),
      Effect.mapError(({ message }) => failed("Unavailable", message))
    )
    return yield* ask(relay, client)
  })

/** What only a relay's place can do. */
const relayPowers = (
  name: string,
  store: typeof ConfigStore.Relay.Type,
  options: SecretSource.Options,
  crypto: Crypto["Type"]
): Pick<Place, "delegate" | "withdraw"> => ({
  delegate: (asked) =>
    asking(
      name,
      store,
      options,
      crypto,
      (reason, detail) => new DelegationError({ reason, place: name, detail }),
      (relay, client) => relay.delegate(client, name, asked)
    ),
  withdraw: (device) =>
    asking(
      name,
      store,
      options,
      crypto,
      (reason, detail) => new WithdrawalError({ reason, place: name, detail }),
      (relay, client) => relay.withdraw(client, name, device)
    )
})

/** The store of a table as a place of that name. @since 0.1.0 @category constructors */
export const place = Effect.fnUntraced(function* (
  name: string,
  store: ConfigStore.ConfigStore,
  stores: Stores.Service,
  options: SecretSource.Options
) {
  const crypto = yield* Crypto
  const made: Place = {
    name,
    blobs: yield* stores.blobs(name),
    registry: yield* stores.registry(name),
    portable: portable(name, store, options),
    ...(store.type === "relay" ? relayPowers(name, store, options, crypto) : {})
  }
  return made
})

/** Over the configured stores, each opened when it is first asked for. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (
  options: Options,
  stores: Stores.Service,
  embedded: PlacesEmbedded.Embedded
) {
  const crypto = yield* Crypto
  const names = configured(options)
  const own = PlacesEmbedded.nameBeside(Object.keys(options.config.store))
  const opened = new Map([[own, PlacesEmbedded.place(own, embedded)]])
  const [first = own, ...rest] = [...names, own]
  const service: Service = {
    names: [first, ...rest],
    withTokens: names.filter((name) => options.config.store[name]?.type === "relay"),
    open: Effect.fnUntraced(function* (name) {
      const before = opened.get(name)
      if (before !== undefined) return before
      const store = names.includes(name) ? options.config.store[name] : undefined
      if (store === undefined)
        return yield* new Stores.UnknownStore({
          reason: stores.names.includes(name) ? "NoRegistry" : "NotConfigured",
          store: name,
          detail: `it is no place that survives alone; there are ${[...names, own].join(", ")}`
        })
      const made = yield* Effect.provideService(place(name, store, stores, options), Crypto, crypto)
      // of two that ask at once both get what the first one made
      const kept = opened.get(name) ?? made
      opened.set(name, kept)
      return kept
    })
  }
  return service
})

/** @since 0.1.0 @category layers */
export const layer = (
  options: Options,
  embedded: PlacesEmbedded.Embedded
): Layer.Layer<Places, never, Stores.Stores | Crypto> =>
  Layer.effect(
    Places,
    Effect.flatMap(Stores.Stores, (stores) => make(options, stores, embedded))
  )
