/**
 * `cairn serve`: a relay on this machine, and the tokens of those who may write to it.
 *
 * @since 0.1.0
 */
import { join } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as BlobStoreLinks from "../layers/BlobStoreLinks.ts"
import * as BlobStoreObjects from "../layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../layers/CryptoAuto.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as RegistryNone from "../layers/RegistryNone.ts"
import * as RegistryObjectStore from "../layers/RegistryObjectStore.ts"
import * as RelayServerNode from "../layers/RelayServerNode.ts"
import * as RelayTokensObjectStore from "../layers/RelayTokensObjectStore.ts"
import * as RelayAccess from "../programs/RelayAccess.ts"
import * as BlobStore from "../services/BlobStore.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Registry from "../services/Registry.ts"
import * as RelayTokens from "../services/RelayTokens.ts"
import * as Argv from "./Argv.ts"
import * as Config from "./Config.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Home from "./Home.ts"
import * as Verb from "./Verb.ts"
import { version } from "./Verbs.ts"

/** The port cannot be had. @since 0.1.0 @category errors */
export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly detail: string }> {
  override get message() {
    return `the relay cannot listen: ${this.detail}; --port and --host choose another place`
  }
}

const mebibyte = 1024 * 1024
/** How long a relay over a store of several goes by the tokens that it read. */
const tokensFreshFor = Duration.seconds(5)
/** How long the start waits for a store to say whether it can keep entries. */
const longestProbe = Duration.seconds(20)
const optionalNumber = (name: string, unit: string, does: string) =>
  Options.float(name).pipe(Options.withPseudoName(unit), Options.withDescription(does), Options.optional)

const config = {
  words: Args.repeated(Verb.operand("token add|list|remove NAME")),
  host: Options.text("host").pipe(
    Options.withPseudoName("address"),
    Options.withDescription("where to listen; 127.0.0.1, which only this machine reaches, when absent"),
    Options.withDefault("127.0.0.1")
  ),
  port: Options.integer("port").pipe(
    Options.withPseudoName("number"),
    Options.withDescription("7787 when absent, 0 for any that is free"),
    Options.withDefault(7787)
  ),
  folder: Options.text("folder").pipe(
    Options.withPseudoName("folder"),
    Options.withDescription("where blobs and entries are kept; a folder of Cairn's own when absent"),
    Options.optional
  ),
  store: Options.text("store").pipe(
    Options.withPseudoName("name"),
    Options.withDescription("the configured store where blobs, entries and tokens are kept; relays over one are one"),
    Options.optional
  ),
  links: Options.text("links").pipe(
    Options.withPseudoName("name"),
    Options.withDescription("a configured store of type local_links, whose files are given out as well"),
    Options.optional
  ),
  appendOnly: Options.boolean("append-only").pipe(Options.withDescription("never remove anything")),
  blobsOnly: Options.boolean("blobs-only").pipe(
    Options.withDescription("keep no entries: for a bucket that has no conditional writes")
  ),
  maxBlob: optionalNumber("max-blob", "MiB", "the largest blob that is taken, 64 MiB when absent"),
  maxTotal: optionalNumber("max-total", "MiB", "token add: what it may write in all"),
  requests: optionalNumber("requests", "number", "token add: requests a second"),
  traffic: optionalNumber("traffic", "MiB", "token add: MiB a second"),
  mayInvite: Options.boolean("may-invite").pipe(
    Options.withDescription("token add: it may ask for tokens of other devices, which `cairn invite` does")
  ),
  dryRun: Verb.dryRun
}

const usage = (problem: string) => new Argv.Usage({ problem })

const tokensOfHome = Effect.flatMap(
  ObjectStoreFs.make({ directory: join(Home.mine.data, "relay-tokens"), private: true }),
  (own) => RelayTokensObjectStore.make(own)
)

/** In a folder: a relay's own where none is named. */
const inFolder = Effect.fnUntraced(function* (folder: Option.Option<string>) {
  const directory = Option.getOrElse(folder, () => join(Home.mine.data, "relay"))
  const { primitives } = yield* Crypto.Crypto
  const kept = yield* ObjectStoreFs.make({ directory, name: "relay", private: true })
  return {
    blobs: BlobStoreObjects.fromObjects(kept, primitives),
    registry: yield* RegistryObjectStore.make(kept, { name: "relay" }),
    tokens: yield* tokensOfHome
  }
})

/** The relay would lose what two devices publish at once, or keep nothing at all. @since 0.1.0 @category errors */
export class NoEntries extends Data.TaggedError("NoEntries")<{ readonly store: string; readonly detail: string }> {
  override get message() {
    return `a relay over [store.${this.store}] could keep no entries: ${this.detail}; with --blobs-only it serves blobs alone`
  }
}

const blobsAlone = RegistryNone.make({
  name: "relay",
  detail: "this relay keeps blobs alone (--blobs-only), and no entries; choose another place for those"
})

/** In a configured store, the tokens beside the rest where it has folders: what one relay over it knows, all know. */
const inStore = Effect.fnUntraced(function* (name: string, needsEntries: boolean) {
  const { config, resolve } = yield* Config.load
  // a chunk of this very program that cannot be loaded is a broken installation
  const { openStores } = yield* Effect.promise(() => import("./LiveConfig.ts"))
  const stores = yield* openStores({ config, resolve }, Home.mine)
  const registry = yield* stores.registry(name)
  // a store that does not answer now may do so later; only what never will is refused
  const unsupported = yield* (registry.supported ?? Effect.void).pipe(
    Effect.as(undefined),
    Effect.catchAll((error) => Effect.succeed(error.reason === "Unsupported" ? error : undefined)),
    Effect.timeoutTo({ duration: longestProbe, onSuccess: (found) => found, onTimeout: () => undefined })
  )
  if (unsupported !== undefined && needsEntries)
    return yield* new NoEntries({
      store: name,
      detail: unsupported.detail.replace(/^store .*?: replace registry: /, "")
    })
  return {
    blobs: yield* stores.blobs(name),
    registry,
    tokens: yield* Effect.matchEffect(stores.objects(name), {
      onSuccess: (objects) =>
        // tokens are made on a condition, too
        unsupported === undefined
          ? RelayTokensObjectStore.make(objects, { prefix: "relay/", freshFor: tokensFreshFor })
          : tokensOfHome,
      onFailure: (error) => (error.reason === "NotObjects" ? tokensOfHome : Effect.fail(error))
    })
  }
})

/** The linked files of a configured store. */
const linksOf = Effect.fnUntraced(function* (name: string) {
  const { config, resolve } = yield* Config.load
  const store = config.store[name]
  if (store?.type !== "local_links") return yield* usage(`[store.${name}] is no store of type local_links`)
  // a chunk of this very program that cannot be loaded is a broken installation
  const { openLinks } = yield* Effect.promise(() => import("../layers/StoresFromConfig.ts"))
  return yield* openLinks(name, store, { resolve })
})

/** The relay's blobs, entries and tokens. */
const layer = ({
  blobsOnly,
  folder,
  links,
  store,
  words
}: {
  readonly blobsOnly: boolean
  readonly folder: Option.Option<string>
  readonly links: Option.Option<string>
  readonly store: Option.Option<string>
  readonly words: ReadonlyArray<string>
}) =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      if (Option.isSome(folder) && Option.isSome(store))
        return yield* usage("--folder and --store both say where things are kept; give one")
      const { blobs, registry, tokens } = yield* Option.isSome(store)
        ? inStore(store.value, !blobsOnly && words.length === 0)
        : inFolder(folder)
      return Layer.mergeAll(
        Layer.succeed(
          BlobStore.BlobStore,
          Option.isNone(links) ? blobs : BlobStoreLinks.withLinks(blobs, yield* linksOf(links.value))
        ),
        Layer.succeed(Registry.Registry, blobsOnly ? blobsAlone : registry),
        Layer.succeed(RelayTokens.RelayTokens, tokens)
      )
    })
  ).pipe(Layer.provideMerge(CryptoAuto.layer()))

/** Lines of JSON to standard error, which is where what is no data goes. */
const logged = Logger.replace(
  Logger.defaultLogger,
  Logger.map(Logger.jsonLogger, (line) => Effect.runSync(Console.tell(line)))
)

const serve = Effect.fnUntraced(function* (options: RelayServerNode.Options, voice: Verb.Common) {
  const server = yield* Layer.build(RelayServerNode.layer(options)).pipe(
    Effect.mapError((error) => new CannotListen({ detail: String(error.cause ?? error.message) }))
  )
  const { address } = Context.get(server, HttpServer.HttpServer)
  const url =
    address._tag === "TcpAddress"
      ? `http://${address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname}:${address.port}`
      : address.path
  yield* Console.emit(voice, { type: "text", text: url }, `relay at ${url}, its interface at ${url}/docs`)
  if ((yield* Effect.flatMap(RelayTokens.RelayTokens, ({ list }) => list)).length === 0)
    yield* Console.note(voice, "nobody may write to it yet: `cairn serve token add NAME` makes a token")
  return yield* Effect.never
})

const addToken = Effect.fnUntraced(function* (token: Parameters<typeof RelayAccess.issue>[0], voice: Verb.Common) {
  const secret = yield* RelayAccess.issue(token)
  if (secret === undefined) return yield* usage(`there is a token ${token.name} already; remove it first`)
  // this is the one time that it is shown
  yield* Console.emit(voice, { type: "text", text: Redacted.value(secret) }, Redacted.value(secret))
  yield* Console.note(voice, "this token is shown once; the relay keeps only its hash")
})

/** Who let it in, what it may do, and when it ends, where there is something to say. */
const about = Effect.fnUntraced(function* (token: RelayTokens.Token, all: ReadonlyArray<RelayTokens.Token>) {
  const parent = token.parent === undefined ? undefined : all.find(({ hash }) => hash === token.parent)
  const isAlive = RelayAccess.chainOf(token, all, yield* Clock.currentTimeMillis) !== undefined
  return [
    token.mayDelegate === true ? "may invite" : "",
    parent === undefined ? "" : `let in by ${parent.name}`,
    !isAlive ? "ended" : token.expiresAt === undefined ? "" : `ends ${new Date(token.expiresAt).toISOString()}`
  ]
    .filter((part) => part !== "")
    .map((part) => `, ${part}`)
    .join("")
})

const tokens = Effect.fnUntraced(function* (
  words: ReadonlyArray<string>,
  limits: {
    readonly maxTotal: Option.Option<number>
    readonly requests: Option.Option<number>
    readonly traffic: Option.Option<number>
  },
  mayInvite: boolean,
  dryRun: boolean,
  voice: Verb.Common
) {
  const [action, name, ...rest] = words
  const service = yield* RelayTokens.RelayTokens
  if (rest.length > 0) return yield* usage(`serve token ${action} takes one name, not also ${rest.join(" ")}`)
  if (action === "list") {
    for (const damaged of yield* service.damaged)
      yield* Console.complain(
        `token ${damaged}: its record is damaged, so neither it nor what it let in counts; \`cairn serve token remove ${damaged}\` clears it away`
      )
    for (const token of yield* service.list) {
      const used = yield* service.used(token.name)
      yield* Console.emit(
        voice,
        { type: "summary", verb: `token ${token.name}`, counts: { bytes: used } },
        `${token.name}  ${Console.size(used)} written${token.maxTotalBytes === undefined ? "" : ` of ${Console.size(token.maxTotalBytes)}`}${yield* about(token, yield* service.list)}`
      )
    }
    return
  }
  if (action !== "add" && action !== "remove") return yield* usage("serve token takes add, list or remove")
  if (name === undefined) return yield* usage(`serve token ${action} needs the name of a device`)
  if (!RelayTokens.isName(name))
    return yield* usage(`"${name}" cannot name a token: up to 64 letters, digits, dots, dashes or underscores`)
  const bytes = (value: Option.Option<number>) => Option.map(value, (mebibytes) => Math.round(mebibytes * mebibyte))
  const wrong = Object.entries(limits).find(([, limit]) => Option.isSome(limit) && !(limit.value > 0))
  if (wrong !== undefined) return yield* usage("a token's limits are more than 0")
  if (dryRun) return yield* Console.note(voice, `${name}: nothing was changed`)
  if (action === "remove") {
    const known = [...(yield* service.list).map((token) => token.name), ...(yield* service.damaged)]
    if (!known.includes(name))
      return yield* usage(`there is no token ${name}${known.length === 0 ? "" : `; there is ${known.join(", ")}`}`)
    const [, ...others] = yield* service.remove(name)
    if (others.length > 0) yield* Console.note(voice, `ended with it, as it had let them in: ${others.join(", ")}`)
    return
  }
  return yield* addToken(
    {
      name,
      maxTotalBytes: Option.getOrUndefined(bytes(limits.maxTotal)),
      bytesPerSecond: Option.getOrUndefined(bytes(limits.traffic)),
      requestsPerSecond: Option.getOrUndefined(limits.requests),
      ...(mayInvite ? { mayDelegate: true } : {})
    },
    voice
  )
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "serve",
  description:
    "Runs a relay, at which devices that never trust it can meet: serve · serve token add NAME · serve token list · serve token remove NAME",
  config,
  handler: (given, common) =>
    Effect.gen(function* () {
      const { appendOnly, blobsOnly, dryRun, host, maxBlob, maxTotal, mayInvite, port, requests, traffic, words } =
        given
      const [first, ...rest] = words
      if (first === "token") {
        yield* tokens(rest, { maxTotal, requests, traffic }, mayInvite, dryRun, common)
        return exitCode.done
      }
      if (first !== undefined) return yield* usage(`unknown: serve ${first}; it takes no word, or token`)
      if (port < 0 || port > 65_535) return yield* usage(`${port} is no port`)
      if (Option.isSome(maxBlob) && !(maxBlob.value > 0)) return yield* usage("--max-blob is more than 0")
      if (dryRun) return yield* Effect.as(Console.note(common, "nothing was started"), exitCode.done)
      return yield* serve(
        {
          host,
          port,
          version,
          appendOnly,
          blobsOnly,
          ...(Option.isNone(maxBlob) ? {} : { maxBlobBytes: Math.round(maxBlob.value * mebibyte) })
        },
        common
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(layer(given)),
      Effect.provide(logged),
      Logger.withMinimumLogLevel(common.quiet ? LogLevel.Warning : LogLevel.Info)
    )
})
