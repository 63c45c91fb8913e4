/**
 * `[task.NAME]` tables: what can be run, by the names of what it works on (docs/format/node.md §3.7).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Field from "./ConfigField.ts"
import { ConfigSecret } from "./ConfigSecret.ts"
import * as Trigger from "./Trigger.ts"

const vault = Field.required(Schema.String, "the vault's name")
const source = Field.optional(Schema.String, "the source's name; all of the vault's sources when left out")
const blobStore = Field.optional(Schema.String, "the store's name; the vault's own when left out")
const keys = Field.withDefault(
  Field.Names,
  [],
  "names of keys that the published node is sealed for, beside the vault's recipients"
)
const ignored = Field.optional(Schema.String, "the reference takes this and ignores it; so does Cairn")

const table = <const Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({
    type: Schema.Literal(type),
    ...fields,
    // biome-ignore lint/suspicious/noThenProperty: the format's name for a list, which nobody takes for a function
    then: Field.withDefault(Field.Names, [], "names of tasks that run when this one has succeeded"),
    ...Trigger.fields
  })

/** @since 0.1.0 @category models */
export const Ingest = table("ingest", { vault, source, blob_store: blobStore, target_path: ignored })

/** @since 0.1.0 @category models */
export const Publish = table("publish", { vault, keys })

/** @since 0.1.0 @category models */
export const Backup = table("backup", { vault, source, blob_store: blobStore, keys, target_path: ignored })

/** @since 0.1.0 @category models */
export const Restore = table("restore", {
  vault,
  target_path: Field.required(Schema.String, "the folder to restore into"),
  blob_store: blobStore,
  snapshot: Field.optional(Schema.String, "which snapshot, as after the @ of a reference; the latest when left out"),
  subtree: Field.optional(Schema.String, "the path in the vault; all of it when left out")
})

/** @since 0.1.0 @category models */
export const RemoteRestore = table("remote_restore", {
  vault,
  age_secret_key: Field.required(ConfigSecret, "the age identity that opens the vault"),
  blob_store: Field.required(Schema.String, "the store's name"),
  target_path: Field.required(Schema.String, "the folder to restore into")
})

/** The share, above 0 and up to 1, that a text like `5%` names; nothing when it names none. @since 0.1.0 @category conversions */
export const parseShare = (text: string): number | undefined => {
  const share = /^[0-9]{1,3}(\.[0-9]{1,6})?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : 0
  return share > 0 && share <= 1 ? share : undefined
}

/** A share of a whole, as in `5%`. @since 0.1.0 @category schemas */
export const Share = Schema.String.pipe(
  Schema.filter((text) => parseShare(text) !== undefined, { message: () => 'expected a share like "5%"' })
)

/** @since 0.1.0 @category models */
export const Verify = table("verify", {
  vault: Field.optional(Schema.String, "the vault's name; all vaults when left out"),
  sample: Field.optional(Share, "the share of the content that is read; all of it when left out")
})

/** Something that can be run. @since 0.1.0 @category models */
export const ConfigTask = Schema.Union(Ingest, Publish, Backup, Restore, RemoteRestore, Verify)

/** @since 0.1.0 @category models */
export type ConfigTask = typeof ConfigTask.Type

/** What starts the task, once the rules have found nothing wrong with it. @since 0.1.0 @category accessors */
export const triggerOf = (task: ConfigTask): Trigger.Trigger =>
  Either.getOrElse(Trigger.fromFields(task), () => Trigger.manual)
