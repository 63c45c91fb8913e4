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
import type { Primitives } from "../schema/Primitives.ts"
import * as StorePath from "../schema/StorePath.ts"
import { type Batch, BlobStore, BlobStoreError, type Bulk, type Service } from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import { ObjectStore, ObjectStoreError, type Service as Objects } from "../services/ObjectStore.ts"
import { type Service as Index, PackIndex, type PackIndexError, type Place } from "../services/PackIndex.ts"
import * as BlobStoreObjects from "./BlobStoreObjects.ts"
import * as PackDiscovery from "./internal/packDiscovery.ts"
import * as PackWriter from "./internal/packWriter.ts"

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

    /** The objects that are no packs, in hex, as they were when something was first put, unless they are too many. */
    let plainHashes: Set<string> | "many" | undefined
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
    const failed = (blob: string) => (error: BlobStoreError | ObjectStoreError | PackIndexError) =>
      error instanceof BlobStoreError
        ? error
        : new BlobStoreError({
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
    const isHeld = (hash: Hash.Hash) => writer.find(Hash.toHex(hash)) !== undefined
    const missing = (hash: Hash.Hash) =>
      new BlobStoreError({
        reason: "Missing",
        store: objects.name,
        blob: Hash.toHex(hash),
        detail: "the store does not have it"
      })

    const writer = PackWriter.make({
      objects,
      index,
      primitives,
      scope,
      capacity,
      packPath,
      putSingle: (hash, bytes) =>
        Effect.tap(plain.put(hash, bytes), () =>
          Effect.sync(() => {
            if (plainHashes instanceof Set) plainHashes.add(Hash.toHex(hash))
          })
        )
    })

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

    /** The first of those places whose pack is there. */
    const firstPresent = (places: ReadonlyArray<Place>): Effect.Effect<Place | undefined, ObjectStoreError> => {
      const next = (at: number): Effect.Effect<Place | undefined, ObjectStoreError> => {
        const place = places[at]
        if (place === undefined) return Effect.succeed(undefined)
        return Effect.flatMap(isPresent(place), (there) => (there ? Effect.succeed(place) : next(at + 1)))
      }
      return next(0)
    }

    // discoveries, one at a time
    const finding = Effect.unsafeMakeSemaphore(1)
    /** Whether blobs are packed, once that was asked. */
    let packs: boolean | undefined
    /** Found packs that got no catalogue, in hex. */
    const refused = new Set<string>()
    /** Gives packs that were only found a catalogue, so that they can be counted on; whether one has it now. */
    const catalogue = (places: ReadonlyArray<Place>) =>
      finding.withPermits(1)(
        Effect.gen(function* () {
          packs ??= yield* isPacking
          for (const place of packs ? places : []) {
            const { pack } = place
            if (refused.has(Hash.toHex(pack))) continue
            // somebody else may have been faster
            const isDone = (yield* index.standing(pack)) === "catalogued" && (yield* isPresent(place))
            if (isDone || (yield* discovery.catalogue(pack))) return true
            refused.add(Hash.toHex(pack))
          }
          // nothing is lost: whoever puts the blob stores it once more
          return false
        })
      )

    /** Whether the blob is in a pack that whoever publishes may count on. */
    const inPack = (hash: Hash.Hash) =>
      Effect.flatMap(index.find(hash), (places) =>
        places.length === 0
          ? Effect.succeed(false)
          : Effect.flatMap(firstPresent(places.filter(({ isCatalogued }) => isCatalogued)), (found) =>
              found !== undefined ? Effect.succeed(true) : catalogue(places.filter(({ isCatalogued }) => !isCatalogued))
            )
      )

    const verified = (hash: Hash.Hash, where: string) => (bytes: Uint8Array) =>
      Bytes.equals(primitives.blake3(bytes), hash) ? Effect.succeed(bytes) : damaged(hash, where)

    const fromPlace = (hash: Hash.Hash, { length, offset, pack }: Pick<Place, "pack" | "offset" | "length">) =>
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
        const found = writer.find(Hash.toHex(hash))
        if (found === undefined) return missing(hash)
        const { group, length, offset } = found
        if (group.bytes !== undefined) {
          return verified(hash, "memory")(group.bytes.slice(offset, offset + length))
        }
        return group.pack === undefined ? missing(hash) : fromPlace(hash, { pack: group.pack.name, offset, length })
      })

    const known = (hash: Hash.Hash) =>
      Effect.flatMap(Effect.mapError(index.find(hash), failed(Hash.toHex(hash))), (places) =>
        firstOf(hash, [
          ...(isHeld(hash) ? [fromHeld(hash)] : []),
          ...places.map((place) => fromPlace(hash, place)),
          plain.get(hash)
        ])
      )

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
        if (isHeld(hash)) return true
        if (yield* inPack(hash)) return true
        if (yield* plain.has(hash)) return true
        if (lastDone > 0) return false
        yield* discover
        return yield* inPack(hash)
      }).pipe(Effect.mapError(failed(Hash.toHex(hash))))

    const size = (hash: Hash.Hash): Effect.Effect<number | undefined, BlobStoreError> =>
      Effect.gen(function* () {
        const gathered = writer.find(Hash.toHex(hash))
        if (gathered !== undefined) return gathered.length
        const inPacks = Effect.flatMap(index.find(hash), firstPresent)
        const place = yield* inPacks
        if (place !== undefined) return place.length
        const own = yield* plain.size(hash)
        if (own !== undefined || lastDone > 0) return own
        yield* discover
        return (yield* inPacks)?.length
      }).pipe(Effect.mapError(failed(Hash.toHex(hash))))

    const lookForPlain = finding.withPermits(1)(
      Effect.suspend(() =>
        plainHashes !== undefined
          ? Effect.void
          : objects.list("blob3/").pipe(
              Stream.filterMap((path) => Option.flatten(Either.getRight(StorePath.hashOfBlob(objects.features, path)))),
              Stream.filterEffect((hash) => Effect.map(index.standing(hash), (is) => is === undefined)),
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

    /** Whether the blob was there. */
    const putSlowly = (hash: Hash.Hash, bytes: Uint8Array, isLent: boolean) =>
      Effect.gen(function* () {
        if (yield* inPack(hash)) return true
        if (yield* isPlain(hash, bytes.length)) return true
        packs ??= yield* isPacking
        if (bytes.length > capacity || !packs) yield* plain.put(hash, isLent ? new Uint8Array(bytes) : bytes)
        else {
          yield* Effect.mapError(writer.gather(hash, Hash.toHex(hash), bytes), failed("(a pack)"))
          yield* Effect.mapError(writer.relieve, failed("sync"))
        }
        return false
      }).pipe(Effect.mapError(failed(Hash.toHex(hash))))

    /**
     * Whether the blob is taken, or was before, if that goes at once: most are new and there is room, and for tens of thousands of
     * them each step is felt.
     */
    const takes = (hash: Hash.Hash, bytes: Uint8Array, places: ReadonlyArray<Place>): "held" | "taken" | undefined => {
      const key = Hash.toHex(hash)
      if (writer.find(key) !== undefined) return "held"
      if (packs !== true || places.length > 0 || !(plainHashes instanceof Set) || plainHashes.has(key)) return undefined
      return writer.take(hash, key, bytes) ? "taken" : undefined
    }

    const place: Batch["putNew"] = (hash, bytes) =>
      Effect.suspend(() =>
        isHeld(hash)
          ? Effect.succeed(true)
          : Effect.matchEffect(index.find(hash), {
              onFailure: (error) => Effect.fail(failed(Hash.toHex(hash))(error)),
              onSuccess: (places) => {
                const taken = takes(hash, bytes, places)
                return taken === undefined ? putSlowly(hash, bytes, false) : Effect.succeed(taken === "held")
              }
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
              if (takes(hash, stored, places[at] ?? []) !== undefined) continue
              return Effect.zipRight(putSlowly(hash, stored, true), from(at + 1))
            }
            return Effect.void
          })
        return from(0)
      })

    const list = Stream.unwrap(
      Effect.map(discover, () => {
        const ours = new Map(writer.hashes().map((hash) => [Hash.toHex(hash), hash]))
        const isElsewhere = (hash: Hash.Hash) =>
          Effect.gen(function* () {
            if (ours.has(Hash.toHex(hash)) || (yield* index.standing(hash)) !== undefined) return true
            if (writer.packs().some((name) => Bytes.equals(name, hash))) return true
            return (yield* index.find(hash)).length > 0
          })
        return Stream.fromIterable(ours.values()).pipe(
          Stream.concat(Stream.filter(index.list, (hash) => !ours.has(Hash.toHex(hash)))),
          Stream.concat(Stream.filterEffect(plain.list, (hash) => Effect.map(isElsewhere(hash), (is) => !is)))
        )
      })
    ).pipe(Stream.mapError(failed("list")))

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
              writer.forget(Hash.toHex(hash))
              if (plainHashes instanceof Set) plainHashes.add(Hash.toHex(hash))
            })
          )
        ),
      list,
      remove: (hash) =>
        Effect.suspend(() => {
          writer.forget(Hash.toHex(hash))
          return Effect.zipRight(Effect.mapError(index.remove([hash]), failed(Hash.toHex(hash))), plain.remove(hash))
        }),
      sync: Effect.mapError(writer.sync, failed("sync")),
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
