/**
 * The configuration in a file of this machine: read whole and checked whole, changed in one atomic step.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import { homedir } from "node:os"
import { basename, dirname, isAbsolute, join, resolve } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Config from "../schema/Config.ts"
import * as ConfigCheck from "../schema/ConfigCheck.ts"
import type * as ConfigEdit from "../schema/ConfigEdit.ts"
import * as Problem from "../schema/ConfigProblem.ts"
import type * as Raw from "../schema/ConfigRaw.ts"
import type * as ConfigRules from "../schema/ConfigRules.ts"
import * as ConfigText from "../schema/ConfigText.ts"
import * as Native from "./internal/native.ts"
import * as NodeFile from "./NodeFile.ts"

/**
 * The file cannot be used.
 *
 * - `Missing`: there is none where one was named.
 * - `Unreadable`, `Unwritable`: the system says no.
 * - `Busy`: another process has been changing it for a while.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigFileError extends Data.TaggedError("ConfigFileError")<{
  readonly reason: "Missing" | "Unreadable" | "Unwritable" | "Busy"
  readonly file: string
  readonly detail: string
}> {
  override get message() {
    return `${this.file}: ${this.detail}`
  }
}

/** The configuration says what cannot be; `lines` tell each problem with its place. @since 0.1.0 @category errors */
export class ConfigInvalid extends Data.TaggedError("ConfigInvalid")<{
  readonly file: string
  readonly problems: ReadonlyArray<Problem.Located>
}> {
  get lines(): ReadonlyArray<string> {
    return this.problems.map(Problem.show)
  }
  override get message() {
    const errors = this.problems.filter(({ severity }) => severity === "error").length
    return `${this.file}: ${errors} ${errors === 1 ? "problem" : "problems"}, nothing was done; \`cairn config check\` shows ${errors === 1 ? "it" : "them"}`
  }
}

/** A configuration and where it comes from. @since 0.1.0 @category models */
export interface Loaded {
  readonly file: string
  readonly config: Config.Config
  /** What stands in the file, without defaults. */
  readonly raw: Raw.Table
  readonly warnings: ReadonlyArray<Problem.Located>
  /** The absolute form of a path that the file names. */
  readonly resolve: (path: string) => string
}

/** How paths in `file` are meant: below the user's folder after `~/`, otherwise seen from the file's folder. @since 0.1.0 @category constructors */
export const resolver =
  (file: string) =>
  (path: string): string =>
    path === "~" || path.startsWith("~/")
      ? join(homedir(), path.slice(1))
      : isAbsolute(path)
        ? resolve(path)
        : resolve(dirname(file), path)

const factsOf = (file: string): ConfigRules.Facts => {
  const absolute = resolver(file)
  return { resolve: absolute, holds: (folder, name) => fs.existsSync(join(absolute(folder), name)) }
}

/** Reads at most one byte more than a configuration may have, of whatever can be read. */
const readBytes = async (file: string): Promise<Uint8Array> => {
  const handle = await fs.promises.open(file, "r")
  try {
    const bytes = new Uint8Array(ConfigText.largest + 1)
    let at = 0
    while (at < bytes.length) {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, null)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return bytes.subarray(0, at)
  } finally {
    await handle.close()
  }
}

const described: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder; name the file in it",
  EROFS: "the filesystem is read-only",
  ENOSPC: "no room left on the disk"
}

const failed = (file: string, reason: "Unreadable" | "Unwritable") => (cause: unknown) => {
  const code = NodeFile.codeOf(cause)
  return new ConfigFileError({
    reason: NodeFile.absent.includes(code) ? "Missing" : reason,
    file,
    detail: described[code] ?? (cause instanceof Error ? cause.message : String(cause))
  })
}

/** The text of the file, or nothing when there is none. */
const readText = Effect.fnUntraced(function* (file: string) {
  const bytes = yield* Effect.tryPromise({
    try: () => NodeFile.unless(NodeFile.absent, readBytes(file)),
    catch: failed(file, "Unreadable")
  })
  return bytes === undefined ? undefined : yield* Effect.mapError(ConfigText.fromBytes(bytes), invalid(file))
})

const invalid =
  (file: string) =>
  ({ place, problem }: ConfigText.SyntaxProblem) =>
    new ConfigInvalid({
      file,
      problems: [{ severity: "error", path: [], problem, file, ...(place === undefined ? {} : { place }) }]
    })

/** Problems with their places, in the order of the file. */
const located = Effect.fnUntraced(function* (file: string, text: string, problems: ReadonlyArray<Problem.Problem>) {
  if (problems.length === 0) return []
  // a chunk of this very program that cannot be loaded is a broken installation
  const { places } = yield* Effect.promise(() => import("../schema/ConfigSyntax.ts"))
  const placeOf = places(text)
  return problems
    .map((problem): Problem.Located => {
      const place = placeOf(problem.path)
      return { ...problem, file, ...(place === undefined ? {} : { place }) }
    })
    .sort((a, b) => (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0))
})

/** What `text` says as the content of `file`, with every problem of it. @since 0.1.0 @category programs */
export const check = Effect.fn("ConfigFile.check")(function* (file: string, text: string) {
  const raw = yield* Effect.mapError(ConfigText.parse(text), invalid(file))
  const { config, problems } = ConfigCheck.check(raw, factsOf(file))
  const told = yield* located(file, text, problems)
  if (config === undefined) return yield* new ConfigInvalid({ file, problems: told })
  const loaded: Loaded = { file, config, raw, warnings: told, resolve: resolver(file) }
  return loaded
})

/** Reads and checks the file; `Missing` when there is none. @since 0.1.0 @category programs */
export const load = Effect.fn("ConfigFile.load")(function* (file: string) {
  const text = yield* readText(file)
  if (text === undefined)
    return yield* new ConfigFileError({ reason: "Missing", file, detail: "there is no such file" })
  return yield* check(file, text)
})

/** What counts where there is no file. @since 0.1.0 @category constructors */
export const none = (file: string): Loaded => ({
  file,
  config: Config.empty,
  raw: {},
  warnings: [],
  resolve: resolver(file)
})

const busy = (file: string, lock: string) =>
  new ConfigFileError({
    reason: "Busy",
    file,
    detail: `another run is changing it; if none is, remove ${lock}`
  })

// a change takes milliseconds; whoever waits longer than ten seconds waits for nobody
const patience = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(500))

/** Keeps other processes from changing the file until the scope ends, whatever ends it. */
const lock = Effect.fnUntraced(function* (file: string) {
  const native = yield* Effect.promise(Native.load)
  const name = join(dirname(file), `.${basename(file)}.lock`)
  const isBusy = (error: ConfigFileError) => error.reason === "Busy"
  if ("missing" in native) {
    // without locks of the system: a file that only one can make, and that a killed run leaves behind
    const take = Effect.tryPromise({
      try: () => fs.promises.open(name, "wx", 0o600).then((handle) => handle.close()),
      catch: (cause) => (NodeFile.codeOf(cause) === "EEXIST" ? busy(file, name) : failed(file, "Unwritable")(cause))
    })
    return yield* Effect.acquireRelease(Effect.retry(take, { schedule: patience, while: isBusy }), () =>
      Effect.sync(() => fs.rmSync(name, { force: true }))
    )
  }
  const handle = yield* Effect.acquireRelease(
    Effect.tryPromise({ try: () => fs.promises.open(name, "a", 0o600), catch: failed(file, "Unwritable") }),
    (opened) => Effect.promise(() => opened.close())
  )
  yield* Effect.suspend(() => (native.tryLock(handle.fd) ? Effect.void : busy(file, name))).pipe(
    Effect.retry({ schedule: patience, while: isBusy })
  )
})

/** Replaces the file: its readers see the old text or the new one, a power cut leaves one of the two. */
const replace = async (file: string, text: string): Promise<void> => {
  const temporary = join(dirname(file), `.${basename(file)}.${randomUUID()}.tmp`)
  try {
    await NodeFile.writeNew(temporary, Buffer.from(text), 0o600)
    await NodeFile.rename(temporary, file)
  } catch (cause) {
    await fs.promises.rm(temporary, { force: true })
    throw cause
  }
  await NodeFile.flushFolder(dirname(file))
}

/** The file itself, where its name is a link to it. */
const target = async (file: string): Promise<string> =>
  (await NodeFile.unless(NodeFile.absent, fs.promises.realpath(file))) ?? file

/** A problem, wherever it stands by now. */
const identityOf = ({ path, problem }: Problem.Problem): string => JSON.stringify([path, problem])

/**
 * Changes the file, making it if there is none, and answers the new text. What other processes change at the same time
 * stays; a change that would make the configuration wrong is refused with what would be wrong.
 *
 * @since 0.1.0
 * @category programs
 */
export const edit = Effect.fn("ConfigFile.edit")(function* (
  named: string,
  change: ConfigEdit.Edit,
  options: { readonly dryRun: boolean }
) {
  const file = yield* Effect.tryPromise({ try: () => target(named), catch: failed(named, "Unreadable") })
  const attempt = Effect.gen(function* () {
    const before = (yield* readText(file)) ?? ""
    const text = yield* change(before)
    yield* Effect.catchAll(check(file, text), (error) =>
      Effect.gen(function* () {
        // what was wrong already is no reason to refuse a change that may mend it
        const old = yield* Effect.match(check(file, before), {
          onSuccess: (): ReadonlyArray<string> => [],
          onFailure: ({ problems }) => problems.map(identityOf)
        })
        const fresh = error.problems.filter(
          (problem) => problem.severity === "error" && !old.includes(identityOf(problem))
        )
        if (fresh.length > 0) return yield* new ConfigInvalid({ file: named, problems: fresh })
      })
    )
    if (options.dryRun || text === before) return { text, isSettled: true }
    // an editor asks nobody for a lock: what it saved meanwhile is built upon, too
    if (((yield* readText(file)) ?? "") !== before) return { text, isSettled: false }
    yield* Effect.uninterruptible(
      Effect.tryPromise({ try: () => replace(file, text), catch: failed(file, "Unwritable") })
    )
    return { text, isSettled: true }
  })
  if (options.dryRun) return (yield* attempt).text
  yield* Effect.tryPromise({
    try: () => NodeFile.mkdir(dirname(file), { recursive: true, mode: 0o700 }),
    catch: failed(file, "Unwritable")
  })
  yield* lock(file)
  return (yield* Effect.repeat(attempt, { until: ({ isSettled }) => isSettled })).text
}, Effect.scoped)
