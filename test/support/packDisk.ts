/** An object store that a power cut, a crash or a failure can strike before or after every single step. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ObjectStoreError, type Service } from "../../src/services/ObjectStore.ts"
import { type Service as Index, PackIndexError } from "../../src/services/PackIndex.ts"

/** What strikes a step of a writer. */
export type Trouble = "fail" | "failAfter" | "full" | "crash" | "crashAfter" | "power"

interface Cell {
  current: Uint8Array | undefined
  durable: Uint8Array | undefined
}

/** One life of a writer. */
export interface Life {
  isAlive: boolean
  readonly died: Deferred.Deferred<void>
}

export const life = Effect.map(Deferred.make<void>(), (died): Life => ({ isAlive: true, died }))

export class PackDisk {
  readonly cells = new Map<string, Cell>()
  readonly #troubles: ReadonlyMap<number, Trouble>
  readonly #chance: () => number
  readonly #lives: Array<Life> = []
  steps = 0

  constructor(troubles: ReadonlyMap<number, Trouble>, chance: () => number) {
    this.#troubles = troubles
    this.#chance = chance
  }

  #kill(life: Life): void {
    life.isAlive = false
    Deferred.unsafeDone(life.died, Effect.void)
  }

  /** Everybody dies; of what was not durable some is there, some not, and of some objects a part. */
  cut(): void {
    for (const life of this.#lives) this.#kill(life)
    for (const [path, cell] of this.cells) {
      if (cell.current === cell.durable) continue
      const luck = Math.floor(this.#chance() * 4)
      if (luck === 0) cell.durable = cell.current
      else if (luck === 1 && cell.durable === undefined && cell.current !== undefined) {
        cell.durable = cell.current.slice(0, Math.floor(this.#chance() * cell.current.length))
      }
      cell.current = cell.durable
      if (cell.current === undefined) this.cells.delete(path)
    }
  }

  /** A step of a process: struck before it, after it, or not at all. */
  #step<A, E>(life: Life, apply: () => Effect.Effect<A, E>, failed: (reason: "Unavailable" | "Full") => E) {
    return Effect.gen(this, function* () {
      for (let turns = Math.floor(this.#chance() * 3); turns > 0; turns--) yield* Effect.yieldNow()
      if (!life.isAlive) return yield* Effect.never
      const trouble = this.#troubles.get(this.steps++)
      if (trouble === "fail") return yield* Effect.fail(failed("Unavailable"))
      if (trouble === "full") return yield* Effect.fail(failed("Full"))
      if (trouble === "power") this.cut()
      if (trouble === "crash") this.#kill(life)
      if (!life.isAlive) return yield* Effect.never
      const result = yield* apply()
      if (trouble === "crashAfter") this.#kill(life)
      if (trouble === "failAfter") return yield* Effect.fail(failed("Unavailable"))
      if (!life.isAlive) return yield* Effect.never
      return result
    })
  }

  /** The objects as one life of a writer sees them. */
  opened(life: Life): Service {
    this.#lives.push(life)
    let touched = new Set<string>()
    const failed = (operation: string, path: string) => (reason: "Unavailable" | "Full") =>
      new ObjectStoreError({ reason, store: "disk", operation, path, detail: reason })
    const notFound = (path: string) =>
      new ObjectStoreError({ reason: "NotFound", store: "disk", operation: "get", path, detail: "not there" })
    const write = (path: string, bytes: Uint8Array | undefined) => {
      const cell = this.cells.get(path) ?? { current: undefined, durable: undefined }
      cell.current = bytes
      this.cells.set(path, cell)
      touched.add(path)
    }
    return {
      name: "disk",
      features: { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY },
      put: (path, bytes) =>
        this.#step(life, () => Effect.sync(() => write(path, new Uint8Array(bytes))), failed("put", path)),
      create: (path) => Effect.fail(failed("create", path)("Unavailable")),
      get: (path, range) =>
        this.#step(
          life,
          () => {
            const bytes = this.cells.get(path)?.current
            const offset = range?.offset ?? 0
            return bytes === undefined
              ? notFound(path)
              : Effect.succeed(bytes.slice(offset, offset + (range?.length ?? bytes.length)))
          },
          failed("get", path)
        ),
      size: (path) =>
        this.#step(
          life,
          () =>
            Effect.sync(() => {
              const bytes = this.cells.get(path)?.current
              if (bytes !== undefined) touched.add(path)
              return bytes?.length
            }),
          failed("size", path)
        ),
      list: (prefix) =>
        Stream.unwrap(
          this.#step(
            life,
            () =>
              Effect.sync(() =>
                Stream.fromIterable(
                  [...this.cells].flatMap(([path, { current }]) =>
                    current !== undefined && path.startsWith(prefix) ? [path] : []
                  )
                )
              ),
            failed("list", prefix)
          )
        ),
      remove: (path) => this.#step(life, () => Effect.sync(() => write(path, undefined)), failed("remove", path)),
      sync: Effect.suspend(() => {
        const before = touched
        touched = new Set()
        return Effect.tapError(
          this.#step(
            life,
            () =>
              Effect.sync(() => {
                for (const path of before) {
                  const cell = this.cells.get(path)
                  if (cell !== undefined) cell.durable = cell.current
                }
              }),
            failed("sync", "")
          ),
          () =>
            Effect.sync(() => {
              for (const path of before) touched.add(path)
            })
        )
      })
    }
  }

  /** An index that all writers share, each change one durable step; what is in it outlives everybody. */
  index(life: Life, shared: Index): Index {
    const failed = (reason: "Unavailable" | "Full") =>
      new PackIndexError({ reason, index: shared.name, detail: reason })
    const step = <A>(use: Effect.Effect<A, PackIndexError>) => this.#step(life, () => use, failed)
    return {
      ...shared,
      find: (hash) => step(shared.find(hash)),
      standing: (pack) => step(shared.standing(pack)),
      add: (entries, standing) => step(shared.add(entries, standing)),
      remove: (hashes) => step(shared.remove(hashes))
    }
  }
}
