/**
 * Secrets from where the configuration says they are.
 *
 * @since 0.1.0
 */
import { spawn } from "node:child_process"
import { open } from "node:fs/promises"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConfigSecret } from "../schema/ConfigSecret.ts"

/** A secret could not be had; what is in it is never told. @since 0.1.0 @category errors */
export class SecretUnavailable extends Data.TaggedError("SecretUnavailable")<{
  readonly source: string
  readonly detail: string
}> {
  override get message() {
    return `the secret from ${this.source} cannot be had: ${this.detail}`
  }
}

/** @since 0.1.0 @category models */
export interface Options {
  /** The absolute form of a path of the configuration. */
  readonly resolve: (path: string) => string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** More bytes than this are no secret. */
const largest = 1 << 16

const describe = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The bytes of a file that holds a secret. @since 0.1.0 @category programs */
export const readBytes = (file: string): Effect.Effect<Uint8Array, SecretUnavailable> =>
  Effect.tryPromise({
    try: async () => {
      const handle = await open(file, "r")
      try {
        const bytes = new Uint8Array(largest)
        const { bytesRead } = await handle.read(bytes, 0, largest, null)
        return bytes.subarray(0, bytesRead)
      } finally {
        await handle.close()
      }
    },
    catch: (cause) => new SecretUnavailable({ source: `file ${file}`, detail: describe(cause) })
  })

/** What the command prints; it may ask on the terminal, and what it says on standard error is seen. */
const fromCommand = ([program, ...words]: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.async<string, SecretUnavailable>((resume) => {
    const failed = (detail: string) => resume(new SecretUnavailable({ source: `command ${program}`, detail }))
    const child = spawn(program, words, { stdio: ["inherit", "pipe", "inherit"] })
    const chunks: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => {
      if (chunks.reduce((sum, one) => sum + one.length, chunk.length) > largest) child.kill()
      else chunks.push(chunk)
    })
    child.on("error", (cause) => failed(describe(cause)))
    child.on("close", (code, signal) =>
      code === 0
        ? resume(Effect.succeed(Buffer.concat(chunks).toString("utf8")))
        : failed(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`)
    )
    return Effect.sync(() => child.kill())
  })

const withoutLineEnd = (text: string): string => text.replace(/\r?\n$/, "")

/** The secret, without the line end of a file or a command's output. @since 0.1.0 @category programs */
export const read = (
  secret: ConfigSecret,
  { environment, resolve }: Options
): Effect.Effect<Redacted.Redacted<string>, SecretUnavailable> => {
  if (Redacted.isRedacted(secret)) return Effect.succeed(secret)
  if ("file" in secret)
    return Effect.map(readBytes(resolve(secret.file)), (bytes) =>
      Redacted.make(withoutLineEnd(new TextDecoder().decode(bytes)))
    )
  if ("command" in secret) return Effect.map(fromCommand(secret.command), (text) => Redacted.make(withoutLineEnd(text)))
  const value = environment[secret.env]
  return value === undefined || value === ""
    ? new SecretUnavailable({ source: `environment variable ${secret.env}`, detail: "it is not set" })
    : Effect.succeed(Redacted.make(value))
}
