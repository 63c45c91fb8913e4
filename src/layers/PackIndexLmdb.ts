/**
 * An index of packs in an LMDB environment, shared by any number of processes of one machine.
 *
 * Three databases: `packs` has the hash and length of each pack under a number, and a byte more for one that is not
 * catalogued (1 found, 2 in part), `names` its number under its hash, `blobs` the places of each blob under its hash, 12 bytes each: number of the pack ‖ offset ‖ length, all big-endian, newest first.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Lmdb from "lmdb"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import { better, PackIndex, PackIndexError, type Place, type Service, type Standing } from "../services/PackIndex.ts"
import { describe, openEnvironment, reasonOf } from "./internal/lmdb.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** The folder of the environment, made if missing; it holds `data.mdb` and `lock.mdb`. */
  readonly directory: string
  /** The folder is made for this user alone (0700); otherwise as the umask says. */
  readonly private?: boolean
}

const placeLength = 12
// a blob has a second copy when two writers stored it at the same time; more than a few are no use to anybody
const mostPlaces = 8
const pageLength = 1024
const packRecordLength = Hash.length + 4
/** By the byte behind a pack's record. */
const uncatalogued: ReadonlyArray<Standing | undefined> = [undefined, "found", "partial"]
// no hash has this length
const searchedKey = Uint8Array.of(1)

const open = async (lmdb: typeof Lmdb, directory: string, folderMode: number) => {
  const { environment, readOnly, secure } = await openEnvironment(lmdb, directory, folderMode)
  if (readOnly) {
    await environment.close()
    throw Object.assign(new Error("it is on a read-only disk"), { code: 30 })
  }
  const database = (name: string) =>
    environment.openDB<Uint8Array, Uint8Array>({ name, encoding: "binary", keyEncoding: "binary" })
  const opened = { environment, packs: database("packs"), names: database("names"), blobs: database("blobs") }
  await secure()
  return opened
}

const numberOf = (bytes: Uint8Array, at = 0) =>
  (bytes[at]! * 0x1_00_00_00 + (bytes[at + 1]! << 16) + (bytes[at + 2]! << 8) + bytes[at + 3]!) >>> 0

const fromNumbers = (...numbers: ReadonlyArray<number>) => {
  const bytes = new Uint8Array(numbers.length * 4)
  const view = new DataView(bytes.buffer)
  numbers.forEach((number, i) => {
    view.setUint32(i * 4, number)
  })
  return bytes
}

const hasPlaceIn = (places: Uint8Array, pack: number) => {
  for (let at = 0; at + placeLength <= places.length; at += placeLength) if (numberOf(places, at) === pack) return true
  return false
}

/** Opens the environment and closes it with the scope; one that does not load or open is an error. @since 0.1.0 @category constructors */
export const make = ({ directory, private: isPrivate }: Options): Effect.Effect<Service, PackIndexError, Scope.Scope> =>
  Effect.gen(function* () {
    const failed = (cause: unknown) =>
      new PackIndexError({ reason: reasonOf(cause), index: directory, detail: describe(cause) })
    const lmdb = yield* Effect.tryPromise({ try: () => import("lmdb"), catch: failed })
    const { blobs, names, packs } = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => open(lmdb, directory, isPrivate === true ? 0o700 : 0o777), catch: failed }),
      // nothing is lost: whatever was answered as entered is on disk before the environment is closed
      ({ environment }) => Effect.ignore(Effect.tryPromise(() => environment.close()))
    )
    const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: failed })

    const standingIn = (record: Uint8Array): Standing =>
      record.length === packRecordLength ? "catalogued" : (uncatalogued[record[packRecordLength]!] ?? "partial")
    const record = (pack: Hash.Hash, length: number, standing: Standing) => {
      const bytes = Bytes.concat(pack, fromNumbers(length))
      return standing === "catalogued" ? bytes : Bytes.concat(bytes, Uint8Array.of(uncatalogued.indexOf(standing)))
    }

    // packs are never renumbered, and a catalogued one stays that: what was read once stays true
    const known = new Map<number, Pick<Place, "pack" | "packLength" | "isCatalogued">>()
    const packOf = (number: number) => {
      const before = known.get(number)
      if (before !== undefined) return before
      const bytes = packs.getBinary(fromNumbers(number))
      if (bytes === undefined || bytes.length < packRecordLength) return undefined
      const pack = {
        pack: Hash.unsafeFromBytes(new Uint8Array(bytes.subarray(0, Hash.length))),
        packLength: numberOf(bytes, Hash.length),
        isCatalogued: standingIn(bytes) === "catalogued"
      }
      if (pack.isCatalogued) known.set(number, pack)
      return pack
    }

    const refresh = () => {
      // the library keeps one read transaction per turn of the event loop: a commit of another process would be missed
      for (const database of [packs, names, blobs]) database.resetReadTxn()
    }

    const page = (after: Uint8Array | undefined) => {
      refresh()
      const keys: Array<Hash.Hash> = []
      for (const key of blobs.getKeys({ ...(after !== undefined && { start: after }), limit: pageLength + 1 })) {
        // a copy: the library may use the key's memory again
        const hash = new Uint8Array(key)
        if (Hash.is(hash) && (after === undefined || !Bytes.equals(hash, after))) keys.push(hash)
      }
      return keys
    }

    const placesOf = (hash: Hash.Hash): ReadonlyArray<Place> => {
      const bytes = blobs.getBinary(hash)
      const places: Array<Place> = []
      for (let at = 0; bytes !== undefined && at + placeLength <= bytes.length; at += placeLength) {
        const pack = packOf(numberOf(bytes, at))
        if (pack === undefined) continue
        places.push({
          pack: pack.pack,
          packLength: pack.packLength,
          isCatalogued: pack.isCatalogued,
          offset: numberOf(bytes, at + 4),
          length: numberOf(bytes, at + 8)
        })
      }
      return places
    }

    return {
      name: directory,
      find: (hash) => attempt(() => placesOf(hash)),
      findAll: (hashes) => attempt(() => hashes.map(placesOf)),
      standing: (pack) =>
        attempt(() => {
          refresh()
          const number = names.getBinary(pack)
          const bytes = number === undefined ? undefined : packs.getBinary(number)
          return bytes === undefined ? undefined : standingIn(bytes)
        }),
      add: (entries, standing) =>
        attempt(() =>
          // returns after the commit is on disk
          packs.transactionSync(() => {
            const last = [...packs.getKeys({ reverse: true, limit: 1 })][0]
            let next = last === undefined ? 0 : numberOf(last) + 1
            for (const { length, members, pack } of entries) {
              const known = names.getBinary(pack)
              const number = known === undefined ? next++ : numberOf(known)
              const before = known === undefined ? undefined : packs.getBinary(fromNumbers(number))
              const now = before === undefined ? standing : better(standingIn(before), standing)
              if (before === undefined || standingIn(before) !== now) {
                // a pack has the length that it was entered with
                packs.putSync(
                  fromNumbers(number),
                  record(pack, before === undefined ? length : numberOf(before, Hash.length), now)
                )
                if (known === undefined) names.putSync(pack, fromNumbers(number))
              }
              for (const member of members) {
                const place = fromNumbers(number, member.offset, member.length)
                const before = blobs.getBinary(member.hash)
                if (known !== undefined && before !== undefined && hasPlaceIn(before, number)) continue
                blobs.putSync(
                  member.hash,
                  before === undefined ? place : Bytes.concat(place, before.subarray(0, (mostPlaces - 1) * placeLength))
                )
              }
            }
          })
        ),
      remove: (hashes) =>
        attempt(() =>
          blobs.transactionSync(() => {
            for (const hash of hashes) blobs.removeSync(hash)
          })
        ),
      list: Stream.paginateChunkEffect(undefined as Uint8Array | undefined, (after) =>
        Effect.map(
          attempt(() => page(after)),
          (keys) => [Chunk.unsafeFromArray(keys), Option.fromNullable(keys.at(-1))]
        )
      ),
      isSearched: attempt(() => names.getBinary(searchedKey) !== undefined),
      markSearched: attempt(() => {
        names.putSync(searchedKey, searchedKey)
      })
    }
  })

/** @since 0.1.0 @category layers */
export const layer = (options: Options): Layer.Layer<PackIndex, PackIndexError> =>
  Layer.scoped(PackIndex, make(options))
