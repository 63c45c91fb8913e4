/** A process of its own over a folder of objects: `race`, `fill` or `full`. Prints one line of JSON for each step. */
import * as Effect from "effect/Effect"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { content } from "./content.ts"

const [task = "", directory = "", links = "true", count = "0"] = process.argv.slice(2)
const say = (value: unknown) => Effect.sync(() => process.stdout.write(`${JSON.stringify(value)}\n`))

const main = Effect.gen(function* () {
  const objects = yield* ObjectStoreFs.make({ directory, hardLinks: links === "true" })
  yield* say("ready")
  if (task === "race") {
    // everybody starts when the parent closes stdin
    yield* Effect.promise(() => new Promise((done) => process.stdin.resume().on("end", done)))
    for (let i = 0; i < Number(count); i++) {
      yield* say(yield* objects.create(`claims/${i}`, Bytes.fromUtf8(`${process.pid}`)))
    }
  } else if (task === "fill") {
    yield* Effect.forEach(
      Array.from({ length: 100_000 }, (_, i) => i),
      (i) =>
        i % 2 === 0
          ? Effect.zipRight(objects.put(`put/${i % 64}/${i}`, content(i)), i % 100 === 0 ? say(i) : Effect.void)
          : objects.create(`create/${i % 64}/${i}`, content(i)),
      { concurrency: 16, discard: true }
    )
  } else {
    yield* objects.put("small", new Uint8Array(1000))
    const put = yield* Effect.flip(objects.put("small", new Uint8Array(4 << 20)))
    const create = yield* Effect.flip(objects.create("new", new Uint8Array(4 << 20)))
    const kept = yield* objects.get("small")
    yield* say({
      put: put.reason,
      create: create.reason,
      kept: kept.length,
      size: (yield* objects.size("new")) ?? null
    })
  }
})

await Effect.runPromise(Effect.scoped(main))
