/** The packed store, which is how an embedded store keeps its blobs: as a process opens it, and as a power cut leaves it. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scope from "effect/Scope"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as ObjectStoreWindows from "../../src/layers/ObjectStoreWindows.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as PackCatalogue from "../../src/schema/PackCatalogue.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import type * as ObjectStore from "../../src/services/ObjectStore.ts"
import type * as PackIndex from "../../src/services/PackIndex.ts"
import { primitives } from "./CheapCrypto.ts"
import type { Dice } from "./Dice.ts"
import type { Disk } from "./Disk.ts"

/** How a home keeps new blobs. */
export interface Habit {
  readonly packSize: number
  readonly isPacking: boolean
}

/** Packs of a blob or two, of some, and of more than a process ever writes; some homes only read packs. */
export const habitOf = (dice: Dice): Habit => ({
  packSize: dice.pick([250, 600, 1500, 100_000]),
  isPacking: !dice.chance(0.15)
})

/** What the store is made of, so that a mutant can put something else in its place. */
export interface Parts {
  readonly objects: ObjectStore.Service
  readonly index: PackIndex.Service
}

// several packs of these sizes are never read in one window
const windowLength = 4096

/** The store as production opens it. */
export const open = (parts: Parts, habit: Habit, scope: Scope.Scope): BlobStorePacked.Packed =>
  Effect.runSync(
    BlobStorePacked.make({
      objects: ObjectStoreWindows.windowed(parts.objects, { windowLength }),
      index: parts.index,
      primitives,
      packSize: habit.packSize,
      isPacking: Effect.succeed(habit.isPacking)
    }).pipe(Scope.extend(scope))
  )

/** An index of its own that nothing was ever entered into. */
export const freshIndex = (): PackIndex.Service => Effect.runSync(PackIndexMemory.make())

const features = { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY }

/**
 * What a power cut would leave of a blob for everybody: as an object of its own, or in a pack that a catalogue names. A pack
 * without one is found by who looks at all objects, which each index does once, and so not by everybody.
 *
 * Reads the disk by itself and knows nothing of the store's code but the catalogues' format.
 */
export const durable = (disk: Disk) => {
  const places = new Map<string, Array<{ readonly pack: string; readonly offset: number; readonly length: number }>>()
  const read = new Set<string>()

  const look = () => {
    for (const path of disk.paths) {
      if (!path.startsWith("packs/") || read.has(path)) continue
      const bytes = disk.durable(path)
      if (bytes === undefined || Hash.toHex(primitives.blake3(bytes)) !== path.slice("packs/".length)) continue
      read.add(path)
      const entries = Either.getOrElse(PackCatalogue.decode(bytes), () => [])
      for (const { members, pack } of entries)
        for (const { hash, length, offset } of members) {
          const key = Hash.toHex(hash)
          const known = places.get(key) ?? []
          known.push({ pack: StorePath.blob(features, pack), offset, length })
          places.set(key, known)
        }
    }
  }
  const packed = (hash: Hash.Hash): Uint8Array | undefined => {
    for (const { length, offset, pack } of places.get(Hash.toHex(hash)) ?? []) {
      const bytes = disk.durable(pack)?.subarray(offset, offset + length)
      if (bytes !== undefined && Bytes.equals(primitives.blake3(bytes), hash)) return bytes
    }
    return undefined
  }

  return (hash: Hash.Hash): Uint8Array | undefined => {
    const found = packed(hash)
    if (found !== undefined) return found
    const plain = disk.durable(StorePath.blob(features, hash))
    // an empty file of somebody who does not flush says nothing
    if (plain !== undefined && Bytes.equals(primitives.blake3(plain), hash)) return plain
    look()
    return packed(hash) ?? plain
  }
}
