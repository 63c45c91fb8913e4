/**
 * What a task is to do, complete: the one form that a verb of the command line and a task of the configuration become
 * (docs/format/node.md §3.7, §5.1).
 *
 * It means the same in every process of its user: paths are absolute, and beside each stands how the user wrote it, for
 * messages. There is no secret in one.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Approval } from "./Approval.ts"

/** A place on this device. @since 0.1.0 @category models */
export const Place = Schema.Struct({
  /** Absolute. */
  path: Schema.String,
  /** As the user wrote it. */
  shown: Schema.String
})

/** @since 0.1.0 @category models */
export type Place = typeof Place.Type

/** Which files of a source are taken (`VaultState.Selection`). @since 0.1.0 @category models */
export const Selection = Schema.Struct({
  exclude: Schema.Array(Schema.String),
  ignoreFiles: Schema.Boolean,
  excludeCaches: Schema.Boolean,
  oneFileSystem: Schema.Boolean
})

/** @since 0.1.0 @category models */
export type Selection = typeof Selection.Type

/** A file or folder of this device that is to be kept. @since 0.1.0 @category models */
export const Source = Schema.Struct({
  ...Place.fields,
  /** None: as it was saved before, or everything. */
  selection: Schema.optionalWith(Selection, { exact: true })
})

/** @since 0.1.0 @category models */
export type Source = typeof Source.Type

/** Which snapshot of a vault (`VaultRef.SnapshotSelector`). @since 0.1.0 @category models */
export const Snapshot = Schema.Union(
  Schema.TaggedStruct("Latest", { back: Schema.Int }),
  Schema.TaggedStruct("Number", { number: Schema.Int }),
  Schema.TaggedStruct("At", {
    year: Schema.Int,
    month: Schema.Int,
    day: Schema.Int,
    hour: Schema.optionalWith(Schema.Int, { exact: true }),
    minute: Schema.optionalWith(Schema.Int, { exact: true }),
    /** Its last millisecond since 1970 in the time zone of whoever asked. */
    until: Schema.Number
  }),
  Schema.TaggedStruct("Id", { prefix: Schema.String })
)

/** @since 0.1.0 @category models */
export type Snapshot = typeof Snapshot.Type

const sources = {
  /** Where in the vault the sources stand: the folder of a single one, above the folders of several; empty for its top. */
  folder: Schema.String,
  /** None: those of the configuration, or the saved ones, of the vault at or below `folder`. */
  sources: Schema.Array(Source),
  /** A person has asked for it: what deletes or rewrites much of a source goes on, unless nothing is left of it. */
  attended: Schema.Boolean,
  /** Whatever is deleted, all of a source among it: a person has said so beforehand. */
  anything: Schema.optionalWith(Schema.Boolean, { exact: true }),
  /** The change that a person has agreed to. */
  approved: Schema.optionalWith(Approval, { exact: true })
}

/** Keeps the content of sources in the vault's store, and publishes nothing. @since 0.1.0 @category models */
export const Ingest = Schema.TaggedStruct("Ingest", { vault: Schema.String, ...sources })

/** Publishes what was ingested and not yet published. @since 0.1.0 @category models */
export const Publish = Schema.TaggedStruct("Publish", { vault: Schema.String })

/** Keeps sources in a vault and publishes them. @since 0.1.0 @category models */
export const Backup = Schema.TaggedStruct("Backup", {
  /** None: every vault of this device, with its saved sources. */
  vault: Schema.optionalWith(Schema.String, { exact: true }),
  ...sources,
  /** Read every file again, and mend what is rotten in the store. */
  reread: Schema.Boolean,
  dryRun: Schema.Boolean
})

const restoring = {
  vault: Schema.String,
  /** None: as this device published it, or the device whose vault is attached. */
  device: Schema.optionalWith(Schema.String, { exact: true }),
  /** What all its devices have together now, in place of a snapshot of one of them. */
  peers: Schema.optionalWith(Schema.Boolean, { exact: true }),
  snapshot: Snapshot,
  /** The folder or file of the snapshot; its content comes directly into `directory`. */
  path: Schema.String,
  directory: Place,
  overwrite: Schema.Boolean,
  owner: Schema.Boolean,
  setuid: Schema.Boolean,
  dryRun: Schema.Boolean
}

/** Brings a snapshot, or a part of it, back to disk. @since 0.1.0 @category models */
export const Restore = Schema.TaggedStruct("Restore", restoring)

/** The same from another device's vault, which has to be attached. @since 0.1.0 @category models */
export const RemoteRestore = Schema.TaggedStruct("RemoteRestore", restoring)

/** Reads and checks everything that snapshots reach. @since 0.1.0 @category models */
export const Verify = Schema.TaggedStruct("Verify", {
  /** None: every vault of this device. */
  vault: Schema.optionalWith(Schema.String, { exact: true }),
  /** The share of the content that is read, above 0 and up to 1. */
  share: Schema.Number
})

/** Any task. @since 0.1.0 @category models */
export const TaskSpec = Schema.Union(Ingest, Publish, Backup, Restore, RemoteRestore, Verify)

/** @since 0.1.0 @category models */
export type TaskSpec = typeof TaskSpec.Type

/** A specification of one kind. @since 0.1.0 @category models */
export type Of<Tag extends TaskSpec["_tag"]> = Extract<TaskSpec, { readonly _tag: Tag }>

/** The vaults that a task changes: one, every one, or none for a task that only reads. @since 0.1.0 @category models */
export type Claim = { readonly vault: string } | "every" | "none"

/** What the task changes. @since 0.1.0 @category accessors */
export const claim = (spec: TaskSpec): Claim => {
  switch (spec._tag) {
    case "Ingest":
    case "Publish":
      return { vault: spec.vault }
    case "Backup":
      return spec.dryRun ? "none" : spec.vault === undefined ? "every" : { vault: spec.vault }
    default:
      return "none"
  }
}

/** Whether two tasks may not run at the same time, since both change one vault. @since 0.1.0 @category accessors */
export const excludes = (a: Claim, b: Claim): boolean =>
  a !== "none" && b !== "none" && (a === "every" || b === "every" || a.vault === b.vault)

/** What people call it: `backup docs:`. @since 0.1.0 @category conversions */
export const title = (spec: TaskSpec): string => {
  const vault = spec.vault === undefined ? "" : ` ${spec.vault}:`
  switch (spec._tag) {
    case "Ingest":
      return `ingest${vault}${spec.folder}`
    case "Publish":
      return `publish${vault}`
    case "Backup":
      return `backup${vault}${spec.folder}`
    case "Restore":
    case "RemoteRestore":
      return `restore${vault}${spec.path} ${spec.directory.shown}`
    case "Verify":
      return `verify${vault}`
  }
}
