/**
 * An index of packs in memory, for machines without LMDB and for stores that are only read: about 50 bytes a blob, filled
 * anew from the store's catalogues each time.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as HashSpread from "../schema/HashSpread.ts"
import { better, PackIndex, type Place, type Service, type Standing } from "../services/PackIndex.ts"

// hash ‖ number of the pack ‖ offset ‖ length
const recordLength = Hash.length + 12
const recordsInBlock = 1024
const removed = 0xffff_ffff
const firstSlots = 256

/** A table of records found by their hash; several may have one. */
const makeTable = (spread: HashSpread.Spread) => {
  const blocks: Array<Uint8Array> = []
  const views: Array<DataView> = []
  // record + 1 at the hash's place or the next free one, 0 where nothing is
  let slots = new Uint32Array(firstSlots)
  let count = 0

  const at = (record: number) => (record % recordsInBlock) * recordLength
  const block = (record: number) => Math.floor(record / recordsInBlock)
  const hashOf = (record: number) => blocks[block(record)]!.subarray(at(record), at(record) + Hash.length)
  const slotOf = (hash: Uint8Array) => spread(hash, 0) >>> (Math.clz32(slots.length) + 1)
  const enter = (record: number) => {
    let slot = slotOf(hashOf(record))
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1)
    slots[slot] = record + 1
  }

  return {
    add: (hash: Hash.Hash, pack: number, offset: number, length: number) => {
      const record = count++
      if (block(record) === blocks.length) {
        const bytes = new Uint8Array(recordsInBlock * recordLength)
        blocks.push(bytes)
        views.push(new DataView(bytes.buffer))
      }
      blocks[block(record)]!.set(hash, at(record))
      const view = views[block(record)]!
      view.setUint32(at(record) + Hash.length, pack)
      view.setUint32(at(record) + Hash.length + 4, offset)
      view.setUint32(at(record) + Hash.length + 8, length)
      if (count * 2 > slots.length) {
        slots = new Uint32Array(slots.length * 2)
        for (let i = 0; i < count; i++) enter(i)
      } else enter(record)
    },
    /** The records of `hash` that were not removed, in the order in which they were added. */
    find: (hash: Uint8Array) => {
      const found: Array<number> = []
      for (let slot = slotOf(hash); slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
        const record = slots[slot]! - 1
        const isLive = views[block(record)]!.getUint32(at(record) + Hash.length) !== removed
        if (isLive && Bytes.equals(hashOf(record), hash)) found.push(record)
      }
      // a table that was made larger has them in the order of their numbers, one that was not as well
      return found.sort((a, b) => a - b)
    },
    place: (record: number) => {
      const view = views[block(record)]!
      const from = at(record) + Hash.length
      return { pack: view.getUint32(from), offset: view.getUint32(from + 4), length: view.getUint32(from + 8) }
    },
    remove: (record: number) => views[block(record)]!.setUint32(at(record) + Hash.length, removed),
    hash: (record: number) => Hash.unsafeFromBytes(hashOf(record).slice()),
    count: () => count
  }
}

/** An empty index. @since 0.1.0 @category constructors */
export const make = (options: { readonly name?: string } = {}): Effect.Effect<Service> =>
  Effect.map(HashSpread.random, (spread) => {
    const table = makeTable(spread)
    const packs: Array<{ readonly hash: Hash.Hash; readonly length: number; standing: Standing }> = []
    const numbers = new Map<string, number>()
    let searched = false

    return {
      name: options.name ?? "in memory",
      find: (hash) =>
        Effect.sync(() =>
          table.find(hash).reduceRight((places: Array<Place>, record) => {
            const { length, offset, pack } = table.place(record)
            const { hash: name, length: packLength, standing } = packs[pack]!
            places.push({ pack: name, isCatalogued: standing === "catalogued", packLength, offset, length })
            return places
          }, [])
        ),
      standing: (pack) => Effect.sync(() => packs[numbers.get(Hash.toHex(pack)) ?? -1]?.standing),
      add: (entries, standing) =>
        Effect.sync(() => {
          for (const { length, members, pack } of entries) {
            const known = numbers.get(Hash.toHex(pack))
            const number = known ?? packs.push({ hash: pack, length, standing }) - 1
            numbers.set(Hash.toHex(pack), number)
            packs[number]!.standing = better(packs[number]!.standing, standing)
            for (const member of members) {
              const isThere =
                known !== undefined && table.find(member.hash).some((at) => table.place(at).pack === number)
              if (!isThere) table.add(member.hash, number, member.offset, member.length)
            }
          }
        }),
      remove: (hashes) =>
        Effect.sync(() => {
          for (const hash of hashes) for (const record of table.find(hash)) table.remove(record)
        }),
      list: Stream.suspend(() => {
        const listed = function* () {
          for (let record = 0; record < table.count(); record++) {
            const hash = table.hash(record)
            // of several copies the first stands for all
            if (table.find(hash)[0] === record) yield hash
          }
        }
        return Stream.fromIterable(listed())
      }),
      isSearched: Effect.sync(() => searched),
      markSearched: Effect.sync(() => {
        searched = true
      })
    }
  })

/** @since 0.1.0 @category layers */
export const layer: Layer.Layer<PackIndex> = Layer.effect(PackIndex, make())
