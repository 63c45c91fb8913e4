/** What grows with the tree: time per file and memory, on seeded trees that are made, measured and removed in turn. */
import * as fs from "node:fs"
import { freemem } from "node:os"
import { join } from "node:path"
import * as Corpus from "./Corpus.ts"
import { type Command, type Measured, measure, median, settle } from "./Measure.ts"
import type { System } from "./Systems.ts"
import { line, megabytes, over, ratio, seconds, targetMemory } from "./Table.ts"

const steps = ["first backup", "unchanged backup", "backup of touched files", "verify all data"] as const
type Step = (typeof steps)[number]

const small = (files: number): Corpus.Size => ({
  name: `${files.toLocaleString("en-US")} files`,
  smallFiles: files,
  between: [200, 1000]
})

const big = (mebibytes: number): Corpus.Size => {
  const eighth = mebibytes * 2 ** 17
  return {
    name: mebibytes < 1024 ? `${mebibytes} MiB` : `${mebibytes / 1024} GiB`,
    smallFiles: 0,
    big: { random: 4 * eighth, shifted: eighth, text: 2 * eighth, zeros: eighth }
  }
}

/** Trees that differ in one thing, smallest first; and small ones of them, for trying things out. */
export const groups = {
  files: { sizes: [small(20_000), small(200_000), small(1_000_000)], tiny: [small(200), small(2_000), small(10_000)] },
  bytes: { sizes: [big(1024), big(10_240)], tiny: [big(16), big(160)] }
}

export type Group = keyof typeof groups

export const isGroup = (word: string): word is Group => Object.hasOwn(groups, word)

/** One step of one program on one tree: medians of times, and the most memory of any run. */
export interface Result extends Measured {
  readonly group: Group
  readonly tree: string
  readonly files: number
  readonly bytes: number
  readonly place: string
  readonly program: string
  readonly step: Step
  /** Bytes of all files in the store at the end. */
  readonly stored: number
}

export interface Report {
  readonly runs: number
  readonly versions: Readonly<Record<string, string>>
  readonly results: ReadonlyArray<Result>
  /** The trees that there was no room for, and why. */
  readonly left: ReadonlyArray<string>
}

const tmpfs = 0x01021994

/** Bytes that may be filled below `place`: of a memory disk no more than half of what memory is free. */
const room = (place: string): number => {
  const { bavail, bsize, type } = fs.statfsSync(place)
  return type === tmpfs ? Math.min(bavail * bsize, freemem() / 2) : bavail * bsize - 2 ** 30
}

const inodes = (place: string): number => {
  const { ffree, files } = fs.statfsSync(place)
  // a file system that makes them as it goes says that it has none at all
  return files === 0 ? Number.POSITIVE_INFINITY : ffree
}

/** Bytes that a tree and one store of it take at most: a small file is a block, an inode, and its own bytes stored. */
const need = ({ big = { random: 0, shifted: 0, text: 0, zeros: 0 }, smallFiles }: Corpus.Size): number =>
  smallFiles * 8192 + 2.2 * (big.random + big.shifted + big.text + big.zeros)

const fits = (size: Corpus.Size, place: string) => room(place) >= need(size) && inodes(place) >= 1.1 * size.smallFiles

const measureSystem = async (
  system: System,
  { runs, source, where }: { readonly runs: number; readonly source: string; readonly where: string }
) => {
  const all = new Map<Step, Array<Measured>>(steps.map((step) => [step, []]))
  let stored = 0
  for (let run = 1; run <= runs; run++) {
    const place = fs.mkdtempSync(join(where, `${system.name}-`))
    const note = async (step: Step, command: Command) => {
      const measured = await measure(command)
      all.get(step)!.push(measured)
      const { anonymous, cpu, wall } = measured
      process.stderr.write(
        `  ${system.name} ${step}: ${seconds(wall)}, ${seconds(cpu)} CPU, ${megabytes(anonymous)} anonymous\n`
      )
    }
    const prepare = system.prepare(place)
    if (prepare !== undefined) await measure(prepare)
    await note("first backup", system.backup(place, source))
    await settle()
    for (let again = 0; again < 3; again++) await note("unchanged backup", system.backup(place, source))
    Corpus.touch(source)
    await settle()
    await note("backup of touched files", system.backup(place, source))
    await note("verify all data", system.verify(place))
    stored = Corpus.bytesBelow(system.stored(place))
    fs.rmSync(place, { recursive: true })
  }
  return [...all].map(([step, measured]) => ({
    step,
    stored,
    wall: median(measured.map(({ wall }) => wall)),
    cpu: median(measured.map(({ cpu }) => cpu)),
    anonymous: Math.max(...measured.map(({ anonymous }) => anonymous)),
    mapped: Math.max(...measured.map(({ mapped }) => mapped))
  }))
}

export interface Options {
  readonly systems: ReadonlyArray<System>
  readonly which: ReadonlyArray<Group>
  readonly tiny: boolean
  readonly runs: number
  /** Where trees and stores may lie, the best first. */
  readonly places: ReadonlyArray<string>
}

export const run = async ({ places, runs, systems, tiny, which }: Options): Promise<Report> => {
  const results: Array<Result> = []
  const left: Array<string> = []
  for (const group of which) {
    const sizes = groups[group][tiny ? "tiny" : "sizes"]
    // all trees of a group lie in the same place where they can: the largest decides
    const largest = sizes.findLast((size) => places.some((place) => fits(size, place)))
    const shared = places.find((place) => largest !== undefined && fits(largest, place))
    for (const size of sizes) {
      const place = shared !== undefined && fits(size, shared) ? shared : undefined
      if (place === undefined) {
        const free = places.map((place) => `${megabytes(room(place))} and ${inodes(place)} files at ${place}`)
        left.push(
          `${size.name}: not measured, it needs ${megabytes(need(size))} and there is room for ${free.join(", ")}`
        )
        process.stderr.write(`${left.at(-1)}\n`)
        continue
      }
      const top = fs.mkdtempSync(join(place, "cairn-bench-"))
      const remove = () => fs.rmSync(top, { recursive: true, force: true, maxRetries: 5 })
      process.once("exit", remove)
      process.stderr.write(`${size.name} below ${top}\n`)
      try {
        const { bytes, directory, files } = Corpus.make(join(top, "tree"), size)
        await settle()
        for (const system of systems)
          for (const measured of await measureSystem(system, { runs, source: directory, where: top }))
            results.push({ group, tree: size.name, files, bytes, place, program: system.name, ...measured })
      } finally {
        remove()
        process.off("exit", remove)
      }
    }
  }
  return { runs, versions: Object.fromEntries(systems.map(({ name, version }) => [name, version])), results, left }
}

/** Time per file must not grow; a tenth is allowed, because two runs of the same thing differ by as much. */
const targetGrowth = 1.1

const per = ({ bytes, files, group, wall }: Result) => wall / (group === "files" ? files : bytes / 2 ** 20)

const row = (result: Result, results: ReadonlyArray<Result>): string => {
  const { anonymous, cpu, group, mapped, program, step, stored, tree, wall } = result
  const ours = program === "cairn"
  const first = results.find((other) => other.group === group && other.program === program && other.step === step)
  const growth = first === result ? undefined : over(per(result), first && per(first))
  const held = ours && group === "files" && step === "unchanged backup" ? targetGrowth : Number.POSITIVE_INFINITY
  return line(
    tree,
    program,
    step,
    seconds(wall),
    seconds(cpu),
    group === "files" ? `${(per(result) * 1e6).toFixed(1)} µs` : `${(per(result) * 1e3).toFixed(2)} ms`,
    growth === undefined ? "" : ratio(growth, held),
    `${megabytes(anonymous)}${ours && anonymous > targetMemory * 1e6 ? " (over)" : ""}`,
    first === result || first === undefined ? "" : ratio(anonymous / first.anonymous, Number.POSITIVE_INFINITY),
    megabytes(mapped),
    step === "verify all data" ? megabytes(stored) : ""
  )
}

export const text = ({ left, results, runs, versions }: Report): string => {
  const trees = [...new Map(results.map((result) => [result.tree, result])).values()]
  const lines = [
    Object.entries(versions)
      .map((words) => words.join(" "))
      .join(", "),
    `times are medians of ${runs} (unchanged backup: ${3 * runs}), memory is the most of any run`,
    ...trees.map(
      ({ bytes, files, place, tree }) =>
        `${tree}: ${files.toLocaleString("en-US")} files of ${(bytes / 2 ** 20).toFixed(0)} MiB in all, at ${place}`
    ),
    ...left,
    "",
    line(
      "tree",
      "program",
      "step",
      "wall",
      "CPU",
      "wall per file or MiB",
      "growth",
      "peak anonymous memory",
      "growth",
      "peak mapped pages",
      "stored on disk"
    ),
    line(...Array.from({ length: 11 }, () => "---")),
    ...results.map((result) => row(result, results)),
    "",
    `targets for cairn: ≤ ${targetMemory} MB; an unchanged backup's time per file ≤ 1.00 of the smallest tree's (a tenth more is allowed as noise)`
  ]
  return `${lines.join("\n")}\n`
}
