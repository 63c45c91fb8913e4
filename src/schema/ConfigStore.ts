/**
 * `[store.NAME]` tables (docs/format/node.md §3.5).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Field from "./ConfigField.ts"
import { ConfigSecret } from "./ConfigSecret.ts"

const common = {
  roles: Field.optional(
    Schema.Array(Schema.Literal("blobs", "meta")),
    "what the store may be used for: content (`blobs`, in blob_stores) or published nodes alone (`meta`, in meta_targets); both when left out"
  )
}

const table = <const Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({ type: Schema.Literal(type), ...fields, ...common })

const layout = Field.withDefault(
  Schema.Literal("plain", "packed"),
  "plain",
  "plain: one file or object a blob, as the reference has it; packed: small blobs together in larger ones"
)

/** A folder. @since 0.1.0 @category models */
export const Local = table("local", {
  base_path: Field.required(Schema.String, "the folder, made when something is first written"),
  layout
})

/** A bucket that speaks S3. @since 0.1.0 @category models */
export const S3 = table("s3", {
  endpoint: Field.optional(Schema.String, "the service's address, https://…; that of AWS when left out"),
  region: Field.withDefault(Schema.String, "", "the region, where the service asks for one"),
  bucket_name: Field.required(Schema.String, "the bucket"),
  access_key: Field.optional(ConfigSecret, "the access key's id; AWS_ACCESS_KEY_ID of the environment when left out"),
  secret_key: Field.optional(ConfigSecret, "its secret; AWS_SECRET_ACCESS_KEY of the environment when left out"),
  session_token: Field.optional(ConfigSecret, "the token of temporary keys"),
  addressing: Field.withDefault(
    Schema.Literal("path", "virtual"),
    "path",
    "whether the bucket is the first part of the path or of the host's name"
  ),
  prefix: Field.withDefault(Schema.String, "", "a folder in the bucket that everything is kept below"),
  layout
})

/** A relay, as `cairn serve` runs one: blobs under their hashes and signed entries, no paths. @since 0.1.0 @category models */
export const Relay = table("relay", {
  url: Field.required(Schema.String, "the relay's address, https://…"),
  token: Field.optional(ConfigSecret, "what this device may write with; without one it can only read"),
  timeout_secs: Field.optional(Schema.Positive, "how long a request may take; 120 when left out")
})

/** This process's memory: gone when it ends. @since 0.1.0 @category models */
export const Memory = table("memory", {})

/** An index of files that stay where they are. @since 0.1.0 @category models */
export const LocalLinks = table("local_links", {
  path: Field.required(Schema.String, "the folder of the index")
})

const SiaRenterd = table("sia_renterd", {
  bucket: Field.required(Schema.String, "the bucket"),
  worker_api_url: Field.required(Schema.String, "the worker's address"),
  bus_api_url: Field.required(Schema.String, "the bus's address"),
  password: Field.required(ConfigSecret, "the password of both")
})

const Fjall = table("fjall", {
  path: Field.required(Schema.String, "the folder of the database"),
  cache_mib: Field.optional(Schema.NonNegativeInt, "the size of its cache")
})

const Indexd = table("indexd", {
  indexer_url: Field.required(Schema.String, "the indexer's address"),
  account: Field.optional(Schema.String, "the account"),
  app_key: Field.required(ConfigSecret, "64 hex digits"),
  cache_path: Field.required(Schema.String, "the folder of the cache"),
  max_inflight: Field.optional(Schema.NonNegativeInt, "transfers at once"),
  upload_timeout_secs: Field.optional(Schema.NonNegativeInt, "how long an upload may take")
})

/** A place for blobs and objects. @since 0.1.0 @category models */
export const ConfigStore = Schema.Union(Local, S3, Relay, Memory, LocalLinks, SiaRenterd, Fjall, Indexd)

/** @since 0.1.0 @category models */
export type ConfigStore = typeof ConfigStore.Type

/** Why a type of the reference cannot be used here, and what can. @since 0.1.0 @category constants */
export const refused: Readonly<Record<string, string>> = {
  sia_renterd:
    'Cairn does not speak to renterd itself: turn on renterd\'s S3 gateway and use type = "s3" with its address',
  fjall:
    'this is a database of the reference, which Cairn does not read: use type = "local" with layout = "packed" for many small blobs',
  indexd: 'Cairn does not speak to indexd: use type = "s3" or type = "local"'
}

/** Fields that hold secrets, by type. @since 0.1.0 @category constants */
export const secretFields: Readonly<Record<string, ReadonlyArray<string>>> = {
  s3: ["secret_key", "session_token"],
  relay: ["token"],
  sia_renterd: ["password"],
  indexd: ["app_key"]
}
