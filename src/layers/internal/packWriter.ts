/**
 * Blobs that are put and not in the index yet: gathered into packs, the packs given to the store, and all of it entered into
 * the index behind a barrier.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Hash from "../../schema/Hash.ts"
import * as PackCatalogue from "../../schema/PackCatalogue.ts"
import type { Primitives } from "../../schema/Primitives.ts"
import type { ObjectStoreError, Service as Objects } from "../../services/ObjectStore.ts"
import type { Service as Index, PackIndexError } from "../../services/PackIndex.ts"
import * as PackBuffer from "./packBuffer.ts"
import * as PackDiscovery from "./packDiscovery.ts"

// written, but not behind a barrier yet: an index of millions writes a page for nearly each of them, and keeps all in memory
const mostUncommitted = 8_192

/** `putSingle` stores a blob as an object of its own, and fails with what is the caller's. */
export const make = <E>(options: {
  readonly objects: Objects
  readonly index: Index
  readonly primitives: Primitives
  readonly scope: Scope.Scope
  /** Bytes of blobs in a pack. */
  readonly capacity: number
  readonly packPath: (pack: Hash.Hash) => string
  readonly putSingle: (hash: Hash.Hash, bytes: Uint8Array) => Effect.Effect<void, E>
}) => {
  const { index, objects, packPath, primitives, scope } = options
  const open = PackBuffer.make(options.capacity)
  /** By hash in hex. */
  const held = new Map<string, PackBuffer.Held>()
  /** Sealed packs that the store has not. */
  let unwritten: Array<PackBuffer.Group> = []
  /** Packs that the store has, before the barrier. */
  let written: Array<PackBuffer.Group> = []
  let uncommitted = 0
  // whoever seals and writes, one at a time; a barrier is outside of it
  const writing = Effect.unsafeMakeSemaphore(1)
  const barrier = Effect.unsafeMakeSemaphore(1)

  const hold = (blob: PackBuffer.Held) => {
    held.set(blob.key, blob)
  }
  const drop = (blob: PackBuffer.Held) => {
    if (blob.isGone) return
    blob.isGone = true
    held.delete(blob.key)
  }
  const forget = (key: string) => {
    const blob = held.get(key)
    if (blob !== undefined) drop(blob)
  }

  /** Gives every sealed pack to the store; those that it did not take stay. Under `writing`. */
  const write = Effect.suspend(() =>
    Effect.forEach(
      unwritten,
      (group) =>
        Effect.suspend(() => {
          const { bytes, pack } = group
          if (bytes === undefined || pack === undefined) return Effect.void
          return Effect.tap(objects.put(packPath(pack.name), bytes), () =>
            Effect.sync(() => {
              unwritten = unwritten.filter((other) => other !== group)
              written.push(group)
              uncommitted += pack.members.length
              group.bytes = undefined
              open.recycle(bytes)
            })
          )
        }),
      { discard: true }
    )
  )

  const seal = Effect.sync(() => {
    const group = open.seal(primitives)
    if (group !== undefined) unwritten.push(group)
  })

  /** Makes room for a blob in the open pack: seals it and writes it in the background, once the one before is written. */
  const makeRoom = (key: string, length: number) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        yield* restore(writing.take(1))
        // what failed in the background is tried again here, where somebody hears of it
        const result = yield* Effect.exit(restore(write))
        if (result._tag === "Failure" || open.fits(key, length)) {
          yield* writing.release(1)
          return yield* result
        }
        yield* seal
        // nothing is lost where this fails: the pack stays until somebody has written it
        yield* Effect.forkIn(Effect.ensuring(Effect.ignore(Effect.interruptible(write)), writing.release(1)), scope)
      })
    )

  const gather = (hash: Hash.Hash, key: string, bytes: Uint8Array): Effect.Effect<void, ObjectStoreError> =>
    Effect.suspend(() => {
      if (held.has(key)) return Effect.void
      const blob = open.add(hash, key, bytes)
      if (blob === undefined) return Effect.zipRight(makeRoom(key, bytes.length), gather(hash, key, bytes))
      hold(blob)
      return Effect.void
    })

  /** A single blob needs no pack: as an object of its own it takes fewer flushes, and every reader finds it. */
  const writeSingle = Effect.suspend(() => {
    const live = open.members().filter(({ isGone }) => !isGone)
    const [only] = live
    const bytes = only?.group.bytes
    if (live.length !== 1 || only === undefined || bytes === undefined) return Effect.void
    return Effect.tap(options.putSingle(only.hash, bytes.subarray(only.offset, only.offset + only.length)), () =>
      Effect.sync(() => drop(only))
    )
  })

  const flushOpen = writing.withPermits(1)(
    write.pipe(Effect.zipRight(writeSingle), Effect.zipRight(seal), Effect.zipRight(write))
  )

  /** What is in the packs of `groups`, without what was removed meanwhile. */
  const entriesOf = (groups: ReadonlyArray<PackBuffer.Group>) =>
    groups.flatMap(({ pack }): ReadonlyArray<PackCatalogue.Entry> => {
      if (pack === undefined) return []
      const { length, members, name } = pack
      return [{ pack: name, length, members: members.filter(({ isGone }) => !isGone) }]
    })

  /** The barrier for what is written: catalogue, flush, index. Under `barrier`. */
  const commit: Effect.Effect<void, ObjectStoreError | PackIndexError> = Effect.suspend(() => {
    const taken = written
    written = []
    uncommitted = 0
    const enter = Effect.gen(function* () {
      const bytes = PackCatalogue.encode(entriesOf(taken))
      const name = primitives.blake3(bytes)
      yield* objects.put(PackDiscovery.cataloguePath(name), bytes)
      yield* objects.sync
      // again: what was removed while this was flushed must not come back
      yield* index.add([...entriesOf(taken), { pack: name, length: bytes.length, members: [] }], "catalogued")
      for (const { pack } of taken) for (const blob of pack?.members ?? []) drop(blob)
    })
    return Effect.onExit(taken.length === 0 ? objects.sync : enter, (exit) =>
      Effect.sync(() => {
        if (exit._tag === "Success") return
        written = [...taken, ...written]
        uncommitted = written.reduce((sum, { pack }) => sum + (pack?.members.length ?? 0), 0)
      })
    )
  })

  const isFull = () => uncommitted >= mostUncommitted

  return {
    find: (key: string): PackBuffer.Held | undefined => held.get(key),
    /** Every blob of them. */
    hashes: (): ReadonlyArray<Hash.Hash> => Array.from(held.values(), ({ hash }) => hash),
    /** Packs that are on their way, or in the store and not in the index. */
    packs: (): ReadonlyArray<Hash.Hash> =>
      [...unwritten, ...written].flatMap(({ pack }) => (pack === undefined ? [] : [pack.name])),
    /** Takes a blob that is not held, if that goes at once. */
    take: (hash: Hash.Hash, key: string, bytes: Uint8Array): boolean => {
      const blob = isFull() ? undefined : open.add(hash, key, bytes)
      if (blob !== undefined) hold(blob)
      return blob !== undefined
    },
    /** Takes a blob, once there is room for it. */
    gather,
    /** Enters what is there into the index, where that has become much. */
    relieve: Effect.suspend(() =>
      isFull() ? barrier.withPermits(1)(Effect.suspend(() => (isFull() ? commit : Effect.void))) : Effect.void
    ),
    forget,
    sync: barrier.withPermits(1)(Effect.zipRight(flushOpen, commit))
  }
}
