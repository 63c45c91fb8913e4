import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Executor from "../../src/programs/Executor.ts"
import * as ExecutorQueue from "../../src/programs/ExecutorQueue.ts"
import * as ExecutorTask from "../../src/programs/ExecutorTask.ts"
import * as TaskProgress from "../../src/programs/TaskProgress.ts"
import type * as TaskEvent from "../../src/schema/TaskEvent.ts"
import * as TaskSpec from "../../src/schema/TaskSpec.ts"
import * as Progress from "../../src/services/Progress.ts"
import * as TaskEvents from "../../src/services/TaskEvents.ts"

const publish = (vault: string): TaskSpec.TaskSpec => ({ _tag: "Publish", vault })
const verify = (vault: string): TaskSpec.TaskSpec => ({ _tag: "Verify", vault, share: 1 })
const everything: TaskSpec.TaskSpec = {
  _tag: "Backup",
  folder: "",
  sources: [],
  attended: true,
  reread: false,
  dryRun: false
}

const ended = (code: number): Executor.Ended =>
  code === 0 ? { code, isTold: false } : { code, error: { tag: "Failed", message: "no" }, isTold: false }

/** An executor whose tasks end when the test says so, and what they did. */
const make = Effect.fnUntraced(function* (options: { readonly history?: number; readonly width?: number } = {}) {
  const said: Array<string> = []
  const gates = new Map<string, Deferred.Deferred<Executor.Ended>>()
  const gate = (name: string) => {
    const made = gates.get(name) ?? Deferred.unsafeMake<Executor.Ended>(Effect.runSync(Effect.fiberId))
    gates.set(name, made)
    return made
  }
  const nameOf = (spec: TaskSpec.TaskSpec) => `${spec._tag} ${spec.vault ?? "*"}`
  const executor = yield* Executor.make<never>({
    ...options,
    cancelledCode: 130,
    run: (spec) =>
      Effect.gen(function* () {
        const name = nameOf(spec)
        said.push(`+${name}`)
        const answer = yield* Effect.onInterrupt(Deferred.await(gate(name)), () =>
          Effect.sync(() => said.push(`!${name}`))
        )
        said.push(`-${name}`)
        gates.delete(name)
        return answer
      })
  })
  const settle = Effect.yieldNow().pipe(Effect.repeatN(50))
  const finish = (spec: TaskSpec.TaskSpec, code = 0) =>
    Effect.zipRight(Deferred.succeed(gate(nameOf(spec)), ended(code)), settle)
  return { executor, finish, said, settle }
})

const states = (executor: Executor.Executor) =>
  Effect.map(executor.list, (tasks) => tasks.map(({ id, state }) => `${id} ${state}`))

describe("what runs beside what", () => {
  it.scoped("tasks that change one vault run one after the other, in the order in which they came", () =>
    Effect.gen(function* () {
      const { executor, finish, said, settle } = yield* make()
      yield* executor.submit({ spec: publish("a") })
      yield* executor.submit({ spec: { ...everything, vault: "a" } })
      yield* executor.submit({ spec: publish("a") })
      yield* settle
      assert.deepStrictEqual(said, ["+Publish a"])
      yield* finish(publish("a"))
      assert.deepStrictEqual(said.slice(1), ["-Publish a", "+Backup a"])
      yield* finish({ ...everything, vault: "a" }, 1)
      assert.deepStrictEqual(said.slice(3), ["-Backup a", "+Publish a"])
    })
  )

  it.scoped("tasks of other vaults, and those that only read, run beside them", () =>
    Effect.gen(function* () {
      const { executor, said, settle } = yield* make()
      for (const spec of [publish("a"), publish("b"), verify("a")]) yield* executor.submit({ spec })
      yield* settle
      assert.deepStrictEqual(said, ["+Publish a", "+Publish b", "+Verify a"])
    })
  )

  it.scoped("a backup of every vault waits for all of them, and nothing overtakes it into one", () =>
    Effect.gen(function* () {
      const { executor, finish, said, settle } = yield* make()
      yield* executor.submit({ spec: publish("a") })
      yield* executor.submit({ spec: everything })
      yield* executor.submit({ spec: publish("b") })
      yield* settle
      assert.deepStrictEqual(said, ["+Publish a"])
      yield* finish(publish("a"))
      assert.deepStrictEqual(said.slice(2), ["+Backup *"])
      yield* finish(everything)
      assert.deepStrictEqual(said.slice(4), ["+Publish b"])
    })
  )

  it.scoped("not more run at once than the width allows", () =>
    Effect.gen(function* () {
      const { executor, finish, said, settle } = yield* make({ width: 2 })
      for (const vault of ["a", "b", "c"]) yield* executor.submit({ spec: publish(vault) })
      yield* settle
      assert.deepStrictEqual(yield* states(executor), ["1 running", "2 running", "3 queued"])
      yield* finish(publish("b"))
      assert.deepStrictEqual(said, ["+Publish a", "+Publish b", "-Publish b", "+Publish c"])
    })
  )

  it("whatever waits: nothing starts beside a task that excludes it, the first always can when nothing runs", () => {
    const claim = FC.oneof(
      FC.constantFrom("every" as const, "none" as const),
      FC.constantFrom("a", "b", "c").map((vault) => ({ vault }))
    )
    const claims = FC.array(claim.map((claim) => ({ claim })))
    FC.assert(
      FC.property(claims, claims, FC.integer({ min: 1, max: 4 }), (waiting, running, width) => {
        const chosen = ExecutorQueue.startable(waiting, running, width)
        assert.isTrue(running.length + chosen.length <= Math.max(width, running.length))
        for (const [index, one] of chosen.entries()) {
          const beside = [...running, ...chosen.slice(0, index)]
          assert.isFalse(beside.some((other) => TaskSpec.excludes(one.claim, other.claim)))
        }
        if (running.length === 0 && waiting.length > 0) assert.strictEqual(chosen[0], waiting[0])
      })
    )
  })
})

describe("cancelling", () => {
  it.scoped("a task that waits never begins, and the next one does", () =>
    Effect.gen(function* () {
      const { executor, finish, said, settle } = yield* make()
      yield* executor.submit({ spec: publish("a") })
      const second = yield* executor.submit({ spec: { ...everything, vault: "a" } })
      yield* executor.submit({ spec: publish("a") })
      yield* executor.cancel(second)
      assert.deepInclude(yield* executor.wait(second), { code: 130, next: [] })
      assert.strictEqual((yield* executor.wait(second)).error?.tag, "TaskCancelled")
      yield* finish(publish("a"))
      yield* settle
      assert.deepStrictEqual(said, ["+Publish a", "-Publish a", "+Publish a"])
    })
  )

  it.scoped("a running task is interrupted, and has ended when that is answered", () =>
    Effect.gen(function* () {
      const { executor, said, settle } = yield* make()
      const id = yield* executor.submit({ spec: publish("a") })
      yield* executor.submit({ spec: { ...everything, vault: "a" } })
      yield* settle
      yield* executor.cancel(id)
      assert.deepStrictEqual(said.slice(0, 2), ["+Publish a", "!Publish a"])
      assert.strictEqual((yield* executor.wait(id)).code, 130)
      yield* settle
      assert.deepStrictEqual(said.slice(2), ["+Backup a"])
    })
  )

  it.scoped("works from where nothing can be interrupted itself", () =>
    Effect.gen(function* () {
      const { executor, settle } = yield* make()
      const id = yield* Effect.uninterruptible(executor.submit({ spec: publish("a") }))
      yield* settle
      yield* Effect.uninterruptible(executor.cancel(id))
      assert.deepStrictEqual(yield* states(executor), ["1 ended"])
    })
  )

  it.scoped("what has ended stays as it ended; a number that nobody has is an error", () =>
    Effect.gen(function* () {
      const { executor, finish, settle } = yield* make()
      const id = yield* executor.submit({ spec: publish("a") })
      yield* settle
      yield* finish(publish("a"))
      yield* executor.cancel(id)
      assert.strictEqual((yield* executor.wait(id)).code, 0)
      assert.strictEqual((yield* Effect.flip(executor.cancel(99)))._tag, "NoSuchTask")
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(executor.watch(99))))._tag, "NoSuchTask")
    })
  )

  it.effect("the end of the scope cancels everything, and nothing new is taken", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { executor, said, settle } = yield* Scope.extend(make(), scope)
      yield* executor.submit({ spec: publish("a"), followers: [{ spec: verify("a") }] })
      const waiting = yield* executor.submit({ spec: publish("a") })
      yield* settle
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(said, ["+Publish a", "!Publish a"])
      assert.strictEqual((yield* executor.wait(waiting)).code, 130)
      assert.strictEqual((yield* Effect.flip(executor.submit({ spec: verify("a") })))._tag, "ExecutorStopped")
    })
  )
})

describe("what follows", () => {
  const chain: ExecutorTask.Submission = {
    spec: publish("a"),
    name: "first",
    followers: [
      { spec: verify("a"), name: "second", followers: [{ spec: publish("c"), name: "third" }] },
      { spec: publish("b") }
    ]
  }

  it.scoped("begins after success only, each with what follows it", () =>
    Effect.gen(function* () {
      const { executor, finish, said, settle } = yield* make()
      const first = yield* executor.submit(chain)
      yield* settle
      assert.deepStrictEqual(said, ["+Publish a"])
      yield* finish(publish("a"))
      assert.deepStrictEqual((yield* executor.wait(first)).next, [2, 3])
      assert.deepStrictEqual(said.slice(2), ["+Verify a", "+Publish b"])
      yield* finish(verify("a"), 5)
      assert.deepStrictEqual((yield* executor.wait(2)).next, [])
      yield* finish(publish("b"))
      assert.deepStrictEqual(yield* states(executor), ["1 ended", "2 ended", "3 ended"])
      const told = Chunk.toReadonlyArray(yield* Stream.runCollect(executor.watch(2)))
      assert.deepStrictEqual(told[0], { _tag: "Complaint", text: "third: not run, since second did not succeed" })
    })
  )

  for (const code of [1, 3, 130])
    it.scoped(`never begins after ${code}`, () =>
      Effect.gen(function* () {
        const { executor, finish, said, settle } = yield* make()
        const first = yield* executor.submit(chain)
        yield* settle
        yield* code === 130 ? executor.cancel(first) : finish(publish("a"), code)
        yield* settle
        assert.strictEqual((yield* executor.wait(first)).code, code)
        assert.strictEqual(said.length, 2)
      })
    )
})

describe("what is remembered", () => {
  it.scoped("so many ended tasks, the last ones, and all that have not ended", () =>
    Effect.gen(function* () {
      const { executor, finish, settle } = yield* make({ history: 3 })
      yield* executor.submit({ spec: publish("long") })
      for (let round = 0; round < 10; round++) {
        yield* executor.submit({ spec: publish("a") })
        yield* settle
        yield* finish(publish("a"))
      }
      assert.deepStrictEqual(yield* states(executor), ["1 running", "9 ended", "10 ended", "11 ended"])
    })
  )

  it.scoped("a bug in a task is its end, and of nothing else", () =>
    Effect.gen(function* () {
      const executor = yield* Executor.make<never>({
        cancelledCode: 130,
        run: (spec) => (spec.vault === "a" ? Effect.die(new Cause.RuntimeException("oh")) : Effect.succeed(ended(0)))
      })
      const first = yield* executor.submit({ spec: publish("a") })
      const second = yield* executor.submit({ spec: publish("b") })
      assert.deepInclude((yield* executor.wait(first)).error, { tag: "Bug" })
      assert.strictEqual((yield* executor.wait(second)).code, 0)
    })
  )
})

/** A task that does one step of 1,000 bytes every 40 ms for 4 s, and has something to say every 10 steps. */
const busy = (spec: TaskSpec.TaskSpec) =>
  Effect.gen(function* () {
    const progress = yield* Progress.Progress
    const { say } = yield* TaskEvents.TaskEvents
    yield* progress.phase(`busy with ${spec.vault}`, { files: 100, bytes: 100_000 })
    for (let index = 0; index < 100; index++) {
      yield* Effect.sleep("40 millis")
      yield* progress.step({ files: 1, bytes: 1000, current: `file ${index}` })
      if (index % 10 === 0) yield* say({ _tag: "Note", text: `${index}` })
    }
    return ended(0)
  })

const paced = (spec: TaskSpec.TaskSpec) => Effect.provide(busy(spec), TaskProgress.layer)

/** The events with the time at which they came. */
const timed = <E>(events: Stream.Stream<TaskEvent.TaskEvent, E>) =>
  events.pipe(
    Stream.mapEffect((event) => Effect.map(Clock.currentTimeMillis, (at) => ({ at, event }))),
    Stream.runCollect,
    Effect.map(Chunk.toReadonlyArray)
  )

const progressOf = (events: ReadonlyArray<{ readonly at: number; readonly event: TaskEvent.TaskEvent }>) =>
  events.flatMap(({ at, event }) => (event._tag === "Progress" ? [{ at, event }] : []))

const notes = Array.from({ length: 10 }, (_, index) => `${index * 10}`)

describe("what a task says", () => {
  it.scoped(
    "progress comes at most five times a second, everything else always, the end last",
    () =>
      Effect.gen(function* () {
        const executor = yield* Executor.make<never>({ cancelledCode: 130, run: paced })
        const id = yield* executor.submit({ spec: publish("a") })
        const listening = yield* Effect.fork(timed(executor.watch(id)))
        for (let tick = 0; tick < 110; tick++) yield* TestClock.adjust("40 millis")
        const events = yield* Fiber.join(listening)
        const progress = progressOf(events)
        assert.isTrue(progress.length >= 17 && progress.length <= 21, `${progress.length}`)
        for (const [index, { at }] of progress.entries())
          assert.isTrue(index === 0 || at - progress[index - 1]!.at >= 200, `${at}`)
        assert.deepStrictEqual(
          events.flatMap(({ event }) => (event._tag === "Note" ? [event.text] : [])),
          notes
        )
        assert.strictEqual(events.at(-1)?.event._tag, "End")
        const last = progress.at(-1)!.event
        assert.deepInclude(last, { phase: "busy with a", totalFiles: 100, totalBytes: 100_000 })
        assert.isTrue(Math.abs(last.rate - 25_000) < 2500, `${last.rate}`)
      }),
    20_000
  )

  it.scoped(
    "who listens slowly misses values of progress and nothing else; who comes late hears all",
    () =>
      Effect.gen(function* () {
        const executor = yield* Executor.make<never>({ cancelledCode: 130, run: paced })
        const id = yield* executor.submit({ spec: publish("a") })
        const slowly = Stream.tap(executor.watch(id), ({ _tag }) =>
          _tag === "Progress" ? Effect.sleep("1.5 seconds") : Effect.void
        )
        const listening = yield* Effect.fork(timed(slowly))
        for (let tick = 0; tick < 70; tick++) yield* TestClock.adjust("100 millis")
        const heard = yield* Fiber.join(listening)
        const late = yield* timed(executor.watch(id))
        for (const events of [heard, late])
          assert.deepStrictEqual(
            events.flatMap(({ event }) => (event._tag === "Note" ? [event.text] : [])),
            notes
          )
        assert.isTrue(progressOf(heard).length <= 5, `${progressOf(heard).length}`)
        assert.strictEqual(heard.at(-1)?.event._tag, "End")
        assert.strictEqual(late.at(-1)?.event._tag, "End")
      }),
    20_000
  )

  it.scoped(
    "a task that says too much is remembered by the last of it, and that is told",
    () =>
      Effect.gen(function* () {
        const many = ExecutorTask.maxEvents + 5
        const executor = yield* Executor.make<never>({
          cancelledCode: 130,
          run: () =>
            Effect.gen(function* () {
              const { say } = yield* TaskEvents.TaskEvents
              for (let index = 0; index < many; index++) yield* say({ _tag: "Note", text: `${index}` })
              return ended(0)
            })
        })
        const id = yield* executor.submit({ spec: publish("a") })
        yield* executor.wait(id)
        const events = Chunk.toReadonlyArray(yield* Stream.runCollect(executor.watch(id)))
        const dropped = many + 2 - events.length
        assert.deepStrictEqual(events[0], {
          _tag: "Complaint",
          text: `${dropped} earlier messages are not kept any more`
        })
        assert.deepStrictEqual(events.at(-2), { _tag: "Note", text: `${many - 1}` })
      }),
    20_000
  )
})
