import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { program } from "../examples/backup-to-memory.ts"
import { program as tenWriters } from "../examples/ten-writers.ts"

const folders = ["schema", "services", "fs5", "programs", "layers"]

describe("the library", () => {
  it("names every public module in its index (`node scripts/make-index.mjs` writes it)", () => {
    const index = readFileSync("src/index.ts", "utf8")
    const exported = [...index.matchAll(/from "\.\/(.+)"/g)].map(([, path]) => path)
    const modules = folders.flatMap((folder) =>
      readdirSync(`src/${folder}`)
        .filter((file) => file.endsWith(".ts"))
        .map((file) => `${folder}/${file}`)
    )
    assert.deepStrictEqual([...exported].sort(), modules.sort())
  })

  it.effect("backs up from memory to memory in examples/backup-to-memory.ts", () =>
    Effect.map(program, (paths) => assert.deepStrictEqual(paths, ["old", "old/2025.txt", "today.txt"]))
  )

  it.live("loses no writer in examples/ten-writers.ts, whatever the seed", () =>
    Effect.gen(function* () {
      for (const seed of ["one", "two"]) {
        const { files } = yield* tenWriters(seed)
        const expected = Array.from({ length: 10 }, (_, index) => [
          `writer-${index}`,
          `writer-${index}/note.txt`
        ]).flat()
        assert.deepStrictEqual(files, expected)
      }
    })
  )
})

describe("the lock file", () => {
  it("names no registry", () => {
    assert.isFalse(readFileSync("package-lock.json", "utf8").includes('"resolved"'))
  })
})
