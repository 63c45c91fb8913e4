/** A writer's own records on its own disk: each write is one atomic, durable step unless a bug makes it two. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as VaultState from "../../src/services/VaultState.ts"
import type { Process, Wire } from "./Process.ts"

/** Known bugs of whoever keeps records. */
export interface Bugs {
  /** A record is emptied, and then written. */
  readonly truncateThenWrite?: boolean
}

/** What is on the disk; it outlives the writer's processes. */
export class Records {
  readonly keys: Uint8Array
  readonly sources: ReadonlyArray<VaultState.SourceMapping>
  readonly records = new Map<string, VaultState.SourceRecord | "empty">()
  readonly intents = new Map<string, VaultState.SourceRecord>()
  readonly todos = new Map<string, VaultState.Todo>()
  lastNode: Uint8Array | undefined

  constructor(keys: Uint8Array, sources: ReadonlyArray<VaultState.SourceMapping>) {
    this.keys = keys
    this.sources = sources
  }
}

const nameOf = (todo: VaultState.Todo) => (todo._tag === "Mirror" ? `${todo.store} ${todo.node}` : todo._tag)

/** The records as one process sees them, every operation being a call over the wire. */
export const opened = (options: {
  readonly records: Records
  readonly wire: Wire
  readonly process: Process
  readonly bugs: Bugs
  /** What answers where nothing is simulated. */
  readonly otherwise: VaultState.Service
}): VaultState.Service => {
  const { bugs, otherwise, process, records, wire } = options

  const failed = (reason: VaultState.VaultStateError["reason"], vault: string, record: string, detail: string) =>
    new VaultState.VaultStateError({ reason, vault, record, detail })

  const call = <A>(
    vault: string,
    label: string,
    apply: () => Either.Either<A, VaultState.VaultStateError>,
    show?: (value: A) => string
  ) =>
    wire.call({
      process,
      label: `disk ${label}`,
      isShared: false,
      apply,
      refused: (detail) => failed("Unavailable", vault, label, detail),
      ...(show === undefined ? {} : { show })
    })
  const read = <A>(vault: string, label: string, value: () => A, show?: (value: A) => string) =>
    call(vault, label, () => Either.right(value()), show)
  const write = (vault: string, label: string, change: () => void) =>
    call(vault, label, () => {
      change()
      return Either.void
    })

  const intentsOf = (folder: string) =>
    [...records.intents].flatMap(([key, intent]) => (key.startsWith(`${folder} `) ? [intent] : []))
  const keep = (folder: string, record: VaultState.SourceRecord) => {
    const known = records.records.get(folder)
    // as the production layer: the highest revision counts
    if (known === undefined || known === "empty" || known.revision <= record.revision)
      records.records.set(folder, record)
  }

  return {
    ...otherwise,
    keys: (vault) =>
      read(
        vault,
        "keys",
        () => records.keys,
        () => "there"
      ),
    sources: (vault) =>
      read(
        vault,
        "sources",
        () => records.sources,
        ({ length }) => `${length}`
      ),
    record: (vault, folder) =>
      call(
        vault,
        "record",
        () => {
          const found = records.records.get(folder)
          return found === "empty"
            ? Either.left(failed("Damaged", vault, "record", "the record on this device is damaged"))
            : Either.right(found)
        },
        (record) => (record === undefined ? "none" : `of revision ${record.revision}`)
      ),
    saveRecord: (vault, folder, record) => {
      const save = write(vault, `saveRecord of revision ${record.revision}`, () => keep(folder, record))
      return bugs.truncateThenWrite !== true
        ? save
        : Effect.zipRight(
            write(vault, "truncate record", () => records.records.set(folder, "empty")),
            save
          )
    },
    intents: (vault, folder) =>
      read(
        vault,
        "intents",
        () => intentsOf(folder),
        ({ length }) => `${length}`
      ),
    intend: (vault, folder, intent) =>
      write(vault, `intend revision ${intent.revision} (${intent.node.slice(0, 8)})`, () => {
        records.intents.set(`${folder} ${intent.node}`, intent)
      }),
    forgetIntent: (vault, folder, intent) =>
      write(vault, `forgetIntent (${intent.node.slice(0, 8)})`, () => {
        records.intents.delete(`${folder} ${intent.node}`)
      }),
    lastNode: (vault) =>
      read(
        vault,
        "lastNode",
        () => records.lastNode,
        () => ""
      ),
    saveLastNode: (vault, sealed) =>
      write(vault, "saveLastNode", () => {
        records.lastNode = sealed
      }),
    todos: (vault) =>
      read(
        vault,
        "todos",
        () => [...records.todos.values()],
        ({ length }) => `${length}`
      ),
    addTodo: (vault, todo) =>
      write(vault, `addTodo ${todo._tag}`, () => {
        records.todos.set(nameOf(todo), todo)
      }),
    removeTodo: (vault, todo) =>
      write(vault, `removeTodo ${todo._tag}`, () => {
        records.todos.delete(nameOf(todo))
      })
  }
}
