/**
 * The entry by which a DID names the warm key that speaks for it now (docs/format/core.md §11.3).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import * as Derivation from "./Derivation.ts"
import { FormatError } from "./FormatError.ts"
import type { Primitives } from "./Primitives.ts"
import * as PublicKey from "./PublicKey.ts"
import * as RegistryEntry from "./RegistryEntry.ts"
import * as StreamKey from "./StreamKey.ts"

/** @since 0.1.0 @category models */
export interface ColdPointer {
  readonly warm: PublicKey.PublicKey
  /** A commitment to the next cold key; all zero for an identity that anchors itself. Not enforced yet. */
  readonly nextCold: PublicKey.PublicKey
}

/** Where the pointer of a DID's cold key is kept. @since 0.1.0 @category conversions */
export const streamKey = (primitives: Primitives, cold: PublicKey.PublicKey): StreamKey.Vault =>
  StreamKey.vault(cold, Derivation.wellKnownVaultId(primitives, Derivation.wellKnownDomain.identityAnchor))

/** The pointer as an entry signed by the cold key of `coldSeed`. @since 0.1.0 @category constructors */
export const sign = (
  primitives: Primitives,
  coldSeed: Uint8Array,
  revision: bigint,
  pointer: ColdPointer
): Either.Either<RegistryEntry.RegistryEntry, FormatError> => {
  const data = Bytes.concat(pointer.warm, pointer.nextCold)
  return RegistryEntry.sign(primitives, coldSeed, {
    vaultId: Derivation.wellKnownVaultId(primitives, Derivation.wellKnownDomain.identityAnchor),
    revision,
    hash: primitives.blake3(data),
    data
  })
}

/** What `entry` says about the DID of `cold`, or why it says nothing. @since 0.1.0 @category conversions */
export const fromEntry = (
  primitives: Primitives,
  cold: PublicKey.PublicKey,
  entry: RegistryEntry.RegistryEntry
): Either.Either<ColdPointer, FormatError> => {
  const fail = (at: string, problem: string) => Either.left(new FormatError({ format: "cold pointer", at, problem }))
  if (!StreamKey.equals(entry.key, streamKey(primitives, cold))) {
    return fail("key", "it is not the identity anchor of this DID")
  }
  if (entry.data === undefined) return fail("data", "there is none")
  if (!RegistryEntry.dataMatchesHash(primitives, entry)) return fail("hash", "the data does not hash to it")
  if (entry.data.length !== 2 * PublicKey.length) {
    return fail("data", `expected ${2 * PublicKey.length} bytes, got ${entry.data.length}`)
  }
  return Either.zipWith(
    PublicKey.fromBytes(entry.data.slice(0, PublicKey.length)),
    PublicKey.fromBytes(entry.data.slice(PublicKey.length)),
    (warm, nextCold) => ({ warm, nextCold })
  )
}
