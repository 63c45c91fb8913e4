/**
 * Publishing a change so that it is in the head whatever other writers did at the same time.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { KeyedEntry } from "../fs5/ReadableLayer.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import * as TreeDiff from "../fs5/TreeDiff.ts"
import * as TreeEdit from "../fs5/TreeEdit.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import type { BlobStoreError } from "../services/BlobStore.ts"
import * as Envelope from "../services/Envelope.ts"
import { RegistryError } from "../services/Registry.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Folder from "./Folder.ts"
import * as Head from "./Head.ts"
import * as Vault from "./Vault.ts"

/** The head moved while we were publishing; `attempts` tries did not catch up with it. @since 0.1.0 @category errors */
export class PublishContended extends Schema.TaggedError<PublishContended>()("PublishContended", {
  vault: Schema.String,
  attempts: Schema.Int,
  newest: Schema.BigInt
}) {
  override get message() {
    return `vault ${this.vault}: ${this.attempts} attempts were overtaken by other writers (head is at revision ${this.newest}); nothing was published, run it again`
  }
}

/** Somebody else changed this source's own folder in the vault since its last acknowledged scan. @since 0.1.0 @category errors */
export class SourceMoved extends Schema.TaggedError<SourceMoved>()("SourceMoved", {
  vault: Schema.String,
  folder: Schema.String,
  key: Schema.String
}) {
  override get message() {
    return `vault ${this.vault}: ${this.folder}/ was changed by another run meanwhile (first at ${this.key}); nothing was published, run it again`
  }
}

/** A change: what a writer last had acknowledged, and what it sees now. @since 0.1.0 @category models */
export interface Change {
  /** Where the source stands in the vault. */
  readonly folder: string
  readonly base: TreeReader.Root | undefined
  readonly ours: TreeReader.Root | undefined
  /** When the scan began (milliseconds since 1970) and what it saw. */
  readonly scannedAt: number
  readonly files: number
  /** Total size in bytes. */
  readonly bytes: number
}

/** What became of a change. @since 0.1.0 @category models */
export interface Outcome {
  /** `unchanged`: the head had it all already, and no revision was spent. */
  readonly outcome: "published" | "unchanged"
  readonly revision: bigint
  /** The snapshot's id. */
  readonly node: Hash.Hash
  readonly attempts: number
}

/** The most attempts before a contended publish gives up. @since 0.1.0 @category constants */
export const maxAttempts = 16

/** History entries a published node carries inline; older ones are reached through the nodes it names. @since 0.1.0 @category constants */
export const inlineHistory = 256

/** Full jitter: uniform in 1 ms to a ceiling of 25 ms that doubles up to 6.4 s. @since 0.1.0 @category constants */
export const backoff = Schedule.exponential("25 millis").pipe(
  Schedule.union(Schedule.spaced("6400 millis")),
  Schedule.jitteredWith({ min: 0, max: 1 }),
  Schedule.modifyDelay((_, delay) => Duration.max(delay, "1 millis")),
  Schedule.intersect(Schedule.recurs(maxAttempts - 1))
)

class Lost extends Data.TaggedError("Lost")<{ readonly current: RegistryEntry.RegistryEntry }> {}

/** Only what time can heal is tried again. */
const heals = (error: { readonly _tag: string } | BlobStoreError | RegistryError): boolean =>
  error._tag === "Lost" ||
  ((error._tag === "BlobStoreError" || error._tag === "RegistryError") &&
    "reason" in error &&
    (error.reason === "Unavailable" || error.reason === "Unreached"))

/** Tries again what time can heal. */
const persist = <A, E extends { readonly _tag: string }, R>(
  vault: Vault.Vault,
  attempt: Effect.Effect<A, E | Lost, R>,
  attempts: () => number
): Effect.Effect<A, Exclude<E, Lost> | PublishContended, R> =>
  attempt.pipe(
    Effect.retry({ schedule: backoff, while: heals }),
    Effect.catchIf(
      (error): error is Lost => error instanceof Lost,
      (lost) =>
        Effect.fail(new PublishContended({ vault: vault.name, attempts: attempts(), newest: lost.current.revision }))
    )
  )

/** The tree that the head's becomes with the change in it. */
const place = Effect.fnUntraced(function* (vault: Vault.Vault, theirs: TreeReader.Root | undefined, change: Change) {
  const same = (a: TreeReader.Root | undefined, b: TreeReader.Root | undefined) =>
    a === undefined || b === undefined ? a === b : Bytes.equals(a.hash, b.hash)
  if (same(theirs, change.base)) return change.ours
  const base = Vault.snapshot(vault, change.base)
  const head = Vault.snapshot(vault, theirs)
  for (const range of Folder.ranges(change.folder)) {
    const moved = yield* Stream.runHead(TreeDiff.diff(base, head, range))
    if (moved._tag === "Some")
      return yield* new SourceMoved({ vault: vault.name, folder: change.folder, key: moved.value.key })
  }
  const changes = TreeDiff.diff(base, Vault.snapshot(vault, change.ours)).pipe(
    Stream.map(({ key, after }): KeyedEntry => [key, after ?? { tombstone: {} }])
  )
  const edited = yield* TreeEdit.edit(head, changes)
  return edited === undefined ? undefined : Snapshot.rootOf(edited)
})

/** Puts the sealed node for `tree` beside the blobs it names, and makes all of it durable. */
const seal = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  tree: TreeReader.Root | undefined,
  head: Head.Head | undefined
) {
  const envelope = yield* Envelope.Envelope
  const now = yield* Clock.currentTimeMillis
  const history =
    head === undefined ? [] : TransparentNode.addHistory(head.node.history, now, head.hash).slice(-inlineHistory)
  const node = TransparentNode.make({
    root: tree?.hash ?? Hash.zero,
    ...(tree?.plaintextHash === undefined ? {} : { plaintextHash: tree.plaintextHash }),
    context: vault.context,
    history,
    ...(head?.node.others === undefined ? {} : { others: head.node.others }),
    publishedAt: now
  })
  const sealed = yield* envelope.seal(vault.recipients, TransparentNode.encode(node))
  const hash = vault.primitives.blake3(sealed)
  yield* vault.blobs.sync
  yield* vault.blobs.put(hash, sealed)
  yield* vault.blobs.sync
  return hash
})

/**
 * Makes `change` part of the vault's head, and remembers it as acknowledged.
 *
 * The pair of base and ours never changes; a lost race fetches only the head again. Never publishes without having read
 * the head it builds on.
 *
 * @since 0.1.0
 * @category programs
 */
export const publish = Effect.fn("Publish.publish")(function* (vault: Vault.Vault, change: Change) {
  const state = yield* VaultState.VaultState
  const intents: Array<VaultState.SourceRecord> = []
  let attempts = 0

  const acknowledge = Effect.fnUntraced(function* (record: VaultState.SourceRecord) {
    yield* state.saveRecord(vault.name, change.folder, record)
    yield* Effect.forEach(intents, (intent) => state.forgetIntent(vault.name, change.folder, intent))
  })

  const recordOf = (tree: TreeReader.Root | undefined, revision: bigint, node: Hash.Hash) => {
    const base = Vault.rootToRecord(change.ours)
    const root = Vault.rootToRecord(tree)
    return new VaultState.SourceRecord({
      ...(base === undefined ? {} : { base }),
      ...(root === undefined ? {} : { root }),
      revision,
      node: Hash.toHex(node),
      scannedAt: change.scannedAt,
      files: change.files,
      bytes: change.bytes
    })
  }

  const attempt = Effect.gen(function* () {
    attempts += 1
    const head = yield* Head.newest(vault)
    const landed = intents.find((intent) => Head.contains(head, intent.node))
    if (landed !== undefined && head !== undefined) {
      // an earlier attempt's write was applied though its answer was lost
      yield* acknowledge(landed)
      return { outcome: "published", revision: landed.revision, node: head.hash, attempts } satisfies Outcome
    }
    const tree = yield* place(vault, head?.root, change)
    if (head !== undefined && Bytes.equals(head.root?.hash ?? Hash.zero, tree?.hash ?? Hash.zero)) {
      yield* vault.blobs.sync
      yield* acknowledge(recordOf(tree, head.entry.revision, head.hash))
      return { outcome: "unchanged", revision: head.entry.revision, node: head.hash, attempts } satisfies Outcome
    }
    const node = yield* seal(vault, tree, head)
    const revision = (head?.entry.revision ?? 0n) + 1n
    const record = recordOf(tree, revision, node)
    yield* state.intend(vault.name, change.folder, record)
    intents.push(record)
    yield* announce(vault, revision, node, head)
    yield* acknowledge(record)
    return { outcome: "published", revision, node, attempts } satisfies Outcome
  })

  return yield* persist(vault, attempt, () => attempts)
})

/**
 * Publishes the head's tree again for the vault's present recipients; nothing to do when nothing was published.
 *
 * @since 0.1.0
 * @category programs
 */
export const reseal = Effect.fn("Publish.reseal")(function* (vault: Vault.Vault) {
  let attempts = 0
  const attempt = Effect.gen(function* () {
    attempts += 1
    const head = yield* Head.newest(vault)
    if (head === undefined) return
    const node = yield* seal(vault, head.root, head)
    yield* announce(vault, head.entry.revision + 1n, node, head)
  })
  return yield* persist(vault, attempt, () => attempts)
})

/** Moves the head from `head` to `node`, or fails with `Lost` when somebody else moved it first. */
const announce = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  revision: bigint,
  node: Hash.Hash,
  head: Head.Head | undefined
) {
  const entry = yield* RegistryEntry.sign(vault.primitives, Redacted.value(vault.device.signingSeed), {
    vaultId: vault.id,
    revision,
    hash: node
  })
  const outcome = yield* vault.registry.set(entry, head === undefined ? [] : [head.entry])
  if (outcome._tag === "Lost") return yield* new Lost({ current: outcome.current })
  const [current] = yield* vault.registry.entries(vault.streamKey)
  if (current === undefined || current.revision < revision)
    return yield* new RegistryError({
      reason: "Unavailable",
      registry: vault.registry.name,
      key: Bytes.toHex(vault.device.publicKey),
      detail: `it acknowledged revision ${revision} but answers ${current === undefined ? "nothing" : current.revision}`
    })
})

/**
 * Finds out what became of publications that an earlier run had announced when it ended, and takes those that happened as
 * acknowledged (a crash between the head's move and the record must not make a conflict with ourselves).
 *
 * @since 0.1.0
 * @category programs
 */
export const settle = Effect.fn("Publish.settle")(function* (vault: Vault.Vault, folder: string) {
  const state = yield* VaultState.VaultState
  const record = yield* state.record(vault.name, folder)
  const head = yield* Head.newest(vault, record?.revision)
  const intents = yield* state.intents(vault.name, folder)
  const newestFirst = [...intents].sort((a, b) => (a.revision < b.revision ? 1 : -1))
  const happened = newestFirst.find((intent) => Head.contains(head, intent.node))
  const acknowledged = happened !== undefined && happened.revision > (record?.revision ?? 0n) ? happened : record
  if (acknowledged !== undefined && acknowledged !== record) yield* state.saveRecord(vault.name, folder, acknowledged)
  for (const intent of intents) {
    // one that may still win its compare-and-swap belongs to a run that is alive
    if ((head?.entry.revision ?? 0n) >= intent.revision) yield* state.forgetIntent(vault.name, folder, intent)
  }
  return { record: acknowledged, head }
})
