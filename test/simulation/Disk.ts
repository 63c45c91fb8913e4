/** A disk as an object store: what was put is there at once and durable later, and a power cut shows the difference. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Pack from "../../src/schema/Pack.ts"
import * as ObjectStore from "../../src/services/ObjectStore.ts"
import type { Dice } from "./Dice.ts"
import type { Reads } from "./Faults.ts"
import type { Process, Wire } from "./Process.ts"

interface Cell {
  /** What readers see, nothing when it was removed. */
  current: Uint8Array | undefined
  /** What a power cut leaves. */
  durable: Uint8Array | undefined
  /** What readers saw before, and until when; newest last. */
  readonly past: Array<{ readonly until: number; readonly bytes: Uint8Array | undefined }>
}

/** Known bugs of disks and of programs that use them. */
export interface Bugs {
  /** An object is emptied, and then written. */
  readonly truncateThenWrite?: boolean
  /** What was found here, written by somebody else, is taken for durable. */
  readonly trustsFound?: boolean
  /** Flushes come back although the object is not on the disk. */
  readonly neverFlushes?: (path: string) => boolean
}

const none: Uint8Array = new Uint8Array(0)

/** The disk itself. */
export class Disk {
  readonly #cells = new Map<string, Cell>()
  /** Told of every object that `create` made. */
  onCreate: (path: string, bytes: Uint8Array, by: Process) => void = () => {}

  /** The bytes at `path` that a power cut would leave. */
  durable(path: string): Uint8Array | undefined {
    return this.#cells.get(path)?.durable
  }

  current(path: string): Uint8Array | undefined {
    return this.#cells.get(path)?.current
  }

  /** The bytes at `path` as they were at `time`. */
  asOf(path: string, time: number): Uint8Array | undefined {
    const cell = this.#cells.get(path)
    const was = cell?.past.find(({ until }) => until > time)
    return was === undefined ? cell?.current : was.bytes
  }

  get paths(): ReadonlyArray<string> {
    return [...this.#cells].flatMap(([path, cell]) => (cell.current === undefined ? [] : [path]))
  }

  write(path: string, bytes: Uint8Array | undefined, now: number): void {
    let cell = this.#cells.get(path)
    if (cell === undefined) {
      cell = { current: undefined, durable: undefined, past: [] }
      this.#cells.set(path, cell)
    }
    cell.past.push({ until: now, bytes: cell.current })
    cell.current = bytes
  }

  /** Makes what is at `path` durable, as it is now. */
  secure(path: string): void {
    const cell = this.#cells.get(path)
    if (cell !== undefined) cell.durable = cell.current
  }

  /**
   * Whatever was not durable is gone, or made it by chance. Of a new blob there may be an empty file, and of a pack a part:
   * other programs that write to the same store do not flush what they rename.
   */
  cut(dice: Dice): void {
    for (const [path, cell] of this.#cells) {
      if (cell.current === cell.durable) continue
      // a catalogue that is there before its packs is what a store of packs has to be ready for
      const luck = path.startsWith("packs/") ? dice.below(2) : dice.below(4)
      if (luck === 0) cell.durable = cell.current
      else if (luck === 1 && cell.durable === undefined && readsOf(path) === "blob")
        cell.durable = torn(cell.current, dice)
      cell.current = cell.durable
    }
  }

  /** Everything as one process sees it, every operation being a call over the wire. */
  opened(options: {
    readonly name: string
    readonly wire: Wire
    readonly process: Process
    readonly isShared: boolean
    readonly bugs: Bugs
  }): ObjectStore.Service {
    const { bugs, isShared, name, process, wire } = options
    let touched = new Set<string>()

    const call = <A>(
      operation: string,
      path: string,
      apply: (back: number) => Either.Either<A, ObjectStore.ObjectStoreError>,
      about: { readonly reads?: Reads; readonly show?: (value: A) => string } = {}
    ) =>
      wire.call({
        process,
        label: `${name} ${operation} ${short(path)}`,
        place: name,
        isShared,
        apply,
        refused: (detail) => failed(reasonOf(operation, path), operation, path, detail),
        ...about
      })
    const failed = (reason: ObjectStore.ObjectStoreError["reason"], operation: string, path: string, detail: string) =>
      new ObjectStore.ObjectStoreError({ reason, store: name, operation, path, detail })
    const seen = (path: string, back: number) => (back === 0 ? this.current(path) : this.asOf(path, wire.now - back))
    const written = (path: string, bytes: Uint8Array | undefined) => {
      this.write(path, bytes, wire.now)
      if (bugs.neverFlushes?.(path) !== true) touched.add(path)
      return Either.void
    }
    const put: ObjectStore.Service["put"] = (path, bytes) =>
      call("put", path, () => written(path, new Uint8Array(bytes)))

    return {
      name,
      features: { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY },
      put:
        bugs.truncateThenWrite === true
          ? (path, bytes) =>
              Effect.zipRight(
                call("truncate", path, () => written(path, none)),
                put(path, bytes)
              )
          : put,
      create: (path, bytes) =>
        call(
          "create",
          path,
          () => {
            if (this.current(path) !== undefined) return Either.right(false)
            this.write(path, new Uint8Array(bytes), wire.now)
            this.secure(path)
            this.onCreate(path, bytes, process)
            return Either.right(true)
          },
          { show: String }
        ),
      get: (path, range) =>
        call(
          "get",
          path,
          (back) => {
            const bytes = seen(path, back)
            if (bytes === undefined) return Either.left(failed("NotFound", "get", path, "there is no such object"))
            const offset = range?.offset ?? 0
            return Either.right(bytes.slice(offset, offset + (range?.length ?? bytes.length)))
          },
          { reads: readsOf(path), show: (bytes) => `${bytes.length} bytes` }
        ),
      size: (path) =>
        call(
          "size",
          path,
          (back) => {
            const bytes = seen(path, back)
            if (bytes !== undefined && bugs.trustsFound !== true) touched.add(path)
            return Either.right(bytes?.length)
          },
          { reads: readsOf(path), show: String }
        ),
      list: (prefix) =>
        Stream.unwrap(
          Effect.map(
            call("list", prefix, () => Either.right(this.paths.filter((path) => path.startsWith(prefix))), {
              show: (paths) => `${paths.length} objects`
            }),
            Stream.fromIterable
          )
        ),
      remove: (path) => call("remove", path, () => written(path, undefined)),
      sync: Effect.suspend(() => {
        const before = touched
        touched = new Set()
        return Effect.onExit(
          call("sync", "", () => {
            for (const path of before) this.secure(path)
            return Either.void
          }),
          (exit) =>
            Effect.sync(() => {
              if (exit._tag === "Failure") for (const path of before) touched.add(path)
            })
        )
      })
    }
  }
}

/** Blobs, packs and catalogues are never replaced: an older view of one can only lack it. */
const readsOf = (path: string): Reads => (/^(blob3|packs)\//.test(path) ? "blob" : "latest")

/** What is left of an object that did not get to the disk as a whole. */
const torn = (bytes: Uint8Array | undefined, dice: Dice): Uint8Array =>
  bytes !== undefined && Pack.isPack(bytes) ? bytes.slice(0, dice.below(bytes.length)) : none

/** Of some blobs a disk says for a moment that it cannot read them. */
const reasonOf = (operation: string, path: string) =>
  operation === "get" && readsOf(path) === "blob" && path.charCodeAt(path.length - 1) % 2 === 0
    ? "Unreadable"
    : "Unavailable"

/** A path with its hashes cut, for reading. */
const short = (path: string) => path.replace(/([\w-]{8})[\w-]{24,}/g, "$1…")
