/**
 * Cairn beside restic on one seeded tree:
 *
 *     npm run bench -- [--small | --middle] [--runs N] [--only cairn] [--disk DIR] [--restic PROGRAM] [--json] [--keep]
 *     npm run bench -- --scale [files] [bytes] [--small] [--runs N] [--only cairn] [--place DIR] [--restic PROGRAM] [--json]
 *
 * `bench/README.md` says how each number is made.
 */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Corpus from "./Corpus.ts"
import * as Limit from "./Limit.ts"
import { type Command, type Measured, measure, median, settle } from "./Measure.ts"
import * as Scale from "./Scale.ts"
import * as Systems from "./Systems.ts"
import * as Table from "./Table.ts"

const say = (text: string) => process.stderr.write(`${text}\n`)

const refuse = (problem: string): never => {
  say(problem)
  process.exit(2)
}

const { positionals, values } = (() => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        scale: { type: "boolean", default: false },
        small: { type: "boolean", default: false },
        middle: { type: "boolean", default: false },
        runs: { type: "string" },
        only: { type: "string" },
        place: { type: "string" },
        disk: { type: "string" },
        restic: { type: "string", default: "restic" },
        json: { type: "boolean", default: false },
        keep: { type: "boolean", default: false }
      }
    })
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
})()

const unknown = positionals.filter((word) => !values.scale || !Scale.isGroup(word))
if (unknown.length > 0) refuse(`not a thing to measure: ${unknown.join(" ")}; --scale takes files and bytes`)
if (values.only !== undefined && values.only !== "cairn") refuse(`--only takes cairn, not ${values.only}`)
for (const folder of [values.place, values.disk])
  if (folder !== undefined && fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    refuse(`no such folder: ${folder}`)

const runs = values.runs === undefined ? (values.scale ? 1 : 5) : Number(values.runs)
if (!Number.isInteger(runs) || runs < 1) refuse(`--runs takes a number of runs, not ${values.runs}`)

const memoryDisk = "/dev/shm"
const parent = values.place ?? (fs.existsSync(memoryDisk) ? memoryDisk : tmpdir())

type Times = Map<Table.Row, Array<Measured>>

const measureSystem = async (
  system: Systems.System,
  source: string,
  times: Times,
  where: string,
  warm?: Times
): Promise<number> => {
  const place = fs.mkdtempSync(join(where, `${system.name}-`))
  const target = join(place, "restored")
  const keep = (times: Times, row: Table.Row, measured: Measured, how = "") => {
    times.set(row, [...(times.get(row) ?? []), measured])
    say(`  ${system.name} ${row}${how}: ${measured.wall.toFixed(2)} s, ${measured.cpu.toFixed(2)} s CPU`)
  }
  const note = async (row: Table.Row, command: Command) => keep(times, row, await measure(command))
  const prepare = system.prepare(place)
  if (prepare !== undefined) await measure(prepare)
  await note("first backup", system.backup(place, source))
  await settle()
  await note("unchanged backup", system.backup(place, source))
  const stored = Corpus.bytesBelow(system.stored(place))
  await note("restore", system.restore(place, source, target))
  const restored = Corpus.bytesBelow(target)
  const expected = Corpus.bytesBelow(source)
  if (restored !== expected) throw new Error(`${system.name} restored ${restored} bytes of ${expected}`)
  fs.rmSync(target, { recursive: true })
  await note("verify all data", system.verify(place))
  if (system.name === "cairn") {
    await note("--version", Systems.cairnCommand(place, ["--version"]))
    await note("list", Systems.cairnCommand(place, ["list"]))
    await note("list VAULT:", Systems.cairnCommand(place, ["list", "bench:"]))
  }
  if (system.name === "cairn" && warm !== undefined)
    await Systems.withDaemon(place, async (pid) => {
      for (const round of ["before", "measured"]) {
        for (const [row, command] of [
          ["unchanged backup", system.backup(place, source)],
          ["restore", system.restore(place, source, target)],
          ["verify all data", system.verify(place)]
        ] as const) {
          const measured = await measure(command, pid)
          if (round === "measured") keep(warm, row, measured, " by a daemon")
        }
        fs.rmSync(target, { recursive: true })
      }
    })
  fs.rmSync(place, { recursive: true })
  return stored
}

const restic = values.only === "cairn" ? undefined : Systems.restic(values.restic)
const systems = [...(restic === undefined ? [] : [restic]), Systems.cairn()]
// what was made is removed when the process ends, so it has to end in its own way
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130))

const compare = async () => {
  const size = Corpus.sizes[values.small ? "small" : values.middle ? "middle" : "full"]!
  const top = fs.mkdtempSync(join(parent, "cairn-bench-"))
  process.once("exit", () => {
    if (!values.keep) fs.rmSync(top, { recursive: true, force: true, maxRetries: 5 })
  })
  say(`making the ${size.name} tree`)
  const corpus = Corpus.make(join(top, "tree"), size)
  await settle()
  const results = new Map<string, { readonly times: Times; readonly warm: Times; stored: number }>(
    systems.map(({ name }) => [name, { times: new Map(), warm: new Map(), stored: 0 }])
  )
  const onDisk = new Map<string, Times>(systems.map(({ name }) => [name, new Map()]))
  for (let run = 1; run <= runs; run++) {
    say(`run ${run} of ${runs}`)
    for (const system of run % 2 === 1 ? systems : [...systems].reverse()) {
      const result = results.get(system.name)!
      result.stored = await measureSystem(system, corpus.directory, result.times, top, result.warm)
    }
    if (values.disk === undefined) continue
    const where = fs.mkdtempSync(join(values.disk, "cairn-bench-"))
    try {
      for (const system of systems) await measureSystem(system, corpus.directory, onDisk.get(system.name)!, where)
    } finally {
      fs.rmSync(where, { recursive: true, force: true })
    }
  }
  say("the limit and the stored sizes")
  const limit = Limit.measure(corpus.directory, join(top, "scratch"))
  const stored = {
    "padding block 1": await Limit.storedSize(corpus.directory, 1),
    "padding block 1024": await Limit.storedSize(corpus.directory, 1024)
  }
  const summarize = (times: Times): Table.Summary =>
    new Map(
      [...times].map(([row, all]) => [
        row,
        {
          wall: median(all.map(({ wall }) => wall)),
          cpu: median(all.map(({ cpu }) => cpu)),
          anonymous: median(all.map(({ anonymous }) => anonymous)),
          mapped: median(all.map(({ mapped }) => mapped))
        }
      ])
    )
  const report: Table.Report = {
    corpus: { name: size.name, files: corpus.files, bytes: corpus.bytes },
    runs,
    versions: Object.fromEntries(systems.map(({ name, version }) => [name, version])),
    libraries: Limit.libraries,
    limit,
    stored,
    systems: Object.fromEntries(
      [...results].map(([name, { stored, times, warm }]) => [
        name,
        { stored, rows: summarize(times), daemon: summarize(warm), disk: summarize(onDisk.get(name) ?? new Map()) }
      ])
    )
  }
  process.stdout.write(values.json ? Table.json(report) : Table.text(report))
}

const scale = async () => {
  const report = await Scale.run({
    systems,
    which: positionals.length === 0 ? ["files", "bytes"] : positionals.filter(Scale.isGroup),
    tiny: values.small,
    runs,
    places: values.place === undefined ? [...new Set([parent, tmpdir()])] : [parent]
  })
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : Scale.text(report))
}

await (values.scale ? scale() : compare())
