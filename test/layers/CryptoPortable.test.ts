import { assert, describe, it } from "@effect/vitest"
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
})
