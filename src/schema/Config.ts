/**
 * The configuration: tables by name, as the file spells them (docs/format/node.md §3).
 *
 * Everything has a default, so that no file and an empty file are valid.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as AgeKey from "./AgeKey.ts"
import * as Field from "./ConfigField.ts"
import { ConfigRegistry } from "./ConfigRegistry.ts"
import * as ConfigRules from "./ConfigRules.ts"
import { ConfigSecret } from "./ConfigSecret.ts"
import { ConfigStore } from "./ConfigStore.ts"
import { ConfigTask, Share } from "./ConfigTask.ts"

/** `[identity]`: the key that this device publishes under; its own, made by the first backup, when left out. @since 0.1.0 @category models */
export const Identity = Schema.Struct({
  secret_key_file: Field.optional(Schema.String, "a file with 32 bytes of key: raw, as hex or as base64url"),
  secret_key: Field.optional(ConfigSecret, "the same, from elsewhere; counts before secret_key_file"),
  encrypted_with: Field.optional(
    Schema.String,
    "the name of the key that secret_key_file is encrypted for, as an age file"
  )
})

const Recipient = Schema.String.pipe(
  Schema.filter((text) => Either.isRight(AgeKey.recipientKey(text)), {
    message: () => "this is no age recipient, which reads age1…"
  })
)

/** `[key.NAME]`: somebody who may read. @since 0.1.0 @category models */
export const Key = Schema.Struct({
  public_key: Field.required(Recipient, "an age recipient, age1…"),
  identity_file: Field.optional(Schema.String, "the age identity file that opens what is sealed for the recipient")
})

/** `[source.NAME]`: files and folders of this device. @since 0.1.0 @category models */
export const Source = Schema.Struct({
  paths: Field.required(
    Schema.Array(Schema.String).pipe(Schema.minItems(1, { message: () => "a source needs one path at least" })),
    "the files and folders"
  ),
  include_caches: Field.withDefault(Schema.Boolean, false, "take folders that a CACHEDIR.TAG marks as caches too"),
  skip_hidden: Field.withDefault(Schema.Boolean, false, "leave out what begins with a dot"),
  respect_ignore_files: Field.withDefault(Schema.Boolean, false, "heed .gitignore and .ignore"),
  exclude: Field.withDefault(Field.Names, [], "gitignore-style patterns, relative to each path"),
  one_file_system: Field.withDefault(Schema.Boolean, false, "do not go into other file systems")
})

/** `[vault.NAME]`: an encrypted tree with history. @since 0.1.0 @category models */
export const Vault = Schema.Struct({
  root_path: Field.optional(Schema.String, "the folder of the vault's keys and records on this device"),
  key: Field.optional(Schema.String, "the name of the key that protects them; this device's own when left out"),
  blob_stores: Field.withDefault(
    Field.Names,
    [],
    "names of stores for content and tree: written to all, read from the first that has it; the embedded store when left out"
  ),
  preset: Field.optional(Schema.String, "the reference takes this and ignores it; so does Cairn"),
  recipients: Field.withDefault(
    Field.Names,
    [],
    "names of keys that may read what is published, beside this device and the recovery phrase"
  ),
  sources: Field.withDefault(Field.Names, [], "names of sources that are kept in the vault"),
  meta_targets: Field.withDefault(
    Field.Names,
    [],
    "names of stores that get a copy of each published node and nothing else; never filled from blob_stores"
  ),
  plaintext_tree: Field.withDefault(Schema.Boolean, false, "the reference takes this; Cairn encrypts all the same"),
  watch: Field.withDefault(Schema.Boolean, false, "back up the sources whenever they change, while the daemon runs"),
  approve_above: Field.optional(
    Share,
    'a run that nobody has asked for waits for `cairn approve` when it deletes or rewrites this share of a source\'s files, and ten at least; "50%" when left out'
  )
})

const section = <A, I>(table: Schema.Schema<A, I>, description: string) =>
  Field.withDefault(Schema.Record({ key: Schema.String, value: table }), {}, description)

/** The tables, without the rules between them. @since 0.1.0 @category models */
export const Tables = Schema.Struct({
  identity: Field.withDefault(Identity, {}, "the key that this device publishes under"),
  default_store: Field.optional(
    Schema.String,
    "the name of the store of vaults without blob_stores; the embedded store when left out"
  ),
  key: section(Key, "who may read"),
  store: section(ConfigStore, "places for blobs"),
  registry: section(ConfigRegistry, "places for heads; the one called `default` is used"),
  source: section(Source, "files and folders of this device"),
  vault: section(Vault, "encrypted trees with history"),
  task: section(ConfigTask, "what can be run")
})

/** A configuration that obeys every rule; for one that is built in a program. @since 0.1.0 @category models */
export const Config = Tables.pipe(
  Schema.filter((config) =>
    ConfigRules.check(config)
      .filter(({ severity }) => severity === "error")
      .map(({ path, problem }) => ({ path, message: problem }))
  )
)

/** @since 0.1.0 @category models */
export type Config = typeof Config.Type

/** The configuration that an empty file is. @since 0.1.0 @category constants */
export const empty: Config = Schema.decodeUnknownSync(Tables)({})
