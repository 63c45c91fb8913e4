/** Nodes and contexts as `node.json` describes them, from and to our types. An unknown field is an error. */

import * as Hash from "../../src/schema/Hash.ts"
import type { ContentRef, ExtendedAttribute, FileType, Node, NodeEntry, NodeKind } from "../../src/schema/Node.ts"
import type {
  BlobPipeline,
  CompressionStrategy,
  EncryptionStrategy,
  FileChunkingStrategy,
  TraversalContext
} from "../../src/schema/TraversalContext.ts"
import { big, boolean, hex, type Json, type JsonObject, list, number, object, text } from "./vectors.ts"

const known = (value: JsonObject, ...fields: ReadonlyArray<string>): JsonObject => {
  for (const field of Object.keys(value)) if (!fields.includes(field)) throw new Error(`unknown vector field ${field}`)
  return value
}

const oneOf = <A extends string>(value: Json | undefined, names: ReadonlyArray<A>): A => {
  const found = names.find((name) => name === value)
  if (found === undefined) throw new Error(`${JSON.stringify(value)} is none of ${names.join(", ")}`)
  return found
}

const hash = (value: Json | undefined) => Hash.unsafeFromBytes(hex(value))

const compression = (value: Json): CompressionStrategy => {
  if (value === "uncompressed") return { _tag: "Uncompressed" }
  if (value === "zstd") return { _tag: "Zstd" }
  return { _tag: "ZstdLevel", level: number(known(object(value), "zstd_level").zstd_level) }
}

const encryption = (value: Json) => {
  const [strategy, slot] = list(value)
  return {
    strategy: oneOf<EncryptionStrategy>(strategy, ["plaintext", "deterministic_chacha20", "explicit_key_chacha20"]),
    slot: number(slot)
  }
}

const pipeline = (json: Json): BlobPipeline => {
  const value = known(object(json), "compression", "padding", "encryption", "skip_when_unhelpful")
  return {
    ...(value.compression !== undefined && { compression: compression(value.compression) }),
    ...(value.padding !== undefined && { paddingBlock: number(known(object(value.padding), "block_size").block_size) }),
    ...(value.encryption !== undefined && { encryption: encryption(value.encryption) }),
    ...(value.skip_when_unhelpful !== undefined && { skipWhenUnhelpful: boolean(value.skip_when_unhelpful) })
  }
}

const chunking = (json: Json): FileChunkingStrategy => {
  if (json === "none") return { _tag: "None" }
  const value = known(object(json), "fixed", "data_cdc")
  if (value.fixed !== undefined)
    return { _tag: "Fixed", chunkSize: number(known(object(value.fixed), "chunk_size").chunk_size) }
  const params = known(object(value.data_cdc), "algorithm", "min_size", "avg_size", "max_size")
  oneOf(params.algorithm, ["gearhash"])
  return {
    _tag: "DataCdc",
    params: {
      minSize: number(params.min_size),
      averageSize: number(params.avg_size),
      maxSize: number(params.max_size)
    }
  }
}

/** A traversal context. */
export const context = (json: Json | undefined): TraversalContext => {
  const value = known(object(json), "keys", "leaf", "node", "chunking")
  return {
    ...(value.keys !== undefined && {
      keys: new Map(Object.entries(object(value.keys)).map(([slot, key]) => [Number(slot), hex(key)] as const))
    }),
    ...(value.leaf !== undefined && { leaf: pipeline(value.leaf) }),
    ...(value.node !== undefined && { node: pipeline(value.node) }),
    ...(value.chunking !== undefined && { chunking: chunking(value.chunking) })
  }
}

const content = (json: Json): ContentRef => {
  const value = known(object(json), "structural", "hash", "size", "plaintext_hash", "stored_blocks")
  return {
    structural: oneOf(value.structural, ["leaf", "link"]),
    hash: hash(value.hash),
    size: big(value.size),
    ...(value.plaintext_hash !== undefined && { plaintextHash: hash(value.plaintext_hash) }),
    ...(value.stored_blocks !== undefined && { storedBlocks: big(value.stored_blocks) })
  }
}

const time = (value: JsonObject) => ({
  ...(value.timestamp !== undefined && { timestamp: number(value.timestamp) }),
  ...(value.timestamp_subsec_nanos !== undefined && { timestampSubsecNanos: number(value.timestamp_subsec_nanos) })
})

const fileTypes: ReadonlyArray<FileType> = [
  "regular",
  "directory",
  "symlink",
  "block_device",
  "char_device",
  "fifo",
  "socket"
]

const attribute = (json: Json): ExtendedAttribute => {
  const value = known(object(json), "name", "value")
  return { name: text(value.name), ...(value.value !== undefined && { value: hex(value.value) }) }
}

const unixFields = ["file_type", "permissions", "uid", "gid", "ctime", "user", "group", "inode", "device_id", "nlink"]

const unix = (json: Json) => {
  const value = known(object(json), ...unixFields, "extended_attributes")
  return {
    ...(value.file_type !== undefined && { fileType: oneOf(value.file_type, fileTypes) }),
    ...(value.permissions !== undefined && { permissions: number(value.permissions) }),
    ...(value.uid !== undefined && { uid: number(value.uid) }),
    ...(value.gid !== undefined && { gid: number(value.gid) }),
    ...(value.ctime !== undefined && { ctime: big(value.ctime) }),
    ...(value.user !== undefined && { user: text(value.user) }),
    ...(value.group !== undefined && { group: text(value.group) }),
    ...(value.inode !== undefined && { inode: big(value.inode) }),
    ...(value.device_id !== undefined && { deviceId: big(value.device_id) }),
    ...(value.nlink !== undefined && { nlink: big(value.nlink) }),
    ...(value.extended_attributes !== undefined && {
      extendedAttributes: list(value.extended_attributes).map(attribute)
    })
  }
}

const httpHeader = (json: Json): readonly [string, string] => {
  const [name, value] = list(json)
  return [text(name), text(value)]
}

const warc = (json: Json) => {
  const value = known(
    object(json),
    "ip_addr",
    "req_http_version",
    "req_headers",
    "res_http_version",
    "res_status_code",
    "res_status_reason",
    "res_headers"
  )
  return {
    ipAddress: text(value.ip_addr),
    requestHttpVersion: number(value.req_http_version),
    requestHeaders: list(value.req_headers).map(httpHeader),
    responseHttpVersion: number(value.res_http_version),
    responseStatusCode: number(value.res_status_code),
    responseStatusReason: text(value.res_status_reason),
    responseHeaders: list(value.res_headers).map(httpHeader)
  }
}

const semantic = (json: Json) => {
  const value = known(object(json), "timestamp", "timestamp_subsec_nanos", "media_type", "unix", "warc")
  return {
    ...time(value),
    ...(value.media_type !== undefined && { mediaType: text(value.media_type) }),
    ...(value.unix !== undefined && { unix: unix(value.unix) }),
    ...(value.warc !== undefined && { warc: warc(value.warc) })
  }
}

/** An entry without its key. */
export const entry = (json: Json | undefined): NodeEntry => {
  const value = known(object(json), "content", "semantic", "child_context", "tombstone")
  return {
    ...(value.content !== undefined && { content: content(value.content) }),
    ...(value.semantic !== undefined && { semantic: semantic(value.semantic) }),
    ...(value.child_context !== undefined && { childContext: context(value.child_context) }),
    ...(value.tombstone !== undefined && {
      tombstone: time(known(object(value.tombstone), "timestamp", "timestamp_subsec_nanos"))
    })
  }
}

const kinds = new Map<Json | undefined, NodeKind>([
  ["namespace", "namespace"],
  ["byte_stream", "bytestream"],
  ["transparent", "transparent"]
])

const build = (json: Json) => {
  const value = known(object(json), "meta_chunking", "file_chunking", "compression_skip_threshold")
  const prolly = (meta: Json) =>
    known(object(known(object(meta), "prolly_blake3").prolly_blake3), "expected_entries_per_node")
  return {
    ...(value.meta_chunking !== undefined && {
      metaChunking: {
        _tag: "ProllyBlake3" as const,
        expectedEntriesPerNode: number(prolly(value.meta_chunking).expected_entries_per_node)
      }
    }),
    ...(value.file_chunking !== undefined && { fileChunking: chunking(value.file_chunking) }),
    ...(value.compression_skip_threshold !== undefined && {
      compressionSkipThreshold: number(value.compression_skip_threshold)
    })
  }
}

/** A node; its magic is for the caller to look at. */
export const node = (json: Json | undefined): Node => {
  const value = known(object(json), "magic", "header", "entries")
  const header = known(object(value.header), "level", "kind", "build")
  const kind = kinds.get(header.kind)
  if (kind === undefined) throw new Error(`unknown node kind ${JSON.stringify(header.kind)}`)
  return {
    header: {
      level: number(header.level),
      kind,
      ...(header.build !== undefined && { build: build(header.build) })
    },
    entries: list(value.entries).map((pair) => {
      const [key, value] = list(pair)
      return [text(key), entry(value)] as const
    })
  }
}
