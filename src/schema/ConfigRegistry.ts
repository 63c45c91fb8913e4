/**
 * `[registry.NAME]` tables (docs/format/node.md §3.6).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Field from "./ConfigField.ts"

const folder = Field.optional(Schema.String, "the folder of the database; the data folder's own when left out")
const prefix = Field.withDefault(Schema.String, "registry", "the folder of the entries in the store")

/** An LMDB database. @since 0.1.0 @category models */
export const Lmdb = Schema.Struct({ type: Schema.Literal("lmdb"), path: folder })

/** The same, as the reference calls its own database. @since 0.1.0 @category models */
export const Local = Schema.Struct({ type: Schema.Literal("local"), path: folder })

/** The same, by the name of the reference's database. @since 0.1.0 @category models */
export const Redb = Schema.Struct({ type: Schema.Literal("redb"), path: folder })

/** This process's memory: gone when it ends. @since 0.1.0 @category models */
export const Memory = Schema.Struct({ type: Schema.Literal("memory") })

/** Entries beside the blobs of a store, safe against other devices that write there. @since 0.1.0 @category models */
export const InStore = Schema.Struct({
  type: Schema.Literal("store"),
  store: Field.required(Schema.String, "the store's name"),
  prefix
})

/** The same in a folder that is no store. @since 0.1.0 @category models */
export const InFolder = Schema.Struct({
  type: Schema.Literal("store_local"),
  path: Field.required(Schema.String, "the folder"),
  prefix
})

const anything = { key: Schema.String, value: Schema.Unknown }
const Remote = Schema.Struct({ type: Schema.Literal("remote") }, anything)
const Tee = Schema.Struct({ type: Schema.Literal("tee") }, anything)

/** Several registries as one. @since 0.1.0 @category models */
export interface Multi {
  readonly type: "multi"
  /** Registries, or the names of registries, in the order of writing. */
  readonly backends: ReadonlyArray<string | ConfigRegistry>
  readonly write_policy: string
}

/** @since 0.1.0 @category models */
export interface MultiEncoded {
  readonly type: "multi"
  readonly backends: ReadonlyArray<string | ConfigRegistryEncoded>
  readonly write_policy?: string
}

/** @since 0.1.0 @category models */
export type ConfigRegistry =
  | typeof Lmdb.Type
  | typeof Local.Type
  | typeof Redb.Type
  | typeof Memory.Type
  | typeof InStore.Type
  | typeof InFolder.Type
  | typeof Remote.Type
  | typeof Tee.Type
  | Multi

type ConfigRegistryEncoded =
  | typeof Lmdb.Encoded
  | typeof Local.Encoded
  | typeof Redb.Encoded
  | typeof Memory.Encoded
  | typeof InStore.Encoded
  | typeof InFolder.Encoded
  | typeof Remote.Encoded
  | typeof Tee.Encoded
  | MultiEncoded

const Multi: Schema.Schema<Multi, MultiEncoded> = Schema.Struct({
  type: Schema.Literal("multi"),
  backends: Field.required(
    Schema.Array(
      Schema.Union(
        Schema.String,
        Schema.suspend((): Schema.Schema<ConfigRegistry, ConfigRegistryEncoded> => ConfigRegistry)
      )
    ),
    "registries, or names of registries, in the order of writing"
  ),
  write_policy: Field.withDefault(
    Schema.String,
    "all",
    'how many must have stored an entry: "all", "any" or "quorum:<number>"'
  )
})

/** Where heads are published. @since 0.1.0 @category models */
export const ConfigRegistry: Schema.Schema<ConfigRegistry, ConfigRegistryEncoded> = Schema.Union(
  Lmdb,
  Local,
  Redb,
  Memory,
  InStore,
  InFolder,
  Remote,
  Tee,
  Multi
).annotations({ identifier: "Registry" })

/** Why a type of the reference cannot be used here, and what can. @since 0.1.0 @category constants */
export const refused: Readonly<Record<string, string>> = {
  remote:
    'nobody serves registries over the network any more: use type = "store" with a store that both sides reach, such as an s3 bucket',
  tee: 'use type = "multi" with both registries as its backends'
}
