/** Trees over a store in memory that counts, and what they are compared with. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import type { KeyedEntry } from "../../src/fs5/ReadableLayer.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import type { TreeError } from "../../src/fs5/TreeError.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import { primitives } from "../support/primitives.ts"

export { primitives }

/** A store in memory that counts what is asked of it; `fail` makes every following operation of that kind fail. */
export interface CountingStore {
  readonly service: BlobStore.Service
  readonly blobs: Map<string, Uint8Array>
  /** Hashes in hex, in the order they were asked for. */
  readonly reads: Array<string>
  /** Hashes in hex of blobs that were not there before. */
  readonly writes: Array<string>
  broken: "nothing" | "get" | "put"
  /** Runs before every put. */
  beforePut: Effect.Effect<void>
  readonly reset: () => void
}

export const countingStore = (): CountingStore => {
  const blobs = new Map<string, Uint8Array>()
  const reads: Array<string> = []
  const writes: Array<string> = []
  const error = (reason: "Missing" | "Unavailable", hash: Hash.Hash) =>
    new BlobStore.BlobStoreError({ reason, store: "memory", blob: Hash.toHex(hash), detail: "it is made to fail" })
  const store: CountingStore = {
    blobs,
    reads,
    writes,
    broken: "nothing",
    beforePut: Effect.void,
    reset: () => {
      reads.length = 0
      writes.length = 0
    },
    service: {
      name: "memory",
      has: (hash) => Effect.sync(() => blobs.has(Hash.toHex(hash))),
      get: (hash) =>
        Effect.suspend(() => {
          const name = Hash.toHex(hash)
          reads.push(name)
          if (store.broken === "get") return Effect.fail(error("Unavailable", hash))
          const found = blobs.get(name)
          return found === undefined ? Effect.fail(error("Missing", hash)) : Effect.succeed(found)
        }),
      put: (hash, bytes) =>
        Effect.flatMap(
          Effect.suspend(() => store.beforePut),
          () => {
            if (store.broken === "put") return Effect.fail(error("Unavailable", hash))
            const name = Hash.toHex(hash)
            if (!blobs.has(name)) {
              blobs.set(name, bytes)
              writes.push(name)
            }
            return Effect.void
          }
        ),
      list: Stream.empty,
      remove: () => Effect.void,
      sync: Effect.void
    }
  }
  return store
}

/** A pipeline with a cache of its own unless one is given, so that every node is read from the store once. */
export const pipelineOver = (
  store: CountingStore,
  context: TraversalContext.TraversalContext = TraversalContext.plain,
  cache: NodeCache.NodeCache = NodeCache.make({ capacity: 64 * 1024 * 1024 })
): Pipeline.Pipeline => Pipeline.make({ primitives, blobs: store.service, context, cache })

/** The same tree read through another pipeline over its store. */
export const through = (snapshot: Snapshot.Snapshot, pipeline: Pipeline.Pipeline): Snapshot.Snapshot =>
  Snapshot.make({ hash: snapshot.hash, plaintextHash: snapshot.plaintextHash, kind: snapshot.kind, pipeline })

/** An entry that differs for every number. */
export const entry = (value: number): NodeEntry => ({
  content: {
    structural: "leaf",
    hash: primitives.blake3(Bytes.fromUtf8(`content ${value}`)),
    size: BigInt(value)
  }
})

export const tombstone: NodeEntry = { tombstone: { timestamp: 1700000000 } }

export const key = (index: number) => `file${String(index).padStart(6, "0")}.txt`

export const sorted = (model: Iterable<KeyedEntry>): ReadonlyArray<KeyedEntry> =>
  [...model].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

/** The entries in a tree of their own, built from nothing. */
export const build = (
  pipeline: Pipeline.Pipeline,
  model: Iterable<KeyedEntry>,
  mask: number = TreeBuilder.defaultMask
): Effect.Effect<Snapshot.Snapshot, TreeError> => {
  const builder = TreeBuilder.make(pipeline, { kind: "namespace", mask })
  return Effect.map(Effect.zipRight(builder.pushAll(sorted(model)), builder.finish), (finished) =>
    finished === undefined
      ? Snapshot.empty(pipeline)
      : Snapshot.make({ hash: finished.link.hash, plaintextHash: finished.link.plaintextHash, pipeline })
  )
}

export const collect = <A>(stream: Stream.Stream<A, TreeError>): Effect.Effect<ReadonlyArray<A>, TreeError> =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

export const numbered = (count: number, step = 1): Map<string, NodeEntry> =>
  new Map(Array.from({ length: count }, (_, index) => [key(index * step), entry(index)] as const))

/** What `changes` make of `model`. */
export const applied = (model: ReadonlyMap<string, NodeEntry>, changes: Iterable<KeyedEntry>) => {
  const out = new Map(model)
  for (const [name, value] of changes) {
    if (value.tombstone === undefined) out.set(name, value)
    else out.delete(name)
  }
  return out
}

/** The root in hex; nothing for no tree. */
export const rootOf = (snapshot: Snapshot.Snapshot | undefined): string | undefined =>
  snapshot === undefined || snapshot.isEmpty ? undefined : Hash.toHex(snapshot.hash)
