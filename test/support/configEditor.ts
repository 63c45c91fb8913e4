/** A process of its own that adds `count` tables to a configuration file, one edit each, when its standard input ends. */
import * as Effect from "effect/Effect"
import * as ConfigFile from "../../src/layers/ConfigFile.ts"
import * as ConfigEdit from "../../src/schema/ConfigEdit.ts"

const [file = "", name = "", count = "0"] = process.argv.slice(2)

const main = Effect.gen(function* () {
  yield* Effect.promise(() => new Promise((done) => process.stdin.resume().on("end", done)))
  for (let i = 0; i < Number(count); i++)
    yield* ConfigFile.edit(file, ConfigEdit.addTable(["store", `${name}${i}`], { type: "memory" }), { dryRun: false })
})

await Effect.runPromise(main)
