// Writes down what V8 compiled of the bundles in dist/ while they did what most runs do, so that the next start need not
// compile it again. Run by the build, and by npm where the package was installed and not built; nothing but time is lost
// where it fails.
//
//     node scripts/compile.mjs [MAIN WORKER]         these two bundles, or those that dist/ starts, unless this V8 has them already
//     node scripts/compile.mjs --run MAIN WORKER …   one run of the binary with the words that follow (started by the former)
import { spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"
import { isMainThread, MessageChannel, threadId, workerData } from "node:worker_threads"

const dist = fileURLToPath(new URL("../dist", import.meta.url))
const loader = join(dist, "load.cjs")
// a clone that was not built yet has none, and what builds it comes here again
if (!existsSync(loader)) process.exit(0)
const { compiledName, compiledOf, load, withSum } = createRequire(import.meta.url)(loader)

const keep = (name, script) => {
  const path = join(dist, compiledName(name))
  const own = `${path}.${process.pid}.${threadId}`
  // V8 takes what was compiled under the flags that it has at a start, which all of these had when nothing else had set them
  for (const flag of ["--heap-growing-percent=0", "--semi-space-growth-factor=2", "--flush-bytecode"])
    setFlagsFromString(flag)
  writeFileSync(own, withSum(script.createCachedData()))
  renameSync(own, path)
}

/** As much as starts all the threads, in files of all the kinds that are treated in ways of their own. */
const makeTree = (place) => {
  for (let folder = 0; folder < 24; folder++) {
    mkdirSync(join(place, `${folder}`, "below"), { recursive: true })
    for (let file = 0; file < 24; file++) {
      const path = join(place, `${folder}`, file % 3 === 0 ? "below" : "", `${file}`)
      const text = `${folder} ${file} what most runs do\n`.repeat(1 + file * 20)
      writeFileSync(path, file % 4 === 0 ? randomBytes(1 + file * 1000) : text)
    }
  }
  writeFileSync(join(place, "random"), randomBytes(12 << 20))
  writeFileSync(join(place, "text"), Array.from({ length: 400_000 }, (_, line) => `${line} of many`).join("\n"))
  writeFileSync(join(place, "zeros"), new Uint8Array(6 << 20))
  symlinkSync("text", join(place, "link"))
}

const compile = (main, worker) => {
  const place = mkdtempSync(join(tmpdir(), "cairn-compile-"))
  try {
    makeTree(join(place, "tree"))
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("CAIRN_")))
    const runs = [
      ["backup", "tree", "vault:"],
      ["backup", "tree", "vault:"],
      ["list", "vault:"],
      ["restore", "vault:tree", "restored"],
      ["verify"],
      ["status"]
    ]
    for (const words of runs) {
      const { status, stderr } = spawnSync(
        process.execPath,
        [fileURLToPath(import.meta.url), "--run", main, worker, ...words],
        {
          cwd: place,
          env: { ...env, HOME: place, CAIRN_HOME: join(place, "home") },
          stdio: ["ignore", "ignore", "pipe"],
          encoding: "utf8",
          timeout: 60_000,
          // the binary takes the others for a wish to end in order, which may be what does not come to an end
          killSignal: "SIGKILL"
        }
      )
      if (status !== 0) console.error(`cairn ${words.join(" ")}, for what is compiled of it: ${stderr.trim()}`)
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** Threads of `bundle` that write down what was compiled of it when they are ended. */
const keepingWorker = (Worker, bundle) =>
  class extends Worker {
    #port
    #isGone = false

    constructor(_script, options) {
      const { port1, port2 } = new MessageChannel()
      super(fileURLToPath(import.meta.url), {
        ...options,
        workerData: { ...options.workerData, bundle, port: port2 },
        transferList: [port2]
      })
      port1.unref()
      this.#port = port1
      this.once("exit", () => {
        this.#isGone = true
      })
    }

    async terminate() {
      // one that died tells nothing any more
      if (this.#isGone) return super.terminate()
      const kept = new Promise((done) => {
        this.#port.once("message", done)
        this.once("exit", done)
      })
      this.#port.postMessage("keep")
      await kept
      return super.terminate()
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
  const [first, second, third, ...words] = process.argv.slice(2)
  if (first === "--run") {
    process.argv = [process.execPath, join(dist, "Main.cjs"), ...words]
    const threads = createRequire(import.meta.url)("node:worker_threads")
    threads.Worker = keepingWorker(threads.Worker, third)
    setFlagsFromString("--no-flush-bytecode")
    const script = load(second)
    process.on("exit", () => keep(second, script))
  } else {
    try {
      const started = () => readFileSync(join(dist, "Main.cjs"), "utf8").match(/(main|worker)-[0-9a-f]{16}\.cjs/g)
      const names = first === undefined ? started() : [first, second]
      if (names.some((name) => compiledOf(join(dist, name)) === undefined)) compile(...names)
    } catch (error) {
      console.error(`cairn: starts will take twice as long, since nothing could be compiled ahead: ${error.message}`)
    }
  }
}
