import { existsSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as SealerWorkers from "../../src/layers/SealerWorkers.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import { Sealer, type StoredLeaf } from "../../src/services/Sealer.ts"
import * as Built from "../e2e/cairn.ts"
import { noise } from "../e2e/cairn.ts"

const script = pathToFileURL(`${Built.repository}/dist/internal/sealerWorker.js`)
const crypto = await Effect.runPromise(CryptoAuto.make())
const inline = SealerInline.make(crypto.primitives)
const provide = (options: SealerWorkers.Options) =>
  Effect.provide(SealerWorkers.layer(options).pipe(Layer.provide(Layer.succeed(Crypto.Crypto, crypto))))

const key = (byte: number) => new Uint8Array(32).fill(byte)
const vault = TraversalContext.vaultRoot({ leaf: key(1), node: key(2), recovery: key(3) })

/** Chunks that compress, that do not, that are empty, and that share a buffer. */
const chunksOf = (seed: number): ReadonlyArray<Uint8Array> => {
  const shared = new Uint8Array(30_000)
  shared.set(noise(seed, 20_000))
  return [
    shared.subarray(0, 7_001),
    shared.subarray(7_001, 20_000),
    shared.subarray(20_000),
    Bytes.fromUtf8(`text ${seed} `.repeat(500)),
    new Uint8Array(0),
    Uint8Array.of(seed)
  ]
}

const plainly = (
  sealed: ReadonlyArray<{ readonly entry: unknown; readonly hash: Hash.Hash; readonly stored: Uint8Array }>
) => sealed.map(({ entry, hash, stored }) => ({ entry, hash: Hash.toHex(hash), stored: Bytes.toHex(stored) }))

describe("sealing on worker threads", () => {
  beforeAll(() => {
    if (!existsSync(script)) Built.build()
  })

  it.live("gives the leaves that sealing on the calling thread gives, for every context and many at once", () =>
    Effect.gen(function* () {
      const sealer = yield* Sealer
      const contexts = [vault, TraversalContext.plain, TraversalContext.merge(vault, { leaf: { paddingBlock: 1 } })]
      // the threads are started by the first call, and help once they are there
      for (let round = 0; round < 20; round++) {
        yield* Effect.forEach(
          contexts,
          (context, at) =>
            Effect.gen(function* () {
              const seed = round * 10 + at
              // every other batch with the hashes of its chunks, which say nothing new
              const hashes =
                round % 2 === 0 ? undefined : chunksOf(seed).map((chunk) => crypto.primitives.blake3(chunk))
              const sealed = yield* sealer.seal(context, chunksOf(seed), hashes)
              assert.deepStrictEqual(plainly(sealed), plainly(yield* inline.seal(context, chunksOf(seed))))
            }),
          { concurrency: "unbounded" }
        )
        yield* Effect.yieldNow()
      }
      // it has moved: the work was done elsewhere
      const moved = yield* Effect.iterate(chunksOf(1), {
        while: (chunks) => chunks[0]!.length > 0,
        body: () => {
          const chunks = chunksOf(1)
          return Effect.as(
            Effect.zipRight(
              sealer.seal(vault, chunks),
              Effect.promise(() => new Promise(setImmediate))
            ),
            chunks
          )
        }
      }).pipe(Effect.timeout("20 seconds"))
      assert.strictEqual(moved[0]!.length, 0)
    }).pipe(provide({ workers: 2, inlineBytes: 0, script }))
  )

  it.live("opens what it sealed as the calling thread does; a leaf that is not what the tree says is nothing", () =>
    Effect.gen(function* () {
      const sealer = yield* Sealer
      let elsewhere = false
      for (let round = 0; round < 200 && !elsewhere; round++) {
        const sealed = yield* inline.seal(vault, chunksOf(round))
        const leaves = (): ReadonlyArray<StoredLeaf> =>
          sealed.map(({ entry, stored }, at) => {
            const bytes = stored.slice()
            if (at === 1) bytes[7]! ^= 1
            return {
              content: at === 2 ? { ...entry.content, size: entry.content.size + 1n } : entry.content,
              isSkipped: entry.childContext !== undefined,
              stored: bytes
            }
          })
        const given = leaves()
        const opened = yield* sealer.unseal(vault, given)
        elsewhere = given[0]!.stored.length === 0
        const plain = chunksOf(round)
        for (const [at, leaf] of opened.entries()) {
          if (at === 1 || at === 2) assert.isUndefined(leaf)
          else assert.deepStrictEqual([leaf?.length, leaf?.bytes], [plain[at]!.length, plain[at]])
        }
        assert.deepStrictEqual(
          (yield* sealer.unseal(vault, leaves(), { verifyOnly: true })).map((leaf) => [leaf?.length, leaf?.bytes]),
          (yield* inline.unseal(vault, leaves(), { verifyOnly: true })).map((leaf) => [leaf?.length, leaf?.bytes])
        )
        yield* Effect.promise(() => new Promise((done) => setTimeout(done, 20)))
      }
      assert.isTrue(elsewhere, "the work was never done on another thread")
    }).pipe(provide({ workers: 2, inlineBytes: 0, script }))
  )

  it.live("a missing key is the same error as on the calling thread", () =>
    Effect.gen(function* () {
      const sealer = yield* Sealer
      const locked = { ...vault, keys: new Map<number, Uint8Array>() }
      const expected = yield* Effect.flip(inline.seal(locked, chunksOf(1)))
      for (let round = 0; round < 20; round++) {
        const error = yield* Effect.flip(sealer.seal(locked, chunksOf(1)))
        assert.deepStrictEqual([error.reason, error.message], [expected.reason, expected.message])
        yield* Effect.promise(() => new Promise(setImmediate))
      }
    }).pipe(provide({ workers: 2, inlineBytes: 0, script }))
  )

  it.live("where no thread can be started everything is sealed on the calling one", () =>
    Effect.gen(function* () {
      const sealer = yield* Sealer
      for (let round = 0; round < 20; round++) {
        const sealed = yield* Effect.either(sealer.seal(vault, chunksOf(round)))
        assert.isTrue(Either.isRight(sealed))
        yield* Effect.promise(() => new Promise(setImmediate))
      }
    }).pipe(provide({ workers: 2, inlineBytes: 0, script: new URL("./there-is-none.js", script) }))
  )
})
