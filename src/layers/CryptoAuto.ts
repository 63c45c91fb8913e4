/**
 * Native cryptography where it loads, portable where it does not; both give the same bytes.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Crypto, CryptoUnavailable, fallingBack, fromParts } from "../services/Crypto.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** "portable" leaves native libraries alone; "auto", the default, falls back primitive by primitive. */
  readonly implementation?: "auto" | "portable"
}

// modules of our own, loaded only when wanted: each draws in its libraries, and node:crypto is not everywhere
const load = <A>(library: string, module: () => Promise<A>) =>
  Effect.tryPromise({
    try: module,
    catch: (cause) =>
      new CryptoUnavailable({
        primitive: "all",
        library,
        problem: cause instanceof Error ? cause.message : String(cause)
      })
  })
const loadNative = load("the native layer", () => import("./CryptoNative.ts"))
const loadPortable = load("the portable layer", () => import("./CryptoPortable.ts"))

/** The best there is here; `implementation.notes` says what was not used and why. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  if (options.implementation === "portable") {
    const { parts } = yield* loadPortable
    return yield* fromParts(parts, ["native libraries were not tried, as asked for by CAIRN_CRYPTO=portable"])
  }
  // loaded only once one of its parts is asked for
  const portable = {
    blake3: Effect.flatMap(loadPortable, ({ parts }) => parts.blake3),
    ed25519: Effect.flatMap(loadPortable, ({ parts }) => parts.ed25519),
    chacha20: Effect.flatMap(loadPortable, ({ parts }) => parts.chacha20),
    zstd: Effect.flatMap(loadPortable, ({ parts }) => parts.zstd),
    randomBytes: (length: number) =>
      Effect.orDie(Effect.flatMap(loadPortable, ({ parts }) => parts.randomBytes(length)))
  }
  return yield* loadNative.pipe(
    Effect.map(({ parts }) => fallingBack(parts, portable)),
    // nothing is lost: the note says that and why everything is portable
    Effect.catchTag("CryptoUnavailable", (error) => Effect.succeed(fromParts(portable, [error.message]))),
    Effect.flatten
  )
})

/** @since 0.1.0 @category layers */
export const layer = (options: Options = {}): Layer.Layer<Crypto, CryptoUnavailable> =>
  Layer.effect(Crypto, make(options))

/** As `CAIRN_CRYPTO` says ("auto" or "portable"; "auto" when unset). @since 0.1.0 @category layers */
export const layerConfig: Layer.Layer<Crypto, CryptoUnavailable | ConfigError> = Layer.effect(
  Crypto,
  Config.literal(
    "auto",
    "portable"
  )("CAIRN_CRYPTO").pipe(
    Config.withDefault("auto"),
    Effect.flatMap((implementation) => make({ implementation }))
  )
)
