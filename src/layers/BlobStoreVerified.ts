/**
 * A blob store whose bytes are hashed again on the way in and out, for stores that do not do it (docs/format/core.md §15.2).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { Primitives } from "../schema/Primitives.ts"
import { BlobStore, BlobStoreError, type Service } from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"

/** `inner`, where bytes that do not hash to their name are `Damaged`: neither given out nor kept. @since 0.1.0 @category combinators */
export const verified = (inner: Service, primitives: Primitives): Service => {
  const check = (hash: Hash.Hash, bytes: Uint8Array, detail: string) =>
    Bytes.equals(primitives.blake3(bytes), hash)
      ? Effect.succeed(bytes)
      : new BlobStoreError({ reason: "Damaged", store: inner.name, blob: Hash.toHex(hash), detail })
  const checked =
    (write: Service["put"]): Service["put"] =>
    (hash, bytes) =>
      Effect.zipRight(
        Effect.suspend(() => check(hash, bytes, "the bytes to be stored are not this blob's; nothing was stored")),
        write(hash, bytes)
      )
  return {
    ...inner,
    get: (hash) =>
      Effect.flatMap(inner.get(hash), (bytes) =>
        check(hash, bytes, `its ${bytes.length} bytes are not the ones that were stored; restore it from another copy`)
      ),
    put: checked(inner.put),
    ...(inner.replace !== undefined && { replace: checked(inner.replace) })
  }
}

/** Verifies over the blob store of the environment. @since 0.1.0 @category layers */
export const layer: Layer.Layer<BlobStore, never, BlobStore | Crypto> = Layer.effect(
  BlobStore,
  Effect.gen(function* () {
    const inner = yield* BlobStore
    const { primitives } = yield* Crypto
    return verified(inner, primitives)
  })
)
