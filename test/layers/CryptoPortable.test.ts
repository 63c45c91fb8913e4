import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as CryptoPortable from "../../src/layers/CryptoPortable.ts"
import * as Bytes from "../../src/schema/Bytes.ts"

describe("the portable layer", () => {
  // in a file of its own: what is shared by the process is made for the first time here
  it.effect("made four times at once reads and writes in all of them", () =>
    Effect.gen(function* () {
      const made = yield* Effect.all(
        [1, 2, 3, 4].map(() => CryptoPortable.make),
        { concurrency: "unbounded" }
      )
      const text = Bytes.fromUtf8("the same bytes come back. ".repeat(40))
      for (const { primitives } of made) {
        const back = primitives.zstdDecompress(primitives.zstdCompress(1, text), text.length)
        assert.deepStrictEqual(Either.getOrThrow(back), text)
      }
    })
  )

  it.effect("reads right bytes where another copy of it has been at work in the process", () =>
    Effect.gen(function* () {
      yield* CryptoPortable.make
      vi.resetModules()
      const copy = yield* Effect.promise(() => import("../../src/layers/CryptoPortable.ts"))
      assert.notStrictEqual(copy.make, CryptoPortable.make)
      const text = Bytes.fromUtf8("the same bytes come back. ".repeat(40))
      const back = Effect.map(copy.make, ({ primitives }) =>
        primitives.zstdDecompress(primitives.zstdCompress(1, text), text.length)
      )
      assert.deepStrictEqual(Either.getOrThrow(yield* back), text)
      // an instance that a second initialisation makes takes over some time later
      yield* Effect.promise(() => new Promise(setImmediate))
      assert.deepStrictEqual(Either.getOrThrow(yield* back), text)
    })
  )
})
