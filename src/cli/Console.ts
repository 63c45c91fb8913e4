/**
 * Data to standard output, everything else to standard error, in one voice.
 *
 * @since 0.1.0
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import type { Line } from "../schema/Output.ts"
import { exitCode } from "./ExitCode.ts"

/** How a run speaks. @since 0.1.0 @category models */
export interface Voice {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
}

/** What wrote to a pipe that nobody reads any more ends with, as a shell has it. @since 0.1.0 @category constants */
const brokenPipe = 141

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : undefined)

/** Writes all bytes to a descriptor of this process before it returns, pipes that are full included. */
const writeAll = (descriptor: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at)
    } catch (cause) {
      if (codeOf(cause) !== "EAGAIN") throw cause
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

/** Nothing is lost where this fails: the work goes on and the exit code tells its end. */
const writeError = (text: string): void => {
  try {
    writeAll(2, Buffer.from(text))
  } catch {}
}

/** Data that cannot be written ends the run at once: nobody reads on, or they would take a part for the whole. */
const writeOutput = (bytes: Uint8Array): void => {
  try {
    writeAll(1, bytes)
  } catch (cause) {
    if (codeOf(cause) === "EPIPE") process.exit(brokenPipe)
    writeError(`cairn: cannot write to standard output (${codeOf(cause)})\n`)
    process.exit(exitCode.failed)
  }
}

const eraseLine = "\r\x1b[K"

/** Whether a line that will be drawn over stands on the terminal. */
let drawn = false

const clear = (): void => {
  if (!drawn) return
  drawn = false
  writeError(eraseLine)
}

/** Draws `text` on the terminal's last line, over what was drawn before; nothing takes it away. @since 0.1.0 @category output */
export const draw = (text: string | undefined): Effect.Effect<void> =>
  Effect.sync(() => {
    clear()
    if (text === undefined) return
    writeError(text)
    drawn = true
  })

/** Bytes to standard output. @since 0.1.0 @category output */
export const bytes = (chunk: Uint8Array): Effect.Effect<void> =>
  Effect.sync(() => {
    clear()
    writeOutput(chunk)
  })

/** A line of data. @since 0.1.0 @category output */
export const data = (text: string): Effect.Effect<void> => bytes(Buffer.from(`${text}\n`))

/** A line for people, on standard error. @since 0.1.0 @category output */
export const tell = (text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    clear()
    writeError(`${text}\n`)
  })

// names of files and vaults come into messages as they are: nothing of them may break the line or steer a terminal
const unsafe = /[\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** What went wrong, as one line on standard error. @since 0.1.0 @category output */
export const complain = (text: string): Effect.Effect<void> =>
  tell(
    `cairn: ${text.replace(unsafe, (character) =>
      character === "\n" ? "\\n" : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
    )}`
  )

/** One JSON line. @since 0.1.0 @category output */
export const json = (line: Line): Effect.Effect<void> => data(JSON.stringify(line))

/** Data in the form that the user asked for. @since 0.1.0 @category output */
export const emit = (voice: Voice, line: Line, text: string | undefined): Effect.Effect<void> =>
  voice.json ? json(line) : text === undefined ? Effect.void : data(text)

/** A line for people that `--quiet` leaves out. @since 0.1.0 @category output */
export const note = (voice: Voice, text: string): Effect.Effect<void> => (voice.quiet ? Effect.void : tell(text))

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]

/** A number of bytes for people. @since 0.1.0 @category conversions */
export const size = (count: number): string => {
  let value = count
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

// what `toLocaleString("en-US")` says, which takes longer to load than most verbs run
const grouped = (value: number): string => String(value).replace(/\B(?=(?:\d{3})+$)/g, ",")

/** A whole number with its noun. @since 0.1.0 @category conversions */
export const count = (value: number, one: string, many = `${one}s`): string =>
  `${grouped(value)} ${value === 1 ? one : many}`

/** A time as ISO 8601 with the local offset, to the second. @since 0.1.0 @category conversions */
export const localTime = (millis: number): string => {
  const date = new Date(millis)
  const offset = -date.getTimezoneOffset()
  const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, "0")
  const local = new Date(millis + offset * 60_000).toISOString().slice(0, 19).replace("T", " ")
  return `${local} ${offset < 0 ? "-" : "+"}${two(offset / 60)}:${two(offset % 60)}`
}
