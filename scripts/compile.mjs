// Writes down what V8 compiled of the bundles in dist/ while they did what most runs do, so that the next start need not
// compile it again. Run by the build; nothing but time is lost where it fails.
//
//     node scripts/compile.mjs MAIN WORKER     all of it: the names of the two bundles
//     node scripts/compile.mjs --run MAIN …    one run of the binary with the words that follow (started by the former)
import { spawnSync } from "node:child_process"
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { isMainThread, MessageChannel, Worker, workerData } from "node:worker_threads"

const dist = fileURLToPath(new URL("../dist", import.meta.url))
const { load } = createRequire(import.meta.url)("../dist/load.cjs")

const keep = (name, script) => {
  const path = join(dist, `${name}.cache`)
  writeFileSync(`${path}.${process.pid}`, script.createCachedData())
  renameSync(`${path}.${process.pid}`, path)
}

const compileWorker = (name) =>
  new Promise((done, failed) => {
    const { port1, port2 } = new MessageChannel()
    const worker = new Worker(fileURLToPath(import.meta.url), {
      workerData: { implementation: "auto", bundle: name, port: port2 },
      transferList: [port2]
    })
    // it is ready: what evaluated it is compiled
    worker.once("message", () => port1.postMessage("keep"))
    port1.once("message", () => worker.terminate().then(done))
    worker.once("error", failed)
  })

const compileMain = (name) => {
  const place = mkdtempSync(join(tmpdir(), "cairn-compile-"))
  try {
    writeFileSync(join(place, "file"), "what most runs do\n")
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("CAIRN_")))
    const runs = [
      ["backup", "file", "v:"],
      ["backup", "file", "v:"],
      ["list", "v:"],
      ["restore", "v:", "restored"],
      ["verify"],
      ["status"]
    ]
    for (const words of runs)
      spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--run", name, ...words], {
        cwd: place,
        env: { ...env, HOME: place, CAIRN_HOME: join(place, "home") },
        stdio: "ignore",
        timeout: 60_000
      })
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

if (!isMainThread) {
  const { bundle, port } = workerData
  const script = load(bundle)
  port.once("message", () => {
    keep(bundle, script)
    port.postMessage("kept")
  })
} else {
  const [first, second, ...words] = process.argv.slice(2)
  if (first === "--run") {
    process.argv = [process.execPath, join(dist, "Main.js"), ...words]
    const script = load(second)
    process.on("exit", () => keep(second, script))
  } else {
    compileMain(first)
    await compileWorker(second)
  }
}
