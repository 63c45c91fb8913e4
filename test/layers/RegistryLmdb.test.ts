import { spawnSync } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Lmdb from "lmdb"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as RegistryLmdb from "../../src/layers/RegistryLmdb.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import { suite } from "../conformance/Registry.ts"
import { entryOf, key, outcome, shown } from "../support/registry.ts"
import { peacefulRace, race } from "../support/registryRace.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "cairn-lmdb-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

suite(
  "lmdb",
  Effect.gen(function* () {
    // two levels that the registry has to make by itself
    const directory = join(yield* folder, "a", "b.c")
    const registry = yield* RegistryLmdb.make({ directory, pollEvery: 2 })
    const other = yield* Effect.acquireRelease(
      Effect.sync(() => Lmdb.open({ path: directory, noSubdir: false, overlappingSync: false, encoding: "binary" })),
      (environment) => Effect.promise(() => environment.close())
    )
    const database = other.openDB<Uint8Array, Uint8Array>({
      name: "registry",
      encoding: "binary",
      keyEncoding: "binary"
    })
    return {
      registry,
      plant: (of, bytes) => Effect.sync(() => database.putSync(StreamKey.toStorageKey(of), bytes)),
      raw: (of) =>
        Effect.sync(() => {
          database.resetReadTxn()
          return database.getBinary(StreamKey.toStorageKey(of))
        })
    }
  })
)

const newest = (directory: string) => () =>
  Effect.runPromise(
    RegistryLmdb.make({ directory }).pipe(
      Effect.flatMap((registry) => registry.entries(key)),
      Effect.map((entries) => entries[0]?.revision ?? 0n),
      Effect.scoped,
      Effect.provide(CryptoAuto.layer())
    )
  )

it.scopedLive("three processes that raise one key 50 times each leave revision 150", () =>
  Effect.gen(function* () {
    const directory = yield* folder
    yield* Effect.promise(() => peacefulRace("lmdb", directory, newest(directory)))
  })
)

it.scopedLive("processes that are killed while they write lose nothing that was acknowledged, and block nobody", () =>
  Effect.gen(function* () {
    const directory = yield* folder
    yield* Effect.promise(() => race("lmdb", directory, newest(directory)))
  })
)

it.scopedLive("what another process has just written is read within the same turn of the event loop", () =>
  Effect.gen(function* () {
    const directory = yield* folder
    const registry = yield* RegistryLmdb.make({ directory })
    const script = fileURLToPath(new URL("../support/registryWriter.ts", import.meta.url))
    // nothing in here waits, so the library has no turn in which it would renew its snapshot by itself
    const [before, after] = Effect.runSync(
      Effect.all([
        registry.entries(key),
        Effect.zipRight(
          Effect.sync(() => spawnSync(process.execPath, ["--import", "tsx", script, "lmdb", directory, "other", "1"])),
          registry.entries(key)
        )
      ])
    )
    assert.deepStrictEqual([before.length, after.map((entry) => entry.revision)], [0, [1n]])
  }).pipe(Effect.provide(CryptoAuto.layer()))
)

it.scopedLive("two openings in one process are one registry", () =>
  Effect.gen(function* () {
    const directory = yield* folder
    const one = yield* RegistryLmdb.make({ directory })
    const two = yield* RegistryLmdb.make({ directory })
    const [first, rival] = [entryOf(1n, "a"), entryOf(1n, "b")]
    assert.strictEqual(outcome(yield* one.set(first, [])), "Stored")
    assert.strictEqual(outcome(yield* two.set(rival, [])), `Lost to ${shown(first)}`)
    assert.deepStrictEqual((yield* two.entries(key)).map(shown), [shown(first)])
  }).pipe(Effect.provide(CryptoAuto.layer()))
)

it.scopedLive("a folder that cannot be one is a typed error that names it", () =>
  Effect.gen(function* () {
    const file = join(yield* folder, "file")
    yield* Effect.promise(() => writeFile(file, "x"))
    const error = yield* Effect.flip(RegistryLmdb.make({ directory: file }))
    assert.strictEqual(error.reason, "CannotOpen")
    assert.include(error.message, file)
  }).pipe(Effect.provide(CryptoAuto.layer()))
)
