/**
 * Where a blob can be had from, and through which transforms (docs/format/core.md §6).
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import * as Cbor from "./Cbor.ts"
import { cell, type Reader } from "./CborReader.ts"
import type { Writer } from "./CborWriter.ts"
import type { FormatError } from "./FormatError.ts"

/** The hashes that a location can name. @since 0.1.0 @category models */
export type Multihash = "sha1" | "sha2_256" | "blake3" | "md5"

/** @since 0.1.0 @category models */
export interface SiaFileHost {
  readonly hostKey: string
  readonly siamuxAddresses: ReadonlyArray<string>
  /** Secret, 32 bytes. */
  readonly ephemeralAccountPrivateKey: Uint8Array
}

/** @since 0.1.0 @category models */
export interface SiaFileSlab {
  /** Secret, 32 bytes. */
  readonly slabEncryptionKey: Uint8Array
  /** Roots of 32 bytes by host number. */
  readonly shardRoots: ReadonlyMap<number, Uint8Array>
}

/** @since 0.1.0 @category models */
export interface SiaFile {
  readonly size: bigint
  readonly slabSize: number
  readonly minShards: number
  readonly hosts: ReadonlyMap<number, SiaFileHost>
  /** Secret, 32 bytes. */
  readonly fileEncryptionKey: Uint8Array
  readonly slabs: ReadonlyArray<SiaFileSlab>
}

/** A location; several kinds hold keys, so it must not be printed as it is. @since 0.1.0 @category models */
export type BlobLocation =
  | { readonly _tag: "IdentityRawBinary"; readonly bytes: Uint8Array }
  | { readonly _tag: "Url"; readonly url: string }
  /** `host` is a 32-byte endpoint id. */
  | { readonly _tag: "Iroh"; readonly host: Uint8Array; readonly partial: boolean }
  | { readonly _tag: "Multihash"; readonly function: Multihash; readonly digest: Uint8Array }
  | { readonly _tag: "SiaFile"; readonly file: SiaFile }
  | { readonly _tag: "Compression"; readonly algorithm: "zstd" | "brotli"; readonly inner: BlobLocation }
  | {
      readonly _tag: "EncryptionXChaCha20Poly1305"
      readonly inner: BlobLocation
      /** Secret, 32 bytes. */
      readonly key: Uint8Array
      /** Plaintext bytes per block, at least 1. */
      readonly blockSize: bigint
    }

/** Locations inside locations that are read or written. @since 0.1.0 @category constants */
export const maxDepth = 16

const multihashes = {
  sha1: { variant: 0x11, length: 20 },
  sha2_256: { variant: 0x12, length: 32 },
  blake3: { variant: 0x1e, length: 32 },
  md5: { variant: 0xd5, length: 16 }
} as const

const compressions = { zstd: 0xc2, brotli: 0xcb } as const

const textList = Cbor.list(Cbor.text)
const bytes32 = Cbor.fixedBytes(32)

const siaHost: Cbor.Codec<SiaFileHost> = {
  write: (writer, host) => {
    writer.array(3)
    writer.text(host.hostKey)
    textList.write(writer, host.siamuxAddresses)
    bytes32.write(writer, host.ephemeralAccountPrivateKey)
  },
  read: (reader) => {
    const hostKey = cell("hostkey", Cbor.text.read)
    const addresses = cell("v2_siamux_addresses", textList.read)
    const privateKey = cell("ephemeral_account_private_key", bytes32.read)
    reader.arrayStruct("SiaFileHost", [hostKey, addresses, privateKey])
    return {
      hostKey: reader.required(hostKey),
      siamuxAddresses: reader.required(addresses),
      ephemeralAccountPrivateKey: reader.required(privateKey)
    }
  }
}

const siaHosts = Cbor.u8Map(siaHost)
const shardRoots = Cbor.u8Map(Cbor.key)

const siaSlab: Cbor.Codec<SiaFileSlab> = {
  write: (writer, slab) => {
    writer.array(2)
    bytes32.write(writer, slab.slabEncryptionKey)
    shardRoots.write(writer, slab.shardRoots)
  },
  read: (reader) => {
    const key = cell("slab_encryption_key", bytes32.read)
    const roots = cell("shard_roots", shardRoots.read)
    reader.arrayStruct("SiaFileSlab", [key, roots])
    return { slabEncryptionKey: reader.required(key), shardRoots: reader.required(roots) }
  }
}

const siaSlabs = Cbor.list(siaSlab)

const siaFile: Cbor.Codec<SiaFile> = {
  write: (writer, file) => {
    writer.array(6)
    Cbor.u64.write(writer, file.size)
    Cbor.u32.write(writer, file.slabSize)
    Cbor.u8.write(writer, file.minShards)
    siaHosts.write(writer, file.hosts)
    bytes32.write(writer, file.fileEncryptionKey)
    siaSlabs.write(writer, file.slabs)
  },
  read: (reader) => {
    const size = cell("size", Cbor.u64.read)
    const slabSize = cell("slab_size", Cbor.u32.read)
    const minShards = cell("min_shards", Cbor.u8.read)
    const hosts = cell("hosts", siaHosts.read)
    const key = cell("file_encryption_key", bytes32.read)
    const slabs = cell("slabs", siaSlabs.read)
    reader.arrayStruct("SiaFile", [size, slabSize, minShards, hosts, key, slabs])
    return {
      size: reader.required(size),
      slabSize: reader.required(slabSize),
      minShards: reader.required(minShards),
      hosts: reader.required(hosts),
      fileEncryptionKey: reader.required(key),
      slabs: reader.required(slabs)
    }
  }
}

const flat = <A>(writer: Writer, variant: number, value: A, write: (writer: Writer, value: A) => void) => {
  writer.array(2)
  writer.integer(variant)
  write(writer, value)
}

const write = (writer: Writer, location: BlobLocation, depth: number): void => {
  if (depth > maxDepth) throw new RangeError(`a location nested more than ${maxDepth} deep`)
  switch (location._tag) {
    case "IdentityRawBinary":
      flat(writer, 0x00, location.bytes, Cbor.bytes.write)
      break
    case "Url":
      flat(writer, 0x01, location.url, Cbor.text.write)
      break
    case "Iroh":
      flat(writer, 0x04, location, (inner, { host, partial }) => {
        inner.array(2)
        Cbor.key.write(inner, host)
        inner.boolean(partial)
      })
      break
    case "Multihash": {
      const { length, variant } = multihashes[location.function]
      flat(writer, variant, location.digest, Cbor.fixedBytes(length).write)
      break
    }
    case "SiaFile":
      flat(writer, 0x41, location.file, siaFile.write)
      break
    case "Compression":
      flat(writer, compressions[location.algorithm], location.inner, (inner, value) => write(inner, value, depth + 1))
      break
    case "EncryptionXChaCha20Poly1305":
      if (location.blockSize === 0n) throw new RangeError("an encryption with blocks of no bytes")
      flat(writer, 0xe2, location, (inner, { blockSize, inner: wrapped, key }) => {
        inner.array(3)
        write(inner, wrapped, depth + 1)
        bytes32.write(inner, key)
        Cbor.u64.write(inner, blockSize)
      })
      break
  }
}

const readIroh = (reader: Reader): BlobLocation => {
  const host = cell("host", Cbor.key.read)
  const partial = cell("partial", Cbor.boolean.read)
  reader.arrayStruct("Iroh", [host, partial])
  return { _tag: "Iroh", host: reader.required(host), partial: partial.value ?? false }
}

const readEncryption = (reader: Reader, depth: number): BlobLocation => {
  const start = reader.offset
  const inner = cell("inner", (at) => read(at, depth + 1))
  const key = cell("key", bytes32.read)
  const blockSize = cell("block_size", Cbor.u64.read)
  reader.arrayStruct("EncryptionXChaCha20Poly1305", [inner, key, blockSize])
  if (blockSize.value === 0n) throw reader.error("has blocks of no bytes", start)
  return {
    _tag: "EncryptionXChaCha20Poly1305",
    inner: reader.required(inner),
    key: reader.required(key),
    blockSize: reader.required(blockSize)
  }
}

const readMultihash = (reader: Reader, name: Multihash): BlobLocation => ({
  _tag: "Multihash",
  function: name,
  digest: reader.bytes(multihashes[name].length)
})

const read = (reader: Reader, depth: number): BlobLocation => {
  if (depth > maxDepth) throw reader.error(`is nested more than ${maxDepth} deep`)
  return reader.flatVariant((variant, at) => {
    switch (variant) {
      case 0x00:
        return { _tag: "IdentityRawBinary", bytes: reader.bytes() }
      case 0x01:
        return { _tag: "Url", url: reader.text() }
      case 0x04:
        return readIroh(reader)
      case multihashes.sha1.variant:
        return readMultihash(reader, "sha1")
      case multihashes.sha2_256.variant:
        return readMultihash(reader, "sha2_256")
      case multihashes.blake3.variant:
        return readMultihash(reader, "blake3")
      case multihashes.md5.variant:
        return readMultihash(reader, "md5")
      case 0x41:
        return { _tag: "SiaFile", file: siaFile.read(reader) }
      case compressions.zstd:
        return { _tag: "Compression", algorithm: "zstd", inner: read(reader, depth + 1) }
      case compressions.brotli:
        return { _tag: "Compression", algorithm: "brotli", inner: read(reader, depth + 1) }
      case 0xe2:
        return readEncryption(reader, depth)
      default:
        throw Cbor.unknownVariant(reader, "BlobLocation", variant, at)
    }
  })
}

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<BlobLocation> = {
  write: (writer, location) => write(writer, location, 1),
  read: (reader) => read(reader, 1)
}

/** The CBOR of a location; one nested more than 16 deep is a defect (`RangeError`). @since 0.1.0 @category conversions */
export const encode = (location: BlobLocation): Uint8Array => Cbor.encode(codec, location)

/** The location that `bytes` are; one nested more than 16 deep is refused. @since 0.1.0 @category conversions */
export const decode = (bytes: Uint8Array): Either.Either<BlobLocation, FormatError> =>
  Cbor.decode(codec, bytes, { format: "blob location" })
