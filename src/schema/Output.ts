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
  outcome: Schema.Literal("published", "unchanged", "dry-run", "ingested"),
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
  /** Steps after a publication that are still to be done. */
  todos: optional(Schema.Number),
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
  conflicts: optional(Schema.Array(Schema.String)),
  /** When a scan was made that was not published yet. */
  stagedAt: optional(Schema.String),
  /** Publications that were begun, and of which it is not known yet what became of them. */
  announced: optional(Schema.Number)
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

/** What another device published of a vault, as far as it can be read here. @since 0.1.0 @category models */
export const Peer = Schema.Struct({
  type: Schema.Literal("peer"),
  vault: Schema.String,
  name: Schema.String,
  /** The key that it publishes under, in hex; this device's own for `isThis`. */
  device: Schema.String,
  isThis: optional(Schema.Boolean),
  revision: optional(Schema.Number),
  snapshot: optional(Schema.String),
  publishedAt: optional(Schema.String),
  problem: optional(Schema.String)
})

/** What a pull came to. @since 0.1.0 @category models */
export const Pull = Schema.Struct({
  type: Schema.Literal("pull"),
  vault: Schema.String,
  outcome: Schema.Literal("published", "unchanged", "dry-run"),
  revision: optional(Schema.Number),
  snapshot: optional(Schema.String),
  /** The snapshots of other devices that are in the own history since. */
  merged: Schema.Array(Schema.String),
  /** Where versions stand beside their paths since. */
  conflicts: Schema.Array(Schema.String),
  /** Blobs that were brought into the vault's store, and their size in bytes. */
  blobs: Schema.Number,
  bytes: Schema.Number,
  /** Blobs that no store can give back. */
  missing: Schema.Number,
  /** Heads that were merged without what both sides come from, which cannot be read: nothing was deleted. */
  baseless: Schema.Number
})

/** A code for another device, which is a secret. @since 0.1.0 @category models */
export const Invitation = Schema.Struct({
  type: Schema.Literal("invitation"),
  code: Schema.String,
  store: Schema.String,
  expiresAt: Schema.String
})

/** The words that both devices show. @since 0.1.0 @category models */
export const Words = Schema.Struct({ type: Schema.Literal("words"), words: Schema.String })

/** A device that was let in, by its name: the other one, or this one. @since 0.1.0 @category models */
export const Joined = Schema.Struct({ type: Schema.Literal("joined"), device: Schema.String })

/** A device of the person, or one that was removed and has the identity's key still. @since 0.1.0 @category models */
export const ListedDevice = Schema.Struct({
  type: Schema.Literal("listed-device"),
  name: Schema.String,
  /** The key that it publishes under, in hex. */
  device: Schema.String,
  state: Schema.Literal("this", "listed", "incomplete"),
  /** Vaults for which its removal is not complete. */
  vaults: optional(Schema.Array(Schema.String))
})

/** A device that was removed, with the vaults that have new keys since. @since 0.1.0 @category models */
export const RemovedDevice = Schema.Struct({
  type: Schema.Literal("removed-device"),
  name: Schema.String,
  vaults: Schema.Array(Schema.String),
  /** Vaults that this device does not have, and that have the keys of before. */
  elsewhere: optional(Schema.Array(Schema.String))
})

/** A path that differs between two snapshots. @since 0.1.0 @category models */
export const Difference = Schema.Struct({
  type: Schema.Literal("difference"),
  path: Schema.String,
  kind: Schema.Literal("directory", "file"),
  change: Schema.Literal("added", "deleted", "changed", "metadata")
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
  /** The configuration file, where there is one. */
  configuration: optional(Schema.String),
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

/** Something that runs by itself. Times are ISO 8601. @since 0.1.0 @category models */
export const Automation = Schema.Struct({
  type: Schema.Literal("automation"),
  name: Schema.String,
  vault: optional(Schema.String),
  /** What starts it, for people. */
  trigger: Schema.String,
  state: Schema.Literal("waiting", "running", "detached", "paused"),
  lastGoodAt: optional(Schema.String),
  nextRunAt: optional(Schema.String),
  /** Failures since the last good run. */
  failures: Schema.Number,
  restarts: Schema.Number,
  lastError: optional(Schema.Struct({ at: Schema.String, tag: Schema.String, message: Schema.String })),
  /** Things that the last good run left out. */
  problems: optional(Schema.Number),
  means: optional(Schema.String)
})

/** A change that waits for a person, or what became of it. @since 0.1.0 @category models */
export const Approval = Schema.Struct({
  type: Schema.Literal("approval"),
  vault: Schema.String,
  folder: Schema.String,
  path: Schema.String,
  reason: Schema.Literal("Emptied", "MassChange"),
  outcome: Schema.Literal("pending", "approved", "denied"),
  files: Schema.Number,
  deleted: Schema.Number,
  rewritten: Schema.Number,
  moved: Schema.Number,
  added: Schema.Number,
  askedAt: Schema.String
})

/** One thing that was looked at, and what to do about it. @since 0.1.0 @category models */
export const Check = Schema.Struct({
  type: Schema.Literal("check"),
  name: Schema.String,
  status: Schema.Literal("good", "warning", "failed"),
  detail: Schema.String,
  advice: optional(Schema.String)
})

/** The daemon of this home. @since 0.1.0 @category models */
export const Daemon = Schema.Struct({
  type: Schema.Literal("daemon"),
  version: Schema.String,
  pid: Schema.Number,
  startedAt: Schema.String,
  /** The configuration file that it goes by, whether or not there is one. */
  config: Schema.String,
  data: Schema.String,
  socket: Schema.String
})

/** A task of the daemon. @since 0.1.0 @category models */
export const Task = Schema.Struct({
  type: Schema.Literal("task"),
  id: Schema.Number,
  name: optional(Schema.String),
  title: Schema.String,
  state: Schema.Literal("queued", "running", "ended"),
  queuedAt: Schema.String,
  /** As a run of it would have ended. */
  code: optional(Schema.Number),
  error: optional(Schema.Struct({ tag: Schema.String, message: Schema.String }))
})

/** A text that is for people or for a shell as it stands. @since 0.1.0 @category models */
export const Text = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })

/** What is wrong with the configuration, or should be known of it; lines and columns from 1. @since 0.1.0 @category models */
export const ConfigProblem = Schema.Struct({
  type: Schema.Literal("config-problem"),
  severity: Schema.Literal("error", "warning"),
  file: Schema.String,
  line: optional(Schema.Number),
  column: optional(Schema.Number),
  path: Schema.String,
  problem: Schema.String
})

/** A table of the configuration, or all of it under the section "config"; secrets are left out. @since 0.1.0 @category models */
export const ConfigTable = Schema.Struct({
  type: Schema.Literal("config"),
  file: Schema.String,
  section: Schema.String,
  name: optional(Schema.String),
  table: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  usedBy: optional(Schema.Array(Schema.String))
})

/** One promise of a store that was tried out. @since 0.1.0 @category models */
export const StoreCheck = Schema.Struct({
  type: Schema.Literal("store-check"),
  store: Schema.String,
  promised: Schema.String,
  promise: Schema.String,
  outcome: Schema.Literal("kept", "broken", "failed"),
  detail: optional(Schema.String),
  millis: Schema.Number
})

/** Whether a store that was tried out can be used so, and which promises speak against it. @since 0.1.0 @category models */
export const StoreFitness = Schema.Struct({
  type: Schema.Literal("store-fitness"),
  store: Schema.String,
  use: Schema.Literal("blobs", "packs", "registry"),
  fit: Schema.Boolean,
  lacking: Schema.Array(Schema.String)
})

/** The last line: how it ended, as the exit code says it. @since 0.1.0 @category models */
export const Result = Schema.Struct({
  type: Schema.Literal("result"),
  code: Schema.Number,
  error: optional(Schema.Struct({ tag: Schema.String, message: Schema.String }))
})

/** What the words of a recovery phrase lead to. Times are ISO 8601. @since 0.1.0 @category models */
export const Recovery = Schema.Struct({
  type: Schema.Literal("recovery"),
  did: Schema.String,
  /** When the list of vaults was last published. */
  publishedAt: optional(Schema.String),
  /** The revision of the list of devices, and of that of vaults and stores. */
  devicesRevision: Schema.Number,
  vaultsRevision: Schema.Number,
  devices: Schema.Array(Schema.String),
  stores: Schema.Array(Schema.String),
  vaults: Schema.Array(Schema.String)
})

/** Any line. @since 0.1.0 @category models */
export const Line = Schema.Union(
  Problem,
  Source,
  Vault,
  SavedSource,
  Entry,
  Snapshot,
  Peer,
  Pull,
  Invitation,
  Words,
  Joined,
  ListedDevice,
  Difference,
  RemovedDevice,
  Device,
  Summary,
  Automation,
  Approval,
  Check,
  Text,
  ConfigProblem,
  ConfigTable,
  StoreCheck,
  StoreFitness,
  Daemon,
  Task,
  Recovery,
  Result
)

/** @since 0.1.0 @category models */
export type Line = typeof Line.Type
