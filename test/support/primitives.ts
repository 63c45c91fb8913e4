/** The primitives that tests of pure code run with. */
import * as Effect from "effect/Effect"
import * as CryptoNative from "../../src/layers/CryptoNative.ts"
import * as CryptoPortable from "../../src/layers/CryptoPortable.ts"
import type { Primitives } from "../../src/schema/Primitives.ts"

/** JavaScript and WebAssembly. */
export const primitives: Primitives = (await Effect.runPromise(CryptoPortable.make)).primitives

/** Every implementation by name, where they could differ. */
export const implementations: ReadonlyArray<readonly [name: string, primitives: Primitives]> = [
  ["portable", primitives],
  ["native", (await Effect.runPromise(CryptoNative.make)).primitives]
]
