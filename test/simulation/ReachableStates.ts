/**
 * Every state that a few writers can get into, not a sample of them.
 *
 * A writer is a function of what it has seen. So it is unfolded into an automaton whose nodes are histories of answers,
 * each made by running the production program on them once; what writers share is a cell, the head. A state of the
 * whole is the head and each writer's node, and all states are visited depth-first. What goes by its content, blobs, passes
 * through: it is the same whoever puts it first.
 */
import * as RegistryRules from "../../src/layers/RegistryRules.ts"
import type { Node } from "./Automaton.ts"
import { Automaton, runOf } from "./Automaton.ts"
import type { Files } from "./FileMerge.ts"
import * as FileMerge from "./FileMerge.ts"
import type { Gate } from "./Gates.ts"
import * as Gates from "./Gates.ts"
import type { Head } from "./ReachedHeads.ts"
import { Problem, ReachedHeads } from "./ReachedHeads.ts"

/** What is explored. */
export interface Case {
  readonly writers: number
  readonly rounds: number
  /** Each writer's own folder, or one for all of them. */
  readonly folders: "own" | "shared"
  /** Whether one writer may crash once, at any step. */
  readonly crash: boolean
  /**
   * Which calls other writers may come between: all of them, or only those that others can notice. The second leaves out
   * orders that differ in nothing but when a writer looked at its own disk.
   */
  readonly gates: "all" | "shared"
  /** A registry without compare-and-swap, to see that the search finds something. */
  readonly isBlind?: boolean
}

export interface Found {
  readonly states: number
  /** States in which everybody is done. */
  readonly ends: number
  /** How often a program was started. */
  readonly runs: number
  /** In how many orders everything can happen. */
  readonly interleavings: bigint
  readonly heads: number
  /** What was not as it must be, and the steps that led to it. */
  readonly problem: { readonly detail: string; readonly steps: ReadonlyArray<string> } | undefined
  /** The files of each final head, in order. */
  readonly outcomes: ReadonlyArray<string>
}

/** A request that was under way when its writer died. */
interface Ghost {
  readonly id: number
  readonly writer: number
  readonly gate: Extract<Gate, { readonly _tag: "Set" }>
  readonly attempt: Files
}

interface State {
  readonly head: Head | undefined
  readonly writers: ReadonlyArray<Node>
  readonly ghost: Ghost | undefined
  readonly isCrashed: boolean
}

class Search {
  readonly #about: Case
  readonly #automaton: Automaton
  readonly #heads: ReachedHeads
  readonly #visited = new Map<string, bigint>()
  readonly #outcomes = new Set<string>()
  readonly #steps: Array<string> = []
  #ends = 0

  constructor(about: Case) {
    this.#about = about
    const blobs = new Map<string, Uint8Array>()
    this.#automaton = new Automaton(about.folders, blobs)
    this.#heads = new ReachedHeads(blobs)
  }

  explore(): Found {
    const { writers } = this.#about
    const first = Array.from({ length: writers }, (_, writer) => {
      const node = this.#automaton.start({ writer, round: 0, life: 0, disk: Gates.emptyDisk })
      return this.#about.gates === "shared" ? this.#automaton.ahead(node) : node
    })
    let interleavings = 0n
    let problem: Found["problem"]
    try {
      interleavings = this.#visit({ head: undefined, writers: first, ghost: undefined, isCrashed: false })
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem = { detail: error.detail, steps: this.#steps }
    }
    return {
      states: this.#visited.size,
      ends: this.#ends,
      runs: this.#automaton.runs,
      interleavings,
      heads: this.#heads.size,
      problem,
      outcomes: [...this.#outcomes].sort()
    }
  }

  /** Visits a state and everything after it; answers in how many orders it can go on. */
  #visit(state: State): bigint {
    const key = `${state.head?.id ?? 0} ${state.writers.map(({ id }) => id).join(" ")} ${state.ghost?.id ?? 0} ${state.isCrashed}`
    const known = this.#visited.get(key)
    if (known !== undefined) return known
    let orders = 0n
    const go = (step: string, next: () => State) => {
      this.#steps.push(step)
      orders += this.#visit(next())
      this.#steps.pop()
    }
    const { ghost } = state
    if (ghost !== undefined) go(`the request of dead w${ghost.writer} arrives`, () => this.#haunt(state, ghost))
    let isEnd = true
    for (let writer = 0; writer < state.writers.length; writer++) {
      const node = state.writers[writer]!
      if (node.reached._tag === "Told") continue
      isEnd = false
      for (const move of this.#moves(state, writer)) go(move.label, () => move.next)
    }
    if (isEnd) {
      // a request that never arrives is one more way to end
      orders += 1n
      this.#ends++
      this.#outcomes.add(textOf(state.head?.files ?? FileMerge.empty))
    }
    this.#visited.set(key, orders)
    return orders
  }

  /** What one writer can do next. */
  *#moves(state: State, writer: number): Iterable<{ readonly label: string; readonly next: State }> {
    const node = state.writers[writer]!
    yield* this.#crashes(state, writer)
    const label = `${runOf(node.start)} ${Gates.label(node.reached)}`
    let after = this.#step(state, writer)
    if (this.#about.gates === "shared") {
      // its own disk nobody else can see: it goes on until it asks for something that others can
      for (let at = after.writers[writer]!; at.reached._tag === "Gate" && at.reached.gate._tag === "Own"; ) {
        for (const crashed of this.#crashes(after, writer))
          yield { label: `${label}; ${crashed.label}`, next: crashed.next }
        after = this.#step(after, writer)
        at = after.writers[writer]!
      }
    }
    yield { label, next: after }
  }

  *#crashes(state: State, writer: number): Iterable<{ readonly label: string; readonly next: State }> {
    const node = state.writers[writer]!
    if (!this.#about.crash || state.isCrashed || node.reached._tag !== "Gate") return
    const { gate } = node.reached
    const label = `${runOf(node.start)} crashes before ${Gates.label(node.reached)}`
    const next = this.#automaton.start({ ...node.start, life: 1, disk: node.disk })
    const reborn = this.#with(
      { ...state, isCrashed: true },
      writer,
      this.#about.gates === "shared" ? this.#automaton.ahead(next) : next
    )
    yield { label, next: reborn }
    if (gate._tag !== "Set") return
    const attempt = node.reached.attempt ?? FileMerge.empty
    yield {
      label: `${label}, which is on its way`,
      next: { ...reborn, ghost: { id: node.id, writer, gate, attempt } }
    }
  }

  #with(state: State, writer: number, node: Node): State {
    return { ...state, writers: state.writers.map((one, index) => (index === writer ? node : one)) }
  }

  /** The state after a writer's next call was answered. */
  #step(state: State, writer: number): State {
    const node = state.writers[writer]!
    if (node.reached._tag !== "Gate") return state
    const { attempt, gate } = node.reached
    switch (gate._tag) {
      case "Own":
        return this.#told(this.#with(state, writer, this.#automaton.own(node, gate)), writer)
      case "Entries": {
        const { head } = state
        const next = this.#automaton.after(
          node,
          `${head?.id ?? 0}`,
          { _tag: "Entries", entries: head === undefined ? [] : [head.entry] },
          node.disk
        )
        return this.#told(this.#with(state, writer, next), writer)
      }
      case "Set": {
        const { head, lost } = this.#set(state, writer, gate, attempt ?? FileMerge.empty, node)
        const next = this.#automaton.after(
          node,
          lost === undefined ? "stored" : `${lost.id}`,
          { _tag: "Set", outcome: Gates.outcome(lost?.entry) },
          node.disk
        )
        return this.#told(this.#with({ ...state, head }, writer, next), writer)
      }
    }
  }

  #haunt(state: State, ghost: Ghost): State {
    const { head } = this.#set(state, ghost.writer, ghost.gate, ghost.attempt, undefined)
    return { ...state, head, ghost: undefined }
  }

  /** The compare-and-swap. */
  #set(
    state: State,
    by: number,
    gate: Extract<Gate, { readonly _tag: "Set" }>,
    attempt: Files,
    node: Node | undefined
  ): { readonly head: Head | undefined; readonly lost: Head | undefined } {
    const { head } = state
    const decision = this.#about.isBlind === true ? "write" : RegistryRules.decide(head?.entry, gate.entry, gate.over)
    if (decision === "lost") return { head, lost: head }
    if (decision === "same") return { head, lost: undefined }
    return { head: this.#heads.moved(head, by, gate.entry, attempt, node), lost: undefined }
  }

  /** Checks what a writer was told, and lets it begin its next round. */
  #told(state: State, writer: number): State {
    const node = state.writers[writer]!
    if (node.reached._tag === "Failed") throw new Problem(`${runOf(node.start)} failed: ${node.reached.detail}`)
    if (node.reached._tag !== "Told") return state
    this.#heads.hear(state.head, node, node.reached.told)
    const { disk, start } = node
    if (start.round + 1 >= this.#about.rounds) return state
    return this.#with(state, writer, this.#automaton.start({ ...start, round: start.round + 1, disk }))
  }
}

/** Files as one line. */
export const textOf = (files: Files): string =>
  [...files]
    .map(([path, { content }]) => `${path}=${content.slice(0, 8)}`)
    .sort()
    .join(" ")

/** Visits every reachable state. */
export const explore = (about: Case): Found => new Search(about).explore()

const inBoth = (about: Omit<Case, "folders">): ReadonlyArray<Case> => [
  { ...about, folders: "own" },
  { ...about, folders: "shared" }
]

/** The cases that are searched to the end. */
export const cases: ReadonlyArray<Case> = [
  ...inBoth({ writers: 2, rounds: 2, gates: "shared", crash: false }),
  ...inBoth({ writers: 3, rounds: 1, gates: "shared", crash: false }),
  ...inBoth({ writers: 2, rounds: 2, gates: "all", crash: false }),
  ...inBoth({ writers: 2, rounds: 1, gates: "all", crash: true }),
  ...inBoth({ writers: 2, rounds: 2, gates: "shared", crash: true }),
  ...inBoth({ writers: 3, rounds: 1, gates: "shared", crash: true }),
  ...inBoth({ writers: 3, rounds: 1, gates: "all", crash: false })
]

/** What a case is, in words. */
export const nameOf = ({ crash, folders, gates, rounds, writers }: Case): string =>
  `${writers} writers, ${rounds} ${rounds === 1 ? "round" : "rounds"}, ${folders === "own" ? "own folders" : "one folder"}, ` +
  `${gates === "all" ? "every call" : "calls that others notice"}${crash ? ", one crash anywhere" : ""}`
