/** What every object store does, whatever it is made of (docs/format/core.md §15.1). */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { runCheck } from "../../src/programs/StoreTest.ts"
import { checks } from "../../src/programs/StoreTestChecks.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { ObjectStore } from "../../src/services/ObjectStore.ts"

const utf8 = Bytes.fromUtf8

/** `many`: how many objects are listed at once; more than a page of the listing, where it has pages. */
export const suite = <E = never>(name: string, layer: Layer.Layer<ObjectStore, E>, many = 1300) =>
  describe(`an object store (${name})`, () => {
    const fact = <F>(text: string, effect: Effect.Effect<void, F, ObjectStore>) =>
      it.scopedLive(text, () => Effect.provide(effect, layer))

    const list = (objects: ObjectStore["Type"], prefix: string) =>
      Effect.map(Stream.runCollect(objects.list(prefix)), (found) => Chunk.toReadonlyArray(found).toSorted())

    // one list of promises, for this suite and for whoever tries out a store of their own
    for (const check of checks) {
      fact(
        check.promise,
        Effect.gen(function* () {
          const objects = yield* ObjectStore
          const { detail, outcome } = yield* runCheck(check, objects, "promises", 6 << 20)
          assert.strictEqual(outcome, "kept", detail)
        })
      )
    }

    fact(
      "forgets what was removed, and removing it again is success",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        yield* objects.put("x/y", utf8("x"))
        yield* objects.remove("x/y")
        assert.isUndefined(yield* objects.size("x/y"))
        yield* objects.remove("x/y")
        yield* objects.remove("never/was")
        assert.deepStrictEqual(yield* list(objects, ""), [])
        yield* objects.put("x/y", utf8("again"))
        assert.deepStrictEqual(yield* objects.get("x/y"), utf8("again"))
        yield* objects.sync
      })
    )

    fact(
      "removing a folder's name leaves what is in the folder",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        yield* objects.put("x/y", utf8("x"))
        yield* objects.remove("x")
        assert.deepStrictEqual(yield* list(objects, ""), ["x/y"])
      })
    )

    fact(
      "lists every path, and those of a prefix",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        assert.deepStrictEqual(yield* list(objects, ""), [])
        const paths = ["list_a.bin", "list_b.bin", "registry/00", "registry/.claims/00/1", "subdir/list_c.bin"]
        for (const path of paths) yield* objects.put(path, utf8(path))
        yield* objects.create("subdir/made", utf8("made"))
        assert.deepStrictEqual(yield* list(objects, ""), [...paths, "subdir/made"].toSorted())
        assert.deepStrictEqual(yield* list(objects, "list_"), ["list_a.bin", "list_b.bin"])
        assert.deepStrictEqual(yield* list(objects, "sub"), ["subdir/list_c.bin", "subdir/made"])
        assert.deepStrictEqual(yield* list(objects, "subdir/m"), ["subdir/made"])
        assert.deepStrictEqual(yield* list(objects, "subdir/made"), ["subdir/made"])
        assert.deepStrictEqual(yield* list(objects, "subdir/made/"), [])
        assert.deepStrictEqual(yield* list(objects, "registry/"), ["registry/.claims/00/1", "registry/00"])
        for (const nothing of ["nope", "nope/", "../", "/", ".tmp/", "..", "\0"]) {
          assert.deepStrictEqual(yield* list(objects, nothing), [])
        }
      })
    )

    fact(
      "lists a large folder completely, also when the reader stops early before",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        const paths = Array.from({ length: many }, (_, i) => `many/${String(i).padStart(4, "0")}`)
        yield* Effect.forEach(paths, (path) => objects.put(path, utf8(path)), { concurrency: 16, discard: true })
        const some = yield* Stream.runCollect(Stream.take(objects.list("many/"), 3))
        assert.strictEqual(some.length, 3)
        assert.deepStrictEqual(yield* list(objects, "many/"), paths)
      })
    )

    fact(
      "replaces an object, also one that was created",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        yield* objects.put("one", utf8("first, longer"))
        yield* objects.put("one", utf8("second"))
        assert.deepStrictEqual(yield* objects.get("one"), utf8("second"))
        assert.isTrue(yield* objects.create("two", utf8("first")))
        yield* objects.put("two", utf8("second"))
        assert.deepStrictEqual(yield* objects.get("two"), utf8("second"))
        assert.deepStrictEqual(yield* list(objects, ""), ["one", "two"])
        yield* objects.sync
      })
    )

    fact(
      "creates only what is not there, and keeps what was",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        assert.isTrue(yield* objects.create("claims/1", utf8("mine")))
        assert.isFalse(yield* objects.create("claims/1", utf8("theirs")))
        assert.deepStrictEqual(yield* objects.get("claims/1"), utf8("mine"))
        assert.strictEqual(yield* objects.size("claims/1"), 4)
        yield* objects.put("claims/2", utf8("put"))
        assert.isFalse(yield* objects.create("claims/2", utf8("theirs")))
        assert.deepStrictEqual(yield* objects.get("claims/2"), utf8("put"))
        yield* objects.remove("claims/1")
        assert.isUndefined(yield* objects.size("claims/1"))
        assert.isTrue(yield* objects.create("claims/1", utf8("again")))
        assert.deepStrictEqual(yield* objects.get("claims/1", { offset: 1, length: 3 }), utf8("gai"))
        assert.deepStrictEqual(yield* list(objects, "claims/"), ["claims/1", "claims/2"])
      })
    )

    fact(
      "lets exactly one of 50 fibers create a path, and keeps that one's bytes",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, i) => i),
          (i) => objects.create("race/one", utf8(`fiber ${i}`)),
          { concurrency: "unbounded" }
        )
        const winners = outcomes.flatMap((won, i) => (won ? [i] : []))
        assert.strictEqual(winners.length, 1)
        assert.deepStrictEqual(yield* objects.get("race/one"), utf8(`fiber ${winners[0]}`))
        assert.deepStrictEqual(yield* list(objects, ""), ["race/one"])
      })
    )

    fact(
      "keeps its own copy of what was put and given out",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        const bytes = utf8("unchanged")
        yield* objects.put("copy", bytes)
        bytes.fill(0)
        ;(yield* objects.get("copy")).fill(1)
        assert.deepStrictEqual(yield* objects.get("copy"), utf8("unchanged"))
      })
    )

    fact(
      "syncs concurrently with puts, again and with nothing to do",
      Effect.gen(function* () {
        const objects = yield* ObjectStore
        yield* objects.sync
        yield* Effect.forEach(
          Array.from({ length: 40 }, (_, i) => i),
          (i) => Effect.zipRight(objects.put(`s/${i % 7}/${i}`, utf8("x")), objects.sync),
          { concurrency: 16, discard: true }
        )
        yield* objects.size("s/0/0")
        yield* objects.sync
        assert.strictEqual((yield* list(objects, "s/")).length, 40)
      })
    )

    const part = FastCheck.oneof(
      FastCheck.constantFrom(
        "..",
        ".",
        "",
        "a",
        "b",
        ".tmp",
        ".entry",
        "a\0",
        "a\\b",
        "\ud800",
        "..\\..",
        "a..b",
        "~",
        " "
      ),
      FastCheck.string({ maxLength: 8 }),
      FastCheck.string({ unit: "grapheme", maxLength: 4 })
    )
    const hostile = FastCheck.array(part, { maxLength: 4 }).map((parts) => parts.join("/"))
    // stated anew here, so that the rule itself is tested too
    const mustRefuse = (path: string) =>
      path === "" ||
      /[\0\\]/.test(path) ||
      Buffer.from(path, "utf8").toString("utf8") !== path ||
      path.split("/").some((each) => ["", ".", "..", ".entry"].includes(each)) ||
      /^\.tmp(\/|$)/.test(path)

    it.scopedLive("refuses every hostile path in every operation, and keeps every other under exactly its name", () =>
      Effect.forEach(FastCheck.sample(hostile, 150), (path) =>
        Effect.gen(function* () {
          const objects = yield* ObjectStore
          if (mustRefuse(path)) {
            const refusals = yield* Effect.all([
              Effect.flip(objects.put(path, utf8(path))),
              Effect.flip(objects.create(path, utf8(path))),
              Effect.flip(objects.get(path)),
              Effect.flip(objects.size(path)),
              Effect.flip(objects.remove(path))
            ])
            for (const refusal of refusals) assert.strictEqual(refusal.reason, "BadPath", JSON.stringify(path))
            assert.deepStrictEqual(yield* list(objects, ""), [])
          } else {
            yield* objects.put(path, utf8(path))
            assert.deepStrictEqual(yield* objects.get(path), utf8(path))
            assert.deepStrictEqual(yield* list(objects, ""), [path])
            yield* objects.remove(path)
            assert.deepStrictEqual(yield* list(objects, ""), [])
          }
        }).pipe(Effect.provide(layer), Effect.scoped)
      )
    )
  })
