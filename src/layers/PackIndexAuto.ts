/**
 * An index of packs in LMDB where that loads and opens, in memory where it does not. Nothing is made on disk before a pack
 * is entered.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { PackIndex, type Service } from "../services/PackIndex.ts"
import type * as PackIndexLmdb from "./PackIndexLmdb.ts"
import * as PackIndexMemory from "./PackIndexMemory.ts"

/** Opened when it is first needed, closed with the scope. @since 0.1.0 @category constructors */
export const make = (options: PackIndexLmdb.Options): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory } = options
    const scope = yield* Effect.scope
    const turn = Effect.unsafeMakeSemaphore(1)
    let opened: Service | undefined
    let searched = false

    const begin = Effect.tryPromise(() => import("./PackIndexLmdb.ts")).pipe(
      Effect.flatMap((module) => Scope.extend(module.make(options), scope)),
      // nothing is lost: the catalogues of the store say the same, it only takes longer
      Effect.catchAll((problem) => PackIndexMemory.make({ name: `in memory (${problem.message})` })),
      Effect.uninterruptible
    )
    const made = turn.withPermits(1)(
      Effect.suspend(() =>
        opened === undefined
          ? Effect.tap(begin, (service) =>
              Effect.sync(() => {
                opened = service
              })
            )
          : Effect.succeed(opened)
      )
    )
    const file = join(directory, "data.mdb")
    /** There was no file in this turn of the event loop: a first backup asks for each blob that it is about to store. */
    let isAbsent = false
    /** Asks what there is; nothing is there where there is no file. */
    const ask = <A, E>(use: (index: Service) => Effect.Effect<A, E>, otherwise: A): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        if (opened !== undefined) return use(opened)
        if (isAbsent) return Effect.succeed(otherwise)
        if (fs.existsSync(file)) return Effect.flatMap(made, use)
        isAbsent = true
        setImmediate(() => {
          isAbsent = false
        })
        return Effect.succeed(otherwise)
      })

    return {
      get name() {
        return opened?.name ?? directory
      },
      find: (hash) => ask((index) => index.find(hash), []),
      findAll: (hashes) =>
        ask(
          (index) => index.findAll?.(hashes) ?? Effect.forEach(hashes, (hash) => index.find(hash)),
          hashes.map(() => [])
        ),
      standing: (pack) => ask((index) => index.standing(pack), undefined),
      add: (entries, standing) => Effect.flatMap(made, (index) => index.add(entries, standing)),
      remove: (hashes) => ask((index) => index.remove(hashes), undefined),
      list: Stream.unwrap(ask((index) => Effect.succeed(index.list), Stream.empty)),
      isSearched: Effect.suspend(() => (searched ? Effect.succeed(true) : ask((index) => index.isSearched, false))),
      markSearched: Effect.suspend(() => {
        searched = true
        // a store without packs gets no index because somebody looked for one
        return ask((index) => index.markSearched, undefined)
      })
    }
  })

/** @since 0.1.0 @category layers */
export const layer = (options: PackIndexLmdb.Options): Layer.Layer<PackIndex> => Layer.scoped(PackIndex, make(options))
