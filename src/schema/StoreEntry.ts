/**
 * A configured store as a record (docs/format/core.md §12).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Cbor from "./Cbor.ts"
import { cell } from "./CborReader.ts"
import type { FormatError } from "./FormatError.ts"

/** @since 0.1.0 @category models */
export interface StoreEntry {
  /** One of `kinds`, or a number of the future, which is kept. */
  readonly kind: number
  readonly config: ReadonlyMap<string, string>
  /** Secret. Absent for a managed store, which is not the same as empty. */
  readonly credential?: Uint8Array
}

/** The known kinds of stores. @since 0.1.0 @category constants */
export const kinds = { indexd: 0, s3: 1, sia: 2, local: 3 } as const

const textMap = Cbor.textMap(Cbor.text)

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<StoreEntry> = {
  write: (writer, entry) =>
    writer.struct((field) => {
      field(0, entry.kind, Cbor.u8.write)
      field(1, entry.config, textMap.write)
      field(2, entry.credential, Cbor.bytes.write)
    }),
  read: (reader) => {
    const kind = cell("kind", Cbor.u8.read)
    const config = cell("config", textMap.read)
    const credential = cell("credential", Cbor.bytes.read)
    reader.struct("StoreEntry", [kind, config, credential])
    return {
      kind: reader.required(kind),
      config: reader.required(config),
      ...(credential.value !== undefined && { credential: credential.value })
    }
  }
}

/** The CBOR of a store entry. @since 0.1.0 @category conversions */
export const encode = (entry: StoreEntry): Uint8Array => Cbor.encode(codec, entry)

/** The store entry that `bytes` are. @since 0.1.0 @category conversions */
export const decode = (bytes: Uint8Array): Either.Either<StoreEntry, FormatError> =>
  Cbor.decode(codec, bytes, { format: "store entry" })
