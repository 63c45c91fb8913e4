/**
 * `cairn daemon install|uninstall`: having the system run the daemon whenever its user is logged in.
 *
 * @since 0.1.0
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { homedir } from "node:os"
import { isAbsolute, join, resolve } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as ConfigChoice from "./ConfigChoice.ts"
import * as Console from "./Console.ts"
import * as DaemonUnit from "./DaemonUnit.ts"
import { exitCode } from "./ExitCode.ts"
import * as Home from "./Home.ts"

/**
 * The system does not run the daemon.
 *
 * - `Unsupported`: it has neither systemd nor launchd.
 * - `Refused`: it said no; the file is in place.
 * - `Unwritable`: the file cannot be written.
 *
 * @since 0.1.0
 * @category errors
 */
export class DaemonInstallError extends Data.TaggedError("DaemonInstallError")<{
  readonly reason: "Unsupported" | "Refused" | "Unwritable"
  readonly detail: string
}> {
  override get message() {
    return this.detail
  }
}

/** What is asked for. @since 0.1.0 @category models */
export interface Options {
  readonly action: "install" | "uninstall"
  readonly dryRun: boolean
}

/** The file that the system reads, and how it is told to. */
interface Service {
  readonly name: string
  readonly file: string
  readonly text: string
  readonly install: ReadonlyArray<ReadonlyArray<string>>
  readonly uninstall: ReadonlyArray<ReadonlyArray<string>>
  /** Told to people once it is there. */
  readonly hint: string | undefined
}

const passedOn = ["CAIRN_HOME", "CAIRN_CONFIG", "CAIRN_CRYPTO", "CAIRN_REGISTRY", "CAIRN_STORE"]
const folders = ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"]

/** The variables that say where this run's files are; one that is relative would mean another place elsewhere. */
const environment = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...passedOn, ...folders].flatMap((name) => {
      const value = process.env[name]
      if (value === undefined || value === "") return []
      const isPath = name === "CAIRN_HOME" || name === "CAIRN_CONFIG"
      return [[name, isPath && !isAbsolute(value) ? resolve(value) : value]]
    })
  )

const service = (option: string | undefined): Service | undefined => {
  const start: DaemonUnit.Start = {
    command: [
      process.execPath,
      ...process.execArgv,
      resolve(process.argv[1] ?? ""),
      "daemon",
      ...(option === undefined ? [] : ["--config", resolve(option)])
    ],
    environment: environment()
  }
  // homes that were named are services of their own beside the user's
  const own = process.env.CAIRN_HOME ?? ""
  const suffix = own === "" ? "" : `-${createHash("sha256").update(Home.mine.data).digest("hex").slice(0, 8)}`
  if (process.platform === "darwin") {
    const label = `org.cairn-vault.daemon${suffix}`
    const file = join(homedir(), "Library", "LaunchAgents", `${label}.plist`)
    const domain = `gui/${process.getuid?.() ?? 0}`
    return {
      name: label,
      file,
      text: DaemonUnit.launchd(label, join(Home.mine.data, "daemon.log"), start),
      install: [
        ["launchctl", "bootout", `${domain}/${label}`],
        ["launchctl", "bootstrap", domain, file]
      ],
      uninstall: [["launchctl", "bootout", `${domain}/${label}`]],
      hint: undefined
    }
  }
  if (process.platform !== "linux") return undefined
  const name = `cairn${suffix}.service`
  const configured = process.env.XDG_CONFIG_HOME
  const config = configured !== undefined && isAbsolute(configured) ? configured : join(homedir(), ".config")
  return {
    name,
    file: join(config, "systemd", "user", name),
    text: DaemonUnit.systemd(start),
    install: [
      ["systemctl", "--user", "daemon-reload"],
      ["systemctl", "--user", "enable", name],
      ["systemctl", "--user", "restart", name]
    ],
    uninstall: [["systemctl", "--user", "disable", "--now", name]],
    hint: "it runs while you are logged in; `loginctl enable-linger` has it run always"
  }
}

const unwritable = (file: string) => (cause: unknown) =>
  new DaemonInstallError({
    reason: "Unwritable",
    detail: `${file}: ${cause instanceof Error ? cause.message : String(cause)}`
  })

const told = (words: ReadonlyArray<string>) =>
  Effect.async<void, DaemonInstallError>((resume) => {
    const [program = "", ...rest] = words
    const child = execFile(program, rest, { timeout: 60_000 }, (error, _, stderr) => {
      if (error === null) return resume(Effect.void)
      const said = stderr.trim().split("\n").at(-1) ?? ""
      resume(
        new DaemonInstallError({
          reason: "Refused",
          detail: `${words.join(" ")}: ${said === "" ? error.message : said}`
        })
      )
    })
    return Effect.sync(() => child.kill())
  })

const install = Effect.fnUntraced(function* (found: Service, voice: Console.Voice) {
  const before = yield* Effect.promise(() => readFile(found.file, "utf8").catch(() => undefined))
  yield* Effect.tryPromise({
    try: async () => {
      await mkdir(join(found.file, ".."), { recursive: true })
      const temporary = `${found.file}.${process.pid}.tmp`
      await writeFile(temporary, found.text, { mode: 0o600 })
      await rename(temporary, found.file)
    },
    catch: unwritable(found.file)
  })
  const [first = [], ...rest] = found.install
  yield* Effect.gen(function* () {
    // launchd knows nothing of one that was never there; systemd says why it will not
    yield* process.platform === "darwin" ? Effect.ignore(told(first)) : told(first)
    for (const words of rest) yield* told(words)
  }).pipe(
    Effect.mapError(
      ({ detail, reason }) =>
        new DaemonInstallError({
          reason,
          detail: `${found.file} is in place, but the system did not start it: ${detail}; run this again in a session of your own`
        })
    )
  )
  yield* Console.note(
    voice,
    `cairn: ${found.name} is ${before === undefined ? "installed" : "installed anew"} and started (${found.file})`
  )
  if (found.hint !== undefined) yield* Console.note(voice, `cairn: ${found.hint}`)
})

const uninstall = Effect.fnUntraced(function* (found: Service, voice: Console.Voice) {
  if (!existsSync(found.file)) return yield* Console.note(voice, `cairn: ${found.name} is not installed`)
  // one that does not run cannot be stopped: what counts is that it never starts again
  for (const words of found.uninstall) yield* Effect.ignore(told(words))
  yield* Effect.tryPromise({ try: () => rm(found.file, { force: true }), catch: unwritable(found.file) })
  // the file is gone, which is what counts; systemd forgets it at the next login at the latest
  if (process.platform === "linux") yield* Effect.ignore(told(["systemctl", "--user", "daemon-reload"]))
  yield* Console.note(voice, `cairn: ${found.name} is stopped and removed`)
})

/**
 * Writes the service's file and starts it, or stops it and takes the file away; a dry run prints the file.
 *
 * @since 0.1.0
 * @category programs
 */
export const perform = Effect.fn("DaemonInstall.perform")(function* (
  { action, dryRun }: Options,
  voice: Console.Voice
) {
  const { option } = yield* ConfigChoice.Choice
  const found = service(option)
  if (found === undefined)
    return yield* new DaemonInstallError({
      reason: "Unsupported",
      detail: `${process.platform} has neither systemd nor launchd: have \`cairn daemon\` started at login in its own way`
    })
  if (dryRun) {
    yield* Console.note(voice, `cairn: ${found.file} would ${action === "install" ? "be written" : "be removed"}`)
    if (action === "install") yield* Console.emit(voice, { type: "text", text: found.text }, found.text.trimEnd())
    return exitCode.done
  }
  yield* action === "install" ? install(found, voice) : uninstall(found, voice)
  return exitCode.done
})
