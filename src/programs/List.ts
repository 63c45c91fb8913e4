/**
 * Looking into a snapshot.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FileExport from "../fs5/FileExport.ts"
import type { KeyedEntry, ReadableLayer } from "../fs5/ReadableLayer.ts"
import type * as Snapshot from "../fs5/Snapshot.ts"
import type { TreeError } from "../fs5/TreeError.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as Folder from "./Folder.ts"

/** The snapshot has nothing at that path. @since 0.1.0 @category errors */
export class NoSuchPath extends Schema.TaggedError<NoSuchPath>()("NoSuchPath", {
  vault: Schema.String,
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.vault}:${this.path}: ${this.detail}`
  }
}

/** Something in a snapshot. @since 0.1.0 @category models */
export interface Listed {
  /** Relative to what was listed, without a slash at its end. */
  readonly path: string
  readonly kind: "directory" | "file"
  /** Nothing for a folder that has no entry of its own. */
  readonly entry: NodeEntry | undefined
}

/** What stands at a path: a file, or a folder with or without an entry of its own. @since 0.1.0 @category models */
export type At =
  | { readonly _tag: "File"; readonly entry: NodeEntry }
  | { readonly _tag: "Directory"; readonly entry: NodeEntry | undefined }

const live = (stream: Stream.Stream<KeyedEntry, TreeError>) =>
  Stream.filter(stream, ([, entry]) => entry.tombstone === undefined)

/** What stands at `path`; the vault's top is a folder. @since 0.1.0 @category programs */
export const at = Effect.fn("List.at")(function* (vault: string, snapshot: ReadableLayer, path: string) {
  if (path === "") return { _tag: "Directory", entry: undefined } satisfies At
  const file = yield* snapshot.get(path)
  if (file !== undefined) return { _tag: "File", entry: file } satisfies At
  const first = yield* Stream.runHead(live(snapshot.scan(Folder.below(path))))
  if (Option.isNone(first))
    return yield* new NoSuchPath({ vault, path, detail: "there is nothing of that name in the snapshot" })
  const [key, entry] = first.value
  return { _tag: "Directory", entry: key === `${path}/` ? entry : undefined } satisfies At
})

/**
 * What is in the folder `path` of a snapshot, in key order; only its immediate members unless `recursive`.
 *
 * Folders that the tree has only in the paths of others are listed too. Without `recursive` a folder's inside is not read.
 *
 * @since 0.1.0
 * @category programs
 */
export const list = (
  snapshot: ReadableLayer,
  path: string,
  options: { readonly recursive: boolean }
): Stream.Stream<Listed, TreeError> => {
  const prefix = path === "" ? "" : `${path}/`
  if (options.recursive) {
    return live(snapshot.scan(Folder.below(path))).pipe(
      Stream.filter(([key]) => key !== prefix),
      Stream.mapAccum([] as ReadonlyArray<string>, (above, [key, entry]) => {
        const own = key.slice(prefix.length)
        const isDirectory = own.endsWith("/")
        const parts = (isDirectory ? own.slice(0, -1) : own).split("/")
        const parents = parts.slice(0, -1)
        let shared = 0
        while (shared < parents.length && above[shared] === parents[shared]) shared += 1
        const listed: Array<Listed> = []
        for (let depth = shared; depth < parents.length; depth++)
          listed.push({ path: parents.slice(0, depth + 1).join("/"), kind: "directory", entry: undefined })
        listed.push({ path: parts.join("/"), kind: isDirectory ? "directory" : "file", entry })
        return [isDirectory ? parts : parents, listed]
      }),
      Stream.mapConcat((listed) => listed)
    )
  }
  /** The first member at or after `from`; one read of the tree for each, whatever its folders hold. */
  const member = (from: string) =>
    Effect.map(
      Stream.runHead(live(snapshot.scan({ ...Folder.below(path), from }))),
      Option.map(([key, entry]): readonly [Listed, string] => {
        const own = key.slice(prefix.length)
        const slash = own.indexOf("/")
        if (slash < 0) return [{ path: own, kind: "file", entry }, `${key}\0`]
        const name = own.slice(0, slash)
        return [
          { path: name, kind: "directory", entry: slash === own.length - 1 ? entry : undefined },
          // "0" is the character after "/"
          `${prefix}${name}0`
        ]
      })
    )
  return Stream.paginateEffect(`${prefix}`, (from) =>
    Effect.map(member(from), (found) => [
      Option.map(found, ([listed]) => listed),
      Option.map(found, ([, next]) => next)
    ])
  ).pipe(
    Stream.filterMap((listed) => listed),
    Stream.filter((listed) => listed.path !== "")
  )
}

/** The bytes of the file at `path`. @since 0.1.0 @category programs */
export const show = Effect.fn("List.show")(function* (vault: string, snapshot: Snapshot.Snapshot, path: string) {
  const found = yield* at(vault, snapshot, path)
  if (found._tag === "Directory")
    return yield* new NoSuchPath({ vault, path, detail: "it is a folder; `cairn list` shows what is in it" })
  return FileExport.exportFile(snapshot.pipeline, found.entry)
})
