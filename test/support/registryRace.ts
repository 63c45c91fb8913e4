/** Real processes that race for one key, some of which are killed in the middle. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"

const script = fileURLToPath(new URL("./registryWriter.ts", import.meta.url))

interface Acknowledged {
  readonly revision: bigint
  readonly hash: string
}

/** Runs one writer to its end, or kills it without warning once it has got `killAfter` acknowledgements. */
const writer = (kind: string, directory: string, name: string, times: number, killAfter?: number) =>
  new Promise<ReadonlyArray<Acknowledged>>((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", script, kind, directory, name, `${times}`])
    let out = ""
    let problems = ""
    child.stdout.on("data", (chunk) => {
      out += chunk
      if (killAfter !== undefined && out.split("\n").length > killAfter) child.kill("SIGKILL")
    })
    child.stderr.on("data", (chunk) => {
      problems += chunk
    })
    child.on("error", reject)
    child.on("close", (code, signal) => {
      const ended = killAfter === undefined ? code === 0 : signal === "SIGKILL"
      if (!ended) return reject(new Error(`writer ${name} ended with ${code ?? signal}: ${problems}`))
      const lines = out
        .slice(0, out.lastIndexOf("\n") + 1)
        .split("\n")
        .slice(0, -1)
      resolve(
        lines.map((line) => {
          const [revision = "", hash = ""] = line.split(" ")
          return { revision: BigInt(revision), hash }
        })
      )
    })
  })

/**
 * Two writers of 50 each beside two that are killed. Asserts that no revision was acknowledged twice and that each
 * killed writer left at most one revision that nobody was told of; gives what was acknowledged, in order.
 */
export const race = async (kind: string, directory: string, finalRevision: () => Promise<bigint>) => {
  const results = await Promise.all([
    ...[1, 2].map((n) => writer(kind, directory, `steady ${n}`, 50)),
    writer(kind, directory, "victim 1", 1_000_000, 5),
    writer(kind, directory, "victim 2", 1_000_000, 12)
  ])
  assert.deepStrictEqual(
    results.slice(0, 2).map((all) => all.length),
    [50, 50]
  )
  const acknowledged = results.flat().sort((a, b) => Number(a.revision - b.revision))
  assert.strictEqual(new Set(acknowledged.map(({ revision }) => revision)).size, acknowledged.length)
  const final = await finalRevision()
  assert.isAtLeast(Number(final), acknowledged.length)
  assert.isAtMost(Number(final), acknowledged.length + 2)
  return acknowledged
}

/** The same without anybody being killed: then there are exactly as many revisions as acknowledgements. */
export const peacefulRace = async (kind: string, directory: string, finalRevision: () => Promise<bigint>) => {
  const results = await Promise.all([1, 2, 3].map((n) => writer(kind, directory, `writer ${n}`, 50)))
  const revisions = results.flat().map(({ revision }) => revision)
  assert.strictEqual(new Set(revisions).size, 150)
  assert.strictEqual(await finalRevision(), 150n)
}
