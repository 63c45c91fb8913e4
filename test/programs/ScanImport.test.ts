/** A scan of real files that other threads read is the scan of files that this one reads. */
import * as fs from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as NodeCache from "../../src/fs5/NodeCache.ts"
import * as Pipeline from "../../src/fs5/Pipeline.ts"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as SealerWorkers from "../../src/layers/SealerWorkers.ts"
import * as Scan from "../../src/programs/Scan.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import { PackIndex } from "../../src/services/PackIndex.ts"
import * as Progress from "../../src/services/Progress.ts"
import * as Sealer from "../../src/services/Sealer.ts"
import * as Built from "../e2e/cairn.ts"
import { noise } from "../e2e/cairn.ts"
import { temporaryFolder } from "../support/folders.ts"
import { selection } from "../support/programs.ts"

const script = pathToFileURL(`${Built.repository}/dist/internal/sealerWorker.js`)
const crypto = await Effect.runPromise(CryptoAuto.make())
const { primitives } = crypto

describe("a scan by threads", () => {
  beforeAll(() => {
    if (!fs.existsSync(script)) Built.build()
  })

  for (const chunking of [undefined, { _tag: "None" }, { _tag: "Fixed", chunkSize: 70_000 }] as const)
    it.scopedLive(`has the root that one thread makes, files being cut ${chunking?._tag ?? "by content"}`, () =>
      Effect.gen(function* () {
        const folder = fs.realpathSync(yield* temporaryFolder)
        const large = Buffer.concat([noise(1, 2_200_000), new Uint8Array(1_200_000)])
        fs.writeFileSync(join(folder, "large"), large)
        fs.writeFileSync(join(folder, "large again"), large)
        fs.writeFileSync(join(folder, "exact"), noise(2, 2 << 20))
        fs.writeFileSync(join(folder, "empty"), "")
        fs.writeFileSync(join(folder, "sparse"), "")
        fs.truncateSync(join(folder, "sparse"), 3_000_000)
        fs.symlinkSync("large", join(folder, "link"))
        for (let at = 0; at < 1100; at++) {
          const own = join(folder, `d${at % 5}`)
          if (at < 5) fs.mkdirSync(own)
          fs.writeFileSync(join(own, `f${at}`), `${at % 900} `.repeat(at % 40))
        }
        const vault = TraversalContext.vaultRoot({
          leaf: new Uint8Array(32).fill(1),
          node: new Uint8Array(32).fill(2),
          recovery: new Uint8Array(32).fill(3)
        })
        const context = chunking === undefined ? vault : TraversalContext.merge(vault, { chunking })
        const scanned = Effect.fnUntraced(function* (sealer: Sealer.Service) {
          const objects = yield* ObjectStoreMemory.make()
          const index = yield* Effect.provide(PackIndex, PackIndexMemory.layer)
          const blobs = yield* BlobStorePacked.make({ objects, index, primitives })
          const pipeline = Pipeline.make({ primitives, blobs, context, cache: NodeCache.make() })
          const told = { files: 0, bytes: 0 }
          const progress = {
            ...(yield* Effect.provide(Progress.Progress, Progress.layerSilent)),
            step: (step: Progress.Step) =>
              Effect.sync(() => {
                told.files += step.files ?? 0
                told.bytes += step.bytes ?? 0
              })
          }
          const result = yield* Scan.scan(pipeline, {
            path: folder,
            folder: "s",
            metadata: "full",
            selection: selection()
          }).pipe(
            Effect.provideService(Sealer.Sealer, sealer),
            Effect.provideService(Progress.Progress, progress),
            Effect.provide(LocalTreeNode.layer)
          )
          const { files, bytes, readFiles, readBytes, problems, root } = result
          return { files, bytes, readFiles, readBytes, problems, told, root: root && Hash.toHex(root.hash) }
        })
        const threads = yield* Effect.provideService(
          SealerWorkers.make({ workers: 2, inlineBytes: 0, script }),
          Crypto.Crypto,
          crypto
        )
        const expected = yield* scanned(SealerInline.make(primitives))
        assert.strictEqual(expected.files, 1106)
        assert.deepStrictEqual(expected.told, { files: expected.files, bytes: expected.bytes })
        assert.deepStrictEqual(yield* scanned(threads), expected)
      })
    )
})
