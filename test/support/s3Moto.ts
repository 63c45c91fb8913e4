/**
 * An S3 service that nobody here wrote: `moto_server`, where it is on the PATH. Where it is not, the tests over it are
 * skipped, which is said aloud.
 */
import { spawn, spawnSync } from "node:child_process"
import { createServer } from "node:net"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Options } from "../../src/layers/ObjectStoreS3.ts"

export const isHere = spawnSync("moto_server", ["--help"], { stdio: "ignore" }).status === 0

if (!isHere) process.stdout.write("NOT RUN: moto_server is not on the PATH, so nothing was tried against another S3\n")

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

export interface Moto {
  readonly endpoint: string
  readonly stop: () => Promise<void>
}

/** A new service, empty, on a port of its own. */
export const start = async (): Promise<Moto> => {
  const port = await freePort()
  const child = spawn("moto_server", ["-H", "127.0.0.1", "-p", String(port)], { stdio: "ignore" })
  const ended = new Promise<void>((done) => child.on("exit", () => done()))
  const endpoint = `http://127.0.0.1:${port}`
  for (;;) {
    if (child.exitCode !== null) throw new Error(`moto_server ended with ${child.exitCode}`)
    const there = await fetch(`${endpoint}/moto-api/`).then(
      ({ ok }) => ok,
      () => false
    )
    if (there) break
    await new Promise((done) => setTimeout(done, 100))
  }
  return {
    endpoint,
    stop: () => {
      child.kill("SIGTERM")
      return ended
    }
  }
}

/** What a bucket there is reached with. */
export const accessKey = "AKIAMOTO"
export const secretKey = "moto takes any"

let buckets = 0
let turn: Promise<unknown> = Promise.resolve()

/**
 * Conditional writes one after the other: this service looks and writes in two steps, and of two that come at the same moment
 * both may be told that they were the only one. What it says of each by itself is its own.
 */
const inTurn: NonNullable<Options["fetch"]> = (url, init) => {
  const headers = new Headers(init.headers)
  if (!headers.has("if-match") && !headers.has("if-none-match")) return fetch(url, init)
  const answer = turn.then(() => fetch(url, init))
  turn = answer.catch(() => undefined)
  return answer
}

/** A new bucket in it. */
export const bucket = (moto: Moto): Effect.Effect<Options> =>
  Effect.promise(async () => {
    const name = `vault-${process.pid}-${++buckets}`
    const { ok, status } = await fetch(`${moto.endpoint}/${name}`, { method: "PUT" })
    if (!ok) throw new Error(`the bucket was not made: ${status}`)
    return {
      bucket: name,
      endpoint: moto.endpoint,
      fetch: inTurn,
      credentials: { accessKey, secretKey: Redacted.make(secretKey) }
    }
  })
