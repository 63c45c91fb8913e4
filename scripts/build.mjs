// Builds dist/: the bundled binary (Main.js and lazily loaded chunks) and dist/lib, the library with its types;
// with --binary the first alone.
// Runs at `npm install` and once more, by npm, at the first `npx cairn`: so it only ever adds or swaps whole files. Chunks
// of earlier builds go a day after a build first did without them: a program that runs may still load one.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

process.chdir(join(dirname(fileURLToPath(import.meta.url)), ".."))

const esbuild = await import("esbuild").catch(() => undefined)
if (esbuild === undefined) {
  console.error("cairn: esbuild is not installed (production install?): dist/ is left as it is")
  process.exit(existsSync("dist/Main.js") ? 0 : 1)
}

const swap = (path, contents) => {
  if (existsSync(path) && readFileSync(path).equals(contents)) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.${process.pid}`, contents)
  renameSync(`${path}.${process.pid}`, path)
}

const { outputFiles } = await esbuild.build({
  entryPoints: [
    { in: "src/Main.ts", out: "Main" },
    // where the chunk that starts it looks for it
    { in: "src/layers/internal/sealerWorker.ts", out: "chunks/internal/sealerWorker" }
  ],
  outdir: "dist",
  bundle: true,
  splitting: true,
  minify: true,
  write: false,
  platform: "node",
  format: "esm",
  target: "node20",
  conditions: ["source"],
  chunkNames: "chunks/[name]-[hash]",
  external: [
    "lmdb",
    "zstd-napi",
    "@napi-rs/blake-hash",
    "@bokuweb/zstd-wasm",
    "@parcel/watcher",
    "msgpackr-extract",
    "koffi"
  ],
  banner: { js: 'import{createRequire as __cr}from"node:module";const require=__cr(import.meta.url);' }
})
// chunks first, the entry that names them last
for (const { path, contents } of [...outputFiles].reverse()) swap(path, Buffer.from(contents))

const keptFor = 24 * 60 * 60 * 1000
const record = "dist/.unused.json"
const sweep = () => {
  const now = Date.now()
  const used = new Set(outputFiles.map(({ path }) => relative(".", path)))
  const since = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")) : {}
  const unused = {}
  for (const name of readdirSync("dist/chunks")) {
    const path = join("dist/chunks", name)
    if (!name.endsWith(".js") || used.has(path)) continue
    if (now - (since[path] ?? now) > keptFor) rmSync(path, { force: true })
    else unused[path] = since[path] ?? now
  }
  swap(record, Buffer.from(JSON.stringify(unused)))
}
try {
  sweep()
} catch {
  // two builds at once, or a record that was cut short: the next build sweeps
  rmSync(record, { force: true })
}
if (process.argv.includes("--binary")) process.exit(0)

// The library: emitted beside, then swapped in file by file; its inputs' stamp saves the second run the work.
const sources = (directory) =>
  readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
const digest = createHash("sha256")
for (const path of [...sources("src").sort(), "tsconfig.json", "tsconfig.lib.json"])
  digest.update(path).update(readFileSync(path))
const stamp = Buffer.from(digest.digest("hex"))
if (!existsSync("dist/lib/.stamp") || !readFileSync("dist/lib/.stamp").equals(stamp)) {
  const out = `dist/.lib.${process.pid}`
  const tsc = spawnSync(
    process.execPath,
    ["node_modules/typescript/bin/tsc", "-p", "tsconfig.lib.json", "--outDir", out],
    {
      stdio: "inherit"
    }
  )
  if (tsc.status === 0) {
    for (const path of sources(out)) swap(join("dist/lib", relative(out, path)), readFileSync(path))
    swap("dist/lib/.stamp", stamp)
  }
  rmSync(out, { recursive: true, force: true })
  if (tsc.status !== 0) process.exit(1)
}
