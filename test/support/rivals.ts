/** Several homes that hold one device's keys, and registries that do not see each other: how a vault comes to have rivals. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as RegistryMulti from "../../src/layers/RegistryMulti.ts"
import * as VaultStateObjectStore from "../../src/layers/VaultStateObjectStore.ts"
import * as Backup from "../../src/programs/Backup.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Registry from "../../src/services/Registry.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import { backup, patiently, type World } from "./programs.ts"

/** Another home with the same keys and no records: a copy that was made, or a home put back from an old one. */
export const home = Effect.fnUntraced(function* (world: World) {
  const records = yield* ObjectStoreMemory.make()
  const state = yield* VaultStateObjectStore.make(records)
  const keys = Option.getOrThrow(Option.fromNullable(yield* world.state.keys("docs")))
  yield* state.createKeys("docs", keys)
  return { state, records }
})

export interface Home {
  readonly state: VaultState.Service
}

/** Runs an effect on the records of that home. */
export const at = (home: Home) => Effect.provideService(VaultState.VaultState, home.state)

/** Runs an effect over that registry. */
export const over = (registry: Registry.Service) => Effect.provideService(Registry.Registry, registry)

/** So many registries in memory, and all of them as one of which any is enough. */
export const registries = Effect.fnUntraced(function* (count: number) {
  const make = (index: number) =>
    Effect.gen(function* () {
      const bytes = new Map<string, Uint8Array>()
      return { bytes, service: yield* RegistryMemory.make({ name: `backend ${index}`, bytes }) }
    })
  const first = yield* make(0)
  const backends = [
    first,
    ...(yield* Effect.forEach(Array.from({ length: count - 1 }), (_, i) => make(i + 1)))
  ] as const
  const [head, ...tail] = backends
  const multi = yield* RegistryMulti.make({
    backends: [head.service, ...tail.map(({ service }) => service)],
    policy: { _tag: "Any" }
  })
  return { backends, multi }
})

/** The vault as a home and a registry have it, with a copy of each published node in `metaTargets`. */
export const openVault = Effect.fnUntraced(function* (metaTargets: Vault.Vault["metaTargets"] = []) {
  const vault: Vault.Vault = { ...(yield* Vault.ensure("docs")), metaTargets }
  return vault
})

/** As `backup` of a home over a registry, with time for whatever it waits for. */
export const backupAt = (home: Home, registry: Registry.Service, source: VaultState.SourceMapping) =>
  patiently(backup(source).pipe(at(home), over(registry)))

/** As `backup`, on a vault that was opened before. */
export const backupInto = Effect.fnUntraced(function* (vault: Vault.Vault, source: VaultState.SourceMapping) {
  yield* Backup.saveMapping(vault.name, source)
  return yield* patiently(Backup.backup(vault, source))
})
