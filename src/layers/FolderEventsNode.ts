/**
 * Folder events from the system: @parcel/watcher where it loads, Node's own watcher where it does not, and a look at
 * everything from time to time where neither works.
 *
 * @since 0.1.0
 */
import { type FSWatcher, watch } from "node:fs"
import { realpath, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Event, FolderEvents, FolderEventsError, type Service } from "../services/FolderEvents.ts"

/** How changes are noticed. @since 0.1.0 @category models */
export type Means = "native" | "node" | "polling"

/** @since 0.1.0 @category models */
export interface Options {
  /** Folders whose changes are nobody's business, by local path: a store within a watched folder would never rest. */
  readonly ignore?: ReadonlyArray<string>
  /** The means tried, in this order; all three unless given. */
  readonly means?: ReadonlyArray<Means>
  /** Where nothing tells of changes: how often something may have changed. */
  readonly poll?: Duration.DurationInput
}

/** What people are told. @since 0.1.0 @category constants */
export const names: Readonly<Record<Means, string>> = {
  native: "native events",
  node: "Node's own watcher",
  polling: "a look at everything every minute"
}

/** The system watches no more folders at once: Node, which asks it for the same, would find that out only later. */
const isLimit = (detail: string): boolean => /no space left|too many open files|ENOSPC|EMFILE/i.test(detail)

/** More paths than these at once are "anything". */
const mostPaths = 8192

/** How often it is looked whether the folder is still the same one. */
const identityCheck = "30 seconds"

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : undefined)
const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const failed = (path: string) => (cause: unknown) => {
  const code = codeOf(cause)
  const reason =
    code === "ENOENT" || code === "ENOTDIR"
      ? "NotFound"
      : code === "EACCES" || code === "EPERM"
        ? "Denied"
        : "Unavailable"
  return new FolderEventsError({
    reason,
    path,
    detail: reason === "NotFound" ? "it is not there" : reason === "Denied" ? "not allowed to" : textOf(cause)
  })
}

const attempt = <A>(path: string, run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: failed(path) })

/** What a subscription tells. */
interface Ear {
  readonly changed: (path: string) => void
  readonly overflow: () => void
  readonly broken: (cause: unknown) => void
}

type Subscribe = (path: string, ear: Ear) => Effect.Effect<void, FolderEventsError, Scope.Scope>

// it is optional: where its binary does not load, others do its work
const parcel = (path: string) => attempt(path, () => import("@parcel/watcher"))

const native =
  (ignore: ReadonlyArray<string>): Subscribe =>
  (path, ear) =>
    Effect.flatMap(parcel(path), (watcher) =>
      Effect.acquireRelease(
        attempt(path, () =>
          watcher.subscribe(
            path,
            (error, events) => {
              // "events were dropped, the file system must be scanned again": nothing else comes as an error
              if (error !== null) return ear.overflow()
              for (const event of events) ear.changed(event.path)
            },
            { ignore: [...ignore] }
          )
        ),
        // a folder that is gone cannot be left properly
        (subscription) => Effect.ignore(Effect.tryPromise(() => subscription.unsubscribe()))
      )
    )

const nodeWatch = (directory: string, recursive: boolean, ear: Ear, only?: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: (): FSWatcher => {
        const watcher = watch(directory, { recursive, persistent: true })
        watcher.on("change", (_, name) => {
          if (only === undefined || name === null || String(name) === only)
            ear.changed(name === null ? directory : join(directory, String(name)))
        })
        watcher.on("error", ear.broken)
        return watcher
      },
      catch: failed(directory)
    }),
    (watcher) => Effect.sync(() => watcher.close())
  )

/** Watches folders and files of this machine. @since 0.1.0 @category constructors */
export const make = (options: Options = {}): Service => {
  const { ignore = [], means = ["native", "node", "polling"] } = options
  const poll = Duration.decode(options.poll ?? "1 minute")

  const open = Effect.fnUntraced(function* (asked: string) {
    const path = yield* attempt(asked, () => realpath(asked))
    const identity = attempt(asked, () => stat(path, { bigint: true }))
    const first = yield* identity
    const silent = yield* Effect.promise(() =>
      Promise.all(ignore.map((folder) => realpath(folder).catch(() => folder)))
    )
    const isSilent = (changed: string) =>
      silent.some((folder) => changed === folder || changed.startsWith(`${folder}/`))

    const bell = yield* Queue.sliding<void>(1)
    let paths = new Set<string>()
    let isOverflow = false
    let failure: FolderEventsError | undefined
    const ring = () => {
      Queue.unsafeOffer(bell, undefined)
    }
    const ear: Ear = {
      changed: (changed) => {
        if (isSilent(changed)) return
        if (paths.size >= mostPaths) isOverflow = true
        else paths.add(changed)
        ring()
      },
      overflow: () => {
        isOverflow = true
        ring()
      },
      broken: (cause) => {
        failure ??= failed(asked)(cause)
        ring()
      }
    }

    const ways: Readonly<Record<Means, Subscribe>> = {
      native: native(silent),
      node: (folder, to) => Effect.asVoid(nodeWatch(folder, true, to)),
      polling: (_, to) =>
        Effect.sync(to.overflow).pipe(Effect.delay(poll), Effect.forever, Effect.forkScoped, Effect.asVoid)
    }
    const attach = Effect.gen(function* () {
      if (!first.isDirectory()) {
        yield* nodeWatch(dirname(path), false, ear, basename(path))
        return "Node's own watcher"
      }
      let last: FolderEventsError | undefined
      for (const way of means) {
        const isFull = last !== undefined && isLimit(last.detail)
        if (isFull && way === "node") continue
        const tried = yield* Effect.either(ways[way](path, ear))
        if (Either.isRight(tried)) {
          const more = isFull ? "; a higher fs.inotify.max_user_watches would help" : ""
          return last === undefined ? names[way] : `${names[way]} (${last.detail}${more})`
        }
        last = tried.left
      }
      return yield* last ?? failed(asked)(new Error("there is no way to watch it"))
    })
    const told = yield* attach

    // a disk that is pulled out or mounted over leaves the watcher with a folder that nobody sees any more
    yield* Effect.flatMap(identity, (now) =>
      now.dev === first.dev && (now.ino === first.ino || !first.isDirectory())
        ? Effect.void
        : new FolderEventsError({ reason: "Replaced", path: asked, detail: "something else took its place" })
    ).pipe(
      Effect.delay(identityCheck),
      Effect.forever,
      Effect.catchAll((error) =>
        Effect.sync(() => {
          failure ??= error
          ring()
        })
      ),
      Effect.forkScoped
    )

    const next = Effect.gen(function* () {
      yield* Queue.take(bell)
      if (failure !== undefined) return yield* failure
      const changed = paths
      const lost = isOverflow
      paths = new Set()
      isOverflow = false
      const event: Event = lost ? { _tag: "Overflow" } : { _tag: "Changed", paths: [...changed] }
      return event
    })
    const attached: Event = { _tag: "Attached", means: told }
    return Stream.concat(Stream.make(attached), Stream.repeatEffect(next))
  })

  return { events: (path) => Stream.unwrapScoped(open(path)) }
}

/** @since 0.1.0 @category layers */
export const layer = (options: Options = {}): Layer.Layer<FolderEvents> => Layer.succeed(FolderEvents, make(options))
