// Builds dist/: the binary (two bundles, of the program and of its worker threads, each beside what V8 compiled of it, and a
// few lines that start them) and dist/lib, the library with its types; with --binary the first alone.
// Runs at `npm install` and once more, by npm, at the first `npx cairn`: so it only ever adds or swaps whole files. The bundles
// that were in use before stay for a while: a program that just starts may still load one.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

process.chdir(join(dirname(fileURLToPath(import.meta.url)), ".."))

const esbuild = await import("esbuild").catch(() => undefined)
if (esbuild === undefined) {
  console.error("cairn: esbuild is not installed (production install?): dist/ is left as it is")
  process.exit(existsSync("dist/Main.cjs") ? 0 : 1)
}

const swap = (path, contents) => {
  if (existsSync(path) && readFileSync(path).equals(contents)) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.${process.pid}`, contents)
  renameSync(`${path}.${process.pid}`, path)
}

const common = { bundle: true, minify: true, write: false, platform: "node", format: "cjs", target: "node20" }

/** Puts it into dist/ under a name of its own content, and answers that name. */
const keep = (name, contents) => {
  const file = `${name}-${createHash("sha256").update(contents).digest("hex").slice(0, 16)}.cjs`
  swap(`dist/${file}`, contents)
  return file
}

/**
 * What few runs need and is long: the pages of a relay's documentation, the WebAssembly of the portable layer. In the bundles
 * they were half of the text that every run reads, and reading costs memory that is new, which is slow to come by.
 */
const isLong = /(\/httpApiSwagger\.js|^hash-wasm|^@hpcc-js\/wasm-zstd)$/
const apart = new Set()
const setApart = {
  name: "apart",
  setup(build) {
    build.onResolve({ filter: isLong }, async ({ path, pluginData, ...from }) => {
      if (pluginData === setApart) return undefined
      const { path: found } = await build.resolve(path, { ...from, pluginData: setApart })
      const { outputFiles } = await esbuild.build({ ...common, entryPoints: [found] })
      const file = keep("apart", outputFiles[0].contents)
      apart.add(file)
      return { path: `./${file}`, external: true }
    })
  }
}

/** Puts the bundle of `entry` into dist/, and answers its name. */
const bundle = async (entry, name) => {
  const { outputFiles } = await esbuild.build({
    ...common,
    entryPoints: [entry],
    plugins: [setApart],
    conditions: ["source"],
    external: [
      "lmdb",
      "zstd-napi",
      "@napi-rs/blake-hash",
      "@bokuweb/zstd-wasm",
      "@parcel/watcher",
      "msgpackr-extract",
      "koffi"
    ],
    // what is loaded later is a function of the bundle that has not run yet
    supported: { "dynamic-import": false },
    define: { "import.meta.url": "__bundleUrl" },
    banner: { js: "(function (require, module, exports, __bundleUrl) {" },
    footer: { js: "})" }
  })
  const contents = Buffer.from(outputFiles[0].contents)
  if (contents.some((byte) => byte > 127)) throw new Error(`${entry}: the bundle is not ASCII`)
  return keep(name, contents)
}

const starts = "dist/Main.cjs"
const namesIn = (text) => [...text.matchAll(/[a-z]+-[0-9a-f]{16}\.cjs/g)].map(([name]) => name)
const before = existsSync(starts) ? namesIn(readFileSync(starts, "utf8")) : []

const main = await bundle("src/Main.ts", "main")
const worker = await bundle("src/layers/internal/sealerWorker.ts", "worker")
swap("dist/load.cjs", readFileSync("scripts/load.cjs"))
// compiled before anybody starts them by name
spawnSync(process.execPath, ["scripts/compile.mjs", main, worker], { stdio: ["ignore", "ignore", "inherit"] })
const start = (file, folder) => `require("${folder}/load.cjs").load("${file}")\n`
swap("dist/internal/package.json", Buffer.from('{ "type": "commonjs" }\n'))
swap("dist/internal/sealerWorker.js", Buffer.from(start(worker, "..")))
// the entry that names the others last
swap(starts, Buffer.from(`${start(main, ".")}// with ${[worker, ...apart].join(" ")}\n`))

// what another build at the same time named, and what somebody may be about to load, stays
const used = new Set([main, worker, ...apart, ...before, ...namesIn(readFileSync(starts, "utf8"))])
const anHourAgo = Date.now() - 60 * 60 * 1000
for (const name of readdirSync("dist")) {
  const [bundled] = namesIn(name)
  const path = join("dist", name)
  if (bundled === undefined || used.has(bundled)) continue
  if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < anHourAgo) rmSync(path, { force: true })
}
rmSync("dist/Main.js", { force: true })

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
