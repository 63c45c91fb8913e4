import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as FolderEventsNode from "../../src/layers/FolderEventsNode.ts"
import type { Event } from "../../src/services/FolderEvents.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cairn-watch-"))),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

/** Watches, and gives every path that is told of; the first event is `Attached`. */
const listen = Effect.fnUntraced(function* (path: string, options: FolderEventsNode.Options) {
  const events = yield* Queue.unbounded<Event>()
  yield* FolderEventsNode.make(options)
    .events(path)
    .pipe(
      Stream.runForEach((event) => Queue.offer(events, event)),
      Effect.forkScoped
    )
  const attached = yield* Queue.take(events)
  const seen = new Set<string>()
  return {
    attached,
    events,
    seen,
    /** Until all of these were told of. */
    until: (...paths: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        while (!paths.every((one) => seen.has(one))) {
          const event = yield* Queue.take(events)
          if (event._tag === "Changed") for (const one of event.paths) seen.add(one)
        }
      }).pipe(
        Effect.timeout("8 seconds"),
        Effect.orDieWith(() => `saw only ${[...seen]}`)
      )
  }
})

for (const means of ["native", "node"] as const) {
  describe(`folder events by ${FolderEventsNode.names[means]}`, () => {
    it.scopedLive("tell of files made, changed, moved and removed at every depth, and not of ignored folders", () =>
      Effect.gen(function* () {
        const top = yield* folder
        mkdirSync(join(top, "store"))
        mkdirSync(join(top, "a"))
        writeFileSync(join(top, "a/old"), "old")
        const { attached, seen, until } = yield* listen(top, { means: [means], ignore: [join(top, "store")] })
        assert.deepStrictEqual(attached, { _tag: "Attached", means: FolderEventsNode.names[means] })
        writeFileSync(join(top, "new"), "new")
        writeFileSync(join(top, "store/blob"), "blob")
        writeFileSync(join(top, "a/old"), "changed")
        yield* until(join(top, "new"), join(top, "a/old"))
        mkdirSync(join(top, "a/b"))
        yield* until(join(top, "a/b"))
        renameSync(join(top, "new"), join(top, "a/b/moved"))
        yield* until(join(top, "new"))
        rmSync(join(top, "a/old"))
        writeFileSync(join(top, "last"), "last")
        yield* until(join(top, "last"))
        assert.deepStrictEqual(
          [...seen].filter((path) => path.includes("store")),
          []
        )
      })
    )
  })
}

describe("folder events", () => {
  it.scopedLive("of a single file come when an editor puts another one in its place", () =>
    Effect.gen(function* () {
      const top = yield* folder
      writeFileSync(join(top, "one"), "1")
      const { until } = yield* listen(join(top, "one"), {})
      writeFileSync(join(top, "other"), "not asked for")
      writeFileSync(join(top, "temporary"), "2")
      renameSync(join(top, "temporary"), join(top, "one"))
      yield* until(join(top, "one"))
    })
  )

  it.scopedLive("of what is not there fail, and say so", () =>
    Effect.gen(function* () {
      const top = yield* folder
      const ended = yield* Effect.either(Stream.runDrain(FolderEventsNode.make().events(join(top, "missing"))))
      assert.isTrue(Either.isLeft(ended))
      if (Either.isLeft(ended)) assert.strictEqual(ended.left.reason, "NotFound")
    })
  )

  it.scopedLive("where nothing watches say from time to time that anything may have changed", () =>
    Effect.gen(function* () {
      const top = yield* folder
      const fiber = yield* FolderEventsNode.make({ means: ["polling"], poll: "20 millis" })
        .events(top)
        .pipe(Stream.take(3), Stream.runCollect, Effect.fork)
      const events = Chunk.toReadonlyArray(yield* Fiber.join(fiber))
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Attached", "Overflow", "Overflow"]
      )
    })
  )
})
