/** Mistakes that a packed store could make, each as what it is given or what it gives, so that its own code stays as it is. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Hash from "../../../src/schema/Hash.ts"
import * as Pack from "../../../src/schema/Pack.ts"
import * as PackCatalogue from "../../../src/schema/PackCatalogue.ts"
import * as StorePath from "../../../src/schema/StorePath.ts"
import { PackIndexError, type Place } from "../../../src/services/PackIndex.ts"
import type { Services } from "../Outside.ts"
import type { Parts } from "../PackedStore.ts"

export const isCatalogue = (path: string): boolean => path.startsWith("packs/")

/** A barrier commits to the index, and flushes then. */
export const indexFirst = ({ index, objects }: Parts): Parts => {
  let isOwed = false
  const flush = Effect.suspend(() => {
    isOwed = false
    return objects.sync
  })
  return {
    objects: {
      ...objects,
      put: (path, bytes) =>
        Effect.tap(objects.put(path, bytes), () =>
          Effect.sync(() => {
            isOwed ||= isCatalogue(path)
          })
        ),
      sync: Effect.suspend(() => (isOwed ? Effect.void : flush))
    },
    index: {
      ...index,
      add: (entries, standing) =>
        Effect.zipRight(
          index.add(entries, standing),
          Effect.mapError(
            flush,
            ({ detail }) => new PackIndexError({ reason: "Unavailable", index: index.name, detail })
          )
        )
    }
  }
}

/** A barrier leaves the last blobs where they are, in a pack that is not full yet. */
export const staysOpen = ({ blobs, registry, state }: Services): Services => {
  const open = new Map<string, readonly [Hash.Hash, Uint8Array]>()
  return {
    registry,
    state,
    blobs: {
      ...blobs,
      has: (hash) => (open.has(Hash.toHex(hash)) ? Effect.succeed(true) : blobs.has(hash)),
      get: (hash) => {
        const found = open.get(Hash.toHex(hash))
        return found === undefined ? blobs.get(hash) : Effect.succeed(found[1])
      },
      put: (hash, bytes) =>
        Effect.suspend(() => {
          open.set(Hash.toHex(hash), [hash, bytes])
          if (open.size < 3) return Effect.void
          const full = [...open.values()]
          open.clear()
          return Effect.forEach(full, ([one, its]) => blobs.put(one, its), { discard: true })
        })
    }
  }
}

/** A blob is taken for another one whose hash begins alike; with one byte, as no two ever have twelve in common. */
export const byPrefix = ({ index, objects }: Parts): Parts => {
  const places = new Map<number | undefined, ReadonlyArray<Place>>()
  return {
    objects,
    index: {
      ...index,
      find: (hash) => Effect.map(index.find(hash), (found) => (found.length > 0 ? found : (places.get(hash[0]) ?? []))),
      add: (entries, standing) =>
        Effect.tap(index.add(entries, standing), () =>
          Effect.sync(() => {
            for (const { length: packLength, members, pack } of entries)
              for (const { hash, length, offset } of members)
                places.set(hash[0], [{ pack, isCatalogued: true, packLength, offset, length }])
          })
        )
    }
  }
}

/** Whoever finds a pack without a catalogue writes none. */
export const withoutCatalogues = ({ index, objects }: Parts): Parts => {
  let isOwn = false
  return {
    objects: {
      ...objects,
      put: (path, bytes) => {
        isOwn ||= Pack.isPack(bytes)
        return isCatalogue(path) && !isOwn ? Effect.void : objects.put(path, bytes)
      }
    },
    index: {
      ...index,
      add: (entries, standing) =>
        Effect.tap(index.add(entries, standing), () =>
          Effect.sync(() => {
            isOwn = false
          })
        )
    }
  }
}

/** A pack is there in full because a catalogue says so. */
export const tornIsWhole = ({ index, objects }: Parts): Parts => {
  const lengths = new Map<string, number>()
  return {
    index,
    objects: {
      ...objects,
      get: (path, range) => {
        // whether the last byte is there
        if (range?.length === 2 && lengths.has(path)) return Effect.succeed(new Uint8Array(1))
        return Effect.tap(objects.get(path, range), (bytes) =>
          Effect.sync(() => {
            for (const { length, pack } of isCatalogue(path) ? entriesOf(bytes) : [])
              lengths.set(StorePath.blob(objects.features, pack), length)
          })
        )
      },
      size: (path) => Effect.map(objects.size(path), (size) => lengths.get(path) ?? size)
    }
  }
}

const entriesOf = (catalogue: Uint8Array) => Either.getOrElse(PackCatalogue.decode(catalogue), () => [])
