/** The lives of a writer, and the calls they make to what lies outside of them. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import type { CallId, Plan, Reads, Struck } from "./Faults.ts"
import type { Files } from "./FileMerge.ts"
import type { World } from "./World.ts"

/** One life of a writer: a process of its own, from its start to its end or its crash. */
export class Process {
  readonly writer: number
  readonly life: number
  /** Nothing is done to it any more. */
  readonly isCalm: boolean
  isAlive = true
  calls = 0
  /** What it is publishing. */
  attempt: Files | undefined
  fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined
  lastArrival = 0

  constructor(writer: number, life: number, isCalm: boolean) {
    this.writer = writer
    this.life = life
    this.isCalm = isCalm
  }

  get name(): string {
    return `w${this.writer}.${this.life}`
  }
}

/** A call to something outside of a process: one atomic step there. */
export interface Request<A, E> {
  readonly process: Process
  readonly label: string
  /** In a store that all writers use, and not on the writer's own disk. */
  readonly isShared: boolean
  /** What it asks, which may be down. */
  readonly place?: string
  readonly reads?: Reads
  /** The step; `back` is 0, or how far in the past to look, in microseconds. */
  readonly apply: (back: number) => Either.Either<A, E>
  /** The failure when it is refused or its answer is lost. */
  readonly refused: (detail: string) => E
  readonly show?: (value: A) => string
}

/** A call that was made. */
export interface Call {
  readonly id: CallId
  readonly label: string
}

/** What the simulation does when a writer is struck. */
export interface Executioner {
  readonly crash: (process: Process) => void
  readonly power: () => void
}

const microsecondsLong = 9
const decisive = /^(registry\d? (set|look|put)|store create|mirror\d put|disk (intend|saveRecord|addTodo)|index add)/

/** The way from processes to stores and back. */
export class Wire {
  readonly trace: Array<string> = []
  readonly struck: Array<Struck> = []
  readonly slow: Array<CallId> = []
  readonly calls: Array<Call> = []
  readonly #world: World
  readonly #plan: Plan
  readonly #isOrdered: boolean
  readonly #executioner: Executioner

  constructor(options: {
    readonly world: World
    readonly plan: Plan
    /** Requests of one process arrive in the order in which it made them. */
    readonly isOrdered: boolean
    readonly executioner: Executioner
  }) {
    this.#world = options.world
    this.#plan = options.plan
    this.#isOrdered = options.isOrdered
    this.#executioner = options.executioner
  }

  get now(): number {
    return this.#world.now
  }

  note(text: string): void {
    const time = String(this.#world.now).padStart(microsecondsLong, "0")
    this.trace.push(`${time.slice(0, -3)}.${time.slice(-3)} ${text}`)
  }

  call<A, E>(request: Request<A, E>): Effect.Effect<A, E> {
    const { process } = request
    return Effect.async<A, E>((resume) => {
      if (!process.isAlive) return
      const number = process.calls++
      const { isShared, reads = "nothing" } = request
      const fate = this.#plan.fate(process.writer, process.life, number, {
        isShared,
        reads,
        isCalm: process.isCalm,
        isDecisive: decisive.test(request.label),
        isBarrier: request.label.startsWith("store sync")
      })
      const id: CallId = `${process.writer}.${process.life}.${number}`
      const name = `${process.name} #${number} ${request.label}`
      if (fate.trouble !== undefined) this.struck.push({ call: id, trouble: fate.trouble })
      if (fate.isSlow) this.slow.push(id)
      this.calls.push({ id, label: request.label })
      let isWanted = true
      const due = this.#world.now + fate.arrive
      const arrival = this.#isOrdered ? Math.max(due, process.lastArrival) : due
      process.lastArrival = arrival
      const { trouble } = fate
      const isStale = trouble === "stale" || trouble === "unseen"

      if (trouble === "crash" || trouble === "power" || trouble === "interrupt") {
        this.#world.later(0, () => {
          if (!process.isAlive) return
          this.note(`${name}: ${trouble}`)
          if (trouble === "crash") this.#executioner.crash(process)
          else if (trouble === "power") this.#executioner.power()
          else process.fiber?.unsafeInterruptAsFork(process.fiber.id())
        })
      }

      const told = (result: Either.Either<A, E>) =>
        Either.match(result, { onLeft: String, onRight: (value) => request.show?.(value) ?? "done" })
      const haunt = () => this.note(`${name}: ${told(request.apply(0))}, and nobody hears it`)
      const arrive = () => {
        const isHeard = process.isAlive && isWanted
        if (!isHeard) {
          if (isShared && fate.outlives !== undefined) this.#world.later(fate.outlives, haunt)
          return
        }
        if (request.place !== undefined && this.#plan.isDown(request.place, this.#world.now))
          return answer(Either.left(request.refused("it is down")), "down")
        if (trouble === "fail") return answer(Either.left(request.refused("refused")), "refused")
        const result = request.apply(isStale ? fate.back : 0)
        const shown = told(result)
        if (trouble === "failAfter")
          return answer(Either.left(request.refused("the answer was lost")), `${shown}, answer lost`)
        answer(result, isStale ? `${shown}, stale` : shown)
        if (trouble === "crashAfter") {
          this.note(`${process.name}: crash`)
          this.#executioner.crash(process)
        }
      }
      const answer = (result: Either.Either<A, E>, shown: string) => {
        this.note(`${name}: ${shown}`)
        this.#world.later(fate.answer, () => {
          if (process.isAlive && isWanted) resume(result)
        })
      }
      this.#world.later(arrival - this.#world.now, arrive)
      return Effect.sync(() => {
        isWanted = false
      })
    })
  }
}
