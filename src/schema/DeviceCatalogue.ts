/**
 * The labelled devices of an identity, kept in its secrets vault (docs/format/core.md §11.2 and §12).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Cbor from "./Cbor.ts"
import { cell } from "./CborReader.ts"
import type { FormatError } from "./FormatError.ts"

/** The public keys of one device, 32 bytes each. @since 0.1.0 @category models */
export interface DeviceKeys {
  readonly signing: Uint8Array
  readonly acl: Uint8Array
  readonly iroh: Uint8Array
  readonly ageRecipient: string
}

/** Devices by label; a label carries no authority. @since 0.1.0 @category models */
export type DeviceCatalogue = ReadonlyMap<string, DeviceKeys>

/** @since 0.1.0 @category codecs */
export const deviceKeysCodec: Cbor.Codec<DeviceKeys> = {
  write: (writer, keys) =>
    writer.struct((field) => {
      field(0, keys.signing, Cbor.key.write)
      field(1, keys.acl, Cbor.key.write)
      field(2, keys.iroh, Cbor.key.write)
      field(3, keys.ageRecipient, Cbor.text.write)
    }),
  read: (reader) => {
    const signing = cell("signing", Cbor.key.read)
    const acl = cell("acl", Cbor.key.read)
    const iroh = cell("iroh", Cbor.key.read)
    const ageRecipient = cell("age_recipient", Cbor.text.read)
    reader.struct("DeviceKeys", [signing, acl, iroh, ageRecipient])
    return {
      signing: reader.required(signing),
      acl: reader.required(acl),
      iroh: reader.required(iroh),
      ageRecipient: reader.required(ageRecipient)
    }
  }
}

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<DeviceCatalogue> = Cbor.textMap(deviceKeysCodec)

/** The CBOR of a catalogue. @since 0.1.0 @category conversions */
export const encode = (catalogue: DeviceCatalogue): Uint8Array => Cbor.encode(codec, catalogue)

/** The catalogue that `bytes` are. @since 0.1.0 @category conversions */
export const decode = (bytes: Uint8Array): Either.Either<DeviceCatalogue, FormatError> =>
  Cbor.decode(codec, bytes, { format: "device catalogue" })
