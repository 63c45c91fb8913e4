/** What lies outside of processes and outlives them: stores, registries, and each device's disk. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as RegistryMulti from "../../src/layers/RegistryMulti.ts"
import * as RegistryObjectStore from "../../src/layers/RegistryObjectStore.ts"
import * as VaultStateObjectStore from "../../src/layers/VaultStateObjectStore.ts"
import type { Vault } from "../../src/programs/Vault.ts"
import type { RegistryEntry } from "../../src/schema/RegistryEntry.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Envelope from "../../src/services/Envelope.ts"
import * as Keyring from "../../src/services/Keyring.ts"
import type * as ObjectStore from "../../src/services/ObjectStore.ts"
import * as Registry from "../../src/services/Registry.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import type { Configuration } from "./Configuration.ts"
import * as Dice from "./Dice.ts"
import { Disk } from "./Disk.ts"
import * as PackedStore from "./PackedStore.ts"
import type { Process, Wire } from "./Process.ts"
import { SimulatedPackIndex } from "./SimulatedPackIndex.ts"
import * as SimulatedRegistry from "./SimulatedRegistry.ts"
import * as SimulatedVault from "./SimulatedVault.ts"
import * as SimulatedVaultState from "./SimulatedVaultState.ts"

/** What a mutant may put something else in the place of. */
export interface Services {
  readonly blobs: BlobStore.Service
  readonly registry: Registry.Service
  readonly state: VaultState.Service
}

/** One device's disk. */
export interface Home {
  readonly disk: Disk
  readonly records: SimulatedVaultState.Records
  /** What a registry layer with a bug remembers for longer than it should. */
  readonly cache: Map<string, ReadonlyArray<RegistryEntry>>
  /** Of the packs in the shared store. */
  readonly packs: SimulatedPackIndex
  readonly habit: PackedStore.Habit
}

/** What a seed makes of the configuration's `several` registries. */
export interface Several {
  readonly count: number
  readonly policy: RegistryMulti.Policy
}

export const severalOf = (seed: number): Several => {
  const dice = Dice.make(seed, 14)
  const count = 2 + dice.below(2)
  const policies: ReadonlyArray<RegistryMulti.Policy> = [
    { _tag: "Any" },
    { _tag: "Any" },
    { _tag: "All" },
    { _tag: "Quorum", count: 1 + dice.below(count) }
  ]
  return { count, policy: dice.pick(policies) }
}

const prepared = new Map<string, ReadonlyArray<readonly [path: string, bytes: Uint8Array]>>()

/** The objects that a disk has on which the vault was opened once and `folders` were chosen as its sources. */
const preparedObjects = (folders: ReadonlyArray<string>) => {
  const key = folders.join(" ")
  const known = prepared.get(key)
  if (known !== undefined) return known
  const objects = Effect.runSync(
    Effect.gen(function* () {
      const store = yield* ObjectStoreMemory.make()
      const state = yield* VaultStateObjectStore.make(store)
      yield* state.createKeys(SimulatedVault.name, SimulatedVault.sealedKeys)
      for (const folder of folders) yield* state.createSource(SimulatedVault.name, SimulatedVault.mappingOf(folder))
      const paths = [...(yield* Stream.runCollect(store.list("")))].sort()
      return yield* Effect.forEach(paths, (path) => Effect.map(store.get(path), (bytes) => [path, bytes] as const))
    }).pipe(Effect.provideService(Crypto.Crypto, CheapCrypto.crypto(Dice.make(0))))
  )
  prepared.set(key, objects)
  return objects
}

/** The device of this number, which has the vault and these folders as its sources. */
export const home = (configuration: Configuration, folders: ReadonlyArray<string>, number: number): Home => {
  const disk = new Disk()
  if (configuration.state === "files")
    for (const [path, bytes] of preparedObjects(folders)) {
      disk.write(path, bytes, 0)
      disk.secure(path)
    }
  return {
    disk,
    records: new SimulatedVaultState.Records(SimulatedVault.sealedKeys, folders.map(SimulatedVault.mappingOf)),
    cache: new Map(),
    packs: new SimulatedPackIndex(),
    habit: PackedStore.habitOf(Dice.make(configuration.seed, 16, number))
  }
}

export class Outside {
  readonly shared = new Disk()
  readonly mirrors: ReadonlyArray<Disk>
  readonly registries: ReadonlyArray<SimulatedRegistry.Cells>
  readonly several: Several | undefined
  readonly #configuration: Configuration
  readonly #wire: Wire

  constructor(configuration: Configuration, wire: Wire) {
    this.#configuration = configuration
    this.#wire = wire
    this.several = configuration.registry === "several" ? severalOf(configuration.seed) : undefined
    this.mirrors = Array.from({ length: configuration.mirrors }, () => new Disk())
    this.registries = Array.from({ length: this.several?.count ?? 1 }, () => new SimulatedRegistry.Cells())
  }

  /** The services of one process on a device, for as long as `scope`. */
  services(process: Process, at: Home, scope: Scope.Scope) {
    const { mutant, seed } = this.#configuration
    const crypto = CheapCrypto.crypto(Dice.make(seed, 10, process.writer, process.life))
    const wire = this.#wire
    const shared = this.shared.opened({ name: "store", wire, process, isShared: true, bugs: mutant?.store ?? {} })
    const plain: Services = {
      blobs: this.#blobs(process, at, shared, scope),
      registry: this.#registry(process, at, shared, crypto),
      state: this.#records(process, at, crypto)
    }
    const { blobs, registry, state } = mutant?.services?.(plain) ?? plain
    return Context.make(Crypto.Crypto, crypto).pipe(
      Context.add(BlobStore.BlobStore, blobs),
      Context.add(Registry.Registry, registry),
      Context.add(VaultState.VaultState, state),
      Context.add(Envelope.Envelope, CheapCrypto.envelope(Dice.make(seed, 11, process.writer, process.life))),
      Context.add(Keyring.Keyring, CheapCrypto.keyring)
    )
  }

  #blobs(process: Process, at: Home, objects: ObjectStore.Service, scope: Scope.Scope): BlobStore.Service {
    const { mutant, seed, store, faults } = this.#configuration
    if (store === "objects") return BlobStoreObjects.fromObjects(objects, CheapCrypto.primitives)
    const dice = Dice.make(seed, 17, process.writer, process.life)
    const luck = faults.has("index") && !process.isCalm ? dice.float() : 1
    if (luck < 0.1 && at.packs.isMade) {
      this.#wire.note(`${process.name}: the index of packs is gone`)
      at.packs.lose()
    } else if (luck < 0.15) this.#wire.note(`${process.name}: the index of packs cannot be opened`)
    const cannotOpen = luck >= 0.1 && luck < 0.15
    const index = cannotOpen ? PackedStore.freshIndex() : at.packs.opened(this.#wire, process)
    const parts = { objects, index }
    return PackedStore.open(mutant?.packs?.(parts) ?? parts, at.habit, scope)
  }

  /** The vault with its meta targets, as a process has them. */
  withMirrors(process: Process, vault: Vault): Vault {
    if (this.mirrors.length === 0) return vault
    const metaTargets = this.mirrors.map((disk, index) => {
      const name = `mirror${index}`
      const objects = disk.opened({ name, wire: this.#wire, process, isShared: true, bugs: {} })
      return BlobStoreObjects.fromObjects(objects, vault.primitives)
    })
    return { ...vault, metaTargets }
  }

  #registry(process: Process, at: Home, shared: Parameters<typeof RegistryObjectStore.make>[0], crypto: CryptoService) {
    const { mutant, registry: kind } = this.#configuration
    const { several } = this
    if (kind === "objects")
      return Effect.runSync(Effect.provideService(RegistryObjectStore.make(shared), Crypto.Crypto, crypto))
    const [first, ...rest] = this.registries.map((cells, index) =>
      SimulatedRegistry.opened({
        name: several === undefined ? "registry" : `registry${index}`,
        cells,
        wire: this.#wire,
        process,
        bugs: mutant?.registry ?? {},
        cache: at.cache
      })
    )
    if (first === undefined) throw new Error("there is no registry")
    if (several === undefined) return first
    if (mutant?.several !== undefined) return mutant.several([first, ...rest])
    const multi = RegistryMulti.make({ backends: [first, ...rest], policy: several.policy })
    return Effect.runSync(Effect.provideService(multi, Crypto.Crypto, crypto))
  }

  #records(process: Process, at: Home, crypto: CryptoService) {
    const { mutant, state } = this.#configuration
    const wire = this.#wire
    const bugs = mutant?.records ?? {}
    if (state === "values")
      return SimulatedVaultState.opened({
        records: at.records,
        wire,
        process,
        bugs,
        otherwise: SimulatedVault.otherwise
      })
    const own = at.disk.opened({ name: "disk", wire, process, isShared: false, bugs })
    return Effect.runSync(Effect.provideService(VaultStateObjectStore.make(own), Crypto.Crypto, crypto))
  }
}

type CryptoService = Context.Tag.Service<typeof Crypto.Crypto>
