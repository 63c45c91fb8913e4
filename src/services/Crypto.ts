/**
 * The cryptographic functions of this machine, and its randomness.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Primitives } from "../schema/Primitives.ts"

/** Which library computes what, and why a native one does not. @since 0.1.0 @category models */
export interface Implementation {
  readonly blake3: string
  readonly ed25519: string
  readonly chacha20: string
  readonly zstd: string
  /** One sentence for each native library that was not used. */
  readonly notes: ReadonlyArray<string>
}

/** @since 0.1.0 @category services */
export class Crypto extends Context.Tag("cairn/Crypto")<
  Crypto,
  {
    /** Synchronous and stateless towards the caller; made for use inside pure code. */
    readonly primitives: Primitives
    /** `length` unpredictable bytes, fit for keys. */
    readonly randomBytes: (length: number) => Effect.Effect<Uint8Array>
    readonly implementation: Implementation
  }
>() {}

/** A library that this layer needs is not installed, does not load or gives wrong answers. @since 0.1.0 @category errors */
export class CryptoUnavailable extends Schema.TaggedError<CryptoUnavailable>()("CryptoUnavailable", {
  primitive: Schema.Literal("blake3", "ed25519", "chacha20", "zstd", "all"),
  library: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    const what = this.primitive === "all" ? "cryptography" : this.primitive
    return `${what}: ${this.library} cannot be used here (${this.problem}); reinstall it with install scripts allowed, or set CAIRN_CRYPTO=portable`
  }
}

/** Some of the primitives, as one library gives them. @since 0.1.0 @category models */
export interface Part<K extends keyof Primitives> {
  readonly library: string
  readonly functions: Pick<Primitives, K>
}

/** Everything a `Crypto` is made of, each part loaded on its own. @since 0.1.0 @category models */
export interface Parts {
  readonly blake3: Effect.Effect<Part<"blake3" | "hasher" | "deriveKey">, CryptoUnavailable>
  readonly ed25519: Effect.Effect<Part<"ed25519PublicKey" | "ed25519Sign" | "ed25519Verify">, CryptoUnavailable>
  readonly chacha20: Effect.Effect<Part<"chacha20" | "chacha20Into">, CryptoUnavailable>
  readonly zstd: Effect.Effect<
    Part<"zstdCompress" | "zstdCompressOnce" | "zstdDecompress" | "zstdDecompressOnce">,
    CryptoUnavailable
  >
  readonly randomBytes: (length: number) => Effect.Effect<Uint8Array>
}

/** Loads every part; the first that cannot be loaded is the error. @since 0.1.0 @category constructors */
export const fromParts = Effect.fnUntraced(function* (parts: Parts, notes: ReadonlyArray<string> = []) {
  const blake3 = yield* parts.blake3
  const ed25519 = yield* parts.ed25519
  const chacha20 = yield* parts.chacha20
  const zstd = yield* parts.zstd
  return Crypto.of({
    primitives: { ...blake3.functions, ...ed25519.functions, ...chacha20.functions, ...zstd.functions },
    randomBytes: parts.randomBytes,
    implementation: {
      blake3: blake3.library,
      ed25519: ed25519.library,
      chacha20: chacha20.library,
      zstd: zstd.library,
      notes
    }
  })
})

/**
 * `native`, each part replaced by that of `portable` where it is unavailable; the notes say why.
 *
 * @since 0.1.0
 * @category combinators
 */
export const fallingBack = (native: Parts, portable: Parts) =>
  Effect.suspend(() => {
    const notes: Array<string> = []
    const either = <A>(first: Effect.Effect<A, CryptoUnavailable>, second: Effect.Effect<A, CryptoUnavailable>) =>
      Effect.catchTag(first, "CryptoUnavailable", (error) => {
        // nothing is lost: both give the same bytes, and the note is shown by `implementation`
        notes.push(error.message)
        return second
      })
    return fromParts(
      {
        blake3: either(native.blake3, portable.blake3),
        ed25519: either(native.ed25519, portable.ed25519),
        chacha20: either(native.chacha20, portable.chacha20),
        zstd: either(native.zstd, portable.zstd),
        randomBytes: native.randomBytes
      },
      notes
    )
  })
