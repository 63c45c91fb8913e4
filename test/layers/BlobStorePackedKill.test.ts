import { spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as PackIndexAuto from "../../src/layers/PackIndexAuto.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import { content } from "../support/content.ts"
import { filesBelow, temporaryFolder } from "../support/folders.ts"

const worker = fileURLToPath(new URL("../support/packWriter.ts", import.meta.url))
const rounds = Number(process.env.CAIRN_TEST_ROUNDS ?? 1)
const writers = 2

/** Writers on one store, killed some time after each of them has had barriers; answers the last number of each. */
const round = async (store: string, index: string, first: number) => {
  const running = Array.from({ length: writers }, () => {
    const child = spawn(process.execPath, ["--import", "tsx", worker, store, index, String(first)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let said = ""
    child.stdout.on("data", (data) => {
      said += data
    })
    return {
      child,
      numbers: () =>
        said
          .split("\n")
          .slice(0, -1)
          .filter((line) => line !== "ready")
          .map(Number)
    }
  })
  const enough = () => running.every(({ child, numbers }) => numbers().length >= 2 || child.exitCode !== null)
  await new Promise<void>((done) => {
    const timer = setInterval(() => {
      if (!enough()) return
      clearInterval(timer)
      done()
    }, 5)
  })
  // somewhere in a pack, a flush or a commit, at another place each time
  await new Promise((done) => setTimeout(done, Math.random() * 60))
  const ends = running.map(({ child }) => new Promise((done) => child.on("close", done)))
  for (const { child } of running) child.kill("SIGKILL")
  await Promise.all(ends)
  return Math.max(...running.map(({ numbers }) => numbers().at(-1) ?? first))
}

describe.each([true, false])("packed files among processes (LMDB: %s)", (lmdb) => {
  it.scopedLive("writers killed between any two steps lose nothing that a barrier acknowledged", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const store = join(folder, "store")
      const index = join(folder, "index")
      const { primitives } = yield* CryptoAuto.make()
      let last = 0
      for (let number = 0; number < rounds; number++) {
        last = yield* Effect.promise(() => round(store, lmdb ? index : "-", last))
        assert.isAbove(last, 0)
        const objects = yield* ObjectStoreFs.make({ directory: store })
        const indexes = lmdb
          ? [yield* PackIndexAuto.make({ directory: index }), yield* PackIndexMemory.make()]
          : [yield* PackIndexMemory.make()]
        for (const index of indexes) {
          const blobs = yield* BlobStorePacked.make({ objects, index, primitives })
          const expected = new Map(
            Array.from({ length: last }, (_, i) => content(i)).map((bytes) => [
              Hash.toHex(primitives.blake3(bytes)),
              bytes
            ])
          )
          const listed = new Set(Chunk.toReadonlyArray(yield* Stream.runCollect(blobs.list)).map(Hash.toHex))
          for (const [hex, bytes] of expected) {
            const hash = primitives.blake3(bytes)
            assert.isTrue(yield* blobs.has(hash))
            assert.isTrue(Bytes.equals(yield* blobs.get(hash), bytes))
            assert.isTrue(listed.has(hex))
          }
          assert.deepStrictEqual(yield* blobs.problems, [])
        }
      }
      // many blobs, few objects
      assert.isBelow(filesBelow(join(store, "blob3")).length, last)
    })
  )
})
