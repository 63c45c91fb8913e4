import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreFs from "../../src/layers/ObjectStoreFs.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as VaultStateObjectStore from "../../src/layers/VaultStateObjectStore.ts"
import * as ObjectStore from "../../src/services/ObjectStore.ts"
import * as VaultState from "../conformance/VaultState.ts"
import { temporaryFolder } from "../support/folders.ts"

const damage = (objects: ObjectStore.Service) => (bytes: Uint8Array) =>
  Stream.runForEach(objects.list("docs/"), (path) => objects.put(path, bytes))

VaultState.suite(
  "objects in memory",
  Effect.gen(function* () {
    const objects = yield* ObjectStoreMemory.make()
    const other = VaultStateObjectStore.make(objects)
    return { state: yield* other, other, damage: damage(objects) }
  })
)

VaultState.suite(
  "files",
  Effect.gen(function* () {
    const directory = `${yield* temporaryFolder}/vaults`
    const objects = yield* ObjectStoreFs.make({ directory, private: true })
    const other = Effect.flatMap(ObjectStoreFs.make({ directory, private: true }), VaultStateObjectStore.make)
    return { state: yield* VaultStateObjectStore.make(objects), other, damage: damage(objects) }
  })
)

describe("records in an object store", () => {
  it.effect("older revisions go with the save of a newer one", () =>
    Effect.gen(function* () {
      const objects = yield* ObjectStoreMemory.make()
      const state = yield* VaultStateObjectStore.make(objects)
      for (const revision of [1n, 2n, 12n]) {
        yield* state.saveRecord("docs", "a", VaultState.record(revision))
        yield* state.saveSeen("relay", revision)
      }
      const paths = [...(yield* Stream.runCollect(objects.list("")))]
      assert.lengthOf(paths, 2)
      for (const path of paths) assert.match(path, /\/00000000000000000012(\.json)?$/)
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )

  it.effect("a store that fails names what was to be kept, and a full or forbidden one is told as such", () =>
    Effect.gen(function* () {
      const objects = yield* ObjectStoreMemory.make()
      for (const reason of ["Full", "Denied", "Unavailable"] as const) {
        const failing = new ObjectStore.ObjectStoreError({
          reason,
          store: "vaults",
          operation: "put",
          path: "p",
          detail: "it is made to fail"
        })
        const state = yield* VaultStateObjectStore.make({ ...objects, put: () => failing, create: () => failing })
        for (const write of [
          state.saveRecord("docs", "a", VaultState.record(1n)),
          state.intend("docs", "a", VaultState.record(1n)),
          state.addTodo("docs", { _tag: "RecoveryEntry" }),
          state.saveLastNode("docs", new Uint8Array(1)),
          state.saveSeen("docs", 1n),
          Effect.asVoid(state.createKeys("docs", new Uint8Array(1)))
        ]) {
          const error = yield* Effect.flip(write)
          assert.strictEqual(error.reason, reason)
          assert.match(error.message, /^vault docs: .+: it is made to fail$/)
        }
      }
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )

  it.effect("a write counts as done when it is durable", () =>
    Effect.gen(function* () {
      const objects = yield* ObjectStoreMemory.make()
      let unflushed = 0
      const state = yield* VaultStateObjectStore.make({
        ...objects,
        put: (path, bytes) => Effect.tap(objects.put(path, bytes), () => Effect.sync(() => unflushed++)),
        sync: Effect.sync(() => {
          unflushed = 0
        })
      })
      for (const write of [
        state.saveRecord("docs", "a", VaultState.record(1n)),
        state.intend("docs", "a", VaultState.record(1n)),
        state.addTodo("docs", { _tag: "RecoveryEntry" }),
        state.saveLastNode("docs", new Uint8Array(1)),
        state.saveSeen("docs", 1n)
      ]) {
        yield* write
        assert.strictEqual(unflushed, 0)
      }
    }).pipe(Effect.provide(CryptoAuto.layer()))
  )
})
