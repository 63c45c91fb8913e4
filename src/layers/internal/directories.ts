/**
 * Directories below a restore target, reached one checked step at a time and kept open while they are in use.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { Components, LocalTreeError } from "../../services/LocalTree.ts"
import * as Files from "./files.ts"

export interface Directory {
  /** Prefix of the paths of its entries, ending in `/`. */
  readonly door: Buffer
  readonly fd: number
  uses: number
  kept: boolean
  /** Whether left-overs of a killed run were looked for here. */
  swept: boolean
}

export interface Directories {
  /** Runs `use` with the directory at `components`; with `create`, missing ones are made. */
  readonly use: <A, E>(
    components: Components,
    at: Files.Place,
    create: boolean,
    use: (directory: Directory, created: boolean) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | LocalTreeError>
  /** As `use` for what is done at once: whoever enters leaves before anything else happens. */
  readonly enter: (
    components: Components,
    at: Files.Place,
    create: boolean
  ) => Either.Either<{ readonly directory: Directory; readonly leave: () => void }, LocalTreeError>
  /** Forgets the directory at `components` and all below it. */
  readonly forget: (components: Components) => void
}

/** Directories kept open though nobody uses them: a walk in key order needs its current branch, eight at once eight. */
const keptOpen = 64

/** Directories that are remembered once they were closed: to come back to one of them is to open it. */
const remembered = 16_384

const keyOf = (components: Components) => components.join("/")

export const make = (
  root: LocalPath.LocalPath,
  mode: number
): Effect.Effect<Directories, LocalTreeError, Scope.Scope> =>
  Effect.gen(function* () {
    const open = new Map<string, Directory>()
    /** Directories that were there when they were closed, without left-overs of a killed run. */
    const met = new Set<string>()
    const rootPlace = Files.place("open", root)

    const shut = (directory: Directory) => {
      directory.kept = false
      if (directory.uses === 0 && directory.fd >= 0) fs.closeSync(directory.fd)
    }
    const keep = (key: string, directory: Directory) => {
      open.set(key, directory)
      if (open.size <= keptOpen) return
      for (const [oldKey, old] of open) {
        // the root stays: every way begins there
        if (oldKey === "" || oldKey === key) continue
        open.delete(oldKey)
        if (old.swept && met.size < remembered) met.add(oldKey)
        shut(old)
        break
      }
    }
    const directoryOf = (path: Buffer, swept: boolean): Directory => {
      const fd = Files.hasDoors ? fs.openSync(path, Files.directoryFlags) : -1
      if (!Files.hasDoors && !fs.lstatSync(path).isDirectory()) throw Files.withCode("ENOTDIR")
      const door = fd >= 0 ? Buffer.from(Files.doorOf(fd)) : Buffer.concat([path, Buffer.from("/")])
      return { door, fd, uses: 0, kept: true, swept }
    }
    const step = (parent: Directory, components: Components, at: Files.Place, create: boolean) => {
      const name = components[components.length - 1]!
      const path = Buffer.concat([parent.door, Buffer.from(name)])
      // whatever became of it since is seen below, as of any other
      const again = met.size > 0 && met.delete(keyOf(components))
      if (again) {
        const opened = Files.attempt(at, () => directoryOf(path, true))
        if (Either.isRight(opened)) return Either.right({ directory: opened.right, created: false })
      }
      let created = false
      const made = Files.attempt(at, () => {
        if (create) {
          try {
            fs.mkdirSync(path, mode)
            created = true
          } catch (cause) {
            // what is there is opened below, which tells whether it is a directory
            if (Files.codeOf(cause) !== "EEXIST") throw cause
          }
        }
        return directoryOf(path, created)
      })
      if (Either.isRight(made)) return Either.right({ directory: made.right, created })
      if (made.left.reason !== "NotADirectory") return Either.left(made.left)
      const isLink = fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
      const what = `"${LocalPath.display(name)}"`
      return Either.left(
        isLink
          ? Files.failure(
              at,
              "Unsafe",
              `${what} is a symbolic link where a directory is needed; remove it if it may go`
            )
          : Files.failure(at, "NotADirectory", `${what} is in the way: it is not a directory`)
      )
    }

    // synchronous from end to end, so that nothing is closed between finding and counting a use
    const acquire = (
      components: Components,
      at: Files.Place,
      create: boolean
    ): Either.Either<{ readonly directory: Directory; readonly created: boolean }, LocalTreeError> => {
      const root = open.get("")
      if (root === undefined) return Either.left(Files.failure(rootPlace, "Unavailable", "it is closed"))
      let directory = root
      let created = false
      let depth = Files.hasDoors ? components.length : 0
      for (; depth > 0; depth--) {
        const key = keyOf(depth === components.length ? components : components.slice(0, depth))
        const known = open.get(key)
        if (known === undefined) continue
        open.delete(key)
        open.set(key, known)
        directory = known
        break
      }
      for (; depth < components.length; depth++) {
        // the parent must outlive the step: making room for it may close what nobody uses
        const parent = directory
        parent.uses++
        const next = step(parent, components.slice(0, depth + 1), at, create)
        release(parent)
        if (Either.isLeft(next)) return Either.left(next.left)
        directory = next.right.directory
        created = next.right.created
        if (Files.hasDoors) keep(keyOf(components.slice(0, depth + 1)), directory)
      }
      directory.uses++
      return Either.right({ directory, created })
    }
    const release = (directory: Directory) => {
      directory.uses--
      if (!directory.kept) shut(directory)
    }

    yield* Effect.acquireRelease(
      Effect.suspend(() =>
        Either.map(
          Files.attempt(rootPlace, () => directoryOf(Files.buffer(root.bytes), false)),
          (directory) => open.set("", directory)
        )
      ),
      () =>
        Effect.sync(() => {
          for (const directory of open.values()) shut(directory)
          open.clear()
        })
    )

    return {
      use: (components, at, create, use) =>
        Effect.acquireUseRelease(
          Effect.suspend(() => acquire(components, at, create)),
          ({ created, directory }) => use(directory, created),
          ({ directory }) => Effect.sync(() => release(directory))
        ),
      enter: (components, at, create) =>
        Either.map(acquire(components, at, create), ({ directory }) => ({
          directory,
          leave: () => release(directory)
        })),
      forget: (components) => {
        const key = keyOf(components)
        for (const [known, directory] of open) {
          if (known !== key && !known.startsWith(`${key}/`)) continue
          open.delete(known)
          shut(directory)
        }
      }
    }
  })
