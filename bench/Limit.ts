/** What the native primitives alone take for the same bytes, one after the other on one core, and what comes out. */
import * as fs from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Chunker from "../src/fs5/Chunker.ts"
import * as NodeCache from "../src/fs5/NodeCache.ts"
import * as Pipeline from "../src/fs5/Pipeline.ts"
import * as CryptoAuto from "../src/layers/CryptoAuto.ts"
import * as LocalTreeNode from "../src/layers/LocalTreeNode.ts"
import * as SealerInline from "../src/layers/SealerInline.ts"
import * as Backup from "../src/programs/Backup.ts"
import * as Scan from "../src/programs/Scan.ts"
import * as Hash from "../src/schema/Hash.ts"
import * as TraversalContext from "../src/schema/TraversalContext.ts"
import type * as BlobStore from "../src/services/BlobStore.ts"
import * as Crypto from "../src/services/Crypto.ts"
import * as Progress from "../src/services/Progress.ts"

const { implementation, primitives } = await Effect.runPromise(CryptoAuto.make())

/** The libraries that were measured. */
export const libraries = implementation

/** Seconds of each step. */
export interface Limit {
  readonly read: number
  readonly chunk: number
  readonly hash: number
  readonly compress: number
  readonly encrypt: number
  readonly hashStored: number
  readonly decompress: number
  readonly write: number
}

const key = new Uint8Array(32).fill(7)

/** Reads all files below `directory`, takes them through every step and back, and writes them into one file at `scratch`. */
export const measure = (directory: string, scratch: string): Limit => {
  const limit = { read: 0, chunk: 0, hash: 0, compress: 0, encrypt: 0, hashStored: 0, decompress: 0, write: 0 }
  const timed = <A>(step: keyof Limit, run: () => A): A => {
    const before = performance.now()
    const out = run()
    limit[step] += (performance.now() - before) / 1000
    return out
  }
  const buffer = Buffer.allocUnsafeSlow(1 << 20)
  const take = (chunks: ReadonlyArray<Uint8Array>) => {
    for (const chunk of chunks) {
      timed("hash", () => primitives.blake3(chunk))
      const small = timed("compress", () => primitives.zstdCompress(1, chunk))
      const stored = timed("encrypt", () => primitives.chacha20(key, small))
      timed("hashStored", () => primitives.blake3(stored))
      timed("decompress", () => Either.getOrThrow(primitives.zstdDecompress(small, chunk.length)))
      timed("write", () => fs.writeFileSync(scratch, chunk))
    }
  }
  for (const entry of fs.readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const chunker = Chunker.contentDefined()
    const fd = timed("read", () => fs.openSync(join(entry.parentPath ?? entry.path, entry.name), "r"))
    for (;;) {
      const length = timed("read", () => fs.readSync(fd, buffer, 0, buffer.length, null))
      if (length === 0) break
      take(timed("chunk", () => chunker.push(buffer.subarray(0, length))))
    }
    timed("read", () => fs.closeSync(fd))
    const last = timed("chunk", () => chunker.finish())
    if (last !== undefined) take([last])
  }
  fs.rmSync(scratch)
  return limit
}

export const backupLimit = (limit: Limit): number =>
  limit.read + limit.chunk + limit.hash + limit.compress + limit.encrypt + limit.hashStored

export const verifyLimit = (limit: Limit): number => limit.hashStored + limit.encrypt + limit.decompress + limit.hash

export const restoreLimit = (limit: Limit): number => verifyLimit(limit) + limit.write

/** A store that keeps nothing but the lengths of different blobs. */
const counting = (): BlobStore.Service & { readonly total: () => number } => {
  const lengths = new Map<string, number>()
  return {
    name: "counting",
    has: (hash) => Effect.succeed(lengths.has(Hash.toHex(hash))),
    get: () => Effect.die("nothing is read back"),
    put: (hash, bytes) => Effect.sync(() => lengths.set(Hash.toHex(hash), bytes.length)),
    list: Stream.empty,
    remove: () => Effect.void,
    sync: Effect.void,
    total: () => {
      let total = 0
      for (const length of lengths.values()) total += length
      return total
    }
  }
}

/** Bytes of all different blobs, content and tree, that a backup of `directory` stores with this padding block. */
export const storedSize = (directory: string, paddingBlock: number): Promise<number> => {
  const blobs = counting()
  const context = TraversalContext.vaultRoot({ leaf: key, node: key, recovery: key, paddingBlock })
  const pipeline = Pipeline.make({ primitives, blobs, context, cache: NodeCache.make() })
  return Scan.scan(pipeline, {
    path: directory,
    folder: "tree",
    selection: Backup.defaultSelection,
    metadata: "full"
  }).pipe(
    Effect.as(blobs),
    Effect.map((counted) => counted.total()),
    Effect.provide(
      Layer.mergeAll(LocalTreeNode.layer, SealerInline.layer, Progress.layerSilent).pipe(
        Layer.provide(Layer.effect(Crypto.Crypto, CryptoAuto.make()))
      )
    ),
    Effect.runPromise
  )
}
