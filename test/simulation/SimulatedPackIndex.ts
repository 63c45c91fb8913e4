/**
 * One home's index of packs, as LMDB keeps it: asking it reads mapped memory and takes no time, a commit is one step that is
 * durable when it is answered, and nothing is made before a pack is entered.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import { PackIndexError, type Service } from "../../src/services/PackIndex.ts"
import type { Process, Wire } from "./Process.ts"

interface Environment {
  readonly index: Service
  isMade: boolean
}

const empty = (): Environment => ({ index: Effect.runSync(PackIndexMemory.make()), isMade: false })

/** The index itself; it outlives the processes. */
export class SimulatedPackIndex {
  #environment = empty()

  get isMade(): boolean {
    return this.#environment.isMade
  }

  /** Somebody deletes it: whoever has it open goes on with what nobody else will ever see. */
  lose(): void {
    this.#environment = empty()
  }

  /** The index as one process sees it. */
  opened(wire: Wire, process: Process): Service {
    let environment: Environment | undefined
    let isSearched = false
    const ask = <A, E>(use: (index: Service) => Effect.Effect<A, E>, otherwise: A): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        if (environment === undefined && this.#environment.isMade) environment = this.#environment
        return environment === undefined ? Effect.succeed(otherwise) : use(environment.index)
      })
    const commit = (label: string, apply: (index: Service) => Effect.Effect<void, PackIndexError>) =>
      wire.call({
        process,
        label: `index ${label}`,
        isShared: false,
        apply: () => {
          environment ??= this.#environment
          environment.isMade = true
          return Effect.runSync(Effect.either(apply(environment.index)))
        },
        refused: (detail) => new PackIndexError({ reason: "Unavailable", index: "of packs", detail })
      })
    return {
      name: "of packs",
      find: (hash) => ask((index) => index.find(hash), []),
      standing: (pack) => ask((index) => index.standing(pack), undefined),
      add: (entries, standing) =>
        commit(`add ${entries.length} ${standing} packs`, (index) => index.add(entries, standing)),
      remove: (hashes) =>
        Effect.suspend(() =>
          this.#environment.isMade ? commit(`remove ${hashes.length}`, (index) => index.remove(hashes)) : Effect.void
        ),
      list: Stream.unwrap(ask((index) => Effect.succeed(index.list), Stream.empty)),
      isSearched: Effect.suspend(() => (isSearched ? Effect.succeed(true) : ask((index) => index.isSearched, false))),
      markSearched: Effect.suspend(() => {
        isSearched = true
        return this.#environment.isMade ? commit("markSearched", (index) => index.markSearched) : Effect.void
      })
    }
  }
}
