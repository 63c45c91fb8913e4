// Runs a bundle with what V8 compiled of it when it was built (compile.mjs), where that is there and of this V8: starting takes
// half of the time then, and is only slower without. The build copies this file beside the bundles.
const { createHash } = require("node:crypto")
const { readFileSync } = require("node:fs")
const { createRequire } = require("node:module")
const { join } = require("node:path")
const { pathToFileURL } = require("node:url")
const { Script } = require("node:vm")

/** Where it lies: a V8 takes only what it compiled itself, and a checkout may be run by one Node after the other. */
const compiledName = (filename) => `${filename}.${process.versions.v8}.cache`
exports.compiledName = compiledName

const sumLength = 32
const sumOf = (compiled) => createHash("sha256").update(compiled).digest()

/** As it is kept: V8 believes what it reads, and dies of a bit that turned. */
exports.withSum = (compiled) => Buffer.concat([compiled, sumOf(compiled)])

/** What was compiled of the bundle, if it is there and whole. */
const compiledOf = (filename) => {
  try {
    const kept = readFileSync(compiledName(filename))
    const compiled = kept.subarray(0, -sumLength)
    return sumOf(compiled).equals(kept.subarray(-sumLength)) ? compiled : undefined
  } catch {
    return undefined
  }
}
exports.compiledOf = compiledOf

/** Evaluates the bundle `name`, which is a function's text, and returns its script. */
exports.load = (name) => {
  const filename = join(__dirname, name)
  // ASCII, as the build made sure of
  const script = new Script(readFileSync(filename, "latin1"), { filename, cachedData: compiledOf(filename) })
  const module = { exports: {} }
  script.runInThisContext()(createRequire(filename), module, module.exports, pathToFileURL(filename).href)
  return script
}
