#!/usr/bin/env node
// CommonJS all the way: the loader of the other modules would be a tenth of a short run
try {
  require("../dist/Main.cjs")
} catch (error) {
  if (error?.code !== "MODULE_NOT_FOUND" || !String(error.message).includes("dist")) throw error
  console.error("cairn: not built yet: run `npm run build` (npm install does it unless scripts are switched off)")
  process.exitCode = 1
}
