// Writes src/index.ts: every public module as a namespace. `test/index.test.ts` fails when it is stale.
import { readdirSync, writeFileSync } from "node:fs"

const folders = ["schema", "services", "fs5", "programs", "layers"]
const seen = new Map()
const lines = folders.flatMap((folder) =>
  readdirSync(`src/${folder}`)
    .filter((file) => file.endsWith(".ts"))
    .sort()
    .map((file) => {
      const name = file.slice(0, -3)
      // a schema and the service or program of the same name are told apart by their folder
      const taken = seen.has(name)
      seen.set(name, folder)
      const exported = taken ? `${folder[0].toUpperCase()}${folder.slice(1)}${name}` : name
      return `export * as ${exported} from "./${folder}/${file}"`
    })
)
writeFileSync(
  "src/index.ts",
  `/**\n * The library: everything public, each module as a namespace.\n *\n * @since 0.1.0\n */\n${lines.join("\n")}\n`
)
