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

const isReadOnlyDisk = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === 30

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

// of MDB_meta in LMDB's sources: the first two pages hold one each, the one of the later transaction counts
const magic = 0xbeefc0de
const metaAt = 24
const metaLength = 136
const largestPage = 65_536
const noPage = 0xffff_ffff_ffff_ffffn

/** How a database file of `size` bytes that begins with `head` is cut short, if it is. */
const problemOf = (head: Uint8Array, size: number): string | undefined => {
  const problem = `it is cut short at ${size} bytes`
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  if (head.length < metaAt + metaLength) return problem
  // no such file, or one of a machine that lays it out otherwise: LMDB knows, and says so
  if (view.getUint32(metaAt, true) !== magic) return undefined
  const pageSize = view.getUint32(metaAt + 24, true)
  const second = pageSize + metaAt
  if (head.length < second + metaLength) return pageSize > largestPage ? undefined : problem
  const transaction = (meta: number) => view.getBigUint64(meta + 128, true)
  const newest = transaction(second) > transaction(metaAt) ? second : metaAt
  const roots = [view.getBigUint64(newest + 64, true), view.getBigUint64(newest + 112, true)]
  return roots.some((page) => page !== noPage && (page + 1n) * BigInt(pageSize) > BigInt(size)) ? problem : undefined
}

/** Whether the file can be given to LMDB, which takes what is mapped for valid: a file cut short is a crash without a word. */
const inspect = async (file: string) => {
  for (let attempt = 0; ; attempt++) {
    const size = (await NodeFile.unless(NodeFile.absent, NodeFile.lstat(file)))?.size ?? 0
    // LMDB makes a new one of an empty file
    if (size === 0) return
    const head = await NodeFile.readRange(file, 0, 2 * largestPage)
    const problem = head instanceof Uint8Array ? problemOf(head, size) : undefined
    if (problem === undefined) return
    // another process may be making it at this moment
    if (attempt === 3) throw new Error(`${file} is damaged (${problem}): put it back from a copy, or move it away`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const open = async (lmdb: typeof Lmdb, directory: string) => {
  const absolute = Path.resolve(directory)
  const made = await NodeFile.mkdir(absolute, { recursive: true })
  await inspect(Path.join(absolute, "data.mdb"))
  const options = {
    path: absolute,
    noSubdir: false,
    // a commit that others can see is one that is on disk: both happen before the write lock is given up
    overlappingSync: false,
    maxDbs: 4,
    encoding: "binary",
    keyEncoding: "binary"
  } as const
  let readOnly = false
  const begin = () => {
    try {
      return lmdb.open(options)
    } catch (cause) {
      if (!isReadOnlyDisk(cause)) throw cause
      // what is on such a disk can still be restored: a failing one is made read-only by the system
      readOnly = true
      return lmdb.open({ ...options, readOnly })
    }
  }
  const environment = begin()
  const database = environment.openDB<Uint8Array, Uint8Array>({
    name: "registry",
    encoding: "binary",
    keyEncoding: "binary"
  })
  if (!readOnly) await flushFolders(absolute, made)
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
