/**
 * An object store of which some folders are elsewhere.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Service } from "../services/ObjectStore.ts"

/**
 * `base`, with the objects below each folder of `routes` in the store that is given for it, by the rest of their path. What
 * `base` itself has in such a folder is not seen.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withRoutes = (base: Service, routes: ReadonlyMap<string, Service>): Service => {
  const at = <A>(path: string, run: (store: Service, rest: string) => A): A => {
    const slash = path.indexOf("/")
    const store = slash < 0 ? undefined : routes.get(path.slice(0, slash))
    return store === undefined ? run(base, path) : run(store, path.slice(slash + 1))
  }
  const isRouted = (path: string): boolean => at(path, (store) => store !== base)
  return {
    name: base.name,
    features: base.features,
    put: (path, bytes) => at(path, (store, rest) => store.put(rest, bytes)),
    create: (path, bytes) => at(path, (store, rest) => store.create(rest, bytes)),
    get: (path, range) => at(path, (store, rest) => store.get(rest, range)),
    size: (path) => at(path, (store, rest) => store.size(rest)),
    remove: (path) => at(path, (store, rest) => store.remove(rest)),
    list: (prefix) =>
      Stream.concat(
        Stream.filter(base.list(prefix), (path) => !isRouted(path)),
        [...routes].reduce<ReturnType<Service["list"]>>((found, [folder, store]) => {
          const whole = `${folder}/`
          if (!prefix.startsWith(whole) && !whole.startsWith(prefix)) return found
          const inside = store.list(prefix.startsWith(whole) ? prefix.slice(whole.length) : "")
          return Stream.concat(
            found,
            Stream.map(inside, (path) => whole + path)
          )
        }, Stream.empty)
      ),
    sync: Effect.forEach([base, ...routes.values()], (store) => store.sync, { discard: true })
  }
}
