/**
 * Where the daemon of a data folder listens, and how it is made sure that only one does.
 *
 * Each daemon claims the next number by linking its socket, which listens already, to `daemon.<number>.sock`; link(2) fails if the name
 * is taken. The highest number is the one that counts. It is dead when nobody answers there, or when `daemon.<number>.ended`
 * says so; the highest name is never removed, so that numbers only rise. Nothing depends on time or process ids, and a
 * daemon that was killed needs no clearing up.
 *
 * @since 0.1.0
 */
import { createHash, randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import { join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * There is no place where a daemon could listen.
 *
 * - `Running`: another daemon serves the same data folder.
 * - `Unusable`: the folder for the socket cannot be made, or belongs to somebody else.
 *
 * @since 0.1.0
 * @category errors
 */
export class DaemonSocketError extends Data.TaggedError("DaemonSocketError")<{
  readonly reason: "Running" | "Unusable"
  readonly path: string
  readonly detail: string
}> {
  override get message() {
    return this.reason === "Running"
      ? "a daemon is running for this home already; `cairn daemon status` shows it, `cairn daemon stop` ends it"
      : `daemon socket ${this.path}: ${this.detail}`
  }
}

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : undefined)

// sockaddr_un holds 104 bytes on macOS and 108 on Linux, of which names in the folder take up to 22
const longestFolder = 80

/** The folder of the sockets of a data folder: in it, or, where that path is too long for a socket, a private one beside. @since 0.1.0 @category accessors */
export const folderOf = (data: string): string => {
  const own = join(data, "run")
  if (Buffer.byteLength(own) <= longestFolder) return own
  const name = createHash("sha256").update(data).digest("hex").slice(0, 16)
  // and not as TMPDIR says: every process of the user has to find the same one
  return `/tmp/cairn-${process.getuid?.() ?? 0}-${name}`
}

/** Whether the folder is there, and for this user alone. */
const isPrivate = (folder: string): boolean => {
  const status = fs.lstatSync(folder, { throwIfNoEntry: false })
  return (
    status?.isDirectory() === true && (status.mode & 0o077) === 0 && status.uid === (process.getuid?.() ?? status.uid)
  )
}

interface Newest {
  readonly number: number
  readonly hasEnded: boolean
}

const pattern = /^daemon\.(\d{1,9})\.(sock|ended)$/

const newest = (folder: string): Newest => {
  const found = fs.readdirSync(folder).flatMap((name) => {
    const match = pattern.exec(name)
    return match === null ? [] : [{ number: Number(match[1]), hasEnded: match[2] === "ended" }]
  })
  const number = Math.max(0, ...found.map((one) => one.number))
  return { number, hasEnded: number === 0 || found.some((one) => one.number === number && one.hasEnded) }
}

const socketOf = (folder: string, number: number) => join(folder, `daemon.${number}.sock`)

/** Whether somebody listens at the socket. */
const answers = (path: string): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    const connection = net.createConnection({ path })
    connection.once("connect", () => {
      connection.destroy()
      resume(Effect.succeed(true))
    })
    // refused, gone, or nothing that one could connect to: nobody is there
    connection.once("error", (cause) => {
      connection.destroy()
      // a queue that is full is the one of somebody who lives
      resume(Effect.succeed(codeOf(cause) === "EAGAIN"))
    })
    return Effect.sync(() => connection.destroy())
  })

/** The socket of the data folder's daemon, where one runs that belongs to this user. @since 0.1.0 @category accessors */
export const answering = (data: string): Effect.Effect<string | undefined> =>
  Effect.try(() => {
    const folder = folderOf(data)
    if (process.platform === "win32" || !isPrivate(folder)) return undefined
    const { hasEnded, number } = newest(folder)
    return hasEnded ? undefined : socketOf(folder, number)
  }).pipe(
    // where nothing can be seen there is no daemon to be asked
    Effect.orElseSucceed(() => undefined),
    Effect.flatMap((path) =>
      path === undefined
        ? Effect.succeed(undefined)
        : Effect.map(answers(path), (someone) => (someone ? path : undefined))
    )
  )

/** The folder of the sockets, made for this user alone, and a name in it for a socket that is not claimed yet. @since 0.1.0 @category constructors */
export const prepare = (
  data: string
): Effect.Effect<{ readonly folder: string; readonly unclaimed: string }, DaemonSocketError> =>
  Effect.suspend(() => {
    const folder = folderOf(data)
    const unusable = (detail: string) => new DaemonSocketError({ reason: "Unusable", path: folder, detail })
    if (process.platform === "win32") return unusable("there is no daemon on Windows yet")
    return Effect.try({
      try: () => {
        fs.mkdirSync(data, { recursive: true, mode: 0o700 })
        fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
        const status = fs.lstatSync(folder)
        // what others can open is closed first; what is not ours stays as it is, and is refused
        if (status.isDirectory() && status.uid === process.getuid?.()) fs.chmodSync(folder, 0o700)
      },
      catch: (cause) => unusable(cause instanceof Error ? cause.message : String(cause))
    }).pipe(
      Effect.flatMap(() =>
        isPrivate(folder)
          ? Effect.succeed({ folder, unclaimed: join(folder, `${randomUUID().slice(0, 8)}.new`) })
          : unusable("it does not belong to this user; remove it, or ask who made it")
      )
    )
  })

/**
 * Makes the socket at `unclaimed`, which listens, the one that counts; or fails with `Running` when somebody else's does. When the
 * scope ends it is said to have ended.
 *
 * @since 0.1.0
 * @category constructors
 */
export const claim = (folder: string, unclaimed: string): Effect.Effect<string, DaemonSocketError, Scope.Scope> => {
  const unusable = (cause: unknown) =>
    new DaemonSocketError({
      reason: "Unusable",
      path: folder,
      detail: cause instanceof Error ? cause.message : String(cause)
    })
  const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: unusable })

  /** `false` when the name is taken, or when a daemon that serves has cleared ours up. */
  const link = (path: string) =>
    attempt(() => {
      try {
        fs.linkSync(unclaimed, path)
        return true
      } catch (cause) {
        if (codeOf(cause) !== "EEXIST" && (codeOf(cause) !== "ENOENT" || ++cleared > 3)) throw cause
        return false
      }
    })
  let cleared = 0

  const release = (number: number) =>
    Effect.sync(() => {
      // where the note cannot be written the socket stays: it answers nobody, which says the same
      try {
        fs.writeFileSync(join(folder, `daemon.${number}.ended`), "", { mode: 0o600 })
        fs.rmSync(socketOf(folder, number), { force: true })
      } catch {}
    })

  const take: Effect.Effect<number, DaemonSocketError> = Effect.gen(function* () {
    const before = yield* attempt(() => newest(folder))
    if (!before.hasEnded && (yield* answers(socketOf(folder, before.number))))
      return yield* new DaemonSocketError({ reason: "Running", path: socketOf(folder, before.number), detail: "" })
    const number = before.number + 1
    const path = socketOf(folder, number)
    if (!(yield* link(path))) return yield* take
    // whoever looked long ago takes a low number, which was free again: the highest one stays
    const after = yield* attempt(() => newest(folder))
    if (after.number === number) return number
    yield* attempt(() => fs.rmSync(path, { force: true }))
    return yield* take
  })

  // what daemons before this one left; nothing is lost where it stays, since nobody looks at it
  const clearUp = (number: number) =>
    Effect.gen(function* () {
      yield* attempt(() => fs.rmSync(unclaimed, { force: true }))
      for (const name of yield* attempt(() => fs.readdirSync(folder))) {
        const path = join(folder, name)
        const match = pattern.exec(name)
        const isOld = match === null ? name.endsWith(".new") && !(yield* answers(path)) : Number(match[1]) < number
        if (isOld) yield* attempt(() => fs.rmSync(path, { force: true }))
      }
    }).pipe(Effect.ignore)

  return Effect.acquireRelease(take, release).pipe(
    Effect.tap(clearUp),
    Effect.tap((number) => attempt(() => fs.chmodSync(socketOf(folder, number), 0o600))),
    Effect.map((number) => socketOf(folder, number))
  )
}
