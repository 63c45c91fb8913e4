/**
 * Packs that are in the store but not in the index: of other machines, of writers that died, of the reference, or of
 * everybody when the index was lost.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "../../schema/Bytes.ts"
import * as Hash from "../../schema/Hash.ts"
import * as Pack from "../../schema/Pack.ts"
import * as PackCatalogue from "../../schema/PackCatalogue.ts"
import type { Primitives } from "../../schema/Primitives.ts"
import * as StorePath from "../../schema/StorePath.ts"
import type { ObjectStoreError, Service as Objects } from "../../services/ObjectStore.ts"
import type { Service as Index, PackIndexError, Standing } from "../../services/PackIndex.ts"

/** Where catalogues lie. */
export const folder = "packs/"

/** The path of the catalogue whose bytes have this hash. */
export const cataloguePath = (hash: Hash.Hash) => folder + Hash.toHex(hash)

// entered at a time, so that memory is bounded
const mostMembers = 16_384
// read at a time where the blobs of a foreign pack are hashed
const windowLength = 8 << 20
const objectsInFlight = 4

/** The bytes, nothing of what is gone, and `unreadable` of what cannot be read. */
const orNone = <A>(effect: Effect.Effect<Uint8Array, ObjectStoreError>, unreadable: A) =>
  effect.pipe(
    Effect.map((bytes): Uint8Array | A | undefined => bytes),
    Effect.catchIf(
      (error) => error.reason === "NotFound" || error.reason === "Unreadable",
      // nothing is lost: what is not there, or cannot be read, holds nothing that could be entered; it is told of
      ({ reason }) => Effect.succeed(reason === "NotFound" ? undefined : unreadable)
    )
  )

const none = new Uint8Array(0)

/** Looks for packs; `aside` is told of those that cannot be used. */
export const make = (options: {
  readonly objects: Objects
  readonly index: Index
  readonly primitives: Primitives
  readonly aside: (object: Hash.Hash, problem: string) => void
}) => {
  const { aside, index, objects, primitives } = options
  const packPath = (pack: Hash.Hash) => StorePath.blob(objects.features, pack)

  const enter = (entries: ReadonlyArray<PackCatalogue.Entry>, standing: Standing) =>
    // whoever wrote them may not have come to its barrier: an index says only what is durable
    entries.length === 0 ? Effect.void : Effect.zipRight(objects.sync, index.add(entries, standing))

  /** Whether all of the pack is there; seen through `size`, so that the next barrier covers it. */
  const isWhole = Effect.fnUntraced(function* (pack: Hash.Hash, length: number) {
    const size = yield* objects.size(packPath(pack))
    if (size === length) return true
    aside(pack, size === undefined ? "the pack is not there" : `the pack is torn: ${size} of ${length} bytes`)
    return false
  })

  const start = (pack: Hash.Hash, length: number) =>
    orNone(objects.get(packPath(pack), { offset: 0, length }), undefined)

  /** Whether the catalogue tells of everything that the pack's header counts: what was removed before it was written is left out. */
  const tellsAll = Effect.fnUntraced(function* ({ members, pack }: PackCatalogue.Entry) {
    const head = yield* start(pack, Pack.headLength)
    return head !== undefined && Either.getOrUndefined(Pack.decodeCount(head)) === members.length
  })

  /** The packs of a catalogue that are new, those that keep their standing, and whether it holds any that could not be entered. */
  const readCatalogue = Effect.fnUntraced(function* (name: Hash.Hash) {
    const bytes = yield* orNone(objects.get(cataloguePath(name)), none)
    if (bytes === undefined) return { entries: [], kept: [], isWhole: false }
    const decoded = Bytes.equals(primitives.blake3(bytes), name)
      ? PackCatalogue.decode(bytes)
      : Either.left({ message: "its bytes are not the ones that were written" })
    if (Either.isLeft(decoded)) {
      aside(name, `the catalogue is damaged: ${decoded.left.message}`)
      return { entries: [], kept: [], isWhole: false }
    }
    yield* objects.size(cataloguePath(name))
    const entries: Array<PackCatalogue.Entry> = []
    const known: Array<PackCatalogue.Entry> = []
    const kept: Array<PackCatalogue.Entry> = []
    let all = true
    for (const entry of decoded.right) {
      const standing = yield* index.standing(entry.pack)
      if (standing === "catalogued") known.push(entry)
      else if (!(yield* isWhole(entry.pack, entry.length))) all = false
      // this index knows of blobs in it that nobody else would look for
      else if (standing !== undefined && !(yield* tellsAll(entry))) kept.push(entry)
      else entries.push(entry)
    }
    // a catalogue is entered like a pack without blobs, and not read again; of a pack that is known it may tell more, where
    // blobs were removed and stored again
    if (all) entries.push(...known, { pack: name, length: bytes.length, members: [] })
    return { entries, kept, isWhole: all }
  })

  /** Enters the packs of every catalogue that is not known; answers whether all of them could be. */
  const catalogues: Effect.Effect<boolean, ObjectStoreError | PackIndexError> = Effect.suspend(() => {
    let batch: Array<PackCatalogue.Entry> = []
    let members = 0
    let all = true
    const flush = Effect.suspend(() => {
      const entries = batch
      batch = []
      members = 0
      return enter(entries, "catalogued")
    })
    return objects.list(folder).pipe(
      Stream.filterMap((path) => Option.getRight(Hash.fromHex(path.slice(folder.length)))),
      Stream.runForEach((name) =>
        Effect.gen(function* () {
          if ((yield* index.standing(name)) !== undefined) return
          const found = yield* readCatalogue(name)
          all &&= found.isWhole
          yield* enter(found.kept, "partial")
          for (const entry of found.entries) {
            batch.push(entry)
            members += entry.members.length
          }
          if (members >= mostMembers) yield* flush
        })
      ),
      Effect.zipRight(Effect.suspend(() => flush)),
      Effect.map(() => all)
    )
  })

  /** The members of a pack that nobody has a catalogue of, by the hashes of their bytes; nothing when it went away meanwhile. */
  const confirmed = Effect.fnUntraced(function* (pack: Hash.Hash, header: Pack.Pack) {
    const members: Array<Pack.Placed> = []
    for (let from = 0; from < header.members.length; ) {
      const first = header.members[from]!
      let to = from + 1
      const endOf = (member: Pack.Member) => member.offset + member.length
      while (to < header.members.length && endOf(header.members[to]!) - first.offset <= windowLength) to++
      const length = endOf(header.members[to - 1]!) - first.offset
      const bytes = yield* orNone(objects.get(packPath(pack), { offset: first.offset, length }), none)
      if (bytes === undefined) return undefined
      for (const member of header.members.slice(from, to)) {
        const at = member.offset - first.offset
        const hash = primitives.blake3(bytes.subarray(at, at + member.length))
        // the start of a hash is no proof: only what hashes to it is the blob
        const isIts = Bytes.equals(hash.subarray(0, Pack.prefixLength), member.prefix)
        if (isIts) members.push({ hash, offset: member.offset, length: member.length })
        else aside(pack, `a blob of the pack is damaged, at ${member.offset}`)
      }
      from = to
    }
    return members
  })

  /** What the header says and what of it is there; nothing where that cannot be read, or is no pack. */
  const read = Effect.fnUntraced(function* (name: Hash.Hash) {
    const head = yield* start(name, Pack.headLength)
    const count = head === undefined ? undefined : Pack.decodeCount(head)
    if (count === undefined) return "unreadable" as const
    if (Either.isLeft(count)) return undefined
    const header = yield* start(name, Pack.headerLength(count.right))
    if (header === undefined) return "unreadable" as const
    const pack = Pack.decode(header)
    if (Either.isLeft(pack)) {
      // or a blob that only looks like one
      aside(name, "the pack's header is damaged")
      return undefined
    }
    if (!(yield* isWhole(name, pack.right.length))) return undefined
    const members = yield* confirmed(name, pack.right)
    if (members === undefined) return "unreadable" as const
    return {
      entry: { pack: name, length: pack.right.length, members } satisfies PackCatalogue.Entry,
      isComplete: members.length === pack.right.members.length
    }
  })

  /**
   * Whether it was there, and could be read in full, for as long as it was looked at: otherwise it is looked at again by the
   * next search. Nothing is written to the store: who only reads may not be allowed to.
   */
  const searchOne = Effect.fnUntraced(function* (name: Hash.Hash) {
    const head = yield* start(name, Pack.headLength)
    if (head === undefined) return false
    if (!Pack.isPack(head)) return true
    const before = yield* index.standing(name)
    if (before !== undefined && before !== "partial") return true
    const found = yield* read(name)
    if (found === undefined) return true
    if (found === "unreadable") return false
    yield* enter([found.entry], found.isComplete ? "found" : "partial")
    return found.isComplete
  })

  /**
   * Writes the catalogue of a pack that was found without one: whoever counts on its blobs publishes what others have to
   * find. Whether it has one now; a pack that is not whole gets none, which would hide the rest of it from everybody for good.
   */
  const catalogue = Effect.fnUntraced(function* (name: Hash.Hash) {
    const found = yield* read(name)
    if (found === undefined || found === "unreadable" || !found.isComplete) return false
    const bytes = PackCatalogue.encode([found.entry])
    const own = primitives.blake3(bytes)
    const isThere = yield* objects.put(cataloguePath(own), bytes).pipe(
      Effect.as(true),
      Effect.catchIf(
        ({ reason }) => reason === "Denied" || reason === "Unsupported" || reason === "Full",
        // nothing is lost: where nothing can be written the pack can still be read
        () => Effect.succeed(false)
      )
    )
    if (!isThere) return false
    yield* enter([found.entry, { pack: own, length: bytes.length, members: [] }], "catalogued")
    return true
  })

  /** Looks at every object that could be a pack. */
  const search: Effect.Effect<void, ObjectStoreError | PackIndexError> = objects.list("blob3/").pipe(
    Stream.filterMap((path) => Option.flatten(Either.getRight(StorePath.hashOfBlob(objects.features, path)))),
    Stream.mapEffect(searchOne, { concurrency: objectsInFlight }),
    Stream.runFold(true, (all, isSeen) => all && isSeen),
    Effect.flatMap((all) => (all ? index.markSearched : Effect.void))
  )

  return { catalogues, search, catalogue }
}
