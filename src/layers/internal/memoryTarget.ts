/**
 * A restore target in memory.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Bytes from "../../schema/Bytes.ts"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { FileType } from "../../schema/Node.ts"
import type { Components, LocalTreeError, Metadata, Note, Target, TargetOptions } from "../../services/LocalTree.ts"
import * as Tree from "./memoryTree.ts"

const setIds = 0o6000

/** The directory at `base` of `disk` as a restore target. */
export const make = (disk: Tree.Disk, base: LocalPath.LocalPath, options: TargetOptions): Target => {
  const { inodeAt, inodeOf, linkAt, made, now, readingOf, root } = disk
  const pathOf = (components: Components) =>
    components.reduce((path, component) => LocalPath.child(path, LocalPath.nameOf(component)), base)
  const checked = (operation: string, components: Components, needsName: boolean) => {
    const at = Tree.place(operation, pathOf(components))
    let wrong = needsName && components.length === 0 ? "the target itself" : undefined
    for (const component of components) wrong ??= LocalPath.componentProblem(component)
    return wrong === undefined
      ? Either.right({ at, path: pathOf(components) })
      : Either.left(Tree.failure(at, "Unsafe", `${wrong} cannot be an entry below the target`))
  }
  const apply = (inode: Tree.Inode, metadata: Metadata, at: Tree.Place): ReadonlyArray<Note> => {
    const notes: Array<Note> = []
    const note = (aspect: Note["aspect"], detail: string) => notes.push({ aspect, path: at.path, detail })
    inode.uid = metadata.uid ?? inode.uid
    inode.gid = metadata.gid ?? inode.gid
    for (const attribute of metadata.extendedAttributes ?? []) {
      if (attribute.value === undefined) continue
      if (attribute.name === "security.capability" && options.allowSetuid !== true) {
        note("extended attribute", "security.capability: file capabilities left off")
      } else inode.attributes = [...inode.attributes.filter(({ name }) => name !== attribute.name), attribute]
    }
    if (metadata.mode !== undefined && inode.kind !== "symlink") {
      const full = metadata.mode & 0o7777
      inode.mode = options.allowSetuid === true ? full : full & ~setIds
      if (inode.mode !== full) note("mode", "setuid and setgid left off")
    }
    inode.mtimeNs = metadata.mtimeNs ?? inode.mtimeNs
    return notes
  }
  /** Makes missing parents, then runs `place` in the directory that holds the last name. */
  const inParent = <A>(
    components: Components,
    at: Tree.Place,
    time: bigint,
    use: (parent: Tree.Inode, name: Uint8Array) => Either.Either<A, LocalTreeError>
  ): Either.Either<A, LocalTreeError> => {
    const parts = LocalPath.parts(pathOf(components))
    made(root, parts.slice(0, -1), options.directoryMode ?? 0o755, time)
    return Either.flatMap(Tree.walk(root, parts.slice(0, -1), at), (parent) => use(parent, parts[parts.length - 1]!))
  }
  const add = (
    components: Components,
    at: Tree.Place,
    kind: FileType,
    content: Uint8Array,
    settings: Metadata & { readonly overwrite?: boolean }
  ) =>
    Effect.flatMap(now, (time) =>
      inParent(components, at, time, (parent, name) => {
        const known = Tree.childOf(parent, name)
        if (known?.kind === "directory") return Either.left(Tree.failure(at, "Exists", "a directory is there already"))
        if (known !== undefined && settings.overwrite !== true) {
          return Either.left(Tree.failure(at, "Exists", "something is there already"))
        }
        const inode = inodeOf(kind, content, time)
        const notes = apply(inode, settings, at)
        Tree.link(parent, name, inode, time)
        return Either.right(notes)
      })
    )
  const target: Target = {
    path: base,
    ensureDirectory: (components) =>
      Effect.flatMap(now, (time) =>
        Either.flatMap(checked("make the directory", components, false), ({ at, path }) => {
          const created = made(root, LocalPath.parts(path), options.directoryMode ?? 0o755, time)
          return Either.map(Tree.walk(root, LocalPath.parts(path), at), () => created)
        })
      ),
    existing: (components) =>
      Effect.suspend(() =>
        Either.flatMap(checked("look at", components, false), ({ at, path }) =>
          Either.map(inodeAt(path, at), Tree.statusOf)
        ).pipe(Either.orElse((error) => (error.reason === "NotFound" ? Either.right(undefined) : Either.left(error))))
      ),
    readExisting: (components) =>
      Effect.suspend(() =>
        Either.flatMap(checked("read", components, true), ({ at, path }) =>
          Either.flatMap(inodeAt(path, at), (found) => readingOf(found, at))
        )
      ),
    readExistingLink: (components) =>
      Effect.suspend(() =>
        Either.flatMap(checked("read the link", components, true), ({ at, path }) =>
          Either.flatMap(inodeAt(path, at), (found) => linkAt(found, at))
        )
      ),
    writeFile: (components, content, settings = {}) =>
      Effect.gen(function* () {
        const { at } = yield* checked("write", components, true)
        const time = yield* now
        yield* inParent(components, at, time, () => Either.right(undefined))
        const pieces =
          content instanceof Uint8Array
            ? [content]
            : yield* Stream.runFold(content, [] as Uint8Array[], (all, piece) => {
                all.push(piece.slice())
                return all
              })
        return yield* add(components, at, "regular", Bytes.concat(...pieces), settings)
      }),
    symlink: (components, target, settings = {}) =>
      Effect.gen(function* () {
        const { at } = yield* checked("make the link", components, true)
        if (target.length === 0 || target.includes(0)) {
          return yield* Tree.failure(at, "Unsafe", "no link can be empty or hold NUL")
        }
        return yield* add(components, at, "symlink", target.slice(), settings)
      }),
    setDirectoryMetadata: (components, metadata) =>
      Effect.suspend(() =>
        Either.flatMap(checked("set the metadata of", components, false), ({ at, path }) =>
          Either.map(Tree.walk(root, LocalPath.parts(path), at), (found) => apply(found, metadata, at))
        )
      ),
    remove: (components, settings) =>
      Effect.flatMap(now, (time) =>
        Either.flatMap(checked("remove", components, true), ({ at, path }) => {
          const parts = LocalPath.parts(path)
          const name = parts[parts.length - 1]!
          return Either.flatMap(Tree.walk(root, parts.slice(0, -1), at), (parent) => {
            const found = Tree.childOf(parent, name)
            if (found !== undefined && found.children.size > 0 && settings?.recursive !== true) {
              return Either.left(Tree.failure(at, "Exists", "the directory is not empty"))
            }
            if (found !== undefined) Tree.unlink(parent, name, time)
            return Either.right(undefined)
          })
        }).pipe(Either.orElse((error) => (error.reason === "NotFound" ? Either.right(undefined) : Either.left(error))))
      ),
    areFree: (all) =>
      Effect.forEach(all, (components) =>
        Effect.match(target.existing(components), { onSuccess: (found) => found === undefined, onFailure: () => false })
      ),
    writeAll: (files) =>
      Effect.forEach(files, ({ bytes, components, metadata }) =>
        Effect.either(target.writeFile(components, bytes, metadata))
      ),
    sync: Effect.void
  }
  return target
}
