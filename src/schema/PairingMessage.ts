/**
 * What two devices say to each other while one is let in: commitments, what was committed to, and the end of it.
 *
 * Each message has a slot of its own: a registry entry at revision 1 under a key and an id that are made of the code's
 * secret, so that nobody without the code can write, move, swap or repeat one. Both sides commit before either reveals; the
 * words that both show are made of all four messages, so that whoever has seen the code and stands in between cannot choose
 * them. What is handed over is sealed for a key that was revealed, and signed with one.
 *
 * @since 0.1.0
 */
import { wordlist } from "@scure/bip39/wordlists/english.js"
import type * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import * as Cbor from "./Cbor.ts"
import { cell } from "./CborReader.ts"
import * as DeviceCatalogue from "./DeviceCatalogue.ts"
import type { FormatError } from "./FormatError.ts"
import type { Primitives } from "./Primitives.ts"
import * as PublicKey from "./PublicKey.ts"
import type * as StreamKey from "./StreamKey.ts"
import * as VaultId from "./VaultId.ts"

/** @since 0.1.0 @category models */
export type Role = "inviter" | "joiner"

/** The place of a message in the exchange, for each role. @since 0.1.0 @category models */
export type Step = "commit" | "reveal" | "end"

/** The first message of each. @since 0.1.0 @category models */
export interface Commit {
  /** The hash of what the same side reveals. */
  readonly commitment: Uint8Array
}

/** What both sides reveal. @since 0.1.0 @category models */
interface Revealed {
  /** 32 random bytes. */
  readonly nonce: Uint8Array
  /** A key of this exchange alone: what is handed over is sealed for it. */
  readonly recipient: string
  /** A key of this exchange alone: what is handed over is signed with it. */
  readonly signer: PublicKey.PublicKey
  /** What the device calls itself. */
  readonly name: string
}

/** @since 0.1.0 @category models */
export interface InviterReveal extends Revealed {
  /** Whose device the other becomes. */
  readonly did: string
  /** What the inviter calls the store that both meet at. */
  readonly store: string
}

/** @since 0.1.0 @category models */
export interface JoinerReveal extends Revealed {
  /** The keys that are let in. */
  readonly device: DeviceCatalogue.DeviceKeys
}

/** The last message of each: sealed for the other side, and signed. @since 0.1.0 @category models */
export interface End {
  readonly sealed: Uint8Array
  readonly signature: Uint8Array
}

/** What the new device gets. @since 0.1.0 @category models */
export interface Grant {
  /** What the identity calls it. */
  readonly label: string
  /** The seed of the warm key. */
  readonly warmSeed: Uint8Array
  /** The cold key's entry that names the warm key, as it is stored. */
  readonly pointer: Uint8Array
  /** The age recipient of the recovery phrase. */
  readonly recovery: string
  /** Tokens of its own for relays, by the name of the store. */
  readonly tokens: ReadonlyMap<string, string>
}

const version = 1
const context = (what: string) => `cairn pairing v1 ${what}`

const versioned: Cbor.Codec<number> = {
  write: Cbor.u8.write,
  read: (reader) => {
    const start = reader.offset
    const read = Cbor.u8.read(reader)
    if (read !== version)
      throw reader.error(`version ${read}, expected ${version}: update Cairn on both devices`, start)
    return read
  }
}

const commitCodec: Cbor.Codec<Commit> = {
  write: (writer, { commitment }) =>
    writer.struct((field) => {
      field(0, version, versioned.write)
      field(1, commitment, Cbor.fixedBytes(32).write)
    }),
  read: (reader) => {
    const only = cell("version", versioned.read)
    const commitment = cell("commitment", Cbor.fixedBytes(32).read)
    reader.struct("Commit", [only, commitment])
    reader.required(only)
    return { commitment: reader.required(commitment) }
  }
}

const signer: Cbor.Codec<PublicKey.PublicKey> = {
  write: Cbor.fixedBytes(32).write,
  read: (reader) => PublicKey.unsafeFromBytes(reader.bytes(32))
}

const inviterCodec: Cbor.Codec<InviterReveal> = {
  write: (writer, value) =>
    writer.struct((field) => {
      field(0, value.nonce, Cbor.fixedBytes(32).write)
      field(1, value.recipient, Cbor.text.write)
      field(2, value.signer, signer.write)
      field(3, value.name, Cbor.text.write)
      field(4, value.did, Cbor.text.write)
      field(5, value.store, Cbor.text.write)
    }),
  read: (reader) => {
    const nonce = cell("nonce", Cbor.fixedBytes(32).read)
    const recipient = cell("recipient", Cbor.text.read)
    const key = cell("signer", signer.read)
    const name = cell("name", Cbor.text.read)
    const did = cell("did", Cbor.text.read)
    const store = cell("store", Cbor.text.read)
    reader.struct("InviterReveal", [nonce, recipient, key, name, did, store])
    return {
      nonce: reader.required(nonce),
      recipient: reader.required(recipient),
      signer: reader.required(key),
      name: reader.required(name),
      did: reader.required(did),
      store: reader.required(store)
    }
  }
}

const joinerCodec: Cbor.Codec<JoinerReveal> = {
  write: (writer, value) =>
    writer.struct((field) => {
      field(0, value.nonce, Cbor.fixedBytes(32).write)
      field(1, value.recipient, Cbor.text.write)
      field(2, value.signer, signer.write)
      field(3, value.name, Cbor.text.write)
      field(4, value.device, DeviceCatalogue.deviceKeysCodec.write)
    }),
  read: (reader) => {
    const nonce = cell("nonce", Cbor.fixedBytes(32).read)
    const recipient = cell("recipient", Cbor.text.read)
    const key = cell("signer", signer.read)
    const name = cell("name", Cbor.text.read)
    const device = cell("device", DeviceCatalogue.deviceKeysCodec.read)
    reader.struct("JoinerReveal", [nonce, recipient, key, name, device])
    return {
      nonce: reader.required(nonce),
      recipient: reader.required(recipient),
      signer: reader.required(key),
      name: reader.required(name),
      device: reader.required(device)
    }
  }
}

const endCodec: Cbor.Codec<End> = {
  write: (writer, { sealed, signature }) =>
    writer.struct((field) => {
      field(0, sealed, Cbor.bytes.write)
      field(1, signature, Cbor.fixedBytes(64).write)
    }),
  read: (reader) => {
    const sealed = cell("sealed", Cbor.bytes.read)
    const signature = cell("signature", Cbor.fixedBytes(64).read)
    reader.struct("End", [sealed, signature])
    return { sealed: reader.required(sealed), signature: reader.required(signature) }
  }
}

const grantCodec: Cbor.Codec<Grant> = {
  write: (writer, value) =>
    writer.struct((field) => {
      field(0, value.label, Cbor.text.write)
      field(1, value.warmSeed, Cbor.fixedBytes(32).write)
      field(2, value.pointer, Cbor.bytes.write)
      field(3, value.recovery, Cbor.text.write)
      field(4, value.tokens, Cbor.textMap(Cbor.text).write)
    }),
  read: (reader) => {
    const label = cell("label", Cbor.text.read)
    const warmSeed = cell("warm_seed", Cbor.fixedBytes(32).read)
    const pointer = cell("pointer", Cbor.bytes.read)
    const recovery = cell("recovery", Cbor.text.read)
    const tokens = cell("tokens", Cbor.textMap(Cbor.text).read)
    reader.struct("Grant", [label, warmSeed, pointer, recovery, tokens])
    return {
      label: reader.required(label),
      warmSeed: reader.required(warmSeed),
      pointer: reader.required(pointer),
      recovery: reader.required(recovery),
      tokens: reader.required(tokens)
    }
  }
}

/** A message's codec: both directions, errors naming the field. */
const form = <A>(format: string, codec: Cbor.Codec<A>) => ({
  encode: (value: A): Uint8Array => Cbor.encode(codec, value),
  decode: (bytes: Uint8Array): Either.Either<A, FormatError> => Cbor.decode(codec, bytes, { format })
})

/** @since 0.1.0 @category codecs */
export const commit = form("pairing commitment", commitCodec)
/** @since 0.1.0 @category codecs */
export const inviterReveal = form("inviting device's message", inviterCodec)
/** @since 0.1.0 @category codecs */
export const joinerReveal = form("joining device's message", joinerCodec)
/** @since 0.1.0 @category codecs */
export const end = form("end of a pairing", endCodec)
/** @since 0.1.0 @category codecs */
export const grant = form("grant for a device", grantCodec)
/** Whether the person at the joining device found the words equal; a grant that is none says no. @since 0.1.0 @category codecs */
export const decision = form("decision", Cbor.boolean)

/** The seed under which a role writes. @since 0.1.0 @category derivations */
export const signingSeed = (primitives: Primitives, secret: Uint8Array, role: Role): Uint8Array =>
  primitives.deriveKey(context(`signing ${role}`), secret)

/** Where a role's message of a step is. @since 0.1.0 @category derivations */
export const slot = (primitives: Primitives, secret: Uint8Array, role: Role, step: Step): StreamKey.Vault => ({
  _tag: "Vault",
  publicKey: PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(signingSeed(primitives, secret, role))),
  vaultId: VaultId.unsafeFromBytes(
    primitives.deriveKey(context(`slot ${role} ${step}`), secret).slice(0, VaultId.length)
  )
})

/** The secret of the age identity that every message is sealed for. @since 0.1.0 @category derivations */
export const envelopeSeed = (primitives: Primitives, secret: Uint8Array): Uint8Array =>
  primitives.deriveKey(context("envelope"), secret)

/** What a role commits to by, of the bytes that it reveals. @since 0.1.0 @category derivations */
export const commitmentOf = (primitives: Primitives, role: Role, revealed: Uint8Array): Uint8Array =>
  primitives.deriveKey(context(`commitment ${role}`), revealed)

/** The first four messages as they were sent. @since 0.1.0 @category models */
export interface Said {
  readonly inviterCommit: Uint8Array
  readonly joinerCommit: Uint8Array
  readonly inviterReveal: Uint8Array
  readonly joinerReveal: Uint8Array
}

/** The hash of everything that was said. @since 0.1.0 @category derivations */
export const transcript = (primitives: Primitives, secret: Uint8Array, said: Said): Uint8Array => {
  const parts = [said.inviterCommit, said.joinerCommit, said.inviterReveal, said.joinerReveal]
  return primitives.deriveKey(
    context("transcript"),
    Bytes.concat(secret, ...parts.map((part) => primitives.blake3(part)))
  )
}

/** Words that both devices show. @since 0.1.0 @category constants */
export const wordCount = 4

/** The words of a transcript: 44 bits, of which nobody can choose any once both have committed. @since 0.1.0 @category derivations */
export const words = (primitives: Primitives, hash: Uint8Array): ReadonlyArray<string> => {
  const bytes = primitives.deriveKey(context("words"), hash)
  return Array.from({ length: wordCount }, (_, at) => {
    const index = ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)
    return wordlist[index % wordlist.length] ?? ""
  })
}

/** What the last message of a role is signed over. @since 0.1.0 @category derivations */
export const endMessage = (role: Role, hash: Uint8Array, sealed: Uint8Array): Uint8Array =>
  Bytes.concat(Bytes.fromUtf8(context(`end ${role}`)), hash, sealed)
