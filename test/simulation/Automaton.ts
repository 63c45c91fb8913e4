/**
 * A writer as an automaton: what it does next is a function of what it was answered so far, so each history of answers is
 * one node, made by running the production program on them once.
 */
import * as Gates from "./Gates.ts"

/** A writer at one point: after the start of a run of its program and the answers since then. */
export interface Node {
  readonly id: number
  readonly start: Start
  readonly answers: ReadonlyArray<Gates.Answer>
  readonly disk: Gates.Disk
  readonly reached: Gates.Reached
  session: Gates.Session | undefined
  readonly children: Map<string, Node>
}

export interface Start {
  readonly writer: number
  readonly round: number
  readonly life: number
  readonly disk: Gates.Disk
}

export const runOf = (start: Start) => `w${start.writer}.${start.life} round ${start.round}`

export class Automaton {
  readonly #folders: Gates.Options["folders"]
  readonly #blobs: Map<string, Uint8Array>
  readonly #starts = new Map<string, Node>()
  readonly #disks = new Map<string, number>()
  #nodes = 0
  /** How often a program was started. */
  runs = 0

  constructor(folders: Gates.Options["folders"], blobs: Map<string, Uint8Array>) {
    this.#folders = folders
    this.#blobs = blobs
  }

  /** A new run of a writer's program. */
  start(start: Start): Node {
    const key = `${start.writer} ${start.round} ${start.life} ${this.#diskId(start.disk)}`
    const known = this.#starts.get(key)
    if (known !== undefined) return known
    const node = this.#node(start, [], start.disk)
    this.#starts.set(key, node)
    return node
  }

  /** Where a writer is after an answer, which `key` tells from every other one that it might get here. */
  after(node: Node, key: string, answer: Gates.Answer, disk: Gates.Disk): Node {
    const known = node.children.get(key)
    if (known !== undefined) return known
    // the first to go on takes the running program with it, the others run it again up to here
    const { session } = node
    node.session = undefined
    session?.answer(answer)
    const next = this.#node(node.start, [...node.answers, answer], disk, session)
    node.children.set(key, next)
    return next
  }

  /** Where a writer is when its own disk has answered. */
  own(node: Node, gate: Extract<Gates.Gate, { readonly _tag: "Own" }>): Node {
    return this.after(node, "own", { _tag: "Own", disk: node.disk }, gate.change(node.disk))
  }

  /** Where a writer is when it has done everything that nobody else can notice. */
  ahead(from: Node): Node {
    let node = from
    while (node.reached._tag === "Gate" && node.reached.gate._tag === "Own") node = this.own(node, node.reached.gate)
    return node
  }

  #diskId(disk: Gates.Disk): number {
    const text = Gates.diskText(disk)
    const id = this.#disks.get(text) ?? this.#disks.size
    this.#disks.set(text, id)
    return id
  }

  #node(start: Start, answers: ReadonlyArray<Gates.Answer>, disk: Gates.Disk, from?: Gates.Session): Node {
    const session = from ?? this.#session(start)
    if (from === undefined) for (const answer of answers) session.answer(answer)
    return { id: ++this.#nodes, start, answers, disk, reached: session.reached, session, children: new Map() }
  }

  #session(start: Start): Gates.Session {
    this.runs++
    return new Gates.Session({ ...start, folders: this.#folders, blobs: this.#blobs })
  }
}
