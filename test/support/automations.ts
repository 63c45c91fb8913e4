/** Automations on a machine with a clock of its own, which can sleep, be put forward and back, stopped and killed. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as HealthLogObjectStore from "../../src/layers/HealthLogObjectStore.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as Automation from "../../src/programs/Automation.ts"
import type { Health } from "../../src/schema/Health.ts"
import type { Trigger } from "../../src/schema/Trigger.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as FolderEvents from "../../src/services/FolderEvents.ts"
import * as HealthLog from "../../src/services/HealthLog.ts"
import type * as ObjectStore from "../../src/services/ObjectStore.ts"
import * as VirtualClock from "../simulation/VirtualClock.ts"
import { World } from "../simulation/World.ts"
import { primitives } from "./programs.ts"

export const minute = 60_000
export const hour = 60 * minute
export const day = 24 * hour

/** Folders whose events a test makes up. */
export class Folders {
  readonly #listeners = new Map<string, Set<(event: FolderEvents.Event | FolderEvents.FolderEventsError) => void>>()
  /** What an attempt to watch fails with. */
  readonly broken = new Map<string, FolderEvents.FolderEventsError>()
  attempts = 0
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  readonly service: FolderEvents.Service = {
    events: (path) =>
      Stream.asyncPush<FolderEvents.Event, FolderEvents.FolderEventsError>((emit) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            this.attempts++
            const broken = this.broken.get(path)
            const listener = (event: FolderEvents.Event | FolderEvents.FolderEventsError) =>
              event instanceof FolderEvents.FolderEventsError ? emit.fail(event) : emit.single(event)
            if (broken !== undefined) emit.fail(broken)
            else {
              this.#listeners.set(path, (this.#listeners.get(path) ?? new Set()).add(listener))
              emit.single({ _tag: "Attached", means: "by the test" })
            }
            return listener
          }),
          (listener) => Effect.sync(() => this.#listeners.get(path)?.delete(listener))
        )
      )
  }

  emit(path: string, event: FolderEvents.Event | FolderEvents.FolderEventsError): void {
    this.#world.later(0, () => {
      for (const listener of [...(this.#listeners.get(path) ?? [])]) listener(event)
    })
  }

  change(path: string, name = "file"): void {
    this.emit(path, { _tag: "Changed", paths: [`${path}/${name}`] })
  }
}

export const unwatchable = (path: string) =>
  new FolderEvents.FolderEventsError({ reason: "NotFound", path, detail: "it is not there" })

type Run = (
  automation: Automation.Automation<string>,
  reason: Automation.Reason
) => Effect.Effect<Automation.Outcome, Automation.Tagged>

export class Machine {
  readonly world = new World()
  readonly folders = new Folders(this.world)
  /** Every run that began: its automation, when by the wall clock, and why. */
  readonly runs: Array<readonly [name: string, at: string, reason: string]> = []
  objects: ObjectStore.Service = Effect.runSync(ObjectStoreMemory.make())
  /** What a run does. */
  work: Run = () => Effect.succeed({})
  #offset = 0
  #clock: Clock.Clock = Clock.make()
  #stop: () => void = () => {}
  #kill: () => void = () => {}
  #automations: Automation.Automations<string> | undefined

  constructor(start: string) {
    this.world.now = Date.parse(start) * 1000
  }

  /** Milliseconds since 1970 by the wall clock. */
  get now(): number {
    return Math.floor(this.world.now / 1000) + this.#offset
  }

  /** A process that runs these automations. */
  boot(automations: ReadonlyArray<Automation.Automation<string>>): void {
    let alive = true
    const inner = VirtualClock.make(this.world, () => alive)
    const clock = {
      ...inner,
      unsafeCurrentTimeMillis: () => this.now,
      currentTimeMillis: Effect.sync(() => this.now)
    }
    const program = Effect.gen(this, function* () {
      const made = yield* Automation.make<string, Automation.Tagged, never>((automation, reason) =>
        Effect.suspend(() => {
          this.runs.push([automation.name, new Date(this.now).toISOString(), reason])
          return this.work(automation, reason)
        })
      )
      this.#automations = made
      yield* made.reconcile(automations)
      yield* Effect.never
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.mergeAll(
          Layer.effect(
            HealthLog.HealthLog,
            Effect.provideService(
              HealthLogObjectStore.make(this.objects),
              Crypto.Crypto,
              Crypto.Crypto.of({
                primitives,
                randomBytes: (length) => Effect.succeed(new Uint8Array(length)),
                implementation: { blake3: "", ed25519: "", chacha20: "", zstd: "", notes: [] }
              })
            )
          ),
          Layer.succeed(FolderEvents.FolderEvents, this.folders.service)
        )
      ),
      Effect.withRandom(Random.make("automations")),
      Effect.withClock(clock)
    )
    this.#clock = clock
    const fiber = this.world.start(program)
    this.#stop = () => {
      this.world.start(Fiber.interrupt(fiber))
      this.pass(1)
    }
    this.#kill = () => {
      alive = false
    }
  }

  /** Runs an effect in the process. */
  tell<A>(use: (automations: Automation.Automations<string>) => Effect.Effect<A>): A {
    const automations = this.#automations
    if (automations === undefined) throw new Error("nothing runs")
    let answer: { readonly value: A } | undefined
    this.world.start(
      Effect.map(use(automations), (value) => {
        answer = { value }
      }).pipe(Effect.withClock(this.#clock))
    )
    if (answer === undefined) throw new Error("it did not answer at once")
    return answer.value
  }

  health(name: string): Health {
    const found = this.tell(({ health }) => health).find((one) => one.name === name)
    if (found === undefined) throw new Error(`no automation ${name}`)
    return found
  }

  stop(): void {
    this.#stop()
  }

  kill(): void {
    this.#kill()
  }

  /** Time passes, for processes and the wall clock alike. */
  pass(millis: number): void {
    this.world.runUntil(this.world.now + millis * 1000)
  }

  until(time: string): void {
    this.pass(Date.parse(time) - this.now)
  }

  /** The wall clock jumps, and no process notices: a suspend, or a correction. */
  jump(millis: number): void {
    this.#offset += millis
  }

  /** The times of the runs so far, and forgets them. */
  times(): ReadonlyArray<string> {
    return this.runs.splice(0).map(([, at]) => at)
  }
}

export const automation = (
  name: string,
  trigger: Trigger,
  paths: ReadonlyArray<string> = []
): Automation.Automation<string> => ({ name, trigger, paths, task: name })

export const every = (intervalMillis: number, more: Partial<Extract<Trigger, { _tag: "Every" }>> = {}): Trigger => ({
  _tag: "Every",
  intervalMillis,
  jitterMillis: 0,
  catchUp: true,
  paused: false,
  ...more
})

export const cron = (
  expression: string,
  timeZone: string,
  more: Partial<Extract<Trigger, { _tag: "Cron" }>> = {}
): Trigger => ({ _tag: "Cron", expression, timeZone, jitterMillis: 0, catchUp: true, paused: false, ...more })
