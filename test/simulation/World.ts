/**
 * A machine that exists only in this process: its own time, its own scheduler, and a queue of what happens next.
 *
 * Fibers run on a `ControlledScheduler` and only while the world lets them; when none can go on, the world jumps to the
 * next happening in its queue. Nothing waits for real time, so a race of ten writers takes milliseconds, and nothing but
 * the queue decides on an order, so it is the same one every time.
 */
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Scheduler from "effect/Scheduler"

/** Something that will happen, unless it is called off. */
export interface Happening {
  readonly at: number
  readonly order: number
  run: () => void
}

const nothing = () => {}

// fiber metrics look at the machine's clock
const runtime = Runtime.updateRuntimeFlags(Runtime.defaultRuntime, RuntimeFlags.disable(RuntimeFlags.RuntimeMetrics))

const isBefore = (a: Happening, b: Happening) => (a.at === b.at ? a.order < b.order : a.at < b.at)

export class World {
  /** Microseconds since the world began. */
  now = 0
  /** How many things have happened. */
  happened = 0
  readonly #queue: Array<Happening> = []
  readonly #scheduler = new Scheduler.ControlledScheduler()
  #order = 0
  #isRunning = false

  /** Whether something in the world is going on right now, so that whoever asks is part of it. */
  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Starts a program; it runs until it has to wait for something. */
  start<A, E>(program: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> {
    const fiber = Runtime.runFork(runtime, program, { scheduler: this.#scheduler, immediate: false })
    if (!this.#isRunning) this.#settle()
    return fiber
  }

  /** Makes `run` happen in `delay` microseconds, after everything else that was already due by then. */
  later(delay: number, run: () => void): Happening {
    const happening: Happening = { at: this.now + Math.max(0, Math.floor(delay)), order: this.#order++, run }
    const queue = this.#queue
    let at = queue.length
    queue.push(happening)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(happening, queue[parent]!)) break
      queue[at] = queue[parent]!
      at = parent
    }
    queue[at] = happening
    return happening
  }

  /** Calls a happening off. */
  cancel(happening: Happening): void {
    happening.run = nothing
  }

  /** Lets the next thing happen; `false` when nothing is left. */
  step(): boolean {
    const next = this.#take()
    if (next === undefined) return false
    this.now = Math.max(this.now, next.at)
    this.happened++
    this.#isRunning = true
    next.run()
    this.#isRunning = false
    this.#settle()
    return true
  }

  /** Lets everything happen that is due until `at`, and moves the time there. */
  runUntil(at: number): void {
    for (let next = this.#queue[0]; next !== undefined && next.at <= at; next = this.#queue[0]) this.step()
    this.now = Math.max(this.now, at)
  }

  /** The times of everything that is still to happen. */
  get due(): ReadonlyArray<number> {
    return this.#queue.filter(({ run }) => run !== nothing).map(({ at }) => at)
  }

  #settle(): void {
    this.#isRunning = true
    while (this.#scheduler.tasks.buckets.length > 0) this.#scheduler.step()
    this.#isRunning = false
  }

  #take(): Happening | undefined {
    const queue = this.#queue
    const first = queue[0]
    const last = queue.pop()
    if (first === undefined || last === undefined || queue.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= queue.length) break
      if (child + 1 < queue.length && isBefore(queue[child + 1]!, queue[child]!)) child++
      if (!isBefore(queue[child]!, last)) break
      queue[at] = queue[child]!
      at = child
    }
    queue[at] = last
    return first
  }
}
