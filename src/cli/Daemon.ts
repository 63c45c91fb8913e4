/**
 * `cairn daemon [start|stop|status]`
 *
 * @since 0.1.0
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as DaemonSocket from "../layers/DaemonSocket.ts"
import * as TaskSpec from "../schema/TaskSpec.ts"
import * as Argv from "./Argv.ts"
import * as ConfigChoice from "./ConfigChoice.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Home from "./Home.ts"
import * as Verb from "./Verb.ts"

// chunks of this very program that cannot be loaded are a broken installation
const loadClient = Effect.promise(() => import("../layers/DaemonClient.ts"))
const loadServer = Effect.promise(() => import("./DaemonServe.ts"))

const answering = DaemonSocket.answering(Home.mine.data)

/** Asks again and again until `wanted` is so; `false` when that takes too long. */
const until = (wanted: (socket: string | undefined) => boolean, patience: "30 seconds" | "2 minutes") =>
  answering.pipe(
    Effect.filterOrFail(wanted, () => "not yet" as const),
    Effect.retry(Schedule.spaced("50 millis")),
    Effect.timeoutTo({ duration: patience, onTimeout: () => false, onSuccess: () => true }),
    // retried for ever: only the time ends it
    Effect.orElseSucceed(() => false)
  )

const absent = "no daemon runs for this home; `cairn daemon start` begins one"

const start = Effect.fnUntraced(function* (common: Verb.Common) {
  if ((yield* answering) !== undefined) {
    yield* Console.note(common, "cairn: a daemon runs for this home already")
    return exitCode.done
  }
  const { folder } = yield* DaemonSocket.prepare(Home.mine.data)
  const log = join(folder, "daemon.log")
  const { option } = yield* ConfigChoice.Choice
  const child = yield* Effect.sync(() => {
    const descriptor = fs.openSync(log, "w", 0o600)
    const words = ["daemon", ...(option === undefined ? [] : ["--config", option])]
    const started = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", ...words], {
      detached: true,
      stdio: ["ignore", descriptor, descriptor]
    })
    fs.closeSync(descriptor)
    started.unref()
    return started
  })
  const isThere = yield* until((socket) => socket !== undefined || child.exitCode !== null, "30 seconds")
  if (isThere && child.exitCode === null) {
    yield* Console.note(common, `cairn: daemon ${child.pid} is running; it writes to ${log}`)
    return exitCode.done
  }
  // what it said is the reason
  const said = yield* Effect.sync(() => fs.readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "")
  return yield* Effect.fail({
    _tag: "DaemonError",
    reason: "Absent",
    message: `the daemon did not start: ${said.replace(/^cairn: /, "") || `see ${log}`}`
  })
})

const stop = Effect.fnUntraced(function* (common: Verb.Common) {
  const socket = yield* answering
  if (socket === undefined) {
    yield* Console.note(common, "cairn: no daemon runs for this home")
    return exitCode.done
  }
  const daemon = yield* loadClient
  // a daemon of another version is stopped like one of this
  yield* Effect.scoped(
    // the answer may be overtaken by the end
    Effect.flatMap(daemon.connect(socket), (client) => Effect.ignore(Effect.timeout(client.Shutdown(), "10 seconds")))
  )
  if (yield* until((now) => now !== socket, "2 minutes")) return exitCode.done
  return yield* Effect.fail({
    _tag: "DaemonError",
    reason: "Silent",
    message: "the daemon has been told to stop and still runs: it waits for a task that does not end"
  })
})

const status = Effect.fnUntraced(function* (common: Verb.Common) {
  const socket = yield* answering
  if (socket === undefined) return yield* Effect.fail({ _tag: "DaemonError", reason: "Absent", message: absent })
  const daemon = yield* loadClient
  const { version } = yield* Effect.promise(() => import("./Verbs.ts"))
  const now = yield* Effect.scoped(
    Effect.flatMap(daemon.open(socket, version), ({ client }) =>
      Effect.mapError(client.GetStatus(), () => daemon.lost("status"))
    )
  )
  const iso = (millis: number) => new Date(millis).toISOString()
  yield* Console.emit(
    common,
    {
      type: "daemon",
      version: now.version,
      pid: now.pid,
      startedAt: iso(now.startedAt),
      config: now.config,
      data: now.data,
      socket
    },
    `daemon ${now.pid}, cairn ${now.version}, since ${Console.localTime(now.startedAt)}`
  )
  for (const { end, id, name, progress, queuedAt, spec, state } of now.tasks) {
    const title = TaskSpec.title(spec)
    const how = state === "ended" ? `ended with ${end?.code}` : state
    const where = progress === undefined ? "" : ` (${progress.phase})`
    yield* Console.emit(
      common,
      {
        type: "task",
        id,
        ...(name === undefined ? {} : { name }),
        title,
        state,
        queuedAt: iso(queuedAt),
        ...(end === undefined ? {} : { code: end.code }),
        ...(end?.error === undefined ? {} : { error: { tag: end.error.tag, message: end.error.message } })
      },
      `  task ${id}  ${name === undefined ? "" : `${name}: `}${title}  ${how}${where}`
    )
  }
  return exitCode.done
})

const actions = ["start", "stop", "status", "install", "uninstall"]

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "daemon",
  description:
    "Run tasks for this home, and what starts by itself: daemon (in the foreground) · daemon start · daemon stop · daemon status · daemon install (has the system start it) · daemon uninstall",
  config: { words: Args.repeated(Verb.operand("[start|stop|status|install|uninstall]")), dryRun: Verb.dryRun },
  handler: ({ dryRun, words }, common) =>
    Effect.gen(function* () {
      const [action, ...rest] = words
      if (dryRun && action !== "install" && action !== "uninstall")
        return yield* new Argv.Usage({ problem: "--dry-run is for daemon install and uninstall" })
      if (rest.length > 0) return yield* new Argv.Usage({ problem: `daemon ${action} takes nothing more` })
      switch (action) {
        case undefined: {
          const server = yield* loadServer
          yield* server.serve(common)
          return exitCode.done
        }
        case "start":
          return yield* start(common)
        case "stop":
          return yield* stop(common)
        case "status":
          return yield* status(common)
        case "install":
        case "uninstall": {
          const system = yield* Effect.promise(() => import("./DaemonInstall.ts"))
          return yield* system.perform({ action, dryRun }, common)
        }
        default: {
          const near = Argv.nearest(action, actions)
          return yield* new Argv.Usage({
            problem: `unknown: daemon ${action}${near === undefined ? "" : `: did you mean ${near}?`}`
          })
        }
      }
    })
})
