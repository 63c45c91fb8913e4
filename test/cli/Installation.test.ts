import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Installation from "../../src/cli/Installation.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import type * as ObjectStore from "../../src/services/ObjectStore.ts"
import * as Registry from "../../src/services/Registry.ts"

const key = StreamKey.blake3HashPin(Hash.zero)

/** A registry that holds nothing and counts how often it is opened. */
const counting = () => {
  const opened: Array<Installation.RegistryKind> = []
  const open: Installation.Open<never, never> = (kind) =>
    Effect.sync(() => {
      opened.push(kind)
      return {
        name: "counting",
        entries: () => Effect.succeed([]),
        set: () => Effect.succeed(Registry.SetOutcome.Stored({ verdicts: [] })),
        changes: () => Stream.empty
      }
    })
  return { opened, open }
}

const files = (data: ObjectStore.Service) => Effect.map(Stream.runCollect(data.list("")), (paths) => [...paths])

describe("Installation", () => {
  it.effect("a registry that was never written to answers nothing and makes nothing", () =>
    Effect.gen(function* () {
      const data = yield* ObjectStoreMemory.make()
      const { open, opened } = counting()
      const registry = yield* Installation.registry(data, { name: "local", wanted: undefined, open })
      assert.deepStrictEqual(yield* registry.entries(key), [])
      assert.deepStrictEqual(opened, [])
      assert.deepStrictEqual(yield* files(data), [])
    }).pipe(Effect.scoped)
  )

  it.effect("many first choices at once are one choice, and it is opened once", () =>
    Effect.gen(function* () {
      const data = yield* ObjectStoreMemory.make()
      const kinds = yield* Effect.forEach(
        ["lmdb", "files", "lmdb", "files"] as const,
        (kind) => Installation.choose(data, kind),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(kinds).size, 1)
      const { open, opened } = counting()
      const other = kinds[0] === "lmdb" ? "files" : "lmdb"
      const registry = yield* Installation.registry(data, { name: "local", wanted: other, open })
      yield* Effect.all([registry.entries(key), registry.entries(key)], { concurrency: "unbounded" })
      assert.deepStrictEqual(opened, [kinds[0]])
    }).pipe(Effect.scoped)
  )

  it.effect("a record that is none is damage, told as the registry's own failure", () =>
    Effect.gen(function* () {
      const data = yield* ObjectStoreMemory.make()
      yield* data.put("registry.json", Bytes.fromUtf8('{"type":"sqlite"}'))
      const { open } = counting()
      const registry = yield* Installation.registry(data, { name: "local", wanted: undefined, open })
      const error = yield* Effect.flip(registry.entries(key))
      assert.strictEqual(error.reason, "Corrupt")
      assert.include(error.message, "registry.json")
    }).pipe(Effect.scoped)
  )

  it.effect("a setting that is no kind is refused", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Installation.wanted(undefined), undefined)
      assert.strictEqual(yield* Installation.wanted("files"), "files")
      assert.strictEqual((yield* Effect.flip(Installation.wanted("LMDB"))).reason, "BadSetting")
    })
  )
})
