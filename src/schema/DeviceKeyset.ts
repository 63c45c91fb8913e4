/**
 * The three secret seeds of a device, as its key file keeps them (docs/format/core.md §11.4).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Cbor from "./Cbor.ts"
import { cell } from "./CborReader.ts"
import type { FormatError } from "./FormatError.ts"

/** Three independent random 32-byte seeds; all of them secret. @since 0.1.0 @category models */
export interface DeviceKeyset {
  readonly iroh: Uint8Array
  readonly sign: Uint8Array
  readonly acl: Uint8Array
}

const version = 1

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<DeviceKeyset> = {
  write: (writer, keyset) =>
    writer.struct((field) => {
      field(0, version, Cbor.u8.write)
      field(1, keyset.iroh, Cbor.key.write)
      field(2, keyset.sign, Cbor.key.write)
      field(3, keyset.acl, Cbor.key.write)
    }),
  read: (reader) => {
    const start = reader.offset
    const found = cell("v", (inner) => inner.integer())
    const iroh = cell("iroh", Cbor.key.read)
    const sign = cell("sign", Cbor.key.read)
    const acl = cell("acl", Cbor.key.read)
    reader.struct("DeviceKeyset", [found, iroh, sign, acl])
    if (reader.required(found) !== version) throw reader.error(`has version ${found.value}, not ${version}`, start)
    return { iroh: reader.required(iroh), sign: reader.required(sign), acl: reader.required(acl) }
  }
}

/** The CBOR of a keyset. @since 0.1.0 @category conversions */
export const encode = (keyset: DeviceKeyset): Uint8Array => Cbor.encode(codec, keyset)

/** The keyset that `bytes` are; a version other than 1 is refused. @since 0.1.0 @category conversions */
export const decode = (bytes: Uint8Array): Either.Either<DeviceKeyset, FormatError> =>
  Cbor.decode(codec, bytes, { format: "device keyset" })
