/**
 * A registry in an LMDB environment, shared by any number of processes of one machine.
 *
 * A write reads, decides and puts inside one write transaction, of which LMDB lets only one run at a time among all
 * processes; a process that dies inside one leaves nothing behind and its lock is taken over. Not for network file
 * systems, whose memory maps and locks do not reach other machines.
 *
 * @since 0.1.0
 */
import * as Path from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Lmdb from "lmdb"
import * as StreamKey from "../schema/StreamKey.ts"
import { Crypto } from "../services/Crypto.ts"
import * as Registry from "../services/Registry.ts"
import { describe, openEnvironment, reasonOf } from "./internal/lmdb.ts"
import * as RegistryRules from "./RegistryRules.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** The folder of the environment, made if missing; it holds `data.mdb` and `lock.mdb`. */
  readonly directory: string
  /** What people call it; the directory when absent. */
  readonly name?: string
  /** How often `changes` looks; 1 second when absent. */
  readonly pollEvery?: Duration.DurationInput
}

/**
 * The registry cannot be opened.
 *
 * - `NotInstalled`: the optional library is missing or does not load on this machine.
 * - `CannotOpen`: the folder or the database in it cannot be used.
 *
 * @since 0.1.0
 * @category errors
 */
export class RegistryLmdbError extends Schema.TaggedError<RegistryLmdbError>()("RegistryLmdbError", {
  reason: Schema.Literal("NotInstalled", "CannotOpen"),
  directory: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.reason === "NotInstalled"
      ? `registry ${this.directory}: the optional package lmdb does not load (${this.detail}); install it with "npm install lmdb", or configure a store registry`
      : `registry ${this.directory}: cannot be opened: ${this.detail}`
  }
}

const open = async (lmdb: typeof Lmdb, directory: string) => {
  const { environment, readOnly, secure } = await openEnvironment(lmdb, directory)
  const database = environment.openDB<Uint8Array, Uint8Array>({
    name: "registry",
    encoding: "binary",
    keyEncoding: "binary"
  })
  await secure()
  return { environment, database, readOnly }
}

const openDatabase = Effect.fnUntraced(function* (directory: string) {
  const lmdb = yield* Effect.tryPromise({
    try: () => import("lmdb"),
    catch: (cause) => new RegistryLmdbError({ reason: "NotInstalled", directory, detail: describe(cause) })
  })
  return yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => open(lmdb, directory),
      catch: (cause) => new RegistryLmdbError({ reason: "CannotOpen", directory, detail: describe(cause) })
    }),
    // nothing is lost: whatever was answered as stored is on disk before the environment is closed
    ({ environment }) => Effect.ignore(Effect.tryPromise(() => environment.close()))
  )
})

/** Opens the environment and closes it with the scope. @since 0.1.0 @category constructors */
export const make: (options: Options) => Effect.Effect<Registry.Service, RegistryLmdbError, Crypto | Scope.Scope> =
  Effect.fnUntraced(function* (options) {
    const { primitives } = yield* Crypto
    const { directory, name = directory } = options
    const rules = RegistryRules.make(name, primitives)
    const { database, readOnly } = yield* openDatabase(directory)

    const read = (key: StreamKey.StreamKey) => {
      const found = database.getBinary(StreamKey.toStorageKey(key))
      return found === undefined
        ? Either.right(undefined)
        : rules.decode(key, found, `the value of this key in ${Path.join(directory, "data.mdb")}`)
    }

    const attempt = <A>(key: StreamKey.StreamKey, run: () => Either.Either<A, Registry.RegistryError>) =>
      Effect.flatten(
        Effect.try({
          try: run,
          catch: (cause) => rules.error(reasonOf(cause), key, `${directory}: ${describe(cause)}`)
        })
      )

    const entries: Registry.Service["entries"] = (key) =>
      attempt(key, () => {
        // the library keeps one read transaction per turn of the event loop: a commit of another process would be missed
        database.resetReadTxn()
        return Either.map(read(key), (stored) => (stored === undefined ? [] : [stored]))
      })

    return Registry.Registry.of({
      name,
      entries,
      set: (given, over) =>
        Effect.flatMap(rules.admit(given), ({ entry, bytes }) =>
          attempt(entry.key, () => {
            if (readOnly) return Either.left(rules.error("Denied", entry.key, `${directory} is on a read-only disk`))
            // returns after the commit is on disk; blocks while another process is inside its own few milliseconds
            return database.transactionSync(() =>
              Either.map(read(entry.key), (stored) => {
                const decision = RegistryRules.decide(stored, entry, over)
                if (decision === "write") database.putSync(StreamKey.toStorageKey(entry.key), bytes)
                return decision === "lost" && stored !== undefined ? rules.lost(stored) : rules.stored()
              })
            )
          })
        ),
      changes: (key) => RegistryRules.rising(Stream.tick(options.pollEvery ?? Duration.seconds(1)), entries(key))
    })
  })

/** @since 0.1.0 @category layers */
export const layer = (options: Options): Layer.Layer<Registry.Registry, RegistryLmdbError, Crypto> =>
  Layer.scoped(Registry.Registry, make(options))
