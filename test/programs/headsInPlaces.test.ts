/** After a publication its head is in every place that keeps the vault, however often a place did not answer. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as Todos from "../../src/programs/Todos.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Registry from "../../src/services/Registry.ts"
import type * as VaultState from "../../src/services/VaultState.ts"
import { later, make, mapping, patiently, type World } from "../support/programs.ts"
import * as Rivals from "../support/rivals.ts"

const fact = <E>(name: string, run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>) =>
  it.effect(name, () =>
    Effect.flatMap(make({ "/one/f": "1" }), (world) =>
      Effect.zipRight(later, run(world)).pipe(Effect.provide(world.layer))
    )
  )

const one = mapping("/one")

/** The registry of a place, with a hand on it. */
const place = Effect.fnUntraced(function* (name: string) {
  const inner = yield* RegistryMemory.make({ name })
  const hands = { isDown: false, sets: 0 }
  const down = new Registry.RegistryError({ reason: "Unavailable", registry: name, key: "k", detail: "no answer" })
  const service: Registry.Service = {
    ...inner,
    entries: (key) => Effect.suspend(() => (hands.isDown ? down : inner.entries(key))),
    set: (entry, over) =>
      Effect.suspend(() => {
        hands.sets += 1
        return hands.isDown ? down : inner.set(entry, over)
      })
  }
  return { service, hands, inner }
})

const openVault = Effect.fnUntraced(function* (registries: ReadonlyArray<Registry.Service>) {
  const vault: Vault.Vault = { ...(yield* Vault.ensure("docs")), registries }
  return vault
})

const revisionIn = (registry: Registry.Service, vault: Vault.Vault) =>
  Effect.map(registry.entries(vault.streamKey), ([entry]) => entry?.revision)

describe("the head of a vault", () => {
  fact("is in each place after the publication, the same entry", (world) =>
    Effect.gen(function* () {
      const [a, b] = [yield* place("a"), yield* place("b")]
      const vault = yield* openVault([a.service, b.service])
      for (const content of ["2", "3"]) {
        yield* world.disk.put("/one/f", content)
        const { published } = yield* Rivals.backupInto(vault, one)
        assert.deepStrictEqual(published.pending, [])
        const here = yield* world.registry.entries(vault.streamKey)
        for (const { inner } of [a, b]) assert.deepStrictEqual(yield* inner.entries(vault.streamKey), here)
      }
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("is not lost on a place that sleeps: one step stays on the list, and the newest head comes at last", (world) =>
    Effect.gen(function* () {
      const [asleep, awake] = [yield* place("asleep"), yield* place("awake")]
      const vault = yield* openVault([asleep.service, awake.service])
      yield* Rivals.backupInto(vault, one)
      asleep.hands.isDown = true
      for (const content of ["2", "3", "4"]) {
        yield* world.disk.put("/one/f", content)
        const { published } = yield* Rivals.backupInto(vault, one)
        assert.deepStrictEqual(
          published.pending.map(({ _tag }) => _tag),
          ["Head"]
        )
        assert.strictEqual(yield* revisionIn(awake.inner, vault), published.revision)
      }
      assert.strictEqual(yield* revisionIn(asleep.inner, vault), 1n)
      asleep.hands.isDown = false
      const before = asleep.hands.sets
      // a run that publishes nothing brings it, too
      const { published } = yield* Rivals.backupInto(vault, one)
      assert.strictEqual(published.outcome, "unchanged")
      assert.strictEqual(yield* revisionIn(asleep.inner, vault), 4n)
      assert.strictEqual(asleep.hands.sets, before + 1)
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("comes to a place that is configured later, without a publication", () =>
    Effect.gen(function* () {
      yield* Rivals.backupInto(yield* openVault([]), one)
      const late = yield* place("late")
      const vault = yield* openVault([late.service])
      yield* patiently(Todos.workOff(vault))
      assert.strictEqual(yield* revisionIn(late.inner, vault), 1n)
    })
  )

  fact("waits until the place holds what it leads to", (world) =>
    Effect.gen(function* () {
      const a = yield* place("a")
      const empty = { ...world.blobs, name: "a", has: () => Effect.succeed(false) }
      const broken = { ...empty, put: () => Effect.die("nothing can be put there") }
      const vault: Vault.Vault = { ...(yield* openVault([a.service])), stores: [] }
      yield* Rivals.backupInto({ ...vault, registries: [] }, one)
      const waiting: Vault.Vault = { ...vault, stores: [{ ...broken, put: empty.put, sync: Effect.void }] }
      yield* patiently(Todos.workOff(waiting))
      assert.isUndefined(yield* revisionIn(a.inner, vault))
      const full: Vault.Vault = { ...vault, stores: [{ ...world.blobs, name: "a" }] }
      yield* patiently(Todos.workOff(full))
      assert.strictEqual(yield* revisionIn(a.inner, vault), 1n)
    })
  )

  fact("never goes over one of a higher revision: a registry that was put back from an old copy is told", (world) =>
    Effect.gen(function* () {
      const a = yield* place("a")
      const vault = yield* openVault([a.service])
      yield* Rivals.backupInto(vault, one)
      const old = new Map(world.entries)
      yield* world.disk.put("/one/f", "2")
      yield* Rivals.backupInto(vault, one)
      const kept = yield* a.inner.entries(vault.streamKey)
      for (const [key, bytes] of old) world.entries.set(key, bytes)
      const todo: VaultState.Todo = { _tag: "Head", store: "a", revision: 1n }
      yield* world.state.addTodo("docs", todo)
      assert.deepStrictEqual(yield* patiently(Todos.workOff(vault)), [todo])
      assert.deepStrictEqual(yield* a.inner.entries(vault.streamKey), kept)
    })
  )

  fact("of a publication that may still come is left to it, and older steps are done meanwhile", (world) =>
    Effect.gen(function* () {
      const a = yield* place("a")
      const vault = yield* openVault([a.service])
      yield* Rivals.backupInto({ ...vault, registries: [] }, one)
      const coming: VaultState.Todo = { _tag: "Head", store: "a", revision: 2n }
      yield* world.state.addTodo("docs", coming)
      assert.deepStrictEqual(yield* patiently(Todos.workOff(vault)), [])
      assert.deepStrictEqual(yield* world.state.todos("docs"), [coming])
      assert.strictEqual(yield* revisionIn(a.inner, vault), 1n)
    })
  )

  fact("is not waited for at a place that can never keep one, as a bucket that ignores conditional writes", (world) =>
    Effect.gen(function* () {
      const a = yield* place("a")
      const unfit = new Registry.RegistryError({
        reason: "Unsupported",
        registry: "a",
        key: "k",
        detail: "ignores them"
      })
      const vault = yield* openVault([{ ...a.service, set: () => unfit }])
      for (const content of ["2", "3"]) {
        yield* world.disk.put("/one/f", content)
        const { published } = yield* Rivals.backupInto(vault, one)
        assert.deepStrictEqual(published.pending, [])
        assert.deepStrictEqual(yield* world.state.todos("docs"), [])
      }
    })
  )

  fact("is not asked for where the place is none of the vault's any more", (world) =>
    Effect.gen(function* () {
      const vault = yield* openVault([])
      yield* Rivals.backupInto(vault, one)
      yield* world.state.addTodo("docs", { _tag: "Head", store: "gone", revision: 1n })
      assert.deepStrictEqual(yield* patiently(Todos.workOff(vault)), [])
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("is one: two runs that copy at once end with the newer", (world) =>
    Effect.gen(function* () {
      const a = yield* place("a")
      const vault = yield* openVault([a.service])
      yield* Rivals.backupInto({ ...vault, registries: [] }, one)
      yield* world.disk.put("/one/f", "2")
      yield* Rivals.backupInto({ ...vault, registries: [] }, one)
      yield* patiently(
        Effect.all(
          Array.from({ length: 8 }, () => Todos.workOff(vault)),
          { concurrency: "unbounded" }
        )
      )
      const [held] = yield* a.inner.entries(vault.streamKey)
      const [here] = yield* world.registry.entries(vault.streamKey)
      assert.isTrue(held !== undefined && here !== undefined && Bytes.equals(held.hash, here.hash))
    })
  )
})
