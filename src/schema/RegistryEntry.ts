/**
 * Registry entries: verified messages that point from a stream key to a hash (docs/format/core.md §7 and §8).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as order from "effect/Order"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"
import * as Multihash from "./Multihash.ts"
import type { Primitives } from "./Primitives.ts"
import * as PublicKey from "./PublicKey.ts"
import * as StreamKey from "./StreamKey.ts"
import type { VaultId } from "./VaultId.ts"

/** `registry` keeps only the newest message, `stream` is an append-only log. @since 0.1.0 @category models */
export type MessageType = "stream" | "registry"

/** What every message says. @since 0.1.0 @category models */
export interface Message {
  readonly type: MessageType
  readonly key: StreamKey.StreamKey
  /** 0 to 2^64 − 1. */
  readonly revision: bigint
  readonly hash: Hash.Hash
  /** Inline data, absent rather than empty: at most 222 bytes for vaults, 1024 for local keys, 1 MiB for pins. */
  readonly data?: Uint8Array
}

/** A message whose signature nobody has looked at. @since 0.1.0 @category models */
export interface Unverified extends Message {
  /** 64 bytes for vaults, empty for other keys. */
  readonly signature: Uint8Array
}

let construct: (message: Unverified) => RegistryEntry

/**
 * A message that is well-formed and, for vaults, whose signature holds. Only {@link verify}, {@link sign} and
 * {@link make} give one; it owns its bytes.
 *
 * @since 0.1.0
 * @category models
 */
export class RegistryEntry implements Unverified {
  static {
    construct = (message) => new RegistryEntry(message)
  }

  readonly #verified = true
  readonly type: MessageType
  readonly key: StreamKey.StreamKey
  readonly revision: bigint
  readonly hash: Hash.Hash
  readonly signature: Uint8Array
  readonly data?: Uint8Array

  private constructor(message: Unverified) {
    this.type = message.type
    this.key = Either.getOrThrow(StreamKey.fromStorageKey(StreamKey.toStorageKey(message.key)))
    this.revision = message.revision
    this.hash = Hash.unsafeFromBytes(new Uint8Array(message.hash))
    this.signature = new Uint8Array(message.signature)
    if (message.data !== undefined && message.data.length > 0) this.data = new Uint8Array(message.data)
  }

  /** Whether `value` is an entry, rather than something that looks like one. */
  static is(value: unknown): value is RegistryEntry {
    return typeof value === "object" && value !== null && #verified in value
  }
}

/** The first byte of a message. @since 0.1.0 @category constants */
export const typeByte = { stream: 0x00, registry: 0x5c } as const

/** The most inline data per kind of key, in bytes. @since 0.1.0 @category constants */
export const maxData = { Vault: 222, Local: 1024, Blake3HashPin: 1_048_576 } as const

const signatureLength = 64
const domain = Bytes.fromUtf8("s5-reg-v3:")

const invalid = (at: string, problem: string) => new FormatError({ format: "registry entry", at, problem })
const fail = (at: string, problem: string) => Either.left(invalid(at, problem))
const hexByte = (value: number) => value.toString(16).padStart(2, "0")

/** What is wrong with a message apart from its signature, in the order of docs/format/core.md §7.2. */
const fault = (message: Unverified): FormatError | undefined => {
  const kind = message.key._tag
  const dataLength = message.data?.length ?? 0
  const expected = kind === "Vault" ? signatureLength : 0
  if (kind === "Vault" && message.type !== "registry") {
    // the signature does not cover the type, so this may be a replay of a registry message that is always stored
    return invalid("type", "a vault's message must be a registry message")
  }
  if (kind === "Vault" && message.signature.length === 0) return invalid("signature", "a vault's entry must be signed")
  if (message.signature.length !== expected) {
    return invalid("signature", `expected ${expected} bytes, got ${message.signature.length}`)
  }
  if (message.key._tag === "Local" && Either.isLeft(StreamKey.local(message.key.id))) {
    return invalid("key", `expected 32 bytes of id, got ${message.key.id.length}`)
  }
  if (dataLength > maxData[kind]) {
    return invalid("data", `at most ${maxData[kind]} bytes of inline data with this key, got ${dataLength}`)
  }
  if (message.revision < 0n || message.revision > Bytes.maxU64) {
    return invalid("revision", `${message.revision} is not in 0..${Bytes.maxU64}`)
  }
  return undefined
}

const checked = <M extends Unverified>(message: M): Either.Either<M, FormatError> => {
  const problem = fault(message)
  return problem === undefined ? Either.right(message) : Either.left(problem)
}

const withData = (message: Unverified, data: Uint8Array): Unverified =>
  data.length === 0 ? message : { ...message, data }

/**
 * Reads a message without looking at its signature. The result owns its bytes.
 *
 * Stricter than the reference in two things (docs/format/core.md §22): bytes after a vault's signature are refused, and
 * so is a vault's message of type `stream`, which could be a replayed registry message.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parse = (input: Uint8Array): Either.Either<Unverified, FormatError> => {
  const bytes = new Uint8Array(input)
  const [first, keyTag] = bytes
  if (first === undefined || keyTag === undefined) return tooShort(bytes, 2)
  if (first !== typeByte.registry && first !== typeByte.stream) {
    return fail("byte 0", `unknown message type ${hexByte(first)}`)
  }
  const type = first === typeByte.registry ? "registry" : "stream"
  return keyTag === StreamKey.tag.Vault ? parseVault(bytes, type) : parseUnsigned(bytes, type)
}

const tooShort = (bytes: Uint8Array, expected: number) =>
  fail(`byte ${bytes.length}`, `it ends early: expected at least ${expected} bytes, got ${bytes.length}`)

const u64 = (bytes: Uint8Array, at: number) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(at)

const parseVault = (bytes: Uint8Array, type: MessageType): Either.Either<Unverified, FormatError> => {
  const payload = 59
  const payloadLength = bytes[payload - 1]
  if (payloadLength === undefined) return tooShort(bytes, payload)
  const end = payload + payloadLength + signatureLength
  if (bytes.length < end) return tooShort(bytes, end)
  if (payloadLength < Multihash.length) {
    return fail("byte 58", `it ends early: a payload of ${payloadLength} bytes is too short for tag and hash`)
  }
  if (bytes[payload] !== Multihash.blake3Tag) {
    return fail(`byte ${payload}`, `unknown multihash tag ${hexByte(bytes[payload] ?? 0)}`)
  }
  if (bytes.length > end) return fail(`byte ${end}`, `${bytes.length - end} bytes follow the signature`)
  const dataStart = payload + Multihash.length
  return Either.zipWith(
    StreamKey.fromStorageKey(bytes.subarray(1, 50)),
    Hash.fromBytes(bytes.subarray(payload + 1, dataStart)),
    (key, hash) => {
      const signature = bytes.subarray(end - signatureLength)
      const message = { type, key, revision: u64(bytes, 50), hash, signature }
      return withData(message, bytes.subarray(dataStart, end - signatureLength))
    }
  ).pipe(Either.flatMap(checked))
}

const parseUnsigned = (bytes: Uint8Array, type: MessageType): Either.Either<Unverified, FormatError> => {
  const dataStart = 74
  if (bytes.length < dataStart) return tooShort(bytes, dataStart)
  return Either.zipWith(
    Either.mapLeft(StreamKey.fromStorageKey(bytes.subarray(1, 34)), (e) => invalid("byte 1", e.problem)),
    Hash.fromBytes(bytes.subarray(42, dataStart)),
    (key, hash) => {
      const message = { type, key, revision: u64(bytes, 34), hash, signature: new Uint8Array() }
      return withData(message, bytes.subarray(dataStart))
    }
  ).pipe(Either.flatMap(checked))
}

/** What a vault's signature covers; type, key tag and length byte are not part of it (docs/format/core.md §7.5). */
const signingInput = (key: StreamKey.Vault, revision: bigint, hash: Hash.Hash, data?: Uint8Array): Uint8Array =>
  Bytes.concat(
    domain,
    key.publicKey,
    key.vaultId,
    Bytes.fromU64BE(revision),
    Multihash.toBytes(hash),
    data ?? new Uint8Array()
  )

/**
 * The entry that a message is, if it is well-formed and its signature holds in the strict sense of
 * docs/format/core.md §7.5. Unsigned keys only need to be well-formed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const verify = (primitives: Primitives, message: Unverified): Either.Either<RegistryEntry, FormatError> => {
  const problem = fault(message)
  if (problem !== undefined) return Either.left(problem)
  // copied first, so that what was verified is what is kept
  const entry = construct(message)
  const { key } = entry
  return key._tag !== "Vault" ||
    primitives.ed25519Verify(key.publicKey, signingInput(key, entry.revision, entry.hash, entry.data), entry.signature)
    ? Either.right(entry)
    : fail("signature", "it is not the key's signature of this message")
}

/** Both steps: {@link parse}, then {@link verify}. @since 0.1.0 @category conversions */
export const fromBytes = (primitives: Primitives, bytes: Uint8Array): Either.Either<RegistryEntry, FormatError> =>
  Either.flatMap(parse(bytes), (message) => verify(primitives, message))

/**
 * Signs a vault's entry with the Ed25519 key of `seed` (32 bytes). Fails only if the revision is outside 0..2^64 − 1 or
 * there are more than 222 bytes of data.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sign = (
  primitives: Primitives,
  seed: Uint8Array,
  content: {
    readonly vaultId: VaultId
    readonly revision: bigint
    readonly hash: Hash.Hash
    readonly data?: Uint8Array
  }
): Either.Either<RegistryEntry, FormatError> => {
  const key = StreamKey.vault(PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(seed)), content.vaultId)
  const { revision, hash, data } = content
  const unsigned: Unverified = {
    type: "registry",
    key,
    revision,
    hash,
    signature: new Uint8Array(signatureLength),
    ...(data === undefined ? {} : { data })
  }
  const problem = fault(unsigned)
  if (problem !== undefined) return Either.left(problem)
  const signature = primitives.ed25519Sign(seed, signingInput(key, revision, hash, data))
  return Either.right(construct({ ...unsigned, signature }))
}

/** An entry under a key that needs no signature. Fails on a revision or data out of range. @since 0.1.0 @category constructors */
export const make = (
  message: Message & { readonly key: StreamKey.Local | StreamKey.Blake3HashPin }
): Either.Either<RegistryEntry, FormatError> =>
  Either.map(checked({ ...message, signature: new Uint8Array() }), construct)

/** The message as it is sent and stored (docs/format/core.md §7.3 and §7.4). @since 0.1.0 @category conversions */
export const toBytes = (entry: RegistryEntry): Uint8Array => {
  const data = entry.data ?? new Uint8Array()
  const head = [Uint8Array.of(typeByte[entry.type]), StreamKey.toStorageKey(entry.key), Bytes.fromU64BE(entry.revision)]
  return entry.key._tag === "Vault"
    ? Bytes.concat(
        ...head,
        Uint8Array.of(Multihash.length + data.length),
        Multihash.toBytes(entry.hash),
        data,
        entry.signature
      )
    : Bytes.concat(...head, entry.hash, data)
}

/** Whether two entries are the same bytes. @since 0.1.0 @category comparing */
export const equals = (a: RegistryEntry, b: RegistryEntry): boolean => Bytes.equals(toBytes(a), toBytes(b))

/**
 * The canonical order of docs/format/core.md §8, for choosing between replicas: the higher revision is greater, at one
 * revision the smaller hash is. Entries that compare as 0 may still differ; see {@link equals}.
 *
 * @since 0.1.0
 * @category comparing
 */
export const Order: order.Order<Message> = (a, b) =>
  a.revision === b.revision ? Bytes.compare(b.hash, a.hash) : a.revision < b.revision ? -1 : 1

/**
 * The reference's write rule (docs/format/core.md §8): a `stream` message is always stored, a `registry` message if
 * nothing is there, its revision is higher, or both revision and hash are those already there. Not the same as being
 * greater in {@link Order}: a smaller hash at the same revision is not stored.
 *
 * @since 0.1.0
 * @category comparing
 */
export const shouldStore = (incoming: Message, existing: Message | undefined): boolean =>
  incoming.type === "stream" ||
  existing === undefined ||
  incoming.revision > existing.revision ||
  (incoming.revision === existing.revision && Bytes.equals(incoming.hash, existing.hash))

/**
 * Whether the inline data is there and hashes to `hash`. Entries may legally be otherwise; readers of pin sets and cold
 * pointers must ask (docs/format/core.md §22).
 *
 * @since 0.1.0
 * @category guards
 */
export const dataMatchesHash = (primitives: Primitives, message: Message): boolean =>
  message.data !== undefined && Bytes.equals(primitives.blake3(message.data), message.hash)
