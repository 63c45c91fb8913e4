/** A race in several processes at once, each of which runs the simulator as one plain script. */
import { type ChildProcess, fork } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import type { Race, Tally } from "./Race.ts"
import * as RaceRunner from "./Race.ts"
import type { Part } from "./shard.ts"

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The script: TypeScript that is translated as it is loaded names every function that it makes, which is a fifth slower. */
const script = async (): Promise<string> => {
  const directory = here("../../node_modules/.cache/simulation/")
  mkdirSync(directory, { recursive: true })
  const outfile = `${directory}shard-${process.pid}.mjs`
  await build({
    entryPoints: [here("./shard.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    // these bring machine code, or find their files by where they are
    external: ["@napi-rs/*", "@bokuweb/*", "@hpcc-js/*", "lmdb", "koffi", "zstd-napi"],
    logLevel: "error"
  })
  return outfile
}

/** Runs the seeds from `first` on; `seen` is told from time to time how far they are. */
export const run = async (
  race: Race,
  options: { readonly first: number; readonly seeds: number; readonly jobs: number; readonly minutes: number },
  seen: (tally: Tally) => void
): Promise<Tally> => {
  const { first, jobs, minutes, seeds } = options
  const path = await script()
  const tallies = Array.from({ length: jobs }, () => RaceRunner.nothing)
  const sum = () => tallies.reduce(RaceRunner.both)
  const children: Array<ChildProcess> = []
  const ended = tallies.map((_, index) => {
    const part: Part = { race, first, seeds, index, of: jobs, minutes }
    const child = fork(path, [JSON.stringify(part)], { execArgv: ["--max-semi-space-size=64"] })
    children.push(child)
    return new Promise<void>((resolve, reject) => {
      child.on("message", (tally: Tally) => {
        tallies[index] = tally
        seen(sum())
      })
      child.on("error", reject)
      child.on("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`process ${index} of the race ended with ${code}`))
      )
    })
  })
  try {
    await Promise.all(ended)
  } finally {
    for (const child of children) child.kill()
    rmSync(path, { force: true })
  }
  return sum()
}
