/** Running a program and telling what it took: wall time, CPU time and memory of the whole process tree. */
import { spawn } from "node:child_process"
import * as fs from "node:fs"

export interface Measured {
  /** Seconds. */
  readonly wall: number
  /** Seconds of user and system time of the program and all it started. */
  readonly cpu: number
  /** Bytes at the peak over the whole tree of processes: anonymous memory, and pages of mapped files. */
  readonly anonymous: number
  readonly mapped: number
}

export interface Command {
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/** What every program that is measured sees of this process's surroundings: nothing that would make it do something else. */
export const surroundings: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? "",
  HOME: "/nonexistent",
  LC_ALL: "C"
}

const everyMs = 20
/** Looking for new processes goes through all threads and costs more: every so many looks. */
const looksPerTree = 10

const status = (pid: number): string => {
  try {
    return fs.readFileSync(`/proc/${pid}/status`, "latin1")
  } catch {
    // it ended meanwhile
    return ""
  }
}

const kilobytes = (text: string, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024

const children = (pid: number): ReadonlyArray<number> => {
  try {
    return fs
      .readdirSync(`/proc/${pid}/task`)
      .flatMap((task) => fs.readFileSync(`/proc/${pid}/task/${task}/children`, "latin1").split(" "))
      .filter((word) => word !== "")
      .map(Number)
  } catch {
    // it ended meanwhile
    return []
  }
}

const tree = (pid: number): ReadonlyArray<number> => [pid, ...children(pid).flatMap(tree)]

/** Seconds of user and system time so far; Linux counts them in hundredths. */
const cpuOf = (pid: number): number => {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Runs the command to its end, which must be 0; what the process `beside` it takes meanwhile is counted with it. */
export const measure = ({ argv, env }: Command, beside?: number): Promise<Measured> =>
  new Promise((resolve, reject) => {
    const before = beside === undefined ? 0 : cpuOf(beside)
    // bash alone tells the CPU time of a whole tree to the millisecond
    const script = 'TIMEFORMAT="%3R %3U %3S"; { time "$@" >/dev/null 2>&3; } 3>&2 2>&4'
    const child = spawn("bash", ["-c", script, "bash", ...argv], {
      env: { ...surroundings, ...env },
      stdio: ["ignore", "ignore", "pipe", "ignore", "pipe"],
      // a group of its own, so that all of it can be ended
      detached: true
    })
    const kill = () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL")
    }
    process.once("exit", kill)
    let errors = ""
    let times = ""
    child.stdio[2]?.on("data", (chunk: Buffer) => {
      errors += chunk.toString()
    })
    child.stdio[4]?.on("data", (chunk: Buffer) => {
      times += chunk.toString()
    })
    let anonymous = 0
    let mapped = 0
    let looks = 0
    let processes: ReadonlyArray<number> = []
    const sample = setInterval(() => {
      if (child.pid === undefined) return
      // bash alone is not yet what is measured
      if (processes.length < 2 || looks++ % looksPerTree === 0) processes = tree(child.pid)
      const now = [...processes, ...(beside === undefined ? [] : [beside])].map(status)
      const sum = (field: string) => now.reduce((total, text) => total + kilobytes(text, field), 0)
      anonymous = Math.max(anonymous, sum("RssAnon"))
      mapped = Math.max(mapped, sum("RssFile") + sum("RssShmem"))
    }, everyMs)
    child.on("error", reject)
    child.on("close", (code) => {
      process.off("exit", kill)
      clearInterval(sample)
      const [wall = Number.NaN, user = 0, system = 0] = times.trim().split(" ").map(Number)
      const others = beside === undefined ? 0 : cpuOf(beside) - before
      if (code === 0) resolve({ wall, cpu: user + system + others, anonymous, mapped })
      else reject(new Error(`${argv.join(" ")} ended with ${code}: ${errors}`))
    })
  })

/** The middle of the values, or the mean of the two in the middle. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

/** Change times are kept in whole seconds: what changed in the second of a backup counts as changed in the next. */
export const settle = () => new Promise((done) => setTimeout(done, 2500))
