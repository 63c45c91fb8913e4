/**
 * Reading ahead in large objects: who reads one range after the other is given most of them from memory.
 *
 * A restore or a verification reads blobs much in the order in which a backup wrote them into packs. One read of a window
 * then stands for a hundred small ones.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { ObjectStoreError, Range, Service } from "../services/ObjectStore.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** Bytes of a window; 256 KiB when absent, 32 KiB over files of this machine. Longer ranges are read as they are. */
  readonly windowLength?: number
  /** Windows that are kept; 64 when absent. */
  readonly windows?: number
}

type Window = Deferred.Deferred<Uint8Array, ObjectStoreError>

/**
 * `inner`, with ranges answered from windows as soon as two ranges of an object were asked for that lie near each other. For
 * objects that never change, such as packs: what is changed here is noticed, what others change may be seen late.
 *
 * @since 0.1.0
 * @category combinators
 */
export const windowed = (inner: Service, options: Options = {}): Service => {
  // of what is in files of this machine, content is read where it lies: what comes here is nodes, which lie far apart
  const windowLength = options.windowLength ?? (inner.file === undefined ? 256 : 32) * 1024
  const capacity = options.windows ?? 64
  const windows = new Map<string, Window>()
  /** The windows that were touched last, whether or not they were read whole: whoever comes back to one, or next to one, reads on. */
  const touched = new Map<string, true>()

  const keep = <A>(map: Map<string, A>, key: string, value: A, most: number) => {
    map.delete(key)
    map.set(key, value)
    if (map.size <= most) return
    for (const oldest of map.keys()) {
      map.delete(oldest)
      break
    }
  }
  const keyOf = (path: string, number: number) => `${number} ${path}`

  const forget = (path: string) => {
    for (const map of [windows, touched]) for (const key of map.keys()) if (key.endsWith(` ${path}`)) map.delete(key)
  }

  /** The window, read by whoever asks first; a failure is everybody's and forgotten. */
  const load = (path: string, number: number): Effect.Effect<Uint8Array, ObjectStoreError> => {
    const key = keyOf(path, number)
    const known = windows.get(key)
    if (known !== undefined) {
      keep(windows, key, known, capacity)
      return Deferred.await(known)
    }
    const begin = Effect.flatMap(Deferred.make<Uint8Array, ObjectStoreError>(), (window) => {
      keep(windows, key, window, capacity)
      return Effect.interruptible(inner.get(path, { offset: number * windowLength, length: windowLength })).pipe(
        Effect.onExit((exit) => {
          if (exit._tag === "Failure" && windows.get(key) === window) windows.delete(key)
          return Deferred.done(window, exit)
        }),
        // others wait for it: it goes on when the first of them is interrupted
        Effect.forkDaemon,
        Effect.as(window)
      )
    })
    // a window that is known is always on its way
    return Effect.flatMap(Effect.uninterruptible(begin), Deferred.await)
  }

  const get = (path: string, range?: Range): Effect.Effect<Uint8Array, ObjectStoreError> =>
    Effect.suspend(() => {
      const length = range?.length
      if (range === undefined || length === undefined || length > windowLength) return inner.get(path, range)
      const first = Math.floor(range.offset / windowLength)
      const last = Math.floor((range.offset + Math.max(length, 1) - 1) / windowLength)
      const isReadingOn = [first, first - 1, first + 1].some((near) => touched.has(keyOf(path, near)))
      keep(touched, keyOf(path, last), true, capacity * 2)
      if (!isReadingOn && !windows.has(keyOf(path, first))) return inner.get(path, range)
      const from = range.offset - first * windowLength
      if (first === last) return Effect.map(load(path, first), (bytes) => bytes.slice(from, from + length))
      return Effect.zipWith(load(path, first), load(path, last), (a, b) => {
        const head = a.subarray(from)
        // an object that ends in the first window has nothing in the second
        const tail = b.subarray(0, Math.max(0, length - (windowLength - from)))
        const out = new Uint8Array(head.length + tail.length)
        out.set(head)
        out.set(tail, head.length)
        return out
      })
    })

  return {
    ...inner,
    get,
    put: (path, bytes) =>
      Effect.ensuring(
        inner.put(path, bytes),
        Effect.sync(() => forget(path))
      ),
    create: (path, bytes) =>
      Effect.ensuring(
        inner.create(path, bytes),
        Effect.sync(() => forget(path))
      ),
    remove: (path) =>
      Effect.ensuring(
        inner.remove(path),
        Effect.sync(() => forget(path))
      )
  }
}
