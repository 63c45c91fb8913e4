/**
 * What an entry holds, whatever keys, slot and encoder it is stored under.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import type { Hash } from "../schema/Hash.ts"
import type { FileType, NodeEntry } from "../schema/Node.ts"
import type { Primitives } from "../schema/Primitives.ts"
import * as FileExport from "./FileExport.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { TreeError } from "./TreeError.ts"

/** Whether the key is a directory's (docs/format/fs5.md §4). @since 0.1.0 @category predicates */
export const isDirectory = (key: string): boolean => key.endsWith("/")

/** What kind of file the entry is; a writer that does not say means a file where there is content. @since 0.1.0 @category accessors */
export const kindOf = (entry: NodeEntry): FileType =>
  entry.semantic?.unix?.fileType ?? (entry.content === undefined ? "directory" : "regular")

/** Two kinds never share an id: a symlink is not the file that holds its target as text. */
const ofKind = (primitives: Primitives, entry: NodeEntry, plaintext: Hash | undefined): Hash => {
  const kind = kindOf(entry)
  if (plaintext !== undefined && kind === "regular") return plaintext
  const name = Bytes.fromUtf8(kind)
  return primitives.blake3(plaintext === undefined ? name : Bytes.concat(name, plaintext))
}

/** The content id, where it is known without reading: everything but chunked files. @since 0.1.0 @category reading */
export const immediate = (primitives: Primitives, key: string, entry: NodeEntry): Hash | undefined => {
  const content = entry.content
  if (content === undefined) return ofKind(primitives, entry, undefined)
  return content.structural === "link" && !isDirectory(key)
    ? undefined
    : ofKind(primitives, entry, content.plaintextHash ?? content.hash)
}

const ofChunks = (pipeline: Pipeline, entry: NodeEntry): Effect.Effect<Hash, TreeError> =>
  Effect.suspend(() => {
    const hasher = pipeline.primitives.hasher()
    let count = 0
    let only: Hash | undefined
    const add = ({ entry: { content }, offset }: FileExport.PlacedChunk) => {
      const plaintext = content.plaintextHash ?? content.hash
      hasher.update(Bytes.fromU64BE(offset))
      hasher.update(plaintext)
      only = count++ === 0 ? plaintext : undefined
    }
    return Stream.runForEachChunk(FileExport.chunks(pipeline, entry), (chunks) =>
      Effect.sync(() => {
        for (const chunk of chunks) add(chunk)
      })
    ).pipe(Effect.map(() => only ?? hasher.digest()))
  })

/**
 * The content id of the entry at `key` of a tree that is read through `pipeline`.
 *
 * A file's is the hash of its bytes; that of a chunked file is BLAKE3 over its chunks in order, each as its offset (8 bytes,
 * big-endian) and the hash of its bytes, for which the nodes of its chunk tree are read. Other kinds hash their kind's name,
 * a symlink's followed by the hash of its target.
 *
 * So one file cut in two ways has two ids, and two writers that both changed it to the same bytes, cut differently, keep
 * both beside each other: a copy too many, never one too few. The plaintext hash of a chunked file's entry is that of its
 * chunk tree's root node, and no field of the format holds the hash of the whole; telling the two for one would take
 * reading both files whole at each merge, and the winner's name would depend on who did. All writers of this program cut
 * alike, so it takes another program's chunker to get there.
 *
 * @since 0.1.0
 * @category reading
 */
export const of = (pipeline: Pipeline, key: string, entry: NodeEntry): Effect.Effect<Hash, TreeError> =>
  Effect.suspend(() => {
    const known = immediate(pipeline.primitives, key, entry)
    return known === undefined
      ? Effect.map(ofChunks(pipeline, entry), (hash) => ofKind(pipeline.primitives, entry, hash))
      : Effect.succeed(known)
  })
