/**
 * Blobs gathered into packs of some 16 MiB, over any object store (docs/format/core.md §18).
 *
 * A pack is an object as the reference writes it, under its own hash. What it holds is told by a catalogue that lies beside
 * it, and looked up in an index, which can be lost. A barrier writes the pack that is open, a catalogue, flushes both, and
 * only then enters the blobs into the index, so that nobody takes a blob for present that a power cut could take away.
 * Blobs that lie as objects of their own stay readable.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as PackCatalogue from "../schema/PackCatalogue.ts"
import type { Primitives } from "../schema/Primitives.ts"
import * as StorePath from "../schema/StorePath.ts"
import { type Batch, BlobStore, BlobStoreError, type Bulk, type Service } from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import { ObjectStore, ObjectStoreError, type Service as Objects } from "../services/ObjectStore.ts"
import { type Service as Index, PackIndex, type PackIndexError, type Place } from "../services/PackIndex.ts"
import * as BlobStoreObjects from "./BlobStoreObjects.ts"
import * as PackBuffer from "./internal/packBuffer.ts"
import * as PackDiscovery from "./internal/packDiscovery.ts"

/** @since 0.1.0 @category models */
export interface Options {
  readonly objects: Objects
  readonly index: Index
  readonly primitives: Primitives
  /** Bytes of blobs in a pack, 16 MiB when absent; a larger blob is an object of its own. About three times as much memory is used. */
  readonly packSize?: number
  /** Whether new blobs go into packs; `true` when absent. What is in packs is read in any case. Asked once, by the first put. */
  readonly isPacking?: Effect.Effect<boolean, BlobStoreError>
}

/** A packed store. @since 0.1.0 @category models */
export interface Packed extends Service {
  /** Packs and catalogues that were set aside since this was made, for people. */
  readonly problems: Effect.Effect<ReadonlyArray<string>>
  /** Enters every pack of the store into the index, also those that no catalogue names: reads all that is new to it. */
  readonly rebuild: Effect.Effect<void, BlobStoreError>
}

const defaultPackSize = 16 << 20
// written, but not behind a barrier yet: what is held of each in memory is some 200 bytes
const mostUncommitted = 32_768
const mostProblems = 1000
// hashes that are remembered, some MB
const mostPlain = 20_000

const reasons = {
  NotFound: "Missing",
  BadPath: "Unavailable",
  Full: "Full",
  Denied: "Denied",
  Unsupported: "Denied",
  Unreadable: "Unreadable",
  Unavailable: "Unavailable",
  Corrupt: "Unavailable"
} as const

/** Over `options.objects`; what was not synced when the scope closes is not stored. @since 0.1.0 @category constructors */
export const make = (options: Options): Effect.Effect<Packed, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { index, objects, primitives } = options
    const scope = yield* Effect.scope
    const plain = BlobStoreObjects.fromObjects(objects, primitives)
    const capacity = options.packSize ?? defaultPackSize
    const isPacking = options.isPacking ?? Effect.succeed(true)

    const open = PackBuffer.make(capacity)
    /** Blobs that are not in the index, and not behind a barrier. */
    const held = new Map<string, PackBuffer.Held>()
    /** Sealed packs that the store has not. */
    let unwritten: Array<PackBuffer.Group> = []
    /** Packs that the store has, before the barrier. */
    let written: Array<PackBuffer.Group> = []
    let uncommitted = 0
    /** The objects that are no packs, in hex, as they were when something was first put, unless they are too many. */
    let plainHashes: Set<string> | "many" | undefined
    // whoever seals and writes, one at a time; a barrier is outside of it
    const writing = Effect.unsafeMakeSemaphore(1)
    const barrier = Effect.unsafeMakeSemaphore(1)
    const problems = yield* Ref.make<ReadonlyMap<string, string>>(new Map())

    const discovery = PackDiscovery.make({
      objects,
      index,
      primitives,
      aside: (object, problem) => {
        // no more than somebody would read
        Effect.runSync(
          Ref.update(problems, (before) =>
            before.size < mostProblems ? new Map(before).set(Hash.toHex(object), problem) : before
          )
        )
      }
    })

    // the index answers with the same few hashes again and again
    const paths = new WeakMap<Hash.Hash, string>()
    const packPath = (pack: Hash.Hash) => {
      const known = paths.get(pack)
      if (known !== undefined) return known
      const path = StorePath.blob(objects.features, pack)
      paths.set(pack, path)
      return path
    }
    const failed = (blob: string) => (error: ObjectStoreError | PackIndexError) =>
      new BlobStoreError({
        reason: reasons[error.reason],
        store: objects.name,
        blob,
        detail: error instanceof ObjectStoreError ? error.detail : error.message
      })
    const damaged = (hash: Hash.Hash, where: string) =>
      new BlobStoreError({
        reason: "Damaged",
        store: objects.name,
        blob: Hash.toHex(hash),
        detail: `its bytes in ${where} are not the ones that were stored; restore that from another copy`
      })
    const missing = (hash: Hash.Hash) =>
      new BlobStoreError({
        reason: "Missing",
        store: objects.name,
        blob: Hash.toHex(hash),
        detail: "the store does not have it"
      })
    const isLive = (blob: PackBuffer.Held) => held.get(Hash.toHex(blob.hash)) === blob
    const isOf = (group: PackBuffer.Group) => (hash: Hash.Hash) => held.get(Hash.toHex(hash))?.group === group
    const forget = (group: PackBuffer.Group, hash: Hash.Hash) => {
      if (isOf(group)(hash)) held.delete(Hash.toHex(hash))
    }

    // writing

    /** Gives every sealed pack to the store; those that it did not take stay. Under `writing`. */
    const write = Effect.suspend(() =>
      Effect.forEach(
        unwritten,
        (group) =>
          Effect.suspend(() => {
            const { bytes, layout, name } = group
            if (bytes === undefined || layout === undefined || name === undefined) return Effect.void
            return Effect.tap(objects.put(packPath(name), bytes), () =>
              Effect.sync(() => {
                unwritten = unwritten.filter((other) => other !== group)
                written.push(group)
                uncommitted += layout.members.length
                group.bytes = undefined
                open.recycle(bytes)
              })
            )
          }),
        { discard: true }
      )
    ).pipe(Effect.mapError(failed("(a pack)")))

    const seal = Effect.sync(() => {
      const group = open.seal(primitives, isLive)
      if (group !== undefined) unwritten.push(group)
    })

    /** Makes room for a blob in the open pack: seals it and writes it in the background, once the one before is written. */
    const makeRoom = (hash: Hash.Hash, length: number) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* restore(writing.take(1))
          // what failed in the background is tried again here, where somebody hears of it
          const result = yield* Effect.exit(restore(write))
          if (result._tag === "Failure" || open.fits(hash, length)) {
            yield* writing.release(1)
            return yield* result
          }
          yield* seal
          // nothing is lost where this fails: the pack stays until somebody has written it
          yield* Effect.forkIn(Effect.ensuring(Effect.ignore(Effect.interruptible(write)), writing.release(1)), scope)
        })
      )

    const gather = (hash: Hash.Hash, bytes: Uint8Array): Effect.Effect<void, BlobStoreError> =>
      Effect.suspend(() => {
        const key = Hash.toHex(hash)
        if (held.has(key)) return Effect.void
        if (!open.fits(hash, bytes.length)) {
          return Effect.zipRight(makeRoom(hash, bytes.length), gather(hash, bytes))
        }
        held.set(key, open.add(hash, bytes))
        return Effect.void
      })

    /** A single blob needs no pack: as an object of its own it takes fewer flushes, and every reader finds it. */
    const writeSingle = Effect.suspend(() => {
      const only = open.members().filter(isLive)
      const bytes = only[0]?.group.bytes
      if (only.length !== 1 || only[0] === undefined || bytes === undefined) return Effect.void
      const { group, hash, length, offset } = only[0]
      return Effect.tap(plain.put(hash, bytes.subarray(offset, offset + length)), () =>
        Effect.sync(() => {
          if (plainHashes instanceof Set) plainHashes.add(Hash.toHex(hash))
          forget(group, hash)
        })
      )
    })

    const flushOpen = writing.withPermits(1)(
      write.pipe(Effect.zipRight(writeSingle), Effect.zipRight(seal), Effect.zipRight(write))
    )

    /** What is in the packs of `groups`, without what was removed meanwhile. */
    const entriesOf = (groups: ReadonlyArray<PackBuffer.Group>) =>
      groups.flatMap((group): ReadonlyArray<PackCatalogue.Entry> => {
        if (group.name === undefined || group.layout === undefined) return []
        const { length, members } = group.layout
        return [{ pack: group.name, length, members: members.filter(({ hash }) => isOf(group)(hash)) }]
      })

    /** The barrier for what is written: catalogue, flush, index. Under `barrier`. */
    const commit = Effect.suspend(() => {
      const taken = written
      written = []
      uncommitted = 0
      const enter = Effect.gen(function* () {
        const entries = entriesOf(taken)
        const bytes = PackCatalogue.encode(entries)
        const name = primitives.blake3(bytes)
        yield* objects.put(PackDiscovery.cataloguePath(name), bytes)
        yield* objects.sync
        // again: what was removed while this was flushed must not come back
        yield* index.add([...entriesOf(taken), { pack: name, length: bytes.length, members: [] }])
        for (const group of taken) for (const { hash } of group.layout?.members ?? []) forget(group, hash)
      })
      return Effect.onExit(taken.length === 0 ? objects.sync : enter, (exit) =>
        Effect.sync(() => {
          if (exit._tag === "Success") return
          written = [...taken, ...written]
          uncommitted = written.reduce((sum, { layout }) => sum + (layout?.members.length ?? 0), 0)
        })
      )
    }).pipe(Effect.mapError(failed("sync")))

    const relieve = Effect.suspend(() =>
      uncommitted < mostUncommitted
        ? Effect.void
        : barrier.withPermits(1)(Effect.suspend(() => (uncommitted < mostUncommitted ? Effect.void : commit)))
    )

    // reading

    const present = new Set<string>()
    /** Whether the pack is there in full; asked once for each pack. */
    const isPresent = ({ pack, packLength }: Place) =>
      Effect.suspend(() => {
        if (present.has(Hash.toHex(pack))) return Effect.succeed(true)
        // its last byte and none behind it: unlike `size` this does not ask the barrier to flush what is durable
        return objects.get(packPath(pack), { offset: Math.max(0, packLength - 1), length: 2 }).pipe(
          Effect.map((end) => end.length === 1),
          Effect.catchIf(
            (error) => error.reason === "NotFound" || error.reason === "Unreadable",
            // nothing is lost: the blob is not here, and whoever asked stores it
            () => Effect.succeed(false)
          ),
          Effect.tap((there) =>
            Effect.sync(() => {
              if (there) present.add(Hash.toHex(pack))
            })
          )
        )
      })

    const inPack = (hash: Hash.Hash) =>
      Effect.flatMap(index.find(hash), (places) => {
        const next = (at: number): Effect.Effect<boolean, ObjectStoreError> => {
          const place = places[at]
          if (place === undefined) return Effect.succeed(false)
          return Effect.flatMap(isPresent(place), (there) => (there ? Effect.succeed(true) : next(at + 1)))
        }
        return next(0)
      })

    const verified = (hash: Hash.Hash, where: string) => (bytes: Uint8Array) =>
      Bytes.equals(primitives.blake3(bytes), hash) ? Effect.succeed(bytes) : damaged(hash, where)

    const fromPlace = (hash: Hash.Hash, { length, offset, pack }: Place) =>
      objects
        .get(packPath(pack), { offset, length })
        .pipe(Effect.mapError(failed(Hash.toHex(hash))), Effect.flatMap(verified(hash, `pack ${packPath(pack)}`)))

    /** The first of `copies` that is whole, or the failure that says most. */
    const firstOf = (
      hash: Hash.Hash,
      copies: ReadonlyArray<Effect.Effect<Uint8Array, BlobStoreError>>
    ): Effect.Effect<Uint8Array, BlobStoreError> => {
      // a store that failed may have it; bytes that rotted are more than none
      const weight = { Missing: 0, Damaged: 1, Unreadable: 2, Full: 3, Denied: 3, Unavailable: 4 } as const
      const next = (at: number, worst: BlobStoreError | undefined): Effect.Effect<Uint8Array, BlobStoreError> => {
        const copy = copies[at]
        if (copy === undefined) return worst ?? missing(hash)
        return Effect.catchAll(copy, (error) =>
          next(at + 1, worst === undefined || weight[error.reason] > weight[worst.reason] ? error : worst)
        )
      }
      // an error is made only when there is one: making it costs more than looking
      return next(0, undefined)
    }

    const fromHeld = (hash: Hash.Hash): Effect.Effect<Uint8Array, BlobStoreError> =>
      Effect.suspend(() => {
        const found = held.get(Hash.toHex(hash))
        if (found === undefined) return missing(hash)
        const { group, length, offset } = found
        if (group.bytes !== undefined) {
          return verified(hash, "memory")(group.bytes.slice(offset, offset + length))
        }
        return group.name === undefined
          ? missing(hash)
          : fromPlace(hash, { pack: group.name, packLength: 0, offset, length })
      })

    const known = (hash: Hash.Hash) =>
      Effect.flatMap(Effect.mapError(index.find(hash), failed(Hash.toHex(hash))), (places) =>
        firstOf(hash, [
          ...(held.has(Hash.toHex(hash)) ? [fromHeld(hash)] : []),
          ...places.map((place) => fromPlace(hash, place)),
          plain.get(hash)
        ])
      )

    // discoveries, one at a time

    const finding = Effect.unsafeMakeSemaphore(1)
    let begun = 0
    let lastDone = 0
    let areCataloguesWhole = true
    let searched = false

    /** Looks for catalogues, unless that was begun and done since this was asked. */
    const discover = Effect.suspend(() => {
      const asked = begun
      return finding.withPermits(1)(
        Effect.suspend(() => {
          if (lastDone > asked) return Effect.void
          const round = ++begun
          return Effect.map(discovery.catalogues, (all) => {
            areCataloguesWhole = all
            lastDone = round
          })
        })
      )
    })

    /** Looks at every object, once for each index, and once more for this value where a catalogue cannot be read. */
    const search = finding.withPermits(1)(
      Effect.gen(function* () {
        if (searched || (areCataloguesWhole && (yield* index.isSearched))) return
        yield* discovery.search
        searched = true
      })
    )

    const get = (hash: Hash.Hash): Effect.Effect<Uint8Array, BlobStoreError> => {
      const again = (look: Effect.Effect<void, ObjectStoreError | PackIndexError>) =>
        Effect.zipRight(Effect.mapError(look, failed(Hash.toHex(hash))), known(hash))
      const isMissing = (error: BlobStoreError) => error.reason === "Missing"
      return known(hash).pipe(
        Effect.catchIf(isMissing, () => again(discover)),
        Effect.catchIf(isMissing, () => again(search))
      )
    }

    const findAll = (hashes: ReadonlyArray<Hash.Hash>) =>
      index.findAll?.(hashes) ?? Effect.forEach(hashes, (hash) => index.find(hash))

    /** Blobs that are in the index; those that are not there yet, or no more, are for `get`. */
    const bulk: Bulk = {
      locate: (hashes) =>
        findAll(hashes).pipe(
          // nothing is lost: `get` looks again, and says what is wrong
          Effect.orElseSucceed((): ReadonlyArray<ReadonlyArray<Place>> => hashes.map(() => [])),
          Effect.map((found) =>
            found.map(([place]) =>
              place === undefined
                ? undefined
                : { object: packPath(place.pack), offset: place.offset, length: place.length }
            )
          )
        ),
      read: (object, offset, length) => Effect.mapError(objects.get(object, { offset, length }), failed(object)),
      ...(objects.file !== undefined && { file: objects.file })
    }

    const has = (hash: Hash.Hash): Effect.Effect<boolean, BlobStoreError> =>
      Effect.gen(function* () {
        if (held.has(Hash.toHex(hash))) return true
        if (yield* inPack(hash)) return true
        if (yield* plain.has(hash)) return true
        if (lastDone > 0) return false
        yield* discover
        return yield* inPack(hash)
      }).pipe(Effect.mapError((error) => (error instanceof BlobStoreError ? error : failed(Hash.toHex(hash))(error))))

    const size = (hash: Hash.Hash): Effect.Effect<number | undefined, BlobStoreError> =>
      Effect.gen(function* () {
        const gathered = held.get(Hash.toHex(hash))
        if (gathered !== undefined) return gathered.length
        // what is in no pack that is still there is an object of its own, or nothing
        const [place] = (yield* has(hash)) && (yield* inPack(hash)) ? yield* index.find(hash) : []
        return place === undefined ? yield* plain.size(hash) : place.length
      }).pipe(Effect.mapError((error) => (error instanceof BlobStoreError ? error : failed(Hash.toHex(hash))(error))))

    const lookForPlain = finding.withPermits(1)(
      Effect.suspend(() =>
        plainHashes !== undefined
          ? Effect.void
          : objects.list("blob3/").pipe(
              Stream.filterMap((path) => Option.flatten(Either.getRight(StorePath.hashOfBlob(objects.features, path)))),
              Stream.filterEffect((hash) => Effect.map(index.holds(hash), (is) => !is)),
              Stream.map(Hash.toHex),
              Stream.take(mostPlain + 1),
              Stream.runCollect,
              Effect.flatMap((found) =>
                Effect.sync(() => {
                  plainHashes = found.length > mostPlain ? "many" : new Set(found)
                })
              )
            )
      )
    )
    /**
     * Whether the blob is an object of its own, of its right length. One that another program put there since is not seen,
     * and costs a second copy.
     */
    const isPlain = (hash: Hash.Hash, length: number) =>
      Effect.suspend(() => (plainHashes === undefined ? lookForPlain : Effect.void)).pipe(
        Effect.flatMap(() =>
          plainHashes instanceof Set && !plainHashes.has(Hash.toHex(hash))
            ? Effect.succeed(false)
            : Effect.map(objects.size(packPath(hash)), (size) => size === length)
        )
      )

    /** Whether blobs are packed, once that was asked. */
    let packs: boolean | undefined
    /** Whether the blob was there. */
    const putSlowly = (hash: Hash.Hash, bytes: Uint8Array, isLent: boolean) =>
      Effect.gen(function* () {
        if (yield* inPack(hash)) return true
        if (yield* isPlain(hash, bytes.length)) return true
        packs ??= yield* isPacking
        if (bytes.length > capacity || !packs) yield* plain.put(hash, isLent ? new Uint8Array(bytes) : bytes)
        else {
          yield* gather(hash, bytes)
          yield* relieve
        }
        return false
      }).pipe(Effect.mapError((error) => (error instanceof BlobStoreError ? error : failed(Hash.toHex(hash))(error))))

    /** Takes the blob if that goes at once: most are new and there is room, and for tens of thousands of them each step is felt. */
    const takes = (hash: Hash.Hash, bytes: Uint8Array, places: ReadonlyArray<Place>): boolean => {
      const key = Hash.toHex(hash)
      const isNew = places.length === 0 && plainHashes instanceof Set && !plainHashes.has(key) && !held.has(key)
      const hasRoom = packs === true && uncommitted < mostUncommitted && open.fits(hash, bytes.length)
      if (!isNew || !hasRoom) return false
      held.set(key, open.add(hash, bytes))
      return true
    }
    const isHeld = (hash: Hash.Hash) => held.has(Hash.toHex(hash))

    const place: Batch["putNew"] = (hash, bytes) =>
      Effect.suspend(() =>
        isHeld(hash)
          ? Effect.succeed(true)
          : Effect.matchEffect(index.find(hash), {
              onFailure: (error) => Effect.fail(failed(Hash.toHex(hash))(error)),
              onSuccess: (places) =>
                takes(hash, bytes, places) ? Effect.succeed(false) : putSlowly(hash, bytes, false)
            })
      )
    const put: Service["put"] = (hash, bytes) => Effect.asVoid(place(hash, bytes))

    /** As `has` and then `put`: what others stored since is looked for once. */
    const putNew: Batch["putNew"] = (hash, bytes) =>
      Effect.suspend(() =>
        lastDone > 0
          ? place(hash, bytes)
          : Effect.zipRight(Effect.mapError(discover, failed(Hash.toHex(hash))), place(hash, bytes))
      )

    const putAll: Batch["putAll"] = (blobs) =>
      Effect.flatMap(Effect.mapError(findAll(blobs.map(({ hash }) => hash)), failed("(several blobs)")), (places) => {
        const from = (first: number): Effect.Effect<void, BlobStoreError> =>
          Effect.suspend(() => {
            for (let at = first; at < blobs.length; at++) {
              const { hash, stored } = blobs[at]!
              if (isHeld(hash) || takes(hash, stored, places[at] ?? [])) continue
              return Effect.zipRight(putSlowly(hash, stored, true), from(at + 1))
            }
            return Effect.void
          })
        return from(0)
      })

    const list = Stream.unwrap(
      Effect.map(discover, () => {
        const ours = new Map([...held].map(([key, { hash }]) => [key, hash]))
        const isElsewhere = (hash: Hash.Hash) =>
          Effect.gen(function* () {
            if (ours.has(Hash.toHex(hash)) || (yield* index.holds(hash))) return true
            if ([...unwritten, ...written].some(({ name }) => name !== undefined && Bytes.equals(name, hash)))
              return true
            return (yield* index.find(hash)).length > 0
          })
        return Stream.fromIterable(ours.values()).pipe(
          Stream.concat(Stream.filter(index.list, (hash) => !ours.has(Hash.toHex(hash)))),
          Stream.concat(Stream.filterEffect(plain.list, (hash) => Effect.map(isElsewhere(hash), (is) => !is)))
        )
      })
    ).pipe(Stream.mapError((error) => (error instanceof BlobStoreError ? error : failed("list")(error))))

    return {
      name: objects.name,
      has,
      size,
      get,
      bulk,
      put,
      batch: { put, putNew, putAll },
      // the other copy is forgotten once this one is durable: it may have been unreadable for a moment only
      replace: (hash, bytes) =>
        Effect.mapError(
          Effect.zipRight(objects.put(packPath(hash), bytes), objects.sync),
          failed(Hash.toHex(hash))
        ).pipe(
          Effect.zipRight(Effect.mapError(index.remove([hash]), failed(Hash.toHex(hash)))),
          Effect.zipRight(
            Effect.sync(() => {
              held.delete(Hash.toHex(hash))
              if (plainHashes instanceof Set) plainHashes.add(Hash.toHex(hash))
            })
          )
        ),
      list,
      remove: (hash) =>
        Effect.suspend(() => {
          held.delete(Hash.toHex(hash))
          return Effect.zipRight(Effect.mapError(index.remove([hash]), failed(Hash.toHex(hash))), plain.remove(hash))
        }),
      sync: barrier.withPermits(1)(Effect.zipRight(flushOpen, commit)),
      problems: Effect.map(Ref.get(problems), (found) =>
        [...found].map(([object, problem]) => `${objects.name}: ${object}: ${problem}`)
      ),
      rebuild: Effect.zipRight(discover, finding.withPermits(1)(discovery.search)).pipe(
        Effect.mapError(failed("rebuild"))
      )
    }
  })

/** Over the object store and the index of the environment. @since 0.1.0 @category layers */
export const layer = (
  options: Pick<Options, "packSize"> = {}
): Layer.Layer<BlobStore, never, ObjectStore | PackIndex | Crypto> =>
  Layer.scoped(
    BlobStore,
    Effect.gen(function* () {
      const objects = yield* ObjectStore
      const index = yield* PackIndex
      const { primitives } = yield* Crypto
      return yield* make({ objects, index, primitives, ...options })
    })
  )
