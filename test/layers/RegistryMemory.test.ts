import * as Effect from "effect/Effect"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import { suite } from "../conformance/Registry.ts"

suite(
  "memory",
  Effect.gen(function* () {
    const bytes = new Map<string, Uint8Array>()
    return {
      registry: yield* RegistryMemory.make({ bytes }),
      plant: (key, planted) => Effect.sync(() => bytes.set(StreamKey.toHex(key), planted)),
      raw: (key) => Effect.sync(() => bytes.get(StreamKey.toHex(key)))
    }
  })
)
