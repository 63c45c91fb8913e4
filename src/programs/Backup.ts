/**
 * Keeping folders of this device in a vault.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Mending from "../fs5/Mending.ts"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import * as TraversalContext from "../schema/TraversalContext.ts"
import * as BlobStore from "../services/BlobStore.ts"
import * as Crypto from "../services/Crypto.ts"
import * as LocalTree from "../services/LocalTree.ts"
import * as Progress from "../services/Progress.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Brake from "./Brake.ts"
import * as Folder from "./Folder.ts"
import * as Publish from "./Publish.ts"
import * as Reseal from "./Reseal.ts"
import * as Salvage from "./Salvage.ts"
import * as Scan from "./Scan.ts"
import * as Vault from "./Vault.ts"
import type { Problem } from "./Walk.ts"

/** Two sources of one vault would write over each other. @since 0.1.0 @category errors */
export class SourceCollision extends Schema.TaggedError<SourceCollision>()("SourceCollision", {
  vault: Schema.String,
  folder: Schema.String,
  path: Schema.String,
  takenBy: Schema.String,
  takenFolder: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: ${this.folder}/ cannot take ${this.path}: ${this.takenFolder}/ there belongs to ${this.takenBy}; name another folder: cairn backup ${this.path} ${this.vault}:OTHER`
  }
}

/** The vault has no saved source to back up again. @since 0.1.0 @category errors */
export class NoSources extends Schema.TaggedError<NoSources>()("NoSources", { vault: Schema.String }) {
  override get message() {
    return this.vault === ""
      ? "there is no vault yet: `cairn backup FOLDER NAME:` makes one"
      : `vault ${this.vault}: it has no saved source on this device: name one, as in \`cairn backup FOLDER ${this.vault}:\``
  }
}

/** @since 0.1.0 @category models */
export interface Options {
  readonly onProblem?: (problem: Problem) => Effect.Effect<void>
  /** Files read at once. */
  readonly concurrency?: number
  /** Cairn's own folders, by local path, which are never backed up (see `Scan.Options`). */
  readonly own?: ReadonlyArray<string>
  /** Read every file again, whether or not it looks changed, and replace the blobs of them that are damaged in the store. */
  readonly reread?: boolean
  /** What deletes or rewrites much waits for a person; without it, nothing does. */
  readonly brake?: Brake.Options
}

/** What a backup of one source came to. @since 0.1.0 @category models */
export interface Result {
  readonly mapping: VaultState.SourceMapping
  readonly scan: Scan.Scan
  readonly published: Publish.Outcome
}

/** Everything below the source, no rule but Cairn's own ignore file. @since 0.1.0 @category constants */
export const defaultSelection = new VaultState.Selection({
  exclude: [],
  ignoreFiles: false,
  excludeCaches: true,
  oneFileSystem: false
})

/** The mapping that a source named on the command line asks for: its folder is `path` in the vault, or its base name. @since 0.1.0 @category programs */
export const mappingOf = Effect.fn("Backup.mappingOf")(function* (options: {
  readonly source: string
  readonly folder?: string
  /** Stands above the base name when several sources share a path. */
  readonly parent?: string
  readonly selection: VaultState.Selection
}) {
  const tree = yield* LocalTree.LocalTree
  const { path } = yield* Effect.mapError(
    tree.resolve(options.source),
    (error) =>
      new Scan.SourceUnreadable({
        path: options.source,
        reason: error.reason === "NotFound" || error.reason === "Denied" ? error.reason : "Unavailable",
        detail: error.reason === "NotFound" ? "there is no such file or folder" : error.detail
      })
  )
  const text = Bytes.toUtf8(path.bytes)
  if (text === undefined)
    return yield* new Scan.SourceUnreadable({
      path: LocalPath.display(path),
      reason: "NotASource",
      detail: "its path is not valid UTF-8"
    })
  const base = text.slice(text.lastIndexOf("/") + 1) || "root"
  return new VaultState.SourceMapping({
    folder: options.folder ?? Folder.join(options.parent ?? "", base),
    path: text,
    selection: options.selection
  })
})

const refuseCollision = Effect.fnUntraced(function* (vault: string, mapping: VaultState.SourceMapping) {
  const state = yield* VaultState.VaultState
  const taken = (yield* state.sources(vault)).find(
    (other) =>
      Folder.overlap(other.folder, mapping.folder) && (other.folder !== mapping.folder || other.path !== mapping.path)
  )
  if (taken === undefined) return
  return yield* new SourceCollision({
    vault,
    folder: mapping.folder,
    path: mapping.path,
    takenBy: taken.path,
    takenFolder: taken.folder
  })
})

/**
 * Saves the mapping, unless its folder belongs to another source; two runs that save at the same time never lose one.
 *
 * @since 0.1.0
 * @category programs
 */
export const saveMapping = Effect.fn("Backup.saveMapping")(function* (
  vault: string,
  mapping: VaultState.SourceMapping
) {
  const state = yield* VaultState.VaultState
  // looked at before too, so that a crash between making and removing leaves no mapping that collides for ever
  yield* refuseCollision(vault, mapping)
  if (!(yield* state.createSource(vault, mapping))) {
    yield* refuseCollision(vault, mapping)
    return yield* state.saveSource(vault, mapping)
  }
  yield* refuseCollision(vault, mapping).pipe(
    Effect.tapErrorTag("SourceCollision", () => state.removeSource(vault, mapping.folder))
  )
})

/** How often a source is read anew because another run of it was faster. */
const rescans = 3

/** What a source is now, beside its last acknowledged scan. @since 0.1.0 @category models */
export interface Seen {
  readonly base: TreeReader.Root | undefined
  readonly scan: Scan.Scan
}

/**
 * Reads one source and keeps its content and its tree in the vault's store; nothing is published.
 *
 * @since 0.1.0
 * @category programs
 */
export const ingest = Effect.fn("Backup.ingest")(function* (
  vault: Vault.Vault,
  mapping: VaultState.SourceMapping,
  options: Options = {}
) {
  const progress = yield* Progress.Progress
  const { brake, reread = false, ...scanning } = options
  const state = yield* VaultState.VaultState
  const read = (pipeline: Pipeline.Pipeline, previous: Scan.Options["previous"]) =>
    Scan.scan(pipeline, {
      path: mapping.path,
      folder: mapping.folder,
      previous,
      selection: mapping.selection,
      metadata: "full",
      ...scanning
    })
  // what the store says it has is read, and written anew where it is rotten
  const mending = Pipeline.make({
    primitives: vault.primitives,
    blobs: Mending.mending(vault.blobs),
    context: vault.context,
    cache: NodeCache.make()
  })
  const pipeline = reread ? mending : vault.pipeline
  const look = Effect.gen(function* () {
    const { base, record, scannedAt } = yield* Publish.settle(vault, mapping.folder)
    yield* progress.phase("scanning", record === undefined ? undefined : { files: record.files, bytes: record.bytes })
    const scan = yield* base === undefined
      ? read(pipeline, undefined)
      : Effect.catchIf(
          // nothing looks unchanged to a scan of 1970; what cannot be read keeps its last state all the same
          read(pipeline, { root: base, scannedAt: reread ? 0 : scannedAt }),
          (error): error is TreeError =>
            (error._tag === "DamagedTree" || error._tag === "BlobStoreError") && Salvage.isDamage(error),
          // what the last scan left is rotten: everything is read again, and nothing is taken from it
          () => read(mending, undefined)
        )
    const now = yield* state.record(vault.name, mapping.folder)
    const isStale = now?.node !== record?.node || now?.scannedAt !== record?.scannedAt
    return { base, files: record?.files ?? 0, scan, isStale }
  })
  let seen = yield* look
  // another run of this source had its own scan acknowledged meanwhile: which of the two is the older nobody knows, and an
  // older one, acknowledged last, would be taken for what the head has of this source
  for (let again = 0; seen.isStale && again < rescans; again++) seen = yield* look
  const { base, files, scan } = seen
  if (brake !== undefined && base !== undefined) yield* Brake.check(vault, mapping, { root: base, files }, scan, brake)
  return { base, scan } satisfies Seen
})

/**
 * Reads one source and makes the change since its last acknowledged scan part of the vault's head.
 *
 * @since 0.1.0
 * @category programs
 */
export const backup = Effect.fn("Backup.backup")(function* (
  vault: Vault.Vault,
  mapping: VaultState.SourceMapping,
  options: Options = {}
) {
  const progress = yield* Progress.Progress
  const { base, scan } = yield* ingest(vault, mapping, options)
  yield* progress.phase("publishing")
  const published = yield* Publish.publish(vault, {
    folder: mapping.folder,
    base,
    ours: scan.root,
    scannedAt: scan.scannedAt,
    files: scan.files,
    bytes: scan.bytes
  })
  // nothing is lost where this fails: what waits is of an older base then, and approving it runs this again
  if (options.brake !== undefined) yield* Effect.ignore(options.brake.approvals.remove(vault.name, mapping.folder))
  // somebody who was made a recipient may read what was published before, too; nothing is lost where this fails: it is
  // published, and the next backup asks again
  yield* Effect.ignore(
    Effect.if(Reseal.isNeeded(vault), { onTrue: () => Reseal.reseal(vault), onFalse: () => Effect.void })
  )
  const result: Result = { mapping, scan, published }
  return result
})

/**
 * What a backup would read, with nothing written anywhere; the vault need not exist.
 *
 * @since 0.1.0
 * @category programs
 */
export const preview = Effect.fn("Backup.preview")(function* (
  name: string,
  mapping: VaultState.SourceMapping,
  options: Options = {}
) {
  const { primitives, randomBytes } = yield* Crypto.Crypto
  const state = yield* VaultState.VaultState
  const known = (yield* state.keys(name)) !== undefined
  const vault = known ? yield* Vault.open(name) : undefined
  const discarding: BlobStore.Service = {
    ...(vault?.blobs ?? (yield* BlobStore.BlobStore)),
    has: () => Effect.succeed(false),
    put: () => Effect.void,
    remove: () => Effect.void,
    sync: Effect.void
  }
  if (known) yield* refuseCollision(name, mapping)
  const context =
    vault?.context ??
    TraversalContext.vaultRoot({
      leaf: yield* randomBytes(Hash.length),
      node: yield* randomBytes(Hash.length),
      recovery: yield* randomBytes(Hash.length)
    })
  const record = known ? yield* state.record(name, mapping.folder) : undefined
  const base = Vault.rootFromRecord(record?.base)
  return yield* Scan.scan(Pipeline.make({ primitives, blobs: discarding, context, cache: NodeCache.make() }), {
    path: mapping.path,
    folder: mapping.folder,
    previous: base === undefined || record === undefined ? undefined : { root: base, scannedAt: record.scannedAt },
    selection: mapping.selection,
    metadata: "full",
    ...options
  })
})
