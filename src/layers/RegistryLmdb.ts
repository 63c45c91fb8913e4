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
import * as NodeFile from "./NodeFile.ts"
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

const describe = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** LMDB's and the system's error numbers that say more than "failed". */
const reasonOf = (cause: unknown): Registry.RegistryError["reason"] => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  switch (code) {
    case 28: // ENOSPC
    case 122: // EDQUOT
    case -30792: // MDB_MAP_FULL
      return "Full"
    case 1: // EPERM
    case 13: // EACCES
    case 30: // EROFS
      return "Denied"
    case -30797: // MDB_PAGE_NOTFOUND
    case -30796: // MDB_CORRUPTED
    case -30793: // MDB_INVALID
      return "Corrupt"
    default:
      return "Unavailable"
  }
}

/** A new environment is durable only when the names that lead to it are; LMDB itself flushes just its file. */
const flushFolders = async (directory: string, firstMade: string | undefined) => {
  await NodeFile.flushFolder(directory)
  const top = Path.dirname(firstMade ?? directory)
  for (let folder = directory; folder !== top; ) {
    folder = Path.dirname(folder)
    // what we may not even read, and did not make, is older than this registry
    await NodeFile.unless(firstMade === undefined ? ["EACCES", "EPERM"] : [], NodeFile.flushFolder(folder))
  }
}

const open = async (lmdb: typeof Lmdb, directory: string) => {
  const absolute = Path.resolve(directory)
  const made = await NodeFile.mkdir(absolute, { recursive: true })
  const environment = lmdb.open({
    path: absolute,
    noSubdir: false,
    // a commit that others can see is one that is on disk: both happen before the write lock is given up
    overlappingSync: false,
    maxDbs: 4,
    encoding: "binary",
    keyEncoding: "binary"
  })
  const database = environment.openDB<Uint8Array, Uint8Array>({
    name: "registry",
    encoding: "binary",
    keyEncoding: "binary"
  })
  await flushFolders(absolute, made)
  return { environment, database }
}

const openDatabase = Effect.fnUntraced(function* (directory: string) {
  const lmdb = yield* Effect.tryPromise({
    try: () => import("lmdb"),
    catch: (cause) => new RegistryLmdbError({ reason: "NotInstalled", directory, detail: describe(cause) })
  })
  const { database } = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => open(lmdb, directory),
      catch: (cause) => new RegistryLmdbError({ reason: "CannotOpen", directory, detail: describe(cause) })
    }),
    // nothing is lost: whatever was answered as stored is on disk before the environment is closed
    ({ environment }) => Effect.ignore(Effect.tryPromise(() => environment.close()))
  )
  return database
})

/** Opens the environment and closes it with the scope. @since 0.1.0 @category constructors */
export const make: (options: Options) => Effect.Effect<Registry.Service, RegistryLmdbError, Crypto | Scope.Scope> =
  Effect.fnUntraced(function* (options) {
    const { primitives } = yield* Crypto
    const { directory, name = directory } = options
    const rules = RegistryRules.make(name, primitives)
    const database = yield* openDatabase(directory)

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
          attempt(entry.key, () =>
            // returns after the commit is on disk; blocks while another process is inside its own few milliseconds
            database.transactionSync(() =>
              Either.map(read(entry.key), (stored) => {
                const decision = RegistryRules.decide(stored, entry, over)
                if (decision === "write") database.putSync(StreamKey.toStorageKey(entry.key), bytes)
                return decision === "lost" && stored !== undefined ? rules.lost(stored) : rules.stored()
              })
            )
          )
        ),
      changes: (key) => RegistryRules.rising(Stream.tick(options.pollEvery ?? Duration.seconds(1)), entries(key))
    })
  })

/** @since 0.1.0 @category layers */
export const layer = (options: Options): Layer.Layer<Registry.Registry, RegistryLmdbError, Crypto> =>
  Layer.scoped(Registry.Registry, make(options))
