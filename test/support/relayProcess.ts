/** `cairn serve` as a process of its own, which can be killed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { binary } from "../e2e/cairn.ts"

export interface RelayProcess {
  readonly url: string
  readonly child: ChildProcess
  /** What it has said on standard error so far. */
  readonly said: () => string
  readonly stop: (signal: NodeJS.Signals) => Promise<number | null>
}

const environment = (home: string, more: NodeJS.ProcessEnv) => ({
  PATH: process.env.PATH,
  HOME: "/nonexistent",
  CAIRN_HOME: home,
  ...more
})

/** Starts it on `port`, any that is free when 0, with its files below `home`; it is there when this is fulfilled. */
export const start = (
  home: string,
  port = 0,
  words: ReadonlyArray<string> = [],
  env: NodeJS.ProcessEnv = {}
): Promise<RelayProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [binary, "serve", "--port", String(port), ...words], {
      env: environment(home, env),
      stdio: ["ignore", "pipe", "pipe"]
    })
    const ended = new Promise<number | null>((done) => child.on("close", (code) => done(code)))
    let out = ""
    let err = ""
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk.toString()
    })
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString()
      const url = /^relay at (\S+),/m.exec(out)?.[1]
      if (url === undefined) return
      resolve({
        url,
        child,
        said: () => err,
        stop: (signal) => {
          child.kill(signal)
          return ended
        }
      })
    })
    void ended.then((code) => reject(new Error(`cairn serve ended with ${code}: ${out}${err}`)))
  })

/** A new token of the relay in `home`. */
export const token = (
  home: string,
  name: string,
  words: ReadonlyArray<string> = [],
  env: NodeJS.ProcessEnv = {}
): string => {
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [binary, "serve", "token", "add", name, "--quiet", ...words],
    { env: environment(home, env) }
  )
  if (status !== 0) throw new Error(`no token: ${stderr}`)
  return stdout.toString().trim()
}
