/**
 * Calls to file systems that may never answer. Node waits for every call of its threads before it ends, so a process that was
 * told to stop would not: it leaves without waiting where only such calls are left behind.
 */
import * as Native from "./native.ts"

let count = 0
let isWatching = false

const signals: Record<number, NodeJS.Signals> = { 130: "SIGINT", 143: "SIGTERM" }

/** Ends the process at once, under its exit code as far as possible. */
const leave = (code: number): void => {
  if (count === 0) return
  const native = Native.now()
  if (!("missing" in native)) native.exit(code)
  const signal = signals[code] ?? "SIGKILL"
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

/** `done`, counted as under way until it is called; for calls that change nothing. */
export const until = <A extends ReadonlyArray<unknown>>(done: (...values: A) => void): ((...values: A) => void) => {
  if (!isWatching) {
    isWatching = true
    process.on("exit", leave)
  }
  count++
  return (...values) => {
    count--
    done(...values)
  }
}
