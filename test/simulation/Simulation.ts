/**
 * One run: writers that publish to one vault under one key at the same time, on a machine where whatever can go wrong
 * does, checked step by step against a model. The same configuration gives the same trace, byte for byte.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as RegistryObjectStore from "../../src/layers/RegistryObjectStore.ts"
import * as VaultStateObjectStore from "../../src/layers/VaultStateObjectStore.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { RegistryEntry } from "../../src/schema/RegistryEntry.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Envelope from "../../src/services/Envelope.ts"
import * as Keyring from "../../src/services/Keyring.ts"
import * as Registry from "../../src/services/Registry.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import * as Dice from "./Dice.ts"
import { Disk } from "./Disk.ts"
import type { CallId, FaultName, Struck, Trouble } from "./Faults.ts"
import * as Faults from "./Faults.ts"
import { Model } from "./Model.ts"
import type { Mutant } from "./Mutants.ts"
import type { Call } from "./Process.ts"
import { Process, Wire } from "./Process.ts"
import * as SimulatedRegistry from "./SimulatedRegistry.ts"
import * as SimulatedVault from "./SimulatedVault.ts"
import * as SimulatedVaultState from "./SimulatedVaultState.ts"
import * as VirtualClock from "./VirtualClock.ts"
import { World } from "./World.ts"
import * as Writer from "./Writer.ts"

export interface Configuration {
  readonly seed: number
  readonly writers: number
  /** Publications that each writer must get acknowledged. */
  readonly rounds: number
  /** Whether each writer has a folder of its own in the vault, or all share one. */
  readonly folders: "own" | "shared"
  /** Whether files have contents of their own, or few names and few contents that all writers have in common. */
  readonly contents: "varied" | "alike"
  /** One atomic cell, or claims in the shared object store as the production layer makes them. */
  readonly registry: "cell" | "objects"
  /** Records as values, or as files as the production layer keeps them. */
  readonly state: "values" | "files"
  readonly faults: ReadonlySet<FaultName>
  readonly attemptMillis: number
  readonly mutant?: Mutant | undefined
  /** For shrinking: what is left of the run. */
  readonly only?: Only | undefined
}

/** What of a run is left: everything else that the seed says does not take place. */
export interface Only {
  readonly writers?: ReadonlySet<number>
  readonly struck?: ReadonlyMap<CallId, Trouble>
  readonly slow?: ReadonlySet<CallId>
  readonly edits?: ReadonlyArray<Edit>
}

/** A change of one file by a writer's user. */
export interface Edit {
  readonly writer: number
  readonly round: number
  /** How many processes the writer had had by then. */
  readonly lives: number
  /** Before a round, or after a process that did not get to its end. */
  readonly moment: "round" | "again"
  readonly change: Writer.Change
}

export interface Report {
  readonly configuration: Configuration
  /** What was not as it must be. */
  readonly problem: string | undefined
  /** One line for each thing that happened. */
  readonly trace: ReadonlyArray<string>
  readonly struck: ReadonlyArray<Struck>
  readonly slow: ReadonlyArray<CallId>
  /** Every call and what it was. */
  readonly calls: ReadonlyArray<Call>
  readonly edits: ReadonlyArray<Edit>
  /** Attempts of each publication that was acknowledged. */
  readonly attempts: ReadonlyArray<number>
  /** Publications that gave up after the most attempts; their writers ran again. */
  readonly gaveUp: number
  /** The longest attempt in simulated milliseconds. */
  readonly millis: number
  readonly heads: number
}

const mostLives = 30
const calmAfter = 6
const mostHappenings = 3_000_000
const prepared = new Map<string, ReadonlyArray<readonly [path: string, bytes: Uint8Array]>>()

/** The objects that a disk has on which the vault was opened once and `folder` was chosen as its source. */
const preparedDisk = (folder: string) => {
  const known = prepared.get(folder)
  if (known !== undefined) return known
  const objects = Effect.runSync(
    Effect.gen(function* () {
      const store = yield* ObjectStoreMemory.make()
      const state = yield* VaultStateObjectStore.make(store)
      yield* state.createKeys(SimulatedVault.name, SimulatedVault.sealedKeys)
      yield* state.createSource(SimulatedVault.name, SimulatedVault.mappingOf(folder))
      const paths = [...(yield* Stream.runCollect(store.list("")))].sort()
      return yield* Effect.forEach(paths, (path) => Effect.map(store.get(path), (bytes) => [path, bytes] as const))
    }).pipe(Effect.provideService(Crypto.Crypto, CheapCrypto.crypto(Dice.make(0))))
  )
  prepared.set(folder, objects)
  return objects
}

/** What stays of a writer when its process is gone. */
interface WriterState {
  readonly index: number
  readonly folder: string
  readonly disk: Disk
  readonly records: SimulatedVaultState.Records
  /** What a registry layer with a bug remembers for longer than it should. */
  readonly cache: Map<string, ReadonlyArray<RegistryEntry>>
  source: Writer.Source
  round: number
  lives: number
  isFinished: boolean
}

class Simulation {
  readonly #configuration: Configuration
  readonly #world = new World()
  readonly #wire: Wire
  readonly #model: Model
  readonly #shared = new Disk()
  readonly #cells = new SimulatedRegistry.Cells()
  readonly #writers: ReadonlyArray<WriterState>
  readonly #alive = new Set<Process>()
  readonly #attempts: Array<number> = []
  readonly #edits: Array<Edit> = []
  #gaveUp = 0
  #longest = 0
  #powerCuts = 0

  constructor(configuration: Configuration) {
    const { attemptMillis, faults, only, seed } = configuration
    this.#configuration = configuration
    this.#wire = new Wire({
      world: this.#world,
      plan: Faults.plan({
        seed,
        faults,
        attemptMillis,
        ...(only?.struck === undefined ? {} : { struck: only.struck }),
        ...(only?.slow === undefined ? {} : { slow: only.slow })
      }),
      isOrdered: !faults.has("reorder"),
      executioner: { crash: (process) => this.#crash(process), power: () => this.#power() }
    })
    const features = { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY }
    this.#model = new Model(configuration.writers, (hash) => this.#shared.durable(StorePath.blob(features, hash)))
    this.#cells.onStored = (key, bytes, by) => {
      if (StreamKey.equals(key, SimulatedVault.streamKey)) this.#stored(bytes, by)
    }
    this.#shared.onCreate = (path, bytes, by) => {
      if (path.startsWith(`registry/.claims/${StreamKey.toHex(SimulatedVault.streamKey)}/`)) this.#stored(bytes, by)
    }
    this.#writers = Array.from({ length: configuration.writers }, (_, index) => {
      const folder = configuration.folders === "own" ? `w${index}` : "all"
      const disk = new Disk()
      const files = configuration.state === "files" ? preparedDisk(folder) : []
      for (const [path, bytes] of files) {
        disk.write(path, bytes, 0)
        disk.secure(path)
      }
      const records = new SimulatedVaultState.Records(SimulatedVault.sealedKeys, [SimulatedVault.mappingOf(folder)])
      return {
        index,
        folder,
        disk,
        records,
        cache: new Map(),
        source: new Map(),
        round: 0,
        lives: 0,
        isFinished: false
      }
    })
  }

  run(): Report {
    const { only, seed } = this.#configuration
    for (const writer of this.#writers) {
      if (only?.writers !== undefined && !only.writers.has(writer.index)) {
        writer.isFinished = true
        continue
      }
      this.#edit(writer, "round", 1 + Dice.make(seed, 3, writer.index, 0).below(2))
      this.#world.later(Dice.make(seed, 5, writer.index).below(20_000), () => this.#live(writer))
    }
    while (this.#model.problem === undefined && this.#writers.some(({ isFinished }) => !isFinished)) {
      if (this.#world.happened > mostHappenings) this.#model.fail("the run does not come to an end")
      else if (!this.#world.step()) this.#model.fail("everybody waits for something that never comes")
    }
    if (this.#model.problem !== undefined) this.#wire.note(`PROBLEM: ${this.#model.problem}`)
    for (const process of this.#alive) process.isAlive = false
    return {
      configuration: this.#configuration,
      problem: this.#model.problem,
      trace: this.#wire.trace,
      struck: this.#wire.struck,
      slow: this.#wire.slow,
      calls: this.#wire.calls,
      edits: this.#edits,
      attempts: this.#attempts,
      gaveUp: this.#gaveUp,
      millis: this.#longest / 1000,
      heads: this.#model.heads.length
    }
  }

  #stored(bytes: Uint8Array, by: Process): void {
    this.#model.stored(bytes, by.writer, by.attempt)
  }

  #edit(writer: WriterState, moment: Edit["moment"], times: number): void {
    const { contents, only, seed } = this.#configuration
    const { index, lives, round } = writer
    const given = only?.edits?.filter(
      (edit) => edit.writer === index && edit.round === round && edit.lives === lives && edit.moment === moment
    )
    for (let number = 0; number < (given?.length ?? times); number++) {
      const dice = Dice.make(seed, 4, index, round, lives, number, moment === "round" ? 0 : 1)
      const change =
        given?.[number]?.change ??
        Writer.change(writer.source, dice, contents, `w${index} round ${round} life ${lives} change ${number}`)
      writer.source = Writer.edited(writer.source, change, this.#world.now)
      this.#edits.push({ writer: index, round, lives, moment, change })
      const { name, text } = change
      this.#wire.note(`w${index} ${text === undefined ? `deletes ${name}` : `writes ${name}: ${text}`}`)
    }
  }

  /** A new process of a writer. */
  #live(writer: WriterState): void {
    const { mutant, seed } = this.#configuration
    if (writer.lives > mostLives) {
      this.#model.fail(`writer ${writer.index} never gets to its end`)
      return
    }
    const process = new Process(writer.index, writer.lives++, writer.lives > calmAfter)
    this.#alive.add(process)
    this.#wire.note(`${process.name} starts`)
    const services = this.#services(process, writer)
    const programs = mutant?.programs ?? Writer.production
    const { rounds } = this.#configuration
    const life = Effect.gen(this, function* () {
      const vault = yield* Vault.open(SimulatedVault.name)
      while (writer.round < rounds) {
        yield* Writer.backup(programs, vault, writer.folder, {
          source: () => writer.source,
          publishing: (files) => {
            process.attempt = files
            this.#wire.note(`${process.name} publishes ${[...files.keys()].join(", ") || "nothing"}`)
          },
          acknowledged: (files, outcome) => {
            const node = Hash.toHex(outcome.node)
            this.#wire.note(`${process.name} is told: ${outcome.outcome} as revision ${outcome.revision}`)
            this.#model.acknowledged(writer.index, files, outcome.outcome, node)
            this.#attempts.push(outcome.attempts)
            writer.round++
            if (writer.round < rounds)
              this.#edit(writer, "round", 1 + Dice.make(seed, 3, writer.index, writer.round).below(2))
          }
        })
        if (writer.round < rounds)
          yield* Effect.sleep(`${Dice.make(seed, 6, writer.index, writer.round).below(100)} millis`)
      }
    })
    const clock = VirtualClock.make(this.#world, () => process.isAlive)
    const fiber = this.#world.start(
      life.pipe(
        Effect.provide(services),
        Effect.withClock(clock),
        Effect.withRandom(Random.make(`${seed} ${writer.index} ${process.life}`)),
        Effect.withTracerEnabled(false),
        Logger.withMinimumLogLevel(LogLevel.None)
      )
    )
    process.fiber = fiber
    fiber.addObserver((exit) => this.#ended(writer, process, exit))
  }

  #ended(
    writer: WriterState,
    process: Process,
    exit: Exit.Exit<void, { readonly _tag: string; readonly message: string }>
  ) {
    if (!process.isAlive) return
    this.#end(process)
    if (Exit.isSuccess(exit)) {
      writer.isFinished = true
      return this.#wire.note(`${process.name} is done`)
    }
    const failure = Cause.failureOption(exit.cause)
    if (failure._tag === "None" && !Cause.isInterruptedOnly(exit.cause))
      return this.#model.fail(`writer ${writer.index} died: ${Cause.pretty(exit.cause)}`)
    if (failure._tag === "Some" && failure.value._tag === "PublishContended") this.#gaveUp++
    this.#wire.note(`${process.name} ends: ${failure._tag === "Some" ? failure.value.message : "interrupted"}`)
    this.#again(writer, process)
  }

  #end(process: Process): void {
    process.isAlive = false
    this.#alive.delete(process)
  }

  /** Starts the writer's next process a little later, and sometimes after its user went on working. */
  #again(writer: WriterState, process: Process): void {
    const dice = Dice.make(this.#configuration.seed, 7, writer.index, process.life)
    const pause = 1000 + dice.below(30_000)
    const edits = dice.below(2)
    this.#world.later(pause, () => {
      this.#edit(writer, "again", edits)
      this.#live(writer)
    })
  }

  #crash(process: Process): void {
    if (!process.isAlive) return
    this.#end(process)
    const writer = this.#writers[process.writer]!
    writer.disk.cut(Dice.make(this.#configuration.seed, 8, process.writer, process.life))
    this.#again(writer, process)
  }

  #power(): void {
    this.#shared.cut(Dice.make(this.#configuration.seed, 9, this.#powerCuts++))
    for (const process of [...this.#alive]) this.#crash(process)
  }

  #services(process: Process, writer: WriterState) {
    const { mutant, registry: kind, seed } = this.#configuration
    const wire = this.#wire
    const crypto = CheapCrypto.crypto(Dice.make(seed, 10, process.writer, process.life))
    const shared = this.#shared.opened({ name: "store", wire, process, isShared: true, bugs: mutant?.store ?? {} })
    const remembered = this.#records(process, writer, crypto)
    const registry =
      kind === "cell"
        ? SimulatedRegistry.opened({
            cells: this.#cells,
            wire,
            process,
            bugs: mutant?.registry ?? {},
            cache: writer.cache
          })
        : Effect.runSync(Effect.provideService(RegistryObjectStore.make(shared), Crypto.Crypto, crypto))
    const plain: Services = {
      blobs: BlobStoreObjects.fromObjects(shared, crypto.primitives),
      registry,
      state: remembered
    }
    const { blobs, registry: asked, state } = mutant?.services?.(plain) ?? plain
    return Context.make(Crypto.Crypto, crypto).pipe(
      Context.add(BlobStore.BlobStore, blobs),
      Context.add(Registry.Registry, this.#timed(asked)),
      Context.add(VaultState.VaultState, this.#watched(state, process)),
      Context.add(Envelope.Envelope, CheapCrypto.envelope(Dice.make(seed, 11, process.writer, process.life))),
      Context.add(Keyring.Keyring, CheapCrypto.keyring)
    )
  }

  #records(process: Process, writer: WriterState, crypto: Context.Tag.Service<typeof Crypto.Crypto>) {
    const { mutant, state } = this.#configuration
    const wire = this.#wire
    if (state === "values")
      return SimulatedVaultState.opened({
        records: writer.records,
        wire,
        process,
        bugs: mutant?.records ?? {},
        otherwise: SimulatedVault.otherwise
      })
    const own = writer.disk.opened({ name: "disk", wire, process, isShared: false, bugs: mutant?.records ?? {} })
    return Effect.runSync(Effect.provideService(VaultStateObjectStore.make(own), Crypto.Crypto, crypto))
  }

  /** Tells the model what is about to be remembered. */
  #watched(state: VaultState.Service, process: Process): VaultState.Service {
    return {
      ...state,
      saveRecord: (vault, folder, record) =>
        Effect.suspend(() => {
          this.#model.recording(process.writer, process.attempt, record.node)
          return state.saveRecord(vault, folder, record)
        })
    }
  }

  /** Measures how long attempts take: from reading the head to the answer of the compare-and-swap. */
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
            this.#longest = Math.max(this.#longest, this.#world.now - since)
          })
        )
    }
  }
}

/** What a mutant may put something else in the place of. */
export interface Services {
  readonly blobs: BlobStore.Service
  readonly registry: Registry.Service
  readonly state: VaultState.Service
}

/** Runs one configuration to its end or to its first problem. */
export const run = (configuration: Configuration): Report => new Simulation(configuration).run()

/** The trace as one number, to compare runs by. */
export const digest = (report: Report): string =>
  Hash.toHex(CheapCrypto.primitives.blake3(Bytes.fromUtf8(report.trace.join("\n"))))
