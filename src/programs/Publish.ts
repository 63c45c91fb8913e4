/**
 * Publishing a change so that it is in the head whatever other writers did at the same time.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as ConflictCopies from "../fs5/ConflictCopies.ts"
import * as Snapshot from "../fs5/Snapshot.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import { RegistryError } from "../services/Registry.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Ancestry from "./Ancestry.ts"
import * as Head from "./Head.ts"
import * as Sealing from "./Sealing.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Todos from "./Todos.ts"
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
  /** What stands beside its path since this publication. */
  readonly conflicts: ReadonlyArray<ConflictCopies.Conflict>
  /** What is still to be done, and is tried again by the next run: copies in meta targets, the recovery entry. */
  readonly pending: ReadonlyArray<VaultState.Todo>
}

/** The most attempts before a contended publish gives up. @since 0.1.0 @category constants */
export const maxAttempts = 16

/** Full jitter: uniform in 1 ms to a ceiling of 25 ms that doubles up to 6.4 s. @since 0.1.0 @category constants */
export const backoff = Schedule.exponential("25 millis").pipe(
  Schedule.union(Schedule.spaced("6400 millis")),
  Schedule.jitteredWith({ min: 0, max: 1 }),
  Schedule.modifyDelay((_, delay) => Duration.max(delay, "1 millis")),
  Schedule.intersect(Schedule.recurs(maxAttempts - 1))
)

class Lost extends Data.TaggedError("Lost")<{ readonly current: RegistryEntry.RegistryEntry }> {}

/** What a store calls lost is asked for again in so many attempts, before it counts as lost: a write may be on its way. */
const patientAttempts = 3

/** Whether time can heal it; only that is tried again. */
const heals = (error: { readonly _tag: string; readonly reason?: unknown }, attempts: number): boolean => {
  if (error._tag === "Lost") return true
  if (error._tag !== "BlobStoreError" && error._tag !== "RegistryError") return false
  if (error.reason === "Unavailable" || error.reason === "Unreached") return true
  return (error.reason === "Missing" || error.reason === "Unreadable") && attempts <= patientAttempts
}

/** Tries again what time can heal. */
const persist = <A, E extends { readonly _tag: string }, R>(
  vault: Vault.Vault,
  attempt: Effect.Effect<A, E | Lost, R>,
  attempts: () => number
): Effect.Effect<A, Exclude<E, Lost> | PublishContended, R> =>
  attempt.pipe(
    Effect.retry({ schedule: backoff, while: (error) => heals(error, attempts()) }),
    Effect.catchIf(
      (error): error is Lost => error instanceof Lost,
      (lost) =>
        Effect.fail(new PublishContended({ vault: vault.name, attempts: attempts(), newest: lost.current.revision }))
    )
  )

const sameRoot = (a: TreeReader.Root | undefined, b: TreeReader.Root | undefined): boolean =>
  Bytes.equals(a?.hash ?? Hash.zero, b?.hash ?? Hash.zero)

/** The tree of all heads with the change in it. */
const place = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  heads: ReadonlyArray<Head.Head>,
  change: Pick<Change, "base" | "ours">,
  options: Ancestry.Options
) {
  const united = yield* Ancestry.unite(vault, heads, options)
  const theirs = united.tree.isEmpty ? undefined : Snapshot.rootOf(united.tree)
  if (sameRoot(theirs, change.base)) return { root: change.ours, conflicts: united.conflicts }
  const merged = yield* Ancestry.threeWay(
    {
      base: change.base === undefined ? undefined : Vault.snapshot(vault, change.base),
      ours: Vault.snapshot(vault, change.ours),
      theirs: united.tree
    },
    options
  )
  return {
    root: merged.root === undefined ? undefined : Snapshot.rootOf(merged.root),
    conflicts: [...united.conflicts, ...merged.conflicts]
  }
})

/**
 * Moves the head to `node`, built on everything in `current`, or fails with `Lost` when somebody else moved it first.
 *
 * That the registry's compare-and-swap kept it is looked at once more: an entry that is neither there nor in the history of
 * what is there was not kept, whatever the registry said.
 */
const announce = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  node: Hash.Hash,
  built: Pick<Head.Current, "entries" | "revision">
) {
  const revision = built.revision + 1n
  const entry = yield* RegistryEntry.sign(vault.primitives, Redacted.value(vault.device.signingSeed), {
    vaultId: vault.id,
    revision,
    hash: node
  })
  const outcome = yield* vault.registry.set(entry, built.entries)
  if (outcome._tag === "Lost") return yield* new Lost({ current: outcome.current })
  const kept = yield* vault.registry.entries(vault.streamKey)
  if (kept.some(({ hash }) => Bytes.equals(hash, node))) return revision
  const { heads } = yield* Head.current(vault)
  const [best] = heads
  if (best === undefined)
    return yield* new RegistryError({
      reason: "Unavailable",
      registry: vault.registry.name,
      key: Bytes.toHex(vault.device.publicKey),
      detail: `it acknowledged revision ${revision} but answers nothing`
    })
  return heads.some((head) => Head.contains(head, Hash.toHex(node)))
    ? revision
    : yield* new Lost({ current: best.entry })
})

/**
 * Makes sure of a head that was only read: a write that was cut short, ours or another's, may have reached too few registries
 * to survive the loss of one.
 */
const confirm = Effect.fnUntraced(function* (vault: Vault.Vault, head: Head.Head, current: Head.Current) {
  // a rival was not built on, so it must not be overwritten
  const builtOn = current.entries.filter(({ hash }) => Head.contains(head, Hash.toHex(hash)))
  const outcome = yield* vault.registry.confirm?.(head.entry, builtOn) ?? Effect.void
  if (outcome?._tag === "Lost") return yield* new Lost({ current: outcome.current })
})

/**
 * Makes `change` part of the vault's head, and remembers it as acknowledged.
 *
 * The pair of base and ours never changes; a lost race fetches only the head again. Never publishes without having read and
 * merged every head that it builds on. What time can heal is tried again, up to `maxAttempts` times.
 *
 * @since 0.1.0
 * @category programs
 */
export const publish = Effect.fn("Publish.publish")(function* (vault: Vault.Vault, change: Change) {
  const state = yield* VaultState.VaultState
  const intents: Array<VaultState.SourceRecord> = []
  let attempts = 0

  const recordOf = (
    root: TreeReader.Root | undefined,
    revision: bigint,
    node: Hash.Hash,
    conflicts: ReadonlyArray<ConflictCopies.Conflict>
  ) =>
    new VaultState.SourceRecord({
      base: Vault.rootToRecord(change.ours),
      root: Vault.rootToRecord(root),
      revision,
      node: Hash.toHex(node),
      scannedAt: change.scannedAt,
      files: change.files,
      bytes: change.bytes,
      ...(conflicts.length === 0 ? {} : { conflicts: conflicts.map(({ copy }) => copy) })
    })

  const acknowledge = Effect.fnUntraced(function* (record: VaultState.SourceRecord) {
    yield* state.saveRecord(vault.name, change.folder, record)
    yield* Effect.forEach(intents, (intent) => state.forgetIntent(vault.name, change.folder, intent))
  })

  /**
   * The base, unless a write of an earlier run of this source, which nobody was told of, has landed since: its scan then is
   * the newer base. One that began after ours is a run beside this one, and no base.
   */
  const baseNow = Effect.fnUntraced(function* (heads: ReadonlyArray<Head.Head>) {
    const late = (yield* state.intents(vault.name, change.folder))
      .filter(
        ({ node, scannedAt }) =>
          scannedAt <= change.scannedAt &&
          !intents.some((ours) => ours.node === node) &&
          heads.some((head) => Head.contains(head, node))
      )
      .sort((a, b) => (a.revision < b.revision ? 1 : -1))
    return late[0] === undefined ? change.base : Vault.rootFromRecord(late[0].base)
  })

  const attempt = Effect.gen(function* () {
    attempts += 1
    const current = yield* Head.current(vault)
    // an earlier attempt's write may have been applied though its answer was lost
    const landed = intents.find(({ node }) => current.heads.some((head) => Head.contains(head, node)))
    const within = current.heads.find((head) => landed !== undefined && Head.contains(head, landed.node))
    if (landed !== undefined && within !== undefined) {
      const confirmed = yield* Effect.either(confirm(vault, within, current))
      if (Either.isRight(confirmed)) {
        yield* acknowledge(landed)
        const node = Either.getOrThrow(Hash.fromHex(landed.node))
        return { outcome: "published", revision: landed.revision, node, conflicts: [] } as const
      }
      // with a rival beside it, waiting changes nothing: the two have to be merged, our change being in one of them
      if (!(confirmed.left instanceof Lost) || current.heads.length === 1) return yield* Effect.fail(confirmed.left)
    }
    const { conflicts, root } = yield* place(
      vault,
      current.heads,
      { base: landed === undefined ? yield* baseNow(current.heads) : change.ours, ours: change.ours },
      { isPatient: attempts <= patientAttempts }
    )
    const [head, ...rivals] = current.heads
    if (head !== undefined && rivals.length === 0 && sameRoot(head.root, root)) {
      yield* vault.blobs.sync
      yield* confirm(vault, head, current)
      yield* acknowledge(recordOf(root, head.entry.revision, head.hash, []))
      return { outcome: "unchanged", revision: head.entry.revision, node: head.hash, conflicts } as const
    }
    const node = yield* Sealing.seal(vault, root, current.heads)
    const record = recordOf(root, current.revision + 1n, node.hash, conflicts)
    yield* state.intend(vault.name, change.folder, record)
    intents.push(record)
    yield* Todos.plan(vault, node.hash, current)
    const revision = yield* announce(vault, node.hash, current)
    yield* acknowledge(record)
    yield* state.saveLastNode(vault.name, node.sealed)
    return { outcome: "published", revision, node: node.hash, conflicts } as const
  })

  const done = yield* persist(vault, attempt, () => attempts)
  const outcome: Outcome = { ...done, attempts, pending: yield* Todos.workOff(vault) }
  return outcome
})

/**
 * Publishes the heads' tree again, sealed for the vault's present recipients; nothing to do when nothing was published.
 *
 * @since 0.1.0
 * @category programs
 */
export const reseal = Effect.fn("Publish.reseal")(function* (vault: Vault.Vault) {
  let attempts = 0
  const attempt = Effect.gen(function* () {
    attempts += 1
    const current = yield* Head.current(vault)
    if (current.heads.length === 0) return
    const { tree } = yield* Ancestry.unite(vault, current.heads)
    yield* put(vault, tree.isEmpty ? undefined : Snapshot.rootOf(tree), current)
  })
  yield* persist(vault, attempt, () => attempts)
  yield* Todos.workOff(vault)
})

/** Publishes `root` as the vault's tree, after `heads` and over all entries. */
const put = Effect.fnUntraced(function* (vault: Vault.Vault, root: TreeReader.Root | undefined, built: Built) {
  const state = yield* VaultState.VaultState
  const node = yield* Sealing.seal(vault, root, built.heads)
  yield* Todos.plan(vault, node.hash, built)
  const revision = yield* announce(vault, node.hash, built)
  yield* state.saveLastNode(vault.name, node.sealed)
  return { revision, node: node.hash }
})

/** What a publication is built on. @since 0.1.0 @category models */
export interface Built extends Pick<Head.Current, "entries" | "revision"> {
  readonly heads: ReadonlyArray<Head.Published>
}

/**
 * Publishes `root` as the vault's tree whatever the heads' trees are: the way out of a head that cannot be read. Tried once.
 *
 * @since 0.1.0
 * @category programs
 */
export const replace = Effect.fn("Publish.replace")(function* (
  vault: Vault.Vault,
  root: TreeReader.Root | undefined,
  built: Built
) {
  return yield* Effect.catchIf(
    put(vault, root, built),
    (error): error is Lost => error instanceof Lost,
    (lost) => Effect.fail(new PublishContended({ vault: vault.name, attempts: 1, newest: lost.current.revision }))
  )
})

/**
 * Finds out what became of publications that an earlier run had announced when it ended, and takes those that happened as
 * acknowledged: a crash between the head's move and the record must not make a conflict with ourselves.
 *
 * @since 0.1.0
 * @category programs
 */
export const settle = Effect.fn("Publish.settle")(function* (vault: Vault.Vault, folder: string) {
  const state = yield* VaultState.VaultState
  const known = yield* state.record(vault.name, folder)
  const { heads, revision } = yield* Head.current(vault, known?.revision)
  const intents = yield* state.intents(vault.name, folder)
  const reached = yield* Snapshots.reached(
    vault,
    heads,
    intents.map(({ node }) => node)
  )
  const newestFirst = [...intents].sort((a, b) => (a.revision < b.revision ? 1 : -1))
  const happened = newestFirst.find(({ node }) => reached.has(node))
  const record = happened !== undefined && happened.revision > (known?.revision ?? 0n) ? happened : known
  // saved again even if it is there: an earlier run may have ended before it was durable, and the intents are its only proof
  if (record !== undefined && intents.length > 0) yield* state.saveRecord(vault.name, folder, record)
  for (const intent of intents) {
    // one that may still win its compare-and-swap belongs to a run that is alive
    if (revision >= intent.revision) yield* state.forgetIntent(vault.name, folder, intent)
  }
  return { record, base: Vault.rootFromRecord(record?.base), scannedAt: record?.scannedAt ?? 0 }
})
