/**
 * The local file system through Node: restoring into a directory (docs/format/fs5.md §18).
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as Path from "node:path"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as LocalPath from "../schema/LocalPath.ts"
import type {
  Components,
  FileStatus,
  LocalTreeError,
  Note,
  Target,
  TargetOptions,
  WholeWrite,
  WriteOptions
} from "../services/LocalTree.ts"
import * as Directories from "./internal/directories.ts"
import * as Files from "./internal/files.ts"
import * as LeftOvers from "./internal/leftOvers.ts"
import * as Metadata from "./internal/metadata.ts"
import type { Native } from "./internal/native.ts"
import { removeTree } from "./internal/removeTree.ts"
import * as SmallFiles from "./internal/smallFiles.ts"
import * as Sparse from "./internal/sparse.ts"

const pathOf = (root: LocalPath.LocalPath, components: Components): LocalPath.LocalPath =>
  components.reduce((path, component) => LocalPath.child(path, LocalPath.nameOf(component)), root)

/**
 * Makes the directory and those above it. Not the recursive call of the library: that tries again for ever where nothing can be
 * made in a directory that is there, as in /proc.
 */
const makeAll = (path: string, at: Files.Place): Effect.Effect<void, LocalTreeError> => {
  const make = Files.order(at, (done) => fs.mkdir(path, done))
  const above = Path.dirname(path)
  return make.pipe(
    Effect.catchIf(
      (error) => error.reason === "NotFound" && above !== path,
      () => Effect.zipRight(makeAll(above, at), make)
    ),
    Effect.catchIf(
      (error) => error.reason !== "NotFound",
      (error) =>
        Effect.flatMap(
          // a read-only or a foreign place may say anything of one that is there
          Effect.either(Files.call<fs.Stats>(at, (done) => fs.stat(path, done))),
          (there) => (there._tag === "Right" && there.right.isDirectory() ? Effect.void : Effect.fail(error))
        )
    )
  )
}

const prepare = (at: Files.Place, directory: string): Effect.Effect<LocalPath.LocalPath, LocalTreeError> =>
  Effect.gen(function* () {
    if (directory === "" || directory.includes("\0")) return yield* Files.failure(at, "Unsafe", "it is no path")
    const wanted = Path.resolve(directory)
    yield* makeAll(wanted, at).pipe(
      Effect.mapError((error) =>
        error.reason === "Exists"
          ? Files.failure(at, "NotADirectory", "something that is no directory is there already")
          : error
      )
    )
    const real = yield* Files.call<Buffer>(at, (done) => fs.realpath.native(wanted, { encoding: "buffer" }, done))
    return LocalPath.make(new Uint8Array(real))
  })

/** A file that others do not see yet. */
interface Temporary {
  readonly name: string
  readonly path: Buffer
  readonly fd: number
  placed: boolean
}

/** Opens `directory` as a restore target; `native` is what exact times and extended attributes need. @since 0.1.0 @category constructors */
export const make = (
  native: Native | undefined,
  directory: string,
  options: TargetOptions = {}
): Effect.Effect<Target, LocalTreeError, Scope.Scope> =>
  Effect.gen(function* () {
    const root = yield* prepare({ operation: "open", path: LocalPath.display(directory) }, directory)
    const directories = yield* Directories.make(root, options.directoryMode ?? 0o777)
    const writing = new Set<string>()
    const { apply } = Metadata.make(native, options.allowSetuid === true)

    const placeOf = (operation: string, components: Components): Files.Place => ({
      operation,
      // only failures are shown
      get path() {
        return LocalPath.display(pathOf(root, components))
      }
    })

    const problem = (components: Components): string | undefined => {
      for (const component of components) {
        const found = LocalPath.componentProblem(component)
        if (found !== undefined) return found
      }
      return undefined
    }
    /** Checks the names and runs `use` in the directory that holds the last of them. */
    const inParent = <A, E>(
      operation: string,
      components: Components,
      create: boolean,
      use: (parent: Directories.Directory, path: Buffer, at: Files.Place) => Effect.Effect<A, E>
    ): Effect.Effect<A, E | LocalTreeError> =>
      Effect.suspend(() => {
        const at = placeOf(operation, components)
        const last = components[components.length - 1]
        const wrong = last === undefined ? "the target itself" : problem(components)
        if (last === undefined || wrong !== undefined) {
          return Effect.fail(Files.failure(at, "Unsafe", `${wrong ?? "nothing"} cannot be an entry below the target`))
        }
        return directories.use(components.slice(0, -1), at, create, (parent) =>
          use(parent, Buffer.concat([parent.door, Buffer.from(last)]), at)
        )
      })
    const inDirectory = <A, E>(
      operation: string,
      components: Components,
      create: boolean,
      use: (directory: Directories.Directory, created: boolean, at: Files.Place) => Effect.Effect<A, E>
    ): Effect.Effect<A, E | LocalTreeError> =>
      Effect.suspend(() => {
        const at = placeOf(operation, components)
        const wrong = problem(components)
        return wrong === undefined
          ? directories.use(components, at, create, (found, created) => use(found, created, at))
          : Effect.fail(Files.failure(at, "Unsafe", `${wrong} cannot be an entry below the target`))
      })

    const lstat = (path: Buffer, at: Files.Place): Effect.Effect<FileStatus, LocalTreeError> =>
      Effect.map(
        Files.call<fs.BigIntStats>(at, (done) => fs.lstat(path, { bigint: true }, done)),
        Files.statusOf
      )

    const unlink = (path: Buffer) =>
      Effect.sync(() => {
        try {
          fs.unlinkSync(path)
        } catch {
          // nothing is lost: it is gone, or the next run sweeps it
        }
      })

    const newTemporaryName = () => LocalPath.temporary(randomBytes(8).toString("hex"))

    /** Gives a finished temporary its name: over what is there, or only where nothing is. */
    const place = (
      from: Buffer,
      to: Buffer,
      at: Files.Place,
      overwrite: boolean
    ): Effect.Effect<void, LocalTreeError> => {
      const rename = Files.order(at, (done) => fs.rename(from, to, done))
      if (overwrite) return rename
      return Files.order(at, (done) => fs.link(from, to, done)).pipe(
        Effect.zipRight(unlink(from)),
        Effect.catchIf(
          // a file system without hard links: the look before the move is the best there is
          (error) => error.reason === "Denied" || error.reason === "Unsupported" || error.reason === "Unavailable",
          () =>
            lstat(to, at).pipe(
              Effect.flatMap(() => Effect.fail(Files.failure(at, "Exists", "something is there already"))),
              Effect.catchIf(
                (error) => error.reason === "NotFound",
                () => rename
              )
            )
        )
      )
    }

    const withTemporary = <A, E>(
      parent: Directories.Directory,
      at: Files.Place,
      mode: number,
      use: (temporary: Temporary) => Effect.Effect<A, E>
    ): Effect.Effect<A, E | LocalTreeError> =>
      Effect.acquireUseRelease(
        Effect.suspend(() => {
          const name = newTemporaryName()
          const path = Buffer.concat([parent.door, Buffer.from(name)])
          writing.add(name)
          return Files.attempt(at, (): Temporary => {
            const flags = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_RDWR | fs.constants.O_NOFOLLOW
            const fd = fs.openSync(path, flags, mode)
            // tells another process that looks for left-overs that this is none
            native?.tryLock(fd)
            return { name, path, fd, placed: false }
          })
        }),
        use,
        (temporary) =>
          Effect.sync(() => writing.delete(temporary.name)).pipe(
            Effect.zipRight(Files.close(temporary.fd)),
            Effect.zipRight(temporary.placed ? Effect.void : unlink(temporary.path))
          )
      )

    const sweep = (parent: Directories.Directory) =>
      parent.swept
        ? Effect.void
        : Effect.sync(() => {
            parent.swept = true
            LeftOvers.remove(parent.door, native, writing)
          })

    const syncDirectory = (parent: Directories.Directory, at: Files.Place) =>
      Effect.acquireUseRelease(
        Files.call<number>(at, (done) => fs.open(Metadata.inside(parent.door), fs.constants.O_RDONLY, done)),
        (fd) => Files.order(at, (done) => fs.fsync(fd, done)),
        Files.close
      )

    /** Makes a file at once, with what `write` writes into it while nobody sees it. */
    const makeFile = <E>(
      components: Components,
      settings: WriteOptions,
      write: (fd: number, at: Files.Place) => Effect.Effect<void, E | LocalTreeError>
    ): Effect.Effect<ReadonlyArray<Note>, E | LocalTreeError> =>
      inParent("write", components, true, (parent, path, at) =>
        Effect.zipRight(
          sweep(parent),
          withTemporary(parent, at, settings.mode === undefined ? 0o666 : 0o600, (temporary) =>
            Effect.gen(function* () {
              yield* write(temporary.fd, at)
              const notes = yield* Effect.sync(() =>
                apply({ fd: temporary.fd, kind: "file", shown: at.path }, settings)
              )
              // without syncfs the barrier of `sync` cannot be had at the end
              if (native === undefined)
                yield* Effect.uninterruptible(Files.order(at, (done) => fs.fsync(temporary.fd, done)))
              yield* Effect.uninterruptible(
                Effect.tap(place(temporary.path, path, at, settings.overwrite === true), () => {
                  temporary.placed = true
                })
              )
              if (native === undefined) yield* syncDirectory(parent, at)
              return notes
            })
          )
        )
      )

    const writeFile: Target["writeFile"] = (components, content, settings = {}) =>
      makeFile(components, settings, (fd, at) => {
        const writer = Sparse.writer(fd, at)
        const written =
          content instanceof Uint8Array
            ? writer.write([content])
            : Stream.runForEachChunk(content, (pieces) => writer.write(Chunk.toReadonlyArray(pieces)))
        return Effect.zipRight(written, writer.end)
      })

    const fillFile: NonNullable<Target["fillFile"]> = (components, size, fill, settings = {}) =>
      makeFile(components, settings, (fd, at) =>
        Effect.zipRight(
          fill({
            descriptor: fd,
            write: (bytes, position) =>
              Effect.suspend(() => Files.attempt(at, () => void Sparse.writeAt(fd, bytes, position)))
          }),
          // not before: a length that nothing stands for is no reason to say that the disk is full
          Effect.uninterruptible(Files.order(at, (done) => fs.ftruncate(fd, size, done)))
        )
      )

    const allowSetuid = options.allowSetuid === true
    const small =
      native === undefined ? undefined : SmallFiles.make({ native, directories, writing, apply, allowSetuid })
    const writeAll: Target["writeAll"] = (files) => {
      const single = (file: WholeWrite) => Effect.either(writeFile(file.components, file.bytes, file.metadata))
      // without syncfs each file is synced before it gets its name, which takes its time anyway
      if (small === undefined) return Effect.forEach(files, single, { concurrency: 8 })
      return Effect.flatMap(
        Effect.sync(() =>
          files.map((file) => {
            const at = placeOf("write", file.components)
            const wrong = file.components.length === 0 ? "the target itself" : problem(file.components)
            return wrong === undefined
              ? small.write(file, at)
              : Either.left(Files.failure(at, "Unsafe", `${wrong} cannot be an entry below the target`))
          })
        ),
        (results) =>
          Effect.forEach(results, (result, index) =>
            result === undefined ? single(files[index]!) : Effect.succeed(result)
          )
      )
    }

    const orderAll =
      (small: SmallFiles.SmallFiles): NonNullable<Target["orderAll"]> =>
      (files, make) =>
        // the directories must stay what they are for as long as somebody writes through their descriptors
        Effect.acquireUseRelease(
          Effect.sync(() =>
            files.map((file) => {
              if (file.components.length === 0 || problem(file.components) !== undefined) return undefined
              const ordered = small.order(file, placeOf("write", file.components))
              return Either.isRight(ordered) ? ordered.right : undefined
            })
          ),
          (ordered) => {
            const orders = ordered.flatMap((one, at) => (one === undefined ? [] : [{ at, order: one.order }]))
            return Effect.map(Effect.uninterruptible(make(orders)), (made) => {
              const notes: Array<ReadonlyArray<Note> | undefined> = files.map(() => undefined)
              for (const [index, { at }] of orders.entries())
                notes[at] = made[index]?.map((note) => ({
                  ...note,
                  path: placeOf("write", files[at]!.components).path
                }))
              return notes
            })
          },
          (ordered) =>
            Effect.sync(() => {
              for (const one of ordered) one?.leave()
            })
        )

    const symlink: Target["symlink"] = (components, target, settings: WriteOptions = {}) =>
      inParent("make the link", components, true, (parent, path, at) => {
        if (target.length === 0 || target.includes(0)) {
          return Effect.fail(Files.failure(at, "Unsafe", "no link can be empty or hold NUL"))
        }
        const dress = (link: Buffer) => apply({ path: link, kind: "symlink", shown: at.path }, settings)
        const create = (link: Buffer) => Files.order(at, (done) => fs.symlink(Files.buffer(target), link, done))
        if (settings.overwrite !== true) {
          return Effect.uninterruptible(
            Effect.zipRight(
              sweep(parent),
              Effect.map(create(path), () => dress(path))
            )
          )
        }
        const temporary = Buffer.concat([parent.door, Buffer.from(newTemporaryName())])
        return Effect.uninterruptible(
          Effect.gen(function* () {
            yield* sweep(parent)
            yield* create(temporary)
            const notes = dress(temporary)
            yield* Effect.onError(place(temporary, path, at, true), () => unlink(temporary))
            return notes
          })
        )
      })

    const target: Target = {
      path: root,
      ensureDirectory: (components) =>
        inDirectory("make the directory", components, true, (_, created) => Effect.succeed(created)),
      existing: (components) =>
        components.length === 0
          ? inDirectory("look at", components, false, (found, _, at) => lstat(Metadata.inside(found.door), at))
          : inParent("look at", components, false, (_, path, at) => lstat(path, at)).pipe(
              Effect.catchIf(
                (error) => error.reason === "NotFound",
                () => Effect.succeed(undefined)
              )
            ),
      readExisting: (components) =>
        Effect.acquireRelease(
          inParent("read", components, false, (_, path, at) =>
            Files.call<number>(at, (done) => fs.open(path, Files.readFlags, done))
          ),
          Files.close
        ).pipe(Effect.flatMap((fd) => Files.readingOf(fd, placeOf("read", components), undefined))),
      readExistingLink: (components) =>
        inParent("read the link", components, false, (_, path, at) =>
          Effect.map(
            Files.call<Buffer>(at, (done) => fs.readlink(path, { encoding: "buffer" }, done)),
            (bytes) => new Uint8Array(bytes)
          )
        ),
      areFree: (all) =>
        Effect.sync(() => {
          const missing = new Set<string>()
          return all.map((components) => {
            const at = placeOf("look at", components)
            const last = components[components.length - 1]
            if (last === undefined || problem(components) !== undefined) return false
            const above = components.slice(0, -1)
            if (missing.has(above.join("/"))) return true
            const parent = directories.enter(above, at, false)
            if (Either.isLeft(parent)) {
              const isMissing = parent.left.reason === "NotFound"
              if (isMissing) missing.add(above.join("/"))
              return isMissing
            }
            const path = Buffer.concat([parent.right.directory.door, Buffer.from(last)])
            const found = Files.attempt(at, () => fs.lstatSync(path, { throwIfNoEntry: false }))
            parent.right.leave()
            return Either.isRight(found) && found.right === undefined
          })
        }),
      writeFile,
      writeAll,
      ...(Files.hasDoors && { fillFile }),
      ...(Files.hasDoors && small !== undefined && { orderAll: orderAll(small) }),
      symlink,
      setDirectoryMetadata: (components, metadata) =>
        inDirectory("set the metadata of", components, false, (found, _, at) =>
          Effect.sync(
            (): ReadonlyArray<Note> =>
              apply({ path: Metadata.inside(found.door), kind: "directory", shown: at.path }, metadata)
          )
        ),
      remove: (components, settings) =>
        inParent("remove", components, false, (_, path, at) => {
          directories.forget(components)
          return removeTree(path, at, settings?.recursive === true)
        }).pipe(
          Effect.catchIf(
            (error) => error.reason === "NotFound",
            () => Effect.void
          )
        ),
      sync: inDirectory("make durable", [], false, (found, _, at) =>
        native === undefined
          ? Effect.void // every file was synced before it got its name
          : Effect.acquireUseRelease(
              Effect.suspend(() =>
                Files.attempt(at, () => fs.openSync(Metadata.inside(found.door), fs.constants.O_RDONLY))
              ),
              (fd) =>
                Effect.flatMap(
                  Effect.tryPromise({
                    try: () => native.syncFileSystem(fd),
                    catch: (cause) => Files.errorOf(at, cause)
                  }),
                  (failed) =>
                    failed === undefined ? Effect.void : Effect.fail(Files.errorOf(at, Files.withCode(failed.code)))
                ),
              Files.close
            )
      )
    }
    return target
  }).pipe(Effect.withSpan("LocalTree.openTarget"))
