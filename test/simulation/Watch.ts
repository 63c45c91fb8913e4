/** Looks on as a process works: how long its attempts take, and what it is about to write down. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Registry from "../../src/services/Registry.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import type { World } from "./World.ts"

export class Watch {
  readonly #world: World
  /** The longest attempt in microseconds: from reading the head to the answer of the compare-and-swap. */
  longest = 0

  constructor(world: World) {
    this.#world = world
  }

  /** The same services; `recording` is told of each record before it is saved. */
  over<R>(
    services: Context.Context<R | Registry.Registry | VaultState.VaultState>,
    recording: (record: VaultState.SourceRecord) => void
  ): Context.Context<R | Registry.Registry | VaultState.VaultState> {
    const registry = Context.get(services, Registry.Registry)
    const state = Context.get(services, VaultState.VaultState)
    return services.pipe(
      Context.add(Registry.Registry, this.#timed(registry)),
      Context.add(VaultState.VaultState, {
        ...state,
        saveRecord: (vault, folder, record) =>
          Effect.suspend(() => {
            recording(record)
            return state.saveRecord(vault, folder, record)
          })
      })
    )
  }

  #timed(registry: Registry.Service): Registry.Service {
    let since = 0
    return {
      ...registry,
      entries: (key) =>
        Effect.suspend(() => {
          since = this.#world.now
          return registry.entries(key)
        }),
      set: (entry, over) =>
        Effect.tap(registry.set(entry, over), () =>
          Effect.sync(() => {
            this.longest = Math.max(this.longest, this.#world.now - since)
          })
        )
    }
  }
}
