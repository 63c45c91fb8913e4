/**
 * Data to standard output, everything else to standard error, in one voice.
 *
 * @since 0.1.0
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import type { Line } from "../schema/Output.ts"

/** How a run speaks. @since 0.1.0 @category models */
export interface Voice {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
}

/** What wrote to a pipe that nobody reads any more ends with, as a shell has it. @since 0.1.0 @category constants */
const brokenPipe = 141

/** Writes all bytes to a descriptor of this process before it returns, pipes that are full included. */
const writeAll = (descriptor: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at)
    } catch (cause) {
      const code = cause instanceof Error && "code" in cause ? cause.code : undefined
      // nobody reads on: nothing is left to say, and the run must not count as failed work
      if (code === "EPIPE") process.exit(brokenPipe)
      if (code !== "EAGAIN") throw cause
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

/** Bytes to standard output. @since 0.1.0 @category output */
export const bytes = (chunk: Uint8Array): Effect.Effect<void> => Effect.sync(() => writeAll(1, chunk))

/** A line of data. @since 0.1.0 @category output */
export const data = (text: string): Effect.Effect<void> => bytes(Buffer.from(`${text}\n`))

/** A line for people, on standard error. @since 0.1.0 @category output */
export const tell = (text: string): Effect.Effect<void> => Effect.sync(() => writeAll(2, Buffer.from(`${text}\n`)))

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

/** A count with its noun. @since 0.1.0 @category conversions */
export const count = (value: number, one: string, many = `${one}s`): string =>
  `${value.toLocaleString("en-US")} ${value === 1 ? one : many}`

/** A time as ISO 8601 with the local offset, to the second. @since 0.1.0 @category conversions */
export const localTime = (millis: number): string => {
  const date = new Date(millis)
  const offset = -date.getTimezoneOffset()
  const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, "0")
  const local = new Date(millis + offset * 60_000).toISOString().slice(0, 19).replace("T", " ")
  return `${local} ${offset < 0 ? "-" : "+"}${two(offset / 60)}:${two(offset % 60)}`
}
