/**
 * Sealing on the calling thread.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as BlobCodec from "../fs5/BlobCodec.ts"
import type { Primitives } from "../schema/Primitives.ts"
import { Crypto } from "../services/Crypto.ts"
import { SealError, Sealer, type Service } from "../services/Sealer.ts"
import { reasonOf } from "./internal/sealerProtocol.ts"
import * as Unsealing from "./internal/unsealing.ts"

/** @since 0.1.0 @category constructors */
export const make = (primitives: Primitives): Service => ({
  seal: (context, chunks, hashes) =>
    Effect.suspend(() =>
      Either.mapLeft(
        Either.all(chunks.map((chunk, at) => BlobCodec.encodeLeaf(primitives, context, chunk, hashes?.[at]))),
        (error) => new SealError({ reason: reasonOf(error), detail: error.message })
      )
    ),
  unseal: (context, leaves, options) =>
    Effect.sync(() => {
      const opened = Unsealing.open(primitives, context)
      return leaves.map((leaf) => {
        const bytes = opened(leaf)
        return bytes && { length: bytes.length, bytes: options?.verifyOnly === true ? undefined : bytes }
      })
    })
})

/** @since 0.1.0 @category layers */
export const layer: Layer.Layer<Sealer, never, Crypto> = Layer.effect(
  Sealer,
  Effect.map(Crypto, ({ primitives }) => make(primitives))
)
