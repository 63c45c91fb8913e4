/**
 * `cairn store add|list|show|remove|test`
 *
 * @since 0.1.0
 */
import { resolve } from "node:path"
import type * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as ConfigEdit from "../schema/ConfigEdit.ts"
import * as Raw from "../schema/ConfigRaw.ts"
import * as Argv from "./Argv.ts"
import * as Config from "./Config.ts"
import * as ConfigTables from "./ConfigTables.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Home from "./Home.ts"
import * as Verb from "./Verb.ts"

const text = (name: string, description: string) =>
  Options.text(name).pipe(Options.withDescription(description), Options.optional)

const config = {
  ...ConfigTables.common,
  type: Options.choice("type", ["local", "s3", "relay", "memory", "local_links"]).pipe(
    Options.withDescription("add: what kind of store it is"),
    Options.optional
  ),
  path: text("path", "add: the folder of a local store, or of the index of local_links"),
  layout: Options.choice("layout", ["plain", "packed"]).pipe(
    Options.withDescription("add: one file or object a blob, or small blobs together in larger ones"),
    Options.optional
  ),
  endpoint: text("endpoint", "add: the address of an S3 service; that of AWS without it"),
  region: text("region", "add: its region"),
  bucket: text("bucket", "add: the bucket"),
  prefix: text("prefix", "add: a folder in the bucket that everything is kept below"),
  accessKey: text("access-key", "add: where the access key's id is: file:PATH, env:NAME or command:PROGRAM"),
  secretKey: text("secret-key", "add: where its secret is: file:PATH, env:NAME or command:PROGRAM"),
  url: text("url", "add: the address of a relay"),
  token: text("token", "add: where the relay's token is: file:PATH, env:NAME or command:PROGRAM"),
  role: Options.choice("role", ["blobs", "meta"]).pipe(
    Options.withDescription("add: what it may be used for; both without it"),
    Options.repeated
  )
}

/** Where a secret is, from a word that never is the secret itself. */
const secretOf = (option: string, word: string): Effect.Effect<ConfigEdit.Value, Argv.Usage> => {
  const [, kind, rest = ""] = /^(file|env|command):(.+)$/s.exec(word) ?? []
  switch (kind) {
    case "file":
      return Effect.succeed({ file: resolve(rest) })
    case "env":
      return Effect.succeed({ env: rest })
    case "command":
      return Effect.succeed({ command: rest.split(/\s+/).filter((part) => part !== "") })
    default:
      // what was given may be the secret: it is not repeated
      return new Argv.Usage({
        problem: `--${option} says where the secret is, not what it is: file:PATH, env:NAME or command:PROGRAM`
      })
  }
}

type Given = Omit<Command.Command.ParseConfigValue<typeof config>, "words" | "dryRun">

/** The table that `store add` adds. */
const fieldsOf = (given: Given, rest: ReadonlyArray<string>): Effect.Effect<ConfigEdit.Fields, Argv.Usage> =>
  Effect.gen(function* () {
    const wrong = (problem: string) => new Argv.Usage({ problem })
    if (rest.length > 0) return yield* wrong(`store add takes one name, not also ${rest.join(" ")}`)
    const type =
      Option.getOrUndefined(given.type) ??
      (Option.isSome(given.path) ? "local" : Option.isSome(given.url) ? "relay" : undefined)
    if (type === undefined) return yield* wrong("store add needs --type local, s3, relay, memory or local_links")
    const { accessKey, bucket, endpoint, layout, path, prefix, region, secretKey, token, url } = given
    const ofOthers = [
      ...(type === "local" || type === "local_links" ? [] : [["path", path] as const]),
      ...(type === "local" || type === "s3" ? [] : [["layout", layout] as const]),
      ...(type === "relay" ? [] : [["url", url] as const, ["token", token] as const]),
      ...(type === "s3"
        ? []
        : [
            ["endpoint", endpoint] as const,
            ["region", region] as const,
            ["bucket", bucket] as const,
            ["prefix", prefix] as const,
            ["access-key", accessKey] as const,
            ["secret-key", secretKey] as const
          ])
    ]
    const foreign = ofOthers.find(([, option]) => Option.isSome(option))
    if (foreign !== undefined) return yield* wrong(`a ${type} store takes no --${foreign[0]}`)
    const roles = given.role.length === 0 ? {} : { roles: [...new Set(given.role)] }
    const optional = (name: string, option: Option.Option<string>) =>
      Option.isNone(option) ? {} : { [name]: option.value }
    if (type === "memory") return { type, ...roles }
    if (type === "local_links") {
      if (Option.isNone(path)) return yield* wrong("a local_links store needs --path, the folder of its index")
      return { type, path: resolve(path.value), ...roles }
    }
    if (type === "local") {
      if (Option.isNone(path)) return yield* wrong("a local store needs --path")
      return { type, base_path: resolve(path.value), ...optional("layout", layout), ...roles }
    }
    const secret = (name: string, field: string, option: Option.Option<string>) =>
      Option.isNone(option)
        ? Effect.succeed({})
        : Effect.map(secretOf(name, option.value), (value) => ({ [field]: value }))
    if (type === "relay") {
      if (Option.isNone(url)) return yield* wrong("a relay store needs --url")
      return { type, url: url.value, ...(yield* secret("token", "token", token)), ...roles }
    }
    if (Option.isNone(bucket)) return yield* wrong("an s3 store needs --bucket")
    return {
      type,
      ...optional("endpoint", endpoint),
      ...optional("region", region),
      bucket_name: bucket.value,
      ...optional("prefix", prefix),
      ...optional("layout", layout),
      ...(yield* secret("access-key", "access_key", accessKey)),
      ...(yield* secret("secret-key", "secret_key", secretKey)),
      ...roles
    }
  })

/** Tries out what the configured store promises. */
const test = (name: string | undefined, rest: ReadonlyArray<string>, voice: Console.Voice) =>
  Effect.gen(function* () {
    if (name === undefined || rest.length > 0) return yield* new Argv.Usage({ problem: "store test takes one name" })
    const { config, resolve } = yield* Config.load
    const known = Object.keys(config.store)
    if (!known.includes(name)) return yield* new ConfigTables.NoSuchTable({ section: "store", name, known })
    // a chunk of this very program that cannot be loaded is a broken installation
    const [live, { openStores }, { relayTest, storeTest }] = yield* Effect.promise(() =>
      Promise.all([import("./Live.ts"), import("./LiveConfig.ts"), import("./StoreTest.ts")])
    )
    return yield* Effect.gen(function* () {
      const stores = yield* openStores({ config, resolve }, Home.mine)
      return config.store[name]?.type === "relay"
        ? yield* relayTest({ blobs: yield* stores.blobs(name), registry: yield* stores.registry(name) }, voice)
        : yield* storeTest(yield* stores.objects(name), voice)
    }).pipe(Effect.provide(live.cryptography))
  }).pipe(Effect.scoped)

/** Links files to an index of files that stay where they are, or takes them out of it; without any, shows what is in it. */
const link = (
  action: "link" | "unlink",
  name: string | undefined,
  paths: ReadonlyArray<string>,
  dryRun: boolean,
  voice: Console.Voice
) =>
  Effect.gen(function* () {
    if (name === undefined) return yield* new Argv.Usage({ problem: `store ${action} takes a name and files` })
    const { config, resolve: absolute } = yield* Config.load
    const store = config.store[name]
    if (store?.type !== "local_links") {
      const known = Object.keys(config.store).filter((one) => config.store[one]?.type === "local_links")
      return yield* new ConfigTables.NoSuchTable({ section: "store of type local_links", name, known })
    }
    // a chunk of this very program that cannot be loaded is a broken installation
    const [live, { openLinks }] = yield* Effect.promise(() =>
      Promise.all([import("./Live.ts"), import("../layers/StoresFromConfig.ts")])
    )
    const links = yield* openLinks(name, store, { resolve: absolute }).pipe(Effect.provide(live.cryptography))
    const tell = (text: string) => Console.emit(voice, { type: "text", text }, text)
    if (paths.length === 0) {
      if (action === "unlink") return yield* new Argv.Usage({ problem: "store unlink takes a name and files" })
      for (const { hash, path } of yield* links.links) yield* tell(`${hash}  ${path}`)
      return exitCode.done
    }
    for (const path of paths) {
      if (dryRun) yield* Console.note(voice, `${path}: nothing was changed`)
      else if (action === "unlink") yield* links.unlink(resolve(path))
      else yield* Effect.flatMap(links.link(resolve(path)), (made) => tell(`${made.hash}  ${made.path}`))
    }
    return exitCode.done
  }).pipe(Effect.scoped)

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "store",
  description:
    "Places for blobs: store add NAME --type local --path DIR · store add NAME --type s3 --bucket … · store add NAME --type relay --url … · store list · store show NAME · store remove NAME · store test NAME · store link NAME FILE… · store unlink NAME FILE…",
  config,
  handler: Effect.fnUntraced(function* ({ dryRun, words, ...given }, voice) {
    const [action] = words
    if (action === "test") return yield* test(words[1], words.slice(2), voice)
    if (action === "link" || action === "unlink") return yield* link(action, words[1], words.slice(2), dryRun, voice)
    return yield* ConfigTables.run({
      section: "store",
      more: ["test", "link", "unlink"],
      words,
      dryRun,
      voice,
      summary: (table) =>
        [
          Raw.text(table, "type"),
          Raw.text(table, "base_path") ?? Raw.text(table, "path"),
          Raw.text(table, "endpoint"),
          Raw.text(table, "url"),
          Raw.text(table, "bucket_name")
        ]
          .filter((part) => part !== undefined)
          .join("  "),
      fields: (rest) => fieldsOf(given, rest)
    })
  })
})
