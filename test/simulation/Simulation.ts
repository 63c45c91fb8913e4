/**
 * One run: writers that publish to one vault under one key at the same time, on a machine where whatever can go wrong
 * does, checked step by step against a model. The same configuration gives the same trace, byte for byte.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as RegistryMulti from "../../src/layers/RegistryMulti.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Publish from "../../src/programs/Publish.ts"
import * as Todos from "../../src/programs/Todos.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import type { Configuration, Edit, Report } from "./Configuration.ts"
import { isOneSource } from "./Configuration.ts"
import * as Dice from "./Dice.ts"
import * as Faults from "./Faults.ts"
import { Model } from "./Model.ts"
import type { Home } from "./Outside.ts"
import * as OutsideModule from "./Outside.ts"
import * as PackedStore from "./PackedStore.ts"
import { Process, Wire } from "./Process.ts"
import { Rivals } from "./Rivals.ts"
import * as SimulatedVault from "./SimulatedVault.ts"
import * as VirtualClock from "./VirtualClock.ts"
import { Watch } from "./Watch.ts"
import { World } from "./World.ts"
import * as Writer from "./Writer.ts"

const mostLives = 60
const calmAfter = 6
/** Many writers on one device each look at what all of them did: their steps grow with the square of their number. */
const mostHappenings = (writers: number) => 3_000_000 * Math.max(1, (writers / 30) ** 2)

/** A folder on a device, which a user works in. */
interface Source {
  readonly folder: string
  files: Writer.Source
}

/** What stays of a writer when its process is gone. */
interface WriterState {
  readonly index: number
  /** Who the model takes it for: all runs of one source are one. */
  readonly party: number
  readonly home: Home
  readonly source: Source
  round: number
  lives: number
  isFinished: boolean
}

type Life = Effect.Effect<void, Writer.Failure, Effect.Effect.Context<ReturnType<typeof Vault.open>>>

class Simulation {
  readonly #configuration: Configuration
  readonly #world = new World()
  readonly #wire: Wire
  readonly #model: Model | Rivals
  readonly #outside: OutsideModule.Outside
  readonly #homes: ReadonlyArray<Home>
  readonly #writers: ReadonlyArray<WriterState>
  readonly #watch: Watch
  readonly #alive = new Set<Process>()
  readonly #attempts: Array<number> = []
  readonly #edits: Array<Edit> = []
  #gaveUp = 0
  #powerCuts = 0

  constructor(configuration: Configuration) {
    const { attemptMillis, faults, only, seed, writers } = configuration
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
    this.#watch = new Watch(this.#world)
    this.#outside = new OutsideModule.Outside(configuration, this.#wire)
    this.#model = this.#makeModel()
    this.#listen()
    const folderOf = (index: number) => (configuration.folders === "own" ? `w${index}` : "all")
    const indices = Array.from({ length: writers }, (_, index) => index)
    const isOneHome = configuration.homes === "one"
    this.#homes = isOneHome
      ? [OutsideModule.home(configuration, [...new Set(indices.map(folderOf))], 0)]
      : indices.map((index) => OutsideModule.home(configuration, [folderOf(index)], index))
    const common: Source = { folder: "all", files: new Map() }
    this.#writers = indices.map((index) => ({
      index,
      party: isOneSource(configuration) ? 0 : index,
      home: this.#homes[isOneHome ? 0 : index]!,
      source: isOneSource(configuration) ? common : { folder: folderOf(index), files: new Map() },
      round: 0,
      lives: 0,
      isFinished: false
    }))
  }

  #makeModel(): Model | Rivals {
    const features = { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY }
    const durable =
      this.#configuration.store === "packed"
        ? PackedStore.durable(this.#outside.shared)
        : (hash: Hash.Hash) => this.#outside.shared.durable(StorePath.blob(features, hash))
    const { several } = this.#outside
    const isOne = isOneSource(this.#configuration)
    return several === undefined
      ? new Model(isOne ? 1 : this.#configuration.writers, durable, isOne)
      : new Rivals({
          registries: several.count,
          needed: RegistryMulti.writesNeeded(several.policy, several.count),
          isOwn: this.#configuration.folders === "own",
          durable
        })
  }

  /** Tells the model of every head that comes to be. */
  #listen(): void {
    const model = this.#model
    const party = (by: Process) => this.#writers[by.writer]?.party ?? by.writer
    for (const [index, cells] of this.#outside.registries.entries())
      cells.onStored = (key, bytes, by) => {
        if (!StreamKey.equals(key, SimulatedVault.streamKey)) return
        if (model instanceof Rivals) model.stored(index, bytes, party(by), by.attempt)
        else model.stored(bytes, party(by), by.attempt)
      }
    const claims = `registry/.claims/${StreamKey.toHex(SimulatedVault.streamKey)}/`
    this.#outside.shared.onCreate = (path, bytes, by) => {
      if (path.startsWith(claims) && model instanceof Model) model.stored(bytes, party(by), by.attempt)
    }
  }

  run(): Report {
    const { only, seed } = this.#configuration
    for (const writer of this.#writers) {
      if (only?.writers !== undefined && !only.writers.has(writer.index)) {
        writer.isFinished = true
        continue
      }
      this.#edit(writer, "round", this.#changes(writer))
      this.#world.later(Dice.make(seed, 5, writer.index).below(20_000), () => this.#live(writer))
    }
    this.#go(() => this.#writers.some(({ isFinished }) => !isFinished))
    if (this.#model.problem === undefined) this.#close()
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
      millis: this.#watch.longest / 1000,
      heads: this.#model instanceof Rivals ? this.#model.heads : this.#model.heads.length,
      rivals: this.#model instanceof Rivals ? this.#model.rivals : 0
    }
  }

  /** Lets the world go on for as long as `goes` and nothing is wrong. */
  #go(goes: () => boolean): void {
    while (this.#model.problem === undefined && goes()) {
      if (this.#world.happened > mostHappenings(this.#configuration.writers))
        this.#model.fail("the run does not come to an end")
      else if (!this.#world.step()) this.#model.fail("everybody waits for something that never comes")
    }
  }

  /** How many changes a user makes before a round. */
  #changes({ index, round }: WriterState): number {
    const { seed, store } = this.#configuration
    const dice = Dice.make(seed, 3, index, round)
    // one blob needs no pack
    return 1 + dice.below(2) + (store === "packed" ? dice.below(4) : 0)
  }

  #edit(writer: WriterState, moment: Edit["moment"], times: number): void {
    const { contents, only, seed } = this.#configuration
    const { index, lives, round, source } = writer
    const given = only?.edits?.filter(
      (edit) => edit.writer === index && edit.round === round && edit.lives === lives && edit.moment === moment
    )
    for (let number = 0; number < (given?.length ?? times); number++) {
      const dice = Dice.make(seed, 4, index, round, lives, number, moment === "round" ? 0 : 1)
      const change =
        given?.[number]?.change ??
        Writer.change(source.files, dice, contents, `w${index} round ${round} life ${lives} change ${number}`)
      source.files = Writer.edited(source.files, change, this.#world.now)
      this.#edits.push({ writer: index, round, lives, moment, change })
      const { name, text } = change
      this.#wire.note(`w${index} ${text === undefined ? `deletes ${name}` : `writes ${name}: ${text}`}`)
    }
  }

  /** A new process of a writer. */
  #live(writer: WriterState): void {
    if (writer.lives > mostLives) {
      this.#model.fail(`writer ${writer.index} never gets to its end`)
      return
    }
    const process = new Process(writer.index, writer.lives++, writer.lives > calmAfter)
    this.#start(process, writer.home, this.#rounds(writer, process), (exit) => this.#ended(writer, process, exit))
  }

  /** What a writer's process does: whatever is left of its rounds. */
  #rounds(writer: WriterState, process: Process): Life {
    const { mutant, rounds, seed, store } = this.#configuration
    const programs = mutant?.programs ?? Writer.production
    const { folder } = writer.source
    return Effect.gen(this, function* () {
      const vault = this.#outside.withMirrors(process, yield* Vault.open(SimulatedVault.name))
      const dice = Dice.make(seed, 19, writer.index, process.life)
      if (store === "packed" && dice.chance(0.15)) {
        this.#wire.note(`${process.name} asks for a blob that nobody has`)
        // whoever misses one looks at every object for packs
        yield* Effect.ignore(vault.blobs.get(Hash.zero))
      }
      while (writer.round < rounds) {
        yield* Writer.backup(programs, vault, folder, {
          source: () => writer.source.files,
          publishing: (files) => {
            process.attempt = files
            this.#wire.note(`${process.name} publishes ${[...files.keys()].join(", ") || "nothing"}`)
          },
          acknowledged: (files, outcome) => {
            const node = Hash.toHex(outcome.node)
            this.#wire.note(`${process.name} is told: ${outcome.outcome} as revision ${outcome.revision}`)
            this.#model.acknowledged(writer.party, files, outcome.outcome, node)
            this.#attempts.push(outcome.attempts)
            writer.round++
            if (writer.round < rounds) this.#edit(writer, "round", this.#changes(writer))
          }
        })
        if (writer.round < rounds)
          yield* Effect.sleep(`${Dice.make(seed, 6, writer.index, writer.round).below(100)} millis`)
      }
    })
  }

  /**
   * Everybody is done, and what was still under way arrives. Then each device does what is left to do, and where there may
   * be rivals, one more publication brings them together.
   */
  #close(): void {
    while (this.#world.step());
    this.#world.runUntil(Faults.lastOutage)
    this.#homes.forEach((home, index) => {
      const process = new Process(this.#writers.length + index, 0, true)
      process.attempt = new Map()
      let isDone = false
      const life: Life = Effect.gen(this, function* () {
        const vault = this.#outside.withMirrors(process, yield* Vault.open(SimulatedVault.name))
        if (this.#model instanceof Rivals && index === 0) {
          const nothing = { folder: "closing", base: undefined, ours: undefined, files: 0, bytes: 0 }
          const { node } = yield* Publish.publish(vault, { ...nothing, scannedAt: 0 })
          this.#model.end(Hash.toHex(node))
        }
        // whatever became of its index: a blob of a head that this home does not find is lost to it
        if (this.#configuration.store === "packed") yield* Effect.forEach(this.#model.blobs, vault.blobs.get)
        yield* Todos.workOff(vault)
        const todos = yield* (yield* VaultState.VaultState).todos(vault.name)
        const { revision } = yield* Head.current(vault)
        // a publication at a revision that nobody has taken yet may still come, as far as its device knows
        const left = todos.filter((todo) => todo._tag !== "Mirror" || todo.revision <= revision)
        if (left.length > 0)
          this.#model.fail(`${left.map(({ _tag }) => _tag).join(", ")} is never done on device ${index}`)
      })
      this.#start(process, home, life, (exit) => {
        isDone = true
        this.#alive.delete(process)
        if (Exit.isFailure(exit))
          this.#model.fail(`after everything, ${process.name} fails: ${Cause.pretty(exit.cause)}`)
      })
      this.#go(() => !isDone)
    })
    if (this.#model.problem === undefined) this.#lookAtMirrors()
    if (this.#model.problem === undefined && this.#configuration.store === "packed") this.#readBack()
  }

  /** Everything that ever was a head has its copy in each meta target. */
  #lookAtMirrors(): void {
    const model = this.#model
    const nodes = model instanceof Rivals ? model.nodes : model.heads.map(({ node }) => node)
    const features = { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY }
    for (const node of nodes)
      for (const [index, disk] of this.#outside.mirrors.entries()) {
        const path = StorePath.blob(features, Either.getOrThrow(Hash.fromHex(node)))
        if (disk.durable(path) === undefined) model.fail(`meta target ${index} never got ${node.slice(0, 8)}`)
      }
  }

  /**
   * After a last power cut, homes that have never seen the store read everything that any head ever needed: one that knows
   * nothing at all, and one that looked at every object while there was none, so that only catalogues help it.
   */
  #readBack(): void {
    const { seed, writers } = this.#configuration
    const { blobs } = this.#model
    this.#outside.shared.cut(Dice.make(seed, 18))
    for (const [number, isSearched] of [false, true].entries()) {
      const process = new Process(writers + this.#homes.length + number, 0, true)
      let isDone = false
      const reading = Effect.gen(this, function* () {
        const index = PackedStore.freshIndex()
        if (isSearched) yield* index.markSearched
        const objects = this.#outside.shared.opened({
          name: "store",
          wire: this.#wire,
          process,
          isShared: true,
          bugs: {}
        })
        const store = PackedStore.open({ objects, index }, { packSize: 1000, isPacking: true }, yield* Effect.scope)
        if (!isSearched) yield* store.rebuild
        for (const hash of blobs) {
          if (!(yield* store.has(hash))) this.#model.fail(`${process.name} does not find ${Hash.toHex(hash)}`)
          yield* store.get(hash)
        }
        const listed = new Set([...(yield* Stream.runCollect(store.list))].map(Hash.toHex))
        const unlisted = blobs.find((hash) => !listed.has(Hash.toHex(hash)))
        if (unlisted !== undefined) this.#model.fail(`${process.name} does not list ${Hash.toHex(unlisted)}`)
      })
      this.#wire.note(`${process.name} reads everything${isSearched ? " that catalogues tell of" : ""}`)
      const fiber = this.#world.start(
        Effect.scoped(reading).pipe(
          Effect.withClock(VirtualClock.make(this.#world)),
          Effect.withTracerEnabled(false),
          Logger.withMinimumLogLevel(LogLevel.None)
        )
      )
      fiber.addObserver((exit) => {
        isDone = true
        if (Exit.isFailure(exit)) this.#model.fail(`${process.name} cannot read: ${Cause.pretty(exit.cause)}`)
      })
      this.#go(() => !isDone)
    }
  }

  #start(process: Process, home: Home, life: Life, ended: (exit: Exit.Exit<void, Writer.Failure>) => void): void {
    const { seed } = this.#configuration
    this.#alive.add(process)
    this.#wire.note(`${process.name} starts`)
    const scope = Effect.runSync(Scope.make())
    const services = this.#outside.services(process, home, scope)
    const party = this.#writers[process.writer]?.party
    const model = this.#model
    const fiber = this.#world.start(
      life.pipe(
        Effect.ensuring(Scope.close(scope, Exit.void)),
        Effect.provide(
          this.#watch.over(services, (record) => {
            if (model instanceof Model && party !== undefined) model.recording(party, process.attempt, record.node)
          })
        ),
        Effect.withClock(VirtualClock.make(this.#world, () => process.isAlive)),
        Effect.withRandom(Random.make(`${seed} ${process.writer} ${process.life}`)),
        Effect.withTracerEnabled(false),
        Logger.withMinimumLogLevel(LogLevel.None)
      )
    )
    process.fiber = fiber
    fiber.addObserver(ended)
  }

  #ended(writer: WriterState, process: Process, exit: Exit.Exit<void, Writer.Failure>) {
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
    const writer = this.#writers[process.writer]
    if (writer === undefined) return
    // where others run on the same device, what one of them wrote outlives it
    if (this.#configuration.homes === "own")
      writer.home.disk.cut(Dice.make(this.#configuration.seed, 8, process.writer, process.life))
    this.#again(writer, process)
  }

  #power(): void {
    const number = this.#powerCuts++
    const { homes, seed } = this.#configuration
    for (const [index, disk] of [this.#outside.shared, ...this.#outside.mirrors].entries())
      disk.cut(index === 0 ? Dice.make(seed, 9, number) : Dice.make(seed, 9, number, index))
    if (homes === "one") this.#homes[0]?.disk.cut(Dice.make(seed, 15, number))
    for (const process of [...this.#alive]) this.#crash(process)
  }
}

/** Runs one configuration to its end or to its first problem. */
export const run = (configuration: Configuration): Report => new Simulation(configuration).run()

/** The trace as one number, to compare runs by. */
export const digest = (report: Report): string =>
  Hash.toHex(CheapCrypto.primitives.blake3(Bytes.fromUtf8(report.trace.join("\n"))))
