/** A registry behind a wire: one cell per key, a compare-and-swap, and on demand what others got wrong. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as RegistryRules from "../../src/layers/RegistryRules.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import type * as Registry from "../../src/services/Registry.ts"
import { primitives } from "./CheapCrypto.ts"
import type { Reads } from "./Faults.ts"
import type { Process, Wire } from "./Process.ts"

/** Known bugs of registries. */
export interface Bugs {
  /** Looks whether the entry may be kept, and keeps it in a second step. */
  readonly getThenPut?: boolean
  /** Keeps everything that is newer by its number; whoever set looks afterwards whether it is still there. */
  readonly withoutSwap?: boolean
  /** An entry of the stored one's revision replaces it. */
  readonly equalRevision?: boolean
  /** What was read once is answered again, whatever was set since. */
  readonly cachedHead?: boolean
}

const anyRules = RegistryRules.make("simulated", primitives)

interface Cell {
  bytes: Uint8Array | undefined
  readonly past: Array<{ readonly until: number; readonly bytes: Uint8Array | undefined }>
}

/** The registry itself: the wire bytes of one entry for each key, durable as soon as they are there. */
export class Cells {
  readonly #cells = new Map<string, Cell>()
  /** Told of every entry that was stored. */
  onStored: (key: StreamKey.StreamKey, bytes: Uint8Array, by: Process) => void = () => {}

  /** What the registry holds, whatever it is about. */
  get size(): number {
    return this.#cells.size
  }

  bytes(key: StreamKey.StreamKey): Uint8Array | undefined {
    return this.#cells.get(StreamKey.toHex(key))?.bytes
  }

  /** The bytes of `key` as they were at `time`. */
  asOf(key: StreamKey.StreamKey, time: number): Uint8Array | undefined {
    const cell = this.#cells.get(StreamKey.toHex(key))
    const was = cell?.past.find(({ until }) => until > time)
    return was === undefined ? cell?.bytes : was.bytes
  }

  store(key: StreamKey.StreamKey, bytes: Uint8Array, now: number, by: Process): void {
    const cell = this.#cells.get(StreamKey.toHex(key)) ?? { bytes: undefined, past: [] }
    this.#cells.set(StreamKey.toHex(key), cell)
    cell.past.push({ until: now, bytes: cell.bytes })
    cell.bytes = bytes
    this.onStored(key, bytes, by)
  }
}

// bytes that were looked at before are as they were
const decoded = new WeakMap<Uint8Array, ReturnType<typeof anyRules.decode>>()

const decode = (
  key: StreamKey.StreamKey,
  bytes: Uint8Array | undefined
): Either.Either<RegistryEntry.RegistryEntry | undefined, Registry.RegistryError> => {
  if (bytes === undefined) return Either.right(undefined)
  const known = decoded.get(bytes) ?? anyRules.decode(key, bytes, "the cell")
  decoded.set(bytes, known)
  return known
}

/** The registry as one process sees it. `cache` outlives the process. */
export const opened = (options: {
  /** What people call it, and what the trace does. */
  readonly name: string
  readonly cells: Cells
  readonly wire: Wire
  readonly process: Process
  readonly bugs: Bugs
  readonly cache: Map<string, ReadonlyArray<RegistryEntry.RegistryEntry>>
}): Registry.Service => {
  const { bugs, cache, cells, name, process, wire } = options
  const rules = RegistryRules.make(name, primitives)

  const call = <A>(
    operation: string,
    key: StreamKey.StreamKey,
    apply: (back: number) => Either.Either<A, Registry.RegistryError>,
    about: { readonly reads?: Reads; readonly show?: (value: A) => string } = {}
  ) =>
    wire.call({
      process,
      label: `${name} ${operation}`,
      place: name,
      isShared: true,
      apply,
      refused: (detail) => rules.error("Unavailable", key, detail),
      ...about
    })

  const read: Registry.Service["entries"] = (key) =>
    call(
      "entries",
      key,
      (back) =>
        Either.map(decode(key, back === 0 ? cells.bytes(key) : cells.asOf(key, wire.now - back)), (stored) =>
          stored === undefined ? [] : [stored]
        ),
      { reads: "latest", show: ([entry]) => (entry === undefined ? "nothing" : shown(entry)) }
    )

  const entries: Registry.Service["entries"] = (key) => {
    if (bugs.cachedHead !== true) return read(key)
    const cached = cache.get(`${name} ${StreamKey.toHex(key)}`)
    return cached !== undefined
      ? Effect.succeed(cached)
      : Effect.tap(read(key), (found) => Effect.sync(() => cache.set(`${name} ${StreamKey.toHex(key)}`, found)))
  }

  const decide = (stored: RegistryEntry.RegistryEntry | undefined, entry: RegistryEntry.RegistryEntry, over: Over) => {
    if (bugs.equalRevision === true && stored?.revision === entry.revision) return "write"
    if (bugs.withoutSwap === true) return stored === undefined || entry.revision >= stored.revision ? "write" : "lost"
    return RegistryRules.decide(stored, entry, over)
  }

  /** Reads and decides, writes if it `writes`, and says what came of it. */
  const swap = (given: RegistryEntry.RegistryEntry, over: Over, writes: boolean) =>
    Either.gen(function* () {
      const { bytes, entry } = yield* rules.admit(given)
      const stored = yield* decode(entry.key, cells.bytes(entry.key))
      const decision = decide(stored, entry, over)
      if (decision === "write" && writes) cells.store(entry.key, bytes, wire.now, process)
      return decision === "lost" && stored !== undefined ? rules.lost(stored) : rules.stored()
    })
  const show = (outcome: Registry.SetOutcome) =>
    outcome._tag === "Lost" ? `lost to ${shown(outcome.current)}` : "stored"

  const set: Registry.Service["set"] = (entry, over) =>
    bugs.getThenPut === true
      ? Effect.flatMap(
          call("look", entry.key, () => swap(entry, over, false), { show }),
          (outcome): Effect.Effect<Registry.SetOutcome, Registry.RegistryError> =>
            outcome._tag === "Lost"
              ? Effect.succeed(outcome)
              : call(`put ${shown(entry)}`, entry.key, () =>
                  Either.map(rules.admit(entry), ({ bytes }) => {
                    cells.store(entry.key, bytes, wire.now, process)
                    return outcome
                  })
                )
        )
      : call(`set ${shown(entry)}`, entry.key, () => swap(entry, over, true), { show })

  return { name, entries, set, changes: () => Stream.empty }
}

type Over = ReadonlyArray<RegistryEntry.RegistryEntry>

const shown = ({ hash, revision }: RegistryEntry.RegistryEntry) =>
  `revision ${revision} (${Hash.toHex(hash).slice(0, 8)})`
