/**
 * What an identity publishes about its devices (docs/format/core.md §11.2).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Cbor from "./Cbor.ts"
import { cell } from "./CborReader.ts"
import type { FormatError } from "./FormatError.ts"

/**
 * The public keys of an identity's devices, in the order in which they were added.
 *
 * Trust comes from the registry entry that names the BLAKE3 of the received bytes: hash those, never a new encoding.
 *
 * @since 0.1.0
 * @category models
 */
export interface IdentityBundle {
  /** 1; a reader decides what to do with others. */
  readonly version: number
  readonly revision: bigint
  /** Ed25519 public keys, 32 bytes each, as are the next two. */
  readonly signers: ReadonlyArray<Uint8Array>
  readonly aclKeys: ReadonlyArray<Uint8Array>
  readonly irohPublicKeys: ReadonlyArray<Uint8Array>
  readonly ageRecipients: ReadonlyArray<string>
}

const keyList = Cbor.list(Cbor.key)
const textList = Cbor.list(Cbor.text)

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<IdentityBundle> = {
  write: (writer, bundle) =>
    writer.struct((field) => {
      field(0x00, bundle.version, Cbor.u16.write)
      field(0x01, bundle.revision, Cbor.u64.write)
      field(0x03, bundle.irohPublicKeys, keyList.write)
      field(0x0a, bundle.ageRecipients, textList.write)
      field(0x11, bundle.signers, keyList.write)
      field(0x12, bundle.aclKeys, keyList.write)
    }),
  read: (reader) => {
    const version = cell("version", Cbor.u16.read)
    const revision = cell("revision", Cbor.u64.read)
    const irohPublicKeys = cell("iroh_pubkeys", keyList.read)
    const ageRecipients = cell("age_recipients", textList.read)
    const signers = cell("signers", keyList.read)
    const aclKeys = cell("acl_keys", keyList.read)
    reader.struct("IdentityBundle", {
      0: version,
      1: revision,
      3: irohPublicKeys,
      10: ageRecipients,
      17: signers,
      18: aclKeys
    })
    return {
      version: reader.required(version),
      revision: reader.required(revision),
      signers: reader.required(signers),
      aclKeys: reader.required(aclKeys),
      irohPublicKeys: reader.required(irohPublicKeys),
      ageRecipients: reader.required(ageRecipients)
    }
  }
}

/** The CBOR of a bundle. @since 0.1.0 @category conversions */
export const encode = (bundle: IdentityBundle): Uint8Array => Cbor.encode(codec, bundle)

/** The bundle that `bytes` are. @since 0.1.0 @category conversions */
export const decode = (bytes: Uint8Array): Either.Either<IdentityBundle, FormatError> =>
  Cbor.decode(codec, bytes, { format: "identity bundle" })
