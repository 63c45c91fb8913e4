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
import type * as Console from "./Console.ts"
import * as Verb from "./Verb.ts"

const text = (name: string, description: string) =>
  Options.text(name).pipe(Options.withDescription(description), Options.optional)

const config = {
  ...ConfigTables.common,
  type: Options.choice("type", ["local", "s3", "memory"]).pipe(
    Options.withDescription("add: what kind of store it is"),
    Options.optional
  ),
  path: text("path", "add: the folder of a local store"),
  layout: Options.choice("layout", ["plain", "packed"]).pipe(
    Options.withDescription("add: one file a blob, or small blobs together in larger files"),
    Options.optional
  ),
  endpoint: text("endpoint", "add: the address of an S3 service; that of AWS without it"),
  region: text("region", "add: its region"),
  bucket: text("bucket", "add: the bucket"),
  prefix: text("prefix", "add: a folder in the bucket that everything is kept below"),
  accessKey: text("access-key", "add: where the access key's id is: file:PATH, env:NAME or command:PROGRAM"),
  secretKey: text("secret-key", "add: where its secret is: file:PATH, env:NAME or command:PROGRAM"),
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
    const type = Option.getOrUndefined(given.type) ?? (Option.isNone(given.path) ? undefined : "local")
    if (type === undefined) return yield* wrong("store add needs --type local, s3 or memory")
    const { accessKey, bucket, endpoint, layout, path, prefix, region, secretKey } = given
    const ofOthers = [
      ...(type === "local" ? [] : [["path", path] as const, ["layout", layout] as const]),
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
    if (type === "local") {
      if (Option.isNone(path)) return yield* wrong("a local store needs --path")
      return { type, base_path: resolve(path.value), ...optional("layout", layout), ...roles }
    }
    if (Option.isNone(bucket)) return yield* wrong("an s3 store needs --bucket")
    const secret = (name: string, field: string, option: Option.Option<string>) =>
      Option.isNone(option)
        ? Effect.succeed({})
        : Effect.map(secretOf(name, option.value), (value) => ({ [field]: value }))
    return {
      type,
      ...optional("endpoint", endpoint),
      ...optional("region", region),
      bucket_name: bucket.value,
      ...optional("prefix", prefix),
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
    const [live, storesFromConfig, { storeTest }] = yield* Effect.promise(() =>
      Promise.all([import("./Live.ts"), import("../layers/StoresFromConfig.ts"), import("./StoreTest.ts")])
    )
    const stores = yield* storesFromConfig
      .make({ stores: config.store, resolve, environment: process.env })
      .pipe(Effect.provide(live.cryptography))
    return yield* storeTest(yield* stores.objects(name), voice)
  }).pipe(Effect.scoped)

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "store",
  description:
    "Places for blobs: store add NAME --type local --path DIR · store add NAME --type s3 --bucket … · store list · store show NAME · store remove NAME · store test NAME",
  config,
  handler: ({ dryRun, words, ...given }, voice) =>
    Effect.if(words[0] === "test", {
      onTrue: () => test(words[1], words.slice(2), voice),
      onFalse: () =>
        ConfigTables.run({
          section: "store",
          more: ["test"],
          words,
          dryRun,
          voice,
          summary: (table) =>
            [
              Raw.text(table, "type"),
              Raw.text(table, "base_path") ?? Raw.text(table, "path"),
              Raw.text(table, "endpoint"),
              Raw.text(table, "bucket_name")
            ]
              .filter((part) => part !== undefined)
              .join("  "),
          fields: (rest) => fieldsOf(given, rest)
        })
    })
})
