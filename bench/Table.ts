/** The report, for people and for programs. */
import type { Implementation } from "../src/services/Crypto.ts"
import * as Limit from "./Limit.ts"
import type { Measured } from "./Measure.ts"

export type Row =
  | "first backup"
  | "unchanged backup"
  | "restore"
  | "verify all data"
  | "--version"
  | "list"
  | "list VAULT:"

export type Summary = ReadonlyMap<Row, Measured>

export interface Report {
  readonly corpus: { readonly name: string; readonly files: number; readonly bytes: number }
  readonly runs: number
  readonly versions: Readonly<Record<string, string>>
  readonly libraries: Implementation
  readonly limit: Limit.Limit
  /** Bytes of all blobs for a padding block. */
  readonly stored: Readonly<Record<string, number>>
  readonly systems: Readonly<
    Record<
      string,
      { readonly stored: number; readonly rows: Summary; readonly daemon: Summary; readonly disk: Summary }
    >
  >
}

const compared: ReadonlyArray<readonly [Row, target: number, limit: (limit: Limit.Limit) => number | undefined]> = [
  ["first backup", 0.7, Limit.backupLimit],
  ["unchanged backup", 0.6, () => undefined],
  ["restore", 0.9, Limit.restoreLimit],
  ["verify all data", 1, Limit.verifyLimit]
]

const startUp: ReadonlyArray<readonly [Row, targetMs: number]> = [
  ["--version", 200],
  ["list", 350],
  ["list VAULT:", 350]
]

export const targetMemory = 250
const targetSizes: Readonly<Record<string, number>> = { "padding block 1": 1.05, "padding block 1024": 1.12 }

export const seconds = (value: number | undefined) => (value === undefined ? "" : `${value.toFixed(2)} s`)
export const ratio = (value: number | undefined, target: number) =>
  value === undefined ? "not compared" : `${value.toFixed(2)}${value <= target ? "" : " (over)"}`
export const megabytes = (bytes: number | undefined) => (bytes === undefined ? "" : `${(bytes / 1e6).toFixed(0)} MB`)
export const over = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? undefined : a / b
export const line = (...cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

const times = (report: Report, of: "rows" | "daemon" | "disk"): ReadonlyArray<string> => {
  const ours = report.systems.cairn?.[of]
  // restic has no daemon: it is what it is without
  const theirs = report.systems.restic?.[of === "daemon" ? "rows" : of]
  return [
    line("", "restic", "cairn", "ratio", "target", "CPU restic", "CPU cairn", "limit (one core)"),
    line("---", "---", "---", "---", "---", "---", "---", "---"),
    ...compared.flatMap(([row, target, limit]) => {
      if (of === "daemon" && ours?.has(row) !== true) return []
      const [a, b] = [ours?.get(row), theirs?.get(row)]
      return line(
        row,
        seconds(b?.wall),
        seconds(a?.wall),
        ratio(over(a?.wall, b?.wall), target),
        `≤ ${target.toFixed(2)}`,
        seconds(b?.cpu),
        seconds(a?.cpu),
        seconds(limit(report.limit))
      )
    })
  ]
}

export const text = (report: Report): string => {
  const { corpus, libraries, limit, runs, stored, systems, versions } = report
  const ours = systems.cairn
  const theirs = systems.restic
  const peak = (rows: Summary | undefined, what: "anonymous" | "mapped") =>
    rows === undefined ? undefined : Math.max(...compared.map(([row]) => rows.get(row)?.[what] ?? 0))
  const version = versions.restic
  const lines = [
    `${corpus.name} tree: ${corpus.files.toLocaleString("en-US")} files, ${(corpus.bytes / 2 ** 20).toFixed(0)} MiB; medians of ${runs}; cairn ${versions.cairn} (${libraries.blake3}, ${libraries.zstd}, ${libraries.chacha20})`,
    version === undefined
      ? "restic was not compared: no such program here (--restic PROGRAM names it)"
      : `restic ${version}${version.startsWith("0.19") || Number(version.split(".")[1]) > 19 ? "" : ": the targets are meant against 0.19 or newer"}`,
    "",
    ...times(report, "rows"),
    "",
    line("", "restic", "cairn", "ratio", "target"),
    line("---", "---", "---", "---", "---"),
    line(
      "stored on disk",
      megabytes(theirs?.stored),
      megabytes(ours?.stored),
      ratio(over(ours?.stored, theirs?.stored), 1.12),
      "≤ 1.12"
    ),
    ...Object.entries(stored).map(([name, bytes]) =>
      line(
        `blobs, ${name}`,
        megabytes(theirs?.stored),
        megabytes(bytes),
        ratio(over(bytes, theirs?.stored), targetSizes[name] ?? 1),
        `≤ ${targetSizes[name]}`
      )
    ),
    line(
      "peak anonymous memory",
      megabytes(peak(theirs?.rows, "anonymous")),
      megabytes(peak(ours?.rows, "anonymous")),
      "",
      `≤ ${targetMemory} MB`
    ),
    line("peak mapped pages", megabytes(peak(theirs?.rows, "mapped")), megabytes(peak(ours?.rows, "mapped")), "", ""),
    ...startUp.map(([row, target]) =>
      line(row, "", `${((ours?.rows.get(row)?.wall ?? 0) * 1000).toFixed(0)} ms`, "", `≤ ${target} ms`)
    ),
    "",
    `limit, seconds on one core: ${Object.entries(limit)
      .map(([step, took]) => `${step} ${took.toFixed(2)}`)
      .join(", ")}`,
    "",
    `the same asked of a running daemon, which did each once before; peak anonymous memory ${megabytes(peak(ours?.daemon, "anonymous"))}:`,
    "",
    ...times(report, "daemon"),
    ...((ours?.disk.size ?? 0) > 0 ? ["", "with the stores on the real disk:", "", ...times(report, "disk")] : [])
  ]
  return `${lines.join("\n")}\n`
}

export const json = (report: Report): string =>
  `${JSON.stringify(report, (_, value: unknown) => (value instanceof Map ? Object.fromEntries(value) : value), 2)}\n`
