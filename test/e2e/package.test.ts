import { execFile } from "node:child_process"
import { cp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Schema from "effect/Schema"
import { afterAll, expect, it } from "vitest"
import * as Cairn from "./cairn.ts"

afterAll(Cairn.removeFolders)

/** Without blocking: the test runner wants to hear from its worker. */
const execute = promisify(execFile)

const File = Schema.Struct({ path: Schema.String, mode: Schema.Number })
const decodePacked = Schema.decodeUnknownSync(
  Schema.parseJson(Schema.Tuple(Schema.Struct({ files: Schema.Array(File) })))
)

it("the package holds the binary and the library, and its names resolve to what was built", {
  timeout: 300_000
}, async () => {
  await execute(process.execPath, [join(Cairn.repository, "scripts/build.mjs")])
  const [packed] = decodePacked(
    (await execute("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: Cairn.repository })).stdout
  )
  const modes = new Map(packed.files.map(({ mode, path }) => [path, mode]))
  expect((modes.get("bin/cairn.js") ?? 0) & 0o111).toBe(0o111)
  for (const path of [
    "bin/package.json",
    "dist/Main.cjs",
    "dist/lib/index.js",
    "dist/lib/index.d.ts",
    "dist/lib/fs5/Chunker.js",
    "README.md"
  ])
    expect([...modes.keys()], path).toContain(path)
  // the program, its worker threads, and three things set apart: one that gets another name upstream would be in the first
  const starts = await readFile(join(Cairn.repository, "dist/Main.cjs"), "utf8")
  const parts = [...starts.matchAll(/([a-z]+)-[0-9a-f]{16}\.cjs/g)]
  expect(parts.map(([, kind]) => kind)).toEqual(["main", "worker", "apart", "apart", "apart"])
  for (const [path] of parts) expect([...modes.keys()]).toContain(`dist/${path}`)
  // this V8 takes what it compiled of the program, and starts in half of the time with it
  const startOf = (file: string) =>
    execute(process.execPath, [
      "-e",
      `const script = require(${JSON.stringify(file)}).load("${parts[0]?.[0]}"); console.log("rejected:", script.cachedDataRejected)`,
      "cairn",
      "--version"
    ])
  expect((await startOf(join(Cairn.repository, "dist/load.cjs"))).stdout).toMatch(/^rejected: false$/m)
  // and one that has rotted is left aside: V8 itself would die of it
  const copy = join(Cairn.folder(), "dist")
  await cp(join(Cairn.repository, "dist"), copy, { recursive: true })
  for (const name of await readdir(copy))
    if (name.endsWith(".cache")) {
      const compiled = await readFile(join(copy, name))
      await writeFile(join(copy, name), compiled.fill(0, compiled.length >> 1))
    }
  expect((await startOf(join(copy, "load.cjs"))).stdout).toMatch(/^rejected: undefined$/m)
  // npm has it compiled where the package was installed and not built
  for (const name of await readdir(copy)) if (name.endsWith(".cache")) await rm(join(copy, name))
  await cp(join(Cairn.repository, "scripts/compile.mjs"), join(copy, "../scripts/compile.mjs"))
  await symlink(join(Cairn.repository, "node_modules"), join(copy, "../node_modules"))
  const doctor = async () =>
    (
      await execute(process.execPath, [join(copy, "Main.cjs"), "doctor"], {
        env: { ...process.env, CAIRN_HOME: join(copy, "../home") }
      })
    ).stdout
  expect(await doctor()).toMatch(/^warn {2}starts: .* → `npm rebuild cairn-vault`/m)
  await execute(process.execPath, [join(copy, "../scripts/compile.mjs")])
  expect((await startOf(join(copy, "load.cjs"))).stdout).toMatch(/^rejected: false$/m)
  expect(await doctor()).toMatch(/^ok {4}starts: /m)
  expect([...modes.keys()]).toContain("scripts/compile.mjs")
  // what V8 compiled here is no good elsewhere
  expect([...modes.keys()].filter((path) => /^(test|bench|node_modules|\.)|\.cache$/.test(path))).toEqual([])

  // a package may import itself by name, by the same table as everybody else
  const program = `
    const all = await import("cairn-vault")
    const chunker = await import("cairn-vault/fs5/Chunker")
    const publish = await import("cairn-vault/programs/Publish")
    console.log(JSON.stringify([all.Chunker === chunker, publish.maxAttempts, import.meta.resolve("cairn-vault/fs5/Chunker")]))`
  const { stdout } = await execute(process.execPath, ["--input-type=module", "-e", program], {
    cwd: Cairn.repository
  })
  expect(JSON.parse(stdout)).toEqual([true, 16, new URL("dist/lib/fs5/Chunker.js", `file://${Cairn.repository}/`).href])
})
