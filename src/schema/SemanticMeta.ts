/**
 * The CBOR of what an entry says about its file (docs/format/fs5.md §3); the types are in `Node.ts`.
 *
 * @since 0.1.0
 */
import * as Cbor from "./Cbor.ts"
import { cell, type Draft, type DraftField, field } from "./CborReader.ts"
import type { ExtendedAttribute, FileType, SemanticMeta, UnixMetadata, WebArchiveMetadata } from "./Node.ts"

const fileType = Cbor.indexEnum<FileType>("FileType", [
  "regular",
  "directory",
  "symlink",
  "block_device",
  "char_device",
  "fifo",
  "socket"
])

const extendedAttribute: Cbor.Codec<ExtendedAttribute> = {
  write: (writer, attribute) =>
    writer.struct((field) => {
      field(0, attribute.name, Cbor.text.write)
      field(1, attribute.value, Cbor.integers.write)
    }),
  read: (reader) => {
    const name = cell("name", Cbor.text.read)
    const value = cell("value", Cbor.integers.read)
    reader.struct("ExtendedAttribute", [name, value])
    return { name: reader.required(name), ...(value.value !== undefined && { value: value.value }) }
  }
}

const extendedAttributes = Cbor.list(extendedAttribute)

const unixFields: ReadonlyArray<DraftField<Draft<UnixMetadata>>> = [
  field("UnixMetadata.file_type", "fileType", fileType.read),
  field("UnixMetadata.permissions", "permissions", Cbor.u32.read),
  field("UnixMetadata.uid", "uid", Cbor.u32.read),
  field("UnixMetadata.gid", "gid", Cbor.u32.read),
  field("UnixMetadata.ctime", "ctime", Cbor.u64.read),
  field("UnixMetadata.user", "user", Cbor.text.read),
  field("UnixMetadata.group", "group", Cbor.text.read),
  field("UnixMetadata.inode", "inode", Cbor.u64.read),
  field("UnixMetadata.device_id", "deviceId", Cbor.u64.read),
  field("UnixMetadata.nlink", "nlink", Cbor.u64.read),
  field("UnixMetadata.extended_attributes", "extendedAttributes", extendedAttributes.read)
]

const unixMetadata: Cbor.Codec<UnixMetadata> = {
  write: (writer, unix) =>
    writer.struct((field) => {
      field(0, unix.fileType, fileType.write)
      field(1, unix.permissions, Cbor.u32.write)
      field(2, unix.uid, Cbor.u32.write)
      field(3, unix.gid, Cbor.u32.write)
      field(4, unix.ctime, Cbor.u64.write)
      field(5, unix.user, Cbor.text.write)
      field(6, unix.group, Cbor.text.write)
      field(7, unix.inode, Cbor.u64.write)
      field(8, unix.deviceId, Cbor.u64.write)
      field(9, unix.nlink, Cbor.u64.write)
      field(10, unix.extendedAttributes, extendedAttributes.write)
    }),
  read: (reader) => reader.draft(unixFields, {})
}

const httpHeaders = Cbor.list(Cbor.pair(Cbor.text, Cbor.text))

const webArchiveMetadata: Cbor.Codec<WebArchiveMetadata> = {
  write: (writer, warc) =>
    writer.struct((field) => {
      field(0, warc.ipAddress, Cbor.text.write)
      field(1, warc.requestHttpVersion, Cbor.u8.write)
      field(2, warc.requestHeaders, httpHeaders.write)
      field(3, warc.responseHttpVersion, Cbor.u8.write)
      field(4, warc.responseStatusCode, Cbor.u16.write)
      field(5, warc.responseStatusReason, Cbor.text.write)
      field(6, warc.responseHeaders, httpHeaders.write)
    }),
  read: (reader) => {
    const ipAddress = cell("ip_addr", Cbor.text.read)
    const requestHttpVersion = cell("req_http_version", Cbor.u8.read)
    const requestHeaders = cell("req_headers", httpHeaders.read)
    const responseHttpVersion = cell("res_http_version", Cbor.u8.read)
    const responseStatusCode = cell("res_status_code", Cbor.u16.read)
    const responseStatusReason = cell("res_status_reason", Cbor.text.read)
    const responseHeaders = cell("res_headers", httpHeaders.read)
    reader.struct("WebArchiveMetadata", [
      ipAddress,
      requestHttpVersion,
      requestHeaders,
      responseHttpVersion,
      responseStatusCode,
      responseStatusReason,
      responseHeaders
    ])
    return {
      ipAddress: reader.required(ipAddress),
      requestHttpVersion: reader.required(requestHttpVersion),
      requestHeaders: reader.required(requestHeaders),
      responseHttpVersion: reader.required(responseHttpVersion),
      responseStatusCode: reader.required(responseStatusCode),
      responseStatusReason: reader.required(responseStatusReason),
      responseHeaders: reader.required(responseHeaders)
    }
  }
}

const fields: ReadonlyArray<DraftField<Draft<SemanticMeta>>> = [
  field("SemanticMeta.timestamp", "timestamp", Cbor.u32.read),
  field("SemanticMeta.timestamp_subsec_nanos", "timestampSubsecNanos", Cbor.u32.read),
  field("SemanticMeta.media_type", "mediaType", Cbor.text.read),
  field("SemanticMeta.unix", "unix", unixMetadata.read),
  field("SemanticMeta.warc", "warc", webArchiveMetadata.read)
]

/** @since 0.1.0 @category codecs */
export const codec: Cbor.Codec<SemanticMeta> = {
  write: (writer, meta) =>
    writer.struct((field) => {
      field(0, meta.timestamp, Cbor.u32.write)
      field(1, meta.timestampSubsecNanos, Cbor.u32.write)
      field(2, meta.mediaType, Cbor.text.write)
      field(3, meta.unix, unixMetadata.write)
      field(4, meta.warc, webArchiveMetadata.write)
    }),
  read: (reader) => reader.draft(fields, {})
}
