/**
 * Who holds on to a blob (docs/format/core.md §10).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import * as Cbor from "./Cbor.ts"
import { cell, type Reader } from "./CborReader.ts"
import type { FormatError } from "./FormatError.ts"
import { type Hash, unsafeFromBytes } from "./Hash.ts"

/** @since 0.1.0 @category models */
export type PinContext =
  /** A node, by its 32-byte id. */
  | { readonly _tag: "NodeId"; readonly id: Uint8Array }
  | { readonly _tag: "LocalFsHead" }
  | { readonly _tag: "LocalFsSnapshot"; readonly root: Hash }

const variants = { NodeId: 0, LocalFsHead: 1, LocalFsSnapshot: 2 } as const

const payload = (pin: PinContext): Uint8Array =>
  pin._tag === "NodeId" ? pin.id : pin._tag === "LocalFsSnapshot" ? pin.root : new Uint8Array()

/** By variant, then by bytes. @since 0.1.0 @category comparing */
export const compare = (a: PinContext, b: PinContext): number =>
  variants[a._tag] - variants[b._tag] || Bytes.compare(payload(a), payload(b))

const readKey = (reader: Reader, name: string): Uint8Array => {
  const key = cell(name, Cbor.key.read)
  reader.arrayStruct("PinContext", [key])
  return reader.required(key)
}

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<PinContext> = {
  write: (writer, pin) => {
    writer.array(2)
    writer.integer(variants[pin._tag])
    writer.array(pin._tag === "LocalFsHead" ? 0 : 1)
    if (pin._tag !== "LocalFsHead") Cbor.key.write(writer, payload(pin))
  },
  read: (reader) =>
    reader.variant((variant, at) => {
      switch (variant) {
        case variants.NodeId:
          return { _tag: "NodeId", id: readKey(reader, "id") }
        case variants.LocalFsHead:
          reader.skip()
          return { _tag: "LocalFsHead" }
        case variants.LocalFsSnapshot:
          return { _tag: "LocalFsSnapshot", root: unsafeFromBytes(readKey(reader, "root_hash")) }
        default:
          throw Cbor.unknownVariant(reader, "PinContext", variant, at)
      }
    })
}

const ordered = (pins: Iterable<PinContext>): ReadonlyArray<PinContext> =>
  [...pins].sort(compare).filter((pin, index, all) => {
    const before = all[index - 1]
    return before === undefined || compare(before, pin) !== 0
  })

const set = Cbor.list(codec)

/** The CBOR of a pin set: sorted, each pin once. @since 0.1.0 @category conversions */
export const encodeSet = (pins: Iterable<PinContext>): Uint8Array => Cbor.encode(set, ordered(pins))

/** The pin set that `bytes` are, sorted, each pin once. @since 0.1.0 @category conversions */
export const decodeSet = (bytes: Uint8Array): Either.Either<ReadonlyArray<PinContext>, FormatError> =>
  Cbor.decode({ write: set.write, read: (reader) => ordered(set.read(reader)) }, bytes, { format: "pin set" })

/** The CBOR of one pin. @since 0.1.0 @category conversions */
export const encode = (pin: PinContext): Uint8Array => Cbor.encode(codec, pin)

/** The pin that `bytes` are. @since 0.1.0 @category conversions */
export const decode = (bytes: Uint8Array): Either.Either<PinContext, FormatError> =>
  Cbor.decode(codec, bytes, { format: "pin context" })
