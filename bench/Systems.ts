/** The two programs that are compared, each as the commands a user would type. */
import { spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Command, surroundings } from "./Measure.ts"

export interface System {
  readonly name: string
  readonly version: string
  /** Makes an empty repository or home in a folder of its own. */
  readonly prepare: (place: string) => Command | undefined
  readonly backup: (place: string, source: string) => Command
  readonly restore: (place: string, source: string, target: string) => Command
  readonly verify: (place: string) => Command
  /** The folder whose bytes are the stored size. */
  readonly stored: (place: string) => string
}

const repository = join(fileURLToPath(import.meta.url), "../..")
const binary = join(repository, "bin/cairn.js")

/** A run of the built binary with its files in `place`. */
export const cairnCommand = (place: string, words: ReadonlyArray<string>): Command => ({
  argv: [process.execPath, binary, ...words],
  env: {
    CAIRN_HOME: place,
    ...(process.env.CAIRN_CRYPTO === undefined ? {} : { CAIRN_CRYPTO: process.env.CAIRN_CRYPTO })
  }
})

/** Runs `use` while a daemon does what is asked for in `place`. */
export const withDaemon = async (place: string, use: (pid: number) => Promise<void>): Promise<void> => {
  const { argv, env } = cairnCommand(place, ["daemon"])
  const daemon = spawn(argv[0]!, argv.slice(1), {
    env: { ...surroundings, ...env },
    stdio: ["ignore", "ignore", "pipe"]
  })
  const kill = () => daemon.kill("SIGKILL")
  process.once("exit", kill)
  const ended = new Promise((resolve) => daemon.once("exit", resolve))
  try {
    let said = ""
    const listening = new Promise<void>((resolve) =>
      daemon.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes(" listens at ")) resolve()
      })
    )
    await Promise.race([
      listening,
      ended.then(() => Promise.reject(new Error(`the daemon ended before it began: ${said}`)))
    ])
    await use(daemon.pid!)
  } finally {
    daemon.kill("SIGTERM")
    await ended
    process.off("exit", kill)
  }
}

export const cairn = (): System => {
  const { stdout } = spawnSync(process.execPath, [binary, "--version"], { encoding: "utf8" })
  return {
    name: "cairn",
    version: `${stdout.trim()} on Node ${process.versions.node}`,
    prepare: () => undefined,
    backup: (place, source) => cairnCommand(place, ["backup", "--quiet", source, "bench:"]),
    restore: (place, source, target) =>
      cairnCommand(place, ["restore", "--quiet", `bench:${source.slice(source.lastIndexOf("/") + 1)}`, target]),
    verify: (place) => cairnCommand(place, ["verify", "--quiet", "bench:"]),
    stored: (place) => join(place, "data/store")
  }
}

/** restic, if `program` can be run. */
export const restic = (program: string): System | undefined => {
  const { status, stdout } = spawnSync(program, ["version"], { encoding: "utf8" })
  if (status !== 0) return undefined
  const command = (place: string, words: ReadonlyArray<string>): Command => ({
    argv: [program, "--quiet", ...words],
    env: {
      RESTIC_REPOSITORY: join(place, "repository"),
      RESTIC_CACHE_DIR: join(place, "cache"),
      RESTIC_PASSWORD: "bench"
    }
  })
  return {
    name: "restic",
    version: stdout.trim().split(" ")[1] ?? "unknown",
    prepare: (place) => command(place, ["init"]),
    backup: (place, source) => command(place, ["backup", source]),
    restore: (place, source, target) => command(place, ["restore", `latest:${source}`, "--target", target]),
    verify: (place) => command(place, ["check", "--read-data"]),
    stored: (place) => join(place, "repository")
  }
}
