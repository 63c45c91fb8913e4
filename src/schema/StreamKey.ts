/**
 * What a registry entry is stored under (docs/format/core.md §7.1).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Equivalence from "effect/Equivalence"
import * as Order from "effect/Order"
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"
import * as PublicKey from "./PublicKey.ts"
import * as VaultId from "./VaultId.ts"

/** Unsigned entries under an arbitrary name, never shared. @since 0.1.0 @category models */
export interface Local {
  readonly _tag: "Local"
  /** 32 bytes. */
  readonly id: Uint8Array
}

/** The unsigned pin set of one blob (docs/format/core.md §10). @since 0.1.0 @category models */
export interface Blake3HashPin {
  readonly _tag: "Blake3HashPin"
  readonly hash: Hash.Hash
}

/** A vault's entries by one signer. @since 0.1.0 @category models */
export interface Vault {
  readonly _tag: "Vault"
  readonly publicKey: PublicKey.PublicKey
  readonly vaultId: VaultId.VaultId
}

/** @since 0.1.0 @category models */
export type StreamKey = Local | Blake3HashPin | Vault

/** The first byte of each key's storage key. @since 0.1.0 @category constants */
export const tag = { Local: 0x00, Blake3HashPin: 0x03, Vault: 0xed } as const

const localLength = 32
const vaultLength = PublicKey.length + VaultId.length

/** The local key of a 32-byte id. @since 0.1.0 @category constructors */
export const local = (id: Uint8Array): Either.Either<Local, FormatError> =>
  id.length === localLength
    ? Either.right({ _tag: "Local", id })
    : fail(`byte ${id.length}`, `expected ${localLength} bytes of id, got ${id.length}`)

/** @since 0.1.0 @category constructors */
export const blake3HashPin = (hash: Hash.Hash): Blake3HashPin => ({ _tag: "Blake3HashPin", hash })

/** @since 0.1.0 @category constructors */
export const vault = (publicKey: PublicKey.PublicKey, vaultId: VaultId.VaultId): Vault => ({
  _tag: "Vault",
  publicKey,
  vaultId
})

const fail = (at: string, problem: string) => Either.left(new FormatError({ format: "stream key", at, problem }))

/** The tag and the key's data: 33 bytes, for a vault 49. @since 0.1.0 @category conversions */
export const toStorageKey = (key: StreamKey): Uint8Array => {
  const first = Uint8Array.of(tag[key._tag])
  switch (key._tag) {
    case "Local":
      return Bytes.concat(first, key.id)
    case "Blake3HashPin":
      return Bytes.concat(first, key.hash)
    case "Vault":
      return Bytes.concat(first, key.publicKey, key.vaultId)
  }
}

/** The key of a storage key; it holds its own copy of the bytes. @since 0.1.0 @category conversions */
export const fromStorageKey = (bytes: Uint8Array): Either.Either<StreamKey, FormatError> => {
  const first = bytes[0]
  if (first === undefined) return fail("byte 0", "it is empty")
  if (first !== tag.Local && first !== tag.Blake3HashPin && first !== tag.Vault) {
    return fail("byte 0", `unknown key type ${first.toString(16).padStart(2, "0")}`)
  }
  const data = new Uint8Array(bytes.subarray(1))
  const expected = first === tag.Vault ? vaultLength : localLength
  if (data.length !== expected) {
    return fail(`byte ${bytes.length}`, `expected ${expected} bytes after the tag, got ${data.length}`)
  }
  switch (first) {
    case tag.Local:
      return local(data)
    case tag.Blake3HashPin:
      return Either.map(Hash.fromBytes(data), blake3HashPin)
    case tag.Vault:
      return Either.zipWith(
        PublicKey.fromBytes(data.slice(0, PublicKey.length)),
        VaultId.fromBytes(data.slice(PublicKey.length)),
        vault
      )
  }
}

/** Lower-case hex of the storage key. @since 0.1.0 @category conversions */
export const toHex = (key: StreamKey): string => Bytes.toHex(toStorageKey(key))

/** Where a path store keeps the entry of `key` (docs/format/core.md §9.3). @since 0.1.0 @category conversions */
export const registryPath = (key: StreamKey): string => `registry/${toHex(key)}`

const rank: { readonly [K in StreamKey["_tag"]]: number } = { Local: 0, Vault: 1, Blake3HashPin: 2 }

/** Local keys, then vaults, then pins; within a kind by bytes. Not the order of storage keys. @since 0.1.0 @category comparing */
export const order: Order.Order<StreamKey> = Order.combine(
  Order.mapInput(Order.number, (key: StreamKey) => rank[key._tag]),
  Order.mapInput(Bytes.compare, toStorageKey)
)

/** @since 0.1.0 @category comparing */
export const equals: Equivalence.Equivalence<StreamKey> = (a, b) => order(a, b) === 0
