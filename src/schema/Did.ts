/**
 * Names of people: the cold master key as text (docs/format/core.md §11.1).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import * as Multibase from "./Multibase.ts"
import * as PublicKey from "./PublicKey.ts"

const prefix = "did:s5:"
/** The multicodec of an Ed25519 public key. */
const codec = Uint8Array.of(0xed, 0x01)

/** `did:s5:b…`, the name of a cold public key. @since 0.1.0 @category conversions */
export const toText = (cold: PublicKey.PublicKey): string =>
  prefix + Multibase.encode("base32", Bytes.concat(codec, cold))

/** `z6Mk…`, the same key as other DID methods write it. @since 0.1.0 @category conversions */
export const toMultikey = (cold: PublicKey.PublicKey): string =>
  Multibase.encode("base58btc", Bytes.concat(codec, cold))

/** The cold public key of a DID in any encoding that {@link Multibase.decode} reads. @since 0.1.0 @category conversions */
export const fromText = (text: string): Either.Either<PublicKey.PublicKey, FormatError> => {
  const fail = (at: string, problem: string) => Either.left(new FormatError({ format: "DID", at, problem }))
  if (!text.startsWith(prefix)) return fail("character 0", `it does not begin with ${prefix}`)
  const decoded = Multibase.decode(text.slice(prefix.length))
  if (Either.isLeft(decoded)) return fail(`after ${prefix}, ${decoded.left.at}`, decoded.left.problem)
  const bytes = decoded.right
  if (!Bytes.equals(bytes.subarray(0, codec.length), codec)) {
    return fail("key", "it is not marked ed 01, an Ed25519 public key")
  }
  const key = new Uint8Array(bytes.subarray(codec.length))
  return PublicKey.is(key)
    ? Either.right(key)
    : fail("key", `expected ${PublicKey.length} bytes of key, got ${key.length}`)
}
