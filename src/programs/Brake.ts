/**
 * The mass-change brake: what deletes or rewrites much of a source's files waits for a person.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ContentId from "../fs5/ContentId.ts"
import * as TreeDiff from "../fs5/TreeDiff.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import { Approval, Numbers } from "../schema/Approval.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type { NodeEntry } from "../schema/Node.ts"
import type { Primitives } from "../schema/Primitives.ts"
import type * as Approvals from "../services/Approvals.ts"
import type { SourceMapping } from "../services/VaultState.ts"
import * as Salvage from "./Salvage.ts"
import type * as Scan from "./Scan.ts"
import * as Vault from "./Vault.ts"

const count = (files: number) => files.toLocaleString("en-US")

/** A change that a person has to agree to; nothing of it was published. @since 0.1.0 @category errors */
export class ApprovalNeeded extends Schema.TaggedError<ApprovalNeeded>()("ApprovalNeeded", {
  vault: Schema.String,
  folder: Schema.String,
  path: Schema.String,
  change: Schema.Literal("Emptied", "MassChange"),
  files: Schema.Int,
  deleted: Schema.Int,
  rewritten: Schema.Int
}) {
  override get message() {
    const what =
      this.change === "Emptied"
        ? `it is empty, and had ${count(this.files)} ${this.files === 1 ? "file" : "files"} at its last backup (is its disk mounted?)`
        : `of ${count(this.files)} files ${count(this.deleted)} are deleted and ${count(this.rewritten)} rewritten since its last backup`
    return `source ${LocalPath.display(this.path)}: ${what}; nothing was published: if it is meant, \`cairn approve ${this.vault}:${LocalPath.display(this.folder)}\``
  }
}

/** How much is much. @since 0.1.0 @category models */
export interface Policy {
  /** Of the files that were there, above 0 and up to 1: this share deleted or rewritten, or more, is much. */
  readonly share: number
  /** Fewer files than these are never much. */
  readonly least: number
}

/** Half of a source's files, and ten at least. @since 0.1.0 @category constants */
export const defaultPolicy: Policy = { share: 0.5, least: 10 }

/** @since 0.1.0 @category models */
export interface Options {
  readonly policy?: Policy
  /**
   * Whether a person has asked for this run. Theirs goes on after `onMassChange`, unless nothing is left of the source; any
   * other stops.
   */
  readonly attended: boolean
  /** Where what stops is kept, for `approve`. */
  readonly approvals: Approvals.Service
  /** The change that a person has agreed to: one that does no more than it goes on. */
  readonly approved?: Approval
  /** Whatever it does goes on: a person has said so beforehand. */
  readonly anything?: boolean
  /** Told of much that goes on. */
  readonly onMassChange?: (numbers: Numbers) => Effect.Effect<void>
}

const none = { files: 0, deleted: 0, rewritten: 0, moved: 0, added: 0 }

/** Moves are looked for among so many deleted and added files; beyond them a move counts as deleted and added. */
const mostMoves = 100_000

/** What tells two contents apart without reading them; one file in two encodings is two. */
const idOf = (primitives: Primitives, key: string, entry: NodeEntry): string =>
  Bytes.toHex(ContentId.immediate(primitives, key, entry) ?? entry.content?.plaintextHash ?? Hash.zero)

const isFile = (key: string) => !ContentId.isDirectory(key)

/**
 * What lies between two scans of one source; only subtrees that differ are read. New times, modes or names of the same bytes
 * delete and rewrite nothing.
 *
 * @since 0.1.0
 * @category programs
 */
export const measure = Effect.fn("Brake.measure")(function* (
  vault: Pick<Vault.Readable, "pipeline" | "primitives">,
  files: number,
  base: TreeReader.Root,
  scan: TreeReader.Root | undefined
) {
  let [deleted, rewritten, added, moved, known] = [0, 0, 0, 0, 0]
  // by content: how many more names it has lost than won so far; negative for won
  const lost = new Map<string, number>()
  const move = (key: string, entry: NodeEntry, by: 1 | -1) => {
    const id = idOf(vault.primitives, key, entry)
    const before = lost.get(id)
    if (before === undefined && known >= mostMoves) return
    if (before === undefined) known += 1
    if (before !== undefined && Math.sign(before) === -by) moved += 1
    lost.set(id, (before ?? 0) + by)
  }
  yield* Stream.runForEachChunk(
    TreeDiff.diff(Vault.snapshot(vault, base), Vault.snapshot(vault, scan)),
    (differences) =>
      Effect.sync(() => {
        for (const { after, before, key } of differences) {
          if (!isFile(key)) continue
          if (before !== undefined && after !== undefined) {
            if (idOf(vault.primitives, key, before) !== idOf(vault.primitives, key, after)) rewritten += 1
          } else if (before !== undefined) {
            deleted += 1
            move(key, before, 1)
          } else if (after !== undefined) {
            added += 1
            move(key, after, -1)
          }
        }
      })
  )
  return new Numbers({ files, deleted: deleted - moved, rewritten, moved, added: added - moved })
})

/** Whether the numbers are much by the policy. @since 0.1.0 @category predicates */
export const isMuch = ({ deleted, files, rewritten }: Numbers, { least, share }: Policy = defaultPolicy): boolean =>
  deleted + rewritten >= least && deleted + rewritten >= share * files

const isSame = (root: TreeReader.Root | undefined, hex: string | undefined) =>
  root === undefined ? hex === undefined : Hash.toHex(root.hash) === hex

/** Whether a person has agreed to a change that did all that this one does: from the same base, and no less of anything. */
const isCovered = (
  approved: Approval | undefined,
  change: Pick<Approval, "base" | "reason" | "numbers">,
  scan: TreeReader.Root | undefined
): boolean =>
  approved !== undefined &&
  approved.base === change.base &&
  (isSame(scan, approved.scan) ||
    ((approved.reason === "Emptied" || change.reason === "MassChange") &&
      change.numbers.deleted <= approved.numbers.deleted &&
      change.numbers.rewritten <= approved.numbers.rewritten))

/**
 * Lets a change of a source go on, or stops it with `ApprovalNeeded`, which is kept for `approve` first.
 *
 * A source of which nothing is left stops whoever has asked for it; so does, for a run that nobody has asked for, much that is
 * deleted or rewritten. What a person agreed to goes on, unless it has become more.
 *
 * @since 0.1.0
 * @category programs
 */
export const check = Effect.fn("Brake.check")(function* (
  vault: Pick<Vault.Readable, "blobs" | "name" | "pipeline" | "primitives">,
  mapping: SourceMapping,
  base: { readonly root: TreeReader.Root; readonly files: number } | undefined,
  scan: Scan.Scan,
  options: Options
) {
  const { approvals, approved, anything = false, attended, onMassChange, policy = defaultPolicy } = options
  if (base === undefined || base.files === 0 || isSame(scan.root, Hash.toHex(base.root.hash))) return
  const isEmptied = scan.files === 0
  if (!isEmptied && base.files < policy.least) return
  const numbers = yield* Effect.catchIf(
    measure(vault, base.files, base.root, scan.root),
    (error) => (error._tag === "DamagedTree" || error._tag === "BlobStoreError") && Salvage.isDamage(error),
    // the old tree is rotten: what is known without it is how many files there are less
    () => Effect.succeed(new Numbers({ ...none, files: base.files, deleted: Math.max(0, base.files - scan.files) }))
  )
  if (!isEmptied && !isMuch(numbers, policy)) return
  const change = {
    reason: isEmptied ? ("Emptied" as const) : ("MassChange" as const),
    numbers,
    base: Hash.toHex(base.root.hash)
  }
  if (anything || isCovered(approved, change, scan.root)) return
  if (attended && !isEmptied) return yield* onMassChange?.(numbers) ?? Effect.void
  // so that what is asked about can be shown, and is not read again
  yield* vault.blobs.sync
  const askedAt = yield* Clock.currentTimeMillis
  yield* approvals.save(
    new Approval({
      vault: vault.name,
      folder: mapping.folder,
      path: mapping.path,
      ...change,
      ...(scan.root === undefined ? {} : { scan: Hash.toHex(scan.root.hash) }),
      ...(scan.root?.plaintextHash === undefined ? {} : { scanPlaintextHash: Hash.toHex(scan.root.plaintextHash) }),
      askedAt
    })
  )
  return yield* new ApprovalNeeded({
    vault: vault.name,
    folder: mapping.folder,
    path: mapping.path,
    change: change.reason,
    files: numbers.files,
    deleted: numbers.deleted,
    rewritten: numbers.rewritten
  })
})

/** One file that the change deletes or rewrites. @since 0.1.0 @category models */
export interface Example {
  readonly path: string
  readonly what: "deleted" | "rewritten"
}

/**
 * Some of the files that a change deletes or rewrites, in the order of their names; moved files are among the deleted.
 *
 * @since 0.1.0
 * @category programs
 */
export const examples = Effect.fn("Brake.examples")(function* (
  vault: Pick<Vault.Readable, "pipeline" | "primitives">,
  base: TreeReader.Root,
  scan: TreeReader.Root | undefined,
  most: number
) {
  const found = yield* TreeDiff.diff(Vault.snapshot(vault, base), Vault.snapshot(vault, scan)).pipe(
    Stream.filterMap(({ after, before, key }): Option.Option<Example> => {
      if (before === undefined || !isFile(key)) return Option.none()
      if (after === undefined) return Option.some({ path: key, what: "deleted" })
      return idOf(vault.primitives, key, before) === idOf(vault.primitives, key, after)
        ? Option.none()
        : Option.some({ path: key, what: "rewritten" })
    }),
    Stream.take(most),
    Stream.runCollect
  )
  return Chunk.toReadonlyArray(found)
})
