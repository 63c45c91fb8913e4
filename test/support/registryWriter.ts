/**
 * A process that raises one key of a registry again and again, and prints each acknowledged revision and hash.
 *
 * Arguments: kind of registry, directory, name of the writer, number of acknowledgements to stop after.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as RegistryLmdb from "../../src/layers/RegistryLmdb.ts"
import * as RegistryObjectStore from "../../src/layers/RegistryObjectStore.ts"
import * as Hash from "../../src/schema/Hash.ts"
import { entryOf, key } from "./registry.ts"

const [kind = "", directory = "", writer = "", times = "0"] = process.argv.slice(2)

const open = () => {
  if (kind === "lmdb") return RegistryLmdb.make({ directory })
  return Effect.flatMap(ObjectStoreFs.make({ directory, hardLinks: kind === "links" }), RegistryObjectStore.make)
}

const run = Effect.gen(function* () {
  const registry = yield* open()
  let attempts = 0
  for (let acknowledged = 0; acknowledged < Number(times); ) {
    const current = yield* registry.entries(key)
    const entry = entryOf((current[0]?.revision ?? 0n) + 1n, `${writer} ${attempts++}`)
    const outcome = yield* registry.set(entry, current)
    if (outcome._tag === "Lost") continue
    acknowledged++
    writeSync(1, `${entry.revision} ${Hash.toHex(entry.hash)}\n`)
  }
})

await Effect.runPromise(Effect.scoped(run).pipe(Effect.provide(CryptoAuto.layer())))
