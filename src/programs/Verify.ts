/**
 * Reading and checking everything that a vault's head and its history reach.
 *
 * @since 0.1.0
 */
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as FiledLeaves from "../fs5/FiledLeaves.ts"
import * as LeafBatches from "../fs5/LeafBatches.ts"
import * as NodeCache from "../fs5/NodeCache.ts"
import * as Pipeline from "../fs5/Pipeline.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import type * as TreeReader from "../fs5/TreeReader.ts"
import * as TreeWalk from "../fs5/TreeWalk.ts"
import * as Hash from "../schema/Hash.ts"
import * as HashSet from "../schema/HashSet.ts"
import type { BlobStoreError } from "../services/BlobStore.ts"
import * as Progress from "../services/Progress.ts"
import * as Sealer from "../services/Sealer.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Head from "./Head.ts"
import * as Salvage from "./Salvage.ts"
import * as Snapshots from "./Snapshots.ts"
import * as Vault from "./Vault.ts"

/** Something that is not what it should be. @since 0.1.0 @category models */
export interface Damage {
  readonly kind: "snapshot" | "node" | "blob"
  /** Its hash in hex. */
  readonly hash: string
  /** Where it was first met: the snapshot's number and the path in it. */
  readonly at: string
  readonly detail: string
}

/** @since 0.1.0 @category models */
export interface Options {
  /** The share of content blobs to read, above 0 and up to 1; nodes and snapshots are always all read. */
  readonly sample?: number
  readonly onDamage?: (damage: Damage) => Effect.Effect<void>
}

/** What a verification read. @since 0.1.0 @category models */
export interface Result {
  readonly snapshots: number
  readonly nodes: number
  readonly blobs: number
  /** Content blobs that were reached but left out of the sample. */
  readonly unread: number
  /** Bytes of content. */
  readonly bytes: number
  readonly damaged: number
}

const isDamage = (error: TreeError | Head.HeadError): boolean => error._tag === "HeadError" || Salvage.isDamage(error)

/** Whether the head's blob has rotted; one that belongs to somebody else, or was rolled back, is another matter. */
const isDamagedHead = (error: BlobStoreError | Head.HeadError): boolean =>
  error._tag === "HeadError" ? error.reason === "Damaged" : Salvage.isDamage(error)

/** A leaf that has to be read, and where it was met. */
interface Due {
  readonly item: TreeWalk.ReachedLeaf
  readonly where: () => string
}

/** Leaves that are read one by one at the same time, and those that are read together, while the next are gathered. */
const readsInFlight = 8
const batchLeaves = 2048

/**
 * Reads every snapshot, node and blob once, checks all hashes down to the plaintext, and tells each damage; a store that
 * cannot be reached ends it.
 *
 * @since 0.1.0
 * @category programs
 */
export const verify = Effect.fn("Verify.verify")(function* (vault: Vault.Readable, options: Options = {}) {
  const progress = yield* Progress.Progress
  const sealer = yield* Sealer.Sealer
  const state = yield* VaultState.VaultState
  const scope = yield* Effect.scope
  const counts = { snapshots: 0, nodes: 0, blobs: 0, unread: 0, bytes: 0, damaged: 0 }
  const seen = yield* HashSet.make
  // nothing may answer but the store itself: what is in the cache was read by this run
  const pipeline = Pipeline.make({
    primitives: vault.primitives,
    blobs: vault.blobs,
    context: vault.pipeline.context,
    cache: NodeCache.make()
  })

  const damage = (found: Damage) =>
    Effect.suspend(() => {
      counts.damaged += 1
      return options.onDamage?.(found) ?? Effect.void
    })

  // a run of the hash space of the wanted size, at a place that differs from run to run
  const share = Math.min(1, options.sample ?? 1)
  const start = yield* Random.next
  const isSampled = (hash: Hash.Hash): boolean => {
    const place = (hash[0]! * 0x1000000 + hash[1]! * 0x10000 + hash[2]! * 0x100 + hash[3]!) / 0x1_0000_0000
    return (place - start + 1) % 1 < share
  }

  const checkLeaf = Effect.fnUntraced(function* ({ item, where }: Due) {
    const read = yield* Effect.either(item.pipeline.readLeaf(item.entry))
    if (Either.isRight(read)) {
      counts.bytes += read.right.length
      return
    }
    if (!isDamage(read.left)) return yield* Effect.fail(read.left)
    const { hash } = item
    return yield* damage({ kind: "blob", hash: Hash.toHex(hash), at: where(), detail: read.left.message })
  })

  /** Reads what is due together; what that does not bring, as what is damaged, by itself. */
  const checkAll = Effect.fnUntraced(function* (due: ReadonlyArray<Due>) {
    const before = counts.bytes
    const wanted = due.map(({ item }) => item)
    let rest = due
    if (sealer.filed !== undefined) {
      const done = yield* FiledLeaves.verify(sealer.filed, wanted)
      for (const [at, { entry }] of wanted.entries()) if (done[at] === true) counts.bytes += Number(entry.content.size)
      rest = due.filter((_, at) => done[at] !== true)
    }
    if (rest.length > 0) {
      const opened = yield* LeafBatches.read(
        sealer,
        rest.map(({ item }) => item),
        { verifyOnly: true }
      )
      for (const leaf of opened) counts.bytes += leaf?.length ?? 0
      rest = rest.filter((_, at) => opened[at] === undefined)
    }
    const length = Math.ceil(rest.length / readsInFlight)
    const strands = Array.from({ length: Math.min(readsInFlight, rest.length) }, (_, at) =>
      rest.slice(at * length, (at + 1) * length)
    )
    yield* Effect.forEach(strands, (strand) => Effect.forEach(strand, checkLeaf, { discard: true }), {
      concurrency: "unbounded",
      discard: true
    })
    yield* progress.step({ bytes: counts.bytes - before })
  })

  const tree = (root: TreeReader.Root | undefined, at: string, keys = pipeline) => {
    if (root === undefined || seen.has(root.hash)) return Effect.void
    let due: Array<Due> = []
    let underWay: Fiber.Fiber<void, TreeError> | undefined
    const checked = Effect.suspend(() => (underWay === undefined ? Effect.void : Fiber.join(underWay)))
    const check = Effect.flatMap(checked, () =>
      Effect.gen(function* () {
        const taken = due
        due = []
        underWay = taken.length === 0 ? undefined : yield* Effect.forkIn(checkAll(taken), scope)
      })
    )
    const reached = Effect.fnUntraced(function* (items: Chunk.Chunk<TreeWalk.Reached | TreeWalk.Unreadable>) {
      for (const item of items) {
        const where = () => `${at} ${item.path.join(" ")}`.trimEnd()
        switch (item._tag) {
          case "Node":
            counts.nodes += 1
            seen.add(item.hash)
            break
          case "Unreadable":
            if (!isDamage(item.error)) return yield* Effect.fail(item.error)
            seen.add(item.hash)
            yield* damage({ kind: "node", hash: Hash.toHex(item.hash), at: where(), detail: item.error.message })
            break
          case "Leaf": {
            if (!seen.add(item.hash)) break
            if (!isSampled(item.hash)) {
              counts.unread += 1
              break
            }
            counts.blobs += 1
            due.push({ item, where })
            if (due.length >= batchLeaves) yield* check
          }
        }
      }
    })
    return TreeWalk.inspect(keys, root, { skip: seen.has }).pipe(
      Stream.runForEachChunk(reached),
      Effect.zipRight(check),
      Effect.zipRight(checked)
    )
  }

  yield* progress.phase("verifying")
  const head = yield* Head.newest(vault).pipe(
    Effect.catchIf(
      (error) => (error._tag === "BlobStoreError" || error._tag === "HeadError") && isDamagedHead(error),
      (error) => {
        counts.snapshots += 1
        const hash = error._tag === "HeadError" ? error.node : error._tag === "BlobStoreError" ? error.blob : ""
        return Effect.as(damage({ kind: "snapshot", hash, at: "the head:", detail: error.message }), undefined)
      }
    )
  )
  const snapshots = head === undefined ? [] : yield* Snapshots.all(vault, head)
  for (const info of [...snapshots].reverse()) {
    counts.snapshots += 1
    const at = `snapshot ${info.number}:`
    const published = yield* Effect.either(Head.read(vault, info.id, info.blob))
    if (Either.isRight(published)) yield* tree(published.right.root, at, Head.pipelineOf(pipeline, published.right))
    else if (!isDamage(published.left)) return yield* Effect.fail(published.left)
    else yield* damage({ kind: "snapshot", hash: Hash.toHex(info.id), at, detail: published.left.message })
  }
  // the last scans are what the next backups start from
  for (const mapping of yield* state.sources(vault.name)) {
    const record = yield* state.record(vault.name, mapping.folder)
    yield* tree(Vault.rootFromRecord(record?.base), `last scan of ${mapping.folder}:`)
  }
  return counts satisfies Result
}, Effect.scoped)
