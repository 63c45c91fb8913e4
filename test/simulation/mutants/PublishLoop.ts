/**
 * A publish loop of its own, small and right, into which the bugs of others can be put back one by one. Without a bug it
 * stands up to the simulator like the real one; that is tested, so that it is the bug that is found.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Merge from "../../../src/fs5/Merge.ts"
import * as Snapshot from "../../../src/fs5/Snapshot.ts"
import type * as TreeReader from "../../../src/fs5/TreeReader.ts"
import * as Head from "../../../src/programs/Head.ts"
import * as Publish from "../../../src/programs/Publish.ts"
import * as Vault from "../../../src/programs/Vault.ts"
import * as Bytes from "../../../src/schema/Bytes.ts"
import * as Hash from "../../../src/schema/Hash.ts"
import * as RegistryEntry from "../../../src/schema/RegistryEntry.ts"
import * as TransparentNode from "../../../src/schema/TransparentNode.ts"
import * as Envelope from "../../../src/services/Envelope.ts"
import * as VaultState from "../../../src/services/VaultState.ts"
import type { Programs } from "../Writer.ts"

/** What the loop does wrong. */
export interface Bugs {
  /** When the head's tree cannot be merged, the local tree is published alone. */
  readonly localOnly?: boolean
  /** When the head cannot be fetched, the local tree is published as if there had been none. */
  readonly withoutHistory?: boolean
  /** Both trees are united without looking at what they come from. */
  readonly twoWay?: boolean
  /** After a lost race, what the head is then is taken for the base. */
  readonly rebases?: boolean
  /** What an earlier attempt may have published is not looked for. */
  readonly forgetful?: boolean
}

class Again extends Data.TaggedError("Again")<{ readonly newest: bigint; readonly isLost: boolean }> {}

const sameRoot = (a: TreeReader.Root | undefined, b: TreeReader.Root | undefined) =>
  Bytes.equals(a?.hash ?? Hash.zero, b?.hash ?? Hash.zero)

const publish = (bugs: Bugs) =>
  Effect.fnUntraced(function* (vault: Vault.Vault, change: Publish.Change) {
    const state = yield* VaultState.VaultState
    const envelope = yield* Envelope.Envelope
    const intents: Array<VaultState.SourceRecord> = []
    let attempts = 0
    let base = change.base

    const recordOf = (root: TreeReader.Root | undefined, revision: bigint, node: Hash.Hash) =>
      new VaultState.SourceRecord({
        base: Vault.rootToRecord(change.ours),
        root: Vault.rootToRecord(root),
        revision,
        node: Hash.toHex(node),
        scannedAt: change.scannedAt,
        files: change.files,
        bytes: change.bytes
      })
    const acknowledge = Effect.fnUntraced(function* (record: VaultState.SourceRecord) {
      yield* state.saveRecord(vault.name, change.folder, record)
      for (const intent of intents) yield* state.forgetIntent(vault.name, change.folder, intent)
    })
    const done = (outcome: Publish.Outcome["outcome"], revision: bigint, node: Hash.Hash): Publish.Outcome => ({
      outcome,
      revision,
      node,
      attempts,
      conflicts: [],
      pending: []
    })

    const fetched = Effect.gen(function* () {
      const { entries, heads } = yield* Head.current(vault)
      return { entries, head: heads[0] }
    })
    const fetch =
      bugs.withoutHistory !== true
        ? fetched
        : Effect.catchAll(fetched, () =>
            Effect.map(vault.registry.entries(vault.streamKey), (entries) => ({ entries, head: undefined }))
          )

    const merge = (head: Head.Published | undefined) =>
      Effect.map(
        Merge.threeWay({
          base: bugs.twoWay === true ? undefined : Vault.snapshot(vault, base),
          ours: Vault.snapshot(vault, change.ours),
          theirs: Vault.snapshot(vault, head?.root)
        }),
        ({ root }) => (root === undefined ? undefined : Snapshot.rootOf(root))
      )

    const attempt = Effect.gen(function* () {
      attempts++
      const { entries, head } = yield* fetch
      const landed = bugs.forgetful === true ? undefined : intents.find(({ node }) => Head.contains(head, node))
      if (landed !== undefined) {
        yield* acknowledge(landed)
        return done("published", landed.revision, Either.getOrThrow(Hash.fromHex(landed.node)))
      }
      if (bugs.rebases === true && attempts > 1) base = head?.root
      const root = yield* bugs.localOnly !== true
        ? merge(head)
        : Effect.catchAll(merge(head), () => Effect.succeed(change.ours))
      if (head !== undefined && sameRoot(head.root, root)) {
        yield* vault.blobs.sync
        yield* acknowledge(recordOf(root, head.entry.revision, head.hash))
        return done("unchanged", head.entry.revision, head.hash)
      }
      const now = yield* Clock.currentTimeMillis
      const sealed = yield* envelope.seal(
        vault.recipients,
        TransparentNode.encode(
          TransparentNode.make({
            root: root?.hash ?? Hash.zero,
            ...(root?.plaintextHash === undefined ? {} : { plaintextHash: root.plaintextHash }),
            context: vault.context,
            history: head === undefined ? [] : TransparentNode.addHistory(head.node.history, now, head.hash)
          })
        )
      )
      const node = vault.primitives.blake3(sealed)
      yield* vault.blobs.sync
      yield* vault.blobs.put(node, sealed)
      yield* vault.blobs.sync
      const revision = (entries[0]?.revision ?? 0n) + 1n
      const record = recordOf(root, revision, node)
      yield* state.intend(vault.name, change.folder, record)
      intents.push(record)
      const entry = yield* RegistryEntry.sign(vault.primitives, Redacted.value(vault.device.signingSeed), {
        vaultId: vault.id,
        revision,
        hash: node
      })
      const outcome = yield* vault.registry.set(entry, entries)
      if (outcome._tag === "Lost") return yield* new Again({ newest: outcome.current.revision, isLost: true })
      const [current] = yield* vault.registry.entries(vault.streamKey)
      if (current === undefined || current.revision < revision)
        return yield* new Again({ newest: revision, isLost: false })
      yield* acknowledge(record)
      return done("published", revision, node)
    })

    return yield* attempt.pipe(
      Effect.retry({
        schedule: Publish.backoff,
        while: (error) => error._tag === "Again" || ("reason" in error && error.reason === "Unavailable")
      }),
      Effect.catchIf(
        (error): error is Again => error instanceof Again,
        ({ newest }) => Effect.fail(new Publish.PublishContended({ vault: vault.name, attempts, newest }))
      )
    )
  })

/** The loop with the bugs in it. */
export const programs = (bugs: Bugs): Programs => ({ settle: Publish.settle, publish: publish(bugs) })
