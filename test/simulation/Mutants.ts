/** Known bugs, each as a switch that brings it back. The simulator is worth something if it finds them all. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RegistryRules from "../../src/layers/RegistryRules.ts"
import type * as Registry from "../../src/services/Registry.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import { primitives } from "./CheapCrypto.ts"
import type { Configuration, Report } from "./Configuration.ts"
import type * as Disk from "./Disk.ts"
import { faultNames } from "./Faults.ts"
import * as Packed from "./mutants/PackedStore.ts"
import * as PublishLoop from "./mutants/PublishLoop.ts"
import type { Services } from "./Outside.ts"
import type * as PackedStore from "./PackedStore.ts"
import type * as SimulatedRegistry from "./SimulatedRegistry.ts"
import type * as SimulatedVaultState from "./SimulatedVaultState.ts"
import * as Simulation from "./Simulation.ts"
import type { Programs } from "./Writer.ts"

export interface Mutant {
  readonly name: string
  /** What it does wrong. */
  readonly about: string
  readonly registry?: SimulatedRegistry.Bugs
  /** The shared store's. */
  readonly store?: Disk.Bugs
  /** Those of the writers' own records. */
  readonly records?: SimulatedVaultState.Bugs
  /** What the packed store is made of. */
  readonly packs?: (parts: PackedStore.Parts) => PackedStore.Parts
  readonly services?: (services: Services) => Services
  /** In the place of `RegistryMulti`. */
  readonly several?: (backends: readonly [Registry.Service, ...ReadonlyArray<Registry.Service>]) => Registry.Service
  readonly programs?: Programs
  /** Where it is looked for, when not among two writers with folders of their own. */
  readonly habitat?: Partial<Configuration>
  /** The seed to begin with, where one that shows it is rare. */
  readonly from?: number
}

/** Blobs become durable only when the registry names them already. */
const registryFirst = ({ blobs, registry, state }: Services): Services => ({
  blobs: { ...blobs, sync: Effect.void },
  registry: { ...registry, set: (entry, over) => Effect.zipLeft(registry.set(entry, over), Effect.ignore(blobs.sync)) },
  state
})

/** What was about to be published when a process ended is forgotten with it. */
const withoutIntents = ({ blobs, registry, state }: Services): Services => ({
  blobs,
  registry,
  state: { ...state, intents: () => Effect.succeed([]) }
})

/** What has to follow a publication is done when there is time, and not noted before. */
const withoutTodos = ({ blobs, registry, state }: Services): Services => ({
  blobs,
  registry,
  state: { ...state, addTodo: () => Effect.void }
})

/** Whoever answers first is believed, and one that stored it is enough, whatever the others hold. */
const firstAnswer: Mutant["several"] = ([first, ...rest]) => ({
  name: "first",
  entries: (key) => rest.reduce((asked, next) => Effect.catchAll(asked, () => next.entries(key)), first.entries(key)),
  set: (entry, over) =>
    Effect.flatMap(
      Effect.partition([first, ...rest], (one) => one.set(entry, over)),
      ([failures, answers]) => {
        const stored = answers.find(({ _tag }) => _tag === "Stored") ?? answers[0]
        const failure = failures[0]
        return stored !== undefined || failure === undefined
          ? Effect.succeed(stored ?? rules.stored())
          : Effect.fail(failure)
      }
    ),
  changes: () => Stream.empty
})

const rules = RegistryRules.make("first", primitives)

/** The merged tree is remembered as what the source held. */
const mergedBase = ({ blobs, registry, state }: Services): Services => ({
  blobs,
  registry,
  state: {
    ...state,
    record: (vault, folder) =>
      Effect.map(state.record(vault, folder), (record) =>
        record === undefined ? undefined : new VaultState.SourceRecord({ ...record, base: record.root })
      )
  }
})

const shared = { folders: "shared" } as const
// what is new in each round fills packs, what everybody has is in one already
const fresh = { store: "packed", rounds: 4 } as const
const packed = { folders: "shared", contents: "alike", writers: 3, store: "packed" } as const
const alike = { folders: "shared", contents: "alike", writers: 3, rounds: 3 } as const

export const all: ReadonlyArray<Mutant> = [
  {
    name: "get-then-put",
    about: "the registry looks whether an entry may be kept, and keeps it in a second step",
    registry: { getThenPut: true }
  },
  {
    name: "verify-after-set",
    about: "the registry keeps whatever is newer, and writers look afterwards whether their entry is there",
    registry: { withoutSwap: true }
  },
  {
    name: "local-only",
    about: "when the head's tree cannot be merged, the local tree is published alone",
    programs: PublishLoop.programs({ localOnly: true })
  },
  {
    name: "without-history",
    about: "when the head cannot be fetched, the local tree is published as the first",
    programs: PublishLoop.programs({ withoutHistory: true })
  },
  {
    name: "two-way-merge",
    about: "trees are united without a base, so that what was deleted comes back",
    programs: PublishLoop.programs({ twoWay: true })
  },
  {
    name: "registry-before-blobs",
    about: "the registry names blobs that are not durable yet",
    services: registryFirst
  },
  {
    name: "truncate-then-write",
    about: "a record is emptied before it is written, so that a crash leaves nothing",
    records: { truncateThenWrite: true },
    habitat: { state: "values" }
  },
  {
    name: "cached-head",
    about: "the head that was read once is answered for ever, whatever was set since",
    registry: { cachedHead: true }
  },
  {
    name: "equal-revision",
    about: "an entry with the stored one's revision takes its place",
    registry: { equalRevision: true }
  },
  {
    name: "base-re-read",
    about: "after a lost race the head is taken for the base, so that what others added looks deleted",
    programs: PublishLoop.programs({ rebases: true }),
    habitat: shared
  },
  {
    name: "crash-before-record",
    about: "a publication whose writer died before it was recorded is taken for somebody else's",
    services: withoutIntents
  },
  {
    name: "error-after-apply",
    about: "a publication whose answer was lost is made again over what others did meanwhile",
    programs: PublishLoop.programs({ forgetful: true }),
    habitat: { ...alike, rounds: 4, faults: new Set(["delay", "fail", "failAfter"]) }
  },
  {
    name: "dedup-not-durable",
    about: "a blob that another writer put is taken for durable before it is",
    store: { trustsFound: true },
    habitat: alike
  },
  {
    name: "deletes-others",
    about: "the merged tree is taken for what the source held, so that what others put there is deleted",
    services: mergedBase
  },
  {
    name: "first-answer",
    about:
      "of several registries the first that answers is believed, so that what another one acknowledged is forgotten",
    several: firstAnswer,
    habitat: { registry: "several" }
  },
  {
    name: "mirror-forgotten",
    about: "that a meta target is to get a node is not noted before the head moves, so that a crash forgets it",
    services: withoutTodos,
    habitat: { mirrors: 1 }
  },
  {
    name: "index-before-flush",
    about: "the index of packs names blobs that are not durable yet, so that others take them for present",
    packs: Packed.indexFirst,
    habitat: { ...fresh, homes: "one" },
    from: 30
  },
  {
    name: "catalogue-not-flushed",
    about: "a barrier does not flush its catalogue, so that other homes do not find what it kept",
    store: { neverFlushes: Packed.isCatalogue },
    habitat: packed
  },
  {
    name: "open-pack",
    about: "blobs that are held in the open pack count as durable, and a barrier leaves it open",
    services: Packed.staysOpen,
    habitat: packed
  },
  {
    name: "others-packs-not-durable",
    about: "packs that another process wrote are entered into the index before they are durable",
    store: { trustsFound: true },
    habitat: packed
  },
  {
    name: "found-by-prefix",
    about: "a blob whose hash begins like another's is taken for that one",
    packs: Packed.byPrefix,
    habitat: packed
  },
  {
    name: "pack-without-catalogue",
    about: "a blob is taken for present that others find only if they happen to look at every object",
    packs: Packed.withoutCatalogues,
    habitat: { ...fresh, faults: new Set(["delay", "crash", "index"]) },
    from: 30
  },
  {
    name: "torn-pack",
    about: "a pack that a power cut tore is taken for whole",
    packs: Packed.tornIsWhole,
    habitat: { ...fresh, faults: new Set(["delay", "power"]) }
  }
]

/** The publish loop of the mutants without any bug. */
export const control: Mutant = {
  name: "control",
  about: "nothing is wrong with it",
  programs: PublishLoop.programs({})
}

/** Where a mutant is looked for under a seed. */
export const habitatOf = (mutant: Mutant, seed: number): Configuration => ({
  seed,
  writers: 2,
  rounds: 2,
  folders: "own",
  contents: "varied",
  registry: "cell",
  state: "values",
  homes: "own",
  mirrors: 0,
  store: "objects",
  faults: new Set(faultNames),
  attemptMillis: 100,
  mutant,
  ...mutant.habitat
})

/** The first of `seeds` runs in which the simulator finds the mutant. */
export const hunt = (mutant: Mutant, seeds: number): Report | undefined => {
  const { from = 0 } = mutant
  for (let number = 0; number < seeds; number++) {
    const report = Simulation.run(habitatOf(mutant, from + number))
    if (report.problem !== undefined) return report
  }
  return undefined
}
