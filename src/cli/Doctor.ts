/**
 * `cairn doctor`
 *
 * @since 0.1.0
 */
import { existsSync } from "node:fs"
import { mkdtemp, rm, statfs, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ConfigFile from "../layers/ConfigFile.ts"
import * as DaemonSocket from "../layers/DaemonSocket.ts"
import * as Doctor from "../programs/Doctor.ts"
import * as ConfigProblem from "../schema/ConfigProblem.ts"
import { triggerOf } from "../schema/ConfigTask.ts"
import * as Trigger from "../schema/Trigger.ts"
import * as Crypto from "../services/Crypto.ts"
import * as AutomationLive from "./AutomationLive.ts"
import * as Config from "./Config.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Home from "./Home.ts"
import * as Live from "./Live.ts"
import * as Verb from "./Verb.ts"

type Check = Doctor.Check

const gibibyte = 1024 ** 3

/** The deepest folder on the way to `path` that is there. */
const standing = (path: string): string => {
  let at = path
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

const disk = Effect.promise(async (): Promise<ReadonlyArray<Check>> => {
  const folder = standing(Home.mine.data)
  const checks: Array<Check> = []
  try {
    const made = await mkdtemp(join(folder, ".cairn-doctor-"))
    await writeFile(join(made, "probe"), "probe")
    await rm(made, { recursive: true, force: true })
    checks.push({ name: "data folder", status: "good", detail: `${Home.mine.data} can be written` })
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    checks.push({
      name: "data folder",
      status: "failed",
      detail: `${Home.mine.data}: ${detail}`,
      advice: "make room there, or make it yours"
    })
  }
  const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: 0, bsize: 0 }))
  const free = bavail * bsize
  const detail = `${Console.size(free)} free at ${folder}`
  if (bsize === 0) return checks
  checks.push(
    free >= gibibyte
      ? { name: "free space", status: "good", detail }
      : {
          name: "free space",
          status: free >= gibibyte / 10 ? "warning" : "failed",
          detail,
          advice: "make room, or put the store elsewhere: `cairn config show`"
        }
  )
  return checks
})

const optional = (library: string, load: () => Promise<unknown>, without: string) =>
  Effect.match(Effect.tryPromise(load), {
    onFailure: (): Check => ({
      name: library,
      status: "warning",
      detail: `it does not load here: ${without}`,
      advice: "install Cairn again with its optional dependencies"
    }),
    onSuccess: (): Check => ({ name: library, status: "good", detail: "loaded" })
  })

const libraries = Effect.all([
  optional(
    "koffi",
    () => import("koffi"),
    "times are set to the microsecond, extended attributes are not kept, and backups take longer"
  ),
  optional("lmdb", () => import("lmdb"), "the registry is made of files"),
  optional(
    "@parcel/watcher",
    () => import("@parcel/watcher"),
    "folders are watched by Node's own watcher, which is slower"
  )
])

/** Whether starts are short: what is compiled ahead is of one V8, and this Node may have come after it. */
const starts = Effect.sync((): ReadonlyArray<Check> => {
  const bundle = fileURLToPath(import.meta.url)
  // from its sources the program is compiled each time
  if (!bundle.endsWith(".cjs")) return []
  const loader: { readonly compiledOf: (filename: string) => Uint8Array | undefined } =
    createRequire(bundle)("./load.cjs")
  const isBuiltHere = existsSync(join(dirname(bundle), "../scripts/build.mjs"))
  const node = `Node ${process.versions.node}`
  return loader.compiledOf(bundle) !== undefined
    ? [{ name: "starts", status: "good", detail: `the program is compiled ahead for ${node}` }]
    : [
        {
          name: "starts",
          status: "warning",
          detail: `the program is not compiled ahead for ${node}, so each start takes twice as long`,
          advice: isBuiltHere ? "`npm run build`" : "`npm rebuild cairn-vault`, with -g if it was installed so"
        }
      ]
})

const cryptography = Effect.map(Crypto.Crypto, ({ implementation }): ReadonlyArray<Check> => {
  const { blake3, chacha20, ed25519, notes, zstd } = implementation
  const detail = `BLAKE3 ${blake3}, Ed25519 ${ed25519}, ChaCha20 ${chacha20}, zstd ${zstd}`
  return notes.length === 0
    ? [{ name: "cryptography", status: "good", detail }]
    : [
        {
          name: "cryptography",
          status: "warning",
          detail: `${detail}: ${notes.join("; ")}`,
          advice: "the bytes are the same, only slower; install the optional dependencies, or unset CAIRN_CRYPTO"
        }
      ]
})

/** The configuration's problems, and whether there is anybody to run what it says runs by itself. */
const configuration = Effect.gen(function* () {
  const { file, isNamed, isThere } = yield* Config.chosen
  const daemon = yield* DaemonSocket.answering(Home.mine.data)
  const checks: Array<Check> = []
  const loaded = yield* Effect.either(
    isThere || isNamed ? ConfigFile.load(file) : Effect.succeed(ConfigFile.none(file))
  )
  if (Either.isLeft(loaded)) {
    const error = loaded.left
    const problems = error._tag === "ConfigInvalid" ? error.problems.map(ConfigProblem.show) : [error.message]
    for (const detail of problems)
      checks.push({ name: "configuration", status: "failed", detail, advice: "`cairn config check` says the same" })
    return checks
  }
  const { config, warnings } = loaded.right
  for (const problem of warnings)
    checks.push({ name: "configuration", status: "warning", detail: ConfigProblem.show(problem) })
  if (warnings.length === 0)
    checks.push({
      name: "configuration",
      status: "good",
      detail: isThere ? `${file}: no problems` : "no file, so everything has its default"
    })
  const active =
    Object.values(config.task).filter((task) => Trigger.isActive(triggerOf(task))).length +
    Object.values(config.vault).filter(({ watch }) => watch).length
  if (daemon === undefined && active > 0)
    checks.push({
      name: "daemon",
      status: "failed",
      detail: `${Console.count(active, "automation")} configured, and no daemon runs`,
      advice: "`cairn daemon install` starts it with every login"
    })
  else
    checks.push({
      name: "daemon",
      status: "good",
      detail: daemon === undefined ? "none runs, none is needed" : "it runs"
    })
  return checks
})

const services = Layer.mergeAll(AutomationLive.approvals, AutomationLive.healthLog, AutomationLive.staging).pipe(
  Layer.provideMerge(Live.layer)
)

/** What needs the layers; that they cannot be had is something to be told, too. */
const within = Effect.gen(function* () {
  return [...(yield* cryptography), ...(yield* Doctor.recovery), ...(yield* Doctor.examine)]
}).pipe(
  Effect.provide(services),
  Effect.catchAll((error) => {
    const check: Check = { name: "installation", status: "failed", detail: error.message }
    return Effect.succeed([check])
  })
)

const marks = { good: "ok  ", warning: "warn", failed: "FAIL" }

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "doctor",
  description: "Looks at everything that backups depend on, and says what to do about what is wrong",
  config: {},
  handler: (_, common) =>
    Effect.gen(function* () {
      const checks = [
        ...(yield* libraries),
        ...(yield* starts),
        ...(yield* disk),
        // what is wrong with the configuration keeps everything else from being looked at
        ...(yield* configuration),
        ...(yield* within)
      ]
      for (const check of checks) {
        const advice = check.advice === undefined ? "" : ` → ${check.advice}`
        const isShown = check.status !== "good" || !common.quiet
        yield* Console.emit(
          common,
          { type: "check", ...check },
          isShown ? `${marks[check.status]}  ${check.name}: ${check.detail}${advice}` : undefined
        )
      }
      const failures = checks.filter(({ status }) => status === "failed").length
      return failures > 0 ? exitCode.failed : exitCode.done
    })
})
