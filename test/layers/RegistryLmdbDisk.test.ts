import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as LmdbPages from "../../src/layers/internal/lmdbPages.ts"
import * as RegistryLmdb from "../../src/layers/RegistryLmdb.ts"
import { dice, entryOf, key } from "../support/registry.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cairn-registry-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A registry on disk with one entry, closed. */
const closed = Effect.gen(function* () {
  const directory = join(yield* folder, "registry")
  const entry = entryOf(1n, "first")
  yield* Effect.scoped(Effect.flatMap(RegistryLmdb.make({ directory }), (registry) => registry.set(entry, [])))
  return { directory, entry }
})

/** The folder of one that was written over ten times, each time opened anew: at revision 11, with pages that are free. */
const grown = Effect.gen(function* () {
  const { directory, entry } = yield* closed
  let last = entry
  for (let revision = 2n; revision < 12n; revision++) {
    const next = entryOf(revision, "next")
    yield* Effect.scoped(Effect.flatMap(RegistryLmdb.make({ directory }), (registry) => registry.set(next, [last])))
    last = next
  }
  return directory
})

const revisions = (directory: string) =>
  Effect.scoped(
    Effect.flatMap(RegistryLmdb.make({ directory }), (registry) =>
      Effect.map(registry.entries(key), (entries) => entries.map(({ revision }) => revision))
    )
  )

describe("a registry file cut short", () => {
  it.scopedLive("is an error that names it, and never a crash", () =>
    Effect.gen(function* () {
      const { directory } = yield* closed
      const whole = `${directory}-whole`
      cpSync(directory, whole, { recursive: true })
      const file = join(directory, "data.mdb")
      const { size } = statSync(file)
      for (const length of [1, 100, 4096, 8191, 8192, 12_288].filter((length) => length < size)) {
        rmSync(directory, { recursive: true })
        cpSync(whole, directory, { recursive: true })
        truncateSync(file, length)
        const error = yield* Effect.flip(revisions(directory))
        assert.strictEqual(error._tag, "RegistryLmdbError", `${length}`)
        assert.include(error.message, `cut short at ${length} bytes`)
      }
      rmSync(directory, { recursive: true })
      cpSync(whole, directory, { recursive: true })
      assert.deepStrictEqual(yield* revisions(directory), [1n])
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )

  it.scopedLive("is never seen in one that grew and shrank as registries do", () =>
    Effect.gen(function* () {
      const { directory } = yield* closed
      for (let round = 2n; round < 40n; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const registry = yield* RegistryLmdb.make({ directory })
            const before = yield* registry.entries(key)
            yield* registry.set(entryOf(round, "next"), before)
          })
        )
        assert.deepStrictEqual(yield* revisions(directory), [round])
      }
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )
})

describe("a registry file with a page that rotted", () => {
  const pageSize = 4096

  it.scopedLive("is an error that names it or answers as before, and never a crash", () =>
    Effect.gen(function* () {
      const directory = yield* grown
      const file = join(directory, "data.mdb")
      const whole = readFileSync(file)
      const roll = dice(7)
      let told = 0
      let tried = 0
      for (let page = 2; page < whole.length / pageSize; page++) {
        for (const [from, length] of [
          [0, 64],
          [24, 40],
          [512, pageSize - 512],
          [0, pageSize]
        ] as const) {
          const rotten = Buffer.from(whole)
          for (let index = 0; index < length; index++) rotten[page * pageSize + from + index] = roll(256)
          rmSync(join(directory, "lock.mdb"), { force: true })
          writeFileSync(file, rotten)
          const result = yield* Effect.either(revisions(directory))
          tried++
          if (Either.isRight(result)) {
            assert.deepStrictEqual(result.right, [11n])
            continue
          }
          told++
          assert.include(["RegistryLmdbError", "RegistryError"], result.left._tag)
          if (result.left._tag === "RegistryLmdbError") assert.match(result.left.message, /data\.mdb is damaged \(/)
        }
      }
      assert.isAbove(told, 4)
      assert.isAbove(tried, told)
      writeFileSync(file, whole)
      assert.deepStrictEqual(yield* revisions(directory), [11n])
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )
})

it.scopedLive("whatever bit turned in a page, looking at it tells what is wrong or nothing", () =>
  Effect.gen(function* () {
    const directory = yield* grown
    const file = readFileSync(join(directory, "data.mdb"))
    const pageSize = 4096
    const metas = [24, pageSize + 24].map((at) => ({ at, transaction: Number(file.readBigUInt64LE(at + 128)) }))
    const { at, transaction } = metas.reduce((a, b) => (b.transaction > a.transaction ? b : a))
    const lastPage = Number(file.readBigUInt64LE(at + 120))
    const problem = () => LmdbPages.problemIn(file, { pageSize, databases: at + 24, transaction, lastPage })
    assert.isUndefined(problem())
    const root = Number(file.readBigUInt64LE(at + 24 + 48 + 40))
    for (let offset = 2 * pageSize; offset < file.length; offset++)
      for (let bit = 0; bit < 8; bit++) {
        file[offset]! ^= 1 << bit
        const told = problem()
        file[offset]! ^= 1 << bit
        // the number of the page that everything hangs on, and the highest bits of its transaction
        const from = offset - root * pageSize
        if ((from >= 0 && from < 8) || (from >= 10 && from < 16)) assert.isString(told, `${offset}.${bit}`)
      }
    assert.isUndefined(problem())
  }).pipe(Effect.provide(CryptoAuto.layer()))
)

it.scopedLive(
  "whatever rotted in the first two pages or in the list of free pages is an error that names the file",
  () =>
    Effect.gen(function* () {
      const directory = yield* grown
      const path = join(directory, "data.mdb")
      const whole = readFileSync(path)
      const pageSize = 4096
      const newest = [24, pageSize + 24].reduce((a, b) =>
        whole.readBigUInt64LE(b + 128) > whole.readBigUInt64LE(a + 128) ? b : a
      )
      const free = Number(whole.readBigUInt64LE(newest + 24 + 40)) * pageSize + 24
      /** The list of a transaction's free pages, whose entry on the page of the free list `pointer` leads to. */
      const listAt = (pointer: number) => {
        const node = free + whole.readUInt16LE(pointer)
        return node + 8 + whole.readUInt16LE(node + 6)
      }
      const ids = listAt(free)
      const others = listAt(free + 2)
      assert.isAbove(Number(whole.readBigUInt64LE(ids)), 0)
      const root = whole.readBigUInt64LE(newest + 24 + 48 + 40)
      const bit = (offset: number, number: number) => (file: Buffer) => {
        file[offset + (number >> 3)]! ^= 1 << (number & 7)
      }
      const id = (value: bigint) => (file: Buffer) => file.writeBigInt64LE(value, ids + 8)
      const rots: Record<string, (file: Buffer) => unknown> = {
        "the first page is zeros": (file) => file.fill(0, 0, pageSize),
        "the second page is zeros": (file) => file.fill(0, pageSize, 2 * pageSize),
        "another magic number": bit(24, 0),
        "another version": bit(28, 0),
        "another magic number in the second": bit(pageSize + 24, 0),
        "a page of no bytes": bit(48, 12),
        "a page of more bytes than any": bit(48, 20),
        "another size of a page in the second": bit(pageSize + 48, 12),
        "a larger one": bit(pageSize + 48, 20),
        "a last page far behind the end": bit(newest + 124, 4),
        "free pages of another kind": bit(newest + 28, 2),
        "another number of entries": bit(newest + 24 + 48 + 32, 0),
        "a page that is free twice": id(whole.readBigInt64LE(others + 8)),
        "a page of metadata that is free": id(1n),
        "the root is free": id(root),
        "a run of no first page": id(-5n),
        "a run that is longer than memory": id(-100_000n)
      }
      for (const [what, rot] of Object.entries(rots)) {
        const file = Buffer.from(whole)
        rot(file)
        assert.isFalse(file.equals(whole), what)
        writeFileSync(path, file)
        const error = yield* Effect.flip(revisions(directory))
        assert.strictEqual(error._tag, "RegistryLmdbError", what)
        assert.match(error.message, /data\.mdb is damaged \(/, what)
      }
      writeFileSync(path, whole)
      assert.deepStrictEqual(yield* revisions(directory), [11n])
    }).pipe(Effect.provide(CryptoAuto.layer()))
)

it.scopedLive("a lock file that cannot be opened is an error that names it", () =>
  Effect.gen(function* () {
    const { directory } = yield* closed
    const lock = join(directory, "lock.mdb")
    rmSync(lock, { force: true })
    mkdirSync(lock)
    const error = yield* Effect.flip(revisions(directory))
    assert.include(error.message, `${lock} is a folder`)
    rmSync(lock, { recursive: true })
    assert.deepStrictEqual(yield* revisions(directory), [1n])
  }).pipe(Effect.provide(CryptoAuto.layer()))
)

/** Shows `directory` at `at` so that nothing in it can be written; only root can, and not in every container. */
const mountedReadOnly = (directory: string, at: string): boolean => {
  mkdirSync(at)
  if (process.getuid?.() !== 0 || spawnSync("mount", ["--bind", directory, at]).status !== 0) return false
  if (spawnSync("mount", ["-o", "remount,bind,ro", at]).status === 0) return true
  spawnSync("umount", [at])
  return false
}

it.scopedLive("a registry on a read-only disk is read, and refuses to be written", (context) =>
  Effect.gen(function* () {
    const { directory, entry } = yield* closed
    const at = `${directory}-ro`
    if (!mountedReadOnly(directory, at)) return context.skip()
    yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", ["-l", at])))
    assert.deepStrictEqual(yield* revisions(at), [1n])
    const error = yield* Effect.flip(
      Effect.scoped(
        Effect.flatMap(RegistryLmdb.make({ directory: at }), (registry) => registry.set(entryOf(2n, "next"), [entry]))
      )
    )
    assert.propertyVal(error, "reason", "Denied")
    assert.deepStrictEqual(yield* revisions(directory), [1n])
  }).pipe(Effect.provide(CryptoAuto.layer()))
)
