/** A process that is killed right before one of its writes, wherever that goes, and whose disks are put back to try another. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as ObjectStore from "../../src/services/ObjectStore.ts"
import type { TestPlace } from "./identity.ts"
import type { PersonDevice } from "./person.ts"

export const make = () => {
  const stores: Array<ObjectStore.Service> = []
  const registries: Array<Map<string, Uint8Array>> = []
  const count = { writes: 0, allowed: Number.POSITIVE_INFINITY }

  /** What a process does that is killed: nothing more, and nothing in the end either. */
  const step = Effect.suspend(() => {
    if (count.writes >= count.allowed) return Effect.interrupt
    count.writes += 1
    return Effect.void
  })

  const decorate = (store: ObjectStore.Service): ObjectStore.Service => {
    const counted: ObjectStore.Service = {
      ...store,
      put: (path, bytes) => Effect.zipRight(step, store.put(path, bytes)),
      create: (path, bytes) => Effect.zipRight(step, store.create(path, bytes)),
      remove: (path) => Effect.zipRight(step, store.remove(path))
    }
    stores.push(store)
    return counted
  }

  /** Counts the writes of its registry, too. */
  const atPlace = (at: TestPlace) => {
    at.faults.beforeSet = step
    registries.push(at.entries)
  }
  const onDevice = ({ world }: PersonDevice) => {
    world.faults.set = (entry, over, inner) => Effect.zipRight(step, inner(entry, over))
    registries.push(world.entries)
  }

  /** Remembers all disks as they are: the effect puts them back. */
  const remember = Effect.gen(function* () {
    const kept = yield* Effect.forEach(stores, (store) =>
      Effect.gen(function* () {
        const objects = new Map<string, Uint8Array>()
        for (const path of yield* Stream.runCollect(store.list(""))) objects.set(path, yield* store.get(path))
        return objects
      })
    )
    const entries = registries.map((one) => new Map(one))
    return Effect.gen(function* () {
      for (const [index, store] of stores.entries()) {
        for (const path of yield* Stream.runCollect(store.list(""))) yield* store.remove(path)
        for (const [path, bytes] of kept[index]!) yield* store.put(path, bytes)
      }
      for (const [index, registry] of registries.entries()) {
        registry.clear()
        for (const [key, bytes] of entries[index]!) registry.set(key, bytes)
      }
    })
  })

  /** Runs it until it ends or wants to make one write more than `writes`: whether it was killed. */
  const killedAfter = <A, E, R>(writes: number, process: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      Object.assign(count, { writes: 0, allowed: writes })
      return Effect.exit(process)
    }).pipe(
      Effect.map((exit) => {
        const isKilled = exit._tag === "Failure" && count.writes >= count.allowed
        const { writes: made } = count
        Object.assign(count, { writes: 0, allowed: Number.POSITIVE_INFINITY })
        return { isKilled, exit, made }
      })
    )

  return { decorate, atPlace, onDevice, remember, killedAfter }
}
