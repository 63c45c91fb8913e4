/**
 * What `--json` prints: one object a line, the last one a {@link Result}.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const optional = Schema.optional

/** Something that was not done as asked, or is damaged. @since 0.1.0 @category models */
export const Problem = Schema.Struct({
  type: Schema.Literal("problem"),
  kind: Schema.Literal("skipped", "damaged", "metadata", "conflict"),
  path: Schema.String,
  detail: Schema.String
})

/** One source that was backed up. Sizes in bytes. @since 0.1.0 @category models */
export const Source = Schema.Struct({
  type: Schema.Literal("source"),
  vault: Schema.String,
  folder: Schema.String,
  path: Schema.String,
  outcome: Schema.Literal("published", "unchanged", "dry-run"),
  snapshot: optional(Schema.String),
  revision: optional(Schema.Number),
  files: Schema.Number,
  bytes: Schema.Number,
  readFiles: Schema.Number,
  readBytes: Schema.Number,
  leftOut: Schema.Number,
  problems: Schema.Number
})

/** A vault of this device. Times are ISO 8601. @since 0.1.0 @category models */
export const Vault = Schema.Struct({
  type: Schema.Literal("vault"),
  name: Schema.String,
  id: optional(Schema.String),
  revision: optional(Schema.Number),
  snapshot: optional(Schema.String),
  publishedAt: optional(Schema.String),
  problem: optional(Schema.String)
})

/** A saved source of a vault, with what was last acknowledged for it. @since 0.1.0 @category models */
export const SavedSource = Schema.Struct({
  type: Schema.Literal("saved-source"),
  vault: Schema.String,
  folder: Schema.String,
  path: Schema.String,
  lastBackupAt: optional(Schema.String),
  revision: optional(Schema.Number),
  files: optional(Schema.Number),
  bytes: optional(Schema.Number),
  /** Conflict copies that its last publication made. */
  conflicts: optional(Schema.Array(Schema.String))
})

/** A file or folder in a snapshot. @since 0.1.0 @category models */
export const Entry = Schema.Struct({
  type: Schema.Literal("entry"),
  path: Schema.String,
  kind: Schema.String,
  size: optional(Schema.Number),
  mode: optional(Schema.Number),
  modifiedAt: optional(Schema.String)
})

/** A snapshot of a vault. @since 0.1.0 @category models */
export const Snapshot = Schema.Struct({
  type: Schema.Literal("snapshot"),
  vault: Schema.String,
  number: Schema.Number,
  id: Schema.String,
  publishedAt: optional(Schema.String)
})

/** This device and what it runs on. @since 0.1.0 @category models */
export const Device = Schema.Struct({
  type: Schema.Literal("device"),
  publicKey: optional(Schema.String),
  recipient: optional(Schema.String),
  recovery: optional(Schema.String),
  store: Schema.String,
  registry: Schema.String,
  cryptography: Schema.Struct({
    blake3: Schema.String,
    ed25519: Schema.String,
    chacha20: Schema.String,
    zstd: Schema.String
  }),
  notes: Schema.Array(Schema.String)
})

/** Numbers that a verb ends with. @since 0.1.0 @category models */
export const Summary = Schema.Struct({
  type: Schema.Literal("summary"),
  verb: Schema.String,
  counts: Schema.Record({ key: Schema.String, value: Schema.Number })
})

/** A text that is for people or for a shell as it stands. @since 0.1.0 @category models */
export const Text = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })

/** The last line: how it ended, as the exit code says it. @since 0.1.0 @category models */
export const Result = Schema.Struct({
  type: Schema.Literal("result"),
  code: Schema.Number,
  error: optional(Schema.Struct({ tag: Schema.String, message: Schema.String }))
})

/** Any line. @since 0.1.0 @category models */
export const Line = Schema.Union(Problem, Source, Vault, SavedSource, Entry, Snapshot, Device, Summary, Text, Result)

/** @since 0.1.0 @category models */
export type Line = typeof Line.Type
