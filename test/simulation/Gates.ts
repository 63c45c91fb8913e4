/**
 * One run of a writer's program that stops at every call to something outside of it, says what it wants, and goes on with
 * whatever it is answered. Nothing else can reach it, so the same answers make the same run.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as RegistryRules from "../../src/layers/RegistryRules.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Envelope from "../../src/services/Envelope.ts"
import * as Keyring from "../../src/services/Keyring.ts"
import * as Registry from "../../src/services/Registry.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import * as Dice from "./Dice.ts"
import type { Files } from "./FileMerge.ts"
import * as SimulatedVault from "./SimulatedVault.ts"
import { World } from "./World.ts"
import * as Writer from "./Writer.ts"

/** A writer's own disk; never changed in place. */
export interface Disk {
  readonly record: VaultState.SourceRecord | undefined
  /** What the source held by that record, and of which revision it is. */
  readonly recorded: { readonly revision: bigint; readonly files: Files } | undefined
  readonly intents: ReadonlyArray<VaultState.SourceRecord>
  readonly todos: ReadonlyArray<VaultState.Todo>
  readonly lastNode: Uint8Array | undefined
}

export const emptyDisk: Disk = {
  record: undefined,
  recorded: undefined,
  intents: [],
  todos: [],
  lastNode: undefined
}

const recordText = (record: VaultState.SourceRecord | undefined) =>
  record === undefined ? "" : `${record.revision} ${record.node} ${record.base?.root} ${record.root?.root}`

/** The same for disks that hold the same. */
export const diskText = ({ intents, lastNode, record, todos }: Disk): string =>
  [
    recordText(record),
    intents.map(recordText).sort().join(","),
    todos.map((todo) => todo._tag).join(","),
    lastNode === undefined ? "" : Hash.toHex(CheapCrypto.primitives.blake3(lastNode))
  ].join("|")

/** A call that waits for its answer. */
export type Gate =
  /** Something on its own disk, and what that makes of the disk. */
  | { readonly _tag: "Own"; readonly label: string; readonly change: (disk: Disk) => Disk }
  | { readonly _tag: "Entries" }
  | {
      readonly _tag: "Set"
      readonly entry: RegistryEntry.RegistryEntry
      readonly over: ReadonlyArray<RegistryEntry.RegistryEntry>
    }

/** What a call is answered: for one to its own disk, what that was before. */
export type Answer =
  | { readonly _tag: "Own"; readonly disk: Disk }
  | { readonly _tag: "Entries"; readonly entries: ReadonlyArray<RegistryEntry.RegistryEntry> }
  | { readonly _tag: "Set"; readonly outcome: Registry.SetOutcome }

/** What a program was told when it came to its end. */
export interface Told {
  readonly attempt: Files
  readonly outcome: "published" | "unchanged"
  readonly node: string
}

/** How far a run has come. */
export type Reached =
  | { readonly _tag: "Gate"; readonly gate: Gate; readonly attempt: Files | undefined }
  | { readonly _tag: "Told"; readonly told: Told }
  | { readonly _tag: "Failed"; readonly detail: string }

export const label = (reached: Reached): string => {
  if (reached._tag !== "Gate") return reached._tag
  const { gate } = reached
  switch (gate._tag) {
    case "Own":
      return gate.label
    case "Entries":
      return "reads the registry"
    case "Set":
      return `sets revision ${gate.entry.revision} (${Hash.toHex(gate.entry.hash).slice(0, 8)})`
  }
}

const rules = RegistryRules.make("simulated", CheapCrypto.primitives)

/** The registry's answer to a write, which lost to an entry or did not. */
export const outcome = (lost: RegistryEntry.RegistryEntry | undefined): Registry.SetOutcome =>
  lost === undefined ? rules.stored() : rules.lost(lost)

/** What a writer's folder holds in a round; after a crash its user has deleted a file and changed another. */
const sourceOf = (writer: number, round: number, life: number): Writer.Source => {
  const mtime = 1000 * (1 + 2 * round + life)
  const source = new Map<string, Writer.SourceFile>()
  source.set("both", { text: `w${writer} ${round}.${life}`, mtime })
  if (life === 0) source.set(`own ${writer} ${round}`, { text: `w${writer}`, mtime })
  return source
}

export interface Options {
  readonly writer: number
  readonly round: number
  readonly life: number
  readonly folders: "own" | "shared"
  /** What everybody ever put, by hash; content decides what it is, so it is the same in every order. */
  readonly blobs: Map<string, Uint8Array>
}

export class Session {
  reached: Reached = { _tag: "Failed", detail: "it waits for something that is no call" }
  #attempt: Files | undefined
  #resume: ((answer: Answer) => void) | undefined
  readonly #world = new World()
  #millis: number

  constructor(options: Options) {
    const { blobs, folders, life, round, writer } = options
    this.#millis = (round * 2 + life) * 100_000
    const folder = folders === "own" ? `w${writer}` : "all"
    const crypto = CheapCrypto.crypto(Dice.make(writer, round, life, 1))
    const program = Effect.gen(this, function* () {
      const vault = yield* Vault.open(SimulatedVault.name)
      yield* Writer.backup(Writer.production, vault, folder, {
        source: () => sourceOf(writer, round, life),
        publishing: (files) => {
          this.#attempt = files
        },
        acknowledged: (attempt, { node, outcome: what }) => {
          this.reached = { _tag: "Told", told: { attempt, outcome: what, node: Hash.toHex(node) } }
        }
      })
    })
    const fiber = this.#world.start(
      program.pipe(
        Effect.provide(
          Context.make(Crypto.Crypto, crypto).pipe(
            Context.add(BlobStore.BlobStore, blobStore(blobs)),
            Context.add(Registry.Registry, this.#registry()),
            Context.add(VaultState.VaultState, this.#state(folder)),
            Context.add(Envelope.Envelope, CheapCrypto.envelope(Dice.make(writer, round, life, 2))),
            Context.add(Keyring.Keyring, CheapCrypto.keyring)
          )
        ),
        Effect.withClock(this.#clock()),
        Effect.withRandom(Random.make(`${writer} ${round} ${life}`)),
        Effect.withTracerEnabled(false),
        Logger.withMinimumLogLevel(LogLevel.None)
      )
    )
    fiber.addObserver((exit) => {
      if (Exit.isFailure(exit)) this.reached = { _tag: "Failed", detail: String(exit.cause) }
    })
  }

  /** Answers the call that the run waits at; it goes on to the next one or to its end. */
  answer(answer: Answer): void {
    const resume = this.#resume
    this.#resume = undefined
    this.reached = { _tag: "Failed", detail: "it waits for something that is no call" }
    this.#world.later(0, () => resume?.(answer))
    while (this.#world.step());
  }

  #ask<A>(gate: Gate, read: (answer: Answer) => Effect.Effect<A>): Effect.Effect<A> {
    return Effect.async<A>((resume) => {
      this.#millis++
      this.reached = { _tag: "Gate", gate, attempt: this.#attempt }
      this.#resume = (answer) => resume(read(answer))
    })
  }

  /** Time that passes with the calls, so that it is a function of them; sleeping takes no time of anybody else's. */
  #clock(): Clock.Clock {
    const millis = () => this.#millis
    const nanos = () => BigInt(this.#millis) * 1_000_000n
    return {
      ...Clock.make(),
      unsafeCurrentTimeMillis: millis,
      unsafeCurrentTimeNanos: nanos,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.sync(() => {
          this.#millis += Math.ceil(Duration.toMillis(duration))
        })
    }
  }

  #registry(): Registry.Service {
    const isHead = (key: StreamKey.StreamKey) => StreamKey.equals(key, SimulatedVault.streamKey)
    return {
      name: "simulated",
      // the recovery entry is nobody's concern here: there is none, and writing it succeeds
      entries: (key) =>
        isHead(key)
          ? this.#ask({ _tag: "Entries" }, (answer) =>
              answer._tag === "Entries" ? Effect.succeed(answer.entries) : mistaken
            )
          : Effect.succeed([]),
      set: (entry, over) =>
        isHead(entry.key)
          ? this.#ask({ _tag: "Set", entry, over }, (answer) =>
              answer._tag === "Set" ? Effect.succeed(answer.outcome) : mistaken
            )
          : Effect.succeed(rules.stored()),
      changes: () => Stream.empty
    }
  }

  #state(folder: string): VaultState.Service {
    const read = <A>(what: string, value: (disk: Disk) => A) =>
      this.#ask({ _tag: "Own", label: what, change: (disk) => disk }, (answer) =>
        answer._tag === "Own" ? Effect.succeed(value(answer.disk)) : mistaken
      )
    const write = (what: string, change: (disk: Disk) => Disk) =>
      this.#ask({ _tag: "Own", label: what, change }, () => Effect.void)
    return {
      ...SimulatedVault.otherwise,
      keys: () => Effect.succeed(SimulatedVault.sealedKeys),
      sources: () => Effect.succeed([SimulatedVault.mappingOf(folder)]),
      record: () => read("reads its record", ({ record }) => record),
      saveRecord: (_, __, record) => {
        const files = this.#attempt
        return write("saves its record", (disk) =>
          disk.record !== undefined && disk.record.revision > record.revision
            ? disk
            : {
                ...disk,
                record,
                recorded: files === undefined ? disk.recorded : { revision: record.revision, files }
              }
        )
      },
      intents: () => read("reads its intents", ({ intents }) => intents),
      intend: (_, __, intent) => write("notes its intent", (disk) => ({ ...disk, intents: [...disk.intents, intent] })),
      forgetIntent: (_, __, { node }) =>
        write("forgets an intent", (disk) => ({ ...disk, intents: disk.intents.filter((one) => one.node !== node) })),
      lastNode: () => read("reads its last node", ({ lastNode }) => lastNode),
      saveLastNode: (_, lastNode) => write("saves its last node", (disk) => ({ ...disk, lastNode })),
      todos: () => read("reads what is to do", ({ todos }) => todos),
      addTodo: (_, todo) =>
        write("notes what is to do", (disk) => ({
          ...disk,
          todos: [...disk.todos.filter(({ _tag }) => _tag !== todo._tag), todo]
        })),
      removeTodo: (_, todo) =>
        write("has done what was to do", (disk) => ({
          ...disk,
          todos: disk.todos.filter(({ _tag }) => _tag !== todo._tag)
        }))
    }
  }
}

const mistaken = Effect.die("a call was answered with the answer of another")

const blobStore = (blobs: Map<string, Uint8Array>): BlobStore.Service => ({
  name: "simulated",
  has: (hash) => Effect.sync(() => blobs.has(Hash.toHex(hash))),
  get: (hash) =>
    Effect.suspend(() => {
      const blob = Hash.toHex(hash)
      const bytes = blobs.get(blob)
      return bytes === undefined
        ? new BlobStore.BlobStoreError({ reason: "Missing", store: "simulated", blob, detail: "it is not there" })
        : Effect.succeed(bytes)
    }),
  put: (hash, bytes) =>
    Effect.sync(() => {
      blobs.set(Hash.toHex(hash), bytes)
    }),
  list: Stream.empty,
  remove: () => Effect.die("nothing is removed here"),
  sync: Effect.void
})
