/**
 * Entries under a plain Ed25519 key, tag `01`, as the reference's M3 state wrote them (docs/format/core.md §21).
 *
 * They have no vault id and no domain tag; `RegistryEntry.parse` refuses them.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"
import * as Multihash from "./Multihash.ts"
import type { Primitives } from "./Primitives.ts"
import * as PublicKey from "./PublicKey.ts"

/** A message of the old kind whose signature nobody has looked at. @since 0.1.0 @category models */
export interface Unverified {
  readonly publicKey: PublicKey.PublicKey
  readonly revision: bigint
  readonly hash: Hash.Hash
  /** 64 bytes. */
  readonly signature: Uint8Array
  /** Not covered by the signature, only by `hash`. */
  readonly data?: Uint8Array
}

let construct: (message: Unverified) => LegacyEntry

/** A verified message of the old kind; only {@link verify} and {@link sign} give one. @since 0.1.0 @category models */
export class LegacyEntry implements Unverified {
  static {
    construct = (message) => new LegacyEntry(message)
  }

  readonly #verified = true
  readonly publicKey: PublicKey.PublicKey
  readonly revision: bigint
  readonly hash: Hash.Hash
  readonly signature: Uint8Array
  readonly data?: Uint8Array

  private constructor(message: Unverified) {
    this.publicKey = PublicKey.unsafeFromBytes(new Uint8Array(message.publicKey))
    this.revision = message.revision
    this.hash = Hash.unsafeFromBytes(new Uint8Array(message.hash))
    this.signature = new Uint8Array(message.signature)
    if (message.data !== undefined && message.data.length > 0) this.data = new Uint8Array(message.data)
  }

  /** Whether `value` is an entry, rather than something that looks like one. */
  static is(value: unknown): value is LegacyEntry {
    return typeof value === "object" && value !== null && #verified in value
  }
}

/** Message type and key tag, as sent and as signed. */
const head = Uint8Array.of(0x5c, 0x01)
const signatureStart = 74
const dataStart = 138
const maxData = 1024

const fail = (at: string, problem: string) =>
  Either.left(new FormatError({ format: "legacy registry entry", at, problem }))

/** `01` and the public key: 33 bytes. @since 0.1.0 @category conversions */
export const toStorageKey = (publicKey: PublicKey.PublicKey): Uint8Array => Bytes.concat(head.subarray(1), publicKey)

/** Reads a message without looking at its signature; the result owns its bytes. @since 0.1.0 @category conversions */
export const parse = (input: Uint8Array): Either.Either<Unverified, FormatError> => {
  const bytes = new Uint8Array(input)
  if (bytes.length < dataStart) {
    return fail(`byte ${bytes.length}`, `it ends early: expected at least ${dataStart} bytes, got ${bytes.length}`)
  }
  if (!Bytes.equals(bytes.subarray(0, 2), head)) return fail("byte 0", "it does not begin with 5c 01")
  const revision = new DataView(bytes.buffer).getBigUint64(34)
  const data = bytes.subarray(dataStart)
  if (data.length > maxData) return fail("data", `at most ${maxData} bytes of inline data, got ${data.length}`)
  return Either.zipWith(
    PublicKey.fromBytes(bytes.subarray(2, 34)),
    Hash.fromBytes(bytes.subarray(42, signatureStart)),
    (publicKey, hash) => ({
      publicKey,
      revision,
      hash,
      signature: bytes.subarray(signatureStart, dataStart),
      ...(data.length === 0 ? {} : { data })
    })
  )
}

const signingInput = (publicKey: PublicKey.PublicKey, revision: bigint, hash: Hash.Hash): Uint8Array =>
  Bytes.concat(head, publicKey, Bytes.fromU64BE(revision), Multihash.toBytes(hash))

/**
 * The entry that a message is, if its signature holds in the strict sense of docs/format/core.md §7.5 and its data, if
 * there is any, hashes to its hash: nothing else vouches for that data.
 *
 * @since 0.1.0
 * @category constructors
 */
export const verify = (primitives: Primitives, message: Unverified): Either.Either<LegacyEntry, FormatError> => {
  if (message.revision < 0n || message.revision > Bytes.maxU64) return fail("revision", "it does not fit 64 bits")
  const entry = construct(message)
  if (entry.data !== undefined) {
    if (entry.data.length > maxData)
      return fail("data", `at most ${maxData} bytes of inline data, got ${entry.data.length}`)
    if (!Bytes.equals(primitives.blake3(entry.data), entry.hash))
      return fail("data", "it does not hash to the entry's hash")
  }
  const input = signingInput(entry.publicKey, entry.revision, entry.hash)
  return entry.signature.length === 64 && primitives.ed25519Verify(entry.publicKey, input, entry.signature)
    ? Either.right(entry)
    : fail("signature", "it is not the key's signature of this message")
}

/** Signs `hash` at `revision` (0 to 2^64 − 1) with the Ed25519 key of `seed`. @since 0.1.0 @category constructors */
export const sign = (
  primitives: Primitives,
  seed: Uint8Array,
  content: { readonly revision: bigint; readonly hash: Hash.Hash }
): Either.Either<LegacyEntry, FormatError> => {
  const { revision, hash } = content
  if (revision < 0n || revision > Bytes.maxU64) return fail("revision", "it does not fit 64 bits")
  const publicKey = PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(seed))
  const signature = primitives.ed25519Sign(seed, signingInput(publicKey, revision, hash))
  return Either.right(construct({ publicKey, revision, hash, signature }))
}

/** The message as it was stored: signature before the data. @since 0.1.0 @category conversions */
export const toBytes = (entry: LegacyEntry): Uint8Array =>
  Bytes.concat(
    head,
    entry.publicKey,
    Bytes.fromU64BE(entry.revision),
    entry.hash,
    entry.signature,
    entry.data ?? new Uint8Array()
  )
