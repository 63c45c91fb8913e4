/**
 * A process that puts blobs into a packed store again and again, and prints the number of the last one of each barrier
 * that was acknowledged. Killed from outside.
 *
 * Arguments: folder of the store, folder of the index or "-", first number, how many blobs of the last round are put again.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as PackIndexAuto from "../../src/layers/PackIndexAuto.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import { content } from "./content.ts"

const [store = "", index = "", first = "0"] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const { primitives } = yield* CryptoAuto.make()
  const blobs = yield* BlobStorePacked.make({
    objects: yield* ObjectStoreFs.make({ directory: store }),
    index: yield* index === "-" ? PackIndexMemory.make() : PackIndexAuto.make({ directory: index }),
    primitives,
    packSize: 100_000
  })
  writeSync(1, "ready\n")
  for (let next = Number(first); ; ) {
    const until = next + 40
    yield* Effect.forEach(
      // the last numbers of others again: some are there, some are being written at this moment
      Array.from({ length: until - next + 10 }, (_, i) => next + i - 10),
      (number) => {
        const bytes = content(Math.max(0, number))
        return blobs.put(primitives.blake3(bytes), bytes)
      },
      { concurrency: 8, discard: true }
    )
    yield* blobs.sync
    next = until
    writeSync(1, `${next}\n`)
  }
})

await Effect.runPromise(Effect.scoped(main))
